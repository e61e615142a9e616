use serde::{Deserialize, Serialize};

use super::{MAX_JOIN_REQUESTS, MAX_MEMBERS, Membership, Role};
use crate::directory::{Answer, Directory, Effect, GroupName, Notice, Refusal, UserName, at_most};

/// Asks to be let into a group. Any user may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskToJoin {
    /// Who.
    pub user: UserName,
    /// Which group.
    pub group: GroupName,
}

/// Lets somebody in who has asked, or does not. Admins of the group may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerJoin {
    /// Who answers.
    pub admin: UserName,
    /// Which group.
    pub group: GroupName,
    /// Who had asked.
    pub user: UserName,
    /// Whether they become a member.
    pub accept: bool,
}

impl Directory {
    pub(in crate::directory) fn ask_to_join(&mut self, AskToJoin { user, group }: AskToJoin) -> Answer {
        self.known_user(&user)?;
        let now = self.clock_ms;
        let record = self.known_group_mut(&group)?;
        if record.members.contains_key(&user) {
            return Err(Refusal::AlreadyMember { group, user });
        }
        if record.requests.contains_key(&user) {
            return Ok(Effect::Done);
        }
        at_most("number of requests to join", record.requests.len() as u64 + 1, MAX_JOIN_REQUESTS as u64)?;
        record.requests.insert(user.clone(), now);
        let admins: Vec<UserName> = record.admins().cloned().collect();
        for admin in admins {
            self.notify(&admin, Notice::JoinRequested { group: group.clone(), user: user.clone() });
        }
        Ok(Effect::Done)
    }

    pub(in crate::directory) fn answer_join(&mut self, answer: AnswerJoin) -> Answer {
        let AnswerJoin { admin: _, group, user, accept } = answer;
        let now = self.clock_ms;
        let record = self.known_group(&group)?;
        if !record.requests.contains_key(&user) {
            return Err(Refusal::NoJoinRequest { group, user });
        }
        if accept {
            at_most("number of members", record.members.len() as u64 + 1, MAX_MEMBERS as u64)?;
            self.room_for_one_more(&user)?;
        }
        let record = self.known_group_mut(&group)?;
        record.requests.remove(&user);
        if accept {
            record.members.insert(user.clone(), Membership { role: Role::Member, joined_ms: now });
            self.index.groups_of.insert((user.clone(), group.clone()));
        }
        self.forget_join_notices(&group, &user);
        let notice = match accept {
            true => Notice::Joined { group },
            false => Notice::JoinRefused { group },
        };
        self.notify(&user, notice);
        Ok(Effect::Done)
    }
}
