//! Appends of which several are on their way at a time.

use std::{collections::VecDeque, time::Duration};

use futures_util::{
    FutureExt, Stream, StreamExt,
    future::BoxFuture,
    stream::{Fuse, FuturesOrdered},
};
use openraft::{
    errors::Unreachable,
    raft::{AppendEntriesRequest, AppendEntriesResponse, StreamAppendResult},
};
use tokio::time::Instant;

use super::{PeerLink, RpcError, failed, unexpected};
use crate::{
    consensus::{
        message::{PeerAnswer, RaftMessage},
        stages::Stage,
        types::{LogId, TypeConfig},
    },
    wire::connection::CallError,
};

/// A follower may take so long to write a batch of entries. For heartbeats Raft has a shorter limit of its own.
const APPEND_PATIENCE: Duration = Duration::from_secs(2);
/// So many requests to append may be at a follower: while it writes one batch, the next one is on its way.
pub(super) const APPENDS: usize = 4;

/// What became of a request to append.
pub(super) type Appended = Result<StreamAppendResult<TypeConfig>, RpcError>;

/// Requests to append of which some are on their way.
pub(super) struct Appending<'a, S> {
    link: &'a mut PeerLink,
    requests: Fuse<S>,
    /// In the order in which they were sent, which is that in which the other side takes them up.
    asked: FuturesOrdered<BoxFuture<'static, Answered>>,
    /// Up to where the follower's log is like the leader's if it agrees, for each of them.
    ends: VecDeque<Option<LogId>>,
}

/// A request to append, and its answer.
struct Answered {
    before: Option<LogId>,
    end: Option<LogId>,
    /// The term of the leader that asked.
    term: u64,
    /// How long it took, if it brought entries.
    took: Option<Duration>,
    /// None in time.
    answer: Option<Result<PeerAnswer, CallError>>,
}

impl<'a, S> Appending<'a, S>
where
    S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Unpin,
{
    pub(super) fn new(link: &'a mut PeerLink, requests: S) -> Self {
        Self { link, requests: requests.fuse(), asked: FuturesOrdered::new(), ends: VecDeque::new() }
    }

    /// The next answer.
    pub(super) async fn next(&mut self) -> Option<Appended> {
        loop {
            // What is asked on two connections may come in another order, which the follower would take for a conflict.
            let room = if self.link.own().is_some() { APPENDS } else { 1 };
            tokio::select! {
                biased;
                Some(answered) = self.asked.next() => {
                    self.ends.pop_front();
                    let appended = self.settle(answered);
                    // Raft takes an answer for that to every request that ends no later, and believes that the follower
                    // has heard from this leader when the last of them was sent. It may not have come yet: its own answer
                    // then stands for both.
                    let next = self.ends.front();
                    if !matches!((&appended, next), (Ok(Ok(end)), Some(next)) if next <= end) {
                        return Some(appended);
                    }
                }
                Some(request) = self.requests.next(), if self.asked.len() < room => {
                    if let Err(error) = self.send(request).await {
                        return Some(Err(error));
                    }
                }
                else => return None,
            }
        }
    }

    async fn send(&mut self, request: AppendEntriesRequest<TypeConfig>) -> Result<(), RpcError> {
        let (before, brings) = (request.prev_log_id, !request.entries.is_empty());
        let first = before.map_or(0, |log_id| log_id.index + 1);
        if brings && first < self.link.first_kept.get() {
            let reason = format!("entry {first} is not kept any longer: the node gets a snapshot");
            return Err(Unreachable::from_string(reason).into());
        }
        let connection = match self.asked.is_empty() {
            true => self.link.connect().await,
            // Where the one that the others are on has ended, Raft begins again.
            false => self.link.own().cloned().ok_or_else(|| self.link.lost()),
        };
        let connection = connection.map_err(failed)?;
        let end = request.entries.last().map_or(before, |entry| Some(entry.log_id));
        let term = request.vote.leader_id.term;
        let request = self.link.addressed(RaftMessage::Append(request));
        // Those before it have theirs, too.
        let patience = APPEND_PATIENCE * (self.asked.len() as u32 + 1);
        let sent = Instant::now();
        let asked = async move {
            let answer = tokio::time::timeout(patience, connection.call(&request)).await.ok();
            Answered { before, end, term, took: brings.then(|| sent.elapsed()), answer }
        };
        self.asked.push_back(asked.boxed());
        self.ends.push_back(end);
        Ok(())
    }

    fn settle(&mut self, Answered { before, end, term, took, answer }: Answered) -> Appended {
        let Some(answer) = answer else { return Err(failed(self.link.lost())) };
        self.link.silent_since = None;
        if answer.is_ok() {
            self.link.contacts.answered(self.link.target);
        }
        match self.link.understood(answer)? {
            // Nobody's log conflicts with a beginning, and a follower takes all of a request or nothing.
            PeerAnswer::Append(answer @ AppendEntriesResponse::PartialSuccess(_)) => {
                Err(unexpected(&PeerAnswer::Append(answer)))
            }
            PeerAnswer::Append(answer @ AppendEntriesResponse::Conflict) if before.is_none() => {
                Err(unexpected(&PeerAnswer::Append(answer)))
            }
            PeerAnswer::Append(answer) => {
                if let Some(took) = took {
                    self.link.stages.record(Stage::Replicate, took);
                }
                if let (AppendEntriesResponse::Success, Some(_), Some(entry)) = (&answer, took, end) {
                    let PeerLink { contacts, target, seat, .. } = &*self.link;
                    contacts.promises.acknowledge(*target, seat.disk, term, entry);
                }
                Ok(answer.into_stream_result(before, end))
            }
            answer => Err(unexpected(&answer)),
        }
    }
}
