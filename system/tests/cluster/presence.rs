//! Who is online, across crashes of peers and of leaders.

use std::time::Duration;

use veil::{
    client::{Client, ClientError},
    directory::{ImageId, Refusal},
    node::RaftConfig,
};

use super::harness::{Cluster, join, leader, name, soon};

const PAUSE: Duration = Duration::from_millis(20);

/// Where a user is, as another one sees it.
async fn addresses(of: &str, asked_by: &Client) -> Vec<String> {
    let (peers, _) = asked_by.locate(name(of), soon()).await.unwrap();
    peers.into_iter().map(|peer| peer.address).collect()
}

async fn wait_until_at(of: &str, asked_by: &Client, expected: &[&str]) {
    let deadline = soon();
    loop {
        let found = addresses(of, asked_by).await;
        if found == expected {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{of} is at {found:?}, expected {expected:?}");
        tokio::time::sleep(PAUSE).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_come_go_and_crash_and_the_log_does_not_grow() {
    let cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    let (anna, ben) = (join(&client, "anna").await, join(&client, "ben").await);
    let address = &cluster.members[&leader(&client).await].client;
    let before = client.status(address, soon() - tokio::time::Instant::now()).await.unwrap().last_log;

    let online = anna.go_online("10.0.0.1:5000".to_owned(), vec![ImageId(7)], soon()).await.unwrap();
    let (peers, _) = ben.online(None, soon()).await.unwrap();
    assert_eq!(peers.len(), 1);
    let peer = (peers[0].user.as_str(), peers[0].address.as_str(), &peers[0].offers[..]);
    assert_eq!(peer, ("anna", "10.0.0.1:5000", &[ImageId(7)][..]));

    // Ben's address is Ben's: whatever he says, Anna's stays.
    let bens = ben.go_online("10.0.0.2:6000".to_owned(), vec![], soon()).await.unwrap();
    assert_eq!(addresses("anna", &ben).await, ["10.0.0.1:5000"]);
    let bad = ben.go_online("nowhere".to_owned(), vec![], soon()).await.err().unwrap();
    assert!(matches!(bad, ClientError::Presence(_)), "{bad}");
    assert_eq!(client.online(None, soon()).await, Err(ClientError::Refused(Refusal::NoSession)));

    online.leave(soon()).await.unwrap();
    assert!(addresses("anna", &ben).await.is_empty());
    // Dropped, it says nothing more, like a peer that has crashed.
    drop(bens);
    wait_until_at("ben", &anna, &[]).await;
    let after = client.status(address, soon() - tokio::time::Instant::now()).await.unwrap().last_log;
    assert_eq!(after, before, "presence was put into the log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_leader_is_told_who_is_online() {
    let mut cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    let (anna, ben) = (join(&client, "anna").await, join(&client, "ben").await);
    let _online = anna.go_online("10.0.0.1:5000".to_owned(), vec![], soon()).await.unwrap();
    let first = leader(&client).await;
    cluster.stop_node(first).await;
    wait_until_at("anna", &ben, &["10.0.0.1:5000"]).await;
    assert_ne!(leader(&client).await, first);
}
