//! Going on with one node when the others are lost.

use std::sync::Arc;

use futures_util::FutureExt;
use veil::{
    client::{Client, ClientError},
    consensus::{DiskId, Folder, RecoverError, Survivor},
    node::RaftConfig,
    wire::client::MemberError,
};

use super::harness::{Cluster, PATIENCE, leader, member, name, register, register_many, soon, voters};

fn open(cluster: &Cluster, id: u64) -> Result<Survivor, RecoverError> {
    Survivor::open(id, Arc::new(Folder::create(cluster.disks[&id].path()).unwrap()))
}

/// Makes a node that is down the only member.
fn recover(cluster: &Cluster, id: u64) {
    open(cluster, id).unwrap().recover(DiskId::new(7, 7)).unwrap();
}

/// What `index` users are called.
fn users(count: u32) -> impl Iterator<Item = veil::directory::UserName> {
    (0..count).map(|number| name(&format!("user-{number}")))
}

async fn holds(cluster: &Cluster, client: &Client, id: u64, count: u32) {
    let held = client.users_of(&cluster.members[&id].client, PATIENCE).await.unwrap();
    let lost: Vec<_> = users(count).filter(|user| !held.contains(user)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}

/// Whether it started from the log alone, or from a snapshot and a log.
async fn two_of_three_are_lost(raft: RaftConfig, written: u32) {
    let mut cluster = Cluster::start(3, raft).await;
    let client = cluster.client();
    register_many(&cluster, &client, 0..written).await;
    let survivor = leader(&client).await % 3 + 1;
    let last =
        client.status(&cluster.members[&leader(&client).await].client, PATIENCE).await.unwrap().applied;
    cluster.wait_until_equal(&client, [survivor, leader(&client).await], last).await;
    let lost: Vec<_> = (1..=3).filter(|id| *id != survivor).collect();
    assert!(matches!(open(&cluster, survivor), Err(RecoverError::Running)), "it runs");
    for id in &lost {
        cluster.crash_node(*id);
        cluster.disks.remove(id);
    }
    cluster.stop_node(survivor).await;

    let found = open(&cluster, survivor).unwrap();
    assert_eq!((found.holdings().last, found.holdings().users), (last, u64::from(written)));
    assert_eq!(found.others().map(|other| other.id).collect::<Vec<_>>(), lost);
    drop(found);
    recover(&cluster, survivor);
    cluster.start_node(survivor).await;
    register(&client, "after", soon()).await.unwrap();
    holds(&cluster, &client, survivor, written).await;
    assert_eq!(voters(&client).await, [survivor]);
    // Started again, it still is what it was made.
    cluster.stop_node(survivor).await;
    cluster.start_node(survivor).await;
    register(&client, "again", soon()).await.unwrap();

    for id in &lost {
        cluster.start_node(*id).await;
        client.add_member(member(*id), soon()).await.unwrap();
    }
    assert_eq!(voters(&client).await, [1, 2, 3]);
    let index = register_many(&cluster, &client, written..written + 5).await;
    for id in &lost {
        cluster.wait_until_equal(&client, [survivor, *id], index).await;
        holds(&cluster, &client, *id, written + 5).await;
    }
    // They have real votes.
    cluster.stop_node(survivor).await;
    register(&client, "at-last", soon()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_of_three_are_lost_and_the_third_serves_and_grows_to_three() {
    two_of_three_are_lost(RaftConfig::default(), 40).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_survivor_that_has_a_snapshot_serves_as_well() {
    two_of_three_are_lost(RaftConfig { snapshot_every: 32, keep_entries: 32, ..RaftConfig::default() }, 150)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_given_up_and_comes_back_with_an_old_folder_ends_and_is_not_taken_in() {
    let mut cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    register_many(&cluster, &client, 0..20).await;
    let survivor = leader(&client).await;
    for id in 1..=3 {
        cluster.stop_node(id).await;
    }
    recover(&cluster, survivor);
    cluster.start_node(survivor).await;
    register(&client, "after", soon()).await.unwrap();
    let others: Vec<_> = (1..=3).filter(|id| *id != survivor).collect();
    for id in &others {
        cluster.start_node(*id).await;
    }
    for id in &others {
        let ended = tokio::time::timeout_at(soon(), cluster.nodes[id].failed()).await.unwrap();
        assert!(ended.contains(&format!("was recovered from node {survivor} alone")), "{ended}");
        cluster.crash_node(*id);
    }
    assert_eq!(voters(&client).await, [survivor]);
    let failed = cluster.nodes[&survivor].failed().now_or_never();
    assert!(failed.is_none(), "{failed:?}");
    register(&client, "later", soon()).await.unwrap();
}

/// While the survivor is down, the others go on by themselves: what they write contradicts what it writes later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_with_another_history_is_not_taken_in() {
    let mut cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    register_many(&cluster, &client, 0..5).await;
    let survivor = leader(&client).await;
    cluster.stop_node(survivor).await;
    register_many(&cluster, &client, 5..60).await;
    let other = survivor % 3 + 1;
    for id in (1..=3).filter(|id| *id != survivor) {
        cluster.stop_node(id).await;
    }
    recover(&cluster, survivor);
    cluster.start_node(survivor).await;
    let client = cluster.client();
    for number in 0..5 {
        register(&client, &format!("other-{number}"), soon()).await.unwrap();
    }
    // It ends by itself as soon as it asks for a vote. Here it is asked whether it may join before.
    cluster.start_node(other).await;
    match client.add_member(member(other), soon()).await {
        Err(ClientError::Membership(MemberError::OtherHistory { id })) => assert_eq!(id, other),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_a_cluster_cannot_be_recovered_from_is_refused() {
    let mut cluster = Cluster::start(1, RaftConfig::default()).await;
    let client = cluster.client();
    cluster.grow(&client, 2).await;
    cluster.grow(&client, 3).await;
    client.remove_member(3, soon()).await.unwrap();
    cluster.start_node(4).await;
    for id in 1..=4 {
        cluster.stop_node(id).await;
    }
    let refused = |id| open(&cluster, id).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(refused(3).contains("node 3 is no voter"), "{}", refused(3));
    assert!(refused(4).contains("is empty"), "{}", refused(4));
    recover(&cluster, 1);
    assert!(refused(1).contains("is the only voter already"), "{}", refused(1));
    let of_another = Survivor::open(2, Arc::new(Folder::create(cluster.disks[&1].path()).unwrap()));
    assert!(matches!(of_another, Err(RecoverError::NoVoter { node: 2 })));
}
