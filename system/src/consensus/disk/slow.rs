//! A disk that is slower than it is, or hangs, for experiments.

use std::{io, sync::Arc, thread, time::Duration};

use parking_lot::{Condvar, Mutex};

use super::{Disk, NewSnapshot, SegmentFile, Segments, SnapshotFile};

/// A disk each of whose syncs takes longer.
pub struct SlowDisk {
    disk: Arc<dyn Disk>,
    delay: Delay,
}

/// How much longer a sync takes.
#[derive(Clone)]
struct Delay {
    at_least: Duration,
    hang: Hang,
}

impl Delay {
    fn wait(&self) {
        thread::sleep(self.at_least);
        self.hang.wait();
    }
}

/// Has the syncs of a disk not end. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Hang(Arc<(Mutex<bool>, Condvar)>);

impl Hang {
    /// From now on none ends.
    pub fn begin(&self) {
        *self.0.0.lock() = true;
    }

    /// They go on.
    pub fn end(&self) {
        *self.0.0.lock() = false;
        self.0.1.notify_all();
    }

    fn wait(&self) {
        let (hangs, over) = &*self.0;
        over.wait_while(&mut hangs.lock(), |hangs| *hangs);
    }
}

impl SlowDisk {
    /// Has each sync of `disk` take `sync_delay` longer.
    pub fn new(disk: Arc<dyn Disk>, sync_delay: Duration) -> Self {
        Self { disk, delay: Delay { at_least: sync_delay, hang: Hang::default() } }
    }

    /// What has it hang.
    pub fn hang(&self) -> Hang {
        self.delay.hang.clone()
    }
}

impl Disk for SlowDisk {
    fn open_log(&self) -> io::Result<Arc<dyn Segments>> {
        Ok(Arc::new(SlowSegments { segments: self.disk.open_log()?, delay: self.delay.clone() }))
    }

    fn create_snapshot(&self) -> io::Result<Box<dyn NewSnapshot>> {
        Ok(Box::new(SlowSnapshot { snapshot: self.disk.create_snapshot()?, delay: self.delay.clone() }))
    }

    fn open_snapshot(&self) -> io::Result<Option<Arc<dyn SnapshotFile>>> {
        self.disk.open_snapshot()
    }
}

struct SlowSnapshot {
    snapshot: Box<dyn NewSnapshot>,
    delay: Delay,
}

impl NewSnapshot for SlowSnapshot {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.snapshot.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.delay.wait();
        self.snapshot.sync()
    }

    fn commit(&mut self) -> io::Result<Arc<dyn SnapshotFile>> {
        self.snapshot.commit()
    }
}

struct SlowSegments {
    segments: Arc<dyn Segments>,
    delay: Delay,
}

impl SlowSegments {
    fn slowed(&self, file: Arc<dyn SegmentFile>) -> Arc<dyn SegmentFile> {
        Arc::new(SlowFile { file, delay: self.delay.clone() })
    }
}

impl Segments for SlowSegments {
    fn list(&self) -> io::Result<Vec<u64>> {
        self.segments.list()
    }

    fn open(&self, number: u64) -> io::Result<Arc<dyn SegmentFile>> {
        self.segments.open(number).map(|file| self.slowed(file))
    }

    fn create(&self, number: u64, head: &[u8], length: u64) -> io::Result<Arc<dyn SegmentFile>> {
        self.delay.wait();
        self.segments.create(number, head, length).map(|file| self.slowed(file))
    }

    fn remove(&self, number: u64) -> io::Result<()> {
        self.segments.remove(number)
    }
}

struct SlowFile {
    file: Arc<dyn SegmentFile>,
    delay: Delay,
}

impl SegmentFile for SlowFile {
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.delay.wait();
        self.file.sync()
    }
}
