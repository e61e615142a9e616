use serde::{Deserialize, Serialize};

use super::{MAX_ADMINS, Role};
use crate::directory::{Answer, Directory, Effect, GroupName, Notice, Refusal, UserName, at_most};

/// Makes a member an admin, or an admin a plain member. Admins of the group may; the last one stays. To hand the
/// administration over is to make somebody else an admin, and then oneself a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetRole {
    /// Who says so.
    pub admin: UserName,
    /// Which group.
    pub group: GroupName,
    /// Whose part changes.
    pub member: UserName,
    /// The new part.
    pub role: Role,
}

impl Directory {
    pub(in crate::directory) fn set_role(&mut self, set: SetRole) -> Answer {
        let SetRole { admin, group, member, role } = set;
        let admins = self.index.admins(&group).count();
        let record = self.known_group_mut(&group)?;
        let Some(membership) = record.members.get_mut(&member) else {
            return Err(Refusal::NotMember { group, user: member });
        };
        match (membership.role, role) {
            (Role::Admin, Role::Admin) | (Role::Member, Role::Member) => Ok(Effect::Done),
            (Role::Admin, Role::Member) if admins == 1 => Err(Refusal::LastAdmin { group, user: member }),
            (Role::Admin, Role::Member) => {
                membership.role = role;
                self.index.set_role(&group, &member, role);
                Ok(Effect::Done)
            }
            (Role::Member, Role::Admin) => {
                at_most("number of admins", admins as u64 + 1, MAX_ADMINS as u64)?;
                membership.role = role;
                self.index.set_role(&group, &member, role);
                if member != admin {
                    self.notify(&member, Notice::NowAdmin { group });
                }
                Ok(Effect::Done)
            }
        }
    }
}
