//! The link proxy: node-to-node connections of a run can be led through it, and each direction of each
//! link delayed, slowed, or cut, on its own.
//!
//! A cut is silent, as a pulled cable is: connections stay open and nothing arrives; what was sent is
//! delivered after the cut heals, as TCP would. Nothing is reordered or lost inside a connection.

mod proxy;
mod pump;

use std::{collections::BTreeMap, time::Duration};

use tokio::sync::watch;
use veil::wire::client::NodeId;

pub use proxy::Proxy;

/// What one direction of a link does to the bytes that travel along it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Shape {
    /// How many faults cut it. While there is one, nothing passes.
    pub cuts: u32,
    /// How much later everything arrives.
    pub delay: Duration,
    /// Up to so much later still, evenly drawn for each piece.
    pub jitter: Duration,
    /// Bytes a second; unlimited, if absent.
    pub rate: Option<f64>,
    /// The share of pieces that are lost and sent again, which costs [`RETRANSMISSION`].
    pub loss: f64,
}

impl Shape {
    /// Whether nothing passes.
    pub fn is_cut(&self) -> bool {
        self.cuts > 0
    }
}

/// How long TCP waits, at the least, before it sends again what was lost (Linux).
pub const RETRANSMISSION: Duration = Duration::from_millis(200);

/// The shapes of all directed links between nodes.
#[derive(Debug, Clone)]
pub struct Links {
    shapes: BTreeMap<(NodeId, NodeId), watch::Sender<Shape>>,
}

impl Links {
    /// Undisturbed links between all of these nodes.
    pub fn between(nodes: &[NodeId]) -> Self {
        let pairs = nodes.iter().flat_map(|from| nodes.iter().map(move |to| (*from, *to)));
        let shapes = pairs.filter(|(from, to)| from != to).map(|pair| (pair, watch::Sender::default()));
        Self { shapes: shapes.collect() }
    }

    /// What the link does from one node to another, and a wake-up when that changes. `None` for a
    /// node and itself, and for strangers.
    pub fn watch(&self, from: NodeId, to: NodeId) -> Option<watch::Receiver<Shape>> {
        self.shapes.get(&(from, to)).map(watch::Sender::subscribe)
    }

    /// Changes the links for which `which` holds.
    pub fn change(&self, which: impl Fn(NodeId, NodeId) -> bool, change: impl Fn(&mut Shape)) {
        for ((from, to), shape) in &self.shapes {
            if which(*from, *to) {
                shape.send_modify(&change);
            }
        }
    }
}
