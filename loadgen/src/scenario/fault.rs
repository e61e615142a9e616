//! The fault schedule: what is broken when.

use std::time::Duration;

use super::{Cluster, Driver, Target};
use crate::{cluster::LinkNeeds, link::Quality};

/// One entry of the fault schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// When, from the start of the first stage.
    pub at: Duration,
    /// Up to so much later, yet to be drawn; see [`Scenario::settle`](super::Scenario::settle).
    pub spread: Duration,
    /// Whether it waits for something then.
    pub when: When,
    /// What.
    pub kind: FaultKind,
    /// To whom.
    pub target: Target,
    /// How long after it was asked for it is undone; when the load is over, if absent.
    pub heal: Option<Duration>,
}

/// What a fault whose time has come waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum When {
    /// Nothing.
    #[default]
    Due,
    /// That no other fault stands, every node answers and knows the same leader, and none lags behind.
    Whole,
}

impl When {
    /// Both, in the order of messages.
    pub const ALL: [Self; 2] = [Self::Due, Self::Whole];

    /// The name used in scenarios.
    pub fn name(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Whole => "whole",
        }
    }
}

/// What a fault does, with its settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FaultKind {
    /// SIGKILL; healed by a restart from the same folder.
    Kill,
    /// SIGTERM: the node ends in order; healed by a restart from the same folder.
    Stop,
    /// As [`FaultKind::Stop`], and started again at once: it heals by itself.
    Restart,
    /// SIGSTOP; healed by SIGCONT.
    Pause,
    /// The node gets less of a processor.
    Throttle {
        /// How much, of one processor.
        share: f64,
    },
    /// What is left of the node's disk is filled.
    DiskFull,
    /// The node is killed and all that it has stored is gone; healed by an empty node in its place.
    Replace,
    /// The node stays up and hears and says nothing, to nodes and clients alike.
    Ignore {
        /// How.
        cut: Cut,
    },
    /// The node is cut off from the other nodes; clients still reach it.
    Partition {
        /// How.
        cut: Cut,
    },
    /// The nodes are cut in two; the smaller half is the struck node and those that follow it by number.
    Halves {
        /// How.
        cut: Cut,
    },
    /// One direction between the node and the other nodes is cut.
    OneWay {
        /// Which.
        direction: Direction,
        /// How.
        cut: Cut,
    },
    /// The node is cut off from all other nodes but one, the next by number.
    Bridge {
        /// How.
        cut: Cut,
    },
    /// The node is cut off from the other nodes and joined to them again, over and over.
    Flapping {
        /// From one cut to the next; it lasts half of that.
        period: Duration,
        /// How.
        cut: Cut,
    },
    /// The node's links are slow or unreliable.
    Link {
        /// What they are like.
        quality: Quality,
        /// Which they are.
        links: Reach,
    },
}

/// Who is in the smaller half, and who takes the place of whom, takes so many nodes.
const LEAST_NODES: u32 = 3;

/// How a link is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cut {
    /// As a pulled cable: connections stay open and nothing arrives.
    #[default]
    Silent,
    /// As a firewall that refuses: connections are reset, open ones and new ones.
    Reset,
}

impl Cut {
    /// Every way, in the order of messages.
    pub const ALL: [Self; 2] = [Self::Silent, Self::Reset];

    /// The name used in scenarios.
    pub fn name(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Reset => "reset",
        }
    }
}

/// A direction, as the struck node sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// What it says: the others no longer hear it.
    #[default]
    Out,
    /// What it hears: it no longer hears the others.
    In,
}

impl Direction {
    /// Both, in the order of messages.
    pub const ALL: [Self; 2] = [Self::Out, Self::In];

    /// The name used in scenarios.
    pub fn name(self) -> &'static str {
        match self {
            Self::Out => "out",
            Self::In => "in",
        }
    }
}

/// Which links of a node a fault reaches, both ways each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// Those to nodes and clients.
    #[default]
    All,
    /// Those to nodes.
    Nodes,
}

impl Reach {
    /// Every reach, in the order of messages.
    pub const ALL: [Self; 2] = [Self::All, Self::Nodes];

    /// The name used in scenarios.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Nodes => "nodes",
        }
    }
}

