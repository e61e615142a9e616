//! The answering side of a connection.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt, StreamExt, stream::FuturesUnordered};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    connections::{Connections, Entering},
    frame::{Envelope, Link, WireError, from_frame, handshake, to_frame},
    transport::{Listener, Opening, Standing},
};

/// A stranger whose stream is not open, or who has not said hello, by then is disconnected.
const HELLO_PATIENCE: Duration = Duration::from_secs(5);
/// A client that has not taken an answer by then is disconnected, beside the time that its bytes need at
/// [`SLOWEST`].
const WRITE_PATIENCE: Duration = Duration::from_secs(10);
/// The slowest client that is waited for, bytes a second.
const SLOWEST: f64 = 1e5;
/// A connection on which nothing is asked for so long, nor under way, is closed.
const IDLE_LIMIT: Duration = Duration::from_secs(300);
/// How many requests of one connection are worked on at a time; further ones are not read.
const REQUESTS_PER_CONNECTION: usize = 2048;

/// Answers requests.
pub trait Service: Send + Sync + 'static {
    /// What is asked.
    type Request: DeserializeOwned + Send;
    /// What is answered.
    type Answer: Serialize + Send;

    /// Answers one request. Many are answered at a time.
    fn answer(
        self: Arc<Self>,
        caller: Caller,
        request: Self::Request,
    ) -> impl Future<Output = Self::Answer> + Send;

    /// A connection has ended on which something may have been asked.
    fn gone(&self, _caller: &Caller) {}
}

/// Who asks, as far as the connection tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The address that the connection came from.
    pub address: Arc<str>,
    /// What the transport vouches for.
    pub standing: Standing,
    /// Tells connections apart: no two have the same number as long as this process lives.
    pub connection: u64,
}

/// Tells its service when it is dropped.
struct Connected<S: Service> {
    service: Arc<S>,
    caller: Caller,
}

impl<S: Service> Drop for Connected<S> {
    fn drop(&mut self) {
        self.service.gone(&self.caller);
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
        let served = serve_connection(opening, from.into(), entering, link, service.clone());
        async {
            match served.await {
                Err(WireError::Closed) => Ok(()),
                ended => ended,
            }
        }
    };
    accept(listener, connections, serve_one).await;
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
        let serving = serve_one(opening, &from, connections.begin());
        served.spawn(async move {
            if let Err(error) = serving.await {
                tracing::debug!(%from, %error, "connection ended");
            }
        });
    }
}

async fn serve_connection<S: Service>(
    opening: Opening,
    address: Arc<str>,
    mut entering: Entering,
    link: Link,
    service: Arc<S>,
) -> Result<(), WireError> {
    let greeting = async {
        let (stream, standing) = opening.await?;
        Ok::<_, WireError>((handshake(stream, link).await?, standing))
    };
    let (frames, standing) = tokio::select! {
        greeted = tokio::time::timeout(HELLO_PATIENCE, greeting) => {
            greeted.map_err(|_| WireError::Silent(HELLO_PATIENCE))??
        }
        () = entering.given_up() => return Err(WireError::GivenUp),
    };
    let Some(_place) = entering.enter() else {
        tracing::warn!(%address, "connection refused: too many are open");
        return Err(WireError::Crowded);
    };
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let caller = Caller { address, standing, connection: NEXT.fetch_add(1, Ordering::Relaxed) };
    // However the connection ends: dropped when all of its requests are.
    let _connected = Connected { service: service.clone(), caller: caller.clone() };
    let (mut sink, mut stream) = frames.split();
    let (answers, mut queue) = mpsc::channel::<bytes::Bytes>(64);

    let writing = async move {
        while let Some(frame) = queue.recv().await {
            let mut next = Some(frame);
            while let Some(frame) = next {
                let patience = WRITE_PATIENCE + Duration::from_secs_f64(frame.len() as f64 / SLOWEST);
                tokio::time::timeout(patience, sink.feed(frame)).await.map_err(std::io::Error::from)??;
                next = queue.try_recv().ok();
            }
            tokio::time::timeout(WRITE_PATIENCE, sink.flush()).await.map_err(std::io::Error::from)??;
        }
        Ok::<(), WireError>(())
    };

    let reading = async move {
        // In this task, not in tasks of their own: most requests wait for others, and waking a task costs more than
        // they do. Dropped with the connection, it gives up what nobody waits for any more.
        let mut requests = FuturesUnordered::new();
        let mut last_frame = Instant::now();
        let mut idle = pin!(sleep(IDLE_LIMIT));
        loop {
            let frame = tokio::select! {
                // Not reading any more, the sender feels it, nobody else does.
                frame = stream.next(), if requests.len() < REQUESTS_PER_CONNECTION => match frame {
                    Some(frame) => frame?,
                    None => break,
                },
                Some(()) = requests.next() => continue,
                () = &mut idle => {
                    if requests.is_empty() && last_frame.elapsed() >= IDLE_LIMIT {
                        break;
                    }
                    let since = if requests.is_empty() { last_frame } else { Instant::now() };
                    idle.as_mut().reset(since + IDLE_LIMIT);
                    continue;
                }
            };
            last_frame = Instant::now();
            let Envelope { id, body } = from_frame::<Envelope<S::Request>>(&frame)?;
            let (service, caller, answers) = (service.clone(), caller.clone(), answers.clone());
            requests.push(async move {
                let body = service.answer(caller, body).await;
                match to_frame(&Envelope { id, body }) {
                    // The connection may have ended meanwhile.
                    Ok(frame) => drop(answers.send(frame).await),
                    Err(error) => tracing::error!(%error, "answer cannot be encoded"),
                }
            });
        }
        Ok::<(), WireError>(())
    };

    // Whichever side ends first ends the connection.
    tokio::select! {
        ended = writing => ended,
        ended = reading => ended,
    }
}

