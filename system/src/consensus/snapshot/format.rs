//! The bytes of a snapshot, on disk and on the way to a follower.
//!
//! A header (`VEILSNAP`, a version byte), then chunks. A chunk is a head (section, 1 byte; length of the payload, 4, little
//! endian; checksum, 32) and its payload. The checksum is the BLAKE3 of the checksum before it (for the first chunk, of
//! the BLAKE3 of the header), of section and length, and of the payload: so a chunk that was changed, moved, repeated or left out does
//! not fit. The last chunk has section 255 and says how much there was before it, so that a cut is found.

use serde::{Deserialize, Serialize};

use super::SnapshotError;
use crate::wire::codec;

const MAGIC: &[u8; 8] = b"VEILSNAP";
/// The version of the format.
pub(super) const VERSION: u8 = 5;
/// Bytes before the first chunk.
pub(in crate::consensus) const HEADER: usize = MAGIC.len() + 1;
/// Bytes before the payload of a chunk.
pub(super) const HEAD: usize = 1 + 4 + 32;
/// How much a chunk holds, bytes, unless it is one record that is larger.
pub(super) const CHUNK: usize = 2 << 20;
/// How much a chunk holds at most, bytes. With its head it fits a frame between nodes.
pub(super) const CHUNK_LIMIT: usize = 8 << 20;

/// Log id and membership.
pub(super) const META: u8 = 0;
/// Nothing comes after it.
pub(super) const END: u8 = 255;

/// What stands before the first chunk.
pub(in crate::consensus) fn header() -> [u8; HEADER] {
    let mut header = [VERSION; HEADER];
    header[..MAGIC.len()].copy_from_slice(MAGIC);
    header
}

fn check_header(bytes: &[u8]) -> Result<(), SnapshotError> {
    match bytes.strip_prefix(MAGIC) {
        Some([VERSION]) => Ok(()),
        Some([version, ..]) => Err(SnapshotError::Version(*version)),
        _ => Err(SnapshotError::NotASnapshot),
    }
}

/// What the last chunk says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct End {
    /// Chunks before it.
    pub(super) chunks: u64,
    /// Bytes before it.
    pub(super) bytes: u64,
}

/// Where in a snapshot one is: what the next chunk's checksum follows from.
#[derive(Debug)]
pub(in crate::consensus) struct Chain {
    checksum: [u8; 32],
    /// Chunks so far.
    chunks: u64,
    /// Bytes so far, those of the header too.
    bytes: u64,
    ended: bool,
}

/// A chunk that is what was written.
#[derive(Debug, Clone, Copy)]
pub(in crate::consensus) struct Chunk<'a> {
    pub(super) section: u8,
    pub(super) payload: &'a [u8],
}

impl Chain {
    /// After the header that this version writes.
    pub(super) fn begin() -> Self {
        let checksum = blake3::hash(&header()).into();
        Self { checksum, chunks: 0, bytes: HEADER as u64, ended: false }
    }

    /// After a header, if it is one.
    pub(in crate::consensus) fn after(header: &[u8]) -> Result<Self, SnapshotError> {
        check_header(header).map(|()| Self::begin())
    }

    /// How far it is, bytes.
    pub(in crate::consensus) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the last chunk has come.
    pub(in crate::consensus) fn has_ended(&self) -> bool {
        self.ended
    }

    pub(super) fn end(&self) -> End {
        End { chunks: self.chunks, bytes: self.bytes }
    }

    fn checksum_of(&self, section: u8, payload: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.checksum).update(&[section]).update(&(payload.len() as u32).to_le_bytes());
        hasher.update(payload).finalize().into()
    }

    /// Writes the head of a chunk whose payload stands behind room for it.
    pub(super) fn seal(&mut self, section: u8, chunk: &mut [u8]) {
        let (head, payload) = chunk.split_at_mut(HEAD);
        let checksum = self.checksum_of(section, payload);
        head[0] = section;
        head[1..5].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        head[5..].copy_from_slice(&checksum);
        self.advance(checksum, chunk.len());
    }

    fn advance(&mut self, checksum: [u8; 32], length: usize) {
        self.checksum = checksum;
        self.chunks += 1;
        self.bytes += length as u64;
    }

    /// How many bytes of payload follow this head.
    pub(super) fn payload_length(&self, head: &[u8; HEAD]) -> Result<usize, SnapshotError> {
        let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
        match length <= CHUNK_LIMIT {
            true => Ok(length),
            false => Err(SnapshotError::Chunk { chunk: self.chunks, offset: self.bytes }),
        }
    }

    /// Takes the next chunk, if it is what was written.
    pub(in crate::consensus) fn check<'a>(&mut self, chunk: &'a [u8]) -> Result<Chunk<'a>, SnapshotError> {
        let damaged = SnapshotError::Chunk { chunk: self.chunks, offset: self.bytes };
        if self.ended {
            return Err(SnapshotError::Trailing { offset: self.bytes });
        }
        let Some((head, payload)) = chunk.split_first_chunk::<HEAD>() else {
            return Err(SnapshotError::CutOff { offset: self.bytes });
        };
        if self.payload_length(head)? != payload.len() {
            return Err(damaged);
        }
        let (section, checksum) = (head[0], self.checksum_of(head[0], payload));
        if checksum != head[5..] {
            return Err(damaged);
        }
        if section == END {
            let end: End = codec::decode(payload).map_err(|_| damaged)?;
            if end != self.end() {
                return Err(SnapshotError::Count { chunks: end.chunks, found: self.chunks });
            }
            self.ended = true;
        }
        self.advance(checksum, chunk.len());
        Ok(Chunk { section, payload })
    }
}
