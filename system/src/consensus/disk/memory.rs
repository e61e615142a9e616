//! A disk in memory whose power can be cut: it then forgets what was not synced, or some of it.

use std::{collections::BTreeMap, io, sync::Arc};

use parking_lot::Mutex;

use super::{Disk, NewSnapshot, SegmentFile, Segments, SnapshotFile};

/// What a disk writes at once or not at all, bytes.
const SECTOR: usize = 512;

/// A disk in memory. Clones share it.
#[derive(Debug, Default, Clone)]
pub(in crate::consensus) struct Memory {
    snapshot: Arc<Mutex<Option<Arc<Vec<u8>>>>>,
    space: Arc<Mutex<Space>>,
    files: Arc<Mutex<BTreeMap<u64, Arc<File>>>>,
    power: Arc<Mutex<Power>>,
}

/// How much longer a disk has power.
#[derive(Debug, Default)]
struct Power {
    /// So many more syncs are done; `None` for as many as there are.
    syncs_left: Option<u32>,
    out: bool,
}

impl Power {
    fn check(&self) -> io::Result<()> {
        match self.out {
            true => Err(io::Error::other("the power is out")),
            false => Ok(()),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.check()?;
        self.out = self.syncs_left == Some(0);
        self.check()?;
        self.syncs_left = self.syncs_left.map(|left| left - 1);
        Ok(())
    }
}

/// How much room there is for snapshots, bytes; `None` for as much as they need.
#[derive(Debug, Default)]
struct Space(Option<usize>);

impl Space {
    fn take(&mut self, bytes: usize) -> io::Result<()> {
        let Some(left) = &mut self.0 else { return Ok(()) };
        let full = || io::Error::new(io::ErrorKind::StorageFull, "no space left on device");
        *left = left.checked_sub(bytes).ok_or_else(full)?;
        Ok(())
    }
}

/// What is left of what was written and not synced.
#[derive(Debug, Clone)]
pub(in crate::consensus) enum Crash {
    /// The first of it, up to that part of 256.
    Prefix(u8),
    /// Whole sectors, in no order: a bit for each, again and again.
    Sectors(u64),
}

impl Memory {
    /// All that is on it, on a disk of its own.
    pub(in crate::consensus) fn copy(&self) -> Self {
        let copy = Self { snapshot: Arc::new(Mutex::new(self.snapshot.lock().clone())), ..Self::default() };
        for (number, file) in &*self.files.lock() {
            copy.insert(*number, file.content.lock().now.clone());
        }
        copy
    }

    /// Lets the power fail at the sync after so many more.
    pub(in crate::consensus) fn fail_after(&self, syncs: u32) {
        self.power.lock().syncs_left = Some(syncs);
    }

    /// Leaves room for so many bytes of snapshots, or for as many as they need.
    pub(in crate::consensus) fn leave(&self, bytes: Option<usize>) {
        *self.space.lock() = Space(bytes);
    }

    /// The bytes of the snapshot.
    pub(in crate::consensus) fn snapshot(&self) -> Option<Vec<u8>> {
        self.snapshot.lock().as_ref().map(|content| content.to_vec())
    }

    /// Puts a snapshot there.
    pub(in crate::consensus) fn put_snapshot(&self, bytes: Vec<u8>) {
        *self.snapshot.lock() = Some(Arc::new(bytes));
    }

    /// The power comes back.
    pub(in crate::consensus) fn crash(&self, crash: &Crash) {
        *self.power.lock() = Power::default();
        self.files.lock().values().for_each(|file| file.content.lock().crash(crash));
    }

    /// The bytes of a segment.
    pub(in crate::consensus) fn bytes(&self, number: u64) -> Vec<u8> {
        self.files.lock()[&number].content.lock().now.clone()
    }

    /// Puts a segment there, or, with `None`, takes it away.
    pub(in crate::consensus) fn put(&self, number: u64, bytes: Option<Vec<u8>>) {
        match bytes {
            Some(bytes) => drop(self.insert(number, bytes)),
            None => drop(self.files.lock().remove(&number)),
        }
    }

