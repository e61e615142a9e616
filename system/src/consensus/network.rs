//! How Raft reaches other nodes: a connection each for votes, log, heartbeats and snapshots, so that a long transfer never
//! delays a heartbeat.

use std::{
    collections::VecDeque,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    FutureExt, Stream, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream, Fuse, FuturesOrdered},
};
use openraft::{
    OptionalSend,
    errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable},
    network::{RPCOption, RaftNetworkFactory, v2::RaftNetworkV2},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult,
        TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
    },
};
use tokio::{task::JoinHandle, time::Instant};

use super::{
    contacts::{Contacts, PeerConnection},
    message::{PeerAnswer, PeerRequest, RaftMessage, SnapshotPiece},
    stages::{Stage, Stages},
    types::{LogId, Seat, Snapshot, TypeConfig, Vote},
};
use crate::wire::{
    client::NodeId,
    connection::{CallError, Connection},
    frame::Link,
    transport::Network,
};

/// A follower may take so long to write a batch of entries. For heartbeats Raft has a shorter limit of its own.
const APPEND_PATIENCE: Duration = Duration::from_secs(2);
/// So many requests to append may be at a follower: while it writes one batch, the next one is on its way.
const APPENDS: usize = 4;
/// A node may take so long for a piece of a snapshot; for the last one it also installs the whole.
const PIECE_PATIENCE: Duration = Duration::from_secs(60);
/// Opening a connection may take so long.
const CONNECT_PATIENCE: Duration = Duration::from_secs(1);
/// A connection on which nothing was answered for so long is given up for a new one.
const SILENCE_LIMIT: Duration = Duration::from_secs(1);
/// How much of a snapshot travels in one frame, bytes.
const PIECE: usize = 1 << 20;

/// Makes connections for Raft.
pub(super) struct PeerNetwork {
    pub(super) network: Arc<dyn Network>,
    pub(super) contacts: Contacts,
    pub(super) stages: Stages,
}

impl RaftNetworkFactory<TypeConfig> for PeerNetwork {
    type Network = PeerLink;

    async fn new_client(&mut self, target: NodeId, seat: &Seat) -> PeerLink {
        PeerLink {
            network: self.network.clone(),
            contacts: self.contacts.clone(),
            stages: self.stages.clone(),
            target,
            seat: seat.clone(),
            connection: Slot::Empty,
            silent_since: None,
        }
    }
}

/// One connection to one node, opened when first used and again when it broke. Until it is open, and for votes, the
/// standing connection serves.
pub(super) struct PeerLink {
    network: Arc<dyn Network>,
    contacts: Contacts,
    stages: Stages,
    target: NodeId,
    seat: Seat,
    connection: Slot,
    /// Since when no question was answered, if there is one that was not.
    silent_since: Option<Instant>,
}

enum Slot {
    Empty,
    /// Goes on although the question that began it has timed out: a heartbeat has less time than
    /// opening a connection may take.
    Opening(JoinHandle<Result<PeerConnection, CallError>>),
    Open(PeerConnection),
}

type RpcError = RPCError<TypeConfig>;

impl PeerLink {
    /// Asks, within `patience`.
    async fn ask(&mut self, request: &PeerRequest, patience: Duration) -> Result<PeerAnswer, CallError> {
        let asked = async { self.connect().await?.call(request).await };
        match tokio::time::timeout(patience, asked).await {
            Ok(answer) => {
                self.silent_since = None;
                answer
            }
            Err(_) => Err(self.lost()),
        }
    }

    fn lost(&self) -> CallError {
        CallError::Lost { address: self.seat.member.peer.clone() }
    }

    /// Its own connection, if it is open.
    fn own(&self) -> Option<&PeerConnection> {
        match &self.connection {
            Slot::Open(connection) if !connection.is_closed() => Some(connection),
            _ => None,
        }
    }

