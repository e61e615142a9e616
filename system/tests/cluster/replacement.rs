//! Nodes that come back with an empty disk, or with an old one.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;
use veil::{
    client::{Client, ClientError},
    node::RaftConfig,
    wire::client::MemberError,
};

use super::harness::{
    Cluster, PATIENCE, Writer, leader, member, name, register, register_many, soon, voters,
};

/// Snapshots so often that the log's beginning is soon gone.
fn frugal() -> RaftConfig {
    RaftConfig { snapshot_every: 32, keep_entries: 32, ..RaftConfig::default() }
}

/// Two nodes that do not lead.
async fn followers(client: &Client) -> [u64; 2] {
    match leader(client).await {
        1 => [2, 3],
        2 => [1, 3],
        _ => [1, 2],
    }
}

async fn applied(cluster: &Cluster, client: &Client, id: u64) -> u64 {
    client.status(&cluster.members[&id].client, PATIENCE).await.unwrap().applied
}

/// Nothing is acknowledged for a while in which three nodes would elect a leader many times.
async fn assert_no_majority(client: &Client) {
    let deadline = Instant::now() + Duration::from_millis(1_500);
    let lost = register(client, "nobody", deadline).await;
    assert!(matches!(lost, Err(ClientError::TimedOut { .. } | ClientError::Unsettled { .. })), "{lost:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_lost_its_disk_does_no_harm_and_is_replaced_by_itself() {
    let mut cluster = Cluster::start(3, frugal()).await;
    let client = cluster.client();
    register_many(&cluster, &client, 0..100).await;
    let (led, [lost, other]) = (leader(&client).await, followers(&client).await);
    let writer = Writer::start(&client);
    cluster.stop_node(lost).await;
    cluster.start_empty(lost).await;
    let known = client.add_member(member(lost), soon()).await;
    assert_eq!(known, Err(ClientError::Membership(MemberError::OtherDisk { id: lost })));
    register_many(&cluster, &client, 100..200).await;
    assert_eq!(applied(&cluster, &client, lost).await, 0, "it takes entries in the name of the lost disk");

    client.remove_member(lost, soon()).await.unwrap();
    client.add_member(member(lost), soon()).await.unwrap();
    assert_eq!(voters(&client).await, [1, 2, 3]);
    let failed = cluster.nodes[&led].failed().now_or_never();
    assert!(failed.is_none(), "the leader gave up: {failed:?}");
    writer.finish().await;
    let index = register_many(&cluster, &client, 200..201).await;
    cluster.wait_until_equal(&client, [led, lost], index).await;
    let status = client.status(&cluster.members[&lost].client, PATIENCE).await.unwrap();
    assert!(status.snapshot > 20, "it cannot have caught up from the log alone");
    // It counts: without the other follower there is still a majority.
    cluster.stop_node(other).await;
    register_many(&cluster, &client, 201..210).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_lost_its_disk_acknowledges_nothing() {
    let mut cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    register_many(&cluster, &client, 0..10).await;
    let [lost, other] = followers(&client).await;
    cluster.stop_node(lost).await;
    cluster.start_empty(lost).await;
    cluster.stop_node(other).await;
    assert_no_majority(&client).await;
    cluster.start_node(other).await;
    register_many(&cluster, &client, 10..20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_lost_its_disk_elects_nobody_who_lacks_what_it_acknowledged() {
    let mut cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    register_many(&cluster, &client, 0..10).await;
    let (led, [lost, behind]) = (leader(&client).await, followers(&client).await);
    cluster.stop_node(behind).await;
    // Acknowledged by the leader and by the one that will forget.
    register_many(&cluster, &client, 10..20).await;
    cluster.stop_node(lost).await;
    cluster.start_empty(lost).await;
    cluster.stop_node(led).await;
    cluster.start_node(behind).await;
    assert_no_majority(&client).await;
    cluster.start_node(led).await;
    let index = register_many(&cluster, &client, 20..21).await;
    cluster.wait_until_equal(&client, [led, behind], index).await;
    let users = client.users_of(&cluster.members[&behind].client, PATIENCE).await.unwrap();
    assert!((0..21).all(|number| users.contains(&name(&format!("user-{number}")))), "{users:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_founder_that_lost_its_disk_founds_nothing() {
    let mut cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    register_many(&cluster, &client, 0..10).await;
    cluster.stop_node(1).await;
    cluster.start_empty(1).await;
    register_many(&cluster, &client, 10..20).await;
    let status = client.status(&member(1).client, PATIENCE).await.unwrap();
    assert_eq!((status.last_log, status.leadership.term), (0, 0));
    client.remove_member(1, soon()).await.unwrap();
    client.add_member(member(1), soon()).await.unwrap();
    let index = register_many(&cluster, &client, 20..21).await;
    cluster.wait_until_equal(&client, [1, leader(&client).await], index).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_node_comes_back_with_its_old_disk() {
    let mut cluster = Cluster::start(3, frugal()).await;
    let client = cluster.client();
    register_many(&cluster, &client, 0..50).await;
    let [away, other] = followers(&client).await;
    cluster.stop_node(away).await;
    client.remove_member(away, soon()).await.unwrap();
    // What it holds is, by now, older than anything in the log.
    register_many(&cluster, &client, 50..200).await;
    cluster.start_node(away).await;
    client.add_member(member(away), soon()).await.unwrap();
    let index = register_many(&cluster, &client, 200..201).await;
    cluster.wait_until_equal(&client, [away, other], index).await;
    let users = client.users_of(&cluster.members[&away].client, PATIENCE).await.unwrap();
    assert_eq!(users.len(), 201);
}
