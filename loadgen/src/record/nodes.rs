//! `nodes.csv`: how each node fared, a row a node and second.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    Bounds, RecordError,
    rows::{self, Row},
};

/// One row. A node that did not answer has no row for that second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeSample {
    /// When, in seconds since the first stage began.
    pub at_s: f64,
    /// Which node, by number.
    pub node: u64,
    /// Processor time of the node's process, in percent of one core.
    pub cpu_percent: f32,
    /// Resident memory of the node's process, bytes.
    pub memory_bytes: u64,
    /// Health score; lower is healthier.
    pub health_score: f32,
    /// Sealing tasks at work.
    pub tasks_active: u32,
    /// Sealing tasks waiting.
    pub tasks_queued: u32,
    /// The Raft term the node knows.
    pub term: u64,
    /// The leader the node knows.
    pub leader: Option<u64>,
    /// The last log index the node has applied.
    pub applied: u64,
}

impl Row for NodeSample {
    /// Five nodes for two days.
    const MAX_ROWS: usize = 1_000_000;
    const MAX_BYTES: u64 = 256 << 20;

    fn check(&self, bounds: Bounds<'_>) -> Result<(), RecordError> {
        bounds.time_s("at_s", self.at_s)?;
        bounds.number("cpu_percent", f64::from(self.cpu_percent), 0.0..=1e6)?;
        bounds.number("health_score", f64::from(self.health_score), -1e12..=1e12)
    }
}

/// Writes `nodes.csv`.
///
/// # Errors
/// When the file cannot be written.
pub fn write_node_samples(path: &Path, samples: &[NodeSample]) -> Result<(), RecordError> {
    rows::write(path, samples)
}

/// Reads `nodes.csv`.
///
/// # Errors
/// When the file cannot be read, or a row is malformed or cannot be.
pub fn read_node_samples(path: &Path) -> Result<Vec<NodeSample>, RecordError> {
    let samples: Vec<NodeSample> = rows::read(path)?;
    rows::check_nodes(path, samples.iter().map(|sample| sample.node))?;
    Ok(samples)
}
