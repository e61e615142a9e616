//! Moves bytes one way, as late and as slowly as the link's shape says.

use std::{io, time::Duration};

use rand::{Rng, RngExt};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::{mpsc, watch},
    time::Instant,
};

use super::{RETRANSMISSION, Shape};

/// How much is read at a time, bytes.
const PIECE: usize = 64 << 10;
/// How many pieces may be under way. Beyond that the sender has to wait, as with a full socket buffer.
const UNDER_WAY: usize = 64;

/// Moves bytes from `from` to `to` until either end closes.
pub(super) async fn pump(
    from: impl AsyncRead + Unpin,
    to: impl AsyncWrite + Unpin,
    shape: watch::Receiver<Shape>,
    rng: impl Rng,
) -> io::Result<()> {
    let (sender, receiver) = mpsc::channel(UNDER_WAY);
    let (taken, delivered) =
        tokio::join!(take(from, sender, shape.clone(), rng), deliver(to, receiver, shape));
    taken.and(delivered)
}

type Piece = (Instant, Vec<u8>);

/// Reads pieces and decides when each arrives.
async fn take(
    mut from: impl AsyncRead + Unpin,
    pieces: mpsc::Sender<Piece>,
    shape: watch::Receiver<Shape>,
    mut rng: impl Rng,
) -> io::Result<()> {
    let mut last = Instant::now();
    loop {
        let mut piece = vec![0; PIECE];
        let length = from.read(&mut piece).await?;
        if length == 0 {
            return Ok(());
        }
        piece.truncate(length);
        let now = *shape.borrow();
        let mut late = now.delay;
        if !now.jitter.is_zero() {
            late += now.jitter.mul_f64(rng.random_range(0.0..1.0));
        }
        if now.loss > 0.0 && rng.random_range(0.0..1.0) < now.loss {
            late += RETRANSMISSION;
        }
        let sending = now.rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(length as f64 / rate));
        // In order: nothing overtakes what was sent before it.
        last = (Instant::now() + late).max(last) + sending;
        if pieces.send((last, piece)).await.is_err() {
            return Ok(());
        }
    }
}

/// Hands pieces on when they are due and nothing is cut.
async fn deliver(
    mut to: impl AsyncWrite + Unpin,
    mut pieces: mpsc::Receiver<Piece>,
    mut shape: watch::Receiver<Shape>,
) -> io::Result<()> {
    while let Some((due, piece)) = pieces.recv().await {
        // A timer rounds up to a whole millisecond: an undisturbed link must not pay that.
        if due > Instant::now() {
            tokio::time::sleep_until(due).await;
        }
        // The shapes are gone only when the run is over.
        if shape.wait_for(|shape| !shape.is_cut()).await.is_err() {
            return Ok(());
        }
        to.write_all(&piece).await?;
    }
    to.shutdown().await
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// A pumped pipe: what goes in, what comes out, and its shape.
    fn pipe(shape: Shape) -> (impl AsyncWrite + Unpin, impl AsyncRead + Unpin, watch::Sender<Shape>) {
        let (near, from) = tokio::io::duplex(1 << 20);
        let (to, far) = tokio::io::duplex(1 << 20);
        let shape = watch::Sender::new(shape);
        tokio::spawn(pump(from, to, shape.subscribe(), ChaCha8Rng::seed_from_u64(1)));
        (near, far, shape)
    }

    async fn arrival(far: &mut (impl AsyncRead + Unpin), length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        far.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_arrive_as_they_were_and_as_late_as_the_link_says() {
        let delay = Duration::from_millis(40);
        let (mut near, mut far, _shape) = pipe(Shape { delay, ..Shape::default() });
        let sent = Instant::now();
        near.write_all(b"hello").await.unwrap();
        assert_eq!(arrival(&mut far, 5).await, b"hello");
        assert_eq!(sent.elapsed(), delay);
    }

    #[tokio::test(start_paused = true)]
    async fn jitter_never_reorders_and_a_rate_is_kept() {
        let shape =
            Shape { jitter: Duration::from_millis(50), rate: Some(1_000.0), loss: 0.2, ..Shape::default() };
        let (mut near, mut far, _shape) = pipe(shape);
        let sent = Instant::now();
        let text: Vec<u8> = (0..200).collect();
        for byte in &text {
            near.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(arrival(&mut far, 200).await, text);
        assert!(sent.elapsed() >= Duration::from_millis(200), "{:?}", sent.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_cut_is_silent_and_what_was_sent_arrives_when_it_heals() {
        let (mut near, mut far, shape) = pipe(Shape::default());
        shape.send_modify(|shape| shape.cuts += 1);
        near.write_all(b"x").await.unwrap();
        let waited = tokio::time::timeout(Duration::from_secs(60), arrival(&mut far, 1)).await;
        assert!(waited.is_err(), "a byte crossed the cut");
        shape.send_modify(|shape| shape.cuts -= 1);
        assert_eq!(arrival(&mut far, 1).await, b"x");
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_end_closes_the_other() {
        let (near, mut far, _shape) = pipe(Shape::default());
        drop(near);
        assert_eq!(far.read(&mut [0; 1]).await.unwrap(), 0);
    }
}
