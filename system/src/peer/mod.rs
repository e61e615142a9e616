//! A user's own side: the sealed images on their disk.

mod sealed_copy;

pub use sealed_copy::{CopyError, MAX_FILE_BYTES, Reading, SealedCopy};
