//! A standing connection to every other member: on it votes are asked for without delay, and by its end a node learns that
//! another has died.

use std::{
    collections::{BTreeMap, HashMap},
    io::ErrorKind,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use openraft::async_runtime::watch::WatchReceiver;
use parking_lot::Mutex;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};

use super::{
    age::Reports,
    clocks::Clocks,
    message::{PeerAnswer, PeerRequest},
    promise::Promises,
    suspicion::Evidence,
    types::{Seat, ServerMetrics},
};
use crate::wire::{
    client::NodeId,
    connection::{CallError, Connection},
    frame::{Link, WireError},
    transport::Network,
};

/// How often the other side is asked, how long it holds a question before it answers, and how much longer it may take. A
/// connection that is silent for longer leads nowhere; that alone is no evidence of anything else.
pub(super) const HOLD: Duration = Duration::from_millis(50);
const GRACE: Duration = Duration::from_millis(300);
/// How long opening a connection may take.
const OPEN_PATIENCE: Duration = Duration::from_secs(1);
/// The pause after the first connection that did not open; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_millis(100);

pub(super) type PeerConnection = Connection<PeerRequest, PeerAnswer>;

/// The standing connections, and what they and others tell of the other members. Clones share it.
#[derive(Clone)]
pub(super) struct Contacts {
    network: Arc<dyn Network>,
    open: Arc<Mutex<HashMap<NodeId, (Seat, PeerConnection)>>>,
    evidence: Arc<Mutex<Evidence>>,
    /// How far the leader says that the log is acknowledged.
    reports: Arc<Mutex<Reports>>,
    /// What their clocks show.
    clocks: Clocks,
    /// What they have promised.
    pub(super) promises: Promises,
    /// How often this node's Pre-Vote was refused.
    refusals: Arc<AtomicU64>,
    /// Wakes whoever judges by the evidence.
    news: watch::Sender<()>,
}

impl Contacts {
    pub(super) fn new(
        network: Arc<dyn Network>,
        reports: Arc<Mutex<Reports>>,
        clocks: Clocks,
        promises: Promises,
    ) -> Self {
        let news = watch::Sender::new(());
        Self {
            reports,
            clocks,
            promises,
            network,
            open: Arc::default(),
            evidence: Arc::default(),
            refusals: Arc::default(),
            news,
        }
    }

    /// The standing connection to a member, if there is one.
    pub(super) fn get(&self, id: NodeId, seat: &Seat) -> Option<PeerConnection> {
        let open = self.open.lock();
        let (_, connection) = open.get(&id).filter(|(known, _)| known == seat)?;
        (!connection.is_closed()).then(|| connection.clone())
    }

    /// All standing connections.
    pub(super) fn all(&self) -> Vec<(Seat, PeerConnection)> {
        self.open.lock().values().cloned().collect()
    }

    /// A node has answered a question of this one.
    pub(super) fn answered(&self, id: NodeId) {
        self.evidence.lock().answer(id, Instant::now());
    }

    /// `leader` has said that it leads no more in this term.
    pub(super) fn resign(&self, leader: NodeId, term: u64) {
        self.evidence.lock().resign(leader, term, Instant::now());
        self.news.send_replace(());
    }

    /// `leader` has said that it leads on in this term after all.
    pub(super) fn lead_on(&self, leader: NodeId, term: u64) {
        self.evidence.lock().lead_on(leader, term);
    }

    /// Looks at the evidence.
    pub(super) fn evidence<T>(&self, look: impl FnOnce(&Evidence) -> T) -> T {
        look(&self.evidence.lock())
    }

    /// Wakes when there may be reason to judge anew.
    pub(super) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// Somebody would not vote for this node.
    pub(super) fn count_refusal(&self) {
        self.refusals.fetch_add(1, Ordering::Relaxed);
        self.news.send_replace(());
    }

    /// How often somebody would not vote for this node.
    pub(super) fn refusals(&self) -> u64 {
        self.refusals.load(Ordering::Relaxed)
    }

    /// A leader has spoken on a connection to here.
    pub(super) fn hear(&self, leader: NodeId, connection: u64) {
        self.evidence.lock().hear(leader, connection, Instant::now());
    }

    /// A connection to here has ended.
    pub(super) fn end(&self, connection: u64) {
        if self.evidence.lock().end(connection) {
            self.news.send_replace(());
        }
    }

