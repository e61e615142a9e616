//! Taking in a snapshot that comes from elsewhere: it goes to disk chunk by chunk, as it comes.

use std::thread;

use super::{Chain, Chunks, Image, Restoring, SnapshotError, SnapshotStore, Stored, header};
use crate::consensus::{disk::NewSnapshot, types::SnapshotMeta};

/// A snapshot of which some chunks have come. Dropped, it leaves nothing behind.
pub(in crate::consensus) struct Receiving {
    file: Box<dyn NewSnapshot>,
    chain: Chain,
    restoring: Restoring,
}

/// A snapshot that has come as a whole. Raft may find that it does not need it, and drops it where nobody else is served
/// meanwhile: letting go of a large directory takes its time, so that is done elsewhere.
pub struct Received {
    meta: SnapshotMeta,
    /// The state that it holds, and its bytes, which are on disk already, and do not yet count.
    held: Option<(Image, Box<dyn NewSnapshot>)>,
}

impl Received {
    pub(super) fn new(image: Image, file: Box<dyn NewSnapshot>) -> Self {
        Self { meta: image.meta(), held: Some((image, file)) }
    }

    /// What it covers.
    pub(in crate::consensus) fn meta(&self) -> SnapshotMeta {
        self.meta.clone()
    }

    /// Takes out the state and the bytes. Once: then there is nothing left.
    pub(in crate::consensus) fn take(&mut self) -> Option<(Image, Box<dyn NewSnapshot>)> {
        self.held.take()
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            // Where there is no thread to be had, it is dropped here.
            let _ = thread::Builder::new().name("veil-drop".to_owned()).spawn(move || drop(held));
        }
    }
}

impl Receiving {
    /// Begins with the header.
    ///
    /// # Errors
    /// When it is none, or the disk refuses.
    pub(in crate::consensus) fn begin(store: &SnapshotStore, header: &[u8]) -> Result<Self, SnapshotError> {
        let (chain, mut file) = (Chain::after(header)?, store.begin()?);
        file.append(header)?;
        Ok(Self { file, chain, restoring: Restoring::default() })
    }

    /// Takes in the next chunk.
    ///
    /// # Errors
    /// When it is not what was written, or the disk refuses.
    pub(in crate::consensus) fn take(&mut self, chunk: &[u8]) -> Result<(), SnapshotError> {
        let checked = self.chain.check(chunk)?;
        self.file.append(chunk)?;
        self.restoring.take(checked)
    }

    /// How many bytes have come.
    pub(in crate::consensus) fn bytes(&self) -> u64 {
        self.chain.bytes()
    }

    /// Has it survive a power cut, once all has come.
    ///
    /// # Errors
    /// When something is missing, or the disk refuses.
    pub(in crate::consensus) fn finish(mut self) -> Result<Received, SnapshotError> {
        if !self.chain.has_ended() {
            return Err(SnapshotError::CutOff { offset: self.bytes() });
        }
        self.file.sync()?;
        Ok(Received::new(self.restoring.finish()?, self.file))
    }
}

impl SnapshotStore {
    /// A copy of a snapshot on another disk.
    ///
    /// # Errors
    /// When it is not what was written, or a disk refuses.
    pub(in crate::consensus) fn copy(&self, stored: Stored) -> Result<Received, SnapshotError> {
        let (mut chunks, mut bytes) = (Chunks::of(stored.file)?, Vec::new());
        let mut receiving = Receiving::begin(self, &header())?;
        while chunks.next(&mut bytes)?.is_some() {
            receiving.take(&bytes)?;
        }
        receiving.finish()
    }
}
