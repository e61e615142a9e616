use openraft::{
    StorageError,
    testing::log::{StoreBuilder, Suite},
};

use super::{
    disk::{Crash, Memory},
    log::LogStore,
    machine::Machine,
    types::TypeConfig,
    *,
};

mod cluster;
mod put_back;
mod recovery;
mod retention;
mod snapshots;
mod survival;

struct Builder;

impl StoreBuilder<TypeConfig, LogStore, Machine> for Builder {
    async fn build(&self) -> Result<((), LogStore, Machine), StorageError<TypeConfig>> {
        let disk = Memory::default();
        let (log, _closed) =
            LogStore::open(disk.open_log().unwrap(), DiskId::default(), Stages::new()).unwrap();
        Ok(((), log, Machine::open(Arc::new(disk), Stages::new(), Alarms::default()).unwrap()))
    }
}

/// openraft's own suite: what it expects of any log store and state machine.
#[tokio::test]
async fn the_store_conforms() {
    Suite::test_all(Builder).await.unwrap();
}

mod durable {
    use openraft::{
        EntryPayload, RaftLogReader,
        entry::RaftEntry,
        storage::{IOFlushed, RaftLogStorage, RaftLogStorageExt},
    };

    use super::{
        super::{
            disk::Folder,
            log::TAIL_LIMIT,
            types::{Entry, LogId, Proposal, Vote},
        },
        *,
    };
    use crate::{directory::Register, identity::PublicKey, wire::codec};

    fn id(term: u64, index: u64) -> LogId {
        LogId::new(openraft::vote::leader_id_std::CommittedLeaderId::new(term), index)
    }

    fn entry(term: u64, index: u64) -> Entry {
        let user = format!("u{index}").parse().unwrap();
        let register = Register { user, key: PublicKey::from_bytes([index as u8; 32]), password: None };
        let action = Action::Register(register);
        let command =
            Command { request: RequestId(u128::from(index)), at_ms: 7, actor: Actor::Stranger, action };
        Entry::new(id(term, index), EntryPayload::Normal(Proposal::new(&command).unwrap()))
    }

    /// A log in `folder`, and what tells when it is closed.
    fn open(folder: &tempfile::TempDir) -> (LogStore, Closed) {
        let disk = Folder::create(folder.path()).unwrap();
        LogStore::open(disk.open_log().unwrap(), DiskId::default(), Stages::new()).unwrap()
    }

    async fn close(log: LogStore, closed: Closed) {
        drop(log);
        closed.await.unwrap_err();
    }

    async fn indices(log: &mut LogStore) -> Vec<(u64, u64)> {
        let entries = log.try_get_log_entries(..).await.unwrap();
        entries.iter().map(|entry| (entry.log_id.committed_leader_id().term, entry.log_id.index)).collect()
    }

    #[tokio::test]
    async fn disk_log_vote_and_committed_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Folder::create(folder.path()).unwrap();
        let number = DiskId::new(7, 7);
        let (mut log, closed) = LogStore::open(disk.open_log().unwrap(), number, Stages::new()).unwrap();
        log.save_vote(&Vote::new(3, 2)).await.unwrap();
        log.save_committed(Some(id(1, 2))).await.unwrap();
        log.blocking_append((1..=9).map(|index| entry(1, index))).await.unwrap();
        close(log, closed).await;

        let (mut log, closed) = open(&folder);
        assert_eq!(log.disk(), number);
        assert_eq!(log.read_vote().await.unwrap(), Some(Vote::new(3, 2)));
        assert_eq!(log.read_committed().await.unwrap(), Some(id(1, 2)));
        assert_eq!(log.try_get_log_entries(9..).await.unwrap(), [entry(1, 9)]);
        // What another leader overwrote and what was purged stay so.
        log.truncate_after(Some(id(1, 5))).await.unwrap();
        log.blocking_append([entry(4, 6), entry(4, 7)]).await.unwrap();
        log.purge(id(1, 3)).await.unwrap();
        close(log, closed).await;

