//! What can be wrong with a picture that carries, or should carry, hidden bytes.

use super::FormatError;

/// Why bytes could not be hidden in a picture or read back from it.
#[derive(Debug, thiserror::Error)]
pub enum StegoError {
    /// The bytes do not begin with the PNG signature.
    #[error("not a PNG file")]
    NotPng,
    /// A JPEG file, whatever its name says.
    #[error(
        "this is a JPEG file, not a PNG: if it was a sealed image, it was re-compressed, and the hidden bits are gone"
    )]
    Jpeg,
    /// The cover is no picture that is supported, or not all of one.
    #[error("the cover is {0}")]
    NoCover(FormatError),
    /// A picture that no decoder can read.
    #[error("unreadable picture: {0}")]
    Unreadable(String),
    /// The file ends before its end.
    #[error("the file was cut off, or a length in it is damaged: its {bytes} bytes end before the PNG does")]
    CutOff {
        /// How long it is.
        bytes: usize,
    },
    /// A part of the PNG file is not what was written.
    #[error("the file is damaged: chunk {kind} at byte {at} does not match its checksum")]
    DamagedChunk {
        /// The chunk's type.
        kind: String,
        /// Where in the file.
        at: usize,
    },
    /// An animated PNG: it has no one picture.
    #[error("this is an animated PNG: it has several pictures, expected one")]
    Animated,
    /// Bytes follow the end of the PNG.
    #[error("{bytes} bytes follow the end of the PNG: expected none")]
    TrailingData {
        /// How many.
        bytes: usize,
    },
    /// The file is too short to hold as many pixels as its header announces.
    #[error("unreadable picture: {bytes} bytes cannot hold {width} x {height} pixels")]
    CutShort {
        /// Width announced, in pixels.
        width: u32,
        /// Height announced, in pixels.
        height: u32,
        /// Length of the whole file, in bytes.
        bytes: usize,
    },
    /// A readable picture without Veil's mark in its low bits.
    #[error("nothing is hidden in this picture")]
    NothingHidden,
    /// A picture that Veil wrote, or its standard cover, without Veil's mark in its low bits.
    #[error("this file was re-compressed or edited since it was sealed: the hidden bits are gone")]
    Recompressed,
    /// Something else is hidden in the picture than was expected.
    #[error("this picture hides {found}, expected {expected}")]
    OtherKind {
        /// What is there.
        found: &'static str,
        /// What was expected.
        expected: &'static str,
    },
    /// The picture was sealed by a newer Veil.
    #[error(
        "sealed with format version {found}, newer than the newest known, {newest}: a newer veil can read it"
    )]
    NewerVersion {
        /// The version in the picture.
        found: u8,
        /// The newest version this build reads.
        newest: u8,
    },
    /// A part of the payload is not what was written.
    #[error("the picture is damaged or was edited: {part} does not match its checksum")]
    Damaged {
        /// The part whose checksum is wrong.
        part: &'static str,
    },
    /// The permission block was being rewritten and is not finished. The old one or the new one is whole.
    #[error(
        "the permission block was being rewritten when the writing stopped, or a bit of it flipped since: `veil repair` puts the file in order, with the last block that is whole"
    )]
    Interrupted,
    /// A field holds a value that no version of the format writes.
    #[error("{field} is {value}, expected {expected}")]
    BadField {
        /// The field's name.
        field: &'static str,
        /// The value found.
        value: u64,
        /// What would have been accepted.
        expected: &'static str,
    },
    /// A stated limit was exceeded.
    #[error("{field} is {value} {unit}, the limit is {limit}")]
    TooLarge {
        /// What is too large.
        field: &'static str,
        /// How large it is, in `unit`.
        value: u64,
        /// The largest accepted, in `unit`.
        limit: u64,
        /// The unit of both.
        unit: &'static str,
    },
    /// The payload does not fit, however dense, even into the cover enlarged as far as allowed.
    #[error("{needed} bytes do not fit: the cover holds {available} at most")]
    DoesNotFit {
        /// Bytes to hide.
        needed: u64,
        /// Bytes that can be hidden.
        available: u64,
    },
    /// What was written does not read back.
    #[error("what was written does not read back: {0}")]
    NotVerified(String),
}
