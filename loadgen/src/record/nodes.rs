//! `nodes.csv`: how each node fared, a row a node and second.

use std::path::Path;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::RecordError;

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

/// Writes `nodes.csv`.
///
/// # Errors
/// When the file cannot be written.
pub fn write_node_samples(path: &Path, samples: &[NodeSample]) -> Result<(), RecordError> {
    write_rows(path, samples)
}

/// Reads `nodes.csv`.
///
/// # Errors
/// When the file cannot be read or a row is malformed.
pub fn read_node_samples(path: &Path) -> Result<Vec<NodeSample>, RecordError> {
    read_rows(path)
}

pub(super) fn write_rows<T: Serialize>(path: &Path, rows: &[T]) -> Result<(), RecordError> {
    let mut writer = csv::Writer::from_path(path).map_err(|e| RecordError::malformed(path, e))?;
    for row in rows {
        writer.serialize(row).map_err(|e| RecordError::malformed(path, e))?;
    }
    writer.flush().map_err(|e| RecordError::io(path, e))
}

pub(super) fn read_rows<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, RecordError> {
    let mut reader = csv::Reader::from_path(path).map_err(|e| RecordError::malformed(path, e))?;
    reader.deserialize().collect::<Result<_, _>>().map_err(|e| RecordError::malformed(path, e))
}