        let (mut log, closed) = open(&folder);
        assert_eq!(indices(&mut log).await, [(1, 4), (1, 5), (4, 6), (4, 7)]);
        let state = log.get_log_state().await.unwrap();
        assert_eq!((state.last_purged_log_id, state.last_log_id), (Some(id(1, 3)), Some(id(4, 7))));
        close(log, closed).await;
    }

    #[tokio::test]
    async fn entries_older_than_those_in_memory_are_read_from_disk() {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, closed) = open(&folder);
        let many = TAIL_LIMIT as u64 + 100;
        log.blocking_append((1..=many).map(|index| entry(1, index))).await.unwrap();
        // The writer trims after it has reported; the next write waits for that.
        log.save_vote(&Vote::new(1, 1)).await.unwrap();
        let old = log.try_get_log_entries(1..200).await.unwrap();
        assert_eq!(old.len(), 199);
        assert_eq!(old[0], entry(1, 1));
        let across = log.try_get_log_entries(90..120).await.unwrap();
        assert_eq!(
            across.iter().map(|entry| entry.log_id.index).collect::<Vec<_>>(),
            (90..120).collect::<Vec<_>>()
        );
        close(log, closed).await;
    }

    #[tokio::test]
    async fn a_follower_far_behind_is_served_in_pieces_that_fit_a_frame() {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, closed) = open(&folder);
        let large = |index| {
            let records = crate::directory::Restore { records: Vec::new() };
            let keys = vec![(crate::directory::ImageId(7), wrapped()); 1_000];
            let rewrap = crate::directory::Rewrap { under: 1, keys };
            let action = if index % 2 == 0 { Action::Rewrap(rewrap) } else { Action::Restore(records) };
            let command = Command { request: RequestId(1), at_ms: 7, actor: Actor::Operator, action };
            Entry::new(id(1, index), EntryPayload::Normal(Proposal::new(&command).unwrap()))
        };
        let size = |entries: &[Entry]| -> usize {
            entries.iter().map(|entry| codec::encode(entry).unwrap().len()).sum()
        };
        log.blocking_append((1..=2_000).map(large)).await.unwrap();
        let check = async |log: &mut LogStore, from_disk: bool| {
            let mut next = 1;
            while next <= 2_000 {
                let piece = log.limited_get_log_entries(next, 2_001).await.unwrap();
                assert!(!piece.is_empty() && piece[0].log_id.index == next);
                assert!(piece.len() == 1 || size(&piece) <= 4 << 20, "{} bytes at {next}", size(&piece));
                next += piece.len() as u64;
            }
            assert_eq!(next, 2_001, "from disk: {from_disk}");
        };
        check(&mut log, false).await;
        close(log, closed).await;
        // Opened again, it holds in memory what is within the limit; the rest comes from disk.
        let (mut log, closed) = open(&folder);
        check(&mut log, true).await;
        close(log, closed).await;
    }

    pub(super) fn wrapped() -> crate::identity::WrappedKey {
        let keys = crate::identity::ClusterKeys::from_secret([1; 32]);
        let content = crate::seal::ContentKey::from_bytes([1; 32]);
        keys.ring().wrap(1, crate::directory::ImageId(7), &content, [0; 12]).unwrap()
    }

    #[tokio::test]
    async fn an_entry_that_does_not_follow_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, closed) = open(&folder);
        let error = log.blocking_append([entry(1, 1), entry(1, 2), entry(1, 4)]).await.unwrap_err();
        assert!(error.to_string().contains("gap before entry 4"), "{error}");
        close(log, closed).await;
    }

    #[tokio::test]
    async fn one_folder_is_in_use_by_one_log_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let (log, closed) = open(&folder);
        let disk = Folder::create(folder.path()).unwrap();
        let refused = disk.open_log().map(drop).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ResourceBusy, "{refused}");
        close(log, closed).await;
        disk.open_log().unwrap();
    }

    #[test]
    fn the_log_of_an_earlier_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("log.redb"), "redb").unwrap();
        let refused = Folder::create(folder.path()).unwrap().open_log().map(drop).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData, "{refused}");
        assert!(!folder.path().join("log").exists());
    }

    #[tokio::test]
    async fn committed_ids_are_written_with_what_comes_next() {
        let memory = Memory::default();
        let (mut log, closed) =
            LogStore::open(memory.open_log().unwrap(), DiskId::default(), Stages::new()).unwrap();
        // Nothing can be synced, so nothing is.
        memory.fail_after(0);
        log.save_committed(Some(id(1, 2))).await.unwrap();
        memory.crash(&Crash::Prefix(0));
        log.save_vote(&Vote::new(1, 1)).await.unwrap();
        close(log, closed).await;
        let (mut log, _closed) =
            LogStore::open(memory.open_log().unwrap(), DiskId::default(), Stages::new()).unwrap();
        assert_eq!(log.read_committed().await.unwrap(), Some(id(1, 2)));
    }

    #[tokio::test]
    async fn on_a_slow_disk_a_vote_waits_for_its_sync() {
        let delay = Duration::from_millis(20);
        let slow = SlowDisk::new(Arc::new(Memory::default()), delay);
        let (mut log, closed) =
            LogStore::open(slow.open_log().unwrap(), DiskId::default(), Stages::new()).unwrap();
        let begun = std::time::Instant::now();
        log.save_vote(&Vote::new(1, 1)).await.unwrap();
        assert!(begun.elapsed() >= delay);
        close(log, closed).await;
    }

    /// Others may commit and apply it meanwhile: it is counted until the disk has it.
    #[tokio::test]
    async fn what_a_slow_disk_has_yet_to_write_is_counted() {
        let slow = SlowDisk::new(Arc::new(Memory::default()), Duration::from_millis(50));
        let (mut log, closed) =
            LogStore::open(slow.open_log().unwrap(), DiskId::default(), Stages::new()).unwrap();
        let extent = log.extent();
        assert_eq!(extent.unwritten(), (0, 0));
        let size = |entries: std::ops::Range<u64>| {
            entries.map(|index| codec::encode(&entry(1, index)).unwrap().len()).sum::<usize>()
        };
        log.append((0..700).map(|index| entry(1, index)), IOFlushed::noop()).await.unwrap();
        assert_eq!(extent.unwritten(), (700, size(0..700)));
        log.save_vote(&Vote::new(1, 1)).await.unwrap();
        assert_eq!(extent.unwritten(), (0, 0));
        log.append((700..800).map(|index| entry(1, index)), IOFlushed::noop()).await.unwrap();
        log.truncate_after(Some(id(1, 749))).await.unwrap();
        assert_eq!(extent.unwritten(), (0, 0));
        log.append((750..760).map(|index| entry(1, index)), IOFlushed::noop()).await.unwrap();
        log.purge(id(1, 754)).await.unwrap();
        assert_eq!(extent.unwritten().1, size(755..760));
        log.save_vote(&Vote::new(2, 1)).await.unwrap();
        assert_eq!(extent.unwritten(), (0, 0));
        close(log, closed).await;
    }

    /// What a log holds, if it can be opened.
    async fn reopened(folder: &std::path::Path) -> io::Result<(Option<Vote>, Vec<Entry>)> {
        let disk = Folder::create(folder)?;
        let opened = LogStore::open(disk.open_log()?, DiskId::default(), Stages::new());
        let (mut log, closed) = opened.map_err(io::Error::other)?;
        let held = (log.read_vote().await?, log.try_get_log_entries(..).await?);
        close(log, closed).await;
        Ok(held)
    }

    #[tokio::test]
    async fn a_damaged_log_is_refused_or_holds_all_that_it_held() {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, closed) = open(&folder);
        for index in 1..=200 {
            log.save_vote(&Vote::new(index, 2)).await.unwrap();
            log.blocking_append([entry(1, index)]).await.unwrap();
        }
        close(log, closed).await;
        let whole = reopened(folder.path()).await.unwrap();
        assert_eq!(whole.1.len(), 200);
        let segment = folder.path().join("log/0000000001.log");
        let bytes = std::fs::read(&segment).unwrap();
        for length in (0..bytes.len()).step_by(bytes.len() / 7) {
            std::fs::write(&segment, &bytes[..length]).unwrap();
            let held = reopened(folder.path()).await;
            assert!(held.is_err(), "cut at {length} of {}, it opens", bytes.len());
        }
        let written = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        let (mut refused, mut flips) = (0, 0);
        for at in (0..written).filter(|at| *at < 100 || at % 1_009 == 0).chain([written, written + 1]) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            std::fs::write(&segment, damaged).unwrap();
            flips += 1;
            match reopened(folder.path()).await {
                Ok(held) => assert_eq!(held, whole, "a bit of byte {at} of {written}"),
                Err(_) => refused += 1,
            }
        }
        // The last is in a place that is not in use yet.
        assert!(refused >= flips - 5, "{refused} of {flips} refused");
    }

    #[test]
    fn golden_bytes_of_a_log_entry_and_a_vote() {
        let bytes = codec::encode(&entry(2, 5)).unwrap();
        assert_eq!(bytes, [&[2, 5, 1, 40, 5, 7, 0, 0, 2, b'u', b'5'][..], &[5; 32], &[0]].concat());
        assert_eq!(codec::encode(&Vote::new(3, 2)).unwrap(), [3, 1, 2, 0]);
    }
}

