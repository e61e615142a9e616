//! A folder of the file system.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Seek, Write},
    os::unix::fs::{DirBuilderExt, FileExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rustix::{fs::FallocateFlags, io::Errno};

use super::{Disk, NewSnapshot, SegmentFile, Segments, SnapshotFile};
use crate::wire::client::NodeId;

/// Where a file system cannot reserve room, zeros are written in pieces of this size, bytes.
const PIECE: usize = 256 << 10;
/// The name of the snapshot.
const SNAPSHOT: &str = "snapshot";
/// How the name of a snapshot ends that was not committed.
const UNFINISHED: &str = ".tmp";
/// How much of a snapshot is written before it is synced, bytes.
const SYNCED_AT_ONCE: usize = 8 << 20;
/// The number of the node that the folder belongs to.
const OWNER: &str = "node";
/// The log of earlier versions.
const FORMER_LOG: &str = "log.redb";

/// A folder of the file system.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    /// Whose it becomes when its log is opened.
    owner: Option<NodeId>,
}

impl Folder {
    /// Uses `path`, which is created if it does not exist.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn create(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        make_private(&path)?;
        Ok(Self { path, owner: None })
    }
}

impl Folder {
    /// The same folder, which becomes that of a node when its log is opened: then no other process has it.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn of(self, node: NodeId) -> io::Result<Self> {
        self.check(node)?;
        Ok(Self { owner: Some(node), ..self })
    }

    /// Makes sure that it is no other node's folder; whether it is anybody's yet.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] when it is another node's, or the system refuses.
    pub fn check(&self, node: NodeId) -> io::Result<bool> {
        match fs::read_to_string(self.path.join(OWNER)) {
            Ok(owner) if owner.trim() == node.to_string() => Ok(true),
            Ok(owner) => {
                let owner: String = owner.trim().chars().take(20).collect();
                let reason = format!(
                    "it is the folder of node {owner}, and this is node {node}: each node has its own"
                );
                Err(io::Error::new(io::ErrorKind::AlreadyExists, reason))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes this the folder of a node. Whoever does so has its log open.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn claim(&self, node: NodeId) -> io::Result<()> {
        if self.check(node)? {
            return Ok(());
        }
        let temporary = self.path.join(format!("{OWNER}{UNFINISHED}"));
        let mut file = File::create(&temporary)?;
        writeln!(file, "{node}")?;
        file.sync_all()?;
        fs::rename(&temporary, self.path.join(OWNER))?;
        sync_folder(&self.path)
    }
}

/// Names, notes and hashes of passwords are nobody else's business. What is there keeps its mode.
fn make_private(path: &PathBuf) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Has what was made, renamed or removed in a folder survive a power cut.
fn sync_folder(path: &PathBuf) -> io::Result<()> {
    File::open(path)?.sync_all()
}

impl Disk for Folder {
    fn open_log(&self) -> io::Result<Arc<dyn Segments>> {
        let lock =
            OpenOptions::new().write(true).create(true).truncate(false).open(self.path.join("lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                io::Error::new(io::ErrorKind::ResourceBusy, "the data folder is in use by another node")
            }
            TryLockError::Error(error) => error,
        })?;
        if self.path.join(FORMER_LOG).try_exists()? {
            let reason = format!("{FORMER_LOG} is of a format before 5, which this program does not read");
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        if let Some(owner) = self.owner {
            self.claim(owner)?;
        }
        remove_unfinished(&self.path)?;
        let path = self.path.join("log");
        make_private(&path)?;
        sync_folder(&self.path)?;
        Ok(Arc::new(SegmentFolder { path, _lock: lock }))
    }

    fn create_snapshot(&self) -> io::Result<Box<dyn NewSnapshot>> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("{SNAPSHOT}.{}{UNFINISHED}", COUNT.fetch_add(1, Ordering::Relaxed));
        let temporary = self.path.join(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&temporary)?;
        let file = Arc::new(file);
        Ok(Box::new(NewFile { folder: self.path.clone(), temporary, file, unsynced: 0, committed: false }))
    }

    fn open_snapshot(&self) -> io::Result<Option<Arc<dyn SnapshotFile>>> {
        match File::open(self.path.join(SNAPSHOT)) {
            Ok(file) => Ok(Some(Arc::new(file))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// A snapshot under another name.
struct NewFile {
    folder: PathBuf,
    temporary: PathBuf,
    file: Arc<File>,
    /// Bytes that were written since the last sync.
    unsynced: usize,
    committed: bool,
}

impl NewSnapshot for NewFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        (&*self.file).write_all(bytes)?;
        self.unsynced += bytes.len();
        // The log shares the disk: what it syncs must not wait for all of a large snapshot.
        if self.unsynced >= SYNCED_AT_ONCE {
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.unsynced = 0;
        self.file.sync_all()
    }

    fn commit(&mut self) -> io::Result<Arc<dyn SnapshotFile>> {
        if !self.committed {
            fs::rename(&self.temporary, self.folder.join(SNAPSHOT))?;
            self.committed = true;
        }
        // The rename itself must survive a power cut.
        sync_folder(&self.folder)?;
        Ok(self.file.clone())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.committed
            && let Err(error) = fs::remove_file(&self.temporary)
        {
            tracing::warn!(%error, file = %self.temporary.display(), "an unfinished snapshot stays until the next start");
        }
    }
}

impl SnapshotFile for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(bytes, offset)
    }
}

/// Removes snapshots that were being written or received when the node ended.
fn remove_unfinished(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let unfinished =
            name.to_str().is_some_and(|name| name.starts_with(SNAPSHOT) && name.ends_with(UNFINISHED));
        if unfinished {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The folder of the segments, and what keeps other processes out of it.
struct SegmentFolder {
    path: PathBuf,
    _lock: File,
}

impl SegmentFolder {
    fn file(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:010}.log"))
    }
}

impl Segments for SegmentFolder {
    fn list(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".log")).map(str::parse::<u64>);
            numbers.extend(number.and_then(Result::ok));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn open(&self, number: u64) -> io::Result<Arc<dyn SegmentFile>> {
        Ok(Arc::new(OpenOptions::new().read(true).write(true).open(self.file(number))?))
    }

    fn create(&self, number: u64, head: &[u8], length: u64) -> io::Result<Arc<dyn SegmentFile>> {
        let temporary = self.path.join("tmp");
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&temporary)?;
        file.write_all(head)?;
        reserve(&mut file, length)?;
        file.sync_all()?;
        fs::rename(&temporary, self.file(number))?;
        sync_folder(&self.path)?;
        Ok(Arc::new(file))
    }

    fn remove(&self, number: u64) -> io::Result<()> {
        fs::remove_file(self.file(number))
    }
}

/// Makes a file so long, what is added being zeros that have their place on the disk.
fn reserve(file: &mut File, length: u64) -> io::Result<()> {
    match rustix::fs::fallocate(&*file, FallocateFlags::empty(), 0, length) {
        Ok(()) => return Ok(()),
        // Not every file system can: then they are written.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
        Err(error) => return Err(error.into()),
    }
    let zeros = [0; PIECE];
    let mut left = length.saturating_sub(file.stream_position()?);
    while left > 0 {
        let piece = left.min(PIECE as u64);
        file.write_all(&zeros[..piece as usize])?;
        left -= piece;
    }
    Ok(())
}

impl SegmentFile for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_becomes_a_nodes_when_its_log_is_opened_and_not_before() {
        let place = tempfile::tempdir().unwrap();
        let folder = || Folder::create(place.path()).unwrap();
        let owner = place.path().join(OWNER);
        assert!(!folder().check(1).unwrap());
        let running = folder().open_log().unwrap();
        let refused = folder().of(2).unwrap().open_log().map(drop).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ResourceBusy);
        assert!(!owner.exists(), "it is in use by another one");
        drop(running);
        drop(folder().of(1).unwrap().open_log().unwrap());
        assert_eq!(fs::read_to_string(owner).unwrap().trim(), "1");
        assert!(folder().check(1).unwrap());
        assert_eq!(folder().of(2).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }
}
