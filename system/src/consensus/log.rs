//! The durable log and vote, in `redb`.
//!
//! One thread writes. It takes everything that waits, puts it into one transaction, commits once
//! and then reports each part as flushed: many proposals, one fsync. The newest entries are also
//! kept in memory, which is where replication reads them.

use std::{collections::VecDeque, fmt::Debug, io, ops::RangeBounds, sync::Arc};

use openraft::{
    LogState, OptionalSend, RaftLogReader,
    entry::RaftEntry,
    storage::{IOFlushed, RaftLogStorage},
};
use parking_lot::RwLock;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use tokio::sync::oneshot;

use super::{
    stages::{Moment, Stages},
    types::{DiskId, Entry, LogId, TypeConfig, Vote},
};
use crate::wire::codec;

/// Index to encoded entry.
const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
/// Vote, committed and purged log ids, the disk's number and the format version, by name.
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const VOTE: &str = "vote";
const COMMITTED: &str = "committed";
const PURGED: &str = "purged";
const DISK: &str = "disk";
const FORMAT: &str = "format";
/// What [`FORMAT`] must say.
const FORMAT_VERSION: u8 = 4;

/// How many flushed entries stay in memory.
pub(super) const TAIL_LIMIT: usize = 16_384;
/// How many bytes of flushed entries stay in memory, as encoded.
const TAIL_BYTES: usize = 64 << 20;
/// How many entries are read at a time for a follower, and how many bytes: they have to fit a frame between nodes. One
/// entry alone does, see [`COMMAND_LIMIT`](super::COMMAND_LIMIT).
const BATCH: usize = 1_024;
const BATCH_BYTES: usize = 4 << 20;

fn other(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}

/// The log store. Clones share it.
#[derive(Debug, Clone)]
pub struct LogStore {
    database: Arc<Database>,
    disk: DiskId,
    memory: Arc<RwLock<Tail>>,
    stages: Stages,
    /// The last field, so that the writer, which ends with the last sender, lets go of the database
    /// last.
    writer: crossbeam_channel::Sender<Write>,
}

/// Ends, with an error, when the database is closed and may be opened again.
pub type Closed = oneshot::Receiver<std::convert::Infallible>;

/// What is known without asking the disk.
#[derive(Debug, Default)]
struct Tail {
    vote: Option<Vote>,
    committed: Option<LogId>,
    purged: Option<LogId>,
    /// The newest entries, without a gap; all unflushed ones are here.
    entries: VecDeque<Held>,
    /// The sum of their sizes.
    bytes: usize,
    /// The last entry on disk.
    flushed: Option<u64>,
}

/// An entry, and how many bytes it is encoded in.
#[derive(Debug, Clone)]
struct Held {
    entry: Entry,
    size: usize,
}

impl Tail {
    fn last(&self) -> Option<LogId> {
        self.entries.back().map(|held| held.entry.log_id()).or(self.purged)
    }

    fn first_index(&self) -> Option<u64> {
        self.entries.front().map(|held| held.entry.log_id.index)
    }

    fn is_full(&self) -> bool {
        self.entries.len() > TAIL_LIMIT || self.bytes > TAIL_BYTES
    }

    fn push_back(&mut self, held: Held) {
        self.bytes += held.size;
        self.entries.push_back(held);
    }

    fn push_front(&mut self, held: Held) {
        self.bytes += held.size;
        self.entries.push_front(held);
    }

    fn pop_front(&mut self) {
        self.bytes -= self.entries.pop_front().map_or(0, |held| held.size);
    }

    fn pop_back(&mut self) {
        self.bytes -= self.entries.pop_back().map_or(0, |held| held.size);
    }

    fn trim(&mut self) {
        let Some(flushed) = self.flushed else { return };
        while self.is_full() && self.first_index().is_some_and(|first| first <= flushed) {
            self.pop_front();
        }
    }
}

