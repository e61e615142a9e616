//! What becomes of Raft when a snapshot cannot be made, kept or received.

use super::{
    super::{
        snapshot::{HEADER, Image, SnapshotStore},
        types::{LogId, Vote},
    },
    cluster,
    seats::{brisk, node_on, only_member, seat, start},
    *,
};
use crate::{
    alarm::Alarm,
    directory::{Effect, Register},
    identity::PublicKey,
    wire::transport::Pipes,
};

fn disk_id() -> DiskId {
    DiskId::new(1, 1)
}

fn register(number: u32) -> Action {
    let user = format!("user-{number}").parse().unwrap();
    Action::Register(Register { user, key: PublicKey::from_bytes([1; 32]), password: None })
}

pub(super) async fn propose(consensus: &Consensus, number: u32) {
    let id = RequestId::new(7, number.into());
    let answer = consensus.propose(id, Actor::Stranger, register(number)).await;
    assert_eq!(answer, Ok(Ok(Effect::Registered)));
}

/// Waits until something holds.
async fn until(what: impl Fn() -> bool) {
    cluster::until(|| what().then_some(())).await;
}

fn is_raised(consensus: &Consensus) -> bool {
    consensus.alarms().is_active(Alarm::Snapshot)
}

/// A node that is the only member and leads, on this disk.
async fn leader(memory: &Memory) -> Consensus {
    leader_with(brisk(), memory).await
}

