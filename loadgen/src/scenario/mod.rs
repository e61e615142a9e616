//! The scenario file: what is started, how it is loaded, what is broken when, what must hold.
//!
//! [`Scenario::load`] reads one and fills in the defaults; [`Scenario::to_toml`] writes one with
//! every default spelled out. Whatever is wrong with a file is told with its line, its key and what
//! was expected there: see [`ScenarioError`].

mod chaos;
mod error;
mod fault;
mod implied;
mod limit;
mod limit_text;
mod load;
mod operation;
mod read;
mod read_chaos;
mod read_fault;
mod read_kind;
mod settle;
mod source;
mod target;
#[cfg(test)]
mod tests;
mod write;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use crate::record::NodeLimits;
pub use chaos::Chaos;
pub use error::ScenarioError;
pub use fault::{Cut, Direction, Fault, FaultKind, Reach, When};
pub use implied::Implied;
pub use limit::{Comparison, FailoverFigure, Limit, Metric, Window};
pub use limit_text::LimitError;
pub use load::{Arrival, Images, Load, Origin, SplitError, Stage};
pub use operation::{OperationKind, OutcomeKind};
pub use target::Target;

/// A scenario, complete: defaults filled in, every value checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// The seed of arrival times, users, operations and random targets.
    pub seed: u64,
    /// What is started.
    pub cluster: Cluster,
    /// What is asked of it.
    pub load: Load,
    /// What is broken, in order of time. `fault[0]` of a limit is the first here.
    pub faults: Vec<Fault>,
    /// What is yet to be drawn in place of `faults`; see [`Scenario::settle`].
    pub chaos: Option<Chaos>,
    /// What must hold in the end.
    pub pass: Pass,
}

/// The cluster that a run starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// 1, 3 or 5.
    pub nodes: u32,
    /// How nodes are started.
    pub driver: Driver,
    /// Whether links are TLS. Plain TCP is for nodes on loopback alone.
    pub tls: bool,
    /// What each node may use. Processes are not held to it.
    pub limits: NodeLimits,
    /// A node whose disk is slow, if one is.
    pub slow_disk: Option<SlowDisk>,
}

/// A node whose disk is slow from the beginning to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlowDisk {
    /// Its number.
    pub node: u32,
    /// So much longer does each sync take.
    pub sync: Duration,
}

/// How nodes are started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Driver {
    /// Each node is a process of this machine.
    Process,
    /// Each node is a container with an address of its own.
    Docker,
}

impl Driver {
    /// Every driver, in the order of messages.
    pub const ALL: [Self; 2] = [Self::Process, Self::Docker];

    /// The name used in scenarios and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Docker => "docker",
        }
    }
}

/// What must hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pass {
    /// Checks of the history, by name.
    pub history: Vec<HistoryCheck>,
    /// Limits on figures.
    pub limits: Vec<Limit>,
    /// What holds without being asked for.
    pub implied: Vec<Implied>,
}

/// A check of the recorded history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HistoryCheck {
    /// Invariant 1: no acknowledged write is lost.
    NoLostAck,
    /// Invariant 2: no grant is consumed above its quota, and none without a cause.
    Quota,
    /// Invariant 5: after the last heal all nodes hold the same directory.
    Converged,
    /// Invariants 2, 3, 6 and 7: the history is linearizable.
    Linearizable,
}

impl HistoryCheck {
    /// Every check, in the order of reports.
    pub const ALL: [Self; 4] = [Self::NoLostAck, Self::Quota, Self::Converged, Self::Linearizable];

    /// The name used in scenarios and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoLostAck => "no_lost_ack",
            Self::Quota => "quota",
            Self::Converged => "converged",
            Self::Linearizable => "linearizable",
        }
    }
}
