//! `events.csv`: what was done to the cluster and what it did, each with the time it was asked for
//! and the time it had happened.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::RecordError;

/// What kind of event a row tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A fault was injected; `detail` is its name.
    Fault,
    /// A fault was undone; `detail` is its name.
    Heal,
    /// A node was first seen to lead `term`; `invoked_s` and `completed_s` are both that moment.
    Leader,
}

/// One row. Times are seconds since the first stage began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// What kind of event.
    pub event: EventKind,
    /// Which entry of the scenario's fault list, from 0; absent for [`EventKind::Leader`].
    pub fault: Option<usize>,
    /// The node it happened to, by number.
    pub node: u64,
    /// The Raft term that the node led; for [`EventKind::Leader`] only.
    pub term: Option<u64>,
    /// When it was asked for, s.
    pub invoked_s: f64,
    /// When it had happened, s: the process was gone, stopped, or served again.
    pub completed_s: f64,
    /// The fault's name, or empty.
    pub detail: String,
}

/// Writes `events.csv`.
///
/// # Errors
/// When the file cannot be written.
pub fn write_events(path: &Path, events: &[Event]) -> Result<(), RecordError> {
    super::nodes::write_rows(path, events)
}

/// Reads `events.csv`.
///
/// # Errors
/// When the file cannot be read or a row is malformed.
pub fn read_events(path: &Path) -> Result<Vec<Event>, RecordError> {
    super::nodes::read_rows(path)
}