mod seats {
    use openraft::{
        EntryPayload,
        async_runtime::watch::WatchReceiver,
        entry::RaftEntry,
        raft::{AppendEntriesRequest, AppendEntriesResponse, VoteResponse},
        vote::leader_id_std::CommittedLeaderId,
    };

    use super::{
        super::types::{Entry, LogId, Membership, Seat, Vote},
        *,
    };
    use crate::wire::{
        client::Member,
        codec,
        connections::Connections,
        frame::Link,
        server::{Caller, Service, serve},
        transport::Pipes,
    };

    pub(super) fn seat(disk: DiskId) -> Seat {
        Seat { member: Member { id: 1, client: "c".to_owned(), peer: "p".to_owned() }, disk }
    }

    /// Node 1, on an empty disk with this number.
    async fn node(disk: DiskId) -> Consensus {
        node_on(disk, &Memory::default()).await
    }

    /// Node 1, on this disk, with this number if it is empty.
    pub(super) async fn node_on(disk: DiskId, memory: &Memory) -> Consensus {
        start(brisk(), disk, memory).await
    }

    /// Snapshots come often.
    pub(super) fn brisk() -> Timing {
        Timing {
            heartbeat: Duration::from_millis(10),
            lease: Duration::from_millis(40),
            snapshot_every: 16,
            ..Timing::default()
        }
    }

