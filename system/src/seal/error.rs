//! Why an image cannot be sealed or opened.

use super::Media;
use crate::{
    identity::PublicKey,
    stego::{FormatError, StegoError},
    wire::codec::CodecError,
};

/// What can go wrong between an original and its sealed image, in words for the person who asked.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The sealed picture itself: not a PNG, nothing hidden in it, damaged, of a newer version, or too
    /// small for what it has to carry.
    #[error(transparent)]
    Picture(#[from] StegoError),
    /// The original is no picture that is supported, or not all of one.
    #[error("the original is {0}")]
    BadOriginal(FormatError),
    /// The original begins like a PNG or JPEG, but its header cannot be read.
    #[error("the original is a damaged {media} file: {reason}")]
    DamagedOriginal {
        /// What it begins like.
        media: Media,
        /// What the reader of its header says.
        reason: String,
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
    /// The permission block does not decode: written by a broken or hostile program.
    #[error("what the picture says about itself is malformed: {0}")]
    BadBlock(#[from] CodecError),
    /// The key is not the one this image was sealed with.
    #[error("this key does not belong to this image")]
    WrongKey,
    /// The key is right, but the ciphertext or what is bound to it was changed.
    #[error("the picture was tampered with: what it hides no longer decrypts")]
    Tampered,
    /// The body is not the one that the permission block names.
    #[error(
        "the picture was altered since it was sealed: what it hides is not what its permission block names"
    )]
    Altered,
    /// The permission block, or the new one for a file, describes another image than the file holds.
    #[error("the permission block belongs to another image: its {field} differs")]
    OtherImage {
        /// The field that differs.
        field: &'static str,
    },
    /// The new permission block for a file is older than the one in it.
    #[error(
        "the permission block of revision {revision} is older than the one in the file, of revision {present}"
    )]
    OlderBlock {
        /// The revision of the new block.
        revision: u64,
        /// The revision in the file.
        present: u64,
    },
    /// The permission block names another cluster than the one that is trusted.
    #[error("the permission block was issued by another cluster: signed by {found}, expected {expected}")]
    OtherCluster {
        /// The key it names.
        found: PublicKey,
        /// The key that is trusted.
        expected: PublicKey,
    },
    /// The permission block's signature is not its cluster's.
    #[error("the permission block is forged: the cluster did not sign it")]
    Forged,
    /// The passphrase is not the one the bytes were hidden with.
    #[error("wrong passphrase")]
    WrongPassphrase,
}