    /// The connection to ask on.
    async fn connect(&mut self) -> Result<PeerConnection, CallError> {
        // After a cut, the system's own retransmission may take long to notice that the way is free again: a new
        // connection is quicker.
        let silent_since = *self.silent_since.get_or_insert_with(Instant::now);
        if silent_since.elapsed() > SILENCE_LIMIT {
            self.silent_since = None;
            self.connection = Slot::Empty;
        }
        loop {
            match &mut self.connection {
                Slot::Open(connection) if !connection.is_closed() => return Ok(connection.clone()),
                Slot::Opening(opening) => {
                    // A new leader is to be heard at once.
                    if !opening.is_finished()
                        && let Some(contact) = self.contacts.get(self.target, &self.seat)
                    {
                        return Ok(contact);
                    }
                    let opened = opening.await;
                    self.connection = Slot::Empty;
                    let opened = opened.unwrap_or_else(|panic| Err(CallError::NotSent(panic.to_string())));
                    self.connection = Slot::Open(opened?);
                }
                Slot::Empty | Slot::Open(_) => {
                    let (network, address) = (self.network.clone(), self.seat.member.peer.clone());
                    self.connection = Slot::Opening(tokio::spawn(async move {
                        Connection::open(&*network, &address, Link::Peer, CONNECT_PATIENCE).await
                    }));
                }
            }
        }
    }

    async fn rpc(&mut self, message: RaftMessage, patience: Duration) -> Result<PeerAnswer, RpcError> {
        let request = PeerRequest::Raft { to: self.seat.disk, message };
        Self::understood(self.ask(&request, patience).await)
    }

    /// Asks for a vote, or the like: by way of the standing connection, if there is one.
    async fn solicit(&mut self, message: RaftMessage, patience: Duration) -> Result<PeerAnswer, RpcError> {
        let Some(contact) = self.contacts.get(self.target, &self.seat) else {
            return self.rpc(message, patience).await;
        };
        let request = PeerRequest::Raft { to: self.seat.disk, message };
        let asked = tokio::time::timeout(patience, contact.call(&request)).await;
        Self::understood(asked.unwrap_or_else(|_| Err(self.lost())))
    }

    fn understood(answer: Result<PeerAnswer, CallError>) -> Result<PeerAnswer, RpcError> {
        match answer {
            Ok(PeerAnswer::Failed(reason)) => Err(Unreachable::from_string(reason).into()),
            Ok(answer) => Ok(answer),
            Err(error) => Err(failed(error)),
        }
    }
}

/// What became of a request to append.
type Appended = Result<StreamAppendResult<TypeConfig>, RpcError>;

/// Requests to append of which some are on their way.
struct Appending<'a, S> {
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
    /// How long it took, if it brought entries.
    took: Option<Duration>,
    /// None in time.
    answer: Option<Result<PeerAnswer, CallError>>,
}

impl<'a, S> Appending<'a, S>
where
    S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Unpin,
{
    fn new(link: &'a mut PeerLink, requests: S) -> Self {
        Self { link, requests: requests.fuse(), asked: FuturesOrdered::new(), ends: VecDeque::new() }
    }

    /// The next answer.
    async fn next(&mut self) -> Option<Appended> {
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
                        return Some(Err(failed(error)));
                    }
                }
                else => return None,
            }
        }
    }

    async fn send(&mut self, request: AppendEntriesRequest<TypeConfig>) -> Result<(), CallError> {
        let connection = match self.asked.is_empty() {
            true => self.link.connect().await?,
            // Where the one that the others are on has ended, Raft begins again.
            false => self.link.own().cloned().ok_or_else(|| self.link.lost())?,
        };
        let (before, brings) = (request.prev_log_id, !request.entries.is_empty());
        let end = request.entries.last().map_or(before, |entry| Some(entry.log_id));
        let request = PeerRequest::Raft { to: self.link.seat.disk, message: RaftMessage::Append(request) };
        // Those before it have theirs, too.
        let patience = APPEND_PATIENCE * (self.asked.len() as u32 + 1);
        let sent = Instant::now();
        let asked = async move {
            let answer = tokio::time::timeout(patience, connection.call(&request)).await.ok();
            Answered { before, end, took: brings.then(|| sent.elapsed()), answer }
        };
        self.asked.push_back(asked.boxed());
        self.ends.push_back(end);
        Ok(())
    }

    fn settle(&mut self, Answered { before, end, took, answer }: Answered) -> Appended {
        let Some(answer) = answer else { return Err(failed(self.link.lost())) };
        self.link.silent_since = None;
        match PeerLink::understood(answer)? {
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
                Ok(answer.into_stream_result(before, end))
            }
            answer => Err(unexpected(&answer)),
        }
    }
}

