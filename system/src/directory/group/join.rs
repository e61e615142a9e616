use serde::{Deserialize, Serialize};

use super::{MAX_JOIN_REQUESTS, MAX_MEMBERS, Membership, Role};
use crate::directory::{Answer, Directory, Effect, GroupName, Notice, Refusal, Usage, UserName, at_most};

/// Asks to be let into a group. Any user may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskToJoin {
    /// Who.
    pub user: UserName,
    /// Which group.
    pub group: GroupName,
}

/// A request to join a group that waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinRequest {
    /// Since then, milliseconds since the Unix epoch.
    pub asked_ms: u64,
    /// Whether an admin had dealt with whoever asks: strangers give way first when there are too many.
    pub known: bool,
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
        let record = self.known_group(&group)?;
        if record.members.contains_key(&user) {
            return Err(Refusal::AlreadyMember { group, user });
        }
        if record.requests.contains_key(&user) {
            return Ok(Effect::Done);
        }
        self.room_for(&user, Usage::of_join_request())?;
        let admins: Vec<UserName> = self.index.admins(&group).cloned().collect();
        let known = admins.iter().any(|admin| self.index.has_dealt_with(admin, &user));
        let request = JoinRequest { asked_ms: self.clock_ms, known };
        self.known_group_mut(&group)?.requests.insert(user.clone(), request);
        self.index.add_join(&group, &user, request);
        self.work.touch(1 + admins.len());
        if self.index.joins.len(&group) > MAX_JOIN_REQUESTS as u64
            && let Some(loudest) = self.index.joins.loudest(&group)
        {
            self.forget_join(&group, &loudest.sender);
            if loudest.sender == user {
                let (value, limit) = (MAX_JOIN_REQUESTS as u64 + 1, MAX_JOIN_REQUESTS as u64);
                at_most("number of requests to join", value, limit)?;
            }
        }
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
            // The request makes room.
            let more = Usage::of_membership(&group);
            self.room_for(&user, Usage { bytes: more.minus(Usage::of_join_request()).bytes, ..more })?;
        }
        self.forget_join(&group, &user);
        if accept {
            let membership = Membership { role: Role::Member, joined_ms: now };
            self.known_group_mut(&group)?.members.insert(user.clone(), membership);
            self.index.add_member(&group, &user, membership);
        }
        let notice = match accept {
            true => Notice::Joined { group },
            false => Notice::JoinRefused { group },
        };
        self.notify(&user, notice);
        Ok(Effect::Done)
    }
}
