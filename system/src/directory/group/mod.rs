//! Groups: users who share images with one another, and some of whom administer the group.
//!
//! A group has at least one member, and one of them at least is an admin. It ends with its last member.

mod create;
mod grant;
mod join;
mod leave;
mod query;
mod role;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::{
    create::CreateGroup,
    grant::SetGroupGrant,
    join::{AnswerJoin, AskToJoin},
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
/// The most groups that a user is a member of.
pub const MAX_GROUPS: usize = 100;
/// The most groups that one image is granted to.
pub const MAX_GROUP_GRANTS: usize = 16;
/// The most images that are granted to one group. When it ends, all these grants do, in one step.
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

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Since when there is one, milliseconds since the Unix epoch.
    pub founded_ms: u64,
    /// Who belongs to it.
    pub members: BTreeMap<UserName, Membership>,
    /// Who asked to join and when, milliseconds since the Unix epoch.
    pub requests: BTreeMap<UserName, u64>,
}

impl Group {
    /// Its admins, by name.
    pub fn admins(&self) -> impl Iterator<Item = &UserName> {
        self.members.iter().filter(|(_, member)| member.role == Role::Admin).map(|(name, _)| name)
    }

    /// Who has been a member for the longest; of several, the first by name.
    fn eldest(&self) -> Option<&UserName> {
        self.members.iter().min_by_key(|(_, member)| member.joined_ms).map(|(name, _)| name)
    }
}

impl Directory {
    pub(super) fn known_group(&self, group: &GroupName) -> Result<&Group, Refusal> {
        self.groups.get(group).ok_or_else(|| Refusal::UnknownGroup { group: group.clone() })
    }

    pub(super) fn known_group_mut(&mut self, group: &GroupName) -> Result<&mut Group, Refusal> {
        self.groups.get_mut(group).ok_or_else(|| Refusal::UnknownGroup { group: group.clone() })
    }

    /// A request to join is settled: whoever is answered, no admin needs to be told of it any more.
    fn forget_join_notices(&mut self, group: &GroupName, user: &UserName) {
        let admins: Vec<UserName> =
            self.groups.get(group).into_iter().flat_map(Group::admins).cloned().collect();
        for admin in admins {
            self.forget_notice(&admin, Subject::Join(group.clone(), user.clone()));
        }
    }

    /// Takes a member out. The eldest becomes admin if there is none left, and the group ends with its last member.
    fn take_out(&mut self, group: &GroupName, user: &UserName) -> Result<(), Refusal> {
        let record = self.known_group_mut(group)?;
        record.members.remove(user);
        let successor = match record.admins().next() {
            None => record.eldest().cloned(),
            Some(_) => None,
        };
        if let Some(membership) = successor.as_ref().and_then(|name| record.members.get_mut(name)) {
            membership.role = Role::Admin;
        }
        let ends = record.members.is_empty();
        self.index.groups_of.remove(&(user.clone(), group.clone()));
        if let Some(successor) = successor {
            self.notify(&successor, Notice::NowAdmin { group: group.clone() });
        }
        if ends {
            self.end_group(group);
        }
        Ok(())
    }

    fn end_group(&mut self, group: &GroupName) {
        for used_up in [false, true] {
            let images: Vec<_> = self.index.images_of_group(group, used_up, super::ImageId(0)).collect();
            for id in images {
                if let Some(image) = self.images.get_mut(&id) {
                    image.group_grants.remove(group);
                    image.revision += 1;
                }
                self.index.group_images.remove(&(group.clone(), used_up, id));
            }
        }
        let waiting = self.groups.remove(group).map(|ended| ended.requests).unwrap_or_default();
        for user in waiting.keys() {
            self.notify(user, Notice::JoinRefused { group: group.clone() });
        }
    }
}
