//! The openraft adapter. Nothing outside this module knows which Raft it is.

mod age;
mod arriving;
mod campaign;
mod clocks;
mod contacts;
mod disk;
mod housekeeping;
mod leadership;
pub mod log;
mod machine;
mod membership;
mod message;
mod network;
mod pace;
mod promise;
mod read_index;
mod recover;
mod retention;
mod snapshot;
mod stages;
mod suspicion;
mod tenure;
mod types;

#[cfg(test)]
mod tests;

use std::{
    io,
    sync::{
        Arc, Once,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use openraft::{
    Config, SnapshotPolicy,
    async_runtime::watch::WatchReceiver,
    errors::{ClientWriteError, RaftError},
    raft::VoteRequest,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{Semaphore, watch},
    time::Instant,
};

pub(crate) use self::clocks::listed;
use self::{
    age::Reports,
    arriving::ArrivingSnapshot,
    clocks::{Clocks, Unfit},
    contacts::{Contacts, HOLD},
    housekeeping::House,
    leadership::watch_leadership,
    log::{Closed, Damage, LogError, LogStore},
    machine::Machine,
    network::PeerNetwork,
    pace::Pace,
    promise::Promises,
    read_index::IndexQueue,
    retention::{FirstKept, Retention, Transfers},
    snapshot::SnapshotError,
    suspicion::Evidence,
    types::{Proposal, Raft, Vote},
};
pub use self::{
    clocks::{ClockError, Judgement, Time},
    disk::{Disk, Folder, Hang, NewSnapshot, SegmentFile, Segments, SlowDisk, SnapshotFile},
    leadership::TransferFailure,
    membership::ChangeError,
    message::{Identity, PeerAnswer, PeerRequest, RaftMessage, SnapshotPiece},
    promise::{Promise, Stand},
    read_index::BarrierError,
    recover::{Holdings, RecoverError, Survivor},
    stages::{Stage, StageHistogram, Stages},
    types::{DiskId, TypeConfig},
};
use crate::{
    alarm::Alarms,
    clock::UnixClock,
    directory::{Action, Actor, Answer, Command, Directory, Refusal, RequestId},
    wire::{
        client::{Leadership, NodeId},
        transport::Network,
    },
};

/// Proposals that may wait for their commit at a time; further ones are answered *busy*.
pub const PROPOSAL_LIMIT: usize = 16_384;

/// How many bytes they may have in all. As many may wait for this node's own disk.
pub const PROPOSAL_BYTES: usize = 64 << 20;

/// The largest command, encoded, bytes: half of what a frame between nodes may hold.
pub const COMMAND_LIMIT: u64 = 8 << 20;

/// A question about a vote may take so long, the writing down of the vote included. As openraft has it, it is also for how
/// long a leader may count on being believed in; here that is decided by [`suspicion`] and [`tenure`].
const LONGEST_ELECTION: Duration = Duration::from_secs(10);

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
    /// For members that lack entries, the log keeps so many; who lacks more gets a snapshot.
    pub keep_entries: u64,
    /// The same, bytes. A snapshot is taken when a quarter of them are not covered by one.
    pub keep_bytes: u64,
    /// A leader whose disk has not finished a write for so long hands over, and nobody stands for election so.
    pub disk_timeout: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(25),
            lease: Duration::from_millis(150),
            snapshot_every: 20_000,
            keep_entries: 2_000_000,
            keep_bytes: 1 << 30,
            disk_timeout: Duration::from_secs(1),
        }
    }
}

/// Why Raft does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The log cannot be opened, and may be whole: another process has it, or the system refuses.
    #[error("cannot open the log: {0}")]
    Log(io::Error),
    /// The snapshot cannot be read, and may be whole: the system refuses.
    #[error("cannot read the snapshot: {0}")]
    Snapshot(io::Error),
    /// Log or snapshot may be whole, and another version of the program has written them.
    #[error(
        "the data folder is of another version: {reason}. Nothing in it was changed: start the version that wrote it. What \
         it holds is moved by `veil directory dump` there and `veil directory load` here"
    )]
    OtherVersion {
        /// What was found.
        reason: String,
    },
    /// Log or snapshot do not hold what they held. A node that went on from there might deny what it has acknowledged.
    #[error(
        "the data folder is damaged: {reason}. The node must not start from it. Keep it, under another name, until the \
         cluster is whole again: first make sure that a majority of the members run without this node, then start it \
         with an empty folder, and let it be removed and added: `veil member remove {node}`, `veil member add {node}`"
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
    /// The proposals that wait take too much memory. The proposal was not taken.
    #[error("{limit} bytes of proposals are waiting already")]
    Full {
        /// The limit, bytes.
        limit: u64,
    },
    /// The leader's clock may be wrong. The proposal was not taken.
    #[error(transparent)]
    Clock(ClockError),
    /// Its id is out of time by the leader's clock, or it is too large for the log. The proposal was not taken.
    #[error(transparent)]
    Declined(Refusal),
}

