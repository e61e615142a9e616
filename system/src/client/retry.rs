//! One request, as many attempts as it takes.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{ClientError, Inner};
use crate::{
    directory::Refusal,
    wire::{
        client::{Asked, Leadership, Member, MemberError, NodeId, Reply, Request, ServiceError},
        connection::CallError,
    },
};

/// How long one attempt may take before another node is asked the same again, beside the time that its
/// bytes need.
const ATTEMPT: Duration = Duration::from_millis(1_000);
/// The slowest that a file is expected to travel and be sealed, bytes a second: below that, an attempt
/// is taken for lost and the file is sent again, elsewhere.
const SLOWEST: f64 = 1e6;
/// How long opening a connection may take.
const CONNECT: Duration = Duration::from_millis(300);
/// The first pause between attempts; it doubles up to [`PAUSE_MAX`], and each is jittered.
const PAUSE_MIN: Duration = Duration::from_millis(4);
/// The longest pause. Pauses end early when a new leader is known.
const PAUSE_MAX: Duration = Duration::from_millis(64);

/// What has been tried so far.
struct Attempts {
    began: Instant,
    deadline: Instant,
    pause: Duration,
    /// Whether any attempt may have had, or may yet have, an effect.
    unsettled: bool,
    last: String,
}

impl Attempts {
    fn new(deadline: Instant) -> Self {
        let last = "no node was reached".to_owned();
        Self { began: Instant::now(), deadline, pause: PAUSE_MIN, unsettled: false, last }
    }

    fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    fn note(&mut self, certain: bool, what: impl ToString) {
        self.unsettled |= !certain;
        self.last = what.to_string();
    }

    fn give_up(&self) -> ClientError {
        let (waited, last) = (self.began.elapsed(), self.last.clone());
        match self.unsettled {
            true => ClientError::Unsettled { waited, last },
            false => ClientError::TimedOut { waited, last },
        }
    }
}

/// What an attempt came to.
#[expect(clippy::large_enum_variant, reason = "made once an attempt, and taken apart at once")]
enum Attempted {
    Settled(Result<Reply, ClientError>),
    /// Ask again; a pause first, unless the way forward is known.
    Again {
        pause: bool,
    },
}

impl Inner {
    /// Asks whoever leads until the answer is certain.
    pub(super) async fn ask_leader(
        self: &Arc<Self>,
        request: &Asked,
        deadline: Instant,
    ) -> Result<Reply, ClientError> {
        let mut attempts = Attempts::new(deadline);
        let mut leadership = self.leadership.subscribe();
        while !attempts.time_left().is_zero() {
            leadership.mark_unchanged();
            let address = self.target();
            let other_leads =
                |now: &Leadership| now.leader.as_ref().is_some_and(|leader| leader.client != address);
            let attempted = tokio::select! {
                attempted = self.attempt(&address, request, &mut attempts) => attempted,
                // The same request to the new leader at once; whoever was asked may be dead or stopped.
                Ok(_) = leadership.wait_for(other_leads) => {
                    attempts.note(false, format!("{address} does not lead any more"));
                    Attempted::Again { pause: false }
                }
            };
            match attempted {
                Attempted::Settled(settled) => return settled,
                Attempted::Again { pause: false } => {}
                Attempted::Again { pause: true } => self.pause(&mut attempts).await,
            }
        }
        Err(attempts.give_up())
    }

    /// Asks the worker that the leader names, and another one if that fails.
    pub(super) async fn ask_worker(
        self: &Arc<Self>,
        request: &Asked,
        deadline: Instant,
    ) -> Result<Reply, ClientError> {
        let mut attempts = Attempts::new(deadline);
        let mut avoid: Vec<NodeId> = Vec::new();
        while !attempts.time_left().is_zero() {
            let assign = Request::AssignWorker { avoid: avoid.clone() };
            let assign = Asked { session: request.session.clone(), request: assign };
            let worker: Member = match self.ask_leader(&assign, deadline).await {
                Ok(Reply::Worker(worker)) => worker,
                Ok(other) => return Err(super::protocol(&other)),
                // Being named a worker has no effect, whatever became of the question.
                Err(ClientError::TimedOut { last, .. } | ClientError::Unsettled { last, .. }) => {
                    attempts.note(true, format!("no worker: {last}"));
                    continue;
                }
                Err(error) => return Err(error),
            };
            match self.attempt(&worker.client, request, &mut attempts).await {
                Attempted::Settled(settled) => return settled,
                Attempted::Again { pause } => {
                    if !avoid.contains(&worker.id) {
                        avoid.push(worker.id);
                    }
                    if pause {
                        self.pause(&mut attempts).await;
                    }
                }
            }
        }
        Err(attempts.give_up())
    }

