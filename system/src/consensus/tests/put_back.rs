//! Nodes whose disk was put back from an older copy.

use super::{
    cluster::{Cluster, until, write},
    *,
};
use crate::alarm::Alarm;

/// Waits until a node remembers of another one that it holds the whole log.
async fn heard(cluster: &Cluster, by: NodeId, of: NodeId) {
    let (hears, holds) = (&cluster.nodes[&by].consensus, &cluster.nodes[&of].consensus);
    until(|| {
        let held = hears.promises.of(of, holds.disk).held.map_or(0, |entry| entry.index);
        (held > 0 && held == holds.progress().last_log).then_some(())
    })
    .await;
}

fn is_told(cluster: &Cluster, by: NodeId) -> bool {
    cluster.nodes[&by].consensus.alarms().is_active(Alarm::PutBack)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_was_put_back_gets_what_it_lacks_and_all_are_told() {
    let mut cluster = Cluster::start(Timing::default(), Duration::ZERO).await;
    let (_, leader) = cluster.leader_after(0).await;
    cluster.write(100).await;
    cluster.converge().await;
    let (old, other) = (leader % 3 + 1, (leader + 1) % 3 + 1);
    cluster.stop_node(old).await;
    let copy = cluster.copy_of_disk(old);
    cluster.start_node(old).await;
    for _ in 0..50 {
        cluster.write(4_000).await;
    }
    cluster.converge().await;
    heard(&cluster, leader, old).await;
    heard(&cluster, other, old).await;
    cluster.stop_node(old).await;
    cluster.put_back(old, copy);
    // What it lacks takes its time.
    cluster.ways.narrow(old, 2_000);
    cluster.start_node(old).await;
    for id in [leader, other, old] {
        until(|| is_told(&cluster, id).then_some(())).await;
    }
    cluster.ways.mend();
    cluster.converge().await;
    // The others say no more when it has caught up; itself says what it was until it is started again.
    for id in [leader, other] {
        until(|| (!is_told(&cluster, id)).then_some(())).await;
    }
    until(|| (!cluster.nodes[&old].consensus.is_put_back()).then_some(())).await;
    assert!(is_told(&cluster, old));
    cluster.stop_node(old).await;
    cluster.start_node(old).await;
    cluster.write(100).await;
    cluster.converge().await;
    assert!(!is_told(&cluster, old));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_put_back_and_is_removed_is_told_of_no_more() {
    let mut cluster = Cluster::start(Timing::default(), Duration::ZERO).await;
    let (_, leader) = cluster.leader_after(0).await;
    cluster.write(100).await;
    cluster.converge().await;
    let (old, other) = (leader % 3 + 1, (leader + 1) % 3 + 1);
    cluster.stop_node(old).await;
    let copy = cluster.copy_of_disk(old);
    cluster.start_node(old).await;
    for _ in 0..50 {
        cluster.write(4_000).await;
    }
    cluster.converge().await;
    heard(&cluster, leader, old).await;
    heard(&cluster, other, old).await;
    cluster.stop_node(old).await;
    cluster.put_back(old, copy);
    cluster.ways.narrow(old, 2_000);
    cluster.start_node(old).await;
    for id in [leader, other] {
        until(|| is_told(&cluster, id).then_some(())).await;
    }
    cluster.stop_node(old).await;
    let leads = cluster.leader().unwrap().1;
    cluster.nodes[&leads].consensus.remove_member(old).await.unwrap();
    for id in [leader, other] {
        until(|| (!is_told(&cluster, id)).then_some(())).await;
    }
}

/// The leader and one that is put back are the only ones that hold what was acknowledged, and the leader is down.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_put_back_elects_nobody_who_lacks_what_it_was_heard_to_hold() {
    let mut cluster = Cluster::start(Timing::default(), Duration::ZERO).await;
    let (term, leader) = cluster.leader_after(0).await;
    cluster.write(100).await;
    cluster.converge().await;
    let (old, behind) = (leader % 3 + 1, (leader + 1) % 3 + 1);
    cluster.stop_node(old).await;
    let copy = cluster.copy_of_disk(old);
    cluster.start_node(old).await;
    cluster.write(100).await;
    cluster.converge().await;
    // It writes nothing any more, and hears what the others say of themselves.
    cluster.nodes[&behind].hang.begin();
    for _ in 0..20 {
        write(&[cluster.nodes[&leader].consensus.clone()], 100).await;
    }
    let goal = cluster.nodes[&leader].consensus.progress().last_log;
    until(|| (cluster.nodes[&old].consensus.progress().applied == goal).then_some(())).await;
    heard(&cluster, behind, old).await;
    let served = cluster.nodes[&leader].consensus.directory();
    cluster.stop_node(old).await;
    cluster.put_back(old, copy);
    cluster.stop_node(leader).await;
    cluster.start_node(old).await;
    cluster.nodes[&behind].hang.end();
    until(|| is_told(&cluster, behind).then_some(())).await;
    // Long enough for many elections.
    tokio::time::sleep(10 * Timing::default().lease).await;
    assert!(cluster.nodes.values().all(|node| node.consensus.progress().last_log < goal));
    let elected = cluster.leader().filter(|(now, _)| *now > term);
    assert_eq!(elected, None, "it leads without what was acknowledged");
    cluster.start_node(leader).await;
    cluster.leader_after(term).await;
    cluster.write(100).await;
    cluster.converge().await;
    let held = cluster.nodes[&old].consensus.directory();
    assert!(held.1 > served.1 && cluster.nodes[&leader].consensus.progress().last_log > goal);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_are_merely_restarted_were_not_put_back() {
    let mut cluster = Cluster::start(Timing::default(), Duration::ZERO).await;
    cluster.leader_after(0).await;
    for round in 0..9 {
        let proposers = cluster.proposers();
        let load = tokio::spawn(async move {
            loop {
                write(&proposers, 1_000).await;
            }
        });
        cluster.write(100).await;
        cluster.stop_node(round % 3 + 1).await;
        cluster.write(100).await;
        cluster.start_node(round % 3 + 1).await;
        cluster.write(100).await;
        load.abort();
    }
    cluster.converge().await;
    for id in 1..=3 {
        assert!(!is_told(&cluster, id), "{:?}", cluster.nodes[&id].consensus.alarms().active());
    }
}
