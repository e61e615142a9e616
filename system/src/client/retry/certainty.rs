//! *Not done* is never said of what was done or will be, nor *done* of what was not: whatever becomes of the attempts.
//!
//! Three nodes put views into one directory, which is the real one, and tell the client what the script has them tell.

use std::{
    collections::{BTreeMap, VecDeque},
    future::pending,
};

use parking_lot::Mutex;
use proptest::prelude::*;
use tokio::{sync::watch, task::JoinHandle};

use super::*;
use crate::{
    client::{Client, Opened},
    directory::{
        Action, Actor, Answer as Applied, Command, Directory, Effect, EndSession, ImageId, LogIn, OpenView,
        RecordImage, Register, RequestId, SetGrant, UserName, Withdraw,
    },
    identity::{ClusterKeys, FIRST_KEY, PublicKey, SessionToken},
    node::system_clock,
    seal::{BodyHash, ContentKey, Media},
    wire::{
        client::{Answer, Asked, Change, Leadership, WATCH_PATIENCE_MS},
        connections::Connections,
        frame::Link,
        server::{Caller, Service, serve},
        transport::{Network, Pipes},
    },
};

/// What becomes of the next attempt that reaches a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    /// The view is put into the log after so many milliseconds, and the answer told.
    Answer(u64),
    /// Likewise, and the answer is lost.
    LoseAnswer(u64),
    /// The node crashes; with the view in the log, or without.
    Crash(bool),
    /// Nothing is done, and nothing told.
    Swallow,
    /// The node cannot tell; with the view in the log, or without.
    Unsettled(bool),
    /// Nothing is done, and so much is told after so many milliseconds.
    NotLeader(u64),
    /// Likewise, and another one leads from now on.
    Moved,
    /// Nothing is done.
    Busy,
    /// It is refused before it is put into the log, after so many milliseconds.
    Decline(u64),
    /// The viewer's session ends, and the view is put into the log.
    SessionEnded,
    /// The viewer's grant is taken back, likewise.
    Revoked,
    /// The image is withdrawn, likewise.
    Withdrawn,
}

const ACTS: [Act; 17] = [
    Act::Answer(0),
    Act::Answer(150),
    Act::Answer(1_300),
    Act::LoseAnswer(0),
    Act::LoseAnswer(1_300),
    Act::Crash(true),
    Act::Crash(false),
    Act::Swallow,
    Act::Unsettled(true),
    Act::Unsettled(false),
    Act::NotLeader(0),
    Act::Moved,
    Act::Busy,
    Act::Decline(0),
    Act::Decline(170),
    Act::SessionEnded,
    Act::Revoked,
];

/// How long the client asks.
const PATIENCE: Duration = Duration::from_millis(4_500);
/// How much later than that it says so at most.
const OVERSHOOT: Duration = Duration::from_millis(400);
/// When nothing is on its way any more.
const SETTLED: Duration = Duration::from_secs(3);

fn name(text: &str) -> UserName {
    text.parse().unwrap()
}

fn token(user: &str) -> SessionToken {
    SessionToken::from_bytes(*blake3::hash(user.as_bytes()).as_bytes())
}

/// What all nodes share.
struct World {
    directory: Mutex<Directory>,
    /// What becomes of the attempts to come. After that they are swallowed.
    script: Mutex<VecDeque<Act>>,
    leadership: watch::Sender<Leadership>,
    network: Pipes,
    serving: Mutex<BTreeMap<NodeId, JoinHandle<()>>>,
    image: ImageId,
    /// How many views were taken.
    taken: AtomicU32,
}

impl World {
    /// Anna has an image, of which Ben has five views.
    fn new(script: &[Act]) -> Self {
        let (mut directory, now_ms) = (Directory::default(), system_clock()());
        let image = ImageId(RequestId::new(now_ms, 10).0);
        let content = ContentKey::from_bytes([7; 32]);
        let key = ClusterKeys::from_secret([1; 32]).ring().wrap(FIRST_KEY, image, &content, [7; 12]).unwrap();
        let mut done = |number, actor, action| {
            let request = RequestId::new(now_ms, number);
            directory.apply(Command { request, at_ms: now_ms, actor, action }).unwrap();
        };
        for (number, user) in [(1, "anna"), (2, "ben")] {
            let register = Register { user: name(user), key: PublicKey::from_bytes([1; 32]), password: None };
            done(number, Actor::Stranger, Action::Register(register));
            let (device, session) = ("laptop".to_owned(), token(user).id());
            let log_in = LogIn { user: name(user), session, device, lifetime_ms: 1_000_000, credentials: 0 };
            done(number + 2, Actor::Node, Action::LogIn(log_in));
        }
        let grants = BTreeMap::from([(name("ben"), 5)]);
        let record = RecordImage {
            owner: name("anna"),
            owner_key: PublicKey::from_bytes([1; 32]),
            key,
            media: Media::Png,
            length: 1,
            digest: [9; 32],
            body: BodyHash([9; 16]),
            grants,
            group_grants: BTreeMap::new(),
            title: String::new(),
        };
        done(10, Actor::Session(token("anna").id()), Action::RecordImage(record));
        Self {
            directory: Mutex::new(directory),
            script: Mutex::new(script.iter().copied().collect()),
            leadership: watch::Sender::new(leads(1, 1)),
            network: Pipes::default(),
            serving: Mutex::default(),
            image,
            taken: AtomicU32::new(0),
        }
    }

