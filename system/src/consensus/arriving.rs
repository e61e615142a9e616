//! A snapshot that arrives from a leader in pieces: each is a chunk, the first one behind the header. They go straight to disk,
//! and the next one is asked for when that is done.

use super::{
    Consensus,
    message::{PeerAnswer, SnapshotPiece},
    snapshot::{HEADER, Received, Receiving, SnapshotData, SnapshotError, SnapshotStore},
    types::Snapshot,
};
use crate::alarm::Alarm;

pub(super) struct ArrivingSnapshot {
    transfer: u64,
    receiving: Receiving,
}

/// Why a piece is refused.
#[derive(Debug, thiserror::Error)]
enum PieceError {
    #[error("snapshot transfer {0} is not under way")]
    NotUnderWay(u64),
    #[error("snapshot piece at byte {offset}, expected byte {expected}")]
    OutOfOrder { offset: u64, expected: u64 },
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

/// What there is after a piece.
enum Arrived {
    Part(Box<ArrivingSnapshot>),
    Whole(Box<Received>),
}

impl Consensus {
    pub(super) async fn take_snapshot_piece(&self, piece: SnapshotPiece) -> PeerAnswer {
        let vote = piece.vote;
        let arriving = self.arriving.lock().take();
        let snapshots = self.machine.snapshots().clone();
        // Checking, decoding and writing take a while: not where heartbeats are answered.
        let taking = tokio::task::spawn_blocking(move || take(&snapshots, arriving, &piece));
        let arrived = match taking.await {
            Ok(Ok(arrived)) => arrived,
            // Something is wrong with the snapshot, or with this disk.
            Ok(Err(PieceError::Snapshot(error))) => {
                let said = format!("a snapshot from the leader was not taken: {error}. It is sent again");
                self.alarms.raise(Alarm::Snapshot, said);
                return PeerAnswer::Failed(error.to_string());
            }
            Ok(Err(error)) => return PeerAnswer::Failed(error.to_string()),
            Err(panic) => return PeerAnswer::Failed(panic.to_string()),
        };
        let received = match arrived {
            Arrived::Part(part) => {
                *self.arriving.lock() = Some(part);
                return PeerAnswer::MoreSnapshot;
            }
            Arrived::Whole(received) => received,
        };
        let whole = Snapshot { meta: received.meta(), snapshot: SnapshotData::Received(received) };
        match self.raft.install_full_snapshot(vote, whole).await {
            Ok(answer) => {
                self.alarms.clear(Alarm::Snapshot);
                PeerAnswer::Snapshot(answer)
            }
            Err(error) => PeerAnswer::Failed(error.to_string()),
        }
    }
}

/// Adds a piece to what has arrived. What had arrived is gone when that fails.
fn take(
    snapshots: &SnapshotStore,
    arriving: Option<Box<ArrivingSnapshot>>,
    piece: &SnapshotPiece,
) -> Result<Arrived, PieceError> {
    let SnapshotPiece { transfer, offset, last, .. } = *piece;
    let mut bytes = &piece.bytes[..];
    let mut snapshot = match arriving {
        _ if offset == 0 => {
            // One that was under way is given up first, and its file with it.
            drop(arriving);
            let (header, rest) = bytes.split_at(bytes.len().min(HEADER));
            bytes = rest;
            Box::new(ArrivingSnapshot { transfer, receiving: Receiving::begin(snapshots, header)? })
        }
        Some(snapshot) if snapshot.transfer == transfer => snapshot,
        _ => return Err(PieceError::NotUnderWay(transfer)),
    };
    let expected = if offset == 0 { 0 } else { snapshot.receiving.bytes() };
    if offset != expected {
        return Err(PieceError::OutOfOrder { offset, expected });
    }
    snapshot.receiving.take(bytes)?;
    match last {
        true => Ok(Arrived::Whole(Box::new(snapshot.receiving.finish()?))),
        false => Ok(Arrived::Part(snapshot)),
    }
}
