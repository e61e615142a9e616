//! Snapshots: the state after an entry, in chunks that are checked one by one. They are written, sent, received and read
//! chunk by chunk, so that none is ever in memory as a whole.

mod format;
mod read;
mod receive;
mod schedule;
mod store;
mod write;

#[cfg(test)]
mod tests;

use std::io;

pub(super) use self::{
    format::{Chain, HEADER, header},
    read::{Chunks, Restoring},
    receive::{Received, Receiving},
    store::{SnapshotStore, Stored},
};
use super::types::{LogId, SnapshotMeta, StoredMembership};
use crate::{
    directory::{Directory, ImportError},
    wire::codec::CodecError,
};

/// What a snapshot holds: the state of the machine after its last applied entry.
#[derive(Debug, Clone, Default, PartialEq)]
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

/// A snapshot as Raft hands it on: never its bytes.
pub enum SnapshotData {
    /// On this node's disk, to be sent.
    Stored(Stored),
    /// Received, and to be installed.
    Received(Box<Received>),
}

/// Bytes that are not a snapshot of ours, or a disk that refuses.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Too short, or another kind of file.
    #[error("not a snapshot: it does not begin with VEILSNAP")]
    NotASnapshot,
    /// Written by another version.
    #[error("the snapshot is of version {0}, this program reads {version}", version = format::VERSION)]
    Version(u8),
    /// It ends before its last chunk.
    #[error("the snapshot is cut off: there is no whole chunk at byte {offset}")]
    CutOff {
        /// Where the next chunk should be.
        offset: u64,
    },
    /// A chunk does not agree with its checksum and with those before it.
    #[error(
        "chunk {chunk} of the snapshot, at byte {offset}, is not what was written: its checksum does not fit"
    )]
    Chunk {
        /// Which, from 0.
        chunk: u64,
        /// Where it begins.
        offset: u64,
    },
    /// Its last chunk says that there was more, or less.
    #[error("the snapshot had {chunks} chunks and has {found}")]
    Count {
        /// How many were written.
        chunks: u64,
        /// How many there are.
        found: u64,
    },
    /// Something follows its end.
    #[error("the snapshot goes on at byte {offset}, behind its end")]
    Trailing {
        /// Where its end is.
        offset: u64,
    },
    /// A chunk that fits its checksum, and makes no sense.
    #[error("chunk {chunk} of the snapshot holds what nobody should have written: {source}")]
    Content {
        /// Which, from 0.
        chunk: u64,
        /// Why.
        source: ImportError,
    },
    /// It does not say of which entry it is.
    #[error("the snapshot does not say which entry it was made after")]
    NoMeta,
    /// A record that no chunk can hold.
    #[error("a record of section {section} has {size} bytes, the limit is {limit}", limit = format::CHUNK_LIMIT)]
    Record {
        /// Its section.
        section: u8,
        /// How large it is.
        size: usize,
    },
    /// Something in it cannot be encoded or decoded.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The disk refuses.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<SnapshotError> for io::Error {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Io(error) => error,
            error => Self::new(io::ErrorKind::InvalidData, error),
        }
    }
}
