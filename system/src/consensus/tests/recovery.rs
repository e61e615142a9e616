//! Disks that a cluster is recovered from.

use std::collections::{BTreeMap, BTreeSet};

use openraft::{EntryPayload, vote::leader_id_std::CommittedLeaderId};

use super::{cluster::Cluster, *};
use crate::{
    consensus::{
        disk::Segments,
        log::{Journal, Record, State},
        message::PeerAnswer,
        snapshot::{Image, SnapshotStore},
        types::{Entry, LogId, Membership, Proposal, Seat, StoredMembership},
    },
    wire::{
        client::{Member, NodeId},
        codec,
    },
};

/// Short segments, so that what a recovery writes may need two.
const SHORT: u64 = 1_024;

fn disk_id(number: u64) -> DiskId {
    DiskId::new(number, number.into())
}

fn log_id(index: u64) -> LogId {
    LogId::new(CommittedLeaderId::new(3), index)
}

/// Node 1 with this disk, and two others.
fn three(disk: DiskId, padding: usize) -> Membership {
    let seat = |id: NodeId| {
        let member = Member { id, client: format!("c{id}{}", "0".repeat(padding)), peer: format!("p{id}") };
        (id, Seat { member, disk: if id == 1 { disk } else { disk_id(id) } })
    };
    Membership::new(vec![BTreeSet::from([1, 2, 3])], (1..=3).map(seat).collect::<BTreeMap<_, _>>()).unwrap()
}

fn entry(index: u64, payload: EntryPayload<Proposal, NodeId, Seat>) -> Vec<u8> {
    codec::encode(&Entry { log_id: log_id(index), payload }).unwrap()
}

fn journal(disk: &Memory) -> Journal {
    Journal::open(disk.open_log().unwrap(), disk_id(1), SHORT).unwrap()
}

fn append(journal: &mut Journal, index: u64, payload: EntryPayload<Proposal, NodeId, Seat>) {
    journal.push(&Record::Entry { index, bytes: &entry(index, payload) }).unwrap();
}

/// The disk of node 1, a member of three, whose log ends so many bytes before it needs another segment, or a few more.
fn nearly_full(room: usize, padding: usize) -> Memory {
    let disk = Memory::default();
    let mut journal = journal(&disk);
    append(&mut journal, 0, EntryPayload::Membership(three(disk_id(1), padding)));
    journal.flush().unwrap();
    let used = |disk: &Memory| disk.bytes(1).iter().rposition(|byte| *byte != 0).unwrap();
    for index in 1.. {
        let before = disk.copy();
        append(&mut journal, index, EntryPayload::Blank);
        journal.flush().unwrap();
        if used(&disk) + room > SHORT as usize || disk.list().unwrap().len() > 2 {
            return before;
        }
    }
    unreachable!("a segment is full at some time")
}

fn survivor(disk: &Memory) -> Result<Survivor, RecoverError> {
    Survivor::open(1, Arc::new(disk.clone()))
}

fn state(disk: &Memory) -> State {
    journal(disk).state().clone()
}

#[test]
fn a_recovery_that_was_cut_short_anywhere_can_be_done_again() {
    let mut cuts = 0;
    let places = (64..512).step_by(64).flat_map(|room| [0, 5, 11, 16].map(|padding| (room, padding)));
    for place in places {
        let disk = nearly_full(place.0, place.1);
        let found = survivor(&disk).unwrap();
        disk.fail_after(1);
        let cut = found.recover(disk_id(7)).is_err();
        disk.crash(&Crash::Prefix(0));
        let mut number = 7;
        match survivor(&disk) {
            Err(RecoverError::Alone { node: 1 }) => {}
            Ok(again) if cut => {
                (cuts, number) = (cuts + 1, 8);
                again.recover(disk_id(number)).unwrap();
            }
            other => panic!("{place:?}: {:?}", other.map(|found| found.holdings())),
        }
        assert!(matches!(survivor(&disk), Err(RecoverError::Alone { node: 1 })), "{place:?}");
        assert_eq!((state(&disk).recovered, state(&disk).disk), (vec![disk_id(1)], Some(disk_id(number))));
    }
    assert!(cuts > 3, "{cuts}");
}

/// A follower that got a snapshot, and had the power fail before its log said so.
#[test]
fn a_cluster_is_recovered_from_a_disk_whose_snapshot_is_ahead_of_its_log() {
    let disk = nearly_full(512, 0);
    let covered = log_id(state(&disk).last.unwrap() + 50);
    let membership = StoredMembership::new(Some(log_id(0)), three(disk_id(1), 0));
    let image = Image { applied: Some(covered), membership, ..Image::default() };
    SnapshotStore::open(Arc::new(disk.clone())).unwrap().0.write(&image).unwrap();
    survivor(&disk).unwrap().recover(disk_id(7)).unwrap();
    assert_eq!((state(&disk).purged, state(&disk).last), (Some(covered), Some(covered.index + 1)));
    assert!(matches!(survivor(&disk), Err(RecoverError::Alone { node: 1 })));
}

#[test]
fn a_cluster_is_recovered_from_a_disk_twice_and_the_disk_knows_both_its_former_numbers() {
    let disk = nearly_full(512, 0);
    survivor(&disk).unwrap().recover(disk_id(7)).unwrap();
    let mut grown = journal(&disk);
    let next = grown.state().last.unwrap() + 1;
    append(&mut grown, next, EntryPayload::Membership(three(disk_id(7), 0)));
    grown.flush().unwrap();
    drop(grown);
    survivor(&disk).unwrap().recover(disk_id(8)).unwrap();
    assert_eq!((state(&disk).recovered, state(&disk).disk), (vec![disk_id(1), disk_id(7)], Some(disk_id(8))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_means_the_disk_from_before_a_recovery_is_told_of_it() {
    let mut cluster = Cluster::start(Timing::default(), Duration::ZERO).await;
    cluster.leader_after(0).await;
    cluster.write(100).await;
    cluster.converge().await;
    for id in 1..=3 {
        cluster.stop_node(id).await;
    }
    let disk = cluster.copy_of_disk(1);
    survivor(&disk).unwrap().recover(disk_id(7)).unwrap();
    cluster.put_back(1, disk);
    cluster.start_node(1).await;
    cluster.write(100).await;
    let node = &cluster.nodes[&1].consensus;
    assert!(matches!(node.refuse(disk_id(1)), PeerAnswer::Outlived(_)));
    for other in [2, 8] {
        assert!(matches!(node.refuse(disk_id(other)), PeerAnswer::Failed(_)), "disk {other}");
    }
}
