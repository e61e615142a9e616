//! The snapshot file: `VEILSNAP`, a version byte, the BLAKE3 of what follows, then bincode.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::types::{LogId, SnapshotMeta, StoredMembership};
use crate::{
    directory::Directory,
    wire::codec::{self, CodecError},
};

const MAGIC: &[u8; 8] = b"VEILSNAP";
const VERSION: u8 = 1;
const HEADER: usize = MAGIC.len() + 1 + 32;

/// What a snapshot holds: the state of the machine after its last applied entry.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Image {
    pub applied: Option<LogId>,
    pub membership: StoredMembership,
    pub directory: Directory,
}

impl Image {
    pub(super) fn meta(&self) -> SnapshotMeta {
        SnapshotMeta { last_log_id: self.applied, last_membership: self.membership.clone() }
    }
}

/// Bytes that are not a snapshot of ours.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Too short, or another kind of file.
    #[error("not a snapshot: it does not begin with VEILSNAP")]
    NotASnapshot,
    /// Written by another version.
    #[error("snapshot of version {0}, this program reads {VERSION}")]
    Version(u8),
    /// The checksum does not fit.
    #[error("the snapshot is damaged: its checksum does not fit its content")]
    Damaged,
    /// The content does not decode.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

pub(super) fn write(image: &Image) -> Result<Bytes, SnapshotError> {
    let content = codec::encode(image)?;
    let mut bytes = Vec::with_capacity(HEADER + content.len());
    bytes.extend(MAGIC);
    bytes.push(VERSION);
    bytes.extend(blake3::hash(&content).as_bytes());
    bytes.extend(content);
    Ok(bytes.into())
}

pub(super) fn read(bytes: &[u8]) -> Result<Image, SnapshotError> {
    if bytes.len() < HEADER || &bytes[..8] != MAGIC {
        return Err(SnapshotError::NotASnapshot);
    }
    if bytes[8] != VERSION {
        return Err(SnapshotError::Version(bytes[8]));
    }
    let content = &bytes[HEADER..];
    if blake3::hash(content).as_bytes() != &bytes[9..HEADER] {
        return Err(SnapshotError::Damaged);
    }
    Ok(codec::decode(content)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_comes_back_and_every_flipped_bit_is_found() {
        let bytes = write(&Image::default()).unwrap();
        assert_eq!(read(&bytes).unwrap(), Image::default());
        for index in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[index] ^= 1;
            assert!(read(&damaged).is_err(), "byte {index}");
        }
        assert!(matches!(read(&bytes[..20]), Err(SnapshotError::NotASnapshot)));
    }

    #[test]
    fn golden_bytes_of_an_empty_snapshot() {
        let bytes = write(&Image::default()).unwrap();
        assert_eq!(&bytes[..9], b"VEILSNAP\x01");
        assert_eq!(&bytes[HEADER..], [0, 0, 0, 0, 0, 0, 0, 0]);
    }
}