fn failed(error: CallError) -> RpcError {
    match error {
        // Raft waits before it asks an unreachable node again, and not after other errors.
        CallError::Connect { .. } => Unreachable::new(&error).into(),
        error => NetworkError::new(&error).into(),
    }
}

fn unexpected(answer: &PeerAnswer) -> RpcError {
    Unreachable::from_string(format!("answer to another question: {answer:?}")).into()
}

impl RaftNetworkV2<TypeConfig> for PeerLink {
    type SnapshotData = Bytes;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RpcError> {
        match self.rpc(RaftMessage::Append(request), option.hard_ttl()).await? {
            PeerAnswer::Append(answer) => Ok(answer),
            answer => Err(unexpected(&answer)),
        }
    }

    /// Log and heartbeats: the next request need not wait for the answer to the one before it.
    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        _option: RPCOption,
    ) -> BoxFuture<'s, Result<BoxStream<'s, Appended>, RpcError>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        let answers = stream::unfold(Appending::new(self, input), |mut appending| async move {
            let answer = appending.next().await?;
            Some((answer, appending))
        });
        Box::pin(std::future::ready(Ok(answers.boxed())))
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        match self.solicit(RaftMessage::Vote(request), option.hard_ttl()).await? {
            PeerAnswer::Vote(answer) => Ok(answer),
            answer => Err(unexpected(&answer)),
        }
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        match self.solicit(RaftMessage::PreVote(request), option.hard_ttl()).await? {
            PeerAnswer::Vote(answer) => {
                if !answer.vote_granted {
                    self.contacts.count_refusal();
                }
                Ok(answer)
            }
            answer => Err(unexpected(&answer)),
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RpcError> {
        match self.solicit(RaftMessage::TransferLeader(request), option.hard_ttl()).await? {
            PeerAnswer::TransferLeader(answer) => Ok(answer),
            answer => Err(unexpected(&answer)),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        static TRANSFERS: AtomicU64 = AtomicU64::new(0);
        let transfer = TRANSFERS.fetch_add(1, Ordering::Relaxed);
        let bytes = snapshot.snapshot;
        let send = async {
            let mut offset = 0;
            loop {
                let end = bytes.len().min(offset + PIECE);
                let last = end == bytes.len();
                let piece = SnapshotPiece {
                    vote,
                    transfer,
                    offset: offset as u64,
                    bytes: bytes.slice(offset..end),
                    last,
                };
                match self.rpc(RaftMessage::Snapshot(piece), PIECE_PATIENCE).await? {
                    PeerAnswer::MoreSnapshot if !last => offset = end,
                    PeerAnswer::Snapshot(answer) => return Ok(answer),
                    answer => return Err(unexpected(&answer).into()),
                }
            }
        };
        tokio::select! {
            sent = send => sent,
            closed = cancel => Err(closed.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use openraft::{EntryPayload, entry::RaftEntry, vote::leader_id_std::CommittedLeaderId};
    use tokio::{
        sync::{Semaphore, mpsc, oneshot},
        time::timeout,
    };

    use super::*;
    use crate::{
        consensus::types::Entry,
        wire::{
            connections::Connections,
            server::{Caller, Service, serve},
            transport::{BoxedStream, Listener, Pipes},
        },
    };

    /// A request to append that has come to the follower, by the index that it ends at, and how it is answered.
    type Came = (u64, oneshot::Sender<AppendEntriesResponse<TypeConfig>>);

    struct Follower(mpsc::UnboundedSender<Came>);

    impl Service for Follower {
        type Request = PeerRequest;
        type Answer = PeerAnswer;

        async fn answer(self: Arc<Self>, _caller: Caller, request: PeerRequest) -> PeerAnswer {
            match request {
                PeerRequest::Raft { message: RaftMessage::Append(append), .. } => {
                    let (answer, answered) = oneshot::channel();
                    let last = append.entries.last().map(|entry| entry.log_id).or(append.prev_log_id);
                    self.0.send((last.unwrap().index, answer)).unwrap();
                    PeerAnswer::Append(answered.await.unwrap())
                }
                _ => std::future::pending().await,
            }
        }
    }

    /// Opens one connection at once, and further ones when it is let.
    struct Gated {
        pipes: Pipes,
        gate: Arc<Semaphore>,
    }

    impl Network for Gated {
        fn dial(&self, address: &str) -> BoxFuture<'static, std::io::Result<BoxedStream>> {
            let (dialled, gate) = (self.pipes.dial(address), self.gate.clone());
            Box::pin(async move {
                gate.acquire().await.unwrap().forget();
                dialled.await
            })
        }

        fn listen(&self, address: &str) -> BoxFuture<'static, std::io::Result<Box<dyn Listener>>> {
            self.pipes.listen(address)
        }
    }

    fn id(index: u64) -> LogId {
        LogId::new(CommittedLeaderId::new(1), index)
    }

    fn request(index: u64) -> AppendEntriesRequest<TypeConfig> {
        AppendEntriesRequest {
            vote: Vote::new_committed(1, 1),
            prev_log_id: Some(id(index - 1)),
            entries: vec![Entry::new(id(index), EntryPayload::Blank)],
            leader_commit: None,
        }
    }

    struct Both {
        leader: PeerLink,
        came: mpsc::UnboundedReceiver<Came>,
        /// How many more connections may open.
        gate: Arc<Semaphore>,
    }

    async fn leader_and_follower(connections: usize) -> Both {
        let (pipes, gate) = (Pipes::default(), Arc::new(Semaphore::new(connections)));
        let listener = pipes.listen("follower").await.unwrap();
        let (sender, came) = mpsc::unbounded_channel();
        tokio::spawn(serve(listener, Link::Peer, Arc::new(Follower(sender)), Connections::default()));
        let network: Arc<dyn Network> = Arc::new(Gated { pipes, gate: gate.clone() });
        let contacts = Contacts::new(network.clone(), Arc::default());
        let mut seat = Seat::default();
        "follower".clone_into(&mut seat.member.peer);
        let mut factory = PeerNetwork { network, contacts, stages: Stages::new() };
        Both { leader: factory.new_client(2, &seat).await, came, gate }
    }

    /// The indexes of the appends that have come.
    fn indexes(came: &[Came]) -> Vec<u64> {
        came.iter().map(|(index, _)| *index).collect()
    }

    fn drain(came: &mut mpsc::UnboundedReceiver<Came>) -> Vec<Came> {
        std::iter::from_fn(|| came.try_recv().ok()).collect()
    }

    const WHILE: Duration = Duration::from_millis(100);

    #[tokio::test(start_paused = true)]
    async fn appends_do_not_wait_for_one_another_and_are_answered_in_order() {
        let Both { mut leader, mut came, .. } = leader_and_follower(1).await;
        leader.connect().await.unwrap();
        let requests = stream::iter((1..=APPENDS as u64 + 1).map(request));
        let mut answers = leader.stream_append(requests, RPCOption::new(WHILE)).await.unwrap();
        assert!(timeout(WHILE, answers.next()).await.is_err(), "nothing is answered yet");
        let mut asked = drain(&mut came);
        assert_eq!(indexes(&asked), (1..=APPENDS as u64).collect::<Vec<_>>());

        // The second one is answered first, and has to wait for the first one.
        let (_, second) = asked.remove(1);
        second.send(AppendEntriesResponse::Success).unwrap();
        assert!(timeout(WHILE, answers.next()).await.is_err());
        let (_, first) = asked.remove(0);
        first.send(AppendEntriesResponse::Success).unwrap();
        for index in [1, 2] {
            assert_eq!(answers.next().await.unwrap().unwrap(), Ok(Some(id(index))));
        }

        // There is room again.
        assert!(timeout(WHILE, answers.next()).await.is_err());
        assert_eq!(indexes(&drain(&mut came)), [APPENDS as u64 + 1]);
    }

    /// Those on the standing connection could be overtaken by those on its own.
    #[tokio::test(start_paused = true)]
    async fn appends_go_one_by_one_until_the_leader_has_a_connection_of_its_own() {
        let Both { mut leader, mut came, gate } = leader_and_follower(1).await;
        tokio::spawn(leader.contacts.clone().keep(2, leader.seat.clone()));
        while leader.contacts.get(2, &leader.seat.clone()).is_none() {
            tokio::task::yield_now().await;
        }
        let requests = stream::iter((1..=4).map(request));
        let mut answers = leader.stream_append(requests, RPCOption::new(WHILE)).await.unwrap();
        assert!(timeout(WHILE, answers.next()).await.is_err());
        let mut asked = drain(&mut came);
        assert_eq!(indexes(&asked), [1]);
        gate.add_permits(1);
        assert!(timeout(WHILE, answers.next()).await.is_err());
        assert_eq!(indexes(&drain(&mut came)), [0; 0], "the first is not answered yet");
        asked.remove(0).1.send(AppendEntriesResponse::Success).unwrap();
        assert_eq!(answers.next().await.unwrap().unwrap(), Ok(Some(id(1))));
        assert!(timeout(WHILE, answers.next()).await.is_err());
        assert_eq!(indexes(&drain(&mut came)), [2, 3, 4]);
    }

    /// Raft would take the answer to the first for one to the second, which says what is committed and no more.
    #[tokio::test(start_paused = true)]
    async fn an_answer_does_not_stand_for_a_request_that_may_not_have_come() {
        let Both { mut leader, mut came, .. } = leader_and_follower(1).await;
        leader.connect().await.unwrap();
        let empty = AppendEntriesRequest { prev_log_id: Some(id(1)), entries: Vec::new(), ..request(1) };
        let requests = stream::iter([request(1), empty, request(2)]);
        let mut answers = leader.stream_append(requests, RPCOption::new(WHILE)).await.unwrap();
        assert!(timeout(WHILE, answers.next()).await.is_err());
        let mut asked = drain(&mut came);
        assert_eq!(indexes(&asked), [1, 1, 2]);
        asked.remove(0).1.send(AppendEntriesResponse::Success).unwrap();
        assert!(timeout(WHILE, answers.next()).await.is_err(), "the second has not been answered");
        asked.remove(0).1.send(AppendEntriesResponse::Success).unwrap();
        assert_eq!(answers.next().await.unwrap().unwrap(), Ok(Some(id(1))));
        asked.remove(0).1.send(AppendEntriesResponse::Success).unwrap();
        assert_eq!(answers.next().await.unwrap().unwrap(), Ok(Some(id(2))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_conflict_names_what_came_before() {
        let Both { mut leader, mut came, .. } = leader_and_follower(1).await;
        let requests = stream::iter([request(7)]);
        let mut answers = leader.stream_append(requests, RPCOption::new(WHILE)).await.unwrap();
        assert!(timeout(WHILE, answers.next()).await.is_err());
        drain(&mut came).remove(0).1.send(AppendEntriesResponse::Conflict).unwrap();
        let answer = answers.next().await.unwrap().unwrap();
        assert!(
            matches!(&answer, Err(openraft::raft::StreamAppendError::Conflict(before)) if *before == id(6))
        );
    }
}