    fn apply(&self, request: RequestId, user: &str, action: Action) -> Applied {
        let actor = Actor::Session(token(user).id());
        self.directory.lock().apply(Command { request, at_ms: request.unix_ms(), actor, action })
    }

    /// What somebody else does, if it was not done already.
    fn meanwhile(&self, user: &str, action: Action) {
        let _ = self.apply(RequestId::new(system_clock()(), rand::random()), user, action);
    }

    /// Puts the view into the log.
    fn open(&self, request: RequestId, open: &OpenView) -> Answer {
        let used =
            || self.directory.lock().image(self.image).map_or(0, |image| image.grants[&name("ben")].used);
        let before = used();
        let applied = self.apply(request, "ben", Action::OpenView(open.clone()));
        self.taken.fetch_add((used() - before) as u32, Ordering::SeqCst);
        match applied {
            Ok(Effect::Opened { views_left, revision, .. }) => {
                Ok(Reply::Opened { key: ContentKey::from_bytes([7; 32]), views_left, revision })
            }
            Ok(other) => panic!("{other:?}"),
            Err(refusal) if refusal.is_remembered() => Err(ServiceError::Refused(refusal)),
            Err(refusal) => Err(ServiceError::Declined(refusal)),
        }
    }

    async fn begin(self: &Arc<Self>, id: NodeId) {
        let listener = self.network.listen(&format!("n{id}")).await.unwrap();
        let node = Arc::new(Node { id, world: self.clone() });
        let serving = tokio::spawn(serve(listener, Link::Client, node, Connections::default()));
        self.serving.lock().insert(id, serving);
    }

    /// The node's connections break, and it is back.
    fn crash(self: &Arc<Self>, id: NodeId) {
        let world = self.clone();
        tokio::spawn(async move {
            let serving = world.serving.lock().remove(&id);
            if let Some(serving) = serving {
                serving.abort();
                let _ = serving.await;
                world.begin(id).await;
            }
        });
    }

    /// What becomes of one attempt at a node.
    async fn act(self: &Arc<Self>, act: Act, id: NodeId, request: RequestId, open: &OpenView) -> Answer {
        let (owner, image) = (name("anna"), self.image);
        match act {
            Act::Answer(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
            Act::LoseAnswer(ms) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                let _ = self.open(request, open);
                return pending().await;
            }
            Act::Crash(done) => {
                if done {
                    let _ = self.open(request, open);
                }
                self.crash(id);
                return pending().await;
            }
            Act::Swallow => return pending().await,
            Act::Unsettled(done) => {
                if done {
                    let _ = self.open(request, open);
                }
                return Err(ServiceError::Unsettled("who knows".to_owned()));
            }
            Act::NotLeader(ms) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                return Err(ServiceError::NotLeader(self.leadership.borrow().clone()));
            }
            Act::Moved => {
                let Leadership { term, leader } = self.leadership.borrow().clone();
                let next = leader.map_or(1, |leader| leader.id % 3 + 1);
                self.leadership.send_replace(leads(next, term + 1));
                return Err(ServiceError::NotLeader(leads(next, term + 1)));
            }
            Act::Busy => {
                return Err(ServiceError::Busy { what: "views".to_owned(), waiting: 1, limit: 1 });
            }
            Act::Decline(ms) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                return Err(ServiceError::Declined(Refusal::OperatorsOnly));
            }
            Act::SessionEnded => {
                let end = EndSession { user: name("ben"), session: token("ben").id() };
                self.meanwhile("ben", Action::EndSession(end));
            }
            Act::Revoked => {
                let set = SetGrant { owner, image, viewer: name("ben"), views: 0 };
                self.meanwhile("anna", Action::GrantViews(set));
            }
            Act::Withdrawn => self.meanwhile("anna", Action::Withdraw(Withdraw { owner, image })),
        }
        self.open(request, open)
    }
}

fn leads(id: NodeId, term: u64) -> Leadership {
    let member = Member { id, client: format!("n{id}"), peer: format!("n{id}-peer") };
    Leadership { term, leader: Some(member) }
}

