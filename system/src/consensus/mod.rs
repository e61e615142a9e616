//! The openraft adapter. Nothing outside this module knows which Raft it is.

mod disk;
mod log;
mod machine;
mod message;
mod network;
mod snapshot;
mod types;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use openraft::{
    Config, ReadPolicy, SnapshotPolicy,
    errors::{ClientWriteError, Fatal, LinearizableReadError, RaftError},
    storage::Snapshot as OpenraftSnapshot,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

pub use self::{
    disk::{Disk, Folder},
    message::{PeerAnswer, PeerRequest, SnapshotPiece},
};
use self::{
    log::{Closed, LogStore},
    machine::Machine,
    network::PeerNetwork,
    types::Raft,
};
use crate::{
    directory::{Action, Answer, Command, Directory, RequestId},
    wire::{
        client::{Leadership, Member, NodeId},
        transport::Network,
    },
};

/// Proposals that may wait for their commit at a time; further ones are answered *busy*.
pub const PROPOSAL_LIMIT: usize = 16_384;

/// Raft's clockwork and housekeeping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How often the leader says that it is there.
    pub heartbeat: Duration,
    /// A follower that has heard nothing for `election_max` plus a random time between these two
    /// stands for election.
    pub election_min: Duration,
    /// See `election_min`.
    pub election_max: Duration,
    /// A snapshot is taken every so many log entries.
    pub snapshot_every: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(30),
            election_min: Duration::from_millis(100),
            election_max: Duration::from_millis(200),
            snapshot_every: 20_000,
        }
    }
}

/// Why Raft does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be opened.
    #[error("cannot open the log: {0}")]
    Database(#[from] redb::DatabaseError),
    /// The log or the snapshot cannot be read.
    #[error("cannot read the log: {0}")]
    Log(#[from] io::Error),
    /// The timing makes no sense.
    #[error("raft timing refused: {0}")]
    Config(#[from] openraft::ConfigError),
    /// Raft stopped at once.
    #[error("raft stopped: {0}")]
    Stopped(String),
}

/// Why a proposal has no answer from the directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ProposeError {
    /// Somebody else leads. The proposal was not taken.
    #[error("not the leader")]
    NotLeader {
        /// Who, if known.
        leader: Option<Member>,
    },
    /// Too many proposals wait. The proposal was not taken.
    #[error("{limit} proposals are waiting already")]
    Busy {
        /// The limit.
        limit: u64,
    },
    /// The proposal may or may not be committed later.
    #[error("outcome unknown: {0}")]
    Unsettled(String),
}

/// Why a read cannot be made linearizable here and now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BarrierError {
    /// Somebody else leads.
    #[error("not the leader")]
    NotLeader {
        /// Who, if known.
        leader: Option<Member>,
    },
    /// A majority did not confirm the leadership in time, or Raft has stopped.
    #[error("{0}")]
    Unconfirmed(String),
}

/// How far log and state machine are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// The last log index written.
    pub last_log: u64,
    /// The last log index applied.
    pub applied: u64,
    /// The last log index that a snapshot covers.
    pub snapshot: u64,
}

type BarrierWaiter = oneshot::Sender<Result<(), BarrierError>>;

/// One node's part in the cluster's agreement. Clones share it.
#[derive(Clone)]
pub struct Consensus {
    raft: Raft,
    machine: Machine,
    places: Arc<Semaphore>,
    leadership: watch::Receiver<Leadership>,
    barriers: mpsc::UnboundedSender<BarrierWaiter>,
    arriving: Arc<Mutex<Option<ArrivingSnapshot>>>,
    closed: Arc<Mutex<Option<Closed>>>,
}

struct ArrivingSnapshot {
    transfer: u64,
    bytes: Vec<u8>,
}

/// How long another node may take to take over the leadership.
const HAND_OVER_PATIENCE: Duration = Duration::from_secs(1);
/// How long the last users of the log may take to let go of it.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);
/// How long a read may wait for the directory to reach what is committed.
const APPLY_PATIENCE: Duration = Duration::from_secs(1);
/// The largest snapshot accepted from a leader, bytes.
const SNAPSHOT_LIMIT: usize = crate::wire::codec::MAX_VALUE;

