//! Clusters whose nodes are containers: every host is one that can be lost, cut off and replaced.
//!
//! They are driven by the Docker driver itself, on engines as old as API 1.41.

#![expect(clippy::unwrap_used, reason = "a step that fails is the test's failure")]

mod harness;

use std::{collections::BTreeMap, time::Duration};

use loadgen::{
    cluster::{Cluster, LinkNeeds, OUTSIDE, StartOptions},
    link::DirectedLink,
    record::NodeLimits,
};
use tokio::time::Instant;
use veil::{node::RaftConfig, seal::SealedFile, wire::client::NodeId};

use harness::{Containers, PATIENCE, key, name, options, soon};

/// The number of a user who has nothing to do with those that are counted.
const SHARER: u32 = u32::MAX - 1;

/// What a refused or unanswered write is given.
const SHORT: Duration = Duration::from_secs(2);

/// Both directions between a node and all others.
fn around(node: NodeId) -> Vec<DirectedLink> {
    (1..=3).filter(|other| *other != node).flat_map(|other| [(node, other), (other, node)]).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_containers_elect_seal_and_survive_the_loss_of_their_leader() {
    let Some(cluster) = Containers::start(options()).await else { return };
    let users = cluster.register(0..8).await;
    let original = bytes::Bytes::from(photo());
    let id = cluster.client.request_id();
    let grants = BTreeMap::from([(name(1), 2)]);
    let sealed = cluster.log_in(0).await.seal(id, name(0), grants, original.clone(), soon()).await.unwrap();

    let viewer = cluster.log_in(1).await;
    let leader = cluster.leader_other_than(0).await;
    cluster.kill(leader).await.unwrap();
    let opened = viewer.open_view(cluster.client.request_id(), name(1), sealed.image, soon()).await;
    let opened = opened.unwrap();
    assert_eq!(opened.views_left, Some(1));
    let file = SealedFile::read(&sealed.png).unwrap();
    assert_eq!(file.open(&opened.key).unwrap(), original);

    cluster.restart(leader).await.unwrap();
    cluster.wait_until_equal(&[1, 2, 3], &users).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_majority_nothing_is_acknowledged_and_nothing_lost() {
    let Some(cluster) = Containers::start(options()).await else { return };
    let mut users = cluster.register(0..20).await;
    let leader = cluster.leader_other_than(0).await;
    let lost: Vec<NodeId> = (1..=3).filter(|id| *id != leader).collect();
    for node in &lost {
        cluster.kill(*node).await.unwrap();
    }
    let refused = cluster.try_register(100, Instant::now() + SHORT).await;
    assert!(refused.is_err(), "one of three nodes has acknowledged a write");
    for node in &lost {
        cluster.restart(*node).await.unwrap();
    }
    users.extend(cluster.register(20..30).await);
    cluster.wait_until_equal(&[1, 2, 3], &users).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_two_against_one_the_minority_refuses_and_the_majority_serves() {
    let Some(cluster) = Containers::start(StartOptions { links: LinkNeeds::Cuts, ..options() }).await else {
        return;
    };
    let mut users = cluster.register(0..10).await;
    let session = cluster.log_in(1).await.session().unwrap().clone();
    let alone = cluster.leader_other_than(0).await;
    cluster.change_links(&around(alone), &|shape| shape.cuts += 1).await.unwrap();
    for (from, to) in around(alone) {
        assert!(
            cluster.comes_through(from, to).await.unwrap().is_none(),
            "n{from} reaches n{to} across the cut"
        );
    }
    cluster.leader_other_than(alone).await;
    users.extend(cluster.register(10..20).await);
    let minority = veil::client::Client::new(
        cluster.outside().network().unwrap(),
        vec![cluster.address(alone).to_owned()],
        1,
    );
    let minority = minority.unwrap();
    let held = minority.users_of(cluster.address(alone), PATIENCE).await.unwrap();
    assert!(!held.contains(&name(15)), "it was cut off and knows all the same");
    let refused = minority
        .register(minority.request_id(), name(99), key().public(), None, Instant::now() + SHORT)
        .await;
    assert!(refused.is_err(), "a minority has acknowledged a write");
    let refused = minority.in_session(session).list(name(1), None, Instant::now() + SHORT).await;
    assert!(refused.is_err(), "a minority has vouched for a list: {refused:?}");

    cluster.change_links(&around(alone), &|shape| shape.cuts -= 1).await.unwrap();
    users.extend(cluster.register(20..25).await);
    cluster.wait_until_equal(&[1, 2, 3], &users).await;
    for (from, to) in around(alone) {
        assert!(
            cluster.comes_through(from, to).await.unwrap().is_some(),
            "n{from} does not reach n{to} after the heal"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_outlasts_the_restart_of_who_is_behind_it() {
    let Some(cluster) = Containers::start(StartOptions { links: LinkNeeds::Cuts, ..options() }).await else {
        return;
    };
    let silence = [(OUTSIDE, 3), (3, OUTSIDE)];
    cluster.change_links(&silence, &|shape| shape.cuts += 1).await.unwrap();
    assert!(cluster.client.status(cluster.address(3), SHORT).await.is_err());
    cluster.change_links(&silence, &|shape| shape.cuts -= 1).await.unwrap();
    cluster.client.status(cluster.address(3), PATIENCE).await.unwrap();

    cluster.change_links(&[(2, 3)], &|shape| shape.cuts += 1).await.unwrap();
    cluster.kill(3).await.unwrap();
    cluster.restart(3).await.unwrap();
    assert!(cluster.comes_through(2, 3).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_is_restarted_in_turn_and_no_request_fails() {
    let Some(cluster) = Containers::start(options()).await else { return };
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    cluster.register(SHARER..SHARER + 1).await;
    let sharer = cluster.log_in(SHARER).await;
    let photo = bytes::Bytes::from(photo());
    let mut looking = stop.subscribe();
    let sharing = async {
        let mut count = 0;
        while !*looking.borrow_and_update() {
            let soon = || Instant::now() + PATIENCE;
            let (request, grants) = (cluster.client.request_id(), BTreeMap::from([(name(SHARER), 3)]));
            let sealed = sharer.seal(request, name(SHARER), grants, photo.clone(), soon()).await;
            let (request, image) = (cluster.client.request_id(), sealed.unwrap().image);
            sharer.open_view(request, name(SHARER), image, soon()).await.unwrap();
            assert!(!sharer.list(name(SHARER), None, soon()).await.unwrap().lines.is_empty());
            count += 1;
        }
        count
    };
    let writing = async {
        let mut number = 0;
        while !*stopped.borrow_and_update() {
            cluster.try_register(number, Instant::now() + PATIENCE).await.unwrap();
            number += 1;
        }
        (0..number).map(name).collect::<Vec<_>>()
    };
    let restarting = async {
        for node in 1..=3 {
            cluster.stop(node).await.unwrap();
            cluster.restart(node).await.unwrap();
            cluster.wait_until_caught_up(&[1, 2, 3]).await;
        }
        stop.send_replace(true);
    };
    let (users, shared, ()) = tokio::join!(writing, sharing, restarting);
    assert!(users.len() > 10 && shared > 10, "{} users, {shared} images", users.len());
    cluster.wait_until_equal(&[1, 2, 3], &users).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_replaced_by_an_empty_one() {
    let raft = RaftConfig { snapshot_every: 32, ..RaftConfig::default() };
    let Some(cluster) = Containers::start(StartOptions { raft, ..options() }).await else { return };
    let mut users = cluster.register(0..100).await;
    cluster.kill(1).await.unwrap();
    cluster.client.remove_member(1, soon()).await.unwrap();
    cluster.wipe(1).await.unwrap();
    cluster.restart(1).await.unwrap();
    let member = cluster.members()[0].clone();
    cluster.client.add_member(member, soon()).await.unwrap();
    users.extend(cluster.register(100..110).await);
    cluster.wait_until_equal(&[1, 2, 3], &users).await;
    // What it missed was in the log no more.
    assert!(cluster.client.status(cluster.address(1), PATIENCE).await.unwrap().snapshot > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_grow_to_five_and_shrink_to_three() {
    let Some(cluster) = Containers::start(StartOptions { nodes: 5, ..options() }).await else { return };
    let mut users = cluster.register(0..20).await;
    for id in [4, 5] {
        cluster.client.add_member(cluster.members()[id - 1].clone(), soon()).await.unwrap();
    }
    cluster.wait_until_equal(&[1, 2, 3, 4, 5], &users).await;
    // Five can lose two.
    for node in [1, 2] {
        cluster.kill(node).await.unwrap();
    }
    users.extend(cluster.register(20..30).await);
    for node in [1, 2] {
        cluster.client.remove_member(node, soon()).await.unwrap();
    }
    users.extend(cluster.register(30..40).await);
    cluster.wait_until_equal(&[3, 4, 5], &users).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_missed_more_than_the_log_holds_catches_up_by_snapshot() {
    let raft = RaftConfig { snapshot_every: 32, keep_entries: 32, ..RaftConfig::default() };
    let Some(cluster) = Containers::start(StartOptions { raft, ..options() }).await else { return };
    let mut users = cluster.register(0..40).await;
    let leader = cluster.leader_other_than(0).await;
    let late = (1..=3).find(|id| *id != leader).unwrap();
    let before = cluster.client.status(cluster.address(late), PATIENCE).await.unwrap().last_log;
    cluster.stop(late).await.unwrap();
    users.extend(cluster.register(40..160).await);
    cluster.restart(late).await.unwrap();
    cluster.wait_until_equal(&[1, 2, 3], &users).await;
    let after = cluster.client.status(cluster.address(late), PATIENCE).await.unwrap();
    assert!(after.snapshot > before, "its snapshot ends at {}, its log ended at {before}", after.snapshot);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_ends_one_node_and_loses_nothing() {
    let limits = NodeLimits { disk_bytes: Some(32 << 20), ..NodeLimits::default() };
    let Some(cluster) = Containers::start(StartOptions { limits, ..options() }).await else { return };
    let mut users = cluster.register(0..20).await;
    let leader = cluster.leader_other_than(0).await;
    cluster.fill_disk(leader).await.unwrap();
    users.extend(cluster.register(20..60).await);
    cluster.free_disk(leader).await.unwrap();
    users.extend(cluster.register(60..80).await);
    cluster.wait_until_equal(&[1, 2, 3], &users).await;
}

/// What an engine says of a container.
fn inspect(container: &str, what: &str) -> String {
    let told = std::process::Command::new("docker").args(["inspect", "--format", what, container]).output();
    String::from_utf8(told.unwrap().stdout).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_container_has_an_end() {
    let limits = NodeLimits { disk_bytes: Some(32 << 20), ..NodeLimits::default() };
    let Some(cluster) = Containers::start(StartOptions { limits, ..options() }).await else { return };
    let limits = "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.PidsLimit}}";
    for name in cluster.describe().container_names.values() {
        let (node, keeper) = (4_u64 << 30, 64_u64 << 20);
        assert_eq!(inspect(name, limits), format!("{node} {node} 2048"), "{name}");
        assert_eq!(inspect(&format!("{name}-keeper"), limits), format!("{keeper} {keeper} 2048"));
    }
    assert_eq!(cluster.out_of_memory().await, Vec::<NodeId>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_killed_for_want_of_memory_is_named() {
    let limits = NodeLimits { memory_bytes: Some(64 << 20), ..NodeLimits::default() };
    let Some(cluster) = Containers::start(StartOptions { limits, ..options() }).await else { return };
    cluster.register(0..1).await;
    // An original that takes several times as much while it is sealed.
    let mut original = photo();
    original.resize(15 << 20, 0);
    let owner = cluster.log_in(0).await;
    let (request, deadline) = (cluster.client.request_id(), Instant::now() + PATIENCE);
    let sealed = owner.seal(request, name(0), BTreeMap::new(), original.into(), deadline).await;
    assert!(sealed.is_err(), "64 MiB were enough");
    let deadline = soon();
    while cluster.out_of_memory().await.is_empty() {
        assert!(Instant::now() < deadline, "nobody was killed: {sealed:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A photo.
fn photo() -> Vec<u8> {
    loadgen::photos::Photos::built_in(1).pick(0).bytes.to_vec()
}
