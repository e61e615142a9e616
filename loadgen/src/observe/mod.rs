//! Watches the nodes during a run, over connections of its own: who leads, and how each node fares.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{sync::watch, task::JoinSet, time::Instant};
use veil::{
    client::{Client, ClientError},
    wire::{
        client::{Leadership, NodeStatus},
        transport::Network,
    },
};

use crate::record::{Event, EventKind, NodeSample};

/// Connections to each node.
const CONNECTIONS: usize = 1;
/// The pause before a node that does not answer is asked again.
const PAUSE: Duration = Duration::from_millis(20);
/// How often each node is sampled.
const SAMPLE_PERIOD: Duration = Duration::from_secs(1);
/// A node that takes longer has no row for that second.
const SAMPLE_PATIENCE: Duration = Duration::from_millis(500);

/// What was observed.
#[derive(Debug, Default)]
pub struct Observations {
    /// Every leader, when it was first seen, in order of time.
    pub leaders: Vec<Event>,
    /// A row a node and second.
    pub samples: Vec<NodeSample>,
}

/// Observes until it is dropped or [`finish`](Self::finish)ed.
pub struct Observer {
    seen: Arc<Mutex<Observations>>,
    leadership: watch::Sender<Leadership>,
    _tasks: JoinSet<()>,
}

impl Observer {
    /// Begins to observe the nodes at these addresses. Times count from `start`.
    ///
    /// # Errors
    /// [`ClientError`] when no address is given.
    pub fn begin(network: Arc<dyn Network>, nodes: &[String], start: Instant) -> Result<Self, ClientError> {
        // News of the leadership must not queue behind pictures.
        let client = Client::new(network, nodes.to_vec(), CONNECTIONS)?;
        let seen = Arc::new(Mutex::new(Observations::default()));
        let leadership = watch::Sender::new(Leadership::default());
        let mut tasks = JoinSet::new();
        for address in client.nodes() {
            let news = News { seen: seen.clone(), leadership: leadership.clone(), start };
            tasks.spawn(watch_leader(client.clone(), address.clone(), news));
            tasks.spawn(sample(client.clone(), address.clone(), seen.clone(), start));
        }
        Ok(Self { seen, leadership, _tasks: tasks })
    }

    /// The leader of the highest term that any node has told of.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.subscribe()
    }

    /// Ends, and hands out what was observed.
    pub fn finish(self) -> Observations {
        let mut seen = std::mem::take(&mut *self.seen.lock());
        seen.leaders.sort_by(|a, b| a.completed_s.total_cmp(&b.completed_s));
        seen.samples.sort_by(|a, b| a.at_s.total_cmp(&b.at_s).then(a.node.cmp(&b.node)));
        seen
    }
}

struct News {
    seen: Arc<Mutex<Observations>>,
    leadership: watch::Sender<Leadership>,
    start: Instant,
}

impl News {
    fn tell(&self, now: &Leadership) {
        self.leadership.send_if_modified(|known| {
            let newer = now.term > known.term || (now.term == known.term && known.leader.is_none());
            if newer && now.leader.is_some() {
                known.clone_from(now);
            }
            newer
        });
        let Some(leader) = &now.leader else { return };
        let mut seen = self.seen.lock();
        let known = seen.leaders.iter().any(|event| event.term == Some(now.term));
        if !known {
            let at = self.start.elapsed().as_secs_f64();
            // The watch began before the first stage: such a moment has no place on the time axis.
            seen.leaders.push(Event {
                event: EventKind::Leader,
                fault: None,
                node: leader.id,
                term: Some(now.term),
                invoked_s: at,
                completed_s: at,
                detail: String::new(),
            });
        }
    }
}

async fn watch_leader(client: Client, address: String, news: News) {
    let mut seen = Leadership::default();
    loop {
        match client.watch_leadership(&address, seen.clone()).await {
            Ok(now) => {
                news.tell(&now);
                seen = now;
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn sample(client: Client, address: String, seen: Arc<Mutex<Observations>>, start: Instant) {
    let mut ticks = tokio::time::interval_at(start, SAMPLE_PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        if let Ok(status) = client.status(&address, SAMPLE_PATIENCE).await {
            seen.lock().samples.push(row(&status, start.elapsed()));
        }
    }
}

fn row(status: &NodeStatus, at: Duration) -> NodeSample {
    let health = &status.health;
    NodeSample {
        at_s: at.as_secs_f64(),
        node: status.node,
        cpu_percent: health.cpu_percent,
        memory_bytes: health.memory_bytes,
        health_score: health.score(),
        tasks_active: health.active,
        tasks_queued: health.queued,
        term: status.leadership.term,
        leader: status.leadership.leader.as_ref().map(|leader| leader.id),
        applied: status.applied,
    }
}