/// How far log and state machine are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// The first log index that is still there.
    pub first_log: u64,
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
    /// Tells this run of the node from others.
    run: DiskId,
    /// The numbers that the disk had before the cluster was recovered from it, if it ever was.
    former: Arc<[DiskId]>,
    /// Why this node must not go on, if it must not.
    ending: Ending,
    contacts: Contacts,
    promises: Promises,
    clocks: Clocks,
    stages: Stages,
    alarms: Alarms,
    lease: Duration,
    /// Says once that others take this disk for another one.
    mistaken: Arc<Once>,
    /// Held while members are being changed here.
    changing: Arc<tokio::sync::Mutex<()>>,
    places: Arc<Semaphore>,
    /// Bytes of proposals that may yet come in.
    room: Arc<Semaphore>,
    house: House,
    /// A snapshot is made every so many entries.
    snapshot_every: u64,
    pace: Arc<Mutex<Pace>>,
    disk_timeout: Duration,
    /// Whether this node does not act as the leader, although it may be.
    silent: Arc<AtomicBool>,
    /// The last vote by which this node led and of which it has told others to elect a successor.
    leaving: Arc<Mutex<Option<Vote>>>,
    leadership: watch::Receiver<Leadership>,
    /// Up to where the log is committed, if this node leads.
    own_indices: IndexQueue,
    /// The same, as whoever leads says.
    leaders_indices: IndexQueue,
    reports: Arc<Mutex<Reports>>,
    arriving: Arc<Mutex<Option<Box<ArrivingSnapshot>>>>,
    closed: Arc<Mutex<Option<Closed>>>,
}

/// Why a node must not go on, once it is known. Clones share it.
#[derive(Clone, Default)]
struct Ending(Arc<watch::Sender<Option<String>>>);

impl Ending {
    /// It must not go on.
    fn tell(&self, reason: &str) {
        self.0.send_if_modified(|known| known.is_none() && known.replace(reason.to_owned()).is_none());
    }

    async fn told(&self) -> String {
        let mut known = self.0.subscribe();
        let told = known.wait_for(Option::is_some).await;
        // The sender lives as long as this borrow of it.
        told.ok().and_then(|told| told.clone()).unwrap_or_default()
    }
}

/// Why log and snapshot do not open.
enum OpenError {
    Log(io::Error),
    Snapshot(io::Error),
    OtherVersion(String),
    Damaged(String),
}

impl From<SnapshotError> for OpenError {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Io(error) => Self::Snapshot(error),
            error @ SnapshotError::Version(_) => Self::OtherVersion(error.to_string()),
            error => Self::Damaged(error.to_string()),
        }
    }
}

impl From<LogError> for OpenError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Io(error) => Self::Log(error),
            LogError::Damaged(format @ Damage::Format { .. }) => Self::OtherVersion(format.to_string()),
            LogError::Damaged(damage) => Self::Damaged(damage.to_string()),
        }
    }
}

impl OpenError {
    fn of_node(self, node: NodeId) -> StartError {
        match self {
            Self::Log(error) => StartError::Log(error),
            Self::Snapshot(error) => StartError::Snapshot(error),
            Self::OtherVersion(reason) => StartError::OtherVersion { reason },
            Self::Damaged(reason) => StartError::Damaged { node, reason },
        }
    }
}

