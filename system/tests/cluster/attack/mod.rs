//! Who attacks a cluster over its ports gets nowhere, and nobody else notices.
//!
//! What takes memory or time is tried on a node in a process of its own ([`victim`]), and measured:
//!
//!     cargo test --release -p veil --test cluster -- attack::on_a_node --nocapture --test-threads 1

mod on_a_node;
mod victim;

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};
use veil::{
    client::{Client, ClientError},
    consensus::{PeerAnswer, PeerRequest},
    directory::{Action, Actor, Describe, Refusal, RequestId, SetPassword},
    identity::{Authority, PasswordHash, Role},
    wire::{
        client::{Asked, NewImage, Request},
        codec,
        connection::Connection,
        frame::{Envelope, FrameStream, Link, handshake, to_frame},
    },
};

use super::{
    harness::{PATIENCE, Writer, join, name, register, soon},
    secured::{Secured, authority, client, network, operator, three},
};

/// A cluster that serves, and somebody who is served all the time.
struct Scene {
    authority: Authority,
    nodes: Vec<Secured>,
    client: Client,
    served: Writer,
}

impl Scene {
    async fn begin() -> Self {
        let authority = authority();
        let nodes = three(&authority).await;
        let client = client(&authority, &nodes);
        join(&client, "anna").await;
        // An operator: whoever else registers so many is told to wait.
        let served = Writer::start(&operator(&authority, &nodes));
        Self { served, authority, nodes, client }
    }

    async fn term(&self) -> u64 {
        self.client.status(&self.nodes[0].node.member().client, PATIENCE).await.unwrap().leadership.term
    }

    /// Whoever was served all the time was, whoever comes now is too, and nobody else came to lead.
    async fn end(self, term: u64) {
        let newcomer = client(&self.authority, &self.nodes);
        register(&newcomer, "newcomer", soon()).await.unwrap();
        assert_eq!(self.term().await, term, "somebody else came to lead");
        self.served.finish().await;
    }
}

/// A connection to a node on which a client has said hello.
async fn greeted(scene: &Scene, node: usize) -> FrameStream {
    let network = network(&scene.authority, None);
    let stream = network.dial(&scene.nodes[node].node.member().client).await.unwrap();
    handshake(stream, Link::Client).await.unwrap()
}

