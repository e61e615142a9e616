//! The durable log and vote: what openraft asks of a log store, on top of the [`Journal`].
//!
//! One thread writes, see [`writer`]. The newest entries are also kept in memory, which is where replication reads them;
//! older ones are read from disk.

mod index;
mod journal;
mod keeper;
mod record;
mod tail;
#[cfg(test)]
mod tests;
mod writer;

use std::{fmt::Debug, io, ops::RangeBounds, sync::Arc};

use openraft::{
    LogState, OptionalSend, RaftLogReader,
    storage::{IOFlushed, RaftLogStorage},
};
use parking_lot::{Mutex, RwLock};
use tokio::sync::oneshot;

#[cfg(test)]
pub(super) use self::tail::TAIL_LIMIT;
use self::{
    index::{Index, Stored},
    tail::{Held, Tail, batch},
    writer::{Encoded, Flushed, Write, write_orders},
};
pub use self::{
    journal::{Journal, LogError, SEGMENT, State},
    record::{Damage, Record},
};
use super::{
    disk::Segments,
    pace::Pace,
    stages::{Moment, Stages},
    types::{DiskId, Entry, LogId, TypeConfig, Vote},
};
use crate::wire::codec;

fn other(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}

/// The log store. Clones share it.
#[derive(Clone)]
pub struct LogStore {
    disk: DiskId,
    /// The numbers that it had before.
    former: Arc<[DiskId]>,
    index: Arc<RwLock<Index>>,
    memory: Arc<RwLock<Tail>>,
    stages: Stages,
    pace: Arc<Mutex<Pace>>,
    writer: crossbeam_channel::Sender<Write>,
}

/// Ends, with an error, when the log is closed and may be opened again.
pub type Closed = oneshot::Receiver<std::convert::Infallible>;

/// How much a log holds, and how much of it the disk has yet to write. It does not keep the log open.
#[derive(Clone)]
pub(super) struct Extent {
    memory: Arc<RwLock<Tail>>,
    index: Arc<RwLock<Index>>,
}

impl Extent {
    /// How many entries are not on disk, and how many bytes they have.
    pub(super) fn unwritten(&self) -> (usize, usize) {
        self.memory.read().unflushed()
    }

    /// The term of the vote, and the last entry, as far as both are on disk.
    pub(super) fn durable(&self) -> (u64, Option<LogId>) {
        let memory = self.memory.read();
        (memory.vote.map_or(0, |vote| vote.leader_id.term), memory.durable())
    }

    /// Whether an entry that somebody has applied is not in this log, which is that of a leader. What is in it no more is not
    /// known; whoever is as far behind gets a snapshot in the place of all that it has.
    pub(super) fn contradicts(&self, applied: LogId) -> bool {
        let memory = self.memory.read();
        if memory.last().is_none_or(|last| last.index < applied.index) {
            return true;
        }
        if memory.purged.is_some_and(|purged| applied.index <= purged.index) {
            return false;
        }
        let at = memory.first_index().and_then(|first| applied.index.checked_sub(first));
        if let Some(held) = at.and_then(|at| memory.entries.get(at as usize)) {
            return held.entry.log_id != applied;
        }
        drop(memory);
        let found =
            read_entries(&self.index, applied.index, applied.index + 1, |entries| entries.next().transpose());
        // One that cannot be read is said elsewhere.
        found.ok().flatten().is_some_and(|held| held.entry.log_id != applied)
    }

    /// The index of the oldest entry on disk, if there is one.
    #[cfg(test)]
    pub(super) fn first(&self) -> Option<u64> {
        self.index.read().bounds().map(|(first, _)| first)
    }

    /// How many bytes the files take that have entries from `index` on.
    pub(super) fn bytes_from(&self, index: u64) -> u64 {
        self.index.read().bytes_from(index)
    }

    /// The oldest entry such that the files that have it and all later ones take no more than `bytes`; if the newest file
    /// alone does, that which comes next.
    pub(super) fn first_within(&self, bytes: u64) -> u64 {
        self.index.read().first_within(bytes)
    }
}