struct Node {
    id: NodeId,
    world: Arc<World>,
}

impl Service for Node {
    type Request = Asked;
    type Answer = Answer;

    async fn answer(self: Arc<Self>, _caller: Caller, Asked { request, .. }: Asked) -> Answer {
        match request {
            Request::WatchLeadership { seen } => {
                let mut leadership = self.world.leadership.subscribe();
                let changed = leadership.wait_for(|now| *now != seen);
                let _ = tokio::time::timeout(Duration::from_millis(WATCH_PATIENCE_MS), changed).await;
                Ok(Reply::Leadership(leadership.borrow().clone()))
            }
            Request::Execute { request, change: Change::OpenView(open) } => {
                let act = self.world.script.lock().pop_front().unwrap_or(Act::Swallow);
                let (world, id) = (self.world.clone(), self.id);
                // What a node has begun it goes on with, whether or not anybody waits for it.
                tokio::spawn(async move { world.act(act, id, request, &open).await }).await.unwrap()
            }
            _ => Err(ServiceError::Behind),
        }
    }
}

/// What the client says when its attempts come to this, and how often the view was taken in the end.
fn told(script: &[Act]) -> (Result<Opened, ClientError>, u32) {
    told_by(3, script)
}

/// The same, by so many nodes.
fn told_by(nodes: u64, script: &[Act]) -> (Result<Opened, ClientError>, u32) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let world = Arc::new(World::new(script));
        for id in 1..=nodes {
            world.begin(id).await;
        }
        let nodes = (1..=nodes).map(|id| format!("n{id}")).collect();
        let client = Client::new(Arc::new(world.network.clone()), nodes, 1).unwrap();
        client.leadership().wait_for(|known| *known == leads(1, 1)).await.unwrap();
        let (request, began) = (client.request_id(), Instant::now());
        let told = client.open_view(request, name("ben"), world.image, began + PATIENCE).await;
        assert!(began.elapsed() < PATIENCE + OVERSHOOT, "{script:?}: it took {:?}", began.elapsed());
        tokio::time::sleep(SETTLED).await;
        (told, world.taken.load(Ordering::SeqCst))
    })
}

fn check(script: &[Act]) {
    let (told, taken) = told(script);
    let holds = match &told {
        Ok(_) => taken == 1,
        Err(ClientError::Unsettled { .. }) => taken <= 1,
        Err(_) => taken == 0,
    };
    assert!(holds, "{script:?}: the client said {told:?}, and {taken} views were taken");
}

#[test]
fn what_a_client_says_is_so_whatever_becomes_of_three_attempts() {
    for first in ACTS {
        for second in ACTS {
            for third in ACTS {
                check(&[first, second, third]);
            }
        }
    }
}

#[test]
fn a_client_of_one_node_is_told_in_time() {
    for first in ACTS {
        for second in ACTS {
            let _ = told_by(1, &[first, second, Act::Swallow]);
        }
    }
    let (told, taken) = told_by(1, &[Act::LoseAnswer(0), Act::SessionEnded]);
    assert!(matches!(told, Err(ClientError::Unsettled { .. })), "{told:?}");
    assert_eq!(taken, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn what_a_client_says_is_so_whatever_becomes_of_many_attempts(
        script in prop::collection::vec(
            prop_oneof![prop::sample::select(&ACTS[..]), Just(Act::Withdrawn)],
            4..12,
        ),
    ) {
        check(&script);
    }
}

#[test]
fn who_can_be_told_for_certain_is() {
    // Nothing was sent anywhere that it could have an effect.
    let (declined, _) = told(&[Act::Busy, Act::NotLeader(0), Act::Decline(0)]);
    assert_eq!(declined, Err(ClientError::Refused(Refusal::OperatorsOnly)));
    // The refusal is what every attempt meets with.
    let (refused, _) = told(&[Act::Swallow, Act::Revoked]);
    assert!(matches!(refused, Err(ClientError::Refused(Refusal::QuotaUsedUp { .. }))), "{refused:?}");
    // The first answer is told again.
    let (opened, _) = told(&[Act::LoseAnswer(0), Act::Answer(0)]);
    assert_eq!(opened.map(|opened| opened.views_left), Ok(Some(4)));
    // A second node had it as well, and says that it did nothing.
    let (declined, _) = told(&[Act::Decline(170), Act::NotLeader(300)]);
    assert_eq!(declined, Err(ClientError::Refused(Refusal::OperatorsOnly)));
    // The second node had it as well, and did it.
    let (opened, _) = told(&[Act::Decline(170), Act::Answer(300)]);
    assert_eq!(opened.map(|opened| opened.views_left), Ok(Some(4)));
}
