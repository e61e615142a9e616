//! A sealed image on disk, whose permission block is read and replaced without touching the rest.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::{
    seal::{SealError, SealedFile, SignedBlock, check_replacement},
    stego::{
        StegoError,
        layout::{self, Front, Kind, START_LEN, TAIL_LEN},
    },
};

/// The largest sealed file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 128 << 20;

/// How often a copy is looked at again that somebody else works with.
const PAUSE: Duration = Duration::from_millis(5);

/// Why a copy cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The file cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What it holds is not a sealed image, or not one of which this block is.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The file is too large to be one.
    #[error("{bytes} bytes long, the limit is {MAX_FILE_BYTES}")]
    TooLarge {
        /// Its length, in bytes.
        bytes: u64,
    },
    /// Another program works with it.
    #[error("another program has kept the file locked for {patience:?}")]
    Locked {
        /// How long it was waited for.
        patience: Duration,
    },
}

impl From<StegoError> for CopyError {
    fn from(error: StegoError) -> Self {
        Self::Seal(error.into())
    }
}

/// A user's own copy of a sealed image, to be read. Its permission block is not replaced meanwhile.
#[derive(Debug)]
pub struct Reading {
    /// The file's own name, whatever links lead to it.
    path: PathBuf,
    file: File,
    len: u64,
}

/// A user's own copy of a sealed image, to be changed. Nobody else reads or changes it meanwhile.
#[derive(Debug)]
pub struct SealedCopy(Reading);

/// The parts of a file that a new block touches.
struct Ends {
    front: Vec<u8>,
    tail: Vec<u8>,
}

impl Reading {
    /// Opens a copy to read it. While another process changes it, this waits, so long.
    ///
    /// # Errors
    /// [`CopyError::Io`], [`CopyError::TooLarge`], [`CopyError::Locked`].
    pub fn open(path: &Path, patience: Duration) -> Result<Self, CopyError> {
        Self::locked(path, OpenOptions::new().read(true), File::try_lock_shared, patience)
    }

    fn locked(
        path: &Path,
        options: &OpenOptions,
        try_lock: fn(&File) -> Result<(), TryLockError>,
        patience: Duration,
    ) -> Result<Self, CopyError> {
        let deadline = Instant::now() + patience;
        loop {
            let file = options.open(path)?;
            match try_lock(&file) {
                Ok(()) => {}
                // Where nothing can be locked, all go without.
                Err(TryLockError::Error(error)) if is_unsupported(&error) => {}
                Err(TryLockError::Error(error)) => return Err(error.into()),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(PAUSE);
                    continue;
                }
                Err(TryLockError::WouldBlock) => return Err(CopyError::Locked { patience }),
            }
            let path = fs::canonicalize(path)?;
            let (held, named) = (file.metadata()?, fs::metadata(&path)?);
            // Another process may have put a new file in its place meanwhile.
            if (held.dev(), held.ino()) != (named.dev(), named.ino()) {
                continue;
            }
            return match held.len() {
                bytes if bytes > MAX_FILE_BYTES => Err(CopyError::TooLarge { bytes }),
                len => Ok(Self { path, file, len }),
            };
        }
    }

    /// Reads all of it, and looks at every checksum.
    ///
    /// # Errors
    /// [`CopyError`].
    pub fn read(&self) -> Result<SealedFile, CopyError> {
        Ok(SealedFile::read(&self.bytes()?)?)
    }

    /// The whole file.
    ///
    /// # Errors
    /// [`CopyError::Io`].
    pub fn bytes(&self) -> Result<Vec<u8>, CopyError> {
        // Its length was held against the limit.
        let mut bytes = vec![0; self.len as usize];
        self.file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    /// The permission block. Of a file as Veil wrote it, only the rows that carry the block are read.
    ///
    /// # Errors
    /// [`CopyError`].
    pub fn block(&self) -> Result<SignedBlock, CopyError> {
        match self.ends()? {
            Some(Ends { front, tail }) => Ok(SignedBlock::decode(Front::read(&front, &tail)?.block())?),
            None => Ok(self.read()?.block),
        }
    }

    /// The front and the end of a file as Veil wrote it; `None` for any other PNG.
    fn ends(&self) -> Result<Option<Ends>, CopyError> {
        let mut front = vec![0; START_LEN.min(self.len as usize)];
        self.file.read_exact_at(&mut front, 0)?;
        let Some(len) = Front::len_of(&front)? else { return Ok(None) };
        if self.len < (len + TAIL_LEN) as u64 {
            return Err(StegoError::CutOff { bytes: self.len as usize }.into());
        }
        // At most a few rows of a picture whose width was held against its limit.
        front.resize(len, 0);
        self.file.read_exact_at(&mut front[START_LEN..], START_LEN as u64)?;
        let mut tail = vec![0; TAIL_LEN];
        self.file.read_exact_at(&mut tail, self.len - TAIL_LEN as u64)?;
        Ok(Some(Ends { front, tail }))
    }
}

impl SealedCopy {
    /// Opens a copy to change it. While another process works with it, this waits, so long.
    ///
    /// # Errors
    /// [`CopyError::Io`], [`CopyError::TooLarge`], [`CopyError::Locked`].
    pub fn open(path: &Path, patience: Duration) -> Result<Self, CopyError> {
        let options = OpenOptions::new().read(true).write(true).clone();
        Reading::locked(path, &options, File::try_lock, patience).map(Self)
    }

