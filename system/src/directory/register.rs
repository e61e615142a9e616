use serde::{Deserialize, Serialize};

use super::{Answer, Directory, Effect, Refusal, User, UserName};
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
        self.users.insert(user, User { registered_ms: self.clock_ms, key, password, credentials: 0 });
        Ok(Effect::Registered)
    }
}
