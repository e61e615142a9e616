//! A snapshot that arrives from a leader in pieces.

use super::{
    Consensus,
    message::{PeerAnswer, SnapshotPiece},
    snapshot,
    types::Snapshot,
};

/// The largest snapshot accepted from a leader, bytes.
const SNAPSHOT_LIMIT: usize = crate::wire::codec::MAX_VALUE;

pub(super) struct ArrivingSnapshot {
    transfer: u64,
    bytes: Vec<u8>,
}

impl Consensus {
    pub(super) async fn take_snapshot_piece(&self, piece: SnapshotPiece) -> PeerAnswer {
        let (vote, last) = (piece.vote, piece.last);
        let bytes = match collect(&mut self.arriving.lock(), piece) {
            Ok(bytes) => bytes,
            Err(reason) => return PeerAnswer::Failed(reason),
        };
        let Some(bytes) = bytes.filter(|_| last) else {
            return PeerAnswer::MoreSnapshot;
        };
        let bytes = bytes::Bytes::from(bytes);
        let copy = bytes.clone();
        // Decoding a large directory takes a while: not where heartbeats are answered.
        let meta = match tokio::task::spawn_blocking(move || snapshot::read(&copy).map(|i| i.meta())).await {
            Ok(Ok(meta)) => meta,
            Ok(Err(error)) => return PeerAnswer::Failed(error.to_string()),
            Err(panic) => return PeerAnswer::Failed(panic.to_string()),
        };
        let whole = Snapshot { meta, snapshot: bytes };
        match self.raft.install_full_snapshot(vote, whole).await {
            Ok(answer) => PeerAnswer::Snapshot(answer),
            Err(error) => PeerAnswer::Failed(error.to_string()),
        }
    }
}

/// Adds a piece to what has arrived; hands out the whole with the last piece.
fn collect(arriving: &mut Option<ArrivingSnapshot>, piece: SnapshotPiece) -> Result<Option<Vec<u8>>, String> {
    if piece.offset == 0 {
        *arriving = Some(ArrivingSnapshot { transfer: piece.transfer, bytes: Vec::new() });
    }
    let Some(snapshot) = arriving.as_mut().filter(|snapshot| snapshot.transfer == piece.transfer) else {
        return Err(format!("snapshot transfer {} is not under way", piece.transfer));
    };
    if snapshot.bytes.len() as u64 != piece.offset {
        return Err(format!("snapshot piece at {}, expected {}", piece.offset, snapshot.bytes.len()));
    }
    if snapshot.bytes.len() + piece.bytes.len() > SNAPSHOT_LIMIT {
        *arriving = None;
        return Err(format!("snapshot larger than {SNAPSHOT_LIMIT} bytes"));
    }
    snapshot.bytes.extend_from_slice(&piece.bytes);
    if !piece.last {
        return Ok(None);
    }
    Ok(arriving.take().map(|snapshot| snapshot.bytes))
}