    pub(super) async fn start(timing: Timing, disk: DiskId, memory: &Memory) -> Consensus {
        let (memory, network) = (Arc::new(memory.clone()), Arc::new(Pipes::default()));
        let consensus = Consensus::start(1, timing, memory, network, disk, clock()).await.unwrap();
        let part = consensus.clone();
        tokio::spawn(async move { part.take_part(None).await });
        consensus
    }

    /// What node 2, which leads in term 1, sends: at `index`, node 1 with `seat` is the only member.
    pub(super) fn only_member(index: u64, seat: Seat) -> RaftMessage {
        let id = |index| LogId::new(CommittedLeaderId::new(1), index);
        let membership = Membership::new(vec![[1].into()], std::collections::BTreeMap::from([(1, seat)]));
        RaftMessage::Append(AppendEntriesRequest {
            vote: Vote::new_committed(1, 2),
            prev_log_id: index.checked_sub(1).map(id),
            entries: vec![Entry::new(id(index), EntryPayload::Membership(membership.unwrap()))],
            leader_commit: None,
        })
    }

    #[tokio::test]
    async fn what_is_meant_for_another_disk_is_refused() {
        let (lost, disk) = (DiskId::new(1, 1), DiskId::new(2, 2));
        let consensus = node(disk).await;
        let meant_for =
            |to| PeerRequest::Raft { to, told: Default::default(), message: only_member(0, seat(to)) };
        let refused = consensus.answer(meant_for(lost), 0).await;
        assert!(
            matches!(&refused, PeerAnswer::Failed(reason) if reason.contains("remove node 1")),
            "{refused:?}"
        );
        assert!(consensus.identity().await.unwrap().empty);
        let taken = consensus.answer(meant_for(disk), 0).await;
        assert!(matches!(taken, PeerAnswer::Append(_)), "{taken:?}");
    }

