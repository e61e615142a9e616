use std::{
    future::pending,
    sync::atomic::{AtomicU32, Ordering},
};

use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use super::*;
use crate::{
    client::Client,
    directory::RequestId,
    identity::PublicKey,
    wire::{
        client::{Answer, Asked, Leadership, WATCH_PATIENCE_MS},
        connections::Connections,
        frame::Link,
        server::{Caller, Service, serve},
        transport::{Network, Pipes},
    },
};

fn member(id: NodeId) -> Member {
    Member { id, client: format!("n{id}"), peer: format!("n{id}-peer") }
}

fn leads(id: NodeId, term: u64) -> Leadership {
    Leadership { term, leader: Some(member(id)) }
}

/// Led, and is cut off: it takes requests and answers none.
struct CutOff;

impl Service for CutOff {
    type Request = Asked;
    type Answer = Answer;

    async fn answer(self: Arc<Self>, _caller: Caller, _asked: Asked) -> Answer {
        pending().await
    }
}

/// Has just been elected: it tells so, and turns down the first who asks for something.
struct JustElected {
    /// Who leads, as that one is told.
    names: Leadership,
    asked: AtomicU32,
}

impl Service for JustElected {
    type Request = Asked;
    type Answer = Answer;

    async fn answer(self: Arc<Self>, _caller: Caller, Asked { request, .. }: Asked) -> Answer {
        match request {
            Request::WatchLeadership { seen } if seen == leads(2, 2) => pending().await,
            Request::WatchLeadership { .. } => Ok(Reply::Leadership(leads(2, 2))),
            Request::Execute { .. } if self.asked.fetch_add(1, Ordering::SeqCst) == 0 => {
                Err(ServiceError::NotLeader(self.names.clone()))
            }
            Request::Execute { .. } => Ok(Reply::Registered),
            _ => pending().await,
        }
    }
}

/// Answers what the leader answers when it leads, else who does. It tells at once when that changes.
struct Voter {
    id: NodeId,
    leadership: watch::Receiver<Leadership>,
    /// How often it was asked for something.
    asked: Arc<AtomicU32>,
    /// Whether it takes requests and answers none, when it leads.
    stuck: bool,
}

impl Service for Voter {
    type Request = Asked;
    type Answer = Answer;

    async fn answer(self: Arc<Self>, _caller: Caller, Asked { request, .. }: Asked) -> Answer {
        let mut leadership = self.leadership.clone();
        match request {
            Request::WatchLeadership { seen } => {
                let changed = leadership.wait_for(|now| *now != seen);
                let _ = tokio::time::timeout(Duration::from_millis(WATCH_PATIENCE_MS), changed).await;
                Ok(Reply::Leadership(leadership.borrow().clone()))
            }
            Request::Members => Err(ServiceError::NotLeader(Leadership::default())),
            _ => {
                self.asked.fetch_add(1, Ordering::SeqCst);
                let known = leadership.borrow().clone();
                match known.leader.as_ref().map(|leader| leader.id) {
                    Some(leader) if leader == self.id && self.stuck => pending().await,
                    Some(leader) if leader == self.id => Ok(Reply::Registered),
                    _ => Err(ServiceError::NotLeader(known)),
                }
            }
        }
    }
}

async fn begin<S: Service>(network: &Pipes, address: &str, service: S) -> JoinHandle<()> {
    let listener = network.listen(address).await.unwrap();
    tokio::spawn(serve(listener, Link::Client, Arc::new(service), Connections::default()))
}

/// Three voters, of which the first leads and is stuck, and a client that knows it.
struct Three {
    network: Pipes,
    leadership: watch::Sender<Leadership>,
    /// How often each was asked for something.
    asked: [Arc<AtomicU32>; 3],
    serving: Vec<JoinHandle<()>>,
    client: Client,
}

impl Three {
    async fn begin() -> Self {
        let network = Pipes::default();
        let leadership = watch::Sender::new(leads(1, 1));
        let asked: [Arc<AtomicU32>; 3] = Default::default();
        let mut serving = Vec::new();
        for (id, asked) in (1..).zip(&asked) {
            let (leadership, asked) = (leadership.subscribe(), asked.clone());
            let voter = Voter { id, leadership, asked, stuck: id == 1 };
            serving.push(begin(&network, &format!("n{id}"), voter).await);
        }
        let nodes = (1..=3).map(|id| format!("n{id}")).collect();
        let client = Client::new(Arc::new(network.clone()), nodes, 1).unwrap();
        client.leadership().wait_for(|known| *known == leads(1, 1)).await.unwrap();
        Self { network, leadership, asked, serving, client }
    }

    fn asked(&self) -> [u32; 3] {
        self.asked.each_ref().map(|asked| asked.load(Ordering::SeqCst))
    }

