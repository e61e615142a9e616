//! The run directory: everything a run recorded, typed. `loadgen` writes it, `evaluation` reads it
//! and knows nothing else.
//!
//! Times are nanoseconds since the first stage began, on the load generator's monotonic clock;
//! what happens before (users registering) is negative.

mod bounds;
mod count;
mod events;
pub mod foreign;
mod history;
mod latency;
mod latency_lines;
mod manifest;
mod merge;
mod nodes;
mod readback;
mod rows;
mod stages;

use bounds::Bounds;
pub use bounds::{MAX_NODES, MAX_REASON, MAX_TIME_NS, MAX_TIME_S};
pub use count::{Counted, HistoryCount};
pub use events::{Event, EventKind, read_events, write_events};
pub use history::{Call, HistoryReader, HistoryWriter, Outcome, Record, Reply};
pub use latency::LatencyLog;
pub use latency_lines::{LatencyLine, LatencyLines};
pub use manifest::{Containers, Machine, Manifest, NodeLimits, NodeManifest};
pub use merge::merge;
pub use nodes::{NodeSample, read_node_samples, write_node_samples};
pub use readback::{GrantState, ImageState, NodeReadback, Readback};
pub use stages::{STAGES, StageSample, read_stage_samples, write_stage_samples};

/// File names inside a run directory.
pub mod file {
    /// The scenario, as resolved.
    pub const SCENARIO: &str = "scenario.toml";
    /// What ran where: [`super::Manifest`].
    pub const MANIFEST: &str = "run.json";
    /// Every invocation and completion: [`super::Record`].
    pub const HISTORY: &str = "history.bin";
    /// Interval histograms (HdrHistogram log, V2), one tag an operation and outcome.
    pub const LATENCY: &str = "latency.hlog";
    /// Faults and elections: [`super::Event`].
    pub const EVENTS: &str = "events.csv";
    /// One row a node and second: [`super::NodeSample`].
    pub const NODES: &str = "nodes.csv";
    /// One row a node and stage of a write: [`super::StageSample`].
    pub const STAGES: &str = "stages.csv";
    /// What every node held in the end: [`super::Readback`].
    pub const READBACK: &str = "readback.bin";
}

/// A part of a run directory that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file cannot be opened, read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: std::path::PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is not a plain file.
    #[error("{path} is {what}, not a file")]
    NotAFile {
        /// Which.
        path: std::path::PathBuf,
        /// What it is: `a link`.
        what: &'static str,
    },
    /// Something in the file, or the file itself, is larger than it can be.
    #[error("{path}: {field} is {value}, the limit is {limit}")]
    Beyond {
        /// Which file.
        path: std::path::PathBuf,
        /// What: `row 3: completed_s`.
        field: String,
        /// What stands there.
        value: String,
        /// What it can be at most.
        limit: String,
    },
    /// The file is not what it should be.
    #[error("{path}: {reason}")]
    Malformed {
        /// Which file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl RecordError {
    pub(crate) fn io(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn malformed(path: &std::path::Path, reason: impl ToString) -> Self {
        Self::Malformed { path: path.to_owned(), reason: reason.to_string() }
    }
}
