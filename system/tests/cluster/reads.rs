//! Linearizable reads from every node.

use std::time::Duration;

use tokio::time::Instant;
use veil::{
    directory::{Query, UserName},
    node::RaftConfig,
    wire::{
        client::{Answer, Asked, Consistency, Reply, Request, ServiceError},
        connection::Connection,
        frame::Link,
    },
};

use super::harness::{Cluster, PATIENCE, join, leader, name, register, soon};

/// Asks one node.
struct Asking(Connection<Asked, Answer>);

impl Asking {
    async fn of(cluster: &Cluster, id: u64) -> Self {
        let address = &cluster.members[&id].client;
        Self(Connection::open(&cluster.network, address, Link::Client, PATIENCE).await.unwrap())
    }

    async fn read(&self, query: Query) -> Answer {
        let request = Request::Read { query, consistency: Consistency::Linearizable };
        self.0.call(&Asked::stranger(request)).await.unwrap()
    }

    /// What the node happens to hold, and how old that may be, milliseconds: any age, just after it has ceased to lead.
    async fn stale_users(&self) -> (Vec<UserName>, u64) {
        let request = Request::Read { query: Query::Users { after: None }, consistency: Consistency::Stale };
        match self.0.call(&Asked::stranger(request)).await.unwrap().unwrap() {
            Reply::Stale { age_ms, reply } => match *reply {
                Reply::Users(users) => (users, age_ms.unwrap_or(u64::MAX)),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    async fn users(&self) -> Result<Vec<UserName>, ServiceError> {
        match self.read(Query::Users { after: None }).await? {
            Reply::Users(users) => Ok(users),
            other => panic!("{other:?}"),
        }
    }
}

fn others(cluster: &Cluster, id: u64) -> Vec<u64> {
    cluster.nodes.keys().copied().filter(|node| *node != id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_leader_has_acknowledged_every_node_reads_at_once() {
    let cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    register(&client, "first", soon()).await.unwrap();
    let leader = leader(&client).await;
    let mut nodes = Vec::new();
    for id in others(&cluster, leader) {
        nodes.push(Asking::of(&cluster, id).await);
    }
    for number in 0..100 {
        let user = format!("user-{number}");
        register(&client, &user, soon()).await.unwrap();
        for node in &nodes {
            let users = node.users().await.unwrap();
            assert!(users.contains(&name(&user)), "{user} is missing");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_lags_waits_until_it_can_tell() {
    let cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    register(&client, "first", soon()).await.unwrap();
    let slow = others(&cluster, leader(&client).await)[0];
    let node = Asking::of(&cluster, slow).await;
    cluster.wires.cut_off(slow);
    register(&client, "anna", soon()).await.unwrap();
    let reading = tokio::spawn(async move {
        // The first attempts may meet a follower that gives up, or an election that it calls for.
        loop {
            match node.users().await {
                Ok(users) => return users,
                Err(ServiceError::Unconfirmed(_) | ServiceError::NotLeader(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    });
    // It has had the time to give a wrong answer.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!reading.is_finished(), "a node that is cut off has answered");
    cluster.wires.mend(slow);
    assert!(reading.await.unwrap().contains(&name("anna")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_cut_off_does_not_answer_from_what_it_has() {
    let cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    register(&client, "first", soon()).await.unwrap();
    let old = leader(&client).await;
    for id in [old, others(&cluster, old)[0]] {
        let node = Asking::of(&cluster, id).await;
        assert!(node.users().await.unwrap().contains(&name("first")));
        cluster.wires.cut_off(id);
        // Somebody who is not cut off leads, or goes on to.
        register(&client, &format!("without-{id}"), soon()).await.unwrap();
        for _ in 0..3 {
            let refused = node.users().await;
            assert!(
                matches!(refused, Err(ServiceError::Unconfirmed(_) | ServiceError::NotLeader(_))),
                "{refused:?}"
            );
        }
        cluster.wires.mend(id);
        loop {
            if let Ok(users) = node.users().await {
                assert!(users.contains(&name(&format!("without-{id}"))), "{users:?}");
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stale_reads_are_answered_by_whoever_is_cut_off_and_tell_their_age() {
    let cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    register(&client, "first", soon()).await.unwrap();
    let old = leader(&client).await;
    for id in [others(&cluster, old)[0], old] {
        let node = Asking::of(&cluster, id).await;
        // Linearizable, so the node holds it; and as it is heard of, the age is a heartbeat's.
        assert!(node.users().await.unwrap().contains(&name("first")));
        while node.stale_users().await.1 > 1_000 {}
        cluster.wires.cut_off(id);
        register(&client, &format!("without-{id}"), soon()).await.unwrap();
        // It was acknowledged by now, and the node has not heard of it: what it says must be older than that.
        let acknowledged = Instant::now();
        loop {
            let since = acknowledged.elapsed().as_millis();
            let (users, age_ms) = node.stale_users().await;
            assert!(users.contains(&name("first")) && !users.contains(&name(&format!("without-{id}"))));
            assert!(u128::from(age_ms) >= since, "{age_ms} ms, {since} ms after what is missing");
            if age_ms >= 1_500 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        cluster.wires.mend(id);
        loop {
            let (users, age_ms) = node.stale_users().await;
            if age_ms < 1_000 {
                assert!(users.contains(&name(&format!("without-{id}"))), "{age_ms} ms old: {users:?}");
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_user_reads_stale_comes_from_one_node_that_lives() {
    let mut cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    let anna = join(&client, "anna").await;
    let old = leader(&client).await;
    // Everybody knows the session.
    for id in others(&cluster, old) {
        Asking::of(&cluster, id).await.users().await.unwrap();
        cluster.crash_node(id);
    }
    // A leader that has just stepped down for want of a majority does not know how old its answer is.
    let (reading, _) = anna.reading_stale();
    assert_eq!(reading.list(name("anna"), None, soon()).await.unwrap().lines, []);
    let deadline = Instant::now() + Duration::from_millis(300);
    assert!(anna.list(name("anna"), None, deadline).await.is_err(), "without a majority");
}
