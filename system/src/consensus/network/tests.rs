//! Appends: several on their way, answered in order.

use openraft::{EntryPayload, entry::RaftEntry, vote::leader_id_std::CommittedLeaderId};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    time::timeout,
};

use super::{appending::APPENDS, *};
use crate::{
    alarm::Alarm,
    consensus::{
        clocks::Clocks,
        disk::Memory,
        snapshot::Image,
        types::{Entry, LogId, SnapshotMeta},
    },
    wire::{
        connections::Connections,
        server::{Caller, Service, serve},
        transport::{BoxedStream, Listener, Pipes},
    },
};

/// A request to append that has come to the follower, by the index that it ends at, and how it is answered.
type Came = (u64, oneshot::Sender<AppendEntriesResponse<TypeConfig>>);

struct Follower(mpsc::UnboundedSender<Came>);

impl Service for Follower {
    type Request = PeerRequest;
    type Answer = PeerAnswer;

    async fn answer(self: Arc<Self>, _caller: Caller, request: PeerRequest) -> PeerAnswer {
        match request {
            PeerRequest::Raft { message: RaftMessage::Append(append), .. } => {
                let (answer, answered) = oneshot::channel();
                let last = append.entries.last().map(|entry| entry.log_id).or(append.prev_log_id);
                self.0.send((last.unwrap().index, answer)).unwrap();
                PeerAnswer::Append(answered.await.unwrap())
            }
            _ => std::future::pending().await,
        }
    }
}

/// Opens one connection at once, and further ones when it is let.
struct Gated {
    pipes: Pipes,
    gate: Arc<Semaphore>,
}

impl Network for Gated {
    fn dial(&self, address: &str) -> BoxFuture<'static, std::io::Result<BoxedStream>> {
        let (dialled, gate) = (self.pipes.dial(address), self.gate.clone());
        Box::pin(async move {
            gate.acquire().await.unwrap().forget();
            dialled.await
        })
    }

    fn listen(&self, address: &str) -> BoxFuture<'static, std::io::Result<Box<dyn Listener>>> {
        self.pipes.listen(address)
    }
}

fn id(index: u64) -> LogId {
    LogId::new(CommittedLeaderId::new(1), index)
}

fn request(index: u64) -> AppendEntriesRequest<TypeConfig> {
    AppendEntriesRequest {
        vote: Vote::new_committed(1, 1),
        prev_log_id: Some(id(index - 1)),
        entries: vec![Entry::new(id(index), EntryPayload::Blank)],
        leader_commit: None,
    }
}

struct Both {
    leader: PeerLink,
    came: mpsc::UnboundedReceiver<Came>,
    /// How many more connections may open.
    gate: Arc<Semaphore>,
}

async fn leader_and_follower(connections: usize) -> Both {
    let (pipes, gate) = (Pipes::default(), Arc::new(Semaphore::new(connections)));
    let listener = pipes.listen("follower").await.unwrap();
    let (sender, came) = mpsc::unbounded_channel();
    tokio::spawn(serve(listener, Link::Peer, Arc::new(Follower(sender)), Connections::default()));
    let network: Arc<dyn Network> = Arc::new(Gated { pipes, gate: gate.clone() });
    let contacts =
        Contacts::new(network.clone(), Arc::default(), Clocks::new(Arc::new(|| 0)), Default::default());
    let mut seat = Seat::default();
    "follower".clone_into(&mut seat.member.peer);
    let (snapshots, _) = SnapshotStore::open(Arc::new(Memory::default())).unwrap();
    let mut factory = PeerNetwork {
        network,
        contacts,
        stages: Stages::new(),
        snapshots: Arc::new(snapshots),
        alarms: Alarms::default(),
        ending: Ending::default(),
        first_kept: FirstKept::default(),
        transfers: Transfers::default(),
        lease: Duration::from_millis(150),
    };
    Both { leader: factory.new_client(2, &seat).await, came, gate }
}