/// As many of these, from the first, as are read at a time.
fn batch(entries: impl Iterator<Item = io::Result<Held>>) -> io::Result<Vec<Held>> {
    let (mut taken, mut bytes) = (Vec::new(), 0);
    for held in entries.take(BATCH) {
        let held = held?;
        bytes += held.size;
        if bytes > BATCH_BYTES && !taken.is_empty() {
            break;
        }
        taken.push(held);
    }
    Ok(taken)
}

/// One order to the writer thread. Orders are carried out in the order given.
enum Write {
    Append {
        entries: Vec<(u64, Vec<u8>)>,
        flushed: IOFlushed<TypeConfig>,
    },
    Vote {
        bytes: Vec<u8>,
        flushed: oneshot::Sender<io::Result<()>>,
    },
    /// Removes entries after an index; all, if there is none.
    Truncate {
        last_kept: Option<u64>,
        flushed: oneshot::Sender<io::Result<()>>,
    },
    /// Removes entries up to and including an index.
    Purge {
        last_removed: u64,
        bytes: Vec<u8>,
        flushed: oneshot::Sender<io::Result<()>>,
    },
    /// Written with whatever comes next: losing it costs a replay, nothing else.
    Committed {
        bytes: Vec<u8>,
    },
}

impl LogStore {
    /// Opens the log in `database` and starts its writer thread, which ends with the last clone. An empty
    /// database gets the number `fresh`.
    ///
    /// # Errors
    /// When the database cannot be read, is of another format, or has a gap.
    pub fn open(database: Database, fresh: DiskId, stages: Stages) -> io::Result<(Self, Closed)> {
        let (tail, disk) = load(&database, fresh)?;
        let database = Arc::new(database);
        let memory = Arc::new(RwLock::new(tail));
        let (writer, orders) = crossbeam_channel::unbounded();
        let (thread_database, thread_memory) = (database.clone(), memory.clone());
        let (closing, closed) = oneshot::channel();
        let writing = stages.clone();
        std::thread::Builder::new().name("veil-log".to_owned()).spawn(move || {
            write_orders(&thread_database, &thread_memory, &orders, &writing);
            drop(thread_database);
            drop(closing);
        })?;
        Ok((Self { database, disk, memory, stages, writer }, closed))
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

    fn order(&self, write: Write) -> io::Result<()> {
        self.writer.send(write).map_err(|_| io::Error::other("the log's writer thread has ended"))
    }

    async fn order_and_wait(
        &self,
        write: impl FnOnce(oneshot::Sender<io::Result<()>>) -> Write,
    ) -> io::Result<()> {
        let (sender, flushed) = oneshot::channel();
        self.order(write(sender))?;
        flushed.await.map_err(other)?
    }
}

fn load(database: &Database, fresh: DiskId) -> io::Result<(Tail, DiskId)> {
    let transaction = database.begin_write().map_err(other)?;
    let loaded = {
        let mut meta = transaction.open_table(META).map_err(other)?;
        let log = transaction.open_table(LOG).map_err(other)?;
        let format = meta.get(FORMAT).map_err(other)?.map(|value| value.value().to_vec());
        match format.as_deref() {
            Some([FORMAT_VERSION]) => {}
            Some(found) => {
                return Err(io::Error::other(format!(
                    "the log is of format {found:?}, this program reads [{FORMAT_VERSION}]"
                )));
            }
            None => {
                let disk = codec::encode(&fresh).map_err(other)?;
                meta.insert(DISK, disk.as_slice()).map_err(other)?;
                meta.insert(FORMAT, [FORMAT_VERSION].as_slice()).map_err(other)?;
            }
        }
        let disk = read_meta(&meta, DISK)?.ok_or_else(|| io::Error::other("the log has no disk number"))?;
        let mut tail = Tail {
            vote: read_meta(&meta, VOTE)?,
            committed: read_meta(&meta, COMMITTED)?,
            purged: read_meta(&meta, PURGED)?,
            ..Tail::default()
        };
        for row in log.iter().map_err(other)?.rev() {
            let (index, bytes) = row.map_err(other)?;
            let size = bytes.value().len();
            if tail.entries.len() >= TAIL_LIMIT
                || (tail.bytes + size > TAIL_BYTES && !tail.entries.is_empty())
            {
                break;
            }
            let entry: Entry = codec::decode(bytes.value()).map_err(other)?;
            let expected = tail.first_index().map_or(index.value(), |next| next - 1);
            if entry.log_id.index != index.value() || index.value() != expected {
                return Err(io::Error::other(format!("the log has a gap before entry {}", expected + 1)));
            }
            tail.push_front(Held { entry, size });
        }
        tail.flushed = tail.entries.back().map(|held| held.entry.log_id.index);
        (tail, disk)
    };
    transaction.commit().map_err(other)?;
    Ok(loaded)
}

fn read_meta<T: serde::de::DeserializeOwned>(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    key: &str,
) -> io::Result<Option<T>> {
    let value = table.get(key).map_err(other)?;
    value.map(|bytes| codec::decode(bytes.value()).map_err(other)).transpose()
}

/// The writer thread: drain, write, commit once, report.
fn write_orders(
    database: &Database,
    memory: &RwLock<Tail>,
    orders: &crossbeam_channel::Receiver<Write>,
    stages: &Stages,
) {
    let mut committed = None;
    while let Ok(first) = orders.recv() {
        let mut batch = Vec::new();
        for write in std::iter::once(first).chain(orders.try_iter()) {
            match write {
                Write::Committed { bytes } => committed = Some(bytes),
                write => batch.push(write),
            }
        }
        if batch.is_empty() {
            continue;
        }
        let flushed_before = memory.read().flushed;
        mark_batch(stages, Moment::Writing, &batch);
        let failure = match commit_batch(database, &batch, committed.take(), flushed_before) {
            Ok(flushed) => {
                let mut tail = memory.write();
                tail.flushed = flushed;
                tail.trim();
                drop(tail);
                mark_batch(stages, Moment::Flushed, &batch);
                None
            }
            Err(error) => {
                tracing::error!(%error, "the log cannot be written");
                Some(error.to_string())
            }
        };
        for write in batch {
            let outcome = failure.clone().map_or(Ok(()), |text| Err(io::Error::other(text)));
            match write {
                Write::Append { flushed, .. } => flushed.io_completed(outcome),
                Write::Vote { flushed, .. }
                | Write::Truncate { flushed, .. }
                | Write::Purge { flushed, .. } => {
                    // Whoever asked may have been shut down.
                    let _ = flushed.send(outcome);
                }
                Write::Committed { .. } => {}
            }
        }
    }
}

/// The entries of a batch have reached a moment.
fn mark_batch(stages: &Stages, moment: Moment, batch: &[Write]) {
    for write in batch {
        if let Write::Append { entries, .. } = write
            && let (Some((first, _)), Some((last, _))) = (entries.first(), entries.last())
        {
            stages.mark(moment, *first..=*last);
        }
    }
}

/// Writes a batch durably. Takes and returns the index of the last entry on disk.
fn commit_batch(
    database: &Database,
    batch: &[Write],
    committed: Option<Vec<u8>>,
    last: Option<u64>,
) -> io::Result<Option<u64>> {
    let transaction = database.begin_write().map_err(other)?;
    let last = fill(&transaction, batch, committed, last).map_err(other)?;
    transaction.commit().map_err(other)?;
    Ok(last)
}

fn fill(
    transaction: &WriteTransaction,
    batch: &[Write],
    committed: Option<Vec<u8>>,
    mut last: Option<u64>,
) -> Result<Option<u64>, redb::Error> {
    let mut log = transaction.open_table(LOG)?;
    let mut meta = transaction.open_table(META)?;
    for write in batch {
        match write {
            Write::Append { entries, .. } => {
                for (index, bytes) in entries {
                    log.insert(index, bytes.as_slice())?;
                    last = Some(*index);
                }
            }
            Write::Vote { bytes, .. } => drop(meta.insert(VOTE, bytes.as_slice())?),
            Write::Truncate { last_kept, .. } => {
                let first_removed = last_kept.map_or(0, |index| index + 1);
                log.retain_in(first_removed.., |_, _| false)?;
                last = last.min(*last_kept);
            }
            Write::Purge { last_removed, bytes, .. } => {
                log.retain_in(..=*last_removed, |_, _| false)?;
                meta.insert(PURGED, bytes.as_slice())?;
            }
            // Taken out of the batch by the writer.
            Write::Committed { .. } => {}
        }
    }
    if let Some(bytes) = committed {
        meta.insert(COMMITTED, bytes.as_slice())?;
    }
    Ok(last)
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
        let database = self.database.clone();
        let on_disk = tokio::task::spawn_blocking(move || {
            read_entries(&database, from, until, |entries| entries.collect::<io::Result<Vec<_>>>())
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
                let database = self.database.clone();
                let reading = move || read_entries(&database, start, end, |entries| batch(entries));
                tokio::task::spawn_blocking(reading).await.map_err(other)??
            }
        };
        Ok(entries.into_iter().map(|held| held.entry).collect())
    }
}

