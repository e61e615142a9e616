//! Writing frames: small ones together, large ones from where they lie.

use std::{io, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt, BufWriter},
    sync::mpsc,
    time::{Instant, timeout, timeout_at},
};

use super::framing::SLOWEST;

/// What small frames are gathered in before they are sent, bytes.
const GATHERED: usize = 16 << 10;
/// So much of a frame is sent at a time, bytes.
const PIECE: usize = 64 << 10;

/// Something that is kept until its frame has been sent.
pub(super) trait Outgoing {
    /// The frame.
    fn frame(&self) -> &Bytes;
}

impl Outgoing for Bytes {
    fn frame(&self) -> &Bytes {
        self
    }
}

/// Writes frames until the queue closes; flushes whenever it is empty, so that a burst travels in few packets. Whoever does
/// not take a piece of it within `patience`, or the whole in the time that it needs at [`SLOWEST`], is given up.
pub(super) async fn write_frames<T: Outgoing>(
    to: impl AsyncWrite + Unpin,
    mut queue: mpsc::Receiver<T>,
    patience: Duration,
) -> io::Result<()> {
    let mut to = BufWriter::with_capacity(GATHERED, to);
    while let Some(first) = queue.recv().await {
        let mut next = Some(first);
        while let Some(outgoing) = next {
            let frame = outgoing.frame();
            // Every limit of frames is below 4 GiB.
            let head = (frame.len() as u32).to_be_bytes();
            timeout(patience, to.write_all(&head)).await??;
            let whole = Instant::now() + patience + Duration::from_secs_f64(frame.len() as f64 / SLOWEST);
            for piece in frame.chunks(PIECE) {
                timeout_at(whole.min(Instant::now() + patience), to.write_all(piece)).await??;
            }
            next = queue.try_recv().ok();
        }
        timeout(patience, to.flush()).await??;
    }
    timeout(patience, to.shutdown()).await?
}
