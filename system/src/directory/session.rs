//! Sessions: beginning, renewing and ending them.

use serde::{Deserialize, Serialize};

use super::{Answer, Directory, Effect, REQUEST_WINDOW_MS, Refusal, Usage, UserName, at_most};
use crate::identity::SessionId;

/// The longest that a session lives without being renewed: 30 days, in milliseconds.
pub const MAX_SESSION_MS: u64 = 30 * 24 * 3_600_000;
/// The most sessions that a user has at a time. One more ends the one that would have expired first; so does every one
/// beyond the first while a quota of bytes is reached.
pub const MAX_SESSIONS: usize = 32;
/// The longest name of a device, bytes.
pub const MAX_DEVICE_LEN: usize = 64;
/// How many sessions that have ended are forgotten with each change at most: none must take long.
const FORGET_AT_ONCE: usize = 16;

/// A session. Whoever holds its token acts for its user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Whose it is.
    pub user: UserName,
    /// What the user calls the device.
    pub device: String,
    /// When it began, milliseconds since the Unix epoch.
    pub began_ms: u64,
    /// When it ends, likewise.
    pub expires_ms: u64,
}

impl Session {
    /// Whether it lives at `now_ms`, milliseconds since the Unix epoch. One that would go on for longer than any may was
    /// begun, or renewed, while the clock was wrong.
    pub fn lives_at(&self, now_ms: u64) -> bool {
        self.expires_ms > now_ms && self.expires_ms - now_ms <= MAX_SESSION_MS + REQUEST_WINDOW_MS
    }
}

/// Begins a session for a user who has proven to be it. Nodes may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogIn {
    /// The user.
    pub user: UserName,
    /// The session; its token never leaves the device until it is used.
    pub session: SessionId,
    /// What the user calls the device.
    pub device: String,
    /// How long it lives, milliseconds; at most [`MAX_SESSION_MS`].
    pub lifetime_ms: u64,
    /// The state of the user's credentials that the proof was checked against.
    pub credentials: u64,
}

/// Prolongs a session. Its user may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renew {
    /// The user.
    pub user: UserName,
    /// Which session.
    pub session: SessionId,
    /// How long it lives from now on, milliseconds; at most [`MAX_SESSION_MS`].
    pub lifetime_ms: u64,
}

/// Ends one session. Its user may, from any other one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndSession {
    /// The user.
    pub user: UserName,
    /// Which session.
    pub session: SessionId,
}

/// Ends all sessions of a user but one at most. The user may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndSessions {
    /// The user.
    pub user: UserName,
    /// The one to keep.
    pub keep: Option<SessionId>,
}

impl Directory {
    pub(super) fn log_in(&mut self, log_in: LogIn) -> Answer {
        let LogIn { user, session, device, lifetime_ms, credentials } = log_in;
        at_most("lifetime of a session in ms", lifetime_ms, MAX_SESSION_MS)?;
        at_most("length of a device's name", device.len() as u64, MAX_DEVICE_LEN as u64)?;
        let user = self.known_name(&user)?;
        if self.known_user(&user)?.credentials != credentials {
            return Err(Refusal::CredentialsChanged { user });
        }
        if self.sessions.contains_key(&session) {
            return Err(Refusal::SessionTaken);
        }
        let theirs: Vec<_> = self.sessions_of(&user).map(|(id, session)| (session.expires_ms, *id)).collect();
        let began_ms = self.clock_ms;
        let session_of = Session { user, device, began_ms, expires_ms: began_ms.saturating_add(lifetime_ms) };
        let no_room = self.room_for(&session_of.user, Usage::of_session(&session_of)).is_err();
        if (theirs.len() >= MAX_SESSIONS || no_room)
            && let Some((_, first)) = theirs.iter().min()
        {
            self.forget_session(*first);
        }
        let expires_ms = session_of.expires_ms;
        self.work.touch(1 + theirs.len());
        self.insert_session(session, session_of);
        Ok(Effect::LoggedIn { expires_ms })
    }

    pub(super) fn renew(&mut self, Renew { user, session: id, lifetime_ms }: Renew) -> Answer {
        at_most("lifetime of a session in ms", lifetime_ms, MAX_SESSION_MS)?;
        let mut session = self.session_of(&user, id)?.clone();
        session.expires_ms = self.clock_ms.saturating_add(lifetime_ms);
        let expires_ms = session.expires_ms;
        self.forget_session(id);
        self.insert_session(id, session);
        Ok(Effect::LoggedIn { expires_ms })
    }

    pub(super) fn end_session(&mut self, EndSession { user, session }: EndSession) -> Answer {
        self.session_of(&user, session)?;
        self.forget_session(session);
        Ok(Effect::SessionsEnded { count: 1 })
    }

    pub(super) fn end_sessions(&mut self, EndSessions { user, keep }: EndSessions) -> Answer {
        Ok(Effect::SessionsEnded { count: self.end_sessions_but(&user, keep) })
    }

    /// Ends all sessions of a user but `keep`, and says how many.
    pub(super) fn end_sessions_but(&mut self, user: &UserName, keep: Option<SessionId>) -> u64 {
        let ended: Vec<_> =
            self.sessions_of(user).map(|(id, _)| *id).filter(|id| Some(*id) != keep).collect();
        for id in &ended {
            self.forget_session(*id);
        }
        ended.len() as u64
    }

    /// A user's sessions, expired ones too as long as they are not forgotten.
    pub(super) fn sessions_of<'a>(
        &'a self,
        user: &UserName,
    ) -> impl Iterator<Item = (&'a SessionId, &'a Session)> + use<'a> {
        let (first, last) = SessionId::BOUNDS;
        let ids = self.sessions_by_user.range((user.clone(), first)..=(user.clone(), last));
        ids.filter_map(|(_, id)| Some((id, self.sessions.get(id)?)))
    }

    /// Forgets a few sessions that live no more, the first to expire and the last.
    pub(super) fn forget_ended_sessions(&mut self) {
        for _ in 0..FORGET_AT_ONCE {
            let ends = [self.sessions_by_expiry.get_min(), self.sessions_by_expiry.get_max()];
            let lives = |id: &SessionId| self.sessions.get(id).is_some_and(|s| s.lives_at(self.clock_ms));
            let ended = ends.into_iter().flatten().map(|(_, id)| *id).find(|id| !lives(id));
            match ended {
                Some(id) => self.forget_session(id),
                None => return,
            }
        }
    }

    fn session_of(&self, user: &UserName, id: SessionId) -> Result<&Session, Refusal> {
        // Somebody else's session is no more known to them than none.
        self.sessions.get(&id).filter(|session| session.user == *user).ok_or(Refusal::UnknownSession)
    }

    pub(super) fn insert_session(&mut self, id: SessionId, session: Session) {
        self.index.accounts.charge(&session.user, Usage::of_session(&session));
        self.sessions_by_user.insert((session.user.clone(), id));
        self.sessions_by_expiry.insert((session.expires_ms, id));
        self.sessions.insert(id, session);
    }

    fn forget_session(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.remove(&id) {
            self.work.touch(1);
            self.index.accounts.release(&session.user, Usage::of_session(&session));
            self.sessions_by_expiry.remove(&(session.expires_ms, id));
            self.sessions_by_user.remove(&(session.user, id));
        }
    }
}
