//! Linearizable reads from every node.

use std::time::Duration;

use veil::{
    directory::{Query, UserName},
    node::RaftConfig,
    wire::{
        client::{Answer, Asked, Consistency, Reply, Request, ServiceError},
        connection::Connection,
        frame::Link,
    },
};

use super::harness::{Cluster, PATIENCE, leader, name, register, soon};

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
                Err(ServiceError::Unsettled(_) | ServiceError::NotLeader(_)) => {}
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
                matches!(refused, Err(ServiceError::Unsettled(_) | ServiceError::NotLeader(_))),
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
