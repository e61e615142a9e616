use serde::{Deserialize, Serialize};

use super::{Answer, Directory, Effect, Quota, Refusal, Usage, User, UserName};
use crate::identity::{PasswordHash, PublicKey};

/// Makes a user known. Anybody may; a name is given once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Register {
    /// The new name.
    pub user: UserName,
    /// By which the user will be known; its other half never leaves them.
    pub key: PublicKey,
    /// What the user may log in with, beside the key.
    pub password: Option<PasswordHash>,
}

impl Directory {
    pub(super) fn register(&mut self, Register { user, key, password }: Register) -> Answer {
        if self.users.contains_key(&user) {
            return Err(Refusal::NameTaken { user });
        }
        let record = User { registered_ms: self.clock_ms, key, password, credentials: 0 };
        let usage = Usage::of_user(&user, &record);
        Quota::Users.check(None, self.users.len() as u64 + 1, self.quotas().users)?;
        self.room_for_all(usage.bytes)?;
        self.index.accounts.charge(&user, usage);
        self.users.insert(user, record);
        self.work.touch(1);
        Ok(Effect::Registered)
    }
}
