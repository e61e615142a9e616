//! The leadership is moved, and nobody notices.

use veil::{
    client::{Client, ClientError},
    node::RaftConfig,
    wire::client::TransferError,
};

use super::harness::{Cluster, Writer, join, leader, name, register, soon, voters};

/// Reads their own images one time after the other, none of which may fail, until it is aborted.
fn keep_reading(client: Client, user: &'static str) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            client.list(name(user), None, soon()).await.unwrap();
        }
    })
}

/// Clients that write and read.
struct Load {
    writers: Vec<(Client, Writer)>,
    readers: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    async fn begin(cluster: &Cluster) -> Self {
        let client = cluster.client();
        let writers = (0..4).map(|number| {
            let client = cluster.client();
            let writer = Writer::start_as(&client, &format!("writer-{number}"));
            (client, writer)
        });
        let writers = writers.collect();
        let mut readers = Vec::new();
        for user in ["anna", "ben"] {
            readers.push(keep_reading(join(&client, user).await, user));
        }
        Self { writers, readers }
    }

    async fn end(self) {
        for (_, writer) in self.writers {
            writer.finish().await;
        }
        for reader in self.readers {
            assert!(!reader.is_finished(), "a read failed");
            reader.abort();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_the_leadership_is_transferred() {
    let cluster = Cluster::start(3, RaftConfig::default()).await;
    let load = Load::begin(&cluster).await;
    let client = cluster.client();
    let mut before = leader(&client).await;
    for number in 0..10 {
        let to = (number % 2 == 0).then_some(before % 3 + 1);
        let after = client.transfer_leadership(to, soon()).await.unwrap().id;
        assert_ne!(after, before);
        assert!(to.is_none_or(|to| to == after), "node {after} leads, not node {to:?}");
        before = after;
    }
    load.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_leaders_are_stopped_and_started() {
    let mut cluster = Cluster::start(3, RaftConfig::default()).await;
    let load = Load::begin(&cluster).await;
    let client = cluster.client();
    for round in 0..3 {
        let stopped = leader(&client).await;
        cluster.stop_node(stopped).await;
        register(&client, &format!("without-{stopped}-{round}"), soon()).await.unwrap();
        cluster.start_node(stopped).await;
    }
    load.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_transferred_is_refused_with_the_reason() {
    let mut cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    register(&client, "first", soon()).await.unwrap();
    assert_eq!(voters(&client).await, [1, 2, 3]);
    let old = leader(&client).await;
    let refused = async |to| match client.transfer_leadership(Some(to), soon()).await {
        Err(ClientError::Transfer(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(old).await, TransferError::LeadsAlready { id: old });
    assert_eq!(refused(9).await, TransferError::Unknown { id: 9 });
    let down = old % 3 + 1;
    // In order: one that crashed in this process may still answer once.
    cluster.stop_node(down).await;
    let not_caught_up = async |to| match client.transfer_leadership(Some(to), soon()).await {
        Err(ClientError::Transfer(TransferError::NotCaughtUp { id, .. })) => id,
        other => panic!("{other:?}"),
    };
    assert_eq!(not_caught_up(down).await, down);
    // It leads on as if nothing had been asked.
    register(&client, "second", soon()).await.unwrap();
    assert_eq!(leader(&client).await, old);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_alone_has_nobody_to_hand_over_to() {
    let cluster = Cluster::start(1, RaftConfig::default()).await;
    let client = cluster.client();
    register(&client, "first", soon()).await.unwrap();
    let refused = client.transfer_leadership(None, soon()).await;
    assert_eq!(refused, Err(ClientError::Transfer(TransferError::Alone)));
}