/// The indexes of the appends that have come.
fn indexes(came: &[Came]) -> Vec<u64> {
    came.iter().map(|(index, _)| *index).collect()
}

fn drain(came: &mut mpsc::UnboundedReceiver<Came>) -> Vec<Came> {
    std::iter::from_fn(|| came.try_recv().ok()).collect()
}

const WHILE: Duration = Duration::from_millis(100);

#[tokio::test(start_paused = true)]
async fn appends_do_not_wait_for_one_another_and_are_answered_in_order() {
    let Both { mut leader, mut came, .. } = leader_and_follower(1).await;
    leader.connect().await.unwrap();
    let requests = stream::iter((1..=APPENDS as u64 + 1).map(request));
    let mut answers = leader.stream_append(requests, RPCOption::new(WHILE)).await.unwrap();
    assert!(timeout(WHILE, answers.next()).await.is_err(), "nothing is answered yet");
    let mut asked = drain(&mut came);
    assert_eq!(indexes(&asked), (1..=APPENDS as u64).collect::<Vec<_>>());

    // The second one is answered first, and has to wait for the first one.
    let (_, second) = asked.remove(1);
    second.send(AppendEntriesResponse::Success).unwrap();
    assert!(timeout(WHILE, answers.next()).await.is_err());
    let (_, first) = asked.remove(0);
    first.send(AppendEntriesResponse::Success).unwrap();
    for index in [1, 2] {
        assert_eq!(answers.next().await.unwrap().unwrap(), Ok(Some(id(index))));
    }

    // There is room again.
    assert!(timeout(WHILE, answers.next()).await.is_err());
    assert_eq!(indexes(&drain(&mut came)), [APPENDS as u64 + 1]);
}

/// Those on the standing connection could be overtaken by those on its own.
#[tokio::test(start_paused = true)]
async fn appends_go_one_by_one_until_the_leader_has_a_connection_of_its_own() {
    let Both { mut leader, mut came, gate } = leader_and_follower(1).await;
    tokio::spawn(leader.contacts.clone().keep(2, leader.seat.clone()));
    while leader.contacts.get(2, &leader.seat.clone()).is_none() {
        tokio::task::yield_now().await;
    }
    let requests = stream::iter((1..=4).map(request));
    let mut answers = leader.stream_append(requests, RPCOption::new(WHILE)).await.unwrap();
    assert!(timeout(WHILE, answers.next()).await.is_err());
    let mut asked = drain(&mut came);
    assert_eq!(indexes(&asked), [1]);
    gate.add_permits(1);
    assert!(timeout(WHILE, answers.next()).await.is_err());
    assert_eq!(indexes(&drain(&mut came)), [0; 0], "the first is not answered yet");
    asked.remove(0).1.send(AppendEntriesResponse::Success).unwrap();
    assert_eq!(answers.next().await.unwrap().unwrap(), Ok(Some(id(1))));
    assert!(timeout(WHILE, answers.next()).await.is_err());
    assert_eq!(indexes(&drain(&mut came)), [2, 3, 4]);
}

/// Raft would take the answer to the first for one to the second, which says what is committed and no more.
#[tokio::test(start_paused = true)]
async fn an_answer_does_not_stand_for_a_request_that_may_not_have_come() {
    let Both { mut leader, mut came, .. } = leader_and_follower(1).await;
    leader.connect().await.unwrap();
    let empty = AppendEntriesRequest { prev_log_id: Some(id(1)), entries: Vec::new(), ..request(1) };
    let requests = stream::iter([request(1), empty, request(2)]);
    let mut answers = leader.stream_append(requests, RPCOption::new(WHILE)).await.unwrap();
    assert!(timeout(WHILE, answers.next()).await.is_err());
    let mut asked = drain(&mut came);
    assert_eq!(indexes(&asked), [1, 1, 2]);
    asked.remove(0).1.send(AppendEntriesResponse::Success).unwrap();
    assert!(timeout(WHILE, answers.next()).await.is_err(), "the second has not been answered");
    asked.remove(0).1.send(AppendEntriesResponse::Success).unwrap();
    assert_eq!(answers.next().await.unwrap().unwrap(), Ok(Some(id(1))));
    asked.remove(0).1.send(AppendEntriesResponse::Success).unwrap();
    assert_eq!(answers.next().await.unwrap().unwrap(), Ok(Some(id(2))));
}

