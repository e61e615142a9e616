//! Sealing: an original becomes a picture that shows the cover and carries the original, encrypted,
//! together with who may open it. And hiding: the same for any bytes, under a passphrase.
//!
//! Pure: no I/O and no clock; keys and salts are made from a generator the caller supplies.

mod block;
mod body;
mod error;
mod grants;
mod key;
mod original;
mod passphrase;
mod sealed;

pub use block::{Media, PermissionBlock, SignedBlock};
pub use body::BodyHash;
pub use error::SealError;
pub use grants::Grants;
pub use key::{ContentKey, Nonce};
pub use original::{MAX_ORIGINAL_BYTES, MAX_ORIGINAL_PIXELS, Original};
pub use passphrase::{Lock, MAX_HIDDEN_BYTES, SALT_LEN, check_hidden, hidden_len, hide, reveal};
pub use sealed::{Scratch, SealedFile, Subject, check_replacement, seal_image};
