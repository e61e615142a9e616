//! Writing a snapshot, chunk by chunk.

use serde::Serialize;

use super::{
    Image, SnapshotError,
    format::{CHUNK, CHUNK_LIMIT, Chain, END, HEAD, META, header},
};
use crate::{consensus::disk::NewSnapshot, directory::Export, wire::codec};

/// Writes all of `image`. It is not committed yet.
///
/// # Errors
/// When the disk refuses.
pub(super) fn write(image: &Image, to: &mut dyn NewSnapshot) -> Result<(), SnapshotError> {
    let mut writer = Writer::begin(to)?;
    writer.record(META, &(image.applied, &image.membership))?;
    image.directory.export(&mut writer)?;
    writer.flush()?;
    let end = writer.chain.end();
    writer.record(END, &end)?;
    writer.flush()
}

pub(super) struct Writer<'a> {
    to: &'a mut dyn NewSnapshot,
    chain: Chain,
    section: u8,
    /// Room for the head of a chunk, and the records that go into it.
    chunk: Vec<u8>,
}

impl<'a> Writer<'a> {
    pub(super) fn begin(to: &'a mut dyn NewSnapshot) -> Result<Self, SnapshotError> {
        to.append(&header())?;
        Ok(Self { to, chain: Chain::begin(), section: META, chunk: vec![0; HEAD] })
    }

    fn flush(&mut self) -> Result<(), SnapshotError> {
        if self.chunk.len() > HEAD {
            self.chain.seal(self.section, &mut self.chunk);
            self.to.append(&self.chunk)?;
            self.chunk.truncate(HEAD);
        }
        Ok(())
    }
}

impl Export for Writer<'_> {
    type Error = SnapshotError;

    fn record<T: Serialize>(&mut self, section: u8, record: &T) -> Result<(), SnapshotError> {
        if section != self.section {
            self.flush()?;
            self.section = section;
        }
        let before = self.chunk.len();
        codec::encode_into(record, &mut self.chunk)?;
        if self.chunk.len() > HEAD + CHUNK && before > HEAD {
            let record = self.chunk.split_off(before);
            self.flush()?;
            self.chunk.extend(record);
        }
        // What could not be read again must not be written.
        let size = self.chunk.len() - HEAD;
        if size > CHUNK_LIMIT {
            return Err(SnapshotError::Record { section, size });
        }
        Ok(())
    }
}