#[tokio::test(start_paused = true)]
async fn a_conflict_names_what_came_before() {
    let Both { mut leader, mut came, .. } = leader_and_follower(1).await;
    let requests = stream::iter([request(7)]);
    let mut answers = leader.stream_append(requests, RPCOption::new(WHILE)).await.unwrap();
    assert!(timeout(WHILE, answers.next()).await.is_err());
    drain(&mut came).remove(0).1.send(AppendEntriesResponse::Conflict).unwrap();
    let answer = answers.next().await.unwrap().unwrap();
    assert!(matches!(&answer, Err(openraft::raft::StreamAppendError::Conflict(before)) if *before == id(6)));
}

#[tokio::test(start_paused = true)]
async fn what_is_about_to_be_let_go_of_is_sent_no_more_and_what_follows_is() {
    let Both { mut leader, mut came, .. } = leader_and_follower(1).await;
    leader.first_kept.set(5);
    let mut answers = leader.stream_append(stream::iter([request(4)]), RPCOption::new(WHILE)).await.unwrap();
    let refused = answers.next().await.unwrap();
    assert!(matches!(refused, Err(RPCError::Unreachable(_))), "{refused:?}");
    drop(answers);
    let mut answers = leader.stream_append(stream::iter([request(5)]), RPCOption::new(WHILE)).await.unwrap();
    assert!(timeout(WHILE, answers.next()).await.is_err());
    assert_eq!(indexes(&drain(&mut came)), [5]);
}

/// By then Raft knows what the follower needs next.
#[tokio::test(start_paused = true)]
async fn a_snapshot_that_was_sent_holds_on_to_the_log_for_a_little_longer() {
    let Both { mut leader, .. } = leader_and_follower(1).await;
    let image = Image { applied: Some(id(9)), ..Image::default() };
    leader.snapshots.write(&image).unwrap();
    let stored = leader.snapshots.newest().unwrap();
    let snapshot = Snapshot { meta: stored.meta.clone(), snapshot: SnapshotData::Stored(stored) };
    let ended = async { ReplicationClosed::new("the term has ended") };
    let vote = Vote::new_committed(1, 1);
    leader.full_snapshot(vote, snapshot, ended, RPCOption::new(WHILE)).await.unwrap_err();
    assert_eq!(leader.transfers.oldest(), Some(9));
    let let_go = async {
        while leader.transfers.oldest().is_some() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(60), let_go).await.expect("it lets go of the log");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_cannot_be_read_is_made_again_and_said() {
    let Both { mut leader, .. } = leader_and_follower(1).await;
    let image = Image { applied: Some(id(9)), ..Image::default() };
    leader.snapshots.write(&image).unwrap();
    let meta = SnapshotMeta { last_log_id: Some(id(10)), ..leader.snapshots.newest().unwrap().meta };
    let mut damaged = leader.snapshots.begin().unwrap();
    damaged.append(b"what it was is gone").unwrap();
    damaged.sync().unwrap();
    leader.snapshots.keep(meta.clone(), &mut *damaged).unwrap();
    let stored = leader.snapshots.newest().unwrap();
    assert!(!leader.snapshots.is_wanted());
    let snapshot = Snapshot { meta, snapshot: SnapshotData::Stored(stored) };
    let (vote, never) = (Vote::new_committed(1, 1), std::future::pending());
    leader.full_snapshot(vote, snapshot, never, RPCOption::new(WHILE)).await.unwrap_err();
    assert!(leader.snapshots.is_wanted() && leader.alarms.is_active(Alarm::Snapshot));
}
