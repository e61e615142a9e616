//! On whose behalf something is done.

use serde::{Deserialize, Serialize};

use super::{Directory, Refusal, UserName};
use crate::identity::SessionId;

/// On whose behalf something is asked, as far as the asked node can tell by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Actor {
    /// Nobody who has proven anything.
    Stranger,
    /// Whoever holds the token of this session.
    Session(SessionId),
    /// An operator of the cluster.
    Operator,
    /// A node, which has checked what the directory cannot check.
    Node,
}

/// On whose behalf something is done: an [`Actor`] whose session was looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// See [`Actor::Stranger`].
    Stranger,
    /// A user who is logged in.
    User(UserName, SessionId),
    /// See [`Actor::Operator`].
    Operator,
    /// See [`Actor::Node`].
    Node,
}

impl Caller {
    /// Which user it is, if it is one.
    pub fn into_user(self) -> Option<UserName> {
        match self {
            Self::User(name, _) => Some(name),
            Self::Stranger | Self::Operator | Self::Node => None,
        }
    }
}

impl Directory {
    /// Looks up whose session it is. `now_ms` is the time by which sessions expire, milliseconds since the Unix
    /// epoch.
    ///
    /// # Errors
    /// [`Refusal::NoSession`] when it has ended, or never was.
    pub fn identify(&self, actor: Actor, now_ms: u64) -> Result<Caller, Refusal> {
        match actor {
            Actor::Stranger => Ok(Caller::Stranger),
            Actor::Operator => Ok(Caller::Operator),
            Actor::Node => Ok(Caller::Node),
            Actor::Session(id) => match self.sessions.get(&id) {
                Some(session) if session.lives_at(now_ms) => Ok(Caller::User(session.user.clone(), id)),
                _ => Err(Refusal::NoSession),
            },
        }
    }
}
