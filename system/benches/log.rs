//! What a durable commit of the log costs: the segments of Veil beside `redb`, in the same folder, through the same seam.
//!
//! Batches of 1, 16 and 256 entries of 300 bytes, one commit each. Writes, bytes and syncs are counted where they leave
//! for the file.

#![expect(clippy::unwrap_used, reason = "a bench, which ends where it cannot go on")]

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use openraft::{type_config::alias::LogIdOf, vote::leader_id_std::CommittedLeaderId};
use redb::{Database, StorageBackend, TableDefinition};
use veil::consensus::{
    Disk, DiskId, Folder, SegmentFile, Segments, TypeConfig,
    log::{Journal, Record, SEGMENT},
};

const ENTRY: [u8; 300] = [0x5a; 300];
/// How long each figure is measured, in turns.
const TURN: Duration = Duration::from_millis(500);
const TURNS: u32 = 5;
/// As many entries stay in the log as between two snapshots; so often are those before them purged.
const KEPT: u64 = 20_000;
const PURGE_EVERY: u64 = 1_250;
const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");

/// What left for the disk.
#[derive(Debug, Default)]
struct Count {
    writes: AtomicU64,
    bytes: AtomicU64,
    syncs: AtomicU64,
}

impl Count {
    fn read(&self) -> [u64; 3] {
        [&self.writes, &self.bytes, &self.syncs].map(|count| count.load(Relaxed))
    }

    fn wrote(&self, bytes: usize) {
        self.writes.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes as u64, Relaxed);
    }
}

struct Counted<T: ?Sized> {
    inner: Arc<T>,
    count: Arc<Count>,
}

impl Segments for Counted<dyn Segments> {
    fn list(&self) -> io::Result<Vec<u64>> {
        self.inner.list()
    }

    fn open(&self, number: u64) -> io::Result<Arc<dyn SegmentFile>> {
        Ok(Arc::new(Counted { inner: self.inner.open(number)?, count: self.count.clone() }))
    }

    fn create(&self, number: u64, head: &[u8], length: u64) -> io::Result<Arc<dyn SegmentFile>> {
        // The zeros, and the syncs of file and folder.
        self.count.wrote(length as usize);
        self.count.syncs.fetch_add(2, Relaxed);
        let inner = self.inner.create(number, head, length)?;
        Ok(Arc::new(Counted { inner, count: self.count.clone() }))
    }

    fn remove(&self, number: u64) -> io::Result<()> {
        self.inner.remove(number)
    }
}

impl SegmentFile for Counted<dyn SegmentFile> {
    fn length(&self) -> io::Result<u64> {
        self.inner.length()
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.inner.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.count.wrote(bytes.len());
        self.inner.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.count.syncs.fetch_add(1, Relaxed);
        self.inner.sync()
    }
}

/// A file of `redb`, which may grow.
#[derive(Debug)]
struct Backend {
    file: std::fs::File,
    count: Arc<Count>,
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        SegmentFile::length(&self.file)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        SegmentFile::read_at(&self.file, out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.count.syncs.fetch_add(1, Relaxed);
        SegmentFile::sync(&self.file)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.count.wrote(data.len());
        SegmentFile::write_at(&self.file, data, offset)
    }
}

/// A log, and how far it is.
struct Log {
    store: Store,
    count: Arc<Count>,
    last: u64,
    purged: u64,
}

enum Store {
    Segments(Box<Journal>),
    Redb(Database),
}

impl Log {
    fn segments(folder: &Path) -> Self {
        let count = Arc::new(Count::default());
        let inner = Folder::create(folder.join("segments")).unwrap().open_log().unwrap();
        let segments = Arc::new(Counted { inner, count: count.clone() });
        let journal = Journal::open(segments, DiskId::default(), SEGMENT).unwrap();
        Self { store: Store::Segments(Box::new(journal)), count, last: 0, purged: 0 }
    }

    fn redb(folder: &Path) -> Self {
        let count = Arc::new(Count::default());
        let mut options = std::fs::OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).open(folder.join("log.redb")).unwrap();
        let backend = Backend { file, count: count.clone() };
        let database = Database::builder().set_cache_size(32 << 20).create_with_backend(backend).unwrap();
        Self { store: Store::Redb(database), count, last: 0, purged: 0 }
    }

    /// Commits so many entries, and now and then a purge with them.
    fn commit(&mut self, entries: u64) {
        let indices = self.last + 1..=self.last + entries;
        self.last += entries;
        let purge = self.last.checked_sub(KEPT).filter(|upto| *upto >= self.purged + PURGE_EVERY);
        self.purged = purge.unwrap_or(self.purged);
        match &mut self.store {
            Store::Segments(journal) => {
                for index in indices {
                    journal.push(&Record::Entry { index, bytes: &ENTRY }).unwrap();
                }
                if let Some(upto) = purge {
                    let purged = LogIdOf::<TypeConfig>::new(CommittedLeaderId::new(1), upto);
                    journal.push(&Record::Purged(purged)).unwrap();
                }
                journal.flush().unwrap();
            }
            Store::Redb(database) => {
                let transaction = database.begin_write().unwrap();
                {
                    let mut log = transaction.open_table(LOG).unwrap();
                    for index in indices {
                        log.insert(index, ENTRY.as_slice()).unwrap();
                    }
                    if let Some(upto) = purge {
                        log.retain_in(..=upto, |_, _| false).unwrap();
                    }
                }
                transaction.commit().unwrap();
            }
        }
    }
}

fn main() {
    // The target folder is on the disk that is meant; a folder for temporary files may be in memory.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    println!(
        "| entries a commit | log | commits/s | entries/s | p50 | p99 | worst | writes | bytes | syncs |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for entries in [1, 16, 256] {
        let place = folder.path().join(entries.to_string());
        std::fs::create_dir_all(&place).unwrap();
        let mut logs = [("segments", Log::segments(&place)), ("redb", Log::redb(&place))];
        let mut times = [Vec::new(), Vec::new()];
        // In turns, so that both meet the same minutes.
        for _ in 0..TURNS {
            for ((_, log), times) in logs.iter_mut().zip(&mut times) {
                let begun = Instant::now();
                while begun.elapsed() < TURN {
                    let before = Instant::now();
                    log.commit(entries);
                    times.push(before.elapsed());
                }
            }
        }
        for ((name, log), mut times) in logs.into_iter().zip(times) {
            times.sort_unstable();
            let total: Duration = times.iter().sum();
            let commits = times.len();
            let rate = commits as f64 / total.as_secs_f64();
            let at = |part: f64| times[((commits - 1) as f64 * part) as usize].as_secs_f64() * 1e6;
            let each = log.count.read().map(|count| count as f64 / commits as f64);
            println!(
                "| {entries} | {name} | {rate:.0} | {:.0} | {:.0} µs | {:.0} µs | {:.0} µs | {:.2} | {:.0} | {:.2} |",
                rate * entries as f64,
                at(0.5),
                at(0.99),
                at(1.0),
                each[0],
                each[1],
                each[2],
            );
        }
    }
}