    /// Elsewhere the cluster may have gone on without node 1, or with many more.
    #[tokio::test]
    async fn a_vote_that_another_disk_once_had_elects_nobody() {
        let (lost, disk) = (DiskId::new(1, 1), DiskId::new(2, 2));
        let consensus = node(disk).await;
        let old_log =
            PeerRequest::Raft { to: disk, told: Default::default(), message: only_member(0, seat(lost)) };
        let taken = consensus.answer(old_log, 0).await;
        assert!(matches!(taken, PeerAnswer::Append(_)), "{taken:?}");
        // Time for some ten elections.
        let mut metrics = consensus.raft.server_metrics();
        let elected = async {
            while metrics.borrow_watched().current_leader != Some(1) {
                metrics.changed().await.unwrap();
            }
        };
        let early = tokio::time::timeout(Duration::from_millis(500), elected).await;
        assert!(early.is_err(), "elected by the vote of a disk that is gone");

        let end_of_log =
            PeerRequest::Raft { to: disk, told: Default::default(), message: only_member(1, seat(disk)) };
        consensus.answer(end_of_log, 0).await;
        consensus
            .leadership()
            .wait_for(|now| now.leader.as_ref().is_some_and(|leader| leader.id == 1))
            .await
            .unwrap();
    }

    /// Otherwise followers whose disks stall for longer than the lease would elect somebody else.
    #[tokio::test]
    async fn a_leader_is_heard_before_a_slow_disk_has_written_what_it_says() {
        let disk = DiskId::new(1, 1);
        let slow = SlowDisk::new(Arc::new(Memory::default()), Duration::from_millis(400));
        let network = Arc::new(Pipes::default());
        let consensus =
            Consensus::start(1, Timing::default(), Arc::new(slow), network, disk, clock()).await.unwrap();
        let node = consensus.clone();
        let answering = tokio::spawn(async move {
            let append =
                PeerRequest::Raft { to: disk, told: Default::default(), message: only_member(0, seat(disk)) };
            node.answer(append, 0).await
        });
        while consensus.contacts.evidence(|evidence| evidence.last_heard(2)).is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(!answering.is_finished());
        assert!(matches!(answering.await.unwrap(), PeerAnswer::Append(_)));
    }

    /// What waits takes memory: there is an end to it.
    #[tokio::test]
    async fn a_proposal_beyond_the_limit_is_answered_busy_and_not_taken() {
        let consensus = node(DiskId::new(1, 1)).await;
        let places = consensus.places.clone();
        let waiting = places.try_acquire_many_owned(PROPOSAL_LIMIT as u32).unwrap();
        let propose = || consensus.propose(RequestId(1), Actor::Operator, register());
        assert_eq!(propose().await, Err(ProposeError::Busy { limit: PROPOSAL_LIMIT as u64 }));
        drop(waiting);
        let waiting = consensus.room.clone().try_acquire_many_owned(PROPOSAL_BYTES as u32).unwrap();
        assert_eq!(propose().await, Err(ProposeError::Full { limit: PROPOSAL_BYTES as u64 }));
        drop(waiting);
        // There is room now, and nobody leads.
        assert_eq!(propose().await, Err(ProposeError::NotLeader));
    }

