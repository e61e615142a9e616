//! Moves bytes one way, as late and as slowly as the link's shape says.

use std::{io, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use rand::{Rng, RngExt};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
    time::Instant,
};

use super::{Lane, Quality, RETRANSMISSION};

/// How much is read at a time at the most, bytes.
const PIECE: usize = 64 << 10;
/// There is always room for so much, bytes.
const ROOM: usize = 4 << 10;
/// On a slow line no piece takes longer than this, so that connections take turns, and small messages do not
/// wait for large ones.
const TURN: Duration = Duration::from_millis(10);
/// The smallest piece: what travels in one packet, bytes.
const PACKET: usize = 1460;
/// How many pieces may be under way. Beyond that the sender has to wait, as with a full socket buffer.
const UNDER_WAY: usize = 64;

/// Moves bytes from `from` to `to` until either end closes.
///
/// # Errors
/// When either end breaks, or the line breaks the connection.
pub(super) async fn pump(
    from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut lane: Lane,
    rng: impl Rng,
) -> io::Result<()> {
    let (sender, receiver) = mpsc::channel(UNDER_WAY);
    let taking = take(from, sender, lane.clone(), rng);
    let (taken, delivered) = tokio::join!(taking, deliver(&mut to, receiver, lane.clone()));
    // That an end has closed, or broken, is not heard across a cut either.
    lane.passable().await;
    // What breaks is not closed in order.
    taken.and(delivered)?;
    to.shutdown().await
}

type Piece = (Instant, Bytes);

/// Reads pieces and decides when each arrives.
async fn take(
    mut from: impl AsyncRead + Unpin,
    pieces: mpsc::Sender<Piece>,
    lane: Lane,
    mut rng: impl Rng,
) -> io::Result<()> {
    let mut last = Instant::now();
    let mut buffer = BytesMut::with_capacity(PIECE);
    loop {
        if buffer.capacity() < ROOM {
            buffer.reserve(PIECE);
        }
        let most = longest_piece(&lane.quality());
        let length = from.read_buf(&mut (&mut buffer).limit(most)).await?;
        if length == 0 {
            return Ok(());
        }
        let quality = lane.quality();
        let mut happens = |share: f64| share > 0.0 && rng.random_range(0.0..1.0) < share;
        if happens(quality.resets) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let mut late = quality.delay;
        if happens(quality.loss) {
            late += RETRANSMISSION;
        }
        if !quality.jitter.is_zero() {
            late += quality.jitter.mul_f64(rng.random_range(0.0..1.0));
        }
        // Who sends faster than the line has to wait, before anything more is taken from it.
        if let Some(rate) = quality.rate {
            tokio::time::sleep_until(lane.line.send(length, rate)).await;
        }
        // In order: nothing overtakes what was sent before it.
        last = (Instant::now() + late).max(last);
        if pieces.send((last, buffer.split().freeze())).await.is_err() {
            return Ok(());
        }
    }
}

fn longest_piece(quality: &Quality) -> usize {
    let in_turn = |rate: u64| (rate as f64 * TURN.as_secs_f64()) as usize;
    quality.rate.map_or(PIECE, |rate| in_turn(rate).clamp(PACKET, PIECE))
}

