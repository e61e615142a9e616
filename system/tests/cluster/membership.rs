//! Growing and shrinking.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use veil::{
    client::{Client, ClientError},
    consensus::{DiskId, Identity, PeerAnswer, PeerRequest},
    directory::UserName,
    node::RaftConfig,
    wire::{
        client::{Member, MemberError},
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
    let other = MemberError::OtherNode { peer: "n2:peer".to_owned(), expected: 4, found: 2 };
    assert_eq!(refused, Err(ClientError::Membership(other)));

    // A member that is down is still one.
    cluster.stop_node(3).await;
    client.add_member(member(3), soon()).await.unwrap();
    assert_eq!(voters(&client).await, [1, 2, 3]);
}

/// Says who it is and never anything else.
struct OnlyPolite(u64);

impl Service for OnlyPolite {
    type Request = PeerRequest;
    type Answer = PeerAnswer;

    async fn answer(self: Arc<Self>, _caller: Caller, request: PeerRequest) -> PeerAnswer {
        match request {
            PeerRequest::Greet => {
                PeerAnswer::Identity(Identity { node: self.0, disk: DiskId::new(1, 2), empty: true })
            }
            _ => std::future::pending().await,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_does_not_catch_up_is_no_member_and_the_others_go_on() {
    let cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    register_many(&cluster, &client, 0..5).await;
    let polite = cluster.network.listen(&member(5).peer).await.unwrap();
    let polite = tokio::spawn(serve(polite, Link::Peer, Arc::new(OnlyPolite(5)), Connections::default()));
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
    polite.abort();
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
    let polite = cluster.network.listen(&member(4).peer).await.unwrap();
    let polite = tokio::spawn(serve(polite, Link::Peer, Arc::new(OnlyPolite(4)), Connections::default()));
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
    polite.abort();
}
