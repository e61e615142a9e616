//! Reading a snapshot, chunk by chunk.

use std::sync::Arc;

use super::{
    Image, SnapshotError,
    format::{Chain, Chunk, END, HEAD, HEADER, META},
};
use crate::{
    consensus::{
        disk::SnapshotFile,
        types::{LogId, StoredMembership},
    },
    directory::Import,
    wire::codec,
};

/// The chunks of a snapshot on disk, each of which is checked.
pub(in crate::consensus) struct Chunks {
    file: Arc<dyn SnapshotFile>,
    length: u64,
    chain: Chain,
}

impl Chunks {
    /// Begins to read.
    ///
    /// # Errors
    /// When it is no snapshot of this version, or the disk refuses.
    pub(in crate::consensus) fn of(file: Arc<dyn SnapshotFile>) -> Result<Self, SnapshotError> {
        let length = file.length()?;
        let mut header = vec![0; length.min(HEADER as u64) as usize];
        file.read_at(&mut header, 0)?;
        Ok(Self { file, length, chain: Chain::after(&header)? })
    }

    /// Where the next chunk begins.
    pub(in crate::consensus) fn offset(&self) -> u64 {
        self.chain.bytes()
    }

    /// Whether the chunk read last is the last one.
    pub(in crate::consensus) fn is_last(&self) -> bool {
        self.chain.has_ended()
    }

    /// Reads the next chunk, with its head, in the place of what `bytes` held. There is none after the last.
    ///
    /// # Errors
    /// When it is not what was written, or the disk refuses.
    pub(in crate::consensus) fn next<'a>(
        &mut self,
        bytes: &'a mut Vec<u8>,
    ) -> Result<Option<Chunk<'a>>, SnapshotError> {
        let offset = self.chain.bytes();
        let left = self.length.saturating_sub(offset);
        if self.chain.has_ended() {
            return if left == 0 { Ok(None) } else { Err(SnapshotError::Trailing { offset }) };
        }
        let mut head = [0; HEAD];
        if left < HEAD as u64 {
            return Err(SnapshotError::CutOff { offset });
        }
        self.file.read_at(&mut head, offset)?;
        let payload = self.chain.payload_length(&head)?;
        if left - (HEAD as u64) < payload as u64 {
            return Err(SnapshotError::CutOff { offset });
        }
        bytes.clear();
        bytes.extend(head);
        bytes.resize(HEAD + payload, 0);
        self.file.read_at(&mut bytes[HEAD..], offset + HEAD as u64)?;
        self.chain.check(bytes).map(Some)
    }
}

/// A state that comes in, chunk by chunk.
#[derive(Default)]
pub(in crate::consensus) struct Restoring {
    meta: Option<(Option<LogId>, StoredMembership)>,
    directory: Import,
    chunks: u64,
}

impl Restoring {
    /// Takes in a chunk that was checked.
    ///
    /// # Errors
    /// When its content makes no sense.
    pub(in crate::consensus) fn take(&mut self, chunk: Chunk<'_>) -> Result<(), SnapshotError> {
        let Chunk { section, payload } = chunk;
        let number = self.chunks;
        self.chunks += 1;
        match section {
            META if self.meta.is_none() => self.meta = Some(codec::decode(payload)?),
            END => {}
            _ => self
                .directory
                .take(section, payload)
                .map_err(|source| SnapshotError::Content { chunk: number, source })?,
        }
        Ok(())
    }

    /// The state, when all has come.
    ///
    /// # Errors
    /// When it did not say of which entry it is.
    pub(in crate::consensus) fn finish(self) -> Result<Image, SnapshotError> {
        let (applied, membership) = self.meta.ok_or(SnapshotError::NoMeta)?;
        Ok(Image { applied, membership, directory: self.directory.finish() })
    }
}

/// Reads the state that a snapshot on disk holds.
///
/// # Errors
/// When it is not what was written, or the disk refuses.
pub(super) fn read(file: Arc<dyn SnapshotFile>) -> Result<Image, SnapshotError> {
    let (mut chunks, mut restoring) = (Chunks::of(file)?, Restoring::default());
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next(&mut bytes)? {
        restoring.take(chunk)?;
    }
    restoring.finish()
}
