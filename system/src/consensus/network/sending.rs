//! Sending a snapshot: a chunk at a time, read from disk and checked before it goes, and the next one once the follower has
//! taken it.

use std::sync::atomic::{AtomicU64, Ordering};

use openraft::{
    errors::{StreamingError, Unreachable},
    raft::SnapshotResponse,
};

use super::{PIECE_PATIENCE, PeerLink, RpcError, unexpected};
use crate::{
    alarm::Alarm,
    consensus::{
        message::{PeerAnswer, RaftMessage, SnapshotPiece},
        snapshot::{Chunks, SnapshotError, Stored, header},
        types::{TypeConfig, Vote},
    },
};

/// A snapshot on its way out.
struct Outgoing {
    chunks: Chunks,
    /// Whether the header has gone.
    begun: bool,
}

/// One chunk, the first with the header before it.
struct Piece {
    offset: u64,
    bytes: Vec<u8>,
    last: bool,
}

impl Outgoing {
    fn piece(&mut self) -> Result<Piece, SnapshotError> {
        let offset = if self.begun { self.chunks.offset() } else { 0 };
        let mut chunk = Vec::new();
        self.chunks.next(&mut chunk)?;
        if !self.begun {
            self.begun = true;
            chunk.splice(..0, header());
        }
        let last = self.chunks.is_last();
        // Nothing may follow the last one.
        if last {
            self.chunks.next(&mut Vec::new())?;
        }
        Ok(Piece { offset, bytes: chunk, last })
    }
}

impl PeerLink {
    pub(super) async fn send_snapshot(
        &mut self,
        vote: Vote,
        stored: Stored,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        static TRANSFERS: AtomicU64 = AtomicU64::new(0);
        let transfer = TRANSFERS.fetch_add(1, Ordering::Relaxed);
        let file = stored.file.clone();
        let mut outgoing = read(move || Ok(Outgoing { chunks: Chunks::of(file)?, begun: false })).await;
        loop {
            let next = match outgoing {
                Ok(mut outgoing) => read(move || outgoing.piece().map(|piece| (outgoing, piece))).await,
                Err(error) => Err(error),
            };
            let (kept, Piece { offset, bytes, last }) = match next {
                Ok(next) => next,
                Err(error) => {
                    self.snapshots.report_damage(&stored);
                    let said = format!("the snapshot on disk cannot be read: {error}. Another one is made");
                    self.alarms.raise(Alarm::Snapshot, said);
                    return Err(RpcError::from(Unreachable::from_string(error)).into());
                }
            };
            outgoing = Ok(kept);
            let piece = SnapshotPiece { vote, transfer, offset, bytes: bytes.into(), last };
            match self.rpc(RaftMessage::Snapshot(piece), PIECE_PATIENCE).await? {
                PeerAnswer::MoreSnapshot if !last => {}
                PeerAnswer::Snapshot(answer) => return Ok(answer),
                answer => return Err(unexpected(&answer).into()),
            }
        }
    }
}

/// Reads from disk, not where heartbeats are sent.
async fn read<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, SnapshotError> + Send + 'static,
) -> Result<T, SnapshotError> {
    match tokio::task::spawn_blocking(read).await {
        Ok(read) => read,
        Err(panic) => Err(std::io::Error::other(panic).into()),
    }
}
