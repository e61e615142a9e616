//! The openraft adapter. Nothing outside this module knows which Raft it is.

mod age;
mod arriving;
mod campaign;
mod contacts;
mod disk;
mod leadership;
pub mod log;
mod machine;
mod membership;
mod message;
mod network;
mod read_index;
mod snapshot;
mod stages;
mod suspicion;
mod types;

#[cfg(test)]
mod tests;

use std::{
    io,
    sync::{Arc, Once},
    time::Duration,
};

use openraft::{
    Config, SnapshotPolicy,
    async_runtime::watch::WatchReceiver,
    errors::{ClientWriteError, RaftError},
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{Semaphore, watch},
    time::Instant,
};

use self::{
    age::Reports,
    arriving::ArrivingSnapshot,
    contacts::{Contacts, HOLD},
    leadership::watch_leadership,
    log::{Closed, LogError, LogStore, Unwritten},
    machine::Machine,
    network::PeerNetwork,
    read_index::IndexQueue,
    types::{Proposal, Raft},
};
pub use self::{
    disk::{Disk, Folder, SegmentFile, Segments, SlowDisk},
    leadership::TransferFailure,
    membership::ChangeError,
    message::{Identity, PeerAnswer, PeerRequest, RaftMessage, SnapshotPiece},
    read_index::BarrierError,
    stages::{Stage, StageHistogram, Stages},
    types::{DiskId, TypeConfig},
};
use crate::{
    directory::{Action, Actor, Answer, Command, Directory, Refusal, RequestId},
    wire::{
        client::{Leadership, NodeId},
        transport::Network,
    },
};

/// Proposals that may wait for their commit at a time; further ones are answered *busy*.
pub const PROPOSAL_LIMIT: usize = 16_384;

/// The largest command, encoded, bytes: half of what a frame between nodes may hold.
pub const COMMAND_LIMIT: u64 = 8 << 20;

/// Raft's clockwork and housekeeping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How often the leader says that it is there.
    pub heartbeat: Duration,
    /// The leader's lease: a follower that has heard nothing for so long stands for election, in its turn. One that has
    /// evidence of the leader's death does not wait.
    pub lease: Duration,
    /// A snapshot is taken every so many log entries.
    pub snapshot_every: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(25),
            lease: Duration::from_millis(150),
            snapshot_every: 20_000,
        }
    }
}

/// Why Raft does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The log cannot be opened, and may be whole: another process has it, or the system refuses.
    #[error("cannot open the log: {0}")]
    Log(io::Error),
    /// Log or snapshot do not hold what they held. A node that went on from there might deny what it has acknowledged.
    #[error(
        "the data folder is damaged: {reason}. The node must not start from it. To rejoin, empty the folder, start \
         the node, and let it be removed and added: `veil member remove {node}`, `veil member add {node}`"
    )]
    Damaged {
        /// The node.
        node: NodeId,
        /// What was found.
        reason: String,
    },
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
    NotLeader,
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

/// One node's part in the cluster's agreement. Clones share it.
#[derive(Clone)]
pub struct Consensus {
    raft: Raft,
    machine: Machine,
    network: Arc<dyn Network>,
    disk: DiskId,
    contacts: Contacts,
    stages: Stages,
    lease: Duration,
    /// Says once that others take this disk for another one.
    mistaken: Arc<Once>,
    /// Held while members are being changed here.
    changing: Arc<tokio::sync::Mutex<()>>,
    places: Arc<Semaphore>,
    unwritten: Unwritten,
    leadership: watch::Receiver<Leadership>,
    /// Up to where the log is committed, if this node leads.
    own_indices: IndexQueue,
    /// The same, as whoever leads says.
    leaders_indices: IndexQueue,
    reports: Arc<Mutex<Reports>>,
    arriving: Arc<Mutex<Option<ArrivingSnapshot>>>,
    closed: Arc<Mutex<Option<Closed>>>,
}

enum OpenError {
    Log(io::Error),
    Damaged(String),
}

/// Opens log and snapshot, if they are what they were.
fn open(
    disk: Arc<dyn Disk>,
    fresh: DiskId,
    stages: Stages,
) -> Result<(LogStore, Closed, Machine), OpenError> {
    let segments = disk.open_log().map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => OpenError::Damaged(error.to_string()),
        _ => OpenError::Log(error),
    })?;
    let machine =
        Machine::open(disk, stages.clone()).map_err(|error| OpenError::Damaged(error.to_string()))?;
    let (log, closed) = LogStore::open(segments, fresh, stages).map_err(|error| match error {
        LogError::Io(error) => OpenError::Log(error),
        LogError::Damaged(damage) => OpenError::Damaged(damage.to_string()),
    })?;
    let applied = machine.look(|image| image.applied);
    let missing = if log.purged() > applied {
        "the snapshot is missing that the log goes on from"
    } else if log.is_new() && applied.is_some() {
        "the log is missing that goes on from the snapshot"
    } else {
        return Ok((log, closed, machine));
    };
    drop(log);
    // Nobody has the log any more once this has ended.
    let _ = closed.blocking_recv();
    Err(OpenError::Damaged(missing.to_owned()))
}

