//! Where a node keeps what must survive it. Handed to the node from outside, so that tests can give
//! it a disk that lives in memory, is slow, fails, or forgets what was not synced.

mod folder;
#[cfg(test)]
mod memory;
mod slow;

use std::{io, sync::Arc};

#[cfg(test)]
pub(super) use self::memory::{Crash, Memory};
pub use self::{
    folder::Folder,
    slow::{Hang, SlowDisk},
};

/// A node's disk.
pub trait Disk: Send + Sync {
    /// Opens the place of the log's segments. One node at a time may, for as long as it holds what this returns.
    ///
    /// # Errors
    /// When it is in use or cannot be opened; [`io::ErrorKind::InvalidData`] when there is something else in it.
    fn open_log(&self) -> io::Result<Arc<dyn Segments>>;

    /// Begins a snapshot beside the earlier one.
    ///
    /// # Errors
    /// When the system refuses.
    fn create_snapshot(&self) -> io::Result<Box<dyn NewSnapshot>>;

    /// The snapshot that was committed last.
    ///
    /// # Errors
    /// When there is one and it cannot be opened.
    fn open_snapshot(&self) -> io::Result<Option<Arc<dyn SnapshotFile>>>;
}

/// A snapshot that is being written, from its beginning to its end. It is gone if it is dropped, or the node ends, before it
/// is committed.
pub trait NewSnapshot: Send {
    /// Writes what comes next.
    ///
    /// # Errors
    /// When there is no room, or the system refuses.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Returns when all that was written will survive a power cut.
    ///
    /// # Errors
    /// When it may not.
    fn sync(&mut self) -> io::Result<()>;

    /// Puts it in the place of the earlier snapshot, durably and all or nothing. It was synced before.
    ///
    /// # Errors
    /// When the system refuses; the earlier one is then still there, and this may be tried again.
    fn commit(&mut self) -> io::Result<Arc<dyn SnapshotFile>>;
}

/// A snapshot that was committed. It can be read for as long as it is open, even when another one has taken its place.
pub trait SnapshotFile: Send + Sync {
    /// How many bytes it has.
    ///
    /// # Errors
    /// When the system refuses.
    fn length(&self) -> io::Result<u64>;

    /// Fills `bytes` from `offset` on.
    ///
    /// # Errors
    /// When the file ends before, or the system refuses.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;
}

/// The files of a log. Each has a number, and a length that it keeps.
pub trait Segments: Send + Sync {
    /// The numbers of those that are there, in ascending order.
    ///
    /// # Errors
    /// When the system refuses.
    fn list(&self) -> io::Result<Vec<u64>>;

    /// Opens one that is there.
    ///
    /// # Errors
    /// When the system refuses.
    fn open(&self, number: u64) -> io::Result<Arc<dyn SegmentFile>>;

    /// Makes one of `length` bytes, which begins with `head` and holds zeros from there on, in the place of one of that
    /// number that may be there: durably, and all or nothing.
    ///
    /// # Errors
    /// When there is no room, or the system refuses.
    fn create(&self, number: u64, head: &[u8], length: u64) -> io::Result<Arc<dyn SegmentFile>>;

    /// Removes one. It may be there again after a power cut. Who has it open may go on reading it.
    ///
    /// # Errors
    /// When the system refuses.
    fn remove(&self, number: u64) -> io::Result<()>;
}

/// A file of the log.
pub trait SegmentFile: Send + Sync {
    /// How many bytes it has.
    ///
    /// # Errors
    /// When the system refuses.
    fn length(&self) -> io::Result<u64>;

    /// Fills `bytes` from `offset` on.
    ///
    /// # Errors
    /// When the file ends before, or the system refuses.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`, within the length of the file.
    ///
    /// # Errors
    /// When the system refuses.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Returns when all that was written will survive a power cut.
    ///
    /// # Errors
    /// When it may not: what was written since the last sync is then lost or not.
    fn sync(&self) -> io::Result<()>;
}