    async fn attempt(self: &Arc<Self>, address: &str, request: &Asked, attempts: &mut Attempts) -> Attempted {
        let patience = attempts.time_left();
        let attempt = ATTEMPT
            + Duration::from_secs_f64(request.request.payload() as f64 / SLOWEST)
            + Duration::from_millis(request.request.patience_ms());
        let connection = match self.links.get(address, CONNECT.min(patience)).await {
            Ok(connection) => connection,
            Err(error) => {
                self.forget_leader(address);
                attempts.note(true, error);
                return Attempted::Again { pause: true };
            }
        };
        let answer = match tokio::time::timeout(attempt.min(patience), connection.call(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error @ CallError::NotSent(_))) => {
                return Attempted::Settled(Err(ClientError::NotSent(error.to_string())));
            }
            Ok(Err(error)) => {
                self.forget_leader(address);
                attempts.note(false, error);
                return Attempted::Again { pause: true };
            }
            Err(_) => {
                self.forget_leader(address);
                attempts.note(false, format!("{address} did not answer within {:?}", attempt.min(patience)));
                return Attempted::Again { pause: false };
            }
        };
        match answer {
            Ok(reply) => Attempted::Settled(Ok(reply)),
            // An earlier attempt may have been carried out, and its answer forgotten since.
            Err(ServiceError::Refused(refusal @ Refusal::RequestOutOfTime { .. })) if attempts.unsettled => {
                attempts.note(false, refusal);
                Attempted::Settled(Err(attempts.give_up()))
            }
            Err(ServiceError::Refused(refusal)) => Attempted::Settled(Err(refusal.into())),
            Err(ServiceError::BadOriginal(reason)) => {
                Attempted::Settled(Err(ClientError::BadOriginal(reason)))
            }
            Err(ServiceError::NotLeader(leadership)) => {
                attempts.note(true, format!("{address} does not lead"));
                // It may be behind, or a leader that is not established yet: what is known of the leadership
                // stands until there is news of it.
                self.learn(&leadership);
                let elsewhere =
                    self.leadership.borrow().leader.as_ref().is_some_and(|leader| leader.client != address);
                // What it names may be a leader that has just died: never ask in a tight circle.
                Attempted::Again { pause: !elsewhere || attempts.pause > PAUSE_MIN }
            }
            Err(
                error @ (ServiceError::Busy { .. }
                | ServiceError::Behind
                | ServiceError::Internal(_)
                | ServiceError::Membership(MemberError::UnderWay)),
            ) => {
                attempts.note(true, format!("{address}: {error}"));
                Attempted::Again { pause: true }
            }
            Err(ServiceError::Rewrap(error)) => Attempted::Settled(Err(error.into())),
            Err(ServiceError::Presence(error)) => Attempted::Settled(Err(error.into())),
            Err(ServiceError::NotProven) => Attempted::Settled(Err(ClientError::NotProven)),
            Err(error @ ServiceError::TooManyAttempts { .. }) => {
                Attempted::Settled(Err(ClientError::TooManyAttempts(error.to_string())))
            }
            Err(ServiceError::Membership(error)) => Attempted::Settled(Err(error.into())),
            Err(error @ ServiceError::Unsettled(_)) => {
                attempts.note(false, format!("{address}: {error}"));
                Attempted::Again { pause: true }
            }
        }
    }

    /// Pauses, jittered, until a leader is newly known or the pause is over.
    async fn pause(&self, attempts: &mut Attempts) {
        let mut leadership = self.leadership.subscribe();
        leadership.mark_unchanged();
        let jitter = 0.5 + (self.entropy.bits() as u8 as f64) / 256.0;
        let pause = attempts.pause.mul_f64(jitter).min(attempts.time_left());
        attempts.pause = (attempts.pause * 2).min(PAUSE_MAX);
        let known = async {
            while leadership.changed().await.is_ok() {
                if leadership.borrow().leader.is_some() {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(pause, known).await;
    }
}

#[cfg(test)]
mod tests;
