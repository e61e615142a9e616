//! Many requests at a time, and what ends a connection.

use std::sync::atomic::AtomicUsize;

use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};

use super::*;
use crate::wire::{
    connection::{CallError, Connection},
    frame::{Envelope, PROTOCOL_VERSION, from_frame, handshake, to_frame},
    limits::Limits,
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

async fn echo() -> (Pipes, JoinHandle<()>) {
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
    let refused = connection.call(&(0, vec![0; Link::Peer.request_limit()])).await;
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
    frames.send(Bytes::from_static(&[0xff; 9])).await.unwrap();
    assert!(frames.next().await.is_none());
    assert_eq!(good.call(&(0, vec![4])).await.unwrap(), [4]);
}

/// Tells how much it was sent, and takes nothing that is longer than 100,000 bytes.
struct Picky;

const NOT_WANTED: u64 = u64::MAX;
const NO_MEMORY: u64 = u64::MAX - 1;

impl Service for Picky {
    type Request = Bytes;
    type Answer = u64;

    async fn answer(self: Arc<Self>, _caller: Caller, bytes: Bytes) -> u64 {
        bytes.len() as u64
    }

    async fn admit(self: Arc<Self>, _caller: Caller, _beginning: Bytes, length: usize) -> Result<usize, u64> {
        if length <= 100_000 { Ok(length) } else { Err(NOT_WANTED) }
    }

    fn crowded(&self, _used: usize, _limit: usize) -> Option<u64> {
        Some(NO_MEMORY)
    }
}

async fn picky(memory: usize) -> (Pipes, JoinHandle<()>) {
    let network = Pipes::default();
    let listener = network.listen("node").await.unwrap();
    let limits = Limits { memory, memory_per_address: memory, ..Limits::default() };
    let serving = serve(listener, Link::Client, Arc::new(Picky), Connections::within(limits));
    (network, tokio::spawn(serving))
}

async fn connect_to_picky(network: &Pipes) -> Connection<Bytes, u64> {
    Connection::open(network, "node", Link::Client, Duration::from_secs(5)).await.unwrap()
}

#[tokio::test]
async fn what_is_not_wanted_is_answered_and_skipped_and_the_connection_goes_on() {
    let (network, _serving) = picky(1 << 20).await;
    let connection = connect_to_picky(&network).await;
    for (length, expected) in [(10, 10), (50_000, 50_000), (200_000, NOT_WANTED), (90_000, 90_000), (0, 0)] {
        assert_eq!(connection.call(&Bytes::from(vec![0; length])).await.unwrap(), expected, "{length}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_finds_no_memory_is_told_and_served_when_there_is_some_again() {
    let (network, _serving) = picky(80_000).await;
    // It has the memory for a frame that it does not send to its end.
    let mut slow = handshake(network.dial("node").await.unwrap(), Link::Client).await.unwrap().into_inner();
    slow.write_all(&50_000u32.to_be_bytes()).await.unwrap();
    slow.write_all(&[1; 100]).await.unwrap();
    let connection = connect_to_picky(&network).await;
    // Small ones are not held up.
    assert_eq!(connection.call(&Bytes::from_static(&[0; 10])).await.unwrap(), 10);
    while connection.call(&Bytes::from(vec![0; 40_000])).await.unwrap() != NO_MEMORY {}
    drop(slow);
    while connection.call(&Bytes::from(vec![0; 40_000])).await.unwrap() != 40_000 {}
}

#[tokio::test]
async fn when_all_places_are_taken_the_oldest_that_asks_nothing_is_closed() {
    let network = Pipes::default();
    let listener = network.listen("node").await.unwrap();
    let limits = Limits { connections: 2, connections_per_address: 2, ..Limits::default() };
    let _serving = tokio::spawn(serve(listener, Link::Client, Arc::new(Picky), Connections::within(limits)));
    let ten = Bytes::from_static(&[0; 10]);
    let first = connect_to_picky(&network).await;
    assert_eq!(first.call(&ten).await.unwrap(), 10);
    let mut others = Vec::new();
    for _ in 0..2 {
        others.push(connect_to_picky(&network).await);
        assert_eq!(others.last().unwrap().call(&ten).await.unwrap(), 10);
    }
    assert!(first.call(&ten).await.is_err(), "it is open");
}

#[tokio::test(start_paused = true)]
async fn whoever_stops_in_the_middle_of_a_large_frame_is_given_up_whether_or_not_it_is_wanted() {
    let (network, _serving) = picky(1 << 20).await;
    for length in [50_000u32, 200_000] {
        let mut stopped =
            handshake(network.dial("node").await.unwrap(), Link::Client).await.unwrap().into_inner();
        stopped.write_all(&length.to_be_bytes()).await.unwrap();
        stopped.write_all(&[1; 100]).await.unwrap();
        let began = tokio::time::Instant::now();
        // It may be told before that it is not wanted.
        let mut rest = Vec::new();
        stopped.read_to_end(&mut rest).await.unwrap();
        let waited = began.elapsed();
        assert!(waited > Duration::from_secs(9) && waited < Duration::from_secs(15), "{waited:?}");
    }
}

/// Answers with as many bytes as it is asked for, and notes how many answers it is at, and has given.
#[derive(Default)]
struct Generous {
    at_work: AtomicUsize,
    most: AtomicUsize,
    given: AtomicUsize,
}

impl Service for Generous {
    type Request = u64;
    type Answer = Bytes;

    async fn answer(self: Arc<Self>, _caller: Caller, length: u64) -> Bytes {
        let at_work = self.at_work.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(at_work, Ordering::Relaxed);
        sleep(Duration::from_millis(10)).await;
        self.at_work.fetch_sub(1, Ordering::Relaxed);
        self.given.fetch_add(1, Ordering::Relaxed);
        vec![0; length as usize].into()
    }

    fn weigh(&self, length: &u64) -> usize {
        *length as usize
    }

    fn crowded(&self, _used: usize, _limit: usize) -> Option<Bytes> {
        Some(Bytes::new())
    }
}

#[tokio::test(start_paused = true)]
async fn answers_that_nobody_reads_are_not_piled_up_nor_made() {
    const LENGTH: usize = 50_000;
    let network = Pipes::default();
    let listener = network.listen("node").await.unwrap();
    let memory = 5 * LENGTH;
    let connections = Connections::within(Limits { memory, memory_per_address: memory, ..Limits::default() });
    let generous = Arc::new(Generous::default());
    let _serving = tokio::spawn(serve(listener, Link::Client, generous.clone(), connections.clone()));
    let mut frames = handshake(network.dial("node").await.unwrap(), Link::Client).await.unwrap();
    for id in 0..200u64 {
        frames.send(to_frame(&Envelope { id, body: LENGTH as u64 }).unwrap()).await.unwrap();
    }
    sleep(Duration::from_secs(5)).await;
    let noted = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    // What lies in the pipe, a mebibyte, is not the node's any more.
    let (most, given) = (noted(&generous.most), noted(&generous.given));
    assert!(most <= 5 && given < 40, "{most} at a time, {given} in all");
    assert!(connections.memory() >= LENGTH, "{} bytes", connections.memory());
    // Whoever reads is served to the end.
    for _ in 0..200 {
        let answer: Envelope<Bytes> = from_frame(&frames.next().await.unwrap().unwrap()).unwrap();
        assert!([0, LENGTH].contains(&answer.body.len()));
    }
}

#[tokio::test]
async fn what_comes_together_with_the_hello_is_answered() {
    let (network, _serving) = picky(1 << 20).await;
    let mut stream = network.dial("node").await.unwrap();
    let hello = [&b"\0\0\0\x06VEIL"[..], &[PROTOCOL_VERSION as u8, 0]].concat();
    // Request 5, of three bytes.
    stream.write_all(&[&hello[..], b"\0\0\0\x05\x05\x03abc"].concat()).await.unwrap();
    let mut answer = [0; 16];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer[..], [&hello[..], &[0, 0, 0, 2, 5, 3]].concat());
}
