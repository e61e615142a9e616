//! A sealed image on disk, whose permission block is read and replaced without touching the rest.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
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
}

impl From<StegoError> for CopyError {
    fn from(error: StegoError) -> Self {
        Self::Seal(error.into())
    }
}

/// A user's own copy of a sealed image. Nobody else opens the file for a change meanwhile.
#[derive(Debug)]
pub struct SealedCopy {
    path: PathBuf,
    file: File,
    len: u64,
}

/// The parts of a file that a new block touches.
struct Ends {
    front: Vec<u8>,
    tail: Vec<u8>,
}

impl SealedCopy {
    /// Opens a copy. Waits while another process has it open.
    ///
    /// # Errors
    /// [`CopyError::Io`], [`CopyError::TooLarge`].
    pub fn open(path: &Path) -> Result<Self, CopyError> {
        let (file, len) = loop {
            let file = OpenOptions::new().read(true).write(true).open(path)?;
            file.lock()?;
            let (locked, named) = (file.metadata()?, std::fs::metadata(path)?);
            // Another process may have put a new file in its place meanwhile.
            if (locked.dev(), locked.ino()) == (named.dev(), named.ino()) {
                break (file, locked.len());
            }
        };
        if len > MAX_FILE_BYTES {
            return Err(CopyError::TooLarge { bytes: len });
        }
        Ok(Self { path: path.to_owned(), file, len })
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

    /// Puts another permission block in the place of the present one, in the same file: the rows that carry
    /// it, and the checksum at the end. It is on disk when this returns. If the machine stops in between,
    /// the old block or the new one is whole, and [`Self::repair`] puts the file in order.
    ///
    /// A file that another program has saved again is written anew and takes the old one's place.
    ///
    /// # Errors
    /// [`CopyError`].
    pub fn replace_block(&mut self, block: &SignedBlock) -> Result<(), CopyError> {
        let Some(Ends { front, tail }) = self.ends()? else {
            let bytes = self.bytes()?;
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
        let Some(Ends { front, tail }) = self.ends()? else { return Ok(false) };
        match Front::read(&front, &tail) {
            Err(StegoError::Interrupted) => {
                let whole = Front::recover(&front, &tail)?;
                // Nothing is touched unless all of the file is in order afterwards.
                readable(&layout::rewrite(&self.bytes()?, whole.block())?)?;
                self.patch(&whole, &front, whole.block())?;
                Ok(true)
            }
            front => {
                front?;
                readable(&self.bytes()?)?;
                Ok(false)
            }
        }
    }

    fn patch(&mut self, present: &Front, front: &[u8], block: &[u8]) -> Result<(), CopyError> {
        for patch in present.replace(front, self.len, block)? {
            self.file.write_all_at(&patch.bytes, patch.at)?;
        }
        self.file.sync_data()?;
        let not_verified = || StegoError::NotVerified("the new permission block".to_owned());
        let Ends { front, tail } = self.ends()?.ok_or_else(not_verified)?;
        if Front::read(&front, &tail)?.block() != block {
            return Err(not_verified().into());
        }
        Ok(())
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

    /// Puts a new file in the place of this one.
    fn put(&mut self, bytes: &[u8]) -> Result<(), CopyError> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let permissions = self.file.metadata()?.permissions();
        let mut beside = tempfile::Builder::new().prefix(".veil-").tempfile_in(folder)?;
        beside.as_file().lock()?;
        beside.as_file().set_permissions(permissions)?;
        beside.write_all(bytes)?;
        beside.as_file().sync_all()?;
        let file = beside.persist(&self.path).map_err(|failed| failed.error)?;
        File::open(folder)?.sync_all()?;
        self.file = file;
        self.len = bytes.len() as u64;
        Ok(())
    }
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
