//! Frames that strangers send: a large one is announced, with its beginning, before anything more of it is read.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::time::Instant;
use tokio_util::codec::Decoder;

use super::framing::{FrameCodec, HEAD, patience};

/// A frame of up to so many bytes is read without much ado.
pub(super) const UNASKED: usize = 4 << 10;
/// So much of a larger one is shown when it is announced: who asks, and for what.
pub(super) const BEGINNING: usize = 64;

/// What has arrived.
#[derive(Debug)]
pub(super) enum Arrived {
    /// A frame.
    Whole(BytesMut),
    /// The beginning of a large one. It is read, or skipped, as is said next.
    Announced {
        /// How long it is.
        length: usize,
        /// Its first bytes.
        beginning: Bytes,
    },
}

/// Cuts what strangers send into frames.
#[derive(Debug)]
pub(super) struct Intake {
    frames: FrameCodec,
    /// Frames beyond are announced.
    unasked: usize,
    at: At,
}

#[derive(Debug)]
enum At {
    /// The end of a frame, or within a small one.
    Between,
    /// Within a large one that may be read. So it is, too, before anything is said.
    Large { length: usize },
    /// Within one that is not wanted.
    Unwanted { length: usize, left: usize },
}

impl Intake {
    /// Beyond `unasked` bytes, what `frames` cuts is announced first.
    pub(super) fn new(frames: FrameCodec, unasked: usize) -> Self {
        Self { frames, unasked, at: At::Between }
    }

    /// The frame that was announced may come. Its time begins now.
    pub(super) fn read(&mut self) {
        self.frames.begin(Instant::now());
    }

    /// The frame of `length` bytes that was announced is not kept.
    pub(super) fn skip(&mut self, length: usize) {
        self.at = At::Unwanted { length, left: HEAD + length };
        self.frames.begin(Instant::now());
    }

    /// When the large frame that is arriving has to have arrived.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.at {
            At::Between => None,
            At::Large { length } | At::Unwanted { length, .. } => {
                self.frames.began().map(|began| began + patience(length))
            }
        }
    }
}

impl Decoder for Intake {
    type Item = Arrived;
    type Error = io::Error;

    fn decode(&mut self, arrived: &mut BytesMut) -> io::Result<Option<Arrived>> {
        if let At::Unwanted { left, .. } = &mut self.at {
            let skipped = arrived.len().min(*left);
            arrived.advance(skipped);
            *left -= skipped;
            if *left > 0 {
                return Ok(None);
            }
            self.frames.end();
            self.at = At::Between;
        }
        if matches!(self.at, At::Between)
            && let Some(length) = self.frames.length(arrived)?
            && length > self.unasked
            && let Some(beginning) = arrived.get(HEAD..HEAD + length.min(BEGINNING))
        {
            self.at = At::Large { length };
            return Ok(Some(Arrived::Announced { length, beginning: Bytes::copy_from_slice(beginning) }));
        }
        let frame = self.frames.decode(arrived)?;
        if frame.is_some() {
            self.at = At::Between;
        }
        Ok(frame.map(Arrived::Whole))
    }
}

#[cfg(test)]
mod tests {
    use bytes::BufMut;

    use super::*;

    fn intake() -> Intake {
        Intake::new(FrameCodec::up_to(1_000_000), 100)
    }

    fn frame(length: usize) -> Vec<u8> {
        let mut bytes = (length as u32).to_be_bytes().to_vec();
        bytes.extend((0..length).map(|at| at as u8));
        bytes
    }

    #[test]
    fn a_large_frame_is_announced_once_and_comes_when_it_may() {
        let (mut intake, mut arrived) = (intake(), BytesMut::new());
        let mut seen = Vec::new();
        for byte in [frame(50), frame(200), frame(0)].concat() {
            arrived.put_u8(byte);
            while let Some(next) = intake.decode(&mut arrived).unwrap() {
                if let Arrived::Announced { length, ref beginning } = next {
                    assert_eq!((length, &beginning[..]), (200, &frame(64)[HEAD..]));
                    intake.read();
                    assert!(intake.deadline().is_some());
                }
                seen.push(match next {
                    Arrived::Whole(frame) => frame.len(),
                    Arrived::Announced { .. } => 1_000,
                });
            }
        }
        assert_eq!(seen, [50, 1_000, 200, 0]);
        assert!(intake.deadline().is_none());
    }

    #[test]
    fn what_is_not_wanted_takes_no_room_and_what_follows_is_read() {
        let (mut intake, mut arrived) = (intake(), BytesMut::new());
        let mut seen = Vec::new();
        for piece in [frame(900_000), frame(7)].concat().chunks(4_000) {
            arrived.extend_from_slice(piece);
            while let Some(next) = intake.decode(&mut arrived).unwrap() {
                match next {
                    Arrived::Announced { length, .. } => intake.skip(length),
                    Arrived::Whole(frame) => seen.push(frame.len()),
                }
            }
            assert!(arrived.len() < 5_000 && arrived.capacity() < 200_000, "{} bytes", arrived.capacity());
        }
        assert_eq!(seen, [7]);
    }

    #[test]
    fn what_is_too_long_for_anybody_is_not_even_announced() {
        let mut arrived = BytesMut::from(&frame(2_000_000)[..100]);
        assert!(intake().decode(&mut arrived).is_err());
    }
}
