//! The answering side of a connection.

mod serving;

#[cfg(test)]
mod tests;

use std::{
    future::Future,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    runtime::Handle,
    task::{JoinHandle, JoinSet},
    time::sleep,
};

use self::serving::serve_stream;
use super::{
    connections::{Conduct, Connections, Entering},
    frame::{Link, WireError},
    origin::Origin,
    transport::{BoxedStream, Listener, Opening, Standing},
};

/// A stranger whose stream is not open, or who has not said hello, by then is disconnected.
const HELLO_PATIENCE: Duration = Duration::from_secs(5);

/// Answers requests.
pub trait Service: Send + Sync + 'static {
    /// What is asked.
    type Request: DeserializeOwned + Send + 'static;
    /// What is answered.
    type Answer: Serialize + Send + 'static;

    /// Answers one request. Many are answered at a time.
    fn answer(
        self: Arc<Self>,
        caller: Caller,
        request: Self::Request,
    ) -> impl Future<Output = Self::Answer> + Send;

    /// Whether a large request may come, of which nothing but its `beginning` has been read: how much memory it takes
    /// until it is answered, and its answer until that is read. Otherwise the answer to it.
    ///
    /// # Errors
    /// The answer to a request that is not read.
    fn admit(
        self: Arc<Self>,
        _caller: Caller,
        _beginning: Bytes,
        length: usize,
    ) -> impl Future<Output = Result<usize, Self::Answer>> + Send {
        std::future::ready(Ok(length))
    }

    /// How much memory the answer to a small request may take, if that is much.
    fn weigh(&self, _request: &Self::Request) -> usize {
        0
    }

    /// What is answered when there is no memory for a request or its answer: `used` bytes are taken of `limit`. Without an
    /// answer the connection is closed.
    fn crowded(&self, _used: usize, _limit: usize) -> Option<Self::Answer> {
        None
    }

    /// A connection has ended on which something may have been asked.
    fn gone(&self, _caller: &Caller) {}
}

/// Who asks, as far as the connection tells.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The address that the connection came from.
    pub address: Arc<str>,
    /// What the transport vouches for.
    pub standing: Standing,
    /// Tells connections apart: no two have the same number as long as this process lives.
    pub connection: u64,
    conduct: Arc<Conduct>,
}

impl Caller {
    /// Whether somebody has shown on this connection who they are.
    pub fn is_known(&self) -> bool {
        self.conduct.known.load(Ordering::Relaxed)
    }

    /// Somebody has shown on this connection who they are: it is given up after those of strangers.
    pub fn vouch(&self) {
        self.conduct.known.store(true, Ordering::Relaxed);
    }
}

/// Accepts connections and answers what is asked on them until the future is dropped.
pub async fn serve<S: Service>(
    listener: Box<dyn Listener>,
    link: Link,
    service: Arc<S>,
    connections: Connections,
) {
    let serve_one = |opening, from: &str, entering| {
        let (address, service) = (from.into(), service.clone());
        async move {
            let (entering, opened) = open(opening, entering).await?;
            or_closed(serve_stream(opened, address, entering, link, service).await)
        }
    };
    accept(listener, connections, serve_one).await;
}

/// As [`serve`], but only what comes before the first frame happens here: what strangers send. Whoever is let in is answered
/// on another runtime, which need not be disturbed by the others.
pub async fn serve_on<S: Service>(
    runtime: Handle,
    listener: Box<dyn Listener>,
    link: Link,
    service: Arc<S>,
    connections: Connections,
) {
    let serve_one = |opening, from: &str, entering| {
        let (address, service, runtime): (Arc<str>, _, _) = (from.into(), service.clone(), runtime.clone());
        async move {
            let (entering, (mut stream, standing)) = open(opening, entering).await?;
            let serving = runtime.spawn(async move {
                stream.move_here()?;
                or_closed(serve_stream((stream, standing), address, entering, link, service).await)
            });
            Moved(serving).ended().await
        }
    };
    accept(listener, connections, serve_one).await;
}

/// Ends with its owner.
struct Moved(JoinHandle<Result<(), WireError>>);

impl Moved {
    async fn ended(mut self) -> Result<(), WireError> {
        (&mut self.0).await.unwrap_or(Err(WireError::Ended))
    }
}

impl Drop for Moved {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Whoever says nothing more has said all.
fn or_closed(ended: Result<(), WireError>) -> Result<(), WireError> {
    match ended {
        Err(WireError::Closed) => Ok(()),
        ended => ended,
    }
}

/// An open stream, and what is known of the other side.
type Opened = (BoxedStream, Standing);

/// Waits until the stream is open, unless it is given up before.
async fn open(opening: Opening, mut entering: Entering) -> Result<(Entering, Opened), WireError> {
    let opened = tokio::select! {
        opened = tokio::time::timeout(HELLO_PATIENCE, opening) => opened,
        () = entering.given_up() => return Err(WireError::GivenUp),
    };
    Ok((entering, opened.map_err(|_| WireError::Silent(HELLO_PATIENCE))??))
}

/// Accepts connections and has each served by itself until the future is dropped.
pub async fn accept<F, E>(
    mut listener: Box<dyn Listener>,
    connections: Connections,
    serve_one: impl Fn(Opening, &str, Entering) -> F,
) where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: std::fmt::Display,
{
    // Dropped with this future, it ends every connection.
    let mut served = JoinSet::new();
    loop {
        reap(&mut served);
        let (opening, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: existing connections go on.
                tracing::warn!(%error, "cannot accept a connection");
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let serving = serve_one(opening, &from, connections.begin(Origin::of(&from)));
        served.spawn(async move {
            if let Err(error) = serving.await {
                tracing::debug!(%from, %error, "connection ended");
            }
        });
    }
}

/// Lets go of tasks that have ended.
fn reap(tasks: &mut JoinSet<()>) {
    while tasks.try_join_next().is_some() {}
}
