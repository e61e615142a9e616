//! One request, as many attempts as it takes, and no more than that.
//!
//! A request whose node is lost is asked again at once: either its connection opens anew or the node is gone. Then the
//! request waits for news of a leader, which every node [pushes](super::follow), rather than trying one node after the
//! other. So a thousand requests in flight at a leader that dies make a few thousand attempts, however long the
//! election takes.
//!
//! What the user is told is certain. An attempt counts as *open* from when it is sent until an answer shows that it had
//! no effect; one that is lost, or is not waited for any more, stays open. While any is open, only what the directory
//! remembers as the answer to this request settles it: success, or a refusal that every attempt meets with. All else says
//! only what became of one attempt.

use std::{
    future::{Future, pending},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{ClientError, Inner, follow::leads};
use crate::{
    directory::Refusal,
    wire::{
        client::{Asked, Change, Member, MemberError, NodeId, Reply, Request, ServiceError, TransferError},
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
    /// Whether what is asked changes anything.
    has_effect: bool,
    /// How many attempts may have had, or may yet have, an effect.
    open: AtomicU32,
    /// What the last attempt met with.
    last: String,
}

impl Attempts {
    /// With so many open already.
    fn new(request: &Request, open: u32, deadline: Instant) -> Self {
        Self {
            began: Instant::now(),
            deadline,
            pause: PAUSE_MIN,
            lost: false,
            detours: 0,
            has_effect: request.has_effect(),
            open: AtomicU32::new(open),
            last: "no node was reached".to_owned(),
        }
    }

    fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// An attempt is sent.
    fn opens(&self) {
        self.open.fetch_add(self.has_effect.into(), Ordering::Relaxed);
    }

    /// An attempt that was sent had no effect, and will have none.
    fn closes(&self) {
        self.open.fetch_sub(self.has_effect.into(), Ordering::Relaxed);
    }

    fn open(&self) -> u32 {
        self.open.load(Ordering::Relaxed)
    }

    /// One attempt was declined: nothing was done, if no other may have done it.
    fn declined(mut self, error: ClientError) -> ClientError {
        match self.open() > 0 {
            true => {
                self.last = error.to_string();
                self.give_up()
            }
            false => error,
        }
    }

    fn give_up(self) -> ClientError {
        let waited = self.began.elapsed();
        match self.open() > 0 {
            true => ClientError::Unsettled { waited, last: self.last },
            false => ClientError::TimedOut { waited, last: self.last },
        }
    }
}

/// What an attempt came to.
enum Attempted {
    /// The answer, to this attempt and to every other one.
    Settled(Result<Reply, ClientError>),
    /// Nothing was done this time, and asking again is of no use.
    Declined(ClientError),
    /// Asking again may help.
    Again { what: String, next: Next },
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
    fn again(what: impl ToString, next: Next) -> Self {
        Self::Again { what: what.to_string(), next }
    }
}

impl Inner {
    /// Asks whoever leads until the answer is certain. So many attempts of the same request are open already.
    pub(super) async fn ask_leader(
        self: &Arc<Self>,
        request: &Asked,
        open: u32,
        deadline: Instant,
    ) -> Result<Reply, ClientError> {
        let mut attempts = Attempts::new(&request.request, open, deadline);
        while !attempts.time_left().is_zero() {
            let (address, term) = (self.target(), self.leadership.borrow().term);
            let attempted = tokio::select! {
                attempted = self.attempt_hedged(&attempts, &address, request) => attempted,
                // The same request to the new leader at once; whoever was asked may be dead or stopped.
                () = self.leads_elsewhere(&address, None) => {
                    Attempted::again(format!("{address} does not lead any more"), Next::Now)
                }
            };
            match attempted {
                Attempted::Settled(settled) => return settled,
                Attempted::Declined(error) => return Err(attempts.declined(error)),
                Attempted::Again { what, next } => {
                    attempts.last = what;
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
        let mut attempts = Attempts::new(&request.request, 0, deadline);
        let mut asked = 0;
        while !attempts.time_left().is_zero() {
            let address = self.next_but(|_| false).unwrap_or_else(|| self.nodes[0].clone());
            match self.attempt(&attempts, &address, request, attempts.time_left()).await {
                Attempted::Settled(settled) => return settled,
                Attempted::Declined(error) => return Err(attempts.declined(error)),
                Attempted::Again { what, .. } => attempts.last = what,
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
        open: u32,
        deadline: Instant,
    ) -> Result<Reply, ClientError> {
        let mut attempts = Attempts::new(&request.request, open, deadline);
        let mut avoid: Vec<NodeId> = Vec::new();
        while !attempts.time_left().is_zero() {
            let assign = Request::AssignWorker { avoid: avoid.clone() };
            let assign = Asked { session: request.session.clone(), request: assign };
            let worker: Member = match self.ask_leader(&assign, 0, deadline).await {
                Ok(Reply::Worker(worker)) => worker,
                Ok(other) => return Err(attempts.declined(super::protocol(&other))),
                Err(ClientError::TimedOut { last, .. }) => {
                    attempts.last = format!("no worker: {last}");
                    continue;
                }
                // That says nothing of what was sent to an earlier worker.
                Err(error) => return Err(attempts.declined(error)),
            };
            match self.attempt(&attempts, &worker.client, request, attempts.time_left()).await {
                Attempted::Settled(settled) => return settled,
                Attempted::Declined(error) => return Err(attempts.declined(error)),
                Attempted::Again { what, next } => {
                    attempts.last = what;
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
        attempts: &Attempts,
        address: &str,
        request: &Asked,
    ) -> Attempted {
        let (patience, doubled) = (attempts.time_left(), AtomicBool::new(false));
        let mut first = pin!(self.attempt(attempts, address, request, patience));
        let hedge = async {
            if !is_hedged(&request.request) {
                return pending().await;
            }
            tokio::time::sleep(self.hedge_after()).await;
            let (Ok(place), Some(other)) =
                (self.hedges.try_acquire(), self.next_but(|other| other == address || self.is_gone(other)))
            else {
                return pending().await;
            };
            doubled.store(true, Ordering::Relaxed);
            (place, self.attempt(attempts, &other, request, attempts.time_left()).await)
        };
        let mut hedge = pin!(hedge);
        // The place is kept as long as the request is at both nodes, or at the first one alone.
        let (_place, hedged) = tokio::select! {
            attempted = &mut first => match attempted {
                // What it means depends on what becomes of the other one.
                Attempted::Declined(error) if doubled.load(Ordering::Relaxed) => {
                    return match tokio::time::timeout(attempts.time_left(), hedge).await {
                        Ok((_, settled @ Attempted::Settled(_))) => settled,
                        _ => Attempted::Declined(error),
                    };
                }
                attempted => return attempted,
            },
            hedged = &mut hedge => hedged,
        };
        match hedged {
            settled @ Attempted::Settled(_) => settled,
            Attempted::Declined(_) | Attempted::Again { .. } => first.await,
        }
    }

    async fn attempt(
        self: &Arc<Self>,
        attempts: &Attempts,
        address: &str,
        request: &Asked,
        patience: Duration,
    ) -> Attempted {
        let attempt = ATTEMPT
            + Duration::from_secs_f64(request.request.payload() as f64 / SLOWEST)
            + Duration::from_millis(request.request.patience_ms());
        let connection = match self.connect(address, patience).await {
            Ok(connection) => connection,
            Err(error) => return Attempted::again(error, Next::News),
        };
        attempts.opens();
        let asked = Instant::now();
        let answer = match tokio::time::timeout(attempt.min(patience), connection.call(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error @ CallError::NotSent(_))) => {
                attempts.closes();
                return Attempted::Declined(ClientError::NotSent(error.to_string()));
            }
            Ok(Err(error)) => return Attempted::again(error, Next::Anew),
            Err(_) => {
                self.forget_leader(address);
                let silent = format!("{address} did not answer within {:?}", attempt.min(patience));
                return Attempted::again(silent, Next::Now);
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
            ServiceError::Refused(refusal) => return Attempted::Settled(Err(refusal.into())),
            // What is to be done is done, by whomever.
            ServiceError::Membership(error @ MemberError::Unknown { .. })
                if matches!(request.request, Request::RemoveMember { .. }) =>
            {
                return Attempted::Settled(Err(error.into()));
            }
            // It stays open: something was done, or may be.
            ServiceError::Unsettled(_)
            | ServiceError::Transfer(TransferError::NotTaken { .. })
            | ServiceError::Declined(Refusal::AnsweredBefore { .. }) => {}
            _ => attempts.closes(),
        }
        match error {
            ServiceError::Refused(refusal) | ServiceError::Declined(refusal) => {
                Attempted::Declined(refusal.into())
            }
            ServiceError::BadOriginal(reason) => Attempted::Declined(ClientError::BadOriginal(reason)),
            ServiceError::NotLeader(leadership) => {
                // It may be behind: what is known of the leadership stands until there is news of it. Or it has been
                // elected while it waited for somebody to name.
                self.learn(&leadership, address);
                self.denies(address, asked);
                let known = self.leadership.borrow();
                let next = match &known.leader {
                    None => Next::News,
                    Some(_) if leads(&known, address) && *known != leadership => Next::Later,
                    Some(_) => Next::There,
                };
                Attempted::again(format!("{address} does not lead"), next)
            }
            ServiceError::Busy { .. }
            | ServiceError::Behind
            | ServiceError::Clock(_)
            | ServiceError::Internal(_)
            | ServiceError::Unsettled(_)
            | ServiceError::Unconfirmed(_)
            | ServiceError::Membership(MemberError::UnderWay) => Attempted::again(what, Next::Later),
            ServiceError::Rewrap(error) => Attempted::Declined(error.into()),
            ServiceError::Presence(error) => Attempted::Declined(error.into()),
            ServiceError::Transfer(error) => Attempted::Declined(error.into()),
            ServiceError::NotProven => Attempted::Declined(ClientError::NotProven),
            error @ (ServiceError::TooManyAttempts { .. } | ServiceError::TooManyRegistrations { .. }) => {
                Attempted::Declined(ClientError::TooManyAttempts(error.to_string()))
            }
            ServiceError::Membership(error) => Attempted::Declined(error.into()),
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

    /// When a second node is asked: not before the first one has said that it does not lead, if it does not.
    fn hedge_after(&self) -> Duration {
        HEDGE.mul_f64(0.75 + f64::from(self.entropy.bits() as u8) / 512.0)
    }

    /// A time between half as long and half as long again, so that those who wait for the same do not come together.
    fn jittered(&self, time: Duration) -> Duration {
        time.mul_f64(0.5 + (self.entropy.bits() as u8 as f64) / 256.0)
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
mod certainty;
#[cfg(test)]
mod tests;