impl Consensus {
    /// Starts Raft on the current runtime, which should be its own. With `bootstrap`, a node that
    /// holds nothing founds the cluster of these members; exactly one node may, once.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(
        id: NodeId,
        timing: Timing,
        disk: Arc<dyn Disk>,
        network: Arc<dyn Network>,
        bootstrap: Option<BTreeMap<NodeId, Member>>,
    ) -> Result<Self, StartError> {
        let millis = |duration: Duration| duration.as_millis() as u64;
        let config = Config {
            cluster_name: "veil".to_owned(),
            heartbeat_interval: millis(timing.heartbeat),
            election_timeout_min: millis(timing.election_min),
            election_timeout_max: millis(timing.election_max),
            enable_pre_vote: Some(true),
            // A leader that was restarted stands for election like anybody: one term, one reign.
            enable_leader_restore: Some(false),
            snapshot_policy: SnapshotPolicy::LogsSinceLast(timing.snapshot_every),
            max_in_snapshot_log_to_keep: timing.snapshot_every / 4,
            purge_batch_size: (timing.snapshot_every / 16).max(1),
            max_payload_entries: 512,
            backoff: "20ms 40ms 80ms ...160ms".to_owned(),
            ..Config::default()
        };
        let config = Arc::new(config.validate()?);
        let open = {
            let disk = disk.clone();
            move || {
                let (log, closed) = LogStore::open(disk.open_database()?)?;
                Ok::<_, StartError>((log, closed, Machine::open(disk)?))
            }
        };
        let (log, closed, machine) = match tokio::task::spawn_blocking(open).await {
            Ok(opened) => opened?,
            Err(panic) => return Err(StartError::Stopped(panic.to_string())),
        };
        let raft = Raft::new(id, config, PeerNetwork { network }, log, machine.clone())
            .await
            .map_err(|e| StartError::Stopped(e.to_string()))?;
        let stopped = |error: Fatal<types::TypeConfig>| StartError::Stopped(error.to_string());
        if let Some(members) = bootstrap
            && !raft.is_initialized().await.map_err(stopped)?
        {
            raft.initialize(members).await.map_err(|e| StartError::Stopped(e.to_string()))?;
        }
        let (barriers, waiting) = mpsc::unbounded_channel();
        tokio::spawn(confirm_leadership(raft.clone(), machine.clone(), waiting));
        Ok(Self {
            leadership: watch_leadership(&raft),
            raft,
            machine,
            places: Arc::new(Semaphore::new(PROPOSAL_LIMIT)),
            barriers,
            arriving: Arc::default(),
            closed: Arc::new(Mutex::new(Some(closed))),
        })
    }

    /// Puts a change into the log and waits until it is committed and applied. `at_ms` is this node's
    /// clock, in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// [`ProposeError`]; a refusal by the directory is not one of them.
    pub async fn propose(
        &self,
        request: RequestId,
        action: Action,
        at_ms: u64,
    ) -> Result<Answer, ProposeError> {
        let Ok(_place) = self.places.try_acquire() else {
            return Err(ProposeError::Busy { limit: PROPOSAL_LIMIT as u64 });
        };
        match self.raft.client_write(Command { request, at_ms, action }).await {
            Ok(written) => {
                written.data.ok_or_else(|| ProposeError::Unsettled("the entry held no command".to_owned()))
            }
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward))) => {
                Err(ProposeError::NotLeader { leader: forward.leader_node })
            }
            Err(error) => Err(ProposeError::Unsettled(error.to_string())),
        }
    }

    /// Waits until the local directory reflects every change acknowledged before the call. Calls
    /// that arrive while a round is under way share the next one.
    ///
    /// # Errors
    /// [`BarrierError`].
    pub async fn read_barrier(&self) -> Result<(), BarrierError> {
        let stopped = || BarrierError::Unconfirmed("raft has stopped".to_owned());
        let (sender, confirmed) = oneshot::channel();
        self.barriers.send(sender).map_err(|_| stopped())?;
        confirmed.await.map_err(|_| stopped())?
    }

    /// A frozen copy of the local directory, which costs next to nothing, and the index of the last
    /// entry in it.
    pub fn directory(&self) -> (Directory, u64) {
        self.machine.look(|image| (image.directory.clone(), image.applied.map_or(0, |log_id| log_id.index)))
    }

    /// Who leads, and a wake-up when that changes.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.clone()
    }

    /// All members of the cluster.
    pub fn members(&self) -> Vec<Member> {
        self.machine.look(|image| image.membership.nodes().map(|(_, member)| member.clone()).collect())
    }

    /// How far log and state machine are.
    pub fn progress(&self) -> Progress {
        use openraft::async_runtime::watch::WatchReceiver;
        let metrics = self.raft.metrics();
        // Nothing is awaited while the borrow is held: Raft waits for it.
        let metrics = metrics.borrow_watched();
        Progress {
            last_log: metrics.last_log_index.unwrap_or(0),
            applied: metrics.last_applied.map_or(0, |log_id| log_id.index),
            snapshot: metrics.snapshot.map_or(0, |log_id| log_id.index),
        }
    }

    /// Answers another node.
    pub async fn answer(&self, request: PeerRequest, now_ms: u64) -> PeerAnswer {
        fn or_failed<T, E: std::error::Error>(
            result: Result<T, E>,
            wrap: impl FnOnce(T) -> PeerAnswer,
        ) -> PeerAnswer {
            result.map_or_else(|error| PeerAnswer::Failed(error.to_string()), wrap)
        }
        match request {
            PeerRequest::Append(append) => {
                or_failed(self.raft.append_entries(append).await, PeerAnswer::Append)
            }
            PeerRequest::Vote(vote) => or_failed(self.raft.vote(vote).await, PeerAnswer::Vote),
            PeerRequest::PreVote(vote) => or_failed(self.raft.pre_vote(vote).await, PeerAnswer::Vote),
            PeerRequest::TransferLeader(transfer) => {
                or_failed(self.raft.handle_transfer_leader(transfer).await, PeerAnswer::TransferLeader)
            }
            PeerRequest::Propose { request, action } => {
                PeerAnswer::Proposed(self.propose(request, action, now_ms).await)
            }
            PeerRequest::Snapshot(piece) => self.take_snapshot_piece(piece).await,
        }
    }

    async fn take_snapshot_piece(&self, piece: SnapshotPiece) -> PeerAnswer {
        let (vote, last) = (piece.vote, piece.last);
        let bytes = match collect(&mut self.arriving.lock(), piece) {
            Ok(bytes) => bytes,
            Err(reason) => return PeerAnswer::Failed(reason),
        };
        let Some(bytes) = bytes.filter(|_| last) else {
            return PeerAnswer::MoreSnapshot;
        };
        let bytes = bytes::Bytes::from(bytes);
        let copy = bytes.clone();
        // Decoding a large directory takes a while: not where heartbeats are answered.
        let meta = match tokio::task::spawn_blocking(move || snapshot::read(&copy).map(|i| i.meta())).await {
            Ok(Ok(meta)) => meta,
            Ok(Err(error)) => return PeerAnswer::Failed(error.to_string()),
            Err(panic) => return PeerAnswer::Failed(panic.to_string()),
        };
        let whole = OpenraftSnapshot { meta, snapshot: bytes };
        match self.raft.install_full_snapshot(vote, whole).await {
            Ok(answer) => PeerAnswer::Snapshot(answer),
            Err(error) => PeerAnswer::Failed(error.to_string()),
        }
    }

    /// Waits until Raft has stopped by itself, which it does when the disk fails, and says why. A node
    /// without Raft must not go on as if it were a member.
    pub async fn failed(&self) -> String {
        use openraft::async_runtime::watch::WatchReceiver;
        let mut metrics = self.raft.metrics();
        loop {
            if let Err(fatal) = &metrics.borrow_watched().running_state {
                return fatal.to_string();
            }
            if metrics.changed().await.is_err() {
                return "raft has ended".to_owned();
            }
        }
    }

    /// If this node leads, has the follower whose log is most complete take over, and waits until it has,
    /// or a little while. Raft must go on being served meanwhile.
    pub async fn hand_over(&self) {
        use openraft::async_runtime::watch::WatchReceiver;
        let id = *self.raft.node_id();
        let successor = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow_watched();
            // Only a leader has followers to replicate to.
            let followers = metrics.replication.iter().flatten();
            followers.filter(|(node, _)| **node != id).max_by_key(|(_, matched)| **matched).map(|(n, _)| *n)
        };
        let Some(successor) = successor else { return };
        if let Err(error) = self.raft.trigger().transfer_leader(successor).await {
            tracing::warn!(%error, "the leadership cannot be handed over");
            return;
        }
        let mut leadership = self.leadership();
        let moved = leadership.wait_for(|now| now.leader.as_ref().is_some_and(|leader| leader.id != id));
        if tokio::time::timeout(HAND_OVER_PATIENCE, moved).await.is_err() {
            tracing::warn!(successor, "nobody has taken over the leadership");
        }
    }

    /// Stops Raft and closes its database. What was acknowledged is on disk already.
    pub async fn stop(&self) {
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(%error, "raft did not stop in order");
        }
        let closed = self.closed.lock().take();
        if let Some(closed) = closed
            && tokio::time::timeout(CLOSE_PATIENCE, closed).await.is_err()
        {
            tracing::warn!("the log's database is still in use");
        }
    }
}

