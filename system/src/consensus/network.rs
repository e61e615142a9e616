//! How Raft reaches other nodes: a connection each for votes, log, heartbeats and snapshots, so that a long transfer never
//! delays a heartbeat.

mod appending;
mod sending;

#[cfg(test)]
mod tests;

use std::{future::Future, sync::Arc, time::Duration};

use futures_util::{
    Stream, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use openraft::{
    OptionalSend,
    errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable},
    network::{RPCOption, RaftNetworkFactory, v2::RaftNetworkV2},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
        TransferLeaderResponse, VoteRequest, VoteResponse,
    },
};
use tokio::{task::JoinHandle, time::Instant};

use self::appending::{Appended, Appending};
use super::{
    Ending, LONGEST_ELECTION,
    contacts::{Contacts, PeerConnection},
    message::{PeerAnswer, PeerRequest, RaftMessage},
    retention::{FirstKept, Transfers},
    snapshot::{SnapshotData, SnapshotStore},
    stages::Stages,
    suspicion::election_patience,
    types::{Seat, Snapshot, TypeConfig, Vote},
};
use crate::{
    alarm::Alarms,
    wire::{
        client::NodeId,
        connection::{CallError, Connection},
        frame::Link,
        transport::Network,
    },
};

/// A node may take so long for a piece of a snapshot; for the last one it also installs the whole.
const PIECE_PATIENCE: Duration = Duration::from_secs(60);
/// Opening a connection may take so long.
const CONNECT_PATIENCE: Duration = Duration::from_secs(1);
/// A connection on which nothing was answered for so long is given up for a new one.
const SILENCE_LIMIT: Duration = Duration::from_secs(1);

/// Makes connections for Raft.
pub(super) struct PeerNetwork {
    pub(super) network: Arc<dyn Network>,
    pub(super) contacts: Contacts,
    pub(super) stages: Stages,
    pub(super) snapshots: Arc<SnapshotStore>,
    pub(super) alarms: Alarms,
    pub(super) first_kept: FirstKept,
    pub(super) transfers: Transfers,
    pub(super) ending: Ending,
    pub(super) lease: Duration,
}

impl RaftNetworkFactory<TypeConfig> for PeerNetwork {
    type Network = PeerLink;

    async fn new_client(&mut self, target: NodeId, seat: &Seat) -> PeerLink {
        PeerLink {
            network: self.network.clone(),
            contacts: self.contacts.clone(),
            stages: self.stages.clone(),
            snapshots: self.snapshots.clone(),
            alarms: self.alarms.clone(),
            first_kept: self.first_kept.clone(),
            transfers: self.transfers.clone(),
            ending: self.ending.clone(),
            lease: self.lease,
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
    snapshots: Arc<SnapshotStore>,
    alarms: Alarms,
    first_kept: FirstKept,
    transfers: Transfers,
    ending: Ending,
    lease: Duration,
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
                if answer.is_ok() {
                    self.contacts.answered(self.target);
                }
                answer
            }
            Err(_) => Err(self.lost()),
        }
    }

    /// How long the other side may take to say whether it would vote: it may be writing a vote down.
    fn vote_patience(&self) -> Duration {
        let pace = self.contacts.evidence(|evidence| evidence.pace(self.target));
        election_patience(self.lease, pace).min(LONGEST_ELECTION)
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

    /// A message to the member that is meant, and what it is to be held to.
    fn addressed(&self, message: RaftMessage) -> PeerRequest {
        let told = self.contacts.promises.of(self.target, self.seat.disk);
        PeerRequest::Raft { to: self.seat.disk, told, message }
    }

    async fn rpc(&mut self, message: RaftMessage, patience: Duration) -> Result<PeerAnswer, RpcError> {
        let request = self.addressed(message);
        let answer = self.ask(&request, patience).await;
        self.understood(answer)
    }

    /// Asks for a vote, or the like: by way of the standing connection, if there is one.
    async fn solicit(&mut self, message: RaftMessage, patience: Duration) -> Result<PeerAnswer, RpcError> {
        let Some(contact) = self.contacts.get(self.target, &self.seat) else {
            return self.rpc(message, patience).await;
        };
        let request = self.addressed(message);
        let asked = tokio::time::timeout(patience, contact.call(&request)).await;
        let answer = asked.unwrap_or_else(|_| Err(self.lost()));
        if answer.is_ok() {
            self.contacts.answered(self.target);
        }
        self.understood(answer)
    }

    fn understood(&self, answer: Result<PeerAnswer, CallError>) -> Result<PeerAnswer, RpcError> {
        match answer {
            Ok(PeerAnswer::Outlived(reason)) => {
                self.ending.tell(&reason);
                Err(Unreachable::from_string(reason).into())
            }
            Ok(PeerAnswer::Failed(reason)) => Err(Unreachable::from_string(reason).into()),
            Ok(answer) => Ok(answer),
            Err(error) => Err(failed(error)),
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
    type SnapshotData = SnapshotData;

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
        _option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        match self.solicit(RaftMessage::Vote(request), LONGEST_ELECTION).await? {
            PeerAnswer::Vote(answer) => Ok(answer),
            answer => Err(unexpected(&answer)),
        }
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        match self.solicit(RaftMessage::PreVote(request), self.vote_patience()).await? {
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
        _option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RpcError> {
        match self.solicit(RaftMessage::TransferLeader(request), self.vote_patience()).await? {
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
        let covered = snapshot.meta.last_log_id.map_or(0, |log_id| log_id.index);
        let under_way = self.transfers.begin(covered);
        let SnapshotData::Stored(stored) = snapshot.snapshot else {
            return Err(RpcError::from(Unreachable::from_string("only a stored snapshot can be sent")).into());
        };
        let send = self.send_snapshot(vote, stored);
        let sent = tokio::select! {
            sent = send => sent,
            closed = cancel => Err(closed.into()),
        };
        tokio::spawn(under_way.end_later());
        sent
    }
}