    /// Node 2: it lets node 1 be elected, and takes what that sends from when it is let.
    struct Follower {
        taking: Arc<Semaphore>,
    }

    impl Service for Follower {
        type Request = PeerRequest;
        type Answer = PeerAnswer;

        async fn answer(self: Arc<Self>, _caller: Caller, request: PeerRequest) -> PeerAnswer {
            let PeerRequest::Raft { message, .. } = request else { return std::future::pending().await };
            match message {
                RaftMessage::PreVote(ask) | RaftMessage::Vote(ask) => {
                    PeerAnswer::Vote(VoteResponse::new(ask.vote, ask.last_log_id, true))
                }
                RaftMessage::Append(_) => {
                    drop(self.taking.acquire().await.unwrap());
                    PeerAnswer::Append(AppendEntriesResponse::Success)
                }
                message => panic!("{message:?}"),
            }
        }
    }

    /// Raft refuses what comes before a majority has answered its new leader, and clients come as soon as they hear.
    #[tokio::test]
    async fn a_leader_takes_proposals_from_the_moment_it_is_known_to_lead() {
        let disk = DiskId::new(1, 1);
        let (network, taking) = (Pipes::default(), Arc::new(Semaphore::new(0)));
        let follower = Arc::new(Follower { taking: taking.clone() });
        let listener = network.listen("p2").await.unwrap();
        tokio::spawn(serve(listener, Link::Peer, follower, Connections::default()));
        let timing = Timing { lease: Duration::from_millis(500), ..Timing::default() };
        let memory = Arc::new(Memory::default());
        let consensus = Consensus::start(1, timing, memory, Arc::new(network), disk, clock()).await.unwrap();
        let part = consensus.clone();
        tokio::spawn(async move { part.take_part(None).await });
        // What node 2 had sent when it led.
        let second = Member { id: 2, client: "c2".to_owned(), peer: "p2".to_owned() };
        let seats = [(1, seat(disk)), (2, Seat { member: second, disk: DiskId::new(2, 2) })];
        let membership = Membership::new(vec![[1, 2].into()], std::collections::BTreeMap::from(seats));
        let first = LogId::new(CommittedLeaderId::new(1), 0);
        let append = RaftMessage::Append(AppendEntriesRequest {
            vote: Vote::new_committed(1, 2),
            prev_log_id: None,
            entries: vec![Entry::new(first, EntryPayload::Membership(membership.unwrap()))],
            leader_commit: None,
        });
        consensus.answer(PeerRequest::Raft { to: disk, told: Default::default(), message: append }, 0).await;
        consensus.lose(0);

        while !consensus.leads() {
            consensus.leadership().changed().await.unwrap();
        }
        let proposing = consensus.propose(RequestId(1), Actor::Operator, register());
        let mut proposing = std::pin::pin!(proposing);
        let early = tokio::time::timeout(Duration::from_millis(20), &mut proposing).await;
        assert!(early.is_err(), "{early:?} before anybody has answered");
        taking.add_permits(1);
        assert_eq!(proposing.await, Ok(Ok(crate::directory::Effect::Registered)));
    }

    fn clock() -> UnixClock {
        Arc::new(|| 7)
    }

    fn register() -> Action {
        Action::Register(crate::directory::Register {
            user: "anna".parse().unwrap(),
            key: crate::identity::PublicKey::from_bytes([1; 32]),
            password: None,
        })
    }

    #[test]
    fn golden_bytes_of_a_seat() {
        let bytes = codec::encode(&seat(DiskId::new(1, 2))).unwrap();
        let disk = ((1u128 << 80) | 2).to_le_bytes();
        assert_eq!(bytes, [&[1, 1, b'c', 1, b'p', 254][..], &disk].concat());
    }
}
