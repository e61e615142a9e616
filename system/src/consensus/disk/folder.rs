//! A folder of the file system.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Seek, Write},
    os::unix::fs::{DirBuilderExt, FileExt},
    path::PathBuf,
    sync::Arc,
};

use rustix::{fs::FallocateFlags, io::Errno};

use super::{Disk, SegmentFile, Segments};

/// Where a file system cannot reserve room, zeros are written in pieces of this size, bytes.
const PIECE: usize = 256 << 10;
/// The log of earlier versions.
const FORMER_LOG: &str = "log.redb";

/// A folder of the file system.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Uses `path`, which is created if it does not exist.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn create(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        make_private(&path)?;
        Ok(Self { path })
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
        let path = self.path.join("log");
        make_private(&path)?;
        sync_folder(&self.path)?;
        Ok(Arc::new(SegmentFolder { path, _lock: lock }))
    }

    fn save_snapshot(&self, bytes: &[u8]) -> io::Result<()> {
        let (temporary, path) = (self.path.join("snapshot.tmp"), self.path.join("snapshot"));
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        // The rename itself must survive a power cut.
        sync_folder(&self.path)
    }

    fn load_snapshot(&self) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path.join("snapshot")) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }
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
