//! Who asks, and whether they are who they say: what the directory does not check, because it takes time, chance or a
//! clock. What the directory does check, it checks all the same.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{
    attempts::Attempts,
    environment::Entropy,
    keys::SharedKeys,
    loading,
    pool::{Pool, PoolError},
    registrations::Registrations,
};
use crate::{
    consensus::Consensus,
    directory::{
        Action, Actor, Directory, LogIn, Register, RequestId, SetClock, SetKey, SetPassword, User, UserName,
    },
    identity::{Password, PasswordHash, Purpose, SessionId, SessionToken},
    wire::{
        client::{Change, Proof, ServiceError},
        origin::Origin,
        server::Caller,
        transport::Standing,
    },
};

/// Who asks.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    pub(super) actor: Actor,
    pub(super) connection: u64,
    origin: Origin,
}

impl Asker {
    pub(super) fn new(caller: &Caller, session: Option<&SessionToken>) -> Self {
        let actor = match (session, caller.standing) {
            (Some(token), _) => Actor::Session(token.id()),
            // Without encryption everybody is on this machine, or within this program.
            (None, Standing::Unchecked | Standing::Operator | Standing::Node) => Actor::Operator,
            (None, Standing::Anonymous) => Actor::Stranger,
        };
        Self { actor, connection: caller.connection, origin: Origin::of(&caller.address) }
    }

    /// The session in which they ask.
    pub(super) fn session(&self) -> Option<SessionId> {
        match self.actor {
            Actor::Session(id) => Some(id),
            Actor::Stranger | Actor::Operator | Actor::Node => None,
        }
    }
}

/// What the directory knows of a change before it is made.
pub(super) struct Known {
    /// By which request it is asked for.
    request: RequestId,
    /// It has been made already, and is asked for again.
    pub(super) answered: bool,
    /// The user who has to prove to be it.
    user: Option<User>,
}

impl Known {
    pub(super) fn of(directory: &Directory, request: RequestId, change: &Change) -> Self {
        let user = match change {
            Change::LogIn { user, .. } | Change::SetPassword { user, .. } | Change::SetKey { user, .. } => {
                directory.user(user).cloned()
            }
            _ => None,
        };
        Self { request, answered: directory.has_answered(request), user }
    }
}

/// Turns what users ask into what the directory does.
pub(super) struct Admission {
    attempts: Mutex<Attempts>,
    registrations: Mutex<Registrations>,
    began: Instant,
    pub(super) pool: Arc<Pool>,
    pub(super) entropy: Arc<Entropy>,
    pub(super) keys: SharedKeys,
    pub(super) consensus: Consensus,
}

impl Admission {
    pub(super) fn new(
        pool: Arc<Pool>,
        entropy: Arc<Entropy>,
        keys: SharedKeys,
        consensus: Consensus,
        registrations: Registrations,
    ) -> Self {
        let (attempts, registrations) = (Mutex::default(), Mutex::new(registrations));
        Self { attempts, registrations, began: Instant::now(), pool, entropy, keys, consensus }
    }