/// Hands pieces on when they are due and nothing is cut.
async fn deliver(
    to: &mut (impl AsyncWrite + Unpin),
    mut pieces: mpsc::Receiver<Piece>,
    mut lane: Lane,
) -> io::Result<()> {
    while let Some((due, piece)) = pieces.recv().await {
        // A timer rounds up to a whole millisecond: an undisturbed link must not pay that.
        if due > Instant::now() {
            tokio::time::sleep_until(due).await;
        }
        if !lane.passable().await {
            return Ok(());
        }
        to.write_all(&piece).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::link::{DirectedLink, Links, Shape};

    const LINK: DirectedLink = (1, 2);

    /// A pumped pipe: what goes in, what comes out, and its link.
    fn pipe(quality: Quality) -> (impl AsyncWrite + Unpin, impl AsyncRead + Unpin, Links) {
        let links = Links::between(&[1, 2]);
        links.change(&[LINK], &|shape| shape.worsen(quality));
        let (near, far) = pipe_along(&links);
        (near, far, links)
    }

    fn pipe_along(links: &Links) -> (impl AsyncWrite + Unpin + use<>, impl AsyncRead + Unpin + use<>) {
        let (near, from) = tokio::io::duplex(1 << 20);
        let (to, far) = tokio::io::duplex(1 << 20);
        tokio::spawn(pump(from, to, links.lane(LINK).unwrap(), ChaCha8Rng::seed_from_u64(1)));
        (near, far)
    }

    async fn arrival(far: &mut (impl AsyncRead + Unpin), length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        far.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_arrive_as_they_were_and_as_late_as_the_link_says() {
        let delay = Duration::from_millis(40);
        let (mut near, mut far, _links) = pipe(Quality { delay, ..Quality::default() });
        let sent = Instant::now();
        near.write_all(b"hello").await.unwrap();
        assert_eq!(arrival(&mut far, 5).await, b"hello");
        assert_eq!(sent.elapsed(), delay);
    }

    #[tokio::test(start_paused = true)]
    async fn jitter_never_reorders() {
        let jitter = Duration::from_millis(50);
        let (mut near, mut far, _links) = pipe(Quality { jitter, loss: 0.2, ..Quality::default() });
        let text: Vec<u8> = (0..200).collect();
        for byte in &text {
            near.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(arrival(&mut far, 200).await, text);
    }

    #[tokio::test(start_paused = true)]
    async fn connections_share_the_rate_of_their_link_and_take_turns() {
        let (mut near, mut far, links) = pipe(Quality { rate: Some(100_000), ..Quality::default() });
        let (mut short_near, mut short_far) = pipe_along(&links);
        let sent = Instant::now();
        near.write_all(&[1; 100_000]).await.unwrap();
        // The long one is on its way.
        arrival(&mut far, 1).await;
        short_near.write_all(b"short").await.unwrap();
        arrival(&mut short_far, 5).await;
        assert!(sent.elapsed() <= Duration::from_millis(100), "it waited {:?}", sent.elapsed());
        arrival(&mut far, 99_999).await;
        let took = sent.elapsed().as_secs_f64();
        assert!((0.99..1.01).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_cut_is_silent_and_what_was_sent_arrives_when_it_heals() {
        let (mut near, mut far, links) = pipe(Quality::default());
        links.change(&[LINK], &|shape| shape.cuts += 1);
        near.write_all(b"x").await.unwrap();
        let waited = tokio::time::timeout(Duration::from_secs(60), arrival(&mut far, 1)).await;
        assert!(waited.is_err(), "a byte crossed the cut");
        links.change(&[LINK], &|shape| shape.cuts -= 1);
        assert_eq!(arrival(&mut far, 1).await, b"x");
    }

    #[tokio::test]
    async fn a_line_breaks_a_connection_at_the_share_of_pieces_that_it_is_told() {
        let (mut broken, pieces) = (0, 400);
        for seed in 0..pieces {
            let shape =
                Shape { qualities: vec![Quality { resets: 0.25, ..Quality::default() }], ..Shape::default() };
            let links = Links::between(&[1, 2]);
            links.change(&[LINK], &|now| *now = shape.clone());
            let lane = links.lane(LINK).unwrap();
            let piece: &[u8] = b"x";
            let ended = pump(piece, tokio::io::sink(), lane, ChaCha8Rng::seed_from_u64(seed)).await;
            broken += u32::from(ended.is_err_and(|e| e.kind() == io::ErrorKind::ConnectionReset));
        }
        assert!((60..140).contains(&broken), "{broken} of {pieces}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_end_closes_the_other_unless_the_link_is_cut() {
        let (near, mut far, links) = pipe(Quality::default());
        links.change(&[LINK], &|shape| shape.cuts += 1);
        drop(near);
        let waited = tokio::time::timeout(Duration::from_secs(60), far.read(&mut [0; 1])).await;
        assert!(waited.is_err(), "the end crossed the cut");
        links.change(&[LINK], &|shape| shape.cuts -= 1);
        assert_eq!(far.read(&mut [0; 1]).await.unwrap(), 0);
    }
}
