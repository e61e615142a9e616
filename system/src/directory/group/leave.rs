use serde::{Deserialize, Serialize};

use crate::directory::{Answer, Directory, Effect, GroupName, Notice, Refusal, UserName};

/// Leaves a group, or takes back the request to join it. When the last admin leaves, the eldest member becomes one;
/// with the last member the group ends, and its grants with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaveGroup {
    /// Who.
    pub user: UserName,
    /// Which group.
    pub group: GroupName,
}

/// Takes a member out of a group. Its admins may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveMember {
    /// Who removes.
    pub admin: UserName,
    /// Which group.
    pub group: GroupName,
    /// Who is removed.
    pub member: UserName,
}

impl Directory {
    pub(in crate::directory) fn leave_group(&mut self, LeaveGroup { user, group }: LeaveGroup) -> Answer {
        let record = self.known_group(&group)?;
        if record.requests.contains_key(&user) {
            self.forget_join(&group, &user);
            return Ok(Effect::Done);
        }
        if !record.members.contains_key(&user) {
            return Err(Refusal::NotMember { group, user });
        }
        self.take_out(&group, &user)?;
        Ok(Effect::Done)
    }

    pub(in crate::directory) fn remove_member(&mut self, remove: RemoveMember) -> Answer {
        let RemoveMember { admin, group, member } = remove;
        if !self.known_group(&group)?.members.contains_key(&member) {
            return Err(Refusal::NotMember { group, user: member });
        }
        self.take_out(&group, &member)?;
        if member != admin {
            self.notify(&member, Notice::Removed { group });
        }
        Ok(Effect::Done)
    }
}
