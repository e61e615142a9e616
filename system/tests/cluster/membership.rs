//! Growing and shrinking.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinHandle, time::Instant};
use veil::{
    client::{Client, ClientError},
    consensus::{DiskId, Identity, PeerAnswer, PeerRequest},
    directory::UserName,
    node::RaftConfig,
    wire::{
        client::{AddressOf, Answer, Asked, Member, MemberError, NodeStatus, Reply, Request},
        connections::Connections,
        frame::Link,
        server::{Caller, Service, serve},
        transport::Network,
    },
};

use super::harness::{Cluster, PATIENCE, Writer, leader, member, register, register_many, soon, voters};

/// Checks that these nodes hold the same, and in it everybody who was acknowledged.
async fn check_nothing_lost(cluster: &Cluster, client: &Client, ids: &[u64], acknowledged: &[UserName]) {
    let index = register_many(cluster, client, 0..1).await;
    for id in &ids[1..] {
        cluster.wait_until_equal(client, [ids[0], *id], index).await;
    }
    let users = client.users_of(&cluster.members[&ids[0]].client, PATIENCE).await.unwrap();
    let lost: Vec<_> = acknowledged.iter().filter(|user| users.binary_search(user).is_err()).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_grow_to_five_and_shrink_to_three_under_writes() {
    let mut cluster = Cluster::start(3, RaftConfig { snapshot_every: 64, ..RaftConfig::default() }).await;
    let client = cluster.client();
    register_many(&cluster, &client, 100..300).await;
    let writer = Writer::start(&client);
    for id in [4, 5] {
        cluster.grow(&client, id).await;
    }
    assert_eq!(voters(&client).await, [1, 2, 3, 4, 5]);
    for id in [2, 3] {
        client.remove_member(id, soon()).await.unwrap();
        cluster.stop_node(id).await;
    }
    assert_eq!(voters(&client).await, [1, 4, 5]);
    let acknowledged = writer.finish().await;
    check_nothing_lost(&cluster, &client, &[1, 4, 5], &acknowledged).await;
    // The new ones have real votes: either of them and node 1 are a majority.
    cluster.stop_node(5).await;
    register_many(&cluster, &client, 1..5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaders_are_removed_under_writes_and_disturb_nobody_afterwards() {
    // Patient enough for a busy machine.
    let raft = RaftConfig { lease: Duration::from_millis(500), ..RaftConfig::default() };
    let mut cluster = Cluster::start(3, raft).await;
    let client = cluster.client();
    cluster.grow(&client, 4).await;
    let writer = Writer::start(&client);
    let mut left = vec![1, 2, 3, 4];
    for _ in 0..2 {
        let removed = leader(&client).await;
        client.remove_member(removed, soon()).await.unwrap();
        left.retain(|id| *id != removed);
        assert_eq!(voters(&client).await, left);
        assert_ne!(leader(&client).await, removed);
    }
    // Those removed still run, with time for a few elections, if they stood for any.
    let term = client.leadership().borrow().term;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(client.leadership().borrow().term, term);
    let acknowledged = writer.finish().await;
    check_nothing_lost(&cluster, &client, &left, &acknowledged).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_member_stays() {
    let cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    for id in [3, 1] {
        client.remove_member(id, soon()).await.unwrap();
    }
    assert_eq!(voters(&client).await, [2]);
    let refused = client.remove_member(2, soon()).await;
    assert_eq!(refused, Err(ClientError::Membership(MemberError::Last { id: 2 })));
    register_many(&cluster, &client, 0..5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_so_already_is_done_and_what_makes_no_sense_is_refused() {
    let mut cluster = Cluster::start(1, RaftConfig::default()).await;
    let client = cluster.client();
    for id in [2, 3] {
        cluster.grow(&client, id).await;
    }
    client.add_member(member(2), soon()).await.unwrap();
    client.remove_member(7, soon()).await.unwrap();

    let moved = Member { client: "elsewhere:client".to_owned(), ..member(2) };
    let refused = client.add_member(moved, soon()).await;
    assert_eq!(refused, Err(ClientError::Membership(MemberError::OtherAddress { known: member(2) })));

    let mistaken = Member { id: 4, ..member(2) };
    let refused = client.add_member(mistaken, soon()).await;
    let (side, value, of) = (AddressOf::Clients, "n2:client".to_owned(), AddressOf::Clients);
    let taken = MemberError::AddressTaken { side, value, node: 2, of };
    assert_eq!(refused, Err(ClientError::Membership(taken)));

    // A member that is down is still one.
    cluster.stop_node(3).await;
    client.add_member(member(3), soon()).await.unwrap();
    assert_eq!(voters(&client).await, [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_at_which_the_node_is_not_is_refused_before_anything_changes() {
    let mut cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    register_many(&cluster, &client, 0..3).await;
    for id in [4, 5] {
        cluster.start_node(id).await;
    }
    let soon = || Instant::now() + Duration::from_secs(4);
    let add = async |at: (&str, &str)| {
        let member = Member { id: 4, client: at.0.to_owned(), peer: at.1.to_owned() };
        let refused = client.add_member(member, soon()).await.unwrap_err();
        assert_eq!(voters(&client).await, [1, 2, 3], "{refused}");
        refused.to_string()
    };
    for (at, said) in [
        (("n3:client", "n4:peer"), "the address for clients, n3:client, is the one of node 3 for clients"),
        (("n4:client", "n3:peer"), "the address for nodes, n3:peer, is the one of node 3 for nodes"),
        (("n3:peer", "n4:peer"), "the address for clients, n3:peer, is the one of node 3 for nodes"),
        (
            ("n4:client", "n4:client"),
            "the address for nodes, n4:client, cannot be one: it is the address for clients",
        ),
        (
            ("n5:client", "n4:peer"),
            "the address for clients, n5:client, is not where node 4 is: node 5 answers there",
        ),
        (
            ("n4:client", "n5:peer"),
            "the address for nodes, n5:peer, is not where node 4 is: node 5 answers there",
        ),
        (("n4:peer", "n5:peer"), "is not where node 4 is: no"),
        (
            ("n4:peer", "n6:peer"),
            "the address for clients, n4:peer, is not where node 4 is: nodes are answered there",
        ),
        (
            ("n4:client", "n5:client"),
            "the address for nodes, n5:client, is not where node 4 is: clients are answered there",
        ),
        (("n6:client", "n4:peer"), "nobody answers clients there"),
        (("n4:client", "n6:peer"), "nobody answers nodes there"),
    ] {
        let refused = add(at).await;
        assert!(refused.contains(said), "{at:?}: {refused}");
    }
    client.add_member(member(4), soon()).await.unwrap();
    assert_eq!(voters(&client).await, [1, 2, 3, 4]);
}

/// Another process that calls itself by the same number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_addresses_have_to_be_those_of_one_process() {
    let mut cluster = Cluster::start(1, RaftConfig::default()).await;
    let client = cluster.client();
    cluster.start_node(4).await;
    let other = OnlyStatus::of(4, &client).await;
    let elsewhere = cluster.network.listen("elsewhere:client").await.unwrap();
    let elsewhere = tokio::spawn(serve(elsewhere, Link::Client, Arc::new(other), Connections::default()));
    let mixed = Member { client: "elsewhere:client".to_owned(), ..member(4) };
    let refused = client.add_member(mixed, soon()).await.unwrap_err().to_string();
    assert!(refused.contains("it is another one than the node 4 that answers at n4:peer"), "{refused}");
    assert_eq!(voters(&client).await, [1]);
    elsewhere.abort();
}

/// Says to clients how it is and never anything else.
struct OnlyStatus(NodeStatus);

impl OnlyStatus {
    /// What node `id` would say with the disk that [`OnlyPolite`] says it has.
    async fn of(id: u64, client: &Client) -> Self {
        let status = client.status(&member(1).client, PATIENCE).await.unwrap();
        Self(NodeStatus { node: id, disk: DiskId::new(1, 2).to_string(), ..status })
    }
}

impl Service for OnlyStatus {
    type Request = Asked;
    type Answer = Answer;

    async fn answer(self: Arc<Self>, _caller: Caller, asked: Asked) -> Answer {
        match asked.request {
            Request::Status => Ok(Reply::Status(Box::new(self.0.clone()))),
            _ => std::future::pending().await,
        }
    }
}

/// Says who it is and never anything else.
struct OnlyPolite(u64);

impl OnlyPolite {
    /// Serves at both addresses of node `id`.
    async fn begin(id: u64, cluster: &Cluster, client: &Client) -> [JoinHandle<()>; 2] {
        let nodes = cluster.network.listen(&member(id).peer).await.unwrap();
        let clients = cluster.network.listen(&member(id).client).await.unwrap();
        let status = OnlyStatus::of(id, client).await;
        [
            tokio::spawn(serve(nodes, Link::Peer, Arc::new(Self(id)), Connections::default())),
            tokio::spawn(serve(clients, Link::Client, Arc::new(status), Connections::default())),
        ]
    }
}

impl Service for OnlyPolite {
    type Request = PeerRequest;
    type Answer = PeerAnswer;

    async fn answer(self: Arc<Self>, _caller: Caller, request: PeerRequest) -> PeerAnswer {
        match request {
            PeerRequest::Greet => PeerAnswer::Identity(Identity {
                node: self.0,
                disk: DiskId::new(1, 2),
                run: DiskId::new(3, 4),
                empty: true,
                held: None,
            }),
            _ => std::future::pending().await,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_does_not_catch_up_is_no_member_and_the_others_go_on() {
    let cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    register_many(&cluster, &client, 0..5).await;
    let polite = OnlyPolite::begin(5, &cluster, &client).await;
    // Nobody listens at node 4's address; at node 5's somebody does who takes no entries.
    let writer = Writer::start(&client);
    for id in [4, 5] {
        let began = Instant::now();
        let refused = client.add_member(member(id), began + Duration::from_secs(4)).await.unwrap_err();
        let not_caught_up = matches!(refused, ClientError::Membership(MemberError::NotCaughtUp { id: found, .. }) if found == id);
        assert!(not_caught_up, "{refused:?}");
        assert!(began.elapsed() < Duration::from_secs(6), "took {:?}", began.elapsed());
        assert_eq!(voters(&client).await, [1, 2, 3]);
    }
    writer.finish().await;
    polite.iter().for_each(JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_follows_to_members_that_it_was_not_told_of() {
    let mut cluster = Cluster::start(1, RaftConfig::default()).await;
    let client = cluster.client();
    for id in [2, 3, 4] {
        cluster.grow(&client, id).await;
    }
    client.remove_member(1, soon()).await.unwrap();
    cluster.stop_node(1).await;
    // The only address that the client was given is gone; so is, next, the leader that it knows, and
    // without having handed over: nobody tells who leads now.
    assert_eq!(voters(&client).await, [2, 3, 4]);
    let gone = leader(&client).await;
    cluster.crash_node(gone);
    register(&client, "zoe", soon()).await.unwrap();
    assert_ne!(leader(&client).await, gone);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_leader_goes_on_with_what_the_last_one_began() {
    let mut cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    let polite = OnlyPolite::begin(4, &cluster, &client).await;
    let adding = tokio::spawn({
        let client = client.clone();
        async move { client.add_member(member(4), Instant::now() + Duration::from_secs(8)).await }
    });
    while client.members(soon()).await.unwrap().iter().all(|role| role.voter) {
        tokio::task::yield_now().await;
    }
    cluster.crash_node(leader(&client).await);
    // What it was told by the second one says nothing of what the first one may have done.
    let refused = adding.await.unwrap().unwrap_err();
    let not_caught_up =
        |last: &str| last.starts_with("node 4 has not caught up") && last.contains("is not a member");
    assert!(matches!(&refused, ClientError::Unsettled { last, .. } if not_caught_up(last)), "{refused:?}");
    assert_eq!(voters(&client).await, [1, 2, 3]);
    polite.iter().for_each(JoinHandle::abort);
}
