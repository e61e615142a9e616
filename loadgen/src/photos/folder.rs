//! Photos of the user's own.

use std::{
    fs::{self, File},
    io::{self, Cursor, Read as _},
    path::{Path, PathBuf},
};

use image::{ImageFormat, ImageReader};

use super::{Photo, Photos};

/// The largest file.
const MAX_FILE: u64 = 16 << 20;
/// The set is held in memory.
const MAX_SET: u64 = 1 << 30;

/// A folder that is no set of photos.
#[derive(Debug, thiserror::Error)]
pub enum PhotoError {
    /// The folder or a file of it cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The folder holds something else.
    #[error("{}: {reason}; a folder of photos holds PNG and JPEG files and nothing else", path.display())]
    NotAPhoto {
        /// Which file.
        path: PathBuf,
        /// What it is instead.
        reason: String,
    },
    /// A file is too large.
    #[error("{}: {bytes} bytes; a photo has at most {MAX_FILE}", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// How large it is.
        bytes: u64,
    },
    /// All files together are too large.
    #[error("{}: more than {MAX_SET} bytes of photos; they are held in memory during a run", path.display())]
    SetTooLarge {
        /// Which folder.
        path: PathBuf,
    },
    /// There is nothing to seal.
    #[error("{}: no photos in it", path.display())]
    Empty {
        /// Which folder.
        path: PathBuf,
    },
}

impl Photos {
    /// The photos in the folder `path`, by name. Nothing is skipped: whatever is not a PNG or JPEG
    /// file of at most 16 MiB is an error.
    ///
    /// # Errors
    /// When the folder or a file cannot be read, is not a photo or is too large, or there are none.
    pub fn from_folder(path: &Path) -> Result<Self, PhotoError> {
        let io = |source| PhotoError::Io { path: path.to_owned(), source };
        let entries = fs::read_dir(path).map_err(io)?.map(|entry| Ok(entry?.path()));
        let mut files = entries.collect::<Result<Vec<_>, _>>().map_err(io)?;
        // The order in which a folder is listed is not the same everywhere.
        files.sort();
        let (mut photos, mut total) = (Vec::new(), 0);
        for file in files {
            let bytes = read(&file)?;
            total += bytes.len() as u64;
            if total > MAX_SET {
                return Err(PhotoError::SetTooLarge { path: path.to_owned() });
            }
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            photos.push(Photo::new(name, bytes));
        }
        if photos.is_empty() {
            return Err(PhotoError::Empty { path: path.to_owned() });
        }
        Ok(Self { photos })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, PhotoError> {
    let io = |source| PhotoError::Io { path: path.to_owned(), source };
    let not_a_photo =
        |reason: &str| PhotoError::NotAPhoto { path: path.to_owned(), reason: reason.to_owned() };
    // Before it is opened: to open a pipe would wait for somebody to write to it.
    let kind = fs::metadata(path).map_err(io)?;
    if !kind.is_file() {
        let reason = if kind.is_dir() { "a folder" } else { "not a plain file" };
        return Err(not_a_photo(reason));
    }
    if kind.len() > MAX_FILE {
        return Err(PhotoError::TooLarge { path: path.to_owned(), bytes: kind.len() });
    }
    let mut bytes = Vec::new();
    (File::open(path).map_err(io)?.take(MAX_FILE).read_to_end(&mut bytes)).map_err(io)?;
    match image::guess_format(&bytes) {
        Ok(format @ (ImageFormat::Png | ImageFormat::Jpeg)) => {
            (ImageReader::with_format(Cursor::new(&bytes), format).into_dimensions())
                .map_err(|e| not_a_photo(&format!("its header is damaged: {e}")))?;
        }
        Ok(other) => return Err(not_a_photo(&format!("a {} file", other.extensions_str()[0]))),
        Err(_) => return Err(not_a_photo("not a picture")),
    }
    Ok(bytes)
}