    /// What it holds at present.
    pub fn present(&self) -> &Reading {
        &self.0
    }

    /// Puts another permission block in the place of the present one, in the same file: the rows that carry
    /// it, and the checksum at the end. It is on disk when this returns. If the machine stops in between,
    /// the old block or the new one is whole, and [`Self::repair`] puts the file in order.
    ///
    /// A file that another program has saved again is written anew and takes the old one's place.
    ///
    /// # Errors
    /// [`CopyError`].
    pub fn replace_block(&mut self, block: &SignedBlock) -> Result<(), CopyError> {
        let Some(Ends { front, tail }) = self.0.ends()? else {
            let bytes = self.0.bytes()?;
            check_replacement(SealedFile::read(&bytes)?.block.unverified(), block)?;
            return self.put(&layout::rewrite(&bytes, block.as_bytes())?);
        };
        let present = Front::read(&front, &tail)?;
        check_replacement(SignedBlock::decode(present.block())?.unverified(), block)?;
        self.patch(&present, &front, block.as_bytes())
    }

    /// Finishes or undoes a replacement that was interrupted; does nothing to a file that is in order. True
    /// if there was something to do.
    ///
    /// # Errors
    /// [`CopyError`], when no permission block is whole.
    pub fn repair(&mut self) -> Result<bool, CopyError> {
        let Some(Ends { front, tail }) = self.0.ends()? else { return Ok(false) };
        match Front::read(&front, &tail) {
            Err(StegoError::Interrupted) => {
                let whole = Front::recover(&front, &tail)?;
                // Nothing is touched unless all of the file is in order afterwards.
                readable(&layout::rewrite(&self.0.bytes()?, whole.block())?)?;
                self.patch(&whole, &front, whole.block())?;
                Ok(true)
            }
            front => {
                front?;
                readable(&self.0.bytes()?)?;
                Ok(false)
            }
        }
    }

    fn patch(&mut self, present: &Front, front: &[u8], block: &[u8]) -> Result<(), CopyError> {
        for patch in present.replace(front, self.0.len, block)? {
            self.0.file.write_all_at(&patch.bytes, patch.at)?;
        }
        self.0.file.sync_data()?;
        let not_verified = || StegoError::NotVerified("the new permission block".to_owned());
        let Ends { front, tail } = self.0.ends()?.ok_or_else(not_verified)?;
        if Front::read(&front, &tail)?.block() != block {
            return Err(not_verified().into());
        }
        Ok(())
    }

    /// Puts a new file in the place of this one.
    fn put(&mut self, bytes: &[u8]) -> Result<(), CopyError> {
        // The file's own name: a link to it stays a link.
        let path = &self.0.path;
        let folder = path.parent().unwrap_or(Path::new("/"));
        // Its name is nobody's concern, and no error speaks of it.
        let made = tempfile::Builder::new().prefix(".veil-").tempfile_in(folder);
        let mut beside = made.map_err(|error| io::Error::from(error.kind()))?;
        beside.as_file().lock()?;
        keep_attributes(&self.0.file, beside.as_file())?;
        beside.as_file_mut().write_all(bytes)?;
        beside.as_file().sync_all()?;
        let file = beside.persist(path).map_err(|failed| failed.error)?;
        File::open(folder)?.sync_all()?;
        self.0.file = file;
        self.0.len = bytes.len() as u64;
        Ok(())
    }
}

/// Gives a new file what the one had that it takes the place of: owner, permissions, and what else is kept with it. (Another
/// name of that one, a hard link, goes on naming that one.)
fn keep_attributes(from: &File, to: &File) -> io::Result<()> {
    let (old, new) = (from.metadata()?, to.metadata()?);
    if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
        // Not everybody may give files away. Then it is theirs who rewrote it.
        let _ = std::os::unix::fs::fchown(to, Some(old.uid()), Some(old.gid()));
    }
    // After the owner: a change of that takes permissions away.
    to.set_permissions(old.permissions())?;
    #[cfg(target_os = "linux")]
    keep_extended(from, to);
    Ok(())
}

/// As far as that can be done: some attributes are the system's own.
#[cfg(target_os = "linux")]
fn keep_extended(from: &File, to: &File) {
    use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fsetxattr};
    // No file has longer names or values there.
    let (mut names, mut value) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let Ok(len) = flistxattr(from, names.as_mut_slice()) else { return };
    for name in names[..len].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        if let Ok(len) = fgetxattr(from, name, value.as_mut_slice()) {
            let _ = fsetxattr(to, name, &value[..len], XattrFlags::empty());
        }
    }
}

fn is_unsupported(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(rustix::io::Errno::from_raw_os_error);
    matches!(code, Some(rustix::io::Errno::NOTSUP | rustix::io::Errno::NOLCK | rustix::io::Errno::NOSYS))
        || error.kind() == io::ErrorKind::Unsupported
}

/// Whether a file is in order, whatever it hides. The body of a sealed image has to be the one that its block names.
fn readable(file: &[u8]) -> Result<(), CopyError> {
    match layout::read(file)?.header.kind {
        Kind::SealedImage => SealedFile::read(file).map(drop)?,
        Kind::Passphrase => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests;
