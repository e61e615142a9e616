//! The state machine: applies committed commands to the directory, in memory. It survives a restart
//! by the last snapshot and the log after it.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{Stream, StreamExt};
use openraft::{
    EntryPayload, OptionalSend, RaftSnapshotBuilder,
    errors::Fatal,
    storage::{ApplyResponder, EntryResponder, RaftStateMachine},
};
use parking_lot::RwLock;
use tokio::sync::{oneshot, watch};

use super::{
    disk::Disk,
    snapshot::{Image, SnapshotData, SnapshotError, SnapshotStore, Stored},
    stages::{Moment, Stages},
    types::{LogId, Membership, Raft, Snapshot, SnapshotMeta, StoredMembership, TypeConfig},
};
use crate::{
    alarm::{Alarm, Alarms},
    directory::Command,
    priority,
};

/// How many entries are applied under one lock.
const APPLY_BATCH: usize = 256;
/// A received snapshot that cannot take the place of the earlier one is tried again so much later.
const INSTALL_RETRY: Duration = Duration::from_secs(1);

fn other(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}

/// The state machine. Clones share it.
#[derive(Clone)]
pub struct Machine {
    state: Arc<RwLock<Image>>,
    /// The index of the last entry applied.
    applied: watch::Sender<u64>,
    snapshots: Arc<SnapshotStore>,
    /// Raft is being told of a snapshot that was made.
    announced: Arc<AtomicBool>,
    stages: Stages,
    alarms: Alarms,
}

impl Machine {
    /// A machine in the state of the snapshot on `disk`, or empty.
    ///
    /// # Errors
    /// When there is a snapshot and it cannot be read.
    pub(super) fn open(disk: Arc<dyn Disk>, stages: Stages, alarms: Alarms) -> Result<Self, SnapshotError> {
        let (snapshots, image) = SnapshotStore::open(disk)?;
        let machine = Self {
            state: Arc::new(RwLock::new(image)),
            applied: watch::Sender::new(0),
            snapshots: Arc::new(snapshots),
            announced: Arc::default(),
            stages,
            alarms,
        };
        machine.tell_applied();
        Ok(machine)
    }

    /// Waits until the entry at `index` is applied.
    pub(super) async fn wait_applied(&self, index: u64) {
        let mut applied = self.applied.subscribe();
        // The sender lives as long as this borrow of it.
        let _ = applied.wait_for(|applied| *applied >= index).await;
    }

    fn tell_applied(&self) {
        let index = self.state.read().applied.map_or(0, |log_id| log_id.index);
        self.applied.send_replace(index);
    }

    /// The snapshots on this node's disk.
    pub(super) fn snapshots(&self) -> &Arc<SnapshotStore> {
        &self.snapshots
    }

    /// Tells Raft of the snapshot that was made.
    pub(super) async fn announce_snapshot(&self, raft: &Raft) -> Result<(), Fatal<TypeConfig>> {
        self.announced.store(true, Ordering::SeqCst);
        raft.trigger().snapshot().await
    }

    /// Waits until `every` entries were applied since the last snapshot, or another one is wanted.
    pub(super) async fn snapshot_due(&self, every: u64) {
        let mut applied = self.applied.subscribe();
        while !self.snapshots.is_wanted() && *applied.borrow_and_update() < self.snapshots.covers() + every {
            tokio::select! {
                // The sender lives as long as this borrow of it.
                _ = applied.changed() => {}
                () = self.snapshots.wanted() => {}
            }
        }
    }

    /// Makes a snapshot of the state as it is now.
    pub(super) async fn make_snapshot(&self) -> Result<(), SnapshotError> {
        // The clone shares its structure with the original, so this is cheap and the picture holds
        // still while entries go on being applied.
        let frozen = self.state.read().clone();
        let snapshots = self.snapshots.clone();
        // In a thread of its own: it keeps a processor busy, and a node that stops does not wait for it. It is the last
        // that holds the frozen state: letting go of it takes its time, too.
        let (sender, made) = oneshot::channel();
        std::thread::Builder::new().name("veil-snapshot".to_owned()).spawn(move || {
            priority::step_back();
            let made = snapshots.write(&frozen);
            drop(frozen);
            // Raft may have been shut down meanwhile.
            let _ = sender.send(made);
        })?;
        made.await.map_err(other)?
    }

