//! A disk that is slower than it is, for experiments.

use std::{io, sync::Arc, thread, time::Duration};

use super::{Disk, SegmentFile, Segments};

/// A disk each of whose syncs takes longer.
pub struct SlowDisk {
    disk: Arc<dyn Disk>,
    sync_delay: Duration,
}

impl SlowDisk {
    /// Has each sync of `disk` take `sync_delay` longer.
    pub fn new(disk: Arc<dyn Disk>, sync_delay: Duration) -> Self {
        Self { disk, sync_delay }
    }
}

impl Disk for SlowDisk {
    fn open_log(&self) -> io::Result<Arc<dyn Segments>> {
        Ok(Arc::new(SlowSegments { segments: self.disk.open_log()?, sync_delay: self.sync_delay }))
    }

    fn save_snapshot(&self, bytes: &[u8]) -> io::Result<()> {
        thread::sleep(self.sync_delay);
        self.disk.save_snapshot(bytes)
    }

    fn load_snapshot(&self) -> io::Result<Option<Vec<u8>>> {
        self.disk.load_snapshot()
    }
}

struct SlowSegments {
    segments: Arc<dyn Segments>,
    sync_delay: Duration,
}

impl SlowSegments {
    fn slowed(&self, file: Arc<dyn SegmentFile>) -> Arc<dyn SegmentFile> {
        Arc::new(SlowFile { file, sync_delay: self.sync_delay })
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
        thread::sleep(self.sync_delay);
        self.segments.create(number, head, length).map(|file| self.slowed(file))
    }

    fn remove(&self, number: u64) -> io::Result<()> {
        self.segments.remove(number)
    }
}

struct SlowFile {
    file: Arc<dyn SegmentFile>,
    sync_delay: Duration,
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
        thread::sleep(self.sync_delay);
        self.file.sync()
    }
}
