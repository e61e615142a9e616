//! Sealing: an original becomes a picture that shows the cover and carries the original, encrypted,
//! together with who may open it.
//!
//! Pure: no I/O and no clock; the content key is made from a generator the caller supplies.

mod block;
mod error;
mod key;
mod original;
mod sealed;

pub use block::{Media, PermissionBlock};
pub use error::SealError;
pub use key::ContentKey;
pub use original::{MAX_ORIGINAL_BYTES, MAX_ORIGINAL_PIXELS, Original};
pub use sealed::{SealedFile, SealedImage, rewrite_block, seal_image};