    /// What is to be put into the log, on whose behalf. What is `known` must be up to date.
    ///
    /// # Errors
    /// [`ServiceError::NotProven`], [`ServiceError::TooManyAttempts`] and [`ServiceError::TooManyRegistrations`];
    /// [`ServiceError::Busy`].
    pub(super) async fn admit(
        &self,
        asker: &Asker,
        change: Change,
        known: &Known,
    ) -> Result<(Actor, Action), ServiceError> {
        let action = match change {
            Change::OpenView(open) => Action::OpenView(open),
            Change::SetGrant(set) => Action::GrantViews(set),
            Change::Renew(renew) => Action::Renew(renew),
            Change::EndSession(end) => Action::EndSession(end),
            Change::EndSessions(end) => Action::EndSessions(end),
            Change::CreateGroup(change) => Action::CreateGroup(change),
            Change::AskToJoin(change) => Action::AskToJoin(change),
            Change::AnswerJoin(change) => Action::AnswerJoin(change),
            Change::LeaveGroup(change) => Action::LeaveGroup(change),
            Change::RemoveMember(change) => Action::RemoveMember(change),
            Change::SetRole(change) => Action::SetRole(change),
            Change::SetGroupGrant(change) => Action::GrantViewsToGroup(change),
            Change::Describe(change) => Action::Describe(change),
            Change::Withdraw(change) => Action::Withdraw(change),
            Change::AskForViews(change) => Action::AskForViews(change),
            Change::AnswerRequest(change) => Action::AnswerRequest(change),
            Change::Acknowledge(change) => Action::Acknowledge(change),
            Change::Restore(change) => {
                if !known.answered {
                    loading::check_records(self.keys.get().ring(), &change).map_err(ServiceError::Refused)?;
                }
                Action::Restore(change)
            }
            Change::SetQuotas(change) => Action::SetQuotas(change),
            Change::Block(change) => Action::Block(change),
            Change::Unblock(change) => Action::Unblock(change),
            Change::SetClock => Action::SetClock(SetClock { clock_ms: self.consensus.time().now_ms }),
            Change::Register { user, key, password } => {
                // An operator may bring as many as they like.
                if !known.answered && asker.actor != Actor::Operator {
                    let counted = self.registrations.lock().begin(&asker.origin, self.began.elapsed());
                    counted.map_err(too_many_registrations)?;
                }
                let password = match password {
                    // Asked again, it gets its first answer: nothing has to be hashed for that.
                    Some(_) if known.answered => Some(PasswordHash::of_nobody()),
                    Some(password) => {
                        let counted = self.attempts.lock().newcomer(&asker.origin, self.began.elapsed());
                        counted.map_err(too_many)?;
                        Some(self.hash(password).await?)
                    }
                    None => None,
                };
                Action::Register(Register { user, key, password })
            }
            Change::LogIn { user, session, device, lifetime_ms, proof } => {
                let purpose = Purpose::LogIn(session);
                let credentials = self.check(asker, &user, purpose, proof, known).await?;
                let log_in = LogIn { user, session, device, lifetime_ms, credentials };
                return Ok((Actor::Node, Action::LogIn(log_in)));
            }
            Change::SetPassword { user, password, proof } => {
                let purpose = Purpose::SetPassword;
                let credentials = self.check(asker, &user, purpose, proof, known).await?;
                let password = match known.answered {
                    true => PasswordHash::of_nobody(),
                    false => self.hash(password).await?,
                };
                let keep = asker.session();
                let set = SetPassword { user, password, credentials, keep };
                return Ok((Actor::Node, Action::SetPassword(set)));
            }
            Change::SetKey { user, key, proof } => {
                let purpose = Purpose::SetKey(key);
                let credentials = self.check(asker, &user, purpose, proof, known).await?;
                let set = SetKey { user, key, credentials, keep: asker.session() };
                return Ok((Actor::Node, Action::SetKey(set)));
            }
        };
        Ok((asker.actor, action))
    }

    /// Checks a proof, and says of which state of the user's credentials it is one.
    async fn check(
        &self,
        asker: &Asker,
        user: &UserName,
        purpose: Purpose,
        proof: Proof,
        &Known { request, answered, user: ref known }: &Known,
    ) -> Result<u64, ServiceError> {
        let known = known.as_ref();
        let credentials = known.map_or(0, |known| known.credentials);
        // Asked again, it gets its first answer: the proof may have been one of the credentials before the change.
        if answered {
            return Ok(credentials);
        }
        let now = || self.began.elapsed();
        let proven = match proof {
            Proof::Password(password) => {
                let counted = self.attempts.lock().begin(user, &asker.origin, now()).map_err(too_many)?;
                let hash = known.and_then(|known| known.password.clone());
                let has_one = hash.is_some();
                let hash = hash.unwrap_or(PasswordHash::of_nobody());
                match self.at_work(move || hash.verifies(&password)).await {
                    Ok(verifies) if verifies && has_one => {
                        self.attempts.lock().succeeded(user, &asker.origin, counted, now());
                        true
                    }
                    Ok(_) => false,
                    Err(busy) => {
                        // Nothing was tried.
                        self.attempts.lock().take_back(user, &asker.origin, counted);
                        return Err(busy);
                    }
                }
            }
            // Whatever others have tried: it takes no longer than to read a request, and nobody guesses one.
            Proof::Signature { challenge, signature } => {
                let answered =
                    |known: &User| challenge.is_answered_by(&known.key, user, purpose, request, &signature);
                let fresh = self.keys.get().check_challenge(&challenge, self.consensus.time().now_ms).is_ok();
                fresh && known.is_some_and(answered)
            }
        };
        if proven { Ok(credentials) } else { Err(ServiceError::NotProven) }
    }

    async fn hash(&self, password: Password) -> Result<PasswordHash, ServiceError> {
        let salt = self.entropy.bits().to_be_bytes();
        self.at_work(move || PasswordHash::new(&password, salt)).await
    }

    /// Hashing keeps a processor busy: it has to wait like sealing.
    async fn at_work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ServiceError> {
        self.pool.run(work).await.map_err(|error| match error {
            PoolError::Full(full) => ServiceError::Busy {
                what: "tasks".to_owned(),
                waiting: full.waiting as u64,
                limit: full.limit as u64,
            },
            PoolError::Lost => ServiceError::Internal(error.to_string()),
        })
    }
}

fn too_many(wait: Duration) -> ServiceError {
    ServiceError::TooManyAttempts { wait_ms: wait.as_millis() as u64 }
}

fn too_many_registrations(wait: Duration) -> ServiceError {
    ServiceError::TooManyRegistrations { wait_ms: wait.as_millis() as u64 }
}