impl LogStore {
    /// Opens the log in `segments` and starts its writer thread, which ends with the last clone. An empty log gets the
    /// number `fresh`.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn open(
        segments: Arc<dyn Segments>,
        fresh: DiskId,
        stages: Stages,
    ) -> Result<(Self, Closed), LogError> {
        let mut journal = Journal::open(segments, fresh, SEGMENT)?;
        let state = journal.state().clone();
        let disk = state.disk.ok_or_else(|| io::Error::other("the log has no disk number"))?;
        let (index, former) = (journal.index(), state.recovered.as_slice().into());
        let memory = Arc::new(RwLock::new(load_tail(&state, &index.read())?));
        let (writer, orders) = crossbeam_channel::unbounded();
        let pace = Arc::new(Mutex::new(Pace::default()));
        let (thread_memory, thread_stages, thread_pace) = (memory.clone(), stages.clone(), pace.clone());
        let (closing, closed) = oneshot::channel();
        std::thread::Builder::new().name("veil-log".to_owned()).spawn(move || {
            write_orders(&mut journal, &thread_memory, &orders, &thread_stages, &thread_pace);
            drop(journal);
            drop(closing);
        })?;
        Ok((Self { disk, former, index, memory, stages, pace, writer }, closed))
    }

    /// The last entry that is in the log no more.
    pub(super) fn purged(&self) -> Option<LogId> {
        self.memory.read().purged
    }

    /// Whether nothing was ever written.
    pub(super) fn is_new(&self) -> bool {
        let memory = self.memory.read();
        memory.vote.is_none() && memory.last().is_none()
    }

    /// The number of the disk that the log is on.
    pub fn disk(&self) -> DiskId {
        self.disk
    }

    /// The numbers that the disk had before the cluster was recovered from it alone, if it ever was.
    pub(super) fn former(&self) -> Arc<[DiskId]> {
        self.former.clone()
    }

    /// What its disk takes.
    pub(super) fn pace(&self) -> Arc<Mutex<Pace>> {
        self.pace.clone()
    }

    /// How much it holds.
    pub(super) fn extent(&self) -> Extent {
        Extent { memory: self.memory.clone(), index: self.index.clone() }
    }

    fn order(&self, write: Write) -> io::Result<()> {
        self.writer.send(write).map_err(|_| io::Error::other("the log's writer thread has ended"))
    }

    async fn order_and_wait(&self, write: impl FnOnce(Flushed) -> Write) -> io::Result<()> {
        let (sender, flushed) = oneshot::channel();
        self.order(write(sender))?;
        flushed.await.map_err(other)?
    }
}

/// Reads the newest entries, as many as stay in memory.
fn load_tail(state: &State, index: &Index) -> Result<Tail, LogError> {
    let mut tail = Tail::new(state);
    let mut buffer = Vec::new();
    for stored in index.find(0, u64::MAX).iter().rev() {
        let held = read(stored, &mut buffer)?;
        if !tail.has_room(held.size) {
            break;
        }
        tail.push_front(held);
    }
    Ok(tail)
}

/// Reads an entry by way of `buffer`.
fn read(stored: &Stored, buffer: &mut Vec<u8>) -> Result<Held, LogError> {
    let bytes = stored.read(buffer)?;
    let entry: Entry = codec::decode(bytes).map_err(|error| stored.senseless(error.to_string()))?;
    Ok(Held { entry, size: bytes.len() })
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<Entry>> {
        use std::ops::Bound;
        let from = match range.start_bound() {
            Bound::Included(index) => *index,
            Bound::Excluded(index) => index + 1,
            Bound::Unbounded => 0,
        };
        let until = match range.end_bound() {
            Bound::Included(index) => index + 1,
            Bound::Excluded(index) => *index,
            Bound::Unbounded => u64::MAX,
        };
        // The disk may yet have what is purged.
        let purged = self.memory.read().purged;
        let from = from.max(purged.map_or(0, |log_id| log_id.index + 1));
        {
            let tail = self.memory.read();
            let first = tail.first_index().unwrap_or(u64::MAX);
            // Nothing older is on disk when the log begins in memory.
            let all_in_memory = first <= from || tail.purged.is_some_and(|purged| purged.index + 1 >= first);
            if all_in_memory {
                let skip = from.saturating_sub(first) as usize;
                let wanted = tail.entries.iter().skip(skip);
                let wanted = wanted.take_while(|held| held.entry.log_id.index < until);
                return Ok(wanted.map(|held| held.entry.clone()).collect());
            }
        }
        // What is not flushed when the disk is read is in memory now. Read the other way round, entries could be
        // flushed, and let go of in memory, in between.
        let in_memory: Vec<Entry> = {
            let tail = self.memory.read();
            let wanted = tail.entries.iter().filter(|held| (from..until).contains(&held.entry.log_id.index));
            wanted.map(|held| held.entry.clone()).collect()
        };
        let index = self.index.clone();
        let on_disk = tokio::task::spawn_blocking(move || {
            read_entries(&index, from, until, |entries| entries.collect::<io::Result<Vec<_>>>())
        });
        let on_disk = on_disk.await.map_err(other)??;
        let mut entries: Vec<_> = on_disk.into_iter().map(|held| held.entry).collect();
        let next = entries.last().map_or(from, |entry| entry.log_id.index + 1);
        entries.extend(in_memory.into_iter().filter(|entry| entry.log_id.index >= next));
        Ok(entries)
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.memory.read().vote)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        let in_memory = {
            let tail = self.memory.read();
            tail.first_index().filter(|first| *first <= start).map(|first| {
                let wanted = tail.entries.iter().skip((start - first) as usize);
                batch(wanted.take_while(|held| held.entry.log_id.index < end).cloned().map(Ok))
            })
        };
        let entries = match in_memory {
            Some(entries) => entries?,
            None => {
                let index = self.index.clone();
                let reading = move || read_entries(&index, start, end, |entries| batch(entries));
                tokio::task::spawn_blocking(reading).await.map_err(other)??
            }
        };
        Ok(entries.into_iter().map(|held| held.entry).collect())
    }
}