pub(super) async fn leader_with(timing: Timing, memory: &Memory) -> Consensus {
    let consensus = start(timing, disk_id(), memory).await;
    let first = PeerRequest::Raft {
        to: disk_id(),
        told: Default::default(),
        message: only_member(0, seat(disk_id())),
    };
    consensus.answer(first, 0).await;
    consensus.lose(0);
    until(|| consensus.leads()).await;
    consensus
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_written_is_an_alarm_and_not_the_end() {
    let memory = Memory::default();
    let consensus = leader(&memory).await;
    memory.leave(Some(100));
    for number in 0..40 {
        propose(&consensus, number).await;
    }
    until(|| is_raised(&consensus)).await;
    // It goes on, and the log is kept.
    for number in 40..80 {
        propose(&consensus, number).await;
    }
    assert_eq!(consensus.progress().snapshot, 0);
    assert_eq!(consensus.raft.metrics().borrow_watched().purged, None);
    assert!(is_raised(&consensus));
    memory.leave(None);
    until(|| !is_raised(&consensus)).await;
    until(|| consensus.progress().snapshot >= 80).await;
    until(|| consensus.raft.metrics().borrow_watched().purged.is_some()).await;
    assert!(memory.snapshot().is_some());
}

#[tokio::test]
async fn a_snapshot_is_made_every_so_many_entries() {
    let memory = Memory::default();
    let consensus = leader(&memory).await;
    for number in 0..10 {
        propose(&consensus, number).await;
    }
    assert!(memory.snapshot().is_none());
    for number in 10..20 {
        propose(&consensus, number).await;
    }
    until(|| consensus.progress().snapshot >= 16).await;
}

/// The pieces of a snapshot after the entry at index 5, as a leader in term 1 sends them.
fn pieces(transfer: u64) -> Vec<SnapshotPiece> {
    let mut directory = Directory::default();
    for number in 0..10 {
        let (request, action) = (RequestId::new(7, number.into()), register(number));
        directory.apply(Command { request, at_ms: 7, actor: Actor::Stranger, action }).unwrap();
    }
    let leader = openraft::vote::leader_id_std::CommittedLeaderId::new(1);
    let image = Image { applied: Some(LogId::new(leader, 5)), directory, ..Image::default() };
    let disk = Memory::default();
    let (store, _) = SnapshotStore::open(Arc::new(disk.clone())).unwrap();
    store.write(&image).unwrap();
    let bytes = disk.snapshot().unwrap();
    let (mut pieces, mut from) = (Vec::new(), 0);
    while from < bytes.len() {
        let at = from.max(HEADER);
        let length = u32::from_le_bytes(bytes[at + 1..at + 5].try_into().unwrap()) as usize;
        let until = at + 37 + length;
        pieces.push(SnapshotPiece {
            vote: Vote::new_committed(1, 2),
            transfer,
            offset: from as u64,
            bytes: bytes[from..until].to_vec().into(),
            last: until == bytes.len(),
        });
        from = until;
    }
    assert!(pieces.len() > 3);
    pieces
}

async fn send(consensus: &Consensus, piece: SnapshotPiece) -> PeerAnswer {
    let message = RaftMessage::Snapshot(piece);
    consensus.answer(PeerRequest::Raft { to: disk_id(), told: Default::default(), message }, 0).await
}

#[tokio::test]
async fn a_follower_refuses_damaged_pieces_and_takes_them_when_they_are_whole() {
    let memory = Memory::default();
    let consensus = node_on(disk_id(), &memory).await;
    let whole = pieces(0).len();
    for damaged in 0..whole {
        for (number, mut piece) in pieces(damaged as u64).into_iter().enumerate().take(damaged + 1) {
            let is_damaged = number == damaged;
            if is_damaged {
                let mut bytes = piece.bytes.to_vec();
                *bytes.last_mut().unwrap() ^= 1;
                piece.bytes = bytes.into();
            }
            match send(&consensus, piece).await {
                PeerAnswer::MoreSnapshot if !is_damaged => {}
                PeerAnswer::Failed(reason) if is_damaged => {
                    assert!(reason.contains(&format!("chunk {number} of the snapshot, at byte")), "{reason}");
                }
                answer => panic!("piece {number}, damaged {damaged}: {answer:?}"),
            }
        }
        assert!(is_raised(&consensus));
        // The rest of it is not taken any more, and nothing of it was kept.
        let after = send(&consensus, pieces(damaged as u64).pop().unwrap()).await;
        assert!(
            matches!(&after, PeerAnswer::Failed(reason) if reason.contains("not under way")),
            "{after:?}"
        );
        assert!(memory.snapshot().is_none());
    }
    for piece in pieces(100) {
        let last = piece.last;
        match send(&consensus, piece).await {
            PeerAnswer::MoreSnapshot if !last => {}
            PeerAnswer::Snapshot(_) if last => {}
            answer => panic!("{answer:?}"),
        }
    }
    assert!(!is_raised(&consensus));
    assert_eq!(consensus.look(|directory, applied| (directory.counts().0, applied)), (10, 5));
    assert!(memory.snapshot().is_some());
}

#[tokio::test]
async fn pieces_out_of_order_or_of_another_transfer_are_refused() {
    let consensus = node_on(disk_id(), &Memory::default()).await;
    let mut pieces = pieces(1).into_iter();
    let [first, second, third] = [(); 3].map(|()| pieces.next().unwrap());
    assert!(matches!(send(&consensus, first.clone()).await, PeerAnswer::MoreSnapshot));
    let refused = send(&consensus, third).await;
    assert!(
        matches!(&refused, PeerAnswer::Failed(reason) if reason.contains("expected byte")),
        "{refused:?}"
    );
    assert!(matches!(send(&consensus, first).await, PeerAnswer::MoreSnapshot));
    let other = SnapshotPiece { transfer: 2, ..second };
    assert!(matches!(send(&consensus, other).await, PeerAnswer::Failed(_)));
}

#[tokio::test]
async fn a_follower_without_room_says_so_and_goes_on() {
    let memory = Memory::default();
    let consensus = node_on(disk_id(), &memory).await;
    memory.leave(Some(100));
    let mut refused = None;
    for piece in pieces(1) {
        if let PeerAnswer::Failed(reason) = send(&consensus, piece).await {
            refused = Some(reason);
            break;
        }
    }
    assert!(refused.as_ref().is_some_and(|reason| reason.contains("no space left")), "{refused:?}");
    assert!(is_raised(&consensus));
    memory.leave(None);
    for piece in pieces(2) {
        assert!(!matches!(send(&consensus, piece).await, PeerAnswer::Failed(_)));
    }
    assert!(!is_raised(&consensus));
    assert_eq!(consensus.look(|_, applied| applied), 5);
}

#[tokio::test]
async fn a_snapshot_that_cannot_take_its_place_is_an_alarm_until_it_can() {
    let memory = Memory::default();
    let consensus = node_on(disk_id(), &memory).await;
    let first = PeerRequest::Raft {
        to: disk_id(),
        told: Default::default(),
        message: only_member(0, seat(disk_id())),
    };
    consensus.answer(first, 0).await;
    let mut pieces = pieces(1);
    let last = pieces.pop().unwrap();
    for piece in pieces {
        assert!(matches!(send(&consensus, piece).await, PeerAnswer::MoreSnapshot));
    }
    // It is written, and cannot be put where it belongs.
    memory.fail_after(1);
    let receiving = tokio::spawn({
        let consensus = consensus.clone();
        async move { send(&consensus, last).await }
    });
    until(|| is_raised(&consensus)).await;
    assert!(memory.snapshot().is_none());
    memory.crash(&Crash::Prefix(0));
    let received = receiving.await.unwrap();
    assert!(matches!(received, PeerAnswer::Snapshot(_)), "{received:?}");
    assert!(!is_raised(&consensus));
    assert_eq!(consensus.look(|_, applied| applied), 5);
}

#[test]
fn unfinished_snapshots_are_gone_with_their_end_and_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Folder::create(folder.path()).unwrap();
    let names = || -> Vec<String> {
        let entries = std::fs::read_dir(folder.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let begin = || {
        let mut snapshot = disk.create_snapshot().unwrap();
        snapshot.append(b"some").unwrap();
        snapshot
    };
    let (one, other) = (begin(), begin());
    assert_eq!(names().len(), 2);
    drop(one);
    assert_eq!(names().len(), 1);
    // As if the node were killed.
    std::mem::forget(other);
    let mut kept: Box<dyn NewSnapshot> = begin();
    kept.sync().unwrap();
    kept.commit().unwrap();
    drop(kept);
    drop(disk.open_log().unwrap());
    let mut left = names();
    left.sort_unstable();
    assert_eq!(left, ["lock", "log", "snapshot"]);
    assert_eq!(disk.open_snapshot().unwrap().unwrap().length().unwrap(), 4);
}

/// Nobody is told to throw away what may be whole.
#[tokio::test]
async fn what_cannot_be_read_is_told_apart_from_what_is_damaged() {
    let start = async |memory: Memory| {
        let (network, disk) = (Arc::new(Pipes::default()), Arc::new(memory));
        let started = Consensus::start(3, Timing::default(), disk, network, disk_id(), Arc::new(|| 7)).await;
        started.map(drop).unwrap_err()
    };
    let with = |bytes: &[u8]| {
        let memory = Memory::default();
        memory.put_snapshot(bytes.to_vec());
        memory
    };
    let other = start(with(b"VEILSNAP\x04and so on")).await;
    assert!(matches!(other, StartError::OtherVersion { .. }), "{other}");
    let damaged = start(with(b"VEILSNAP\x05and so on")).await;
    assert!(matches!(damaged, StartError::Damaged { node: 3, .. }), "{damaged}");
    let said = damaged.to_string();
    assert!(said.contains("Keep it") && said.contains("a majority of the members"), "{said}");
    assert!(!other.to_string().contains("empty"), "{other}");
}
