//! What the log is kept for, and how much of it at most.

use super::{
    cluster::{Cluster, until, write},
    seats::brisk,
    snapshots::{leader_with, propose},
    *,
};

/// The last entry that a node's log has no more.
fn purged(consensus: &Consensus) -> u64 {
    consensus.progress().first_log.saturating_sub(1)
}

/// A snapshot that is being sent covers the log up to here.
const SENT: u64 = 20;

#[tokio::test]
async fn what_comes_after_a_snapshot_that_is_being_sent_is_kept_until_it_has_come() {
    let consensus = leader_with(brisk(), &Memory::default()).await;
    let sending = consensus.house.transfers.begin(SENT);
    for number in 0..300 {
        propose(&consensus, number).await;
    }
    until(|| (consensus.progress().snapshot >= 256).then_some(())).await;
    until(|| (purged(&consensus) >= SENT).then_some(())).await;
    assert_eq!(purged(&consensus), SENT);
    drop(sending);
    until(|| (purged(&consensus) > 200).then_some(())).await;
}

#[tokio::test]
async fn a_snapshot_that_is_being_sent_holds_on_to_no_more_entries_than_the_bound() {
    let timing = Timing { keep_entries: 100, ..brisk() };
    let consensus = leader_with(timing, &Memory::default()).await;
    let _sending = consensus.house.transfers.begin(SENT);
    for number in 0..300 {
        propose(&consensus, number).await;
    }
    until(|| (purged(&consensus) > 150).then_some(())).await;
}

/// The files of the log are of four mebibytes each.
#[tokio::test]
async fn nor_to_more_bytes_and_a_log_of_many_bytes_is_covered_before_a_snapshot_is_due() {
    let timing = Timing { snapshot_every: 1_000_000, keep_bytes: 12 << 20, ..brisk() };
    let consensus = leader_with(timing, &Memory::default()).await;
    let _sending = consensus.house.transfers.begin(1);
    for _ in 0..32 {
        large(&consensus).await;
    }
    until(|| (consensus.progress().snapshot > 20 && purged(&consensus) > 10).then_some(())).await;
}

/// Puts about a mebibyte into the log.
async fn large(consensus: &Consensus) {
    let keys = vec![(crate::directory::ImageId(7), durable::wrapped()); 15_000];
    let action = Action::Rewrap(crate::directory::Rewrap { under: 1, keys });
    static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let request = RequestId::new(7, (1 << 40 | NUMBER.fetch_add(1, Ordering::Relaxed)).into());
    let answer = consensus.propose(request, Actor::Operator, action).await;
    assert!(answer.is_ok(), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_follower_lacks_is_kept_up_to_the_bound_and_beyond_it_a_snapshot_helps() {
    let timing = Timing { snapshot_every: 64, keep_entries: 400, ..Timing::default() };
    let mut cluster = Cluster::start(timing, Duration::ZERO).await;
    let (_, leader) = cluster.leader_after(0).await;
    for _ in 0..100 {
        cluster.write(100).await;
    }
    cluster.converge().await;
    let away = leader % 3 + 1;
    let has = cluster.nodes[&away].consensus.progress().last_log;
    cluster.stop_node(away).await;
    let consensus = cluster.nodes[&leader].consensus.clone();
    let writers = cluster.proposers();
    let write_up_to = async |index: u64| {
        while consensus.progress().last_log < index {
            write(&writers, 100).await;
        }
    };
    // Others have snapshots of all that, and would let go of it. They do so a few entries at a time.
    write_up_to(has + 300).await;
    until(|| (consensus.progress().snapshot > has + 200).then_some(())).await;
    until(|| (purged(&consensus) + 8 > has).then_some(())).await;
    assert!(purged(&consensus) <= has, "{} of {has}", purged(&consensus));
    write_up_to(has + 600).await;
    until(|| (purged(&consensus) > has).then_some(())).await;
    cluster.start_node(away).await;
    cluster.converge().await;
}
