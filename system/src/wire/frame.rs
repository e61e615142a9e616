//! What frames hold, and the first one in each direction.

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio_util::codec::Framed;

use super::{
    codec::{self, CodecError},
    foreign::{self, Malformed},
    framing::FrameCodec,
    transport::BoxedStream,
};

/// The version of everything that follows the first frame.
pub const PROTOCOL_VERSION: u16 = 8;

/// The largest frame that a client sends, bytes: an original, and some.
pub const CLIENT_REQUEST_LIMIT: usize = 17 << 20;
/// The largest frame that a client is sent, bytes: a sealed image, which is several times as large as its original.
pub const CLIENT_ANSWER_LIMIT: usize = 80 << 20;
/// The largest frame between nodes, bytes: a batch of log entries or a piece of a snapshot.
pub const PEER_FRAME_LIMIT: usize = 16 << 20;
/// The largest first frame, bytes.
const HELLO_LIMIT: usize = 64;

const MAGIC: [u8; 4] = *b"VEIL";

/// The first frame in each direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    magic: [u8; 4],
    version: u16,
    /// What the connection is for.
    pub link: Link,
}

/// What a connection is for; each kind has listening addresses and limits of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Link {
    /// A user's program talks to a node.
    Client,
    /// A node talks to a node.
    Peer,
}

impl Link {
    /// The largest frame of whoever has opened such a connection, bytes.
    pub fn request_limit(self) -> usize {
        match self {
            Self::Client => CLIENT_REQUEST_LIMIT,
            Self::Peer => PEER_FRAME_LIMIT,
        }
    }

    /// The largest frame of whoever answers, bytes.
    pub fn answer_limit(self) -> usize {
        match self {
            Self::Client => CLIENT_ANSWER_LIMIT,
            Self::Peer => PEER_FRAME_LIMIT,
        }
    }
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The stream cannot be opened.
    #[error(transparent)]
    Dial(std::io::Error),
    /// The stream broke, or a frame was longer than the limit.
    #[error("connection broken: {0}")]
    Io(#[from] std::io::Error),
    /// A frame cannot be written.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A frame does not hold what it should.
    #[error("malformed frame: {0}")]
    Malformed(#[from] Malformed),
    /// The other side closed the connection.
    #[error("connection closed by the other side")]
    Closed,
    /// The first frame is none of ours.
    #[error("the other side does not speak Veil's protocol")]
    NotVeil,
    /// The other side is newer or older.
    #[error("the other side speaks protocol version {theirs}, this program speaks {PROTOCOL_VERSION}")]
    Version {
        /// Its version.
        theirs: u16,
    },
    /// A client called the nodes' port, or the other way round.
    #[error("this side speaks as {ours:?}, the other side as {theirs:?}: is the address the right one?")]
    Link {
        /// What is spoken here.
        ours: Link,
        /// What the other side wants.
        theirs: Link,
    },
    /// Too many were open, and this one had to go.
    #[error("given up for newer connections: too many were open")]
    GivenUp,
    /// A large frame takes too long to arrive.
    #[error("a frame has not arrived in time")]
    Slow,
    /// What was begun elsewhere has ended there.
    #[error("its runtime has ended")]
    Ended,
    /// As many connections are open as may be.
    #[error("too many connections are open")]
    Crowded,
    /// The other side did not say hello in time.
    #[error("no hello within {0:?}")]
    Silent(std::time::Duration),
}

/// A stream cut into frames.
pub type FrameStream = Framed<BoxedStream, FrameCodec>;

/// Exchanges hellos and raises the frame limit to that of the link's answers. Both sides call this.
///
/// # Errors
/// When the stream breaks or the other side is not a Veil of this version and link.
pub async fn handshake(stream: BoxedStream, link: Link) -> Result<FrameStream, WireError> {
    use futures_util::{SinkExt, StreamExt};
    let mut frames = Framed::new(stream, FrameCodec::up_to(HELLO_LIMIT));
    let hello = Hello { magic: MAGIC, version: PROTOCOL_VERSION, link };
    frames.send(to_frame(&hello)?).await?;
    let answer = frames.next().await.ok_or(WireError::Closed)?.map_err(|_| WireError::NotVeil)?;
    let theirs: Hello = from_frame(&answer).map_err(|_| WireError::NotVeil)?;
    if theirs.magic != MAGIC {
        return Err(WireError::NotVeil);
    }
    if theirs.version != PROTOCOL_VERSION {
        return Err(WireError::Version { theirs: theirs.version });
    }
    if theirs.link != link {
        return Err(WireError::Link { ours: link, theirs: theirs.link });
    }
    frames.codec_mut().set_limit(link.answer_limit());
    Ok(frames)
}

/// One request or answer, with the id that joins them.
#[derive(Debug, Serialize, Deserialize)]
pub struct Envelope<T> {
    /// Numbers the requests of one connection.
    pub id: u64,
    /// The request or answer.
    pub body: T,
}

/// Encodes a value as the content of a frame.
///
/// # Errors
/// When it is too large to be encoded at all.
pub fn to_frame<T: Serialize>(value: &T) -> Result<Bytes, CodecError> {
    codec::encode(value).map(Bytes::from)
}

/// Decodes the content of a frame.
///
/// # Errors
/// When the bytes are not exactly one such value, or would take much more memory than they are.
pub fn from_frame<T: DeserializeOwned>(frame: &[u8]) -> Result<T, Malformed> {
    foreign::decode(frame)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn golden_bytes_of_the_first_frame() {
        let hello = Hello { magic: MAGIC, version: PROTOCOL_VERSION, link: Link::Peer };
        assert_eq!(to_frame(&hello).unwrap(), &b"VEIL\x08\x01"[..]);
    }

    #[tokio::test]
    async fn both_sides_agree_on_link_and_version() {
        let (near, far) = tokio::io::duplex(256);
        let both =
            tokio::join!(handshake(Box::new(near), Link::Client), handshake(Box::new(far), Link::Client));
        assert!(both.0.is_ok() && both.1.is_ok());

        let (near, far) = tokio::io::duplex(256);
        let both =
            tokio::join!(handshake(Box::new(near), Link::Client), handshake(Box::new(far), Link::Peer));
        assert!(matches!(both.1, Err(WireError::Link { ours: Link::Peer, theirs: Link::Client })));
    }

    #[tokio::test]
    async fn a_stranger_and_a_length_of_two_gigabytes_are_refused_before_anything_is_allocated() {
        for opening in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0x7f, 0xff, 0xff, 0xff, 0][..]] {
            let (mut near, far) = tokio::io::duplex(256);
            near.write_all(opening).await.unwrap();
            let refused = handshake(Box::new(far), Link::Client).await;
            assert!(matches!(refused, Err(WireError::NotVeil)), "{:?}", refused.err());
        }
    }

    #[tokio::test]
    async fn a_newer_version_is_named() {
        let (mut near, far) = tokio::io::duplex(256);
        near.write_all(b"\x00\x00\x00\x06VEIL\x09\x00").await.unwrap();
        let refused = handshake(Box::new(far), Link::Client).await;
        assert!(matches!(refused, Err(WireError::Version { theirs: 9 })), "{:?}", refused.err());
        let mut ours = [0; 10];
        near.read_exact(&mut ours).await.unwrap();
        assert_eq!(&ours, b"\x00\x00\x00\x06VEIL\x08\x00");
    }
}