    /// Looks at the state. Keep it short: applying waits.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Image) -> T) -> T {
        look(&self.state.read())
    }
}

/// An entry that is about to be applied.
struct Step {
    log_id: LogId,
    change: Change,
    responder: Option<ApplyResponder<TypeConfig>>,
}

enum Change {
    Nothing,
    Directory(Box<Command>),
    Membership(Membership),
}

impl Step {
    /// Reads an entry, which nobody who looks at the directory need wait for.
    fn read((entry, responder): EntryResponder<TypeConfig>) -> io::Result<Self> {
        let change = match entry.payload {
            EntryPayload::Blank => Change::Nothing,
            EntryPayload::Normal(proposal) => Change::Directory(Box::new(proposal.command().map_err(other)?)),
            EntryPayload::Membership(membership) => Change::Membership(membership),
        };
        Ok(Self { log_id: entry.log_id, change, responder })
    }
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let state = self.state.read();
        Ok((state.applied, state.membership.clone()))
    }

    async fn apply<S>(&mut self, entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        let mut batches = entries.ready_chunks(APPLY_BATCH);
        while let Some(batch) = batches.next().await {
            let batch = batch.into_iter().map(|item| Step::read(item?)).collect::<io::Result<Vec<_>>>()?;
            let mut answers = Vec::with_capacity(batch.len());
            let indexes = batch.first().zip(batch.last());
            let indexes = indexes.map(|(first, last)| first.log_id.index..=last.log_id.index);
            let mark = |moment| indexes.clone().into_iter().for_each(|range| self.stages.mark(moment, range));
            mark(Moment::Applying);
            {
                let mut state = self.state.write();
                for Step { log_id, change, responder } in batch {
                    let answer = match change {
                        Change::Nothing => None,
                        Change::Directory(command) => Some(state.directory.apply(*command)),
                        Change::Membership(membership) => {
                            state.membership = StoredMembership::new(Some(log_id), membership);
                            None
                        }
                    };
                    state.applied = Some(log_id);
                    if let Some(responder) = responder {
                        answers.push((responder, answer));
                    }
                }
            }
            self.tell_applied();
            mark(Moment::Applied);
            for (responder, answer) in answers {
                responder.send(answer);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    /// An error would be the end of Raft. What can be wrong with a snapshot was found before it came here.
    async fn install_snapshot(&mut self, meta: &SnapshotMeta, data: SnapshotData) -> io::Result<()> {
        let mut received = match data {
            SnapshotData::Received(received) => received,
            SnapshotData::Stored(stored) => {
                let snapshots = self.snapshots.clone();
                let copying = tokio::task::spawn_blocking(move || snapshots.copy(stored));
                Box::new(copying.await.map_err(other)??)
            }
        };
        let (image, mut file) =
            received.take().ok_or_else(|| io::Error::other("the snapshot was installed before"))?;
        loop {
            let (snapshots, meta) = (self.snapshots.clone(), meta.clone());
            let keeping = move || {
                let kept = snapshots.keep(meta, &mut *file);
                (file, kept)
            };
            let kept;
            (file, kept) = tokio::task::spawn_blocking(keeping).await.map_err(other)?;
            let Err(error) = kept else { break };
            self.alarms.raise(
                Alarm::Snapshot,
                format!("a snapshot has come from the leader and cannot take its place: {error}"),
            );
            tokio::time::sleep(INSTALL_RETRY).await;
        }
        self.alarms.clear(Alarm::Snapshot);
        let replaced = std::mem::replace(&mut *self.state.write(), image);
        // Letting go of a large directory takes its time, and Raft must not wait for it.
        drop(tokio::task::spawn_blocking(move || drop(replaced)));
        self.tell_applied();
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot>> {
        Ok(self.snapshots.newest().map(handed_on))
    }
}

fn handed_on(stored: Stored) -> Snapshot {
    Snapshot { meta: stored.meta.clone(), snapshot: SnapshotData::Stored(stored) }
}

impl RaftSnapshotBuilder<TypeConfig> for Machine {
    type SnapshotData = SnapshotData;

    /// Raft asks once it was told of one. An error would be its end.
    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        if !self.announced.swap(false, Ordering::SeqCst) {
            self.make_snapshot().await?;
        }
        let gone = || io::Error::new(io::ErrorKind::NotFound, "there is no snapshot");
        self.snapshots.newest().map(handed_on).ok_or_else(gone)
    }
}
