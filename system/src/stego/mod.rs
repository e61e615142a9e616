//! Steganography: bytes hidden in the low bits of a picture, and PNG in and out.
//!
//! Pure: no I/O, no clock, no randomness. What the hidden bytes mean is not this module's business; see
//! [`crate::seal`].
//!
//! A sealed image is not covert and does not claim to be: it keeps its payload where any program can
//! find it. The payload's secrecy comes from encryption alone.

mod cover;
mod error;
pub mod format;
pub mod layout;
pub mod lsb;
pub mod png;
pub mod quality;
mod raster;

pub use cover::Cover;
pub use error::StegoError;
pub use format::{Format, FormatError};
pub use raster::{MAX_PIXELS, Raster};