/// Lets go of tasks that have ended.
fn reap(tasks: &mut JoinSet<()>) {
    while tasks.try_join_next().is_some() {}
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::wire::{
        connection::{CallError, Connection},
        transport::{Network, Pipes},
    };

    struct Echo;

    impl Service for Echo {
        type Request = (u64, Vec<u8>);
        type Answer = Vec<u8>;

        async fn answer(self: Arc<Self>, _caller: Caller, (wait_ms, bytes): (u64, Vec<u8>)) -> Vec<u8> {
            sleep(Duration::from_millis(wait_ms)).await;
            bytes
        }
    }

    async fn echo() -> (Pipes, tokio::task::JoinHandle<()>) {
        let network = Pipes::default();
        let listener = network.listen("node").await.unwrap();
        (network, tokio::spawn(serve(listener, Link::Peer, Arc::new(Echo), Connections::default())))
    }

    async fn connect(network: &Pipes) -> Connection<(u64, Vec<u8>), Vec<u8>> {
        Connection::open(network, "node", Link::Peer, Duration::from_secs(5)).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_answer_does_not_hold_up_a_quick_one() {
        let (network, _serving) = echo().await;
        let connection = connect(&network).await;
        let slow_connection = connection.clone();
        let slow = tokio::spawn(async move { slow_connection.call(&(60_000, vec![1])).await });
        assert_eq!(connection.call(&(0, vec![2])).await.unwrap(), [2]);
        assert!(!slow.is_finished());
        assert_eq!(slow.await.unwrap().unwrap(), [1]);
    }

    #[tokio::test]
    async fn a_request_beyond_the_frame_limit_is_not_sent_and_the_connection_lives() {
        let (network, _serving) = echo().await;
        let connection = connect(&network).await;
        let refused = connection.call(&(0, vec![0; Link::Peer.frame_limit()])).await;
        assert!(matches!(refused, Err(CallError::NotSent(_))), "{refused:?}");
        assert_eq!(connection.call(&(0, vec![3])).await.unwrap(), [3]);
    }

    /// Notes the end of its requests, and of its connection.
    struct Noting(mpsc::UnboundedSender<&'static str>);

    struct Ended<'a>(&'a Noting);

    impl Drop for Ended<'_> {
        fn drop(&mut self) {
            self.0.0.send("request").unwrap();
        }
    }

    impl Service for Noting {
        type Request = ();
        type Answer = ();

        async fn answer(self: Arc<Self>, _caller: Caller, (): ()) {
            let _ended = Ended(&self);
            self.0.send("asked").unwrap();
            std::future::pending::<()>().await;
        }

        fn gone(&self, _caller: &Caller) {
            self.0.send("gone").unwrap();
        }
    }

    #[tokio::test]
    async fn a_connection_is_gone_when_its_requests_are_and_no_earlier() {
        let network = Pipes::default();
        let listener = network.listen("node").await.unwrap();
        let (sender, mut notes) = mpsc::unbounded_channel();
        let _serving =
            tokio::spawn(serve(listener, Link::Peer, Arc::new(Noting(sender)), Connections::default()));
        let connection =
            Connection::<(), ()>::open(&network, "node", Link::Peer, Duration::from_secs(5)).await.unwrap();
        let asking = tokio::spawn(async move { connection.call(&()).await });
        assert_eq!(notes.recv().await, Some("asked"));
        asking.abort();
        for note in ["request", "gone"] {
            assert_eq!(notes.recv().await, Some(note));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_connection_ends_every_call() {
        let network = Pipes::default();
        let mut listener = network.listen("node").await.unwrap();
        let accepting = tokio::spawn(async move {
            let (opening, _) = listener.accept().await.unwrap();
            let (stream, _) = opening.await.unwrap();
            let frames = handshake(stream, Link::Peer).await.unwrap();
            sleep(Duration::from_secs(1)).await;
            drop(frames);
        });
        let connection = connect(&network).await;
        let lost = connection.call(&(0, vec![1])).await;
        assert!(matches!(lost, Err(CallError::Lost { .. })), "{lost:?}");
        assert!(connection.is_closed());
        accepting.await.unwrap();
    }

    #[tokio::test]
    async fn garbage_ends_its_own_connection_and_no_other() {
        let (network, _serving) = echo().await;
        let good = connect(&network).await;
        let bad = network.dial("node").await.unwrap();
        let mut frames = handshake(bad, Link::Peer).await.unwrap();
        frames.send(bytes::Bytes::from_static(&[0xff; 9])).await.unwrap();
        assert!(frames.next().await.is_none());
        assert_eq!(good.call(&(0, vec![4])).await.unwrap(), [4]);
    }
}
