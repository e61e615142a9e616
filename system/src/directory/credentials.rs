//! A user's password and key: changing them.

use serde::{Deserialize, Serialize};

use super::{Answer, Directory, Effect, Refusal, Usage, User, UserName};
use crate::identity::{PasswordHash, PublicKey, SessionId};

/// Gives a user another password. A node may, for a user who has proven to be it. All sessions end but one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetPassword {
    /// The user.
    pub user: UserName,
    /// Of the new password.
    pub password: PasswordHash,
    /// The state of the user's credentials that the proof was checked against.
    pub credentials: u64,
    /// The session that goes on.
    pub keep: Option<SessionId>,
}

/// Gives a user another key. A node may, for a user who has proven to be it. All sessions end but one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetKey {
    /// The user.
    pub user: UserName,
    /// The public half of the new key.
    pub key: PublicKey,
    /// The state of the user's credentials that the proof was checked against.
    pub credentials: u64,
    /// The session that goes on.
    pub keep: Option<SessionId>,
}

impl Directory {
    pub(super) fn set_password(&mut self, set: SetPassword) -> Answer {
        let SetPassword { user, password, credentials, keep } = set;
        let mut changed = self.proven(&user, credentials)?.clone();
        changed.password = Some(password);
        changed.credentials += 1;
        self.replace_user(&user, changed);
        Ok(Effect::SessionsEnded { count: self.end_sessions_but(&user, keep) })
    }

    pub(super) fn set_key(&mut self, SetKey { user, key, credentials, keep }: SetKey) -> Answer {
        let mut changed = self.proven(&user, credentials)?.clone();
        changed.key = key;
        changed.credentials += 1;
        self.replace_user(&user, changed);
        Ok(Effect::SessionsEnded { count: self.end_sessions_but(&user, keep) })
    }

    /// A password is not refused for the few bytes it takes.
    fn replace_user(&mut self, user: &UserName, changed: User) {
        self.work.touch(1);
        self.index.accounts.charge(user, Usage::of_user(user, &changed));
        if let Some(before) = self.users.insert(user.clone(), changed) {
            self.index.accounts.release(user, Usage::of_user(user, &before));
        }
    }

    /// The user, if nothing has changed since the proof was checked.
    fn proven(&self, user: &UserName, credentials: u64) -> Result<&User, Refusal> {
        let known = self.known_user(user)?;
        if known.credentials == credentials {
            Ok(known)
        } else {
            Err(Refusal::CredentialsChanged { user: user.clone() })
        }
    }
}
