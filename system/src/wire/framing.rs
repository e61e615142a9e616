//! Where one frame ends and the next begins: a 4-byte big-endian length, then that many bytes.
//!
//! The length is checked against the connection's limit first, and even then believed only as far as bytes have come:
//! memory grows with what has arrived. A frame that takes too long to arrive ends the connection.

use std::{io, time::Duration};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::time::Instant;
use tokio_util::codec::{Decoder, Encoder};

/// The length field, in bytes.
pub(super) const HEAD: usize = 4;
/// The most room made for bytes that have not come.
const AHEAD: usize = 64 << 10;
/// A frame whose bytes take longer to arrive ends the connection, beside the time they need at [`SLOWEST`].
const PATIENCE: Duration = Duration::from_secs(10);
/// The slowest other side that is waited for, bytes a second.
pub(super) const SLOWEST: f64 = 1e5;

/// Cuts a stream into frames of a limited length.
#[derive(Debug)]
pub struct FrameCodec {
    limit: usize,
    /// When the frame that is arriving began to.
    since: Option<Instant>,
}

impl FrameCodec {
    /// Frames of up to `limit` bytes.
    pub fn up_to(limit: usize) -> Self {
        Self { limit, since: None }
    }

    /// From now on frames may have so many bytes.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// The length of the frame that `arrived` begins with, if that much is there.
    pub(super) fn length(&self, arrived: &BytesMut) -> io::Result<Option<usize>> {
        let Some(head) = arrived.first_chunk::<HEAD>() else { return Ok(None) };
        let length = u32::from_be_bytes(*head) as usize;
        if length > self.limit { Err(too_long(length, self.limit)) } else { Ok(Some(length)) }
    }

    /// A frame arrives from now on: so long has it time.
    pub(super) fn begin(&mut self, now: Instant) {
        self.since = Some(now);
    }

    /// Nothing arrives at the moment.
    pub(super) fn end(&mut self) {
        self.since = None;
    }

    /// When the frame that arrives began to.
    pub(super) fn began(&self) -> Option<Instant> {
        self.since
    }
}

/// How long a frame of this length may take.
pub(super) fn patience(length: usize) -> Duration {
    PATIENCE + Duration::from_secs_f64(length as f64 / SLOWEST)
}

fn too_long(length: usize, limit: usize) -> io::Error {
    let reason = format!("a frame of {length} bytes, the limit is {limit}");
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

impl Decoder for FrameCodec {
    type Item = BytesMut;
    type Error = io::Error;

    fn decode(&mut self, arrived: &mut BytesMut) -> io::Result<Option<BytesMut>> {
        if arrived.is_empty() {
            return Ok(None);
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        let Some(length) = self.length(arrived)? else {
            return slow(since, HEAD).map(|()| None);
        };
        let missing = (HEAD + length).saturating_sub(arrived.len());
        if missing > 0 {
            arrived.reserve(missing.min(AHEAD));
            return slow(since, length).map(|()| None);
        }
        self.since = None;
        arrived.advance(HEAD);
        Ok(Some(arrived.split_to(length)))
    }
}

/// Whether a frame of this length may still be on its way.
fn slow(since: Instant, length: usize) -> io::Result<()> {
    let (waited, patience) = (since.elapsed(), patience(length));
    if waited <= patience {
        return Ok(());
    }
    let reason = format!("a frame of {length} bytes has not arrived within {patience:.0?}");
    Err(io::Error::new(io::ErrorKind::TimedOut, reason))
}

impl Encoder<Bytes> for FrameCodec {
    type Error = io::Error;

    fn encode(&mut self, frame: Bytes, out: &mut BytesMut) -> io::Result<()> {
        if frame.len() > self.limit {
            return Err(too_long(frame.len(), self.limit));
        }
        out.reserve(HEAD + frame.len());
        // The limit is below 4 GiB.
        out.put_u32(frame.len() as u32);
        out.extend_from_slice(&frame);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_a_length_and_its_bytes() {
        let (mut codec, mut wire) = (FrameCodec::up_to(8), BytesMut::new());
        codec.encode(Bytes::from_static(b"abc"), &mut wire).unwrap();
        codec.encode(Bytes::new(), &mut wire).unwrap();
        assert_eq!(&wire[..], b"\x00\x00\x00\x03abc\x00\x00\x00\x00");
        let mut arrived = BytesMut::new();
        let mut frames = Vec::new();
        for byte in wire {
            arrived.put_u8(byte);
            frames.extend(codec.decode(&mut arrived).unwrap());
        }
        assert_eq!(frames, [&b"abc"[..], b""]);
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_both_ways() {
        let mut codec = FrameCodec::up_to(8);
        let mut arrived = BytesMut::from(&b"\x00\x00\x00\x09"[..]);
        let refused = codec.decode(&mut arrived).unwrap_err().to_string();
        assert_eq!(refused, "a frame of 9 bytes, the limit is 8");
        assert!(codec.encode(Bytes::from_static(&[0; 9]), &mut arrived).is_err());
    }

    #[test]
    fn a_length_that_was_only_announced_takes_no_room() {
        let mut codec = FrameCodec::up_to(80 << 20);
        let mut arrived = BytesMut::from(&b"\x05\x00\x00\x00"[..]);
        assert!(codec.decode(&mut arrived).unwrap().is_none());
        assert!(arrived.capacity() <= 2 * AHEAD, "{} bytes for nothing", arrived.capacity());
    }

    #[tokio::test(start_paused = true)]
    async fn a_byte_a_second_is_too_slow() {
        let mut codec = FrameCodec::up_to(1_000_000);
        let mut arrived = BytesMut::from(&b"\x00\x00\x03\xe8"[..]);
        let began = Instant::now();
        let refused = loop {
            match codec.decode(&mut arrived) {
                Ok(frame) => assert!(frame.is_none()),
                Err(refused) => break refused,
            }
            tokio::time::advance(Duration::from_secs(1)).await;
            arrived.put_u8(0);
        };
        assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() <= PATIENCE + Duration::from_secs(2), "{:?}", began.elapsed());
    }
}
