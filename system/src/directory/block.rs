//! Blocking: who wants nothing to do with somebody is left in peace.

use serde::{Deserialize, Serialize};

use super::{Answer, Directory, Effect, ImageId, MAX_ASKS_OF_ONE, Refusal, Usage, UserName, at_most};

/// The most users that one user blocks.
pub const MAX_BLOCKED: usize = 1_000;

/// Blocks a user: from then on they ask for no views and grant nothing anew, and what they have granted, or tell, is
/// not shown. Any user may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Who blocks.
    pub user: UserName,
    /// Whom.
    pub blocked: UserName,
}

/// Takes a [`Block`] back. What was granted before is shown again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unblock {
    /// Who has blocked.
    pub user: UserName,
    /// Whom.
    pub blocked: UserName,
}

impl Directory {
    pub(super) fn block(&mut self, Block { user, blocked }: Block) -> Answer {
        self.known_user(&blocked)?;
        if user == blocked {
            return Err(Refusal::OwnSelf);
        }
        if self.has_blocked(&user, &blocked) {
            return Ok(Effect::Done);
        }
        let count = u64::from(self.index.accounts.of(&user).blocked) + 1;
        at_most("number of users that you block", count, MAX_BLOCKED as u64)?;
        self.room_for(&user, Usage::of_block())?;
        for _ in 0..MAX_ASKS_OF_ONE {
            let Some(asked) = self.index.asks.oldest(&user, &blocked) else { break };
            let (_, image) = asked.at;
            self.settle_ask(&user, ImageId(image), &blocked);
        }
        self.insert_block(user, blocked);
        Ok(Effect::Done)
    }

    pub(super) fn unblock(&mut self, Unblock { user, blocked }: Unblock) -> Answer {
        if self.blocked.remove(&(user.clone(), blocked)).is_some() {
            self.index.accounts.release(&user, Usage::of_block());
        }
        Ok(Effect::Done)
    }

    pub(super) fn insert_block(&mut self, user: UserName, blocked: UserName) {
        self.index.accounts.charge(&user, Usage::of_block());
        self.blocked.insert((user, blocked));
    }

    /// Whether `user` has blocked `other`.
    pub(super) fn has_blocked(&self, user: &UserName, other: &UserName) -> bool {
        self.blocked.contains(&(user.clone(), other.clone()))
    }

    /// Refuses what reaches `user`, if they have blocked `other`.
    pub(super) fn not_blocked(&self, user: &UserName, other: &UserName) -> Result<(), Refusal> {
        match self.has_blocked(user, other) {
            true => Err(Refusal::Blocked { user: user.clone() }),
            false => Ok(()),
        }
    }

    /// Whom a user has blocked, by name: at most [`MAX_BLOCKED`].
    pub fn blocked(&self, user: &UserName) -> Vec<UserName> {
        let (first, last) = UserName::bounds();
        let range = self.blocked.range((user.clone(), first)..=(user.clone(), last));
        range.map(|(_, blocked)| blocked.clone()).collect()
    }
}