/// Reads entries from disk, as many as `take` takes.
fn read_entries<T>(
    index: &RwLock<Index>,
    from: u64,
    until: u64,
    take: impl FnOnce(&mut dyn Iterator<Item = io::Result<Held>>) -> io::Result<T>,
) -> io::Result<T> {
    // Files that are removed from here on can be read all the same.
    let stored = index.read().find(from, until);
    let mut buffer = Vec::new();
    take(&mut stored.iter().map(|stored| Ok(read(stored, &mut buffer)?)))
}

/// Reads all entries from `index` on, in order.
pub(super) fn replay(
    journal: &Journal,
    index: u64,
    mut take: impl FnMut(Entry) -> io::Result<()>,
) -> io::Result<()> {
    read_entries(&journal.index(), index, u64::MAX, |entries| {
        for held in entries {
            take(held?.entry)?;
        }
        Ok(())
    })
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let tail = self.memory.read();
        Ok(LogState { last_purged_log_id: tail.purged, last_log_id: tail.last() })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let vote = *vote;
        self.order_and_wait(|flushed| Write::Vote { vote, flushed }).await?;
        self.memory.write().vote = Some(vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        let Some(log_id) = committed else { return Ok(()) };
        self.memory.write().committed = committed;
        self.order(Write::Committed(log_id))
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self.memory.read().committed)
    }

    async fn append<I>(&mut self, entries: I, flushed: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut encoded = Encoded::default();
        let mut appended = Vec::new();
        for entry in entries {
            let before = encoded.bytes.len();
            codec::encode_into(&entry, &mut encoded.bytes).map_err(other)?;
            let size = encoded.bytes.len() - before;
            encoded.entries.push((entry.log_id.index, size));
            appended.push(Held { entry, size });
        }
        {
            let mut tail = self.memory.write();
            appended.into_iter().for_each(|held| tail.push_back(held));
        }
        if let Some(indexes) = encoded.indexes() {
            self.stages.mark(Moment::Appended, indexes);
        }
        self.order(Write::Append { entries: encoded, flushed })
    }

    async fn truncate_after(&mut self, last_kept: Option<LogId>) -> io::Result<()> {
        self.memory.write().truncate(last_kept);
        let last_kept = last_kept.map(|log_id| log_id.index);
        self.order_and_wait(|flushed| Write::Truncate { last_kept, flushed }).await
    }

    /// Does not wait for the disk, which Raft would do with all that it does, heartbeats included: a purge that a crash
    /// undoes leaves entries that a snapshot covers, and that is all. Segments go only once it is on disk.
    async fn purge(&mut self, log_id: LogId) -> io::Result<()> {
        {
            let mut tail = self.memory.write();
            tail.purged = tail.purged.max(Some(log_id));
            while tail.first_index().is_some_and(|first| first <= log_id.index) {
                tail.pop_front();
            }
        }
        self.order(Write::Purge(log_id))
    }
}
