//! What can be wrong with a picture that carries, or should carry, hidden bytes.

/// Why bytes could not be hidden in a picture or read back from it.
#[derive(Debug, thiserror::Error)]
pub enum StegoError {
    /// The bytes do not begin with the PNG signature.
    #[error("not a PNG file")]
    NotPng,
    /// A JPEG file, whatever its name says.
    #[error(
        "this is a JPEG file, not a PNG: if it was a sealed image, it was re-compressed, and what it hid is gone"
    )]
    Jpeg,
    /// A PNG that no decoder can read: cut short, or broken inside.
    #[error("unreadable PNG: {0}")]
    UnreadablePng(#[source] ::png::DecodingError),
    /// The file is too short to hold as many pixels as its header announces.
    #[error("unreadable PNG: {bytes} bytes cannot hold {width} x {height} pixels")]
    CutShort {
        /// Width announced, in pixels.
        width: u32,
        /// Height announced, in pixels.
        height: u32,
        /// Length of the whole file, in bytes.
        bytes: usize,
    },
    /// The picture cannot be written as a PNG.
    #[error("cannot write the PNG: {0}")]
    Encode(#[source] ::png::EncodingError),
    /// A readable picture without Veil's mark in its low bits.
    #[error("nothing is hidden in this picture")]
    NothingHidden,
    /// The picture was sealed by a newer Veil.
    #[error("sealed with format version {found}, newer than the newest known, {newest}")]
    NewerVersion {
        /// The version in the picture.
        found: u8,
        /// The newest version this build reads.
        newest: u8,
    },
    /// A part of the payload is not what was written.
    #[error("the sealed image is damaged: {part} does not match its checksum")]
    Damaged {
        /// The part whose checksum is wrong.
        part: &'static str,
    },
    /// A field holds a value that no version of the format writes.
    #[error("the sealed image is damaged: {field} is {value}, expected {expected}")]
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
}
