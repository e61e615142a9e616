//! One connection, from hello to its end.

use std::{
    future::Future,
    io::Cursor,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, future::OptionFuture, stream::FuturesUnordered};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::{Semaphore, mpsc},
    time::{Instant, sleep, timeout},
};
use tokio_util::codec::FramedRead;

use super::{Caller, HELLO_PATIENCE, Opened, Service};
use crate::wire::{
    budget::{Account, Charge},
    codec::CodecError,
    connections::Entering,
    foreign,
    frame::{Envelope, Link, WireError, from_frame, handshake, to_frame},
    intake::{Arrived, Intake, UNASKED},
    outflow::{Outgoing, write_frames},
    transport::Standing,
};

/// A client that has not taken a piece of an answer by then is disconnected.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);
/// A connection on which nothing is asked for so long, nor under way, is closed.
const IDLE_LIMIT: Duration = Duration::from_secs(300);
/// How many requests of one connection are worked on at a time; further ones are not read.
const REQUESTS_PER_CONNECTION: usize = 2048;
/// How long a request, or its answer, may wait for memory. Clients do not wait much longer for an answer.
const MEMORY_PATIENCE: Duration = Duration::from_secs(1);
/// What a request takes beside its frame, about, bytes.
const REQUEST: usize = 512;
/// What is larger is decoded, and its answer encoded, where that holds nobody up.
const LARGE: usize = 64 << 10;
/// So many of these are at work at a time.
static AT_WORK: Semaphore = Semaphore::const_new(2);

