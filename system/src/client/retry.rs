//! One request, as many attempts as it takes, and no more than that.
//!
//! A request whose node is lost is asked again at once: either its connection opens anew or the node is gone. Then the
//! request waits for news of a leader, which every node [pushes](super::follow), rather than trying one node after the
//! other. So a thousand requests in flight at a leader that dies make a few thousand attempts, however long the
//! election takes.

use std::{
    future::{Future, pending},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::{ClientError, Inner, follow::leads};
use crate::{
    directory::Refusal,
    wire::{
        client::{Asked, Change, Member, MemberError, NodeId, Reply, Request, ServiceError},
        connection::CallError,
    },
};

/// How long one attempt may take before another node is asked the same again, beside the time that its
/// bytes need.
const ATTEMPT: Duration = Duration::from_millis(1_000);
/// The slowest that a file is expected to travel and be sealed, bytes a second: below that, an attempt
/// is taken for lost and the file is sent again, elsewhere.
const SLOWEST: f64 = 1e6;
/// The first pause before a node is asked again that was busy; it doubles up to [`PAUSE_MAX`]. All pauses are jittered.
const PAUSE_MIN: Duration = Duration::from_millis(4);
/// The longest such pause. Pauses end early when somebody else leads.
const PAUSE_MAX: Duration = Duration::from_millis(64);
/// How long a request waits for news of a leader before it asks any node: nodes that were lost are followed again
/// within this time.
const NEWS_PAUSE: Duration = Duration::from_millis(150);
/// After so long without an answer a second node is asked the same beside the first.
const HEDGE: Duration = Duration::from_millis(100);
/// So many requests of a client may be at two nodes at a time: were the cluster slow, more would make it slower.
pub(super) const HEDGES: usize = 64;
/// So many nodes that do not lead may name one another before they are asked less hastily.
const DETOURS: u32 = 2;

/// What has been tried so far.
struct Attempts {
    began: Instant,
    deadline: Instant,
    pause: Duration,
    /// Whether a node was lost since the last pause.
    lost: bool,
    /// How often a node has named another one.
    detours: u32,
    /// Whether any attempt may have had, or may yet have, an effect.
    unsettled: bool,
    last: String,
}

impl Attempts {
    fn new(deadline: Instant) -> Self {
        let last = "no node was reached".to_owned();
        Self {
            began: Instant::now(),
            deadline,
            pause: PAUSE_MIN,
            lost: false,
            detours: 0,
            unsettled: false,
            last,
        }
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
enum Attempted {
    Settled(Result<Reply, ClientError>),
    Again {
        /// Whether it is certain that it had no effect.
        certain: bool,
        what: String,
        next: Next,
    },
}

/// When to ask again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// At once.
    Now,
    /// At once, unless the same has happened just before: the connection was lost.
    Anew,
    /// At once, unless it has gone from one node to the next before: another node was named.
    There,
    /// When a leader is known.
    News,
    /// When the node had time to breathe.
    Later,
}

impl Attempted {
    fn again(certain: bool, what: impl ToString, next: Next) -> Self {
        Self::Again { certain, what: what.to_string(), next }
    }
}

impl Inner {
    /// Asks whoever leads until the answer is certain.
    pub(super) async fn ask_leader(
        self: &Arc<Self>,
        request: &Asked,
        deadline: Instant,
    ) -> Result<Reply, ClientError> {
        let mut attempts = Attempts::new(deadline);
        while !attempts.time_left().is_zero() {
            let (address, term) = (self.target(), self.leadership.borrow().term);
            let attempted = tokio::select! {
                attempted = self.attempt_hedged(&address, request, attempts.time_left()) => attempted,
                // The same request to the new leader at once; whoever was asked may be dead or stopped.
                () = self.leads_elsewhere(&address, None) => {
                    Attempted::again(false, format!("{address} does not lead any more"), Next::Now)
                }
            };
            match attempted {
                Attempted::Settled(settled) => return attempts.settle(settled),
                Attempted::Again { certain, what, next } => {
                    attempts.note(certain, what);
                    self.wait(&mut attempts, next, &address, term).await;
                }
            }
        }
        Err(attempts.give_up())
    }

    /// Asks one node after the other until one answers.
    pub(super) async fn ask_anybody(
        self: &Arc<Self>,
        request: &Asked,
        deadline: Instant,
    ) -> Result<Reply, ClientError> {
        let mut attempts = Attempts::new(deadline);
        let mut asked = 0;
        while !attempts.time_left().is_zero() {
            let address = self.next_but(|_| false).unwrap_or_else(|| self.nodes[0].clone());
            match self.attempt(&address, request, attempts.time_left()).await {
                Attempted::Settled(settled) => return settled,
                Attempted::Again { what, .. } => attempts.note(true, what),
            }
            asked += 1;
            // All once, before any twice.
            if asked >= self.nodes.len() {
                self.back_off(&mut attempts, pending()).await;
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
            match self.attempt(&worker.client, request, attempts.time_left()).await {
                Attempted::Settled(settled) => return attempts.settle(settled),
                Attempted::Again { certain, what, next } => {
                    attempts.note(certain, what);
                    let again = avoid.contains(&worker.id);
                    if !again {
                        avoid.push(worker.id);
                    }
                    if again || next == Next::Later {
                        self.back_off(&mut attempts, pending()).await;
                    }
                }
            }
        }
        Err(attempts.give_up())
    }

    /// One attempt, and another one beside it at the next node when the answer is long in coming. The first answer that
    /// settles the request counts.
    async fn attempt_hedged(
        self: &Arc<Self>,
        address: &str,
        request: &Asked,
        patience: Duration,
    ) -> Attempted {
        let mut first = pin!(self.attempt(address, request, patience));
        let hedge = async {
            if !is_hedged(&request.request) {
                return pending().await;
            }
            tokio::time::sleep(self.jittered(HEDGE)).await;
            let (Ok(place), Some(other)) =
                (self.hedges.try_acquire(), self.next_but(|other| other == address || self.is_gone(other)))
            else {
                return pending().await;
            };
            (place, self.attempt(&other, request, patience.saturating_sub(HEDGE)).await)
        };
        // The place is kept until the request is at no node any more.
        let (_place, uncertain) = tokio::select! {
            attempted = &mut first => return attempted,
            (place, attempted) = hedge => match attempted {
                Attempted::Settled(settled) => return Attempted::Settled(settled),
                Attempted::Again { certain, .. } => (place, !certain),
            },
        };
        match first.await {
            Attempted::Again { certain, what, next } => {
                Attempted::Again { certain: certain && !uncertain, what, next }
            }
            settled => settled,
        }
    }

    async fn attempt(self: &Arc<Self>, address: &str, request: &Asked, patience: Duration) -> Attempted {
        let attempt = ATTEMPT
            + Duration::from_secs_f64(request.request.payload() as f64 / SLOWEST)
            + Duration::from_millis(request.request.patience_ms());
        let connection = match self.connect(address, patience).await {
            Ok(connection) => connection,
            Err(error) => return Attempted::again(true, error, Next::News),
        };
        let answer = match tokio::time::timeout(attempt.min(patience), connection.call(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error @ CallError::NotSent(_))) => {
                return Attempted::Settled(Err(ClientError::NotSent(error.to_string())));
            }
            Ok(Err(error)) => return Attempted::again(false, error, Next::Anew),
            Err(_) => {
                self.forget_leader(address);
                let silent = format!("{address} did not answer within {:?}", attempt.min(patience));
                return Attempted::again(false, silent, Next::Now);
            }
        };
        self.answers(address);
        let error = match answer {
            Ok(reply) => {
                self.served(address, &request.request);
                return Attempted::Settled(Ok(reply));
            }
            Err(error) => error,
        };
        let what = format!("{address}: {error}");
        match error {
            ServiceError::Refused(refusal) => Attempted::Settled(Err(refusal.into())),
            ServiceError::BadOriginal(reason) => Attempted::Settled(Err(ClientError::BadOriginal(reason))),
            ServiceError::NotLeader(leadership) => {
                // It may be behind: what is known of the leadership stands until there is news of it. Or it has been
                // elected while it waited for somebody to name.
                self.learn(&leadership, address);
                self.denies(address);
                let known = self.leadership.borrow();
                let next = match &known.leader {
                    None => Next::News,
                    Some(_) if leads(&known, address) && *known != leadership => Next::Later,
                    Some(_) => Next::There,
                };
                Attempted::again(true, format!("{address} does not lead"), next)
            }
            ServiceError::Busy { .. }
            | ServiceError::Behind
            | ServiceError::Clock(_)
            | ServiceError::Internal(_)
            | ServiceError::Membership(MemberError::UnderWay) => Attempted::again(true, what, Next::Later),
            ServiceError::Rewrap(error) => Attempted::Settled(Err(error.into())),
            ServiceError::Presence(error) => Attempted::Settled(Err(error.into())),
            ServiceError::Transfer(error) => Attempted::Settled(Err(error.into())),
            ServiceError::NotProven => Attempted::Settled(Err(ClientError::NotProven)),
            error @ (ServiceError::TooManyAttempts { .. } | ServiceError::TooManyRegistrations { .. }) => {
                Attempted::Settled(Err(ClientError::TooManyAttempts(error.to_string())))
            }
            ServiceError::Membership(error) => Attempted::Settled(Err(error.into())),
            ServiceError::Unsettled(_) => Attempted::again(false, what, Next::Later),
        }
    }

    /// Waits until it is time for the next attempt, after one at `address` that began in `term`.
    async fn wait(&self, attempts: &mut Attempts, next: Next, address: &str, term: u64) {
        let led = self.leads_elsewhere(address, Some(term));
        let again = match next {
            Next::Now => false,
            Next::Anew => std::mem::replace(&mut attempts.lost, true),
            Next::There => {
                attempts.detours += 1;
                attempts.detours > DETOURS
            }
            Next::News => {
                attempts.lost = false;
                let pause = self.jittered(NEWS_PAUSE).min(attempts.time_left());
                // Whether or not there was news.
                let _ = tokio::time::timeout(pause, led).await;
                return;
            }
            Next::Later => return self.back_off(attempts, led).await,
        };
        if again {
            attempts.lost = false;
            // What was named may have died: never ask in a tight circle.
            self.back_off(attempts, pending()).await;
        }
    }

    /// Pauses, each time longer, or until `early`.
    async fn back_off(&self, attempts: &mut Attempts, early: impl Future<Output = ()>) {
        let pause = self.jittered(attempts.pause).min(attempts.time_left());
        attempts.pause = (attempts.pause * 2).min(PAUSE_MAX);
        let _ = tokio::time::timeout(pause, early).await;
    }

    /// Waits until somebody else is known to lead than the node at `address`, or the same in a later term.
    async fn leads_elsewhere(&self, address: &str, term: Option<u64>) {
        let mut leadership = self.leadership.subscribe();
        let elsewhere = leadership.wait_for(|now| {
            let elsewhere = !leads(now, address) || term.is_some_and(|term| now.term > term);
            now.leader.is_some() && elsewhere && !self.is_denied(now)
        });
        // The sender lives as long as this borrow of it.
        let _ = elsewhere.await;
    }

    /// A time between half as long and half as long again, so that those who wait for the same do not come together.
    fn jittered(&self, time: Duration) -> Duration {
        time.mul_f64(0.5 + (self.entropy.bits() as u8 as f64) / 256.0)
    }
}

impl Attempts {
    /// An earlier attempt may have been carried out, and its answer forgotten since.
    fn settle(&mut self, settled: Result<Reply, ClientError>) -> Result<Reply, ClientError> {
        match settled {
            Err(ClientError::Refused(
                refusal @ (Refusal::RequestOutOfTime { .. } | Refusal::RequestForgotten { .. }),
            )) if self.unsettled => {
                self.note(false, refusal);
                Err(self.give_up())
            }
            // Whether it is one too many is asked before it is known that it was done.
            Err(ClientError::TooManyAttempts(what)) if self.unsettled => {
                self.note(false, what);
                Err(self.give_up())
            }
            settled => settled,
        }
    }
}

/// Whether a request may be at two nodes at a time. What is large or long is not: neither files nor what changes the
/// cluster.
fn is_hedged(request: &Request) -> bool {
    match request {
        Request::Execute { change, .. } => !matches!(change, Change::Restore(_)),
        request => request.payload() == 0 && request.patience_ms() == 0,
    }
}

#[cfg(test)]
mod tests;
