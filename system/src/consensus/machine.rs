//! The state machine: applies committed commands to the directory, in memory. It survives a restart
//! by the last snapshot and the log after it.

use std::{io, sync::Arc};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use openraft::{
    EntryPayload, OptionalSend, RaftSnapshotBuilder,
    storage::{ApplyResponder, EntryResponder, RaftStateMachine},
};
use parking_lot::RwLock;
use tokio::sync::{oneshot, watch};

use super::{
    disk::Disk,
    snapshot::{self, Image, SnapshotStore},
    stages::{Moment, Stages},
    types::{LogId, Membership, Snapshot, SnapshotMeta, StoredMembership, TypeConfig},
};
use crate::{directory::Command, priority};

/// How many entries are applied under one lock.
const APPLY_BATCH: usize = 256;

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
    stages: Stages,
}

impl Machine {
    /// A machine in the state of the snapshot on `disk`, or empty.
    ///
    /// # Errors
    /// When there is a snapshot and it cannot be read.
    pub(super) fn open(disk: Arc<dyn Disk>, stages: Stages) -> io::Result<Self> {
        let (snapshots, image) = SnapshotStore::open(disk)?;
        let machine = Self {
            state: Arc::new(RwLock::new(image)),
            applied: watch::Sender::new(0),
            snapshots: Arc::new(snapshots),
            stages,
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
    type SnapshotData = Bytes;
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
        // The clone shares its structure with the original, so this is cheap and the picture holds
        // still while entries go on being applied.
        let frozen = self.state.read().clone();
        Self { state: Arc::new(RwLock::new(frozen)), ..self.clone() }
    }

    async fn install_snapshot(&mut self, _meta: &SnapshotMeta, bytes: Bytes) -> io::Result<()> {
        let snapshots = self.snapshots.clone();
        let install = move || {
            let image = snapshot::read(&bytes).map_err(other)?;
            snapshots.save(&image.meta(), &bytes)?;
            Ok::<_, io::Error>(image)
        };
        let image = tokio::task::spawn_blocking(install).await.map_err(other)??;
        let replaced = std::mem::replace(&mut *self.state.write(), image);
        // Letting go of a large directory takes its time, and Raft must not wait for it.
        drop(tokio::task::spawn_blocking(move || drop(replaced)));
        self.tell_applied();
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot>> {
        let snapshots = self.snapshots.clone();
        tokio::task::spawn_blocking(move || snapshots.load()).await.map_err(other)?
    }
}

impl RaftSnapshotBuilder<TypeConfig> for Machine {
    type SnapshotData = Bytes;

    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        // The thread below is to be the last that holds the frozen state: letting go of it takes its time, too.
        let (state, snapshots) = (std::mem::take(&mut self.state), self.snapshots.clone());
        let build = move || {
            let image = state.read();
            let (meta, bytes) = (image.meta(), snapshot::write(&image).map_err(other)?);
            snapshots.save(&meta, &bytes)?;
            Ok(Snapshot { meta, snapshot: bytes })
        };
        // In a thread of its own: it keeps a processor busy, and a node that stops does not wait for it.
        let (sender, built) = oneshot::channel();
        std::thread::Builder::new().name("veil-snapshot".to_owned()).spawn(move || {
            priority::step_back();
            // Raft may have been shut down meanwhile.
            let _ = sender.send(build());
        })?;
        built.await.map_err(other)?
    }
}
