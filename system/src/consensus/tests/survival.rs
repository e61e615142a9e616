//! What Raft survives: slow and hanging disks, followers far behind, a leader that hears nobody.

use super::{
    cluster::{Cluster, until, write},
    *,
};
use crate::{alarm::Alarm, clock::system_clock, wire::client::TransferError};

/// Writes on, several at a time, until it is dropped.
struct Load(Vec<tokio::task::JoinHandle<()>>);

impl Load {
    fn begin(cluster: &Cluster, writers: usize, bytes: usize) -> Self {
        let proposers = cluster.proposers();
        let writer = |_| {
            let proposers = proposers.clone();
            tokio::spawn(async move {
                loop {
                    write(&proposers, bytes).await;
                }
            })
        };
        Self((0..writers).map(writer).collect())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// The vote that a follower has given is safe only after the lease.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_every_sync_takes_longer_than_the_lease_somebody_is_elected_all_the_same_and_serves() {
    let sync = Duration::from_millis(200);
    assert!(Timing::default().lease < sync);
    let mut cluster = Cluster::start(Timing::default(), sync).await;
    let (term, leader) = cluster.leader_after(0).await;
    for _ in 0..5 {
        cluster.write(100).await;
    }
    until(|| cluster.nodes[&leader].consensus.alarms().is_active(Alarm::DiskSlow).then_some(())).await;
    cluster.stop_node(leader).await;
    cluster.leader_after(term).await;
    for _ in 0..5 {
        cluster.write(100).await;
    }
    cluster.start_node(leader).await;
    cluster.converge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_disk_hangs_hands_over_and_is_not_elected_before_it_works() {
    let timing = Timing { disk_timeout: Duration::from_millis(300), ..Timing::default() };
    let cluster = Cluster::start(timing, Duration::ZERO).await;
    let (term, stuck) = cluster.leader_after(0).await;
    let load = Load::begin(&cluster, 4, 100);
    cluster.nodes[&stuck].hang.begin();
    let (after, leader) = cluster.leader_after(term).await;
    assert_ne!(leader, stuck);
    // The others are served, and whoever asks the old leader is told where to go, not that it is busy.
    let others: Vec<_> = cluster.nodes.iter().filter(|(id, _)| **id != stuck).collect();
    let others: Vec<_> = others.into_iter().map(|(_, node)| node.consensus.clone()).collect();
    for _ in 0..20 {
        write(&others, 100).await;
    }
    let request = RequestId::new(system_clock()(), 7);
    let refused = cluster.nodes[&stuck].consensus.propose(request, Actor::Operator, rewrap()).await;
    assert_eq!(refused, Err(ProposeError::NotLeader));
    // It does not take the leadership back, also if the others make room for it.
    let _ = cluster.nodes[&leader].consensus.transfer(Some(stuck)).await;
    write(&others, 100).await;
    assert_ne!(cluster.leader().map(|(_, leader)| leader), Some(stuck));
    assert!(cluster.leader().unwrap().0 >= after);
    let alarms = cluster.nodes[&stuck].consensus.alarms();
    until(|| alarms.is_active(Alarm::Disk).then_some(())).await;
    cluster.nodes[&stuck].hang.end();
    until(|| (!alarms.is_active(Alarm::Disk)).then_some(())).await;
    drop(load);
    cluster.converge().await;
    cluster.write(100).await;
}

fn rewrap() -> Action {
    Action::Rewrap(crate::directory::Rewrap { under: 1, keys: Vec::new() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_hears_nobody_says_so_and_another_one_is_elected() {
    let cluster = Cluster::start(Timing::default(), Duration::ZERO).await;
    let (term, deaf) = cluster.leader_after(0).await;
    cluster.write(100).await;
    let resigned = |cluster: &Cluster| {
        cluster
            .nodes
            .iter()
            .filter(|(id, _)| **id != deaf)
            .any(|(_, node)| node.consensus.contacts.evidence(|evidence| evidence.has_resigned(deaf)))
    };
    cluster.ways.deafen(deaf);
    until(|| resigned(&cluster).then_some(())).await;
    let (_, leader) = cluster.leader_after(term).await;
    assert_ne!(leader, deaf);
    let request = RequestId::new(system_clock()(), 7);
    let refused = cluster.nodes[&deaf].consensus.propose(request, Actor::Operator, rewrap()).await;
    assert_eq!(refused, Err(ProposeError::NotLeader));
    cluster.ways.mend();
    cluster.write(100).await;
    cluster.converge().await;
}

/// Without anybody to take over, it goes on when it hears again: in the same term, and with what it was at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_hears_again_before_another_was_elected_leads_on() {
    let mut cluster = Cluster::start(Timing::default(), Duration::ZERO).await;
    let (term, deaf) = cluster.leader_after(0).await;
    cluster.write(100).await;
    // With one of the others down, the last one is no majority without it, and lacks what nobody gets any more: so the
    // leader does not vote for it either.
    let (down, last) = (deaf % 3 + 1, (deaf + 1) % 3 + 1);
    cluster.stop_node(down).await;
    cluster.ways.deafen(last);
    let leader = cluster.nodes[&deaf].consensus.clone();
    let before = leader.progress().last_log;
    let writing = tokio::spawn({
        let leader = leader.clone();
        async move { write(&[leader], 100).await }
    });
    until(|| (leader.progress().last_log > before).then_some(())).await;
    cluster.ways.deafen(deaf);
    until(|| leader.is_silent().then_some(())).await;
    cluster.ways.mend();
    writing.await.unwrap();
    cluster.write(100).await;
    assert_eq!(cluster.leader(), Some((term, deaf)));
}

/// How long an election may take when nobody is waited for, and not as long as openraft would have it.
const NO_LEASE: Duration = LONGEST_ELECTION.checked_div(2).unwrap();

/// The last one is elected by the old leader, which has made room for a node that is not there any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_successor_is_lost_as_it_takes_over_another_one_is_elected_at_once() {
    let cluster = Cluster::start(Timing::default(), Duration::ZERO).await;
    let (term, old) = cluster.leader_after(0).await;
    cluster.write(100).await;
    cluster.converge().await;
    let (successor, last) = (old % 3 + 1, (old + 1) % 3 + 1);
    cluster.ways.deafen(successor);
    cluster.nodes[&old].consensus.step_back_for(successor).await.unwrap();
    let elected = tokio::time::timeout(NO_LEASE, cluster.leader_after(term)).await;
    assert_eq!(elected.expect("the old leader holds on to its lease").1, last);
    cluster.write(100).await;
    cluster.ways.mend();
    cluster.converge().await;
}

/// A leader that has fallen silent is no reason to wait, also when its vote is needed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_leader_votes_for_another() {
    let mut cluster = Cluster::start(Timing::default(), Duration::ZERO).await;
    let (term, old) = cluster.leader_after(0).await;
    cluster.write(100).await;
    cluster.converge().await;
    cluster.stop_node(old % 3 + 1).await;
    cluster.nodes[&old].consensus.fall_silent();
    let elected = tokio::time::timeout(NO_LEASE, cluster.leader_after(term)).await;
    assert_eq!(elected.expect("the old leader holds on to its lease").1, (old + 1) % 3 + 1);
    cluster.write(100).await;
    cluster.converge().await;
}

/// Who has stepped back for one that does not step in has nobody answer heartbeats any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_transfer_that_failed_the_next_candidate_is_tried() {
    let cluster = Cluster::start(Timing::default(), Duration::ZERO).await;
    let (term, old) = cluster.leader_after(0).await;
    cluster.write(100).await;
    cluster.converge().await;
    let (lost, next) = (old % 3 + 1, (old + 1) % 3 + 1);
    cluster.ways.deafen(lost);
    let consensus = &cluster.nodes[&old].consensus;
    consensus.step_back_for(lost).await.unwrap();
    // It steps in when it is asked, or before.
    match consensus.transfer_to(next).await {
        Ok(now) => assert_eq!(now.leader.unwrap().id, next),
        Err(refused) => assert_eq!(refused, TransferFailure::NotLeader),
    }
    let (_, leader) = cluster.leader_after(term).await;
    assert_eq!(leader, next);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_makes_room_for_a_node_whose_disk_hangs() {
    let timing = Timing { disk_timeout: Duration::from_millis(300), ..Timing::default() };
    let cluster = Cluster::start(timing, Duration::ZERO).await;
    let (_, leader) = cluster.leader_after(0).await;
    let stuck = leader % 3 + 1;
    cluster.nodes[&stuck].hang.begin();
    let load = Load::begin(&cluster, 1, 100);
    let consensus = &cluster.nodes[&leader].consensus;
    until(|| consensus.unfit_to_lead(stuck)).await;
    let refused = consensus.transfer(Some(stuck)).await;
    let Err(TransferFailure::Refused(TransferError::DiskHangs { id, .. })) = refused else {
        panic!("not refused: {refused:?}");
    };
    assert_eq!(id, stuck);
    assert_ne!(cluster.leader().map(|(_, leader)| leader), Some(stuck));
    cluster.nodes[&stuck].hang.end();
    drop(load);
    cluster.converge().await;
}

const YEAR_MS: u64 = 365 * 24 * 3_600_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_clock_is_wrong_does_not_stand_for_election() {
    let mut cluster = Cluster::start(Timing::default(), Duration::ZERO).await;
    let (term, leader) = cluster.leader_after(0).await;
    cluster.converge().await;
    // Of the two, its turn would be the first.
    let wrong = if leader == 1 { 2 } else { 1 };
    cluster.put_forward(wrong, YEAR_MS).await;
    cluster.stop_node(leader).await;
    assert_eq!(cluster.leader_after(term).await.1, 6 - leader - wrong);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_clock_is_wrong_takes_no_change() {
    let cluster = Cluster::start(Timing::default(), Duration::ZERO).await;
    let (_, wrong) = cluster.leader_after(0).await;
    cluster.converge().await;
    cluster.put_forward(wrong, YEAR_MS).await;
    let consensus = &cluster.nodes[&wrong].consensus;
    let before = consensus.progress().last_log;
    let request = RequestId::new(system_clock()(), 7);
    let refused = async || {
        let refused = consensus.propose(request, Actor::Operator, rewrap()).await;
        let Err(ProposeError::Clock(ClockError::Wrong { off_ms, against })) = refused else {
            panic!("not refused: {refused:?}");
        };
        assert!(off_ms.unsigned_abs().abs_diff(YEAR_MS) < 60_000, "{off_ms}");
        assert_eq!(against.len(), 2);
    };
    refused().await;
    // Also at the very moment at which it is put forward.
    cluster.set_clock(wrong, 0);
    until(|| matches!(consensus.clock(), Judgement::Right { .. }).then_some(())).await;
    cluster.set_clock(wrong, YEAR_MS);
    refused().await;
    assert_eq!(consensus.progress().last_log, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_clock_is_wrong_does_not_step_in_for_a_leader_that_makes_room_for_it() {
    let cluster = Cluster::start(Timing::default(), Duration::ZERO).await;
    let (term, old) = cluster.leader_after(0).await;
    cluster.converge().await;
    let wrong = old % 3 + 1;
    cluster.put_forward(wrong, YEAR_MS).await;
    cluster.nodes[&old].consensus.step_back_for(wrong).await.unwrap();
    assert_ne!(cluster.leader_after(term).await.1, wrong);
}

/// Few enough that a cluster in a test gets there.
fn frugal() -> Timing {
    Timing { snapshot_every: 64, keep_entries: 2_000, ..Timing::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_reads_slowly_gets_a_snapshot_when_the_leader_has_let_go_of_what_it_lacks() {
    let cluster = Cluster::start(frugal(), Duration::ZERO).await;
    let (_, leader) = cluster.leader_after(0).await;
    cluster.write(100).await;
    let slow = leader % 3 + 1;
    // It takes some 500 entries a second, each batch of them within the time that it may take.
    cluster.ways.narrow(slow, 500);
    let load = Load::begin(&cluster, 16, 100);
    let (consensus, slow) = (&cluster.nodes[&leader].consensus, &cluster.nodes[&slow].consensus);
    // How much it keeps until then depends on how quickly a test gets to write; `retention` has that at a standstill.
    until(|| (consensus.house.log.first()? > slow.progress().last_log + 1).then_some(())).await;
    assert!(slow.progress().last_log > 100, "it was served from the log");
    // Only a snapshot helps it now.
    cluster.ways.mend();
    drop(load);
    cluster.converge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_was_away_catches_up_while_writing_goes_on() {
    let timing = frugal();
    let mut cluster = Cluster::start(timing, Duration::ZERO).await;
    let (_, leader) = cluster.leader_after(0).await;
    cluster.write(100).await;
    let away = leader % 3 + 1;
    cluster.stop_node(away).await;
    let load = Load::begin(&cluster, 8, 100);
    let goal = cluster.nodes[&leader].consensus.progress().last_log + timing.keep_entries;
    until(|| (cluster.nodes[&leader].consensus.progress().last_log > goal).then_some(())).await;
    // The snapshot takes its time, and more is written meanwhile than would be kept without it.
    cluster.ways.narrow(away, 50_000);
    cluster.start_node(away).await;
    until(|| {
        let leaders = cluster.nodes[&leader].consensus.progress().applied;
        let snapshot = cluster.nodes[&away].consensus.progress().snapshot;
        (snapshot > 0 && cluster.nodes[&away].consensus.progress().applied + 64 > leaders).then_some(())
    })
    .await;
    drop(load);
    cluster.converge().await;
}