    fn insert(&self, number: u64, bytes: Vec<u8>) -> Arc<File> {
        let content = Content { now: bytes.clone(), durable: bytes, unsynced: Vec::new() };
        let file = Arc::new(File { content: Mutex::new(content), power: self.power.clone() });
        self.files.lock().insert(number, file.clone());
        file
    }
}

impl Disk for Memory {
    fn open_log(&self) -> io::Result<Arc<dyn Segments>> {
        Ok(Arc::new(self.clone()))
    }

    fn create_snapshot(&self) -> io::Result<Box<dyn NewSnapshot>> {
        Ok(Box::new(NewContent { disk: self.clone(), content: Vec::new(), synced: 0 }))
    }

    fn open_snapshot(&self) -> io::Result<Option<Arc<dyn SnapshotFile>>> {
        let snapshot = self.snapshot.lock().clone();
        Ok(snapshot.map(|content| Arc::new(Snapshot(content)) as _))
    }
}

/// A snapshot that was not committed: no power cut leaves anything of it.
struct NewContent {
    disk: Memory,
    content: Vec<u8>,
    synced: usize,
}

impl NewSnapshot for NewContent {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.disk.power.lock().check()?;
        self.disk.space.lock().take(bytes.len())?;
        self.content.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.power.lock().sync()?;
        self.synced = self.content.len();
        Ok(())
    }

    fn commit(&mut self) -> io::Result<Arc<dyn SnapshotFile>> {
        self.disk.power.lock().sync()?;
        // What was not synced does not survive the next power cut: here it is gone at once.
        let content = Arc::new(self.content[..self.synced].to_vec());
        *self.disk.snapshot.lock() = Some(content.clone());
        Ok(Arc::new(Snapshot(content)))
    }
}

struct Snapshot(Arc<Vec<u8>>);

impl SnapshotFile for Snapshot {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let from = self.0.get(offset as usize..).and_then(|from| from.get(..bytes.len()));
        bytes.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl Segments for Memory {
    fn list(&self) -> io::Result<Vec<u64>> {
        Ok(self.files.lock().keys().copied().collect())
    }

    fn open(&self, number: u64) -> io::Result<Arc<dyn SegmentFile>> {
        let file = self.files.lock().get(&number).cloned();
        Ok(file.ok_or(io::ErrorKind::NotFound)?)
    }

    fn create(&self, number: u64, head: &[u8], length: u64) -> io::Result<Arc<dyn SegmentFile>> {
        self.power.lock().check()?;
        let mut bytes = head.to_vec();
        bytes.resize(length as usize, 0);
        Ok(self.insert(number, bytes))
    }

    fn remove(&self, number: u64) -> io::Result<()> {
        self.power.lock().check()?;
        self.files.lock().remove(&number);
        Ok(())
    }
}

#[derive(Debug)]
struct File {
    content: Mutex<Content>,
    power: Arc<Mutex<Power>>,
}

#[derive(Debug)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// What was written since the last sync: from where, up to where.
    unsynced: Vec<(usize, usize)>,
}

impl Content {
    fn crash(&mut self, crash: &Crash) {
        for (from, until) in self.unsynced.drain(..) {
            let mut survives = |from: usize, until: usize| {
                self.durable[from..until].copy_from_slice(&self.now[from..until]);
            };
            match crash {
                Crash::Prefix(part) => survives(from, from + (until - from) * usize::from(*part) / 256),
                Crash::Sectors(bits) => {
                    for sector in from / SECTOR..until.div_ceil(SECTOR) {
                        if bits >> (sector % 64) & 1 == 1 {
                            survives(from.max(sector * SECTOR), until.min((sector + 1) * SECTOR));
                        }
                    }
                }
            }
        }
        self.now.clone_from(&self.durable);
    }
}

impl SegmentFile for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.content.lock().now.len() as u64)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let content = self.content.lock();
        let from = content.now.get(offset as usize..).and_then(|from| from.get(..bytes.len()));
        bytes.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.power.lock().check()?;
        let mut content = self.content.lock();
        let (from, until) = (offset as usize, offset as usize + bytes.len());
        content.now.get_mut(from..until).ok_or(io::ErrorKind::WriteZero)?.copy_from_slice(bytes);
        content.unsynced.push((from, until));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut power = self.power.lock();
        power.sync()?;
        let mut content = self.content.lock();
        let Content { now, durable, unsynced } = &mut *content;
        for (from, until) in unsynced.drain(..) {
            durable[from..until].copy_from_slice(&now[from..until]);
        }
        Ok(())
    }
}
