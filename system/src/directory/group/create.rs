use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Group, MAX_GROUPS, Membership, Role};
use crate::directory::{Answer, Directory, Effect, GroupName, Refusal, UserName, at_most};

/// Makes a group. Any user may, and becomes its first member and admin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateGroup {
    /// Who.
    pub user: UserName,
    /// Its name, which no other group has.
    pub group: GroupName,
}

impl Directory {
    pub(in crate::directory) fn create_group(&mut self, CreateGroup { user, group }: CreateGroup) -> Answer {
        self.known_user(&user)?;
        if self.groups.contains_key(&group) {
            return Err(Refusal::GroupTaken { group });
        }
        self.room_for_one_more(&user)?;
        let first = Membership { role: Role::Admin, joined_ms: self.clock_ms };
        let members = [(user.clone(), first)].into();
        let record = Group { founded_ms: self.clock_ms, members, requests: BTreeMap::new() };
        self.groups.insert(group.clone(), record);
        self.index.groups_of.insert((user, group));
        Ok(Effect::Done)
    }

    /// Refuses if a user is a member of as many groups as one may be.
    pub(in crate::directory) fn room_for_one_more(&self, user: &UserName) -> Result<(), Refusal> {
        let groups = self.index.groups_of(user).count() as u64 + 1;
        at_most("number of groups of a user", groups, MAX_GROUPS as u64)
    }
}
