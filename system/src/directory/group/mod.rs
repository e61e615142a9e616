//! Groups: users who share images with one another, and some of whom administer the group.
//!
//! A group has at least one member, and one of them at least is an admin. It ends with its last member: then what is
//! left of it has no members, is shown to nobody, and is cleared away.

mod create;
mod grant;
mod join;
mod leave;
mod query;
mod role;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

pub use self::{
    create::CreateGroup,
    grant::SetGroupGrant,
    join::{AnswerJoin, AskToJoin, JoinRequest},
    leave::{LeaveGroup, RemoveMember},
    role::SetRole,
};
use super::{Directory, GroupName, Notice, Refusal, Subject, UserName};

/// The most members of a group.
pub const MAX_MEMBERS: usize = 1_000;
/// The most admins of a group: each is told of every request to join.
pub const MAX_ADMINS: usize = 16;
/// The most requests to join that wait in a group.
pub const MAX_JOIN_REQUESTS: usize = 1_000;
/// The most groups that one image is granted to.
pub const MAX_GROUP_GRANTS: usize = 16;
/// The most images that are granted to one group.
pub const MAX_GROUP_IMAGES: usize = 10_000;

/// A member's part in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Sees the members, and the images that the group has views of.
    Member,
    /// Besides, lets others in, removes members and makes admins.
    Admin,
}

/// Since when, and as what, somebody is a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The part.
    pub role: Role,
    /// Since then, milliseconds since the Unix epoch.
    pub joined_ms: u64,
}

/// A group. Cloning is cheap: maps share their structure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Since when there is one, milliseconds since the Unix epoch.
    pub founded_ms: u64,
    /// Who belongs to it.
    pub members: OrdMap<UserName, Membership>,
    /// Who asked to join.
    pub requests: OrdMap<UserName, JoinRequest>,
}

impl Group {
    /// Its admins, by name.
    pub fn admins(&self) -> impl Iterator<Item = &UserName> {
        self.members.iter().filter(|(_, member)| member.role == Role::Admin).map(|(name, _)| name)
    }

    /// Whether it is only waiting to be cleared away.
    pub(super) fn has_ended(&self) -> bool {
        self.members.is_empty()
    }
}

impl Directory {
    pub(super) fn known_group(&self, group: &GroupName) -> Result<&Group, Refusal> {
        let known = self.groups.get(group).filter(|known| !known.has_ended());
        known.ok_or_else(|| Refusal::UnknownGroup { group: group.clone() })
    }

    /// The name of a group as the directory has it, see [`Self::known_name`].
    pub(super) fn known_group_name(&self, group: &GroupName) -> Result<GroupName, Refusal> {
        let known = self.groups.get_key_value(group).filter(|(_, known)| !known.has_ended());
        known.map(|(name, _)| name.clone()).ok_or_else(|| Refusal::UnknownGroup { group: group.clone() })
    }

    pub(super) fn known_group_mut(&mut self, group: &GroupName) -> Result<&mut Group, Refusal> {
        let known = self.groups.get_mut(group).filter(|known| !known.has_ended());
        known.ok_or_else(|| Refusal::UnknownGroup { group: group.clone() })
    }

    /// A request to join is settled: whoever is answered, no admin needs to be told of it any more.
    pub(super) fn forget_join(&mut self, group: &GroupName, user: &UserName) {
        let request = self.groups.get_mut(group).and_then(|record| record.requests.remove(user));
        let Some(request) = request else { return };
        self.work.touch(1);
        self.index.remove_join(group, user, request);
        let admins: Vec<UserName> = self.index.admins(group).cloned().collect();
        for admin in admins {
            self.forget_notice(&admin, Subject::Join(group.clone(), user.clone()));
        }
    }

    /// Takes a member out. The eldest becomes admin if there is none left, and the group ends with its last member.
    fn take_out(&mut self, group: &GroupName, user: &UserName) -> Result<(), Refusal> {
        let record = self.known_group_mut(group)?;
        let Some(membership) = record.members.remove(user) else { return Ok(()) };
        self.work.touch(1);
        self.index.remove_member(group, user, membership);
        let successor = match self.index.admins(group).next() {
            None => self.index.eldest(group).cloned(),
            Some(_) => None,
        };
        match successor {
            Some(successor) => {
                if let Some(record) = self.groups.get_mut(group)
                    && let Some(membership) = record.members.get_mut(&successor)
                {
                    membership.role = Role::Admin;
                }
                self.index.set_role(group, &successor, Role::Admin);
                self.notify(&successor, Notice::NowAdmin { group: group.clone() });
            }
            None if self.groups.get(group).is_some_and(Group::has_ended) => {
                self.index.ended.insert(group.clone());
            }
            None => {}
        }
        Ok(())
    }
}
