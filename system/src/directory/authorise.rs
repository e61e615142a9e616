//! Who may do what: for every action and every question, here and nowhere else.
//!
//! What depends on the state of the object alone (a name that is taken, a quota that is used up) is decided where the
//! action is carried out.

use super::{Action, Caller, Directory, ImageId, Query, Refusal, UserName};

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
            Wish::User => match caller {
                Caller::User(..) => Ok(()),
                Caller::Stranger | Caller::Operator | Caller::Node => Err(Refusal::NoSession),
            },
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
            Action::RecordImage(record) => user(caller, &record.owner),
            Action::OpenView(open) => user(caller, &open.viewer),
            Action::SetGrant(set) => {
                user(caller, &set.owner)?;
                self.owner(&set.owner, set.image)
            }
            Action::Rewrap(_) => operator(caller),
        }
    }

    fn authorise_query(&self, caller: &Caller, query: &Query) -> Result<(), Refusal> {
        match query {
            Query::List { user: of, .. } | Query::Sessions { user: of, .. } => user(caller, of),
            Query::Users { .. } | Query::Images { .. } | Query::Hash => operator(caller),
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

    /// Only the image's owner and those who were ever granted views of it.
    fn involved(&self, name: &UserName, image: ImageId) -> Result<(), Refusal> {
        match self.images.get(&image) {
            None => Err(Refusal::UnknownImage { image }),
            Some(record) if record.owner == *name || record.grants.contains_key(name) => Ok(()),
            Some(_) => Err(Refusal::NoGrant { image, viewer: name.clone() }),
        }
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
