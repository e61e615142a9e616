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

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncReadExt, time::sleep};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// Writes a frame of a hundred pieces to somebody who takes one so often. Says whether they got it, and how long they
    /// were waited for.
    async fn write_to(takes_one_in: Duration) -> (bool, Duration) {
        let (near, mut far) = tokio::io::duplex(PIECE);
        let (sender, queue) = mpsc::channel(1);
        sender.send(Bytes::from(vec![7; 100 * PIECE])).await.unwrap();
        drop(sender);
        let began = Instant::now();
        let writing = async { (write_frames(near, queue, PATIENCE).await.is_ok(), began.elapsed()) };
        let reading = async {
            let mut piece = vec![0; PIECE];
            loop {
                sleep(takes_one_in).await;
                if far.read(&mut piece).await.unwrap() == 0 {
                    return;
                }
            }
        };
        tokio::join!(writing, reading).0
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_takes_nothing_or_too_little_is_given_up() {
        let needed = Duration::from_secs_f64(100.0 * PIECE as f64 / SLOWEST);
        let (written, took) = write_to(needed / 200).await;
        assert!(written, "given up after {took:?}");
        let second = Duration::from_secs(1);
        for takes_one_in in [Duration::from_secs(9), Duration::from_secs(3_600)] {
            let (written, took) = write_to(takes_one_in).await;
            assert!(!written, "it was waited for");
            let patience = if takes_one_in < PATIENCE { PATIENCE + needed } else { PATIENCE };
            assert!(took <= patience + second, "{took:?}");
        }
    }
}
