//! Who a user is to the cluster: registering, logging in and out, sessions, password and key.

use tokio::time::Instant;

use super::{Client, ClientError, protocol};
use crate::{
    directory::{EndSession, EndSessions, Query, Renew, RequestId, Session, UserName},
    identity::{KeyPair, Password, PublicKey, Purpose, SessionId, SessionToken},
    wire::client::{Change, Proof, Reply, Request},
};

/// What a user proves to be it with.
#[derive(Debug, Clone)]
pub enum Credential {
    /// The password.
    Password(Password),
    /// The key pair.
    Key(KeyPair),
}

/// A session that is to begin.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its token, drawn by the user.
    pub token: SessionToken,
    /// What the user calls the device.
    pub device: String,
    /// How long it lives, milliseconds.
    pub lifetime_ms: u64,
}

impl Client {
    /// The same cluster, seen by whoever holds this token.
    #[must_use]
    pub fn in_session(&self, token: SessionToken) -> Self {
        Self { session: Some(token), ..self.clone() }
    }

    /// The session in which this client asks.
    pub fn session(&self) -> Option<&SessionToken> {
        self.session.as_ref()
    }

    /// Draws a session token.
    pub fn draw_token(&self) -> SessionToken {
        self.inner.entropy.draw(SessionToken::generate)
    }

    /// Registers a user with their public key, and a password if they want one.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn register(
        &self,
        request: RequestId,
        user: UserName,
        key: PublicKey,
        password: Option<Password>,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        match self.execute(request, Change::Register { user, key, password }, deadline).await? {
            Reply::Registered => Ok(()),
            other => Err(protocol(&other)),
        }
    }

    /// Begins a session, and says when it ends, in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::NotProven`] when name or credential are wrong.
    pub async fn log_in(
        &self,
        request: RequestId,
        user: UserName,
        credential: &Credential,
        session: &NewSession,
        deadline: Instant,
    ) -> Result<u64, ClientError> {
        let NewSession { token, device, lifetime_ms } = session.clone();
        let session = token.id();
        let proof = self.proof(request, &user, credential, Purpose::LogIn(session), deadline).await?;
        let change = Change::LogIn { user, session, device, lifetime_ms, proof };
        self.until(request, change, deadline).await
    }

    /// Prolongs a session from now on, and says when it ends, in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn renew(
        &self,
        request: RequestId,
        renew: Renew,
        deadline: Instant,
    ) -> Result<u64, ClientError> {
        self.until(request, Change::Renew(renew), deadline).await
    }

    /// Ends one session of the user.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn end_session(
        &self,
        request: RequestId,
        end: EndSession,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        self.ended(request, Change::EndSession(end), deadline).await.map(drop)
    }

    /// Ends all sessions of the user but one at most, and says how many.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn end_sessions(
        &self,
        request: RequestId,
        end: EndSessions,
        deadline: Instant,
    ) -> Result<u64, ClientError> {
        self.ended(request, Change::EndSessions(end), deadline).await
    }

    /// Changes the password. All sessions end but this client's; it says how many.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn set_password(
        &self,
        request: RequestId,
        user: UserName,
        password: Password,
        credential: &Credential,
        deadline: Instant,
    ) -> Result<u64, ClientError> {
        let proof = self.proof(request, &user, credential, Purpose::SetPassword, deadline).await?;
        self.ended(request, Change::SetPassword { user, password, proof }, deadline).await
    }

    /// Changes the key. All sessions end but this client's; it says how many.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn set_key(
        &self,
        request: RequestId,
        user: UserName,
        key: PublicKey,
        credential: &Credential,
        deadline: Instant,
    ) -> Result<u64, ClientError> {
        let proof = self.proof(request, &user, credential, Purpose::SetKey(key), deadline).await?;
        self.ended(request, Change::SetKey { user, key, proof }, deadline).await
    }

    /// The user's sessions.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn sessions(
        &self,
        user: UserName,
        deadline: Instant,
    ) -> Result<Vec<(SessionId, Session)>, ClientError> {
        match self.read(Query::Sessions { user }, deadline).await? {
            Reply::Sessions(sessions) => Ok(sessions),
            other => Err(protocol(&other)),
        }
    }

    async fn proof(
        &self,
        request: RequestId,
        user: &UserName,
        credential: &Credential,
        purpose: Purpose,
        deadline: Instant,
    ) -> Result<Proof, ClientError> {
        let key = match credential {
            Credential::Password(password) => return Ok(Proof::Password(password.clone())),
            Credential::Key(key) => key,
        };
        match self.ask_leader(Request::Challenge, deadline).await? {
            Reply::Challenge(challenge) => {
                Ok(Proof::Signature { signature: challenge.answer(key, user, purpose, request), challenge })
            }
            other => Err(protocol(&other)),
        }
    }

    async fn until(&self, request: RequestId, change: Change, deadline: Instant) -> Result<u64, ClientError> {
        match self.execute(request, change, deadline).await? {
            Reply::LoggedIn { expires_ms } => Ok(expires_ms),
            other => Err(protocol(&other)),
        }
    }

    async fn ended(&self, request: RequestId, change: Change, deadline: Instant) -> Result<u64, ClientError> {
        match self.execute(request, change, deadline).await? {
            Reply::SessionsEnded { count } => Ok(count),
            other => Err(protocol(&other)),
        }
    }
}