/// How long the last users of the log may take to let go of it.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

impl Consensus {
    /// Starts Raft on the current runtime, which should be its own. An empty disk gets the number `fresh`.
    /// The node stands for no election before [`take_part`](Self::take_part) lets it.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(
        id: NodeId,
        timing: Timing,
        disk: Arc<dyn Disk>,
        network: Arc<dyn Network>,
        fresh: DiskId,
    ) -> Result<Self, StartError> {
        let millis = |duration: Duration| duration.as_millis() as u64;
        let config = Config {
            cluster_name: "veil".to_owned(),
            heartbeat_interval: millis(timing.heartbeat),
            // What is left of its use is that a question about a vote may take so long, the sync of the vote included.
            election_timeout_min: millis(timing.lease).saturating_sub(1),
            election_timeout_max: millis(timing.lease),
            enable_pre_vote: Some(true),
            // See `campaign`.
            enable_elect: false,
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
        let stages = Stages::new();
        let measuring = stages.clone();
        let opened = tokio::task::spawn_blocking(move || open(disk, fresh, measuring)).await;
        let opened = opened.map_err(|panic| StartError::Stopped(panic.to_string()))?;
        let (log, closed, machine) = opened.map_err(|error| match error {
            OpenError::Log(error) => StartError::Log(error),
            OpenError::Damaged(reason) => StartError::Damaged { node: id, reason },
        })?;
        let (disk, unwritten) = (log.disk(), log.unwritten());
        let reports = Arc::new(Mutex::new(Reports::default()));
        let contacts = Contacts::new(network.clone(), reports.clone());
        let peers =
            PeerNetwork { network: network.clone(), contacts: contacts.clone(), stages: stages.clone() };
        let raft = Raft::new(id, config, peers, log, machine.clone())
            .await
            .map_err(|e| StartError::Stopped(e.to_string()))?;
        tokio::spawn(contacts.clone().keep_up(id, raft.server_metrics()));
        let leadership = watch_leadership(&raft);
        Ok(Self {
            own_indices: read_index::ask_majority(&raft),
            leaders_indices: read_index::ask_leader(network.clone(), leadership.clone()),
            leadership,
            reports,
            raft,
            machine,
            network,
            disk,
            contacts,
            stages,
            lease: timing.lease,
            mistaken: Arc::new(Once::new()),
            changing: Arc::default(),
            places: Arc::new(Semaphore::new(PROPOSAL_LIMIT)),
            unwritten,
            arriving: Arc::default(),
            closed: Arc::new(Mutex::new(Some(closed))),
        })
    }

    /// Puts a change into the log, on behalf of `actor`, and waits until it is committed and applied. `at_ms` is this node's
    /// clock, in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// [`ProposeError`]; a refusal by the directory is not one of them.
    pub async fn propose(
        &self,
        request: RequestId,
        actor: Actor,
        action: Action,
        at_ms: u64,
    ) -> Result<Answer, ProposeError> {
        let proposal = Proposal::new(&Command { request, at_ms, actor, action });
        // What does not fit a frame between nodes must not get into the log: no follower would ever have it.
        let size = proposal.as_ref().map_or(u64::MAX, |proposal| proposal.size() as u64);
        let Some(proposal) = proposal.ok().filter(|_| size <= COMMAND_LIMIT) else {
            let field = "size of the change in bytes".to_owned();
            return Ok(Err(Refusal::TooMuch { field, value: size, limit: COMMAND_LIMIT }));
        };
        let busy = ProposeError::Busy { limit: PROPOSAL_LIMIT as u64 };
        let Ok(_place) = self.places.try_acquire() else { return Err(busy) };
        // Others may commit what this node's own disk has yet to write. It waits in memory.
        if self.unwritten.count() > PROPOSAL_LIMIT {
            return Err(busy);
        }
        let proposed = Instant::now();
        let written = match self.raft.client_write(proposal.clone()).await {
            // Elected, and nobody has answered yet: before a majority has, Raft takes nothing.
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_)))
                if self.leads() && self.read_index().await.is_ok() =>
            {
                self.raft.client_write(proposal).await
            }
            written => written,
        };
        match written {
            Ok(written) => {
                self.stages.finish(proposed, written.log_id.index);
                written.data.ok_or_else(|| ProposeError::Unsettled("the entry held no command".to_owned()))
            }
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_))) => Err(ProposeError::NotLeader),
            Err(error) => Err(ProposeError::Unsettled(error.to_string())),
        }
    }

    /// Where writes spend their time.
    pub fn stages(&self) -> &Stages {
        &self.stages
    }

    /// Looks at the local directory, and the index of the last entry in it. Keep it short: applying waits.
    pub fn look<T>(&self, look: impl FnOnce(&Directory, u64) -> T) -> T {
        self.machine.look(|image| look(&image.directory, image.applied.map_or(0, |log_id| log_id.index)))
    }

    /// A frozen copy of the local directory, and the index of the last entry in it. It costs next to nothing, but what is
    /// applied while it lives copies what it touches.
    pub fn directory(&self) -> (Directory, u64) {
        self.look(|directory, applied| (directory.clone(), applied))
    }

    /// How far log and state machine are.
    pub fn progress(&self) -> Progress {
        let metrics = self.raft.metrics();
        // Nothing is awaited while the borrow is held: Raft waits for it.
        let metrics = metrics.borrow_watched();
        Progress {
            last_log: metrics.last_log_index.unwrap_or(0),
            applied: metrics.last_applied.map_or(0, |log_id| log_id.index),
            snapshot: metrics.snapshot.map_or(0, |log_id| log_id.index),
        }
    }

    /// Answers another node, which asks on the connection of this number.
    pub async fn answer(&self, request: PeerRequest, connection: u64, now_ms: u64) -> PeerAnswer {
        match request {
            PeerRequest::Raft { to, message } if to == self.disk => {
                self.answer_member(message, connection).await
            }
            PeerRequest::Raft { to, .. } => self.refuse(to),
            PeerRequest::Propose { request, actor, action } => {
                PeerAnswer::Proposed(self.propose(request, actor, action, now_ms).await)
            }
            PeerRequest::ReadIndex => PeerAnswer::ReadIndex(self.read_index().await),
            PeerRequest::Greet => match self.identity().await {
                Ok(identity) => PeerAnswer::Identity(identity),
                Err(reason) => PeerAnswer::Failed(reason),
            },
            PeerRequest::Hold => {
                tokio::time::sleep(HOLD).await;
                PeerAnswer::Held { acknowledged: self.acknowledged() }
            }
        }
    }

    /// A connection of another node has ended.
    pub fn lose(&self, connection: u64) {
        self.contacts.end(connection);
    }

    async fn answer_member(&self, message: RaftMessage, connection: u64) -> PeerAnswer {
        fn or_failed<T, E: std::error::Error>(
            result: Result<T, E>,
            wrap: impl FnOnce(T) -> PeerAnswer,
        ) -> PeerAnswer {
            result.map_or_else(|error| PeerAnswer::Failed(error.to_string()), wrap)
        }
        match message {
            RaftMessage::Append(append) => {
                // At once: the answer waits for the disk, and a disk that is slow here says nothing about the leader.
                if append.vote >= self.raft.server_metrics().borrow_watched().vote {
                    self.contacts.hear(append.vote.leader_id.voted_for, connection);
                }
                let answer = self.raft.append_entries(append).await;
                or_failed(answer, PeerAnswer::Append)
            }
            RaftMessage::Vote(vote) => or_failed(self.raft.vote(vote).await, PeerAnswer::Vote),
            RaftMessage::PreVote(vote) => match self.defend_leader().await {
                Some(refused) => refused,
                None => or_failed(self.raft.pre_vote(vote).await, PeerAnswer::Vote),
            },
            RaftMessage::TransferLeader(transfer) => {
                or_failed(self.raft.handle_transfer_leader(transfer).await, PeerAnswer::TransferLeader)
            }
            RaftMessage::Snapshot(piece) => self.take_snapshot_piece(piece).await,
        }
    }

    /// Waits until Raft has stopped by itself, which it does when the disk fails, and says why. A node
    /// without Raft must not go on as if it were a member.
    pub async fn failed(&self) -> String {
        // These change seldom, and end with Raft; the others change with every entry.
        let mut ending = self.raft.server_metrics();
        while ending.changed().await.is_ok() {}
        match &self.raft.metrics().borrow_watched().running_state {
            Err(fatal) => fatal.to_string(),
            Ok(()) => "raft has ended".to_owned(),
        }
    }

    /// Stops Raft and closes its log. What was acknowledged is on disk already.
    pub async fn stop(&self) {
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(%error, "raft did not stop in order");
        }
        let closed = self.closed.lock().take();
        if let Some(closed) = closed
            && tokio::time::timeout(CLOSE_PATIENCE, closed).await.is_err()
        {
            tracing::warn!("the log is still in use");
        }
    }
}