/// What a host says over the nodes' port that would be node 2 in term 2^40: a request for votes, a heartbeat, and a
/// change of Anna's password.
fn forgeries() -> Vec<PeerRequest> {
    let term = 1u64 << 40;
    let vote = openraft::type_config::alias::VoteOf::<veil::consensus::TypeConfig>::new_committed(term, 2);
    let heartbeat = openraft::raft::AppendEntriesRequest {
        vote,
        prev_log_id: None,
        entries: Vec::new(),
        leader_commit: None,
    };
    let raft = |message| PeerRequest::Raft { to: Default::default(), told: Default::default(), message };
    let set =
        SetPassword { user: name("anna"), password: PasswordHash::of_nobody(), credentials: 0, keep: None };
    vec![
        raft(veil::consensus::RaftMessage::Vote(openraft::raft::VoteRequest::new(vote, None))),
        raft(veil::consensus::RaftMessage::Append(heartbeat)),
        PeerRequest::Propose {
            request: RequestId::new(veil::node::system_clock()(), 7),
            actor: Actor::Node,
            action: Action::SetPassword(set),
        },
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_messages_of_nodes_are_not_even_read() {
    let scene = Scene::begin().await;
    let term = scene.term().await;
    for secured in &scene.nodes {
        let peer = &secured.node.member().peer;
        // Over TLS without a certificate, with an operator's, and with a node's of another cluster.
        let elsewhere = authority();
        for network in [
            network(&scene.authority, None),
            network(&scene.authority, Some(Role::Operator)),
            network(&elsewhere, Some(Role::Node(2))),
        ] {
            for forged in forgeries() {
                let connected =
                    Connection::<PeerRequest, PeerAnswer>::open(&*network, peer, Link::Peer, PATIENCE).await;
                let answer = match connected {
                    Ok(connection) => connection.call(&forged).await,
                    Err(refused) => Err(refused),
                };
                assert!(answer.is_err(), "{forged:?} was answered: {answer:?}");
            }
        }
        // And without TLS.
        for forged in forgeries() {
            let mut stream = TcpStream::connect(peer).await.unwrap();
            let frame = to_frame(&Envelope { id: 1, body: forged }).unwrap();
            let hello = b"\x00\x00\x00\x06VEIL\x04\x01";
            // It may be closed before all is written.
            let _ = stream.write_all(hello).await;
            let _ = stream.write_all(&(frame.len() as u32).to_be_bytes()).await;
            let _ = stream.write_all(&frame).await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            assert!(!answer.windows(4).any(|window| window == b"VEIL"), "it was greeted");
        }
        // The port of clients does not take messages of nodes either.
        let network = network(&scene.authority, None);
        let client_port = &secured.node.member().client;
        let opened =
            Connection::<PeerRequest, PeerAnswer>::open(&*network, client_port, Link::Peer, PATIENCE).await;
        assert!(opened.is_err(), "a node was greeted where clients are");
    }
    let anna = super::harness::log_in(&scene.client, "anna").await;
    anna.list(name("anna"), None, soon()).await.unwrap();
    scene.end(term).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_shows_a_nodes_certificate_is_heard() {
    // That the forgeries above are refused for their sender and not for their content.
    let authority = authority();
    let nodes = three(&authority).await;
    let before = client(&authority, &nodes);
    join(&before, "anna").await;
    let network = network(&authority, Some(Role::Node(2)));
    let connection = Connection::<PeerRequest, PeerAnswer>::open(
        &*network,
        &nodes[0].node.member().peer,
        Link::Peer,
        PATIENCE,
    );
    let answer = connection.await.unwrap().call(&PeerRequest::Greet).await.unwrap();
    assert!(matches!(answer, PeerAnswer::Identity(_)), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_an_operator_changes_the_members() {
    let scene = Scene::begin().await;
    let (term, stranger) = (scene.term().await, client(&scene.authority, &scene.nodes));
    let only = Err(ClientError::Refused(Refusal::OperatorsOnly));
    assert_eq!(stranger.remove_member(2, soon()).await, only);
    assert_eq!(join(&stranger, "zoe").await.remove_member(2, soon()).await, only);
    assert_eq!(stranger.rewrap(soon()).await.map(drop), only);
    let operator = operator(&scene.authority, &scene.nodes);
    assert_eq!(operator.members(soon()).await.unwrap().len(), 3);
    assert!(operator.rewrap(soon()).await.is_ok());
    scene.end(term).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lengths_that_nobody_can_have_meant_end_their_own_connection() {
    let scene = Scene::begin().await;
    let term = scene.term().await;
    for node in 0..3 {
        // In the head of a frame.
        let stream = network(&scene.authority, None).dial(&scene.nodes[node].node.member().client).await;
        let mut stream = stream.unwrap();
        stream.write_all(b"\x00\x00\x00\x06VEIL\x04\x00").await.unwrap();
        stream.write_all(&u32::MAX.to_be_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert!(rest.len() <= 10, "{} bytes came back", rest.len());

        // Inside of a value: an original of 2^46 bytes.
        let mut frames = greeted(&scene, node).await;
        let (image, original) = (NewImage::of(name("anna")), Bytes::new());
        let request = Request::Seal { request: RequestId(1), image, original };
        let honest = codec::encode(&Envelope { id: 1, body: Asked::stranger(request) }).unwrap();
        assert_eq!(honest.last(), Some(&0), "the original comes last");
        let mut forged = honest[..honest.len() - 1].to_vec();
        forged.push(0xfd);
        forged.extend((1u64 << 46).to_le_bytes());
        frames.send(forged.into()).await.unwrap();
        assert!(frames.next().await.is_none_or(|frame| frame.is_err()), "it was answered");
    }
    scene.end(term).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_fits_no_frame_between_nodes_never_gets_into_the_log() {
    let scene = Scene::begin().await;
    let term = scene.term().await;
    let anna = super::harness::log_in(&scene.client, "anna").await;
    let (request, original) = (anna.request_id(), super::photo());
    let sealed = anna.seal(request, name("anna"), Default::default(), original, soon()).await.unwrap();
    let describe =
        |title| Describe { owner: name("anna"), image: sealed.image, title, description: String::new() };
    // Not even to a node.
    let refused = anna.describe(anna.request_id(), describe("x".repeat(20 << 20)), soon()).await;
    assert!(matches!(refused, Err(ClientError::NotSent(_))), "{refused:?}");
    let large = describe("x".repeat(16 << 20));
    let stranger = scene.client.describe(scene.client.request_id(), large.clone(), soon()).await;
    assert_eq!(stranger, Err(ClientError::Refused(Refusal::NoSession)));
    let refused = anna.describe(anna.request_id(), large, soon()).await.unwrap_err().to_string();
    assert!(refused.starts_with("size of the request in bytes is 167772"), "{refused}");
    anna.describe(anna.request_id(), describe("short".to_owned()), soon()).await.unwrap();
    scene.end(term).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_half_open_connections_are_in_nobodys_way() {
    const MANY: usize = 10_000;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let room = rustix::process::Rlimit { current: limit.maximum, ..limit };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, room).unwrap();
    let scene = Scene::begin().await;
    let term = scene.term().await;
    let leader = scene.client.leadership().borrow().leader.clone().unwrap();
    let mut open = Vec::new();
    while open.len() < MANY {
        open.push(TcpStream::connect(&leader.client).await.unwrap());
        if open.len() % 2_000 == 0 {
            let newcomer = client(&scene.authority, &scene.nodes);
            register(&newcomer, &format!("among-{}", open.len()), soon()).await.unwrap();
        }
    }
    scene.end(term).await;
    drop(open);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_a_byte_a_second_is_given_up() {
    let scene = Scene::begin().await;
    let term = scene.term().await;
    let address = scene.nodes[0].node.member().client.clone();
    // Before TLS, before hello, and in the middle of a frame.
    let before_tls: veil::wire::transport::BoxedStream =
        Box::new(TcpStream::connect(&address).await.unwrap());
    let before_hello = network(&scene.authority, None).dial(&address).await.unwrap();
    let mut inside = greeted(&scene, 0).await;
    inside.get_mut().write_all(&1_000u32.to_be_bytes()).await.unwrap();
    let inside = inside.into_inner();
    let trickling = [before_tls, before_hello, inside].map(|stream| async move {
        let deadline = soon() + Duration::from_secs(20);
        let (mut from, mut to) = tokio::io::split(stream);
        let writing = async {
            while to.write_all(&[0]).await.is_ok() && to.flush().await.is_ok() {
                assert!(Instant::now() < deadline, "it is still waited for");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        // A hello may come first; then the end, or a reset.
        let reading = async { while matches!(from.read(&mut [0; 64]).await, Ok(1..)) {} };
        tokio::select! {
            () = writing => {}
            () = reading => {}
        }
    });
    futures_util::future::join_all(trickling).await;
    scene.end(term).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_reads_is_given_up() {
    let scene = Scene::begin().await;
    let term = scene.term().await;
    let mut frames = greeted(&scene, 0).await;
    let deadline = soon() + Duration::from_secs(60);
    let ask: Bytes = to_frame(&Envelope { id: 1, body: Asked::stranger(Request::Status) }).unwrap();
    loop {
        assert!(Instant::now() < deadline, "its answers are still waited with");
        // Full, it is not read from either; closed, nothing can be sent.
        let sent = tokio::time::timeout(Duration::from_secs(1), frames.send(ask.clone())).await;
        if matches!(sent, Ok(Err(_))) {
            break;
        }
    }
    scene.end(term).await;
}