/// Opens log and snapshot, if they are what they were.
fn open(
    disk: Arc<dyn Disk>,
    fresh: DiskId,
    stages: Stages,
    alarms: Alarms,
) -> Result<(LogStore, Closed, Machine), OpenError> {
    let segments = disk.open_log().map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => OpenError::OtherVersion(error.to_string()),
        _ => OpenError::Log(error),
    })?;
    let machine = Machine::open(disk, stages.clone(), alarms)?;
    let (log, closed) = LogStore::open(segments, fresh, stages)?;
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
        clock: UnixClock,
    ) -> Result<Self, StartError> {
        let millis = |duration: Duration| duration.as_millis() as u64;
        let config = Config {
            cluster_name: "veil".to_owned(),
            heartbeat_interval: millis(timing.heartbeat),
            election_timeout_min: millis(timing.lease.max(LONGEST_ELECTION)).saturating_sub(1),
            election_timeout_max: millis(timing.lease.max(LONGEST_ELECTION)),
            enable_pre_vote: Some(true),
            // See `campaign`.
            enable_elect: false,
            // See `promise`: one that was put back from a copy gets what it lacks.
            allow_log_reversion: Some(true),
            // A leader that was restarted stands for election like anybody: one term, one reign.
            enable_leader_restore: Some(false),
            // See `Consensus::make_snapshots`.
            snapshot_policy: SnapshotPolicy::Never,
            // See `housekeeping`.
            max_in_snapshot_log_to_keep: u64::MAX,
            max_payload_entries: 512,
            backoff: "20ms 40ms 80ms ...160ms".to_owned(),
            ..Config::default()
        };
        let config = Arc::new(config.validate()?);
        let stages = Stages::new();
        let alarms = Alarms::default();
        let (measuring, warning) = (stages.clone(), alarms.clone());
        let opened = tokio::task::spawn_blocking(move || open(disk, fresh, measuring, warning)).await;
        let opened = opened.map_err(|panic| StartError::Stopped(panic.to_string()))?;
        let (log, closed, machine) = opened.map_err(|error| error.of_node(id))?;
        let (disk, pace, former) = (log.disk(), log.pace(), log.former());
        let ending = Ending::default();
        let retention = Retention {
            spare: timing.snapshot_every / 4,
            entries: timing.keep_entries,
            bytes: timing.keep_bytes,
        };
        let (first_kept, transfers) = (FirstKept::default(), Transfers::default());
        let house = House { log: log.extent(), retention, first_kept, transfers };
        let reports = Arc::new(Mutex::new(Reports::default()));
        let clocks = Clocks::new(clock);
        let promises = Promises::new(alarms.clone());
        let contacts = Contacts::new(network.clone(), reports.clone(), clocks.clone(), promises.clone());
        let peers = PeerNetwork {
            network: network.clone(),
            contacts: contacts.clone(),
            stages: stages.clone(),
            snapshots: machine.snapshots().clone(),
            alarms: alarms.clone(),
            first_kept: house.first_kept.clone(),
            transfers: house.transfers.clone(),
            ending: ending.clone(),
            lease: timing.lease,
        };
        let raft = Raft::new(id, config, peers, log, machine.clone())
            .await
            .map_err(|e| StartError::Stopped(e.to_string()))?;
        tokio::spawn(contacts.clone().keep_up(id, raft.server_metrics()));
        let leadership = watch_leadership(&raft);
        Ok(Self {
            own_indices: read_index::ask_majority(&raft, &contacts, timing.lease),
            leaders_indices: read_index::ask_leader(network.clone(), leadership.clone()),
            leadership,
            reports,
            raft,
            machine,
            network,
            disk,
            run: fresh,
            former,
            ending,
            contacts,
            promises,
            clocks,
            stages,
            lease: timing.lease,
            mistaken: Arc::new(Once::new()),
            changing: Arc::default(),
            places: Arc::new(Semaphore::new(PROPOSAL_LIMIT)),
            room: Arc::new(Semaphore::new(PROPOSAL_BYTES)),
            house,
            snapshot_every: timing.snapshot_every,
            pace,
            disk_timeout: timing.disk_timeout,
            silent: Arc::default(),
            leaving: Arc::default(),
            arriving: Arc::default(),
            alarms,
            closed: Arc::new(Mutex::new(Some(closed))),
        })
    }

    /// Puts a change into the log, on behalf of `actor`, and waits until it is committed and applied.
    ///
    /// # Errors
    /// [`ProposeError`]; a refusal by the directory, which is an entry's answer, is not one of them.
    pub async fn propose(
        &self,
        request: RequestId,
        actor: Actor,
        action: Action,
    ) -> Result<Answer, ProposeError> {
        let at_ms = match self.time_for(request) {
            Ok(at_ms) => at_ms,
            Err(_) if !self.leads() => return Err(ProposeError::NotLeader),
            Err(Unfit::Node(error)) => return Err(ProposeError::Clock(error)),
            Err(Unfit::Request(refusal)) => return Err(ProposeError::Declined(refusal)),
        };
        let proposal = Proposal::new(&Command { request, at_ms, actor, action });
        // What does not fit a frame between nodes must not get into the log: no follower would ever have it.
        let size = proposal.as_ref().map_or(u64::MAX, |proposal| proposal.size() as u64);
        let Some(proposal) = proposal.ok().filter(|_| size <= COMMAND_LIMIT) else {
            let field = "size of the change in bytes".to_owned();
            let refusal = Refusal::TooMuch { field, value: size, limit: COMMAND_LIMIT };
            return Err(ProposeError::Declined(refusal));
        };
        if self.is_silent() {
            return Err(ProposeError::NotLeader);
        }
        let busy = ProposeError::Busy { limit: PROPOSAL_LIMIT as u64 };
        let full = ProposeError::Full { limit: PROPOSAL_BYTES as u64 };
        let Ok(_place) = self.places.try_acquire() else { return Err(busy) };
        let Ok(_room) = self.room.try_acquire_many(size as u32) else { return Err(full) };
        // Others may commit what this node's own disk has yet to write. It waits in memory.
        let (entries, bytes) = self.house.log.unwritten();
        if entries > PROPOSAL_LIMIT {
            return Err(busy);
        }
        if bytes > PROPOSAL_BYTES {
            return Err(full);
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

    /// Whether this node does not act as the leader, although it may be: it hears nobody, or its disk hangs.
    fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed)
    }

    /// Says no more that it leads. Others elect somebody when they have noticed.
    fn fall_silent(&self) {
        self.silent.store(true, Ordering::Relaxed);
        self.raft.runtime_config().heartbeat(false);
    }

    fn speak(&self) {
        self.silent.store(false, Ordering::Relaxed);
        self.raft.runtime_config().heartbeat(true);
    }

    /// For how long the disk has been at a write.
    fn disk_waits(&self, now: Instant) -> Duration {
        self.pace.lock().waited(now)
    }

    /// Whether the disk has been at a write for so long that nobody should count on this node.
    fn disk_hangs(&self, now: Instant) -> bool {
        self.disk_waits(now) > self.disk_timeout
    }

    /// What a write takes, as a rule, until it is safe on this node's disk.
    pub fn disk_pace(&self) -> Duration {
        self.pace.lock().usual(Instant::now())
    }

    /// The same on the slowest disk that is known of.
    fn slowest_pace(&self, now: Instant) -> Duration {
        let own = self.pace.lock().usual(now);
        own.max(self.contacts.evidence(Evidence::slowest_pace))
    }

    /// Where writes spend their time.
    pub fn stages(&self) -> &Stages {
        &self.stages
    }

    /// The number of this node's disk.
    pub fn disk(&self) -> DiskId {
        self.disk
    }

    /// What is wrong with this node.
    pub fn alarms(&self) -> &Alarms {
        &self.alarms
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
            first_log: metrics.purged.map_or(0, |log_id| log_id.index + 1),
            last_log: metrics.last_log_index.unwrap_or(0),
            applied: metrics.last_applied.map_or(0, |log_id| log_id.index),
            snapshot: metrics.snapshot.map_or(0, |log_id| log_id.index),
        }
    }

    /// Answers another node, which asks on the connection of this number.
    pub async fn answer(&self, request: PeerRequest, connection: u64) -> PeerAnswer {
        match request {
            PeerRequest::Raft { to, told, message } if to == self.disk => {
                self.account(&told);
                self.answer_member(message, connection).await
            }
            PeerRequest::Raft { to, .. } => self.refuse(to),
            PeerRequest::Propose { request, actor, action } => {
                PeerAnswer::Proposed(self.propose(request, actor, action).await)
            }
            PeerRequest::ReadIndex => PeerAnswer::ReadIndex(self.read_index().await),
            PeerRequest::Greet => match self.identity().await {
                Ok(identity) => PeerAnswer::Identity(identity),
                Err(reason) => PeerAnswer::Failed(reason),
            },
            PeerRequest::Hold => {
                tokio::time::sleep(HOLD).await;
                PeerAnswer::Held {
                    acknowledged: self.acknowledged(),
                    pace: self.disk_pace(),
                    clock_ms: self.clocks.own_ms(),
                    disk: self.disk,
                    stand: self.holdings(),
                }
            }
        }
    }

    /// What this node holds on its disk, but for what of it is committed.
    fn durable(&self) -> Stand {
        let (term, last) = self.house.log.durable();
        Stand { term, last: last.max(self.machine.snapshots().last_covered()), held: None, put_back: false }
    }

    /// What this node holds on its disk.
    fn holdings(&self) -> Stand {
        let durable = self.durable();
        // What is applied may have been committed by others, and be on its way to this disk.
        let applied = self.machine.look(|image| image.applied);
        let put_back = self.promises.was_put_back();
        Stand { held: applied.min(durable.last), put_back, ..durable }
    }

    /// Compares what others remember of this node with what it holds.
    fn account(&self, told: &Promise) {
        self.promises.remind(told, &self.durable());
        if self.is_put_back() {
            self.promises.catch_up(&self.holdings());
        }
    }

    /// Whether this node lacks what it has told others that it holds.
    pub fn is_put_back(&self) -> bool {
        self.promises.debt().is_some()
    }

    /// Why this node votes for nobody who asks like this, if it does not: it, or the candidate, has forgotten something.
    fn forbids(&self, asked: &VoteRequest<TypeConfig>, binding: bool) -> Option<PeerAnswer> {
        let candidate = asked.vote.leader_id.voted_for;
        let reason = match self.promises.is_known_to_lack(candidate, asked.last_log_id) {
            true => format!("node {candidate} has held more than it has now: it was put back from a copy"),
            false => self.promises.forbids(&asked.vote, asked.last_log_id, binding)?,
        };
        tracing::debug!("no vote for node {candidate}: {reason}");
        Some(PeerAnswer::Failed(reason))
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
        let forbidden = match &message {
            RaftMessage::Vote(vote) => self.forbids(vote, true),
            RaftMessage::PreVote(vote) => self.forbids(vote, false),
            _ => None,
        };
        if let Some(refused) = forbidden {
            return refused;
        }
        match message {
            RaftMessage::Append(append) => {
                // At once: the answer waits for the disk, and a disk that is slow here says nothing about the leader.
                if append.vote >= self.raft.server_metrics().borrow_watched().vote {
                    self.contacts.hear(append.vote.leader_id.voted_for, connection);
                }
                let now = Instant::now();
                if self.disk_hangs(now) {
                    // Raft may be waiting for the disk. What it is given meanwhile takes memory, and the leader sends it again.
                    let waited = self.disk_waits(now);
                    return PeerAnswer::Failed(format!(
                        "the disk has not finished a write for {} ms",
                        waited.as_millis()
                    ));
                }
                let answer = self.raft.append_entries(append).await;
                or_failed(answer, PeerAnswer::Append)
            }
            // By the leader's own wish nobody defends it.
            RaftMessage::Vote(vote) if vote.leadership_transfer => {
                or_failed(self.raft.vote(vote).await, PeerAnswer::Vote)
            }
            RaftMessage::Vote(mut vote) => match self.defend_leader().await {
                Some(refused) => refused,
                None => {
                    // Past the lease that openraft grants a leader, and past nothing else: the log is compared, and the vote
                    // is written down.
                    vote.leadership_transfer |= self.lets_go();
                    or_failed(self.raft.vote(vote).await, PeerAnswer::Vote)
                }
            },
            RaftMessage::PreVote(vote) => match self.defend_leader().await {
                Some(refused) => refused,
                None if self.lets_go() => PeerAnswer::Vote(self.would_vote(&vote)),
                None => or_failed(self.raft.pre_vote(vote).await, PeerAnswer::Vote),
            },
            RaftMessage::TransferLeader(transfer) => {
                // The others are merely told, and let go of the old leader.
                if transfer.to_node_id() == self.raft.node_id() {
                    if let Judgement::Wrong { off_ms, against } = self.clock() {
                        return PeerAnswer::Failed(ClockError::Wrong { off_ms, against }.to_string());
                    }
                    if self.disk_hangs(Instant::now()) {
                        return PeerAnswer::Failed("the disk hangs".to_owned());
                    }
                    if self.is_put_back() {
                        let reason = "it was put back from an older copy, and has not caught up".to_owned();
                        return PeerAnswer::Failed(reason);
                    }
                }
                or_failed(self.raft.handle_transfer_leader(transfer).await, PeerAnswer::TransferLeader)
            }
            RaftMessage::Snapshot(piece) => self.take_snapshot_piece(piece).await,
            RaftMessage::Resign(vote) => {
                // Another leader's may come late.
                if vote == self.raft.server_metrics().borrow_watched().vote {
                    self.contacts.resign(vote.leader_id.voted_for, vote.leader_id.term);
                }
                PeerAnswer::Resigned
            }
            RaftMessage::LeadOn(vote) => {
                self.contacts.lead_on(vote.leader_id.voted_for, vote.leader_id.term);
                PeerAnswer::Resigned
            }
        }
    }

    /// Waits until this node must not go on, and says why: Raft has stopped by itself, which it does when the disk fails, and a
    /// node without Raft must not go on as if it were a member; or it was told that it is none.
    pub async fn failed(&self) -> String {
        // These change seldom, and end with Raft; the others change with every entry.
        let mut metrics = self.raft.server_metrics();
        tokio::select! {
            () = async { while metrics.changed().await.is_ok() {} } => {}
            reason = self.ending.told() => return reason,
        }
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
