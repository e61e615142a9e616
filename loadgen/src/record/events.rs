//! `events.csv`: what was done to the cluster and what it did, each with the time it was asked for
//! and the time it had happened.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    Bounds, RecordError,
    bounds::MAX_NAME,
    rows::{self, Row},
};

/// A scenario has no more faults.
const MAX_FAULTS: u64 = 1000;
/// So many rows of faults and of heals are enough for each fault to strike five nodes, which is the most that a cluster
/// of a scenario has.
const MAX_STRUCK: usize = 2 * 5 * MAX_FAULTS as usize;

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

impl Row for Event {
    /// A leader a second for a day.
    const MAX_ROWS: usize = 100_000;
    const MAX_BYTES: u64 = 64 << 20;

    fn check(&self, bounds: Bounds<'_>) -> Result<(), RecordError> {
        bounds.most("fault", self.fault.unwrap_or(0) as u64, MAX_FAULTS - 1)?;
        bounds.time_s("invoked_s", self.invoked_s)?;
        bounds.time_s("completed_s", self.completed_s)?;
        bounds.text("detail", &self.detail, MAX_NAME)
    }
}

/// Writes `events.csv`.
///
/// # Errors
/// When the file cannot be written.
pub fn write_events(path: &Path, events: &[Event]) -> Result<(), RecordError> {
    rows::write(path, events)
}

/// Reads `events.csv`.
///
/// # Errors
/// When the file cannot be read, or a row is malformed or cannot be.
pub fn read_events(path: &Path) -> Result<Vec<Event>, RecordError> {
    let events: Vec<Event> = rows::read(path)?;
    rows::check_nodes(path, events.iter().map(|event| event.node))?;
    let struck = events.iter().filter(|event| event.event != EventKind::Leader).count();
    Bounds::of(path).count("rows of fault and heal", struck, MAX_STRUCK)?;
    Ok(events)
}