/// Reads entries from disk, as many as `take` takes.
fn read_entries<T>(
    database: &Database,
    from: u64,
    until: u64,
    take: impl FnOnce(&mut dyn Iterator<Item = io::Result<Held>>) -> io::Result<T>,
) -> io::Result<T> {
    let transaction = database.begin_read().map_err(other)?;
    let log = transaction.open_table(LOG).map_err(other)?;
    let mut rows = log.range(from..until).map_err(other)?.map(|row| {
        let bytes = row.map_err(other)?.1;
        Ok(Held { entry: codec::decode(bytes.value()).map_err(other)?, size: bytes.value().len() })
    });
    take(&mut rows)
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
        let bytes = codec::encode(vote).map_err(other)?;
        self.order_and_wait(|flushed| Write::Vote { bytes, flushed }).await?;
        self.memory.write().vote = Some(*vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        let Some(log_id) = committed else { return Ok(()) };
        self.memory.write().committed = committed;
        self.order(Write::Committed { bytes: codec::encode(&log_id).map_err(other)? })
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self.memory.read().committed)
    }

    async fn append<I>(&mut self, entries: I, flushed: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        let encoded: Vec<_> = entries
            .iter()
            .map(|entry| Ok((entry.log_id.index, codec::encode(entry).map_err(other)?)))
            .collect::<io::Result<_>>()?;
        {
            let mut tail = self.memory.write();
            let sizes = encoded.iter().map(|(_, bytes)| bytes.len());
            entries.into_iter().zip(sizes).for_each(|(entry, size)| tail.push_back(Held { entry, size }));
        }
        if let (Some((first, _)), Some((last, _))) = (encoded.first(), encoded.last()) {
            self.stages.mark(Moment::Appended, *first..=*last);
        }
        self.order(Write::Append { entries: encoded, flushed })
    }

    async fn truncate_after(&mut self, last_kept: Option<LogId>) -> io::Result<()> {
        let last_kept = last_kept.map(|log_id| log_id.index);
        {
            let mut tail = self.memory.write();
            while tail.entries.back().is_some_and(|held| Some(held.entry.log_id.index) > last_kept) {
                tail.pop_back();
            }
        }
        self.order_and_wait(|flushed| Write::Truncate { last_kept, flushed }).await
    }

    async fn purge(&mut self, log_id: LogId) -> io::Result<()> {
        {
            let mut tail = self.memory.write();
            tail.purged = tail.purged.max(Some(log_id));
            while tail.first_index().is_some_and(|first| first <= log_id.index) {
                tail.pop_front();
            }
        }
        let bytes = codec::encode(&log_id).map_err(other)?;
        self.order_and_wait(|flushed| Write::Purge { last_removed: log_id.index, bytes, flushed }).await
    }
}