    /// Keeps a connection to every other member than `own`, as long as Raft runs.
    pub(super) async fn keep_up(self, own: NodeId, mut metrics: ServerMetrics) {
        let mut kept: BTreeMap<NodeId, (Seat, Kept)> = BTreeMap::new();
        loop {
            let seats: BTreeMap<NodeId, Seat> = {
                let metrics = metrics.borrow_watched();
                let members = metrics.membership_config.nodes().filter(|(id, _)| **id != own);
                members.map(|(id, seat)| (*id, seat.clone())).collect()
            };
            let gone = kept.iter().filter(|(id, (seat, _))| seats.get(*id) != Some(seat)).map(|(id, _)| *id);
            for id in gone.collect::<Vec<_>>() {
                if let Some((_, keeping)) = kept.remove(&id) {
                    // It may be noting what the other one says.
                    keeping.end().await;
                }
                self.promises.forget(id);
            }
            for (id, seat) in seats {
                kept.entry(id).or_insert_with(|| {
                    let keeping = tokio::spawn(self.clone().keep(id, seat.clone()));
                    (seat, Kept(keeping))
                });
            }
            if metrics.changed().await.is_err() {
                return;
            }
        }
    }

    /// Asks again and again until the connection has ended, or is silent. However long the way, answers come as often as
    /// it asks.
    async fn hold(&self, id: NodeId, seat: &Seat, connection: &PeerConnection) {
        let ask = async || {
            let before = self.promises.of(id, seat.disk);
            (Instant::now(), before, timeout(HOLD + GRACE, connection.call(&PeerRequest::Hold)).await)
        };
        let (mut asked, mut often) = (FuturesUnordered::new(), interval(HOLD));
        often.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let (at, before, answer) = tokio::select! {
                _ = often.tick() => {
                    asked.push(ask());
                    continue;
                }
                Some(answered) = asked.next() => answered,
            };
            let Ok(Ok(answer)) = answer else { return };
            self.answered(id);
            if let PeerAnswer::Held { acknowledged, pace, clock_ms, disk, stand } = answer {
                self.evidence.lock().set_pace(id, Some(pace));
                self.clocks.note(id, clock_ms);
                if disk == seat.disk {
                    self.promises.note(id, disk, &stand, &before);
                }
                if let Some(index) = acknowledged {
                    self.reports.lock().note(at, index);
                }
            }
        }
    }

    /// Keeps a connection to one member, for ever.
    pub(super) async fn keep(self, id: NodeId, seat: Seat) {
        let mut pause = PAUSE_MIN;
        loop {
            let address = &seat.member.peer;
            match Connection::open(&*self.network, address, Link::Peer, OPEN_PATIENCE).await {
                Ok(connection) => {
                    self.evidence.lock().reach(id);
                    let _listed = Listed::enter(&self, id, &seat, &connection);
                    pause = PAUSE_MIN;
                    self.hold(id, &seat, &connection).await;
                    // At once, and once: whether it still answers is what matters now.
                }
                Err(error) => {
                    if is_refusal(&error) && self.evidence.lock().refuse(id) {
                        tracing::info!(node = id, %error, "not reached any more");
                        self.news.send_replace(());
                    }
                    sleep(pause).await;
                    pause = (2 * pause).min(PAUSE_MAX);
                }
            }
        }
    }
}

/// Ends with its owner.
struct Kept(JoinHandle<()>);

impl Kept {
    async fn end(mut self) {
        self.0.abort();
        // It was aborted, and if it had panicked nothing would be left of it either.
        let _ = (&mut self.0).await;
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A connection on the list of those that are open.
struct Listed<'a> {
    contacts: &'a Contacts,
    id: NodeId,
}

impl<'a> Listed<'a> {
    fn enter(contacts: &'a Contacts, id: NodeId, seat: &Seat, connection: &PeerConnection) -> Self {
        contacts.open.lock().insert(id, (seat.clone(), connection.clone()));
        Self { contacts, id }
    }
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.contacts.open.lock().remove(&self.id);
        self.contacts.evidence.lock().set_pace(self.id, None);
    }
}

/// Whether nobody is there, as opposed to somebody who does not answer, or answers nonsense.
fn is_refusal(error: &CallError) -> bool {
    let CallError::Connect { source: WireError::Dial(error), .. } = error else { return false };
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable
    )
}
