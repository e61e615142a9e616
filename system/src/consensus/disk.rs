//! Where a node keeps what must survive it. Handed to the node from outside, so that tests can give
//! it a disk that lives in memory, fails, or forgets what was not synced.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::PathBuf,
};

use redb::Database;

/// What the log's database may keep in memory, bytes.
const DATABASE_CACHE: usize = 32 << 20;

/// A node's disk.
pub trait Disk: Send + Sync {
    /// Opens the database of log and vote, or makes an empty one. One node at a time may.
    ///
    /// # Errors
    /// When it cannot be opened, is damaged, or is in use.
    fn open_database(&self) -> Result<Database, redb::DatabaseError>;

    /// Keeps a snapshot, durably and all or nothing, in place of the earlier one.
    ///
    /// # Errors
    /// When it cannot be written; the earlier one is then still there.
    fn save_snapshot(&self, bytes: &[u8]) -> io::Result<()>;

    /// The snapshot saved last.
    ///
    /// # Errors
    /// When there is one and it cannot be read.
    fn load_snapshot(&self) -> io::Result<Option<Vec<u8>>>;
}

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
        // Names, notes and hashes of passwords are nobody else's business. What is there keeps its mode.
        DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        Ok(Self { path })
    }
}

impl Disk for Folder {
    fn open_database(&self) -> Result<Database, redb::DatabaseError> {
        let mut database =
            Database::builder().set_cache_size(DATABASE_CACHE).create(self.path.join("log.redb"))?;
        // Reads every page and its checksum. What could only be repaired has lost something.
        match database.check_integrity()? {
            true => Ok(database),
            false => {
                let lost = "its pages do not agree with their checksums".to_owned();
                Err(redb::StorageError::Corrupted(lost).into())
            }
        }
    }

    fn save_snapshot(&self, bytes: &[u8]) -> io::Result<()> {
        let (temporary, path) = (self.path.join("snapshot.tmp"), self.path.join("snapshot"));
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        // The rename itself must survive a power cut.
        File::open(&self.path)?.sync_all()
    }

    fn load_snapshot(&self) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path.join("snapshot")) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// A disk in memory, for one start of one store.
#[cfg(test)]
#[derive(Debug, Default)]
pub(super) struct Memory {
    snapshot: parking_lot::Mutex<Option<Vec<u8>>>,
}

#[cfg(test)]
impl Disk for Memory {
    fn open_database(&self) -> Result<Database, redb::DatabaseError> {
        Database::builder().create_with_backend(redb::backends::InMemoryBackend::new())
    }

    fn save_snapshot(&self, bytes: &[u8]) -> io::Result<()> {
        *self.snapshot.lock() = Some(bytes.to_vec());
        Ok(())
    }

    fn load_snapshot(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.snapshot.lock().clone())
    }
}