/// Adds a piece to what has arrived; hands out the whole with the last piece.
fn collect(arriving: &mut Option<ArrivingSnapshot>, piece: SnapshotPiece) -> Result<Option<Vec<u8>>, String> {
    if piece.offset == 0 {
        *arriving = Some(ArrivingSnapshot { transfer: piece.transfer, bytes: Vec::new() });
    }
    let Some(snapshot) = arriving.as_mut().filter(|snapshot| snapshot.transfer == piece.transfer) else {
        return Err(format!("snapshot transfer {} is not under way", piece.transfer));
    };
    if snapshot.bytes.len() as u64 != piece.offset {
        return Err(format!("snapshot piece at {}, expected {}", piece.offset, snapshot.bytes.len()));
    }
    if snapshot.bytes.len() + piece.bytes.len() > SNAPSHOT_LIMIT {
        *arriving = None;
        return Err(format!("snapshot larger than {SNAPSHOT_LIMIT} bytes"));
    }
    snapshot.bytes.extend_from_slice(&piece.bytes);
    if !piece.last {
        return Ok(None);
    }
    Ok(arriving.take().map(|snapshot| snapshot.bytes))
}

/// Confirms the leadership with a majority, once for all reads that wait (ReadIndex).
async fn confirm_leadership(
    raft: Raft,
    machine: Machine,
    mut waiting: mpsc::UnboundedReceiver<BarrierWaiter>,
) {
    while let Some(first) = waiting.recv().await {
        let mut round = vec![first];
        while let Ok(next) = waiting.try_recv() {
            round.push(next);
        }
        let confirmed = match raft.get_read_linearizer(ReadPolicy::ReadIndex).await {
            Ok(linearizer) => {
                let applied = machine.wait_applied(linearizer.read_log_id().index());
                let behind = |_| BarrierError::Unconfirmed("the directory lags behind the log".to_owned());
                tokio::time::timeout(APPLY_PATIENCE, applied).await.map_err(behind)
            }
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward))) => {
                Err(BarrierError::NotLeader { leader: forward.leader_node })
            }
            Err(error) => Err(BarrierError::Unconfirmed(error.to_string())),
        };
        for waiter in round {
            // The asker may have given up.
            let _ = waiter.send(confirmed.clone());
        }
    }
}

/// Follows Raft's metrics and tells when term or leader change.
fn watch_leadership(raft: &Raft) -> watch::Receiver<Leadership> {
    use openraft::async_runtime::watch::WatchReceiver;
    let mut metrics = raft.server_metrics();
    let (sender, receiver) = watch::channel(Leadership::default());
    tokio::spawn(async move {
        loop {
            let now = {
                let metrics = metrics.borrow_watched();
                let member = |id| metrics.membership_config.membership().get_node(&id).cloned();
                Leadership {
                    term: metrics.vote.leader_id.term,
                    leader: metrics.current_leader.and_then(member),
                }
            };
            sender.send_if_modified(|known| {
                let changed = *known != now;
                if changed {
                    *known = now;
                }
                changed
            });
            if metrics.changed().await.is_err() {
                return;
            }
        }
    });
    receiver
}