impl FaultKind {
    /// One of every kind with its default settings, in the order of tables and legends. A `link` has none:
    /// that one does nothing.
    pub const EACH: [Self; 14] = {
        let cut = Cut::Silent;
        [
            Self::Kill,
            Self::Stop,
            Self::Restart,
            Self::Pause,
            Self::Throttle { share: 0.1 },
            Self::DiskFull,
            Self::Replace,
            Self::Ignore { cut },
            Self::Partition { cut },
            Self::Halves { cut },
            Self::OneWay { direction: Direction::Out, cut },
            Self::Bridge { cut },
            Self::Flapping { period: Duration::from_secs(1), cut },
            Self::Link { quality: Quality::HARMLESS, links: Reach::All },
        ]
    };

    /// The name used in scenarios, tables and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Pause => "pause",
            Self::Throttle { .. } => "throttle",
            Self::DiskFull => "disk_full",
            Self::Replace => "replace",
            Self::Ignore { .. } => "ignore",
            Self::Partition { .. } => "partition",
            Self::Halves { .. } => "halves",
            Self::OneWay { .. } => "one_way",
            Self::Bridge { .. } => "bridge",
            Self::Flapping { .. } => "flapping",
            Self::Link { .. } => "link",
        }
    }

    /// What it does, in a few words.
    pub fn about(self) -> &'static str {
        match self {
            Self::Kill => "SIGKILL; started again from its folder",
            Self::Stop => "SIGTERM: it hands over and ends; started again from its folder",
            Self::Restart => "SIGTERM, and started again at once",
            Self::Pause => "SIGSTOP: connections stay open, nothing is said; then SIGCONT",
            Self::Throttle { .. } => "it gets a share of one processor",
            Self::DiskFull => "what is left of its disk is filled",
            Self::Replace => "SIGKILL, and its storage is gone; an empty node takes its place",
            Self::Ignore { .. } => "its links to nodes and clients are cut both ways",
            Self::Partition { .. } => "its links to nodes are cut both ways",
            Self::Halves { .. } => "the nodes are cut in two; it is in the smaller half",
            Self::OneWay { .. } => "its links to nodes are cut one way",
            Self::Bridge { .. } => "its links to all nodes but the next are cut both ways",
            Self::Flapping { .. } => "its links to nodes are cut and mended, over and over",
            Self::Link { .. } => "its links are slow, lossy, or break connections",
        }
    }

    /// Why it cannot be done with that driver; nothing, if it can.
    pub fn unavailable(self, driver: Driver) -> Option<&'static str> {
        match (self, driver) {
            (Self::DiskFull, Driver::Process) => Some(
                "it needs a volume of limited size for each node, and processes share this machine's disk",
            ),
            _ => None,
        }
    }

    /// What a cluster lacks for it, and what would do; nothing, if it has all.
    pub(super) fn lacks(self, cluster: &Cluster) -> Option<(&'static str, String)> {
        if self.strikes_one() && cluster.nodes < LEAST_NODES {
            return Some(("needs other nodes", format!("cluster.nodes to be at least {LEAST_NODES}")));
        }
        if self == Self::DiskFull && cluster.limits.disk_bytes.is_none() {
            let wrong = "fills a disk of limited size, and there is no limit";
            return Some((wrong, "disk = \"64MiB\" or another size in [cluster]".to_owned()));
        }
        None
    }

    /// What it does to links.
    pub fn link_needs(self) -> LinkNeeds {
        match self {
            Self::Kill
            | Self::Stop
            | Self::Restart
            | Self::Pause
            | Self::Throttle { .. }
            | Self::DiskFull
            | Self::Replace => LinkNeeds::None,
            Self::Ignore { .. }
            | Self::Partition { .. }
            | Self::Halves { .. }
            | Self::OneWay { .. }
            | Self::Bridge { .. }
            | Self::Flapping { .. } => LinkNeeds::Cuts,
            Self::Link { quality, .. } if quality.resets > 0.0 => LinkNeeds::Breaks,
            Self::Link { .. } => LinkNeeds::Shapes,
        }
    }

    /// Whether it is over as soon as it has struck, so that nobody says when it is healed.
    pub fn heals_by_itself(self) -> bool {
        matches!(self, Self::Restart)
    }

    /// Whether it is about one node and its place among the others, so that it strikes one node only.
    pub fn strikes_one(self) -> bool {
        matches!(self, Self::Halves { .. } | Self::Bridge { .. } | Self::Replace)
    }
}
