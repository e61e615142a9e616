//! The link proxy: connections of a run can be led through it, and each direction of each link delayed,
//! slowed, made unreliable, or cut, on its own.
//!
//! A silent cut is one as of a pulled cable: connections stay open and nothing arrives; what was sent is
//! delivered after the cut heals, as TCP would. Any other resets what is open and what is opened, as a
//! firewall that refuses. Nothing is reordered or lost inside a connection.

mod proxy;
mod pump;
mod shape;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{sync::watch, time::Instant};
use veil::wire::client::NodeId;

pub use proxy::Proxy;
pub use shape::{Quality, Shape};

/// How long TCP waits, at the least, before it sends again what was lost (Linux).
pub const RETRANSMISSION: Duration = Duration::from_millis(200);

/// How much of its time a slow line may make up for: timers round up to whole milliseconds.
const CATCH_UP: Duration = Duration::from_millis(2);

/// A link from one node to another; what comes back is another link.
pub type DirectedLink = (NodeId, NodeId);

/// The shapes of all directed links between nodes.
#[derive(Debug, Clone)]
pub struct Links {
    links: BTreeMap<DirectedLink, (watch::Sender<Shape>, Line)>,
}

impl Links {
    /// Undisturbed links between all of these nodes.
    pub fn between(nodes: &[NodeId]) -> Self {
        let pairs = nodes.iter().flat_map(|from| nodes.iter().map(move |to| (*from, *to)));
        let links = pairs.filter(|(from, to)| from != to).map(|pair| (pair, Default::default()));
        Self { links: links.collect() }
    }

    /// The lane from one node to another, for the proxies that lead connections along it. `None` for a
    /// node and itself, and for strangers.
    pub fn lane(&self, link: DirectedLink) -> Option<Lane> {
        let (shape, line) = self.links.get(&link)?;
        Some(Lane { shape: shape.subscribe(), line: line.clone() })
    }

    /// What a link is like now. Links that there are not are undisturbed.
    pub fn shape(&self, link: DirectedLink) -> Shape {
        self.links.get(&link).map(|(shape, _)| shape.borrow().clone()).unwrap_or_default()
    }

    /// Changes these links. There is none from a node to itself.
    pub fn change(&self, links: &[DirectedLink], change: &dyn Fn(&mut Shape)) {
        for (shape, _) in links.iter().filter_map(|link| self.links.get(link)) {
            shape.send_modify(change);
        }
    }

    /// Every link as it is now.
    pub fn all(&self) -> impl Iterator<Item = (DirectedLink, Shape)> {
        self.links.iter().map(|(link, (shape, _))| (*link, shape.borrow().clone()))
    }
}

/// The wire of one directed link, which its connections share: when what was sent last has left it.
#[derive(Debug, Clone, Default)]
struct Line(Arc<Mutex<Option<Instant>>>);

impl Line {
    /// Puts so many bytes on the wire, behind what is there already. Gives when they have left.
    fn send(&self, bytes: usize, rate: u64) -> Instant {
        let mut free = self.0.lock();
        // Who was woken late may catch up.
        let now = Instant::now();
        let since = now.checked_sub(CATCH_UP).unwrap_or(now);
        let begin = free.map_or(now, |free| free.max(since));
        let done = begin + Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64);
        *free = Some(done);
        done
    }
}

/// One direction of a link, as its proxies see it.
#[derive(Debug, Clone)]
pub struct Lane {
    shape: watch::Receiver<Shape>,
    line: Line,
}

impl Lane {
    fn quality(&self) -> Quality {
        self.shape.borrow().quality()
    }

    /// Waits until something passes. `false` when the links are gone, because the run is over.
    async fn passable(&mut self) -> bool {
        self.shape.wait_for(|shape| !shape.is_cut()).await.is_ok()
    }

    /// Waits until connections are reset.
    async fn reset(&mut self) {
        if self.shape.wait_for(Shape::is_reset).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
