//! The fault schedule: what is broken when.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// One entry of the fault schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// When, from the start of the first stage.
    pub at: Duration,
    /// What.
    pub kind: FaultKind,
    /// To whom.
    pub target: Target,
    /// How long after `at` it is undone; never, if absent.
    pub heal: Option<Duration>,
}

/// What a fault does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// SIGKILL; healed by a restart from the same folder.
    Kill,
    /// SIGTERM: the node ends in order; healed by a restart from the same folder.
    Stop,
    /// SIGSTOP; healed by SIGCONT.
    Pause,
    /// The node stays up and hears and says nothing, to nodes and clients alike.
    Ignore,
    /// The node is cut off from the other nodes; clients still reach it.
    Partition,
}

impl FaultKind {
    /// Every kind, in the order of tables and legends.
    pub const ALL: [Self; 5] = [Self::Kill, Self::Stop, Self::Pause, Self::Ignore, Self::Partition];

    /// The name used in scenarios, tables and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Pause => "pause",
            Self::Ignore => "ignore",
            Self::Partition => "partition",
        }
    }

    /// Whether it cuts links, which then have to be led through the link proxy.
    pub fn needs_links(self) -> bool {
        match self {
            Self::Kill | Self::Stop | Self::Pause => false,
            Self::Ignore | Self::Partition => true,
        }
    }
}

/// Whom a fault strikes. Resolved when it strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The node that leads at that moment.
    Leader,
    /// Any node, drawn from the seed.
    Random,
    /// Node `n1`, `n2`, …
    Node(u64),
    /// Every node at once.
    All,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leader => f.write_str("leader"),
            Self::Random => f.write_str("random"),
            Self::Node(number) => write!(f, "n{number}"),
            Self::All => f.write_str("all"),
        }
    }
}