    /// Begins to register so many users.
    fn register(&self, users: u32) -> JoinSet<Result<(), ClientError>> {
        let mut registering = JoinSet::new();
        for number in 0..users {
            let client = self.client.clone();
            registering.spawn(async move {
                let (user, key) = (format!("user-{number}").parse().unwrap(), PublicKey::from_bytes([1; 32]));
                let deadline = Instant::now() + Duration::from_secs(20);
                client.register(client.request_id(), user, key, None, deadline).await
            });
        }
        registering
    }

    async fn wait_until_asked(&self, node: usize, times: u32) {
        while self.asked()[node] < times {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

async fn all_done(registering: JoinSet<Result<(), ClientError>>) {
    registering.join_all().await.into_iter().for_each(|done| done.unwrap());
}

/// How long a request takes of which a node that was just elected says first that `names` leads.
async fn turned_down_once(names: Leadership) -> Duration {
    let network = Pipes::default();
    begin(&network, "n1", CutOff).await;
    begin(&network, "n2", JustElected { names, asked: AtomicU32::new(0) }).await;
    let client = Client::new(Arc::new(network), vec!["n1".to_owned(), "n2".to_owned()], 1).unwrap();
    client.leadership().wait_for(|known| *known == leads(2, 2)).await.unwrap();

    let (began, request) = (Instant::now(), RequestId(1));
    let key = PublicKey::from_bytes([1; 32]);
    client.register(request, "anna".parse().unwrap(), key, None, began + 10 * ATTEMPT).await.unwrap();
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn whom_an_older_term_names_is_not_turned_to() {
    let waited = turned_down_once(leads(1, 1)).await;
    assert!(waited < ATTEMPT, "{waited:?}: it asked the node that is cut off");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_names_itself_is_asked_again_at_once() {
    let waited = turned_down_once(leads(2, 2)).await;
    assert!(waited < PAUSE_MIN / 2, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn requests_at_a_leader_that_dies_wait_for_the_next_one_and_do_not_pile_up() {
    const USERS: u32 = 100;
    let mut cluster = Three::begin().await;
    let registering = cluster.register(USERS);
    cluster.wait_until_asked(0, USERS).await;
    cluster.serving.remove(0).abort();
    // Nobody knows better for a while: the others name the dead leader to whoever asks.
    let election = Duration::from_millis(400);
    tokio::time::sleep(election).await;
    let [_, second, third] = cluster.asked();
    assert!(second + third <= 5 * USERS, "{second} and {third} attempts of {USERS} requests in {election:?}");
    cluster.leadership.send_replace(leads(2, 2));
    let elected = Instant::now();
    all_done(registering).await;
    assert!(elected.elapsed() < Duration::from_millis(2), "{:?} after the election", elected.elapsed());
    let (before, after) = (second, cluster.asked()[1]);
    assert!(after - before <= USERS, "{} attempts of {USERS} requests", after - before);
}

#[tokio::test(start_paused = true)]
async fn requests_go_to_the_next_leader_as_soon_as_any_node_knows_it() {
    // The old leader is stuck, not gone: its connections stay open.
    let cluster = Three::begin().await;
    let registering = cluster.register(10);
    cluster.wait_until_asked(0, 10).await;
    let elected = Instant::now();
    cluster.leadership.send_replace(leads(3, 2));
    all_done(registering).await;
    assert!(elected.elapsed() < Duration::from_millis(2), "{:?} after the election", elected.elapsed());
    assert_eq!(cluster.asked()[1..], [0, 10]);
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_connections_broke_is_asked_again_at_once() {
    let mut cluster = Three::begin().await;
    let registering = cluster.register(10);
    cluster.wait_until_asked(0, 10).await;
    let broken = Instant::now();
    let serving = cluster.serving.remove(0);
    serving.abort();
    let voter = Voter {
        id: 1,
        leadership: cluster.leadership.subscribe(),
        asked: cluster.asked[0].clone(),
        stuck: false,
    };
    let network = cluster.network.clone();
    // As a task it has its turn before those whose connections break.
    let restarted = tokio::spawn(async move {
        let _ = serving.await;
        // It goes on by itself.
        let _serving = begin(&network, "n1", voter).await;
    });
    all_done(registering).await;
    drop(restarted);
    assert!(broken.elapsed() < PAUSE_MIN, "{:?}", broken.elapsed());
    assert_eq!(cluster.asked(), [20, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_was_gone_and_comes_back_in_its_term_is_believed_by_itself() {
    let mut cluster = Three::begin().await;
    let serving = cluster.serving.remove(0);
    serving.abort();
    let _ = serving.await;
    cluster.client.leadership().wait_for(|known| known.leader.is_none()).await.unwrap();
    let voter = Voter {
        id: 1,
        leadership: cluster.leadership.subscribe(),
        asked: cluster.asked[0].clone(),
        stuck: false,
    };
    let _serving = begin(&cluster.network, "n1", voter).await;
    cluster.client.leadership().wait_for(|known| *known == leads(1, 1)).await.unwrap();
    all_done(cluster.register(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_is_at_two_nodes_at_most_and_a_file_at_one() {
    let cluster = Three::begin().await;
    let registering = cluster.register(1);
    tokio::time::sleep(ATTEMPT.mul_f64(0.9)).await;
    let [first, second, third] = cluster.asked();
    assert_eq!((first, second + third), (1, 1), "asked: {:?}", cluster.asked());
    drop(registering);

    let cluster = Three::begin().await;
    let restore = Change::Restore(crate::directory::Restore { records: Vec::new() });
    let request = Request::Execute { request: RequestId(1), change: restore };
    let deadline = Instant::now() + ATTEMPT.mul_f64(0.9);
    let asked = cluster.client.inner.ask_leader(&Asked::stranger(request), 0, deadline).await;
    assert!(asked.is_err());
    assert_eq!(cluster.asked(), [1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn many_slow_requests_are_not_doubled() {
    const USERS: u32 = 500;
    let cluster = Three::begin().await;
    let _registering = cluster.register(USERS);
    tokio::time::sleep(2 * HEDGE).await;
    let [first, second, third] = cluster.asked();
    assert_eq!(first, USERS);
    assert_eq!(second + third, HEDGES as u32, "{second} and {third}");
}

/// Leads, and names itself to seal. It loses what it is to seal, and then its user's session.
struct Worker {
    sealing: AtomicU32,
}

impl Service for Worker {
    type Request = Asked;
    type Answer = Answer;

    async fn answer(self: Arc<Self>, _caller: Caller, Asked { request, .. }: Asked) -> Answer {
        match request {
            Request::WatchLeadership { seen } if seen == leads(1, 1) => pending().await,
            Request::WatchLeadership { .. } => Ok(Reply::Leadership(leads(1, 1))),
            Request::AssignWorker { .. } if self.sealing.load(Ordering::SeqCst) == 0 => {
                Ok(Reply::Worker(member(1)))
            }
            Request::AssignWorker { .. } => Err(ServiceError::Declined(Refusal::NoSession)),
            Request::Seal { .. } => {
                self.sealing.fetch_add(1, Ordering::SeqCst);
                pending().await
            }
            _ => pending().await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_seal_that_may_be_done_is_not_said_to_be_refused_when_no_other_worker_is_named() {
    let seal = async |sealing| {
        let network = Pipes::default();
        begin(&network, "n1", Worker { sealing: AtomicU32::new(sealing) }).await;
        let client = Client::new(Arc::new(network), vec!["n1".to_owned()], 1).unwrap();
        let (user, deadline) = ("anna".parse().unwrap(), Instant::now() + 5 * ATTEMPT);
        client.seal(client.request_id(), user, Default::default(), Default::default(), deadline).await
    };
    let lost = seal(0).await;
    assert!(matches!(lost, Err(ClientError::Unsettled { .. })), "{lost:?}");
    // Nothing was sent to anybody.
    assert_eq!(seal(1).await, Err(ClientError::Refused(Refusal::NoSession)));
}

#[tokio::test(start_paused = true)]
async fn a_question_without_an_answer_was_not_done_for_certain() {
    let network = Pipes::default();
    begin(&network, "n1", CutOff).await;
    let client = Client::new(Arc::new(network), vec!["n1".to_owned()], 1).unwrap();
    let deadline = Instant::now() + 2 * ATTEMPT;
    let listed = client.list("anna".parse().unwrap(), None, deadline).await;
    assert!(matches!(listed, Err(ClientError::TimedOut { .. })), "{listed:?}");
    let register = client.register(
        RequestId(1),
        "anna".parse().unwrap(),
        PublicKey::from_bytes([1; 32]),
        None,
        Instant::now() + ATTEMPT,
    );
    let registered = register.await;
    assert!(matches!(registered, Err(ClientError::Unsettled { .. })), "{registered:?}");
}

/// Leads, and declines whatever is asked.
struct Declines;

impl Service for Declines {
    type Request = Asked;
    type Answer = Answer;

    async fn answer(self: Arc<Self>, _caller: Caller, Asked { request, .. }: Asked) -> Answer {
        match request {
            Request::WatchLeadership { seen } if seen == leads(1, 1) => pending().await,
            Request::WatchLeadership { .. } => Ok(Reply::Leadership(leads(1, 1))),
            Request::RemoveMember { id } => Err(ServiceError::Membership(MemberError::Unknown { id })),
            _ => Err(ServiceError::Declined(Refusal::NoSession)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_before_is_not_said_to_be_refused_by_a_node_alone() {
    let network = Pipes::default();
    begin(&network, "n1", Declines).await;
    let client = Client::new(Arc::new(network), vec!["n1".to_owned()], 1).unwrap();
    let register = async |client: Client| {
        let (user, key) = ("anna".parse().unwrap(), PublicKey::from_bytes([1; 32]));
        client.register(RequestId(1), user, key, None, Instant::now() + ATTEMPT).await
    };
    assert_eq!(register(client.clone()).await, Err(ClientError::Refused(Refusal::NoSession)));
    let again = register(client.again()).await;
    assert!(matches!(again, Err(ClientError::Unsettled { .. })), "{again:?}");
    // A member that is none is removed, whoever has done it.
    assert_eq!(client.again().remove_member(4, Instant::now() + ATTEMPT).await, Ok(()));
}

/// Everybody names the same address for the leader's, and only one of them serves.
struct Misled {
    names: Leadership,
    leads: bool,
}

impl Service for Misled {
    type Request = Asked;
    type Answer = Answer;

    async fn answer(self: Arc<Self>, _caller: Caller, Asked { request, .. }: Asked) -> Answer {
        match request {
            Request::WatchLeadership { seen } if seen == self.names => {
                tokio::time::sleep(Duration::from_millis(WATCH_PATIENCE_MS)).await;
                Ok(Reply::Leadership(self.names.clone()))
            }
            Request::WatchLeadership { .. } => Ok(Reply::Leadership(self.names.clone())),
            Request::Execute { .. } if self.leads => Ok(Reply::Registered),
            _ => Err(ServiceError::NotLeader(self.names.clone())),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_hint_that_denies_to_lead_is_not_insisted_on() {
    let network = Pipes::default();
    // Node 4 leads, at n4, and all say that it does at the address of node 3.
    let names = Leadership { term: 7, leader: Some(Member { client: "n3".to_owned(), ..member(4) }) };
    for id in 1..=4 {
        begin(&network, &format!("n{id}"), Misled { names: names.clone(), leads: id == 4 }).await;
    }
    let nodes = (1..=4).map(|id| format!("n{id}")).collect();
    let client = Client::new(Arc::new(network), nodes, 1).unwrap();
    client.leadership().wait_for(|known| *known == names).await.unwrap();
    for user in ["anna", "ben"] {
        let key = PublicKey::from_bytes([1; 32]);
        let deadline = Instant::now() + Duration::from_secs(5);
        client.register(client.request_id(), user.parse().unwrap(), key, None, deadline).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_denied_it_for_a_while_is_asked_again_in_the_same_term() {
    let network = Pipes::default();
    let cluster = names_itself(&network).await;
    let nodes = vec!["n1".to_owned(), "n2".to_owned()];
    let client = Client::new(Arc::new(network), nodes, 1).unwrap();
    client.leadership().wait_for(|known| *known == leads(1, 1)).await.unwrap();
    let register = |user: &str| {
        let (client, user, key) = (client.clone(), user.parse().unwrap(), PublicKey::from_bytes([1; 32]));
        let deadline = Instant::now() + Duration::from_secs(5);
        async move { client.register(client.request_id(), user, key, None, deadline).await }
    };
    let waiting = tokio::spawn(register("anna"));
    while cluster.denied.load(Ordering::SeqCst) < 10 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    cluster.serves.send_replace(true);
    waiting.await.unwrap().unwrap();
    register("ben").await.unwrap();
}

/// A leader that is named by everybody, and says for a while that it does not lead.
struct Silent {
    denied: Arc<AtomicU32>,
    serves: watch::Sender<bool>,
}

async fn names_itself(network: &Pipes) -> Silent {
    let (denied, serves) = (Arc::new(AtomicU32::new(0)), watch::Sender::new(false));
    for id in [1, 2] {
        let (denied, serves) = (denied.clone(), serves.subscribe());
        begin(network, &format!("n{id}"), SilentNode { leads: id == 1, denied, serves }).await;
    }
    Silent { denied, serves }
}

struct SilentNode {
    leads: bool,
    denied: Arc<AtomicU32>,
    serves: watch::Receiver<bool>,
}

impl Service for SilentNode {
    type Request = Asked;
    type Answer = Answer;

    async fn answer(self: Arc<Self>, _caller: Caller, Asked { request, .. }: Asked) -> Answer {
        match request {
            Request::WatchLeadership { seen } if seen == leads(1, 1) => pending().await,
            Request::WatchLeadership { .. } => Ok(Reply::Leadership(leads(1, 1))),
            Request::Execute { .. } if self.leads && *self.serves.borrow() => Ok(Reply::Registered),
            _ => {
                self.denied.fetch_add(1, Ordering::SeqCst);
                Err(ServiceError::NotLeader(leads(1, 1)))
            }
        }
    }
}
