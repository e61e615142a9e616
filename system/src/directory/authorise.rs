//! Who may do what: for every action and every question, here and nowhere else.
//!
//! What depends on the state of the object alone (a name that is taken, a quota that is used up) is decided where the
//! action is carried out.

use super::{Action, Caller, Directory, GroupName, ImageId, Membership, Query, Refusal, Role, UserName};

/// What somebody wants.
#[derive(Debug, Clone, Copy)]
pub enum Wish<'a> {
    /// To change something.
    Action(&'a Action),
    /// To know something.
    Query(&'a Query),
    /// To have an image sealed, by whoever works on it. (That it is recorded is another wish.)
    Seal {
        /// Whose image it will be.
        owner: &'a UserName,
    },
    /// What every user may: be told who seals, and by which key they find their grants.
    User,
    /// To change the cluster: its members, and the key-encryption key in use.
    Cluster,
}

impl Directory {
    /// Whether `caller` may have their wish.
    ///
    /// # Errors
    /// [`Refusal`]: that they may not.
    pub fn authorise(&self, caller: &Caller, wish: Wish<'_>) -> Result<(), Refusal> {
        match wish {
            Wish::Action(action) => self.authorise_action(caller, action),
            Wish::Query(query) => self.authorise_query(caller, query),
            Wish::Seal { owner } => user(caller, owner),
            Wish::User => logged_in(caller),
            Wish::Cluster => operator(caller),
        }
    }

    fn authorise_action(&self, caller: &Caller, action: &Action) -> Result<(), Refusal> {
        match action {
            Action::Register(_) => Ok(()),
            // A node proposes these for whoever has proven to be the user.
            Action::LogIn(_) | Action::SetPassword(_) | Action::SetKey(_) => node(caller),
            Action::Renew(renew) => user(caller, &renew.user),
            Action::EndSession(end) => user(caller, &end.user),
            Action::EndSessions(end) => user(caller, &end.user),
            Action::RecordEarlier(record) => user(caller, &record.owner),
            Action::RecordImage(record) => {
                user(caller, &record.owner)?;
                // As for every grant to a group.
                record.group_grants.keys().try_for_each(|group| self.member(&record.owner, group))
            }
            Action::OpenView(open) => user(caller, &open.viewer),
            Action::SetGrant(set) | Action::GrantViews(set) => {
                user(caller, &set.owner)?;
                self.owner(&set.owner, set.image)
            }
            Action::Rewrap(_) | Action::Restore(_) | Action::SetClock(_) | Action::SetQuotas(_) => {
                operator(caller)
            }
            Action::CreateGroup(create) => user(caller, &create.user),
            Action::AskToJoin(ask) => user(caller, &ask.user),
            Action::LeaveGroup(leave) => user(caller, &leave.user),
            Action::AnswerJoin(answer) => {
                user(caller, &answer.admin)?;
                self.admin(&answer.admin, &answer.group)
            }
            Action::RemoveMember(remove) => {
                user(caller, &remove.admin)?;
                self.admin(&remove.admin, &remove.group)
            }
            Action::SetRole(set) => {
                user(caller, &set.admin)?;
                self.admin(&set.admin, &set.group)
            }
            Action::SetGroupGrant(set) | Action::GrantViewsToGroup(set) => {
                user(caller, &set.owner)?;
                self.owner(&set.owner, set.image)?;
                // So that strangers cannot use up the images that a group may have. To revoke, one needs not be there.
                match set.views {
                    0 => Ok(()),
                    _ => self.member(&set.owner, &set.group),
                }
            }
            Action::Describe(describe) => {
                user(caller, &describe.owner)?;
                self.owner(&describe.owner, describe.image)
            }
            Action::Withdraw(withdraw) => {
                user(caller, &withdraw.owner)?;
                self.owner(&withdraw.owner, withdraw.image)
            }
            Action::AskForViews(ask) => {
                user(caller, &ask.user)?;
                match self.owner(&ask.user, ask.image) {
                    Ok(()) => Err(Refusal::OwnImage { image: ask.image }),
                    Err(Refusal::NotOwner { .. }) => Ok(()),
                    Err(refusal) => Err(refusal),
                }
            }
            Action::AnswerRequest(answer) => {
                user(caller, &answer.owner)?;
                self.owner(&answer.owner, answer.image)
            }
            Action::Acknowledge(acknowledge) => user(caller, &acknowledge.user),
            Action::Block(block) => user(caller, &block.user),
            Action::Unblock(unblock) => user(caller, &unblock.user),
        }
    }

    fn authorise_query(&self, caller: &Caller, query: &Query) -> Result<(), Refusal> {
        match query {
            Query::List { user: of, .. }
            | Query::Sessions { user: of, .. }
            | Query::Owned { user: of, .. }
            | Query::Requests { user: of, .. }
            | Query::Inbox { user: of, .. }
            | Query::MyGroups { user: of }
            | Query::Blocked { user: of }
            | Query::Usage { user: of } => user(caller, of),
            Query::Users { .. } | Query::Images { .. } | Query::Hash | Query::Dump { .. } | Query::Limits => {
                operator(caller)
            }
            Query::Groups { .. } => logged_in(caller),
            Query::Image { user: of, image } => {
                user(caller, of)?;
                self.involved(of, *image)
            }
            Query::Views { user: of, image, .. } => {
                user(caller, of)?;
                self.owner(of, *image)
            }
            Query::GroupMembers { user: of, group, .. } | Query::GroupImages { user: of, group, .. } => {
                user(caller, of)?;
                self.member(of, group)
            }
            Query::JoinRequests { user: of, group, .. } => {
                user(caller, of)?;
                self.admin(of, group)
            }
            Query::Block { image } => match caller {
                Caller::User(name, _) => self.involved(name, *image),
                Caller::Operator | Caller::Node => Ok(()),
                Caller::Stranger => Err(Refusal::NoSession),
            },
        }
    }

    /// Only the image's owner.
    fn owner(&self, name: &UserName, image: ImageId) -> Result<(), Refusal> {
        match self.images.get(&image) {
            None => Err(Refusal::UnknownImage { image }),
            Some(record) if record.owner == *name => Ok(()),
            Some(_) => Err(Refusal::NotOwner { image, user: name.clone() }),
        }
    }

    /// Only the image's owner and those who were ever granted views of it, in person or through a group.
    pub(super) fn involved(&self, name: &UserName, image: ImageId) -> Result<(), Refusal> {
        match self.images.get(&image) {
            None => Err(Refusal::UnknownImage { image }),
            Some(record) if record.owner == *name || self.index.views_left(record, name).is_some() => Ok(()),
            Some(_) => Err(Refusal::NoGrant { image, viewer: name.clone() }),
        }
    }

    /// Only members of the group.
    fn member(&self, name: &UserName, group: &GroupName) -> Result<(), Refusal> {
        match self.known_group(group)?.members.contains_key(name) {
            true => Ok(()),
            false => Err(Refusal::NotMember { group: group.clone(), user: name.clone() }),
        }
    }

    /// Only admins of the group.
    fn admin(&self, name: &UserName, group: &GroupName) -> Result<(), Refusal> {
        match self.known_group(group)?.members.get(name) {
            Some(Membership { role: Role::Admin, .. }) => Ok(()),
            _ => Err(Refusal::NotAdmin { group: group.clone(), user: name.clone() }),
        }
    }
}

/// Only users, whoever they are.
fn logged_in(caller: &Caller) -> Result<(), Refusal> {
    match caller {
        Caller::User(..) => Ok(()),
        Caller::Stranger | Caller::Operator | Caller::Node => Err(Refusal::NoSession),
    }
}

/// Only the user of this name.
fn user(caller: &Caller, name: &UserName) -> Result<(), Refusal> {
    match caller {
        Caller::User(found, _) if found == name => Ok(()),
        Caller::User(found, _) => Err(Refusal::NotYou { user: name.clone(), you: found.clone() }),
        Caller::Stranger | Caller::Operator | Caller::Node => Err(Refusal::NoSession),
    }
}

fn operator(caller: &Caller) -> Result<(), Refusal> {
    match caller {
        Caller::Operator | Caller::Node => Ok(()),
        Caller::User(..) | Caller::Stranger => Err(Refusal::OperatorsOnly),
    }
}

fn node(caller: &Caller) -> Result<(), Refusal> {
    match caller {
        Caller::Node => Ok(()),
        Caller::User(..) | Caller::Stranger | Caller::Operator => Err(Refusal::NodesOnly),
    }
}