/// Says hello, and answers what is asked.
pub(super) async fn serve_stream<S: Service>(
    (stream, standing): Opened,
    address: Arc<str>,
    mut entering: Entering,
    link: Link,
    service: Arc<S>,
) -> Result<(), WireError> {
    let frames = tokio::select! {
        greeted = timeout(HELLO_PATIENCE, handshake(stream, link)) => {
            greeted.map_err(|_| WireError::Silent(HELLO_PATIENCE))??
        }
        () = entering.given_up() => return Err(WireError::GivenUp),
    };
    let Some(mut place) = entering.enter() else {
        tracing::warn!(%address, "connection refused: too many are open");
        return Err(WireError::Crowded);
    };
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let connection = NEXT.fetch_add(1, Ordering::Relaxed);
    let caller = Caller { address, standing, connection, conduct: place.conduct() };
    if matches!(standing, Standing::Operator | Standing::Node) {
        caller.vouch();
    }
    // However the connection ends: dropped when all of its requests are.
    let _connected = Connected { service: service.clone(), caller: caller.clone() };
    let mut parts = frames.into_parts();
    parts.codec.set_limit(link.request_limit());
    let unasked = match link {
        Link::Client => UNASKED,
        // Nodes know one another.
        Link::Peer => usize::MAX,
    };
    let (from, to) = tokio::io::split(parts.io);
    // What has come together with the hello comes first.
    let from = Cursor::new(parts.read_buf).chain(from);
    let stream = FramedRead::new(from, Intake::new(parts.codec, unasked));
    let (answers, queue) = mpsc::channel(64);
    let asking = Asking { service, caller, account: place.account(), answers };

    // Whichever side ends first ends the connection.
    tokio::select! {
        ended = write_frames(to, queue, WRITE_PATIENCE) => Ok(ended?),
        ended = asking.read(stream) => ended,
        () = place.given_up() => Err(WireError::GivenUp),
    }
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

/// An answer on its way, and the memory that it takes.
struct Leaving {
    frame: Bytes,
    _charge: Charge,
}

impl Outgoing for Leaving {
    fn frame(&self) -> &Bytes {
        &self.frame
    }
}

/// Whoever asks on one connection.
struct Asking<S: Service> {
    service: Arc<S>,
    caller: Caller,
    account: Account,
    answers: mpsc::Sender<Leaving>,
}

impl<S: Service> Clone for Asking<S> {
    fn clone(&self) -> Self {
        Self {
            service: self.service.clone(),
            caller: self.caller.clone(),
            account: self.account.clone(),
            answers: self.answers.clone(),
        }
    }
}

/// What has come, and what becomes of it.
enum Task<S: Service> {
    /// A request that is answered. Its answer may take as much memory as `weight`, beside `charge`.
    Small { id: u64, request: S::Request, charge: Charge, weight: usize },
    /// One that has to be decoded first.
    Large { frame: BytesMut, charge: Charge },
    /// One that was not read.
    Refused { id: u64, answer: S::Answer },
}

/// A large frame that waits to be let in.
struct Waiting<A> {
    id: u64,
    length: usize,
    /// Its memory; otherwise the answer, if there is one.
    admitted: Pin<Box<dyn Future<Output = Result<Charge, Option<A>>> + Send>>,
}

impl<S: Service> Asking<S> {
    /// Reads requests, and answers them, until there are no more.
    async fn read(self, mut stream: FramedRead<impl AsyncRead + Unpin, Intake>) -> Result<(), WireError> {
        // In this task, not in tasks of their own: most requests wait for others, and waking a task costs more than
        // they do. Dropped with the connection, it gives up what nobody waits for any more.
        let mut requests = FuturesUnordered::new();
        let mut waiting: Option<Waiting<S::Answer>> = None;
        // The memory of the large frame that is arriving.
        let mut granted: Option<Charge> = None;
        let mut last_frame = Instant::now();
        let mut idle = pin!(sleep(IDLE_LIMIT));
        loop {
            self.caller.conduct.requests.store(requests.len(), Ordering::Relaxed);
            // Not reading any more, the sender feels it, nobody else does.
            let free = waiting.is_none() && requests.len() < REQUESTS_PER_CONNECTION;
            let room = granted.is_some() || self.account.has_room();
            let arrived = tokio::select! {
                arrived = stream.next(), if free && room => match arrived {
                    Some(arrived) => arrived?,
                    None => return Ok(()),
                },
                () = self.account.room(), if free && !room => continue,
                Some(ended) = requests.next() => {
                    ended?;
                    continue;
                }
                Some(admitted) = OptionFuture::from(waiting.as_mut().map(|waiting| &mut waiting.admitted)),
                    if waiting.is_some() =>
                {
                    let Some(Waiting { id, length, .. }) = waiting.take() else { continue };
                    match admitted {
                        Ok(charge) => {
                            granted = Some(charge);
                            stream.decoder_mut().read();
                        }
                        Err(answer) => {
                            let answer = answer.ok_or(WireError::Crowded)?;
                            stream.decoder_mut().skip(length);
                            requests.push(self.clone().carry_out(Task::Refused { id, answer }));
                        }
                    }
                    wake_by(&mut idle, stream.decoder().deadline());
                    continue;
                }
                () = &mut idle => {
                    let (now, arriving) = (Instant::now(), stream.decoder().deadline());
                    if waiting.is_none() && arriving.is_some_and(|by| by <= now) {
                        return Err(WireError::Slow);
                    }
                    let busy = waiting.is_some() || !requests.is_empty();
                    if !busy && now >= last_frame + IDLE_LIMIT {
                        return Ok(());
                    }
                    idle.as_mut().reset(if busy { now } else { last_frame } + IDLE_LIMIT);
                    if waiting.is_none() {
                        wake_by(&mut idle, arriving);
                    }
                    continue;
                }
            };
            last_frame = Instant::now();
            let task = match arrived {
                Arrived::Whole(frame) => match granted.take() {
                    Some(charge) if frame.len() > LARGE => Task::Large { frame, charge },
                    granted => {
                        let Envelope { id, body: request } = from_frame::<Envelope<S::Request>>(&frame)?;
                        // What was granted is for the answer, too.
                        let weight = if granted.is_some() { 0 } else { self.service.weigh(&request) };
                        let charge = granted.unwrap_or_else(|| self.account.charge(REQUEST + frame.len()));
                        Task::Small { id, request, charge, weight }
                    }
                },
                Arrived::Announced { length, beginning } => {
                    let mut rest = &beginning[..];
                    let id = foreign::decode_first(&mut rest)?;
                    let admitted = Box::pin(self.clone().admit(beginning.slice_ref(rest), length));
                    waiting = Some(Waiting { id, length, admitted });
                    continue;
                }
            };
            requests.push(self.clone().carry_out(task));
        }
    }

    /// Answers, and sends the answer.
    async fn carry_out(self, task: Task<S>) -> Result<(), WireError> {
        let Self { service, caller, account, answers } = self;
        let leaving = match task {
            Task::Refused { id, answer } => leaving(id, answer, account.charge(0)),
            Task::Large { frame, charge } => {
                let decoded = off_thread(move || from_frame::<Envelope<S::Request>>(&frame)).await?;
                let Envelope { id, body } = decoded?;
                let answer = service.answer(caller, body).await;
                off_thread(move || leaving(id, answer, charge)).await?
            }
            Task::Small { id, request, mut charge, weight } => {
                let reserved = match weight {
                    0 => Some(None),
                    weight => timeout(MEMORY_PATIENCE, account.reserve(weight)).await.ok().map(Some),
                };
                let answer = match reserved {
                    Some(reserved) => {
                        if let Some(reserved) = reserved {
                            charge = reserved;
                        }
                        service.answer(caller, request).await
                    }
                    None => service.crowded(account.used(), account.share()).ok_or(WireError::Crowded)?,
                };
                match weight > LARGE {
                    true => off_thread(move || leaving(id, answer, charge)).await?,
                    false => leaving(id, answer, charge),
                }
            }
        };
        match leaving {
            // The connection may have ended meanwhile.
            Ok(leaving) => drop(answers.send(leaving).await),
            Err(error) => tracing::error!(%error, "answer cannot be encoded"),
        }
        Ok(())
    }

    /// The memory of a large request, once it is there; otherwise the answer, if there is one.
    async fn admit(self, beginning: Bytes, length: usize) -> Result<Charge, Option<S::Answer>> {
        let Self { service, caller, account, .. } = self;
        let weight = service.clone().admit(caller, beginning, length).await.map_err(Some)?;
        let reserved = timeout(MEMORY_PATIENCE, account.reserve(weight)).await;
        reserved.map_err(|_| service.crowded(account.used(), account.share()))
    }
}

/// The frame of an answer. From now on it takes as much memory as it is long.
fn leaving<A: serde::Serialize>(id: u64, answer: A, mut charge: Charge) -> Result<Leaving, CodecError> {
    let frame = to_frame(&Envelope { id, body: answer })?;
    charge.resize(frame.len());
    Ok(Leaving { frame, _charge: charge })
}

/// Does what takes a while where nobody waits for it, a few at a time.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, WireError> {
    let _turn = AT_WORK.acquire().await.map_err(|_| WireError::Ended)?;
    tokio::task::spawn_blocking(work).await.map_err(|_| WireError::Ended)
}

/// Has the timer end by then, if it would not anyway.
fn wake_by(idle: &mut Pin<&mut tokio::time::Sleep>, by: Option<Instant>) {
    if let Some(by) = by.filter(|by| *by < idle.deadline()) {
        idle.as_mut().reset(by);
    }
}
