//! The asking side of a connection: many requests at a time over one stream.

use std::{
    collections::HashMap,
    io::{Cursor, ErrorKind},
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::StreamExt;
use parking_lot::Mutex;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::{mpsc, oneshot},
};
use tokio_util::codec::FramedRead;

use super::{
    frame::{Envelope, Link, WireError, from_frame, handshake, to_frame},
    framing::FrameCodec,
    outflow::write_frames,
    transport::Network,
};

/// How many requests may wait to be written before callers wait too.
const WRITE_QUEUE: usize = 1024;
/// Whoever asks decides by themselves how long they wait.
const FOR_EVER: Duration = Duration::from_secs(1 << 20);

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The connection could not be opened: the request was certainly not received.
    #[error("cannot reach {address}: {source}")]
    Connect {
        /// Whom.
        address: String,
        /// Why not.
        source: WireError,
    },
    /// The request is too large or cannot be encoded: it was not sent.
    #[error("request not sent: {0}")]
    NotSent(String),
    /// The connection ended before the answer came: the request may have been carried out.
    #[error("connection to {address} lost before the answer came")]
    Lost {
        /// To whom.
        address: String,
    },
}

impl CallError {
    /// Who is there in place of the one that was to be reached, if that is known, as opposed to nobody.
    pub fn somebody_else(&self) -> Option<String> {
        let Self::Connect { source, .. } = self else { return None };
        match source {
            WireError::Link { theirs: Link::Peer, .. } => {
                Some("nodes are answered there, not clients: are the two addresses swapped?".to_owned())
            }
            WireError::Link { theirs: Link::Client, .. } => {
                Some("clients are answered there, not nodes: are the two addresses swapped?".to_owned())
            }
            WireError::NotVeil => Some("no node answers there, but some other program".to_owned()),
            WireError::Version { .. } => Some(source.to_string()),
            WireError::Dial(error) => match error.kind() {
                ErrorKind::PermissionDenied | ErrorKind::InvalidData => {
                    Some(format!("no node of this cluster answers there: {error}"))
                }
                _ => None,
            },
            _ => None,
        }
    }
}

type Waiting<A> = Arc<Mutex<Option<HashMap<u64, oneshot::Sender<A>>>>>;

/// An open connection that sends requests of type `Q` and gets answers of type `A`. Clones share it.
/// It closes when the last clone is dropped.
#[derive(Debug)]
pub struct Connection<Q, A> {
    address: Arc<str>,
    link: Link,
    next: Arc<AtomicU64>,
    outgoing: mpsc::Sender<Bytes>,
    /// `None` once the connection has ended.
    waiting: Waiting<A>,
    asks: PhantomData<fn(Q)>,
}

impl<Q, A> Clone for Connection<Q, A> {
    fn clone(&self) -> Self {
        Self {
            address: self.address.clone(),
            link: self.link,
            next: self.next.clone(),
            outgoing: self.outgoing.clone(),
            waiting: self.waiting.clone(),
            asks: PhantomData,
        }
    }
}

impl<Q, A> Connection<Q, A>
where
    Q: Serialize,
    A: DeserializeOwned + Send + 'static,
{
    /// Connects to `address` and says hello, within `patience`.
    ///
    /// # Errors
    /// [`CallError::Connect`].
    pub async fn open(
        network: &dyn Network,
        address: &str,
        link: Link,
        patience: Duration,
    ) -> Result<Self, CallError> {
        let connecting =
            async { handshake(network.dial(address).await.map_err(WireError::Dial)?, link).await };
        let opened = match tokio::time::timeout(patience, connecting).await {
            Ok(opened) => opened,
            Err(_) => Err(WireError::Silent(patience)),
        };
        let frames = opened.map_err(|source| CallError::Connect { address: address.to_owned(), source })?;
        let parts = frames.into_parts();
        let (from, to) = tokio::io::split(parts.io);
        // What has come together with the hello comes first.
        let stream = FramedRead::new(Cursor::new(parts.read_buf).chain(from), parts.codec);
        let (outgoing, queue) = mpsc::channel(WRITE_QUEUE);
        let waiting: Waiting<A> = Arc::new(Mutex::new(Some(HashMap::new())));
        // The writer ends when the last clone is dropped, and closes the stream; the other side then
        // closes too, which ends the reader. A broken stream ends the reader, which ends all calls.
        tokio::spawn(write_frames(to, queue, FOR_EVER));
        tokio::spawn(read_answers(stream, waiting.clone()));
        Ok(Self {
            address: address.into(),
            link,
            next: Arc::new(AtomicU64::new(0)),
            outgoing,
            waiting,
            asks: PhantomData,
        })
    }

    /// Sends a request and waits for its answer.
    ///
    /// Dropping the future forgets the request; it may still be carried out.
    ///
    /// # Errors
    /// [`CallError::NotSent`] and [`CallError::Lost`].
    pub async fn call(&self, request: &Q) -> Result<A, CallError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let frame =
            to_frame(&Envelope { id, body: request }).map_err(|e| CallError::NotSent(e.to_string()))?;
        let (size, limit) = (frame.len(), self.link.request_limit());
        if size > limit {
            return Err(CallError::NotSent(format!("it is {size} bytes long, the limit is {limit}")));
        }
        let (sender, answer) = oneshot::channel();
        match self.waiting.lock().as_mut() {
            Some(waiting) => waiting.insert(id, sender),
            None => return Err(self.lost()),
        };
        let _forget = Forget { waiting: &self.waiting, id };
        self.outgoing.send(frame).await.map_err(|_| self.lost())?;
        answer.await.map_err(|_| self.lost())
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.outgoing.is_closed() || self.waiting.lock().is_none()
    }

    fn lost(&self) -> CallError {
        CallError::Lost { address: self.address.to_string() }
    }
}

/// Takes an abandoned request off the list of those waited for.
struct Forget<'a, A> {
    waiting: &'a Waiting<A>,
    id: u64,
}

impl<A> Drop for Forget<'_, A> {
    fn drop(&mut self) {
        if let Some(waiting) = self.waiting.lock().as_mut() {
            waiting.remove(&self.id);
        }
    }
}

async fn read_answers<A: DeserializeOwned>(
    mut stream: FramedRead<impl AsyncRead + Unpin, FrameCodec>,
    waiting: Waiting<A>,
) {
    while let Some(Ok(frame)) = stream.next().await {
        match from_frame::<Envelope<A>>(&frame) {
            Ok(Envelope { id, body }) => {
                let asked = waiting.lock().as_mut().and_then(|waiting| waiting.remove(&id));
                if let Some(asked) = asked {
                    // The caller may just have given up.
                    let _ = asked.send(body);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "answer not understood, connection dropped");
                break;
            }
        }
    }
    // Dropping the senders tells every caller that the answer will not come.
    waiting.lock().take();
}
