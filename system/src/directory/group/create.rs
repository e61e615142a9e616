use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::{Group, Membership, Role};
use crate::directory::{Answer, Directory, Effect, GroupName, Refusal, Usage, UserName};

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
        match self.groups.get(&group) {
            Some(ended) if ended.has_ended() => return Err(Refusal::GroupEnding { group }),
            Some(_) => return Err(Refusal::GroupTaken { group }),
            None => {}
        }
        self.room_for(&user, Usage::of_membership(&group))?;
        let first = Membership { role: Role::Admin, joined_ms: self.clock_ms };
        let members = OrdMap::unit(user.clone(), first);
        let record = Group { founded_ms: self.clock_ms, members, requests: OrdMap::new() };
        self.index.add_member(&group, &user, first);
        self.groups.insert(group, record);
        self.work.touch(1);
        Ok(Effect::Done)
    }
}
