//! The scenario file: what is started, how it is loaded, what is broken when, what must hold.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

/// The kinds of operation a simulated user performs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Registers a new user.
    Register,
    /// Seals a photo and grants views to others.
    Seal,
    /// Lists the images a user may view.
    Discover,
    /// Opens an image, which takes a view off a grant.
    View,
    /// Sets the views a viewer has left.
    Grant,
}

impl OperationKind {
    /// Every kind, in the order of tables and legends.
    pub const ALL: [Self; 5] = [Self::Register, Self::Seal, Self::Discover, Self::View, Self::Grant];

    /// The name used in scenarios, tables and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Seal => "seal",
            Self::Discover => "discover",
            Self::View => "view",
            Self::Grant => "grant",
        }
    }
}

/// A scenario, complete: defaults filled in, every value checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// The seed of arrival times, users, operations and random targets.
    pub seed: u64,
    /// What is started.
    pub cluster: Cluster,
    /// What is asked of it.
    pub load: Load,
    /// What is broken, in order of time.
    pub faults: Vec<Fault>,
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
}

/// How nodes are started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Driver {
    /// Each node is a process of this machine.
    Process,
}

/// The load.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// Simulated users.
    pub clients: u32,
    /// How gaps between operations are drawn.
    pub arrival: Arrival,
    /// Above so many outstanding operations a due one is shed.
    pub max_in_flight: u32,
    /// When an operation without an answer is given up, counted from its due time.
    pub timeout: Duration,
    /// The stages, in order.
    pub stages: Vec<Stage>,
    /// Relative frequency of each operation; at least one is above zero.
    pub mix: BTreeMap<OperationKind, u32>,
    /// Where the photos come from.
    pub images: Images,
}

/// How gaps between operations are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrival {
    /// Exponential gaps: a Poisson process.
    Poisson,
    /// Equal gaps.
    Constant,
}

/// One stretch of load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    /// How long it lasts.
    pub length: Duration,
    /// Operations a second when it begins.
    pub rate_from: f64,
    /// Operations a second when it ends; different from `rate_from` in a ramp.
    pub rate_to: f64,
    /// A warm-up stage is shown in figures and left out of limits.
    pub warmup: bool,
}

/// Where the photos come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Images {
    /// The built-in set, drawn by a seeded generator.
    Photos,
    /// PNG and JPEG files of a folder.
    Folder(PathBuf),
}

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
    /// SIGSTOP; healed by SIGCONT.
    Pause,
}

impl FaultKind {
    /// The name used in scenarios, tables and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Pause => "pause",
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

/// What must hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pass {
    /// Checks of the history, by name.
    pub history: Vec<HistoryCheck>,
    /// Limits on figures.
    pub limits: Vec<Limit>,
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
}

impl HistoryCheck {
    /// The name used in scenarios and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoLostAck => "no_lost_ack",
            Self::Quota => "quota",
            Self::Converged => "converged",
        }
    }
}

/// One limit: `metric comparison value [@ window]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// As written in the scenario.
    pub text: String,
    /// What is measured.
    pub metric: Metric,
    /// How it is compared.
    pub comparison: Comparison,
    /// The bound: milliseconds for times, a plain number for counts and ratios.
    pub value: f64,
    /// Which operations count.
    pub window: Window,
}

/// What a limit measures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Metric {
    /// `fault[*].unavailable`, `fault[0].elect`: a failover figure of every fault, or of one.
    /// Each fault that has the figure must satisfy the limit.
    Fault {
        /// Zero-based; `None` is `*`.
        index: Option<usize>,
        /// Which figure.
        figure: FailoverFigure,
    },
    /// `ok_ratio`: answered operations over offered ones.
    OkRatio,
    /// `ok`, `failed`, `unknown`, `shed`: how many operations ended so.
    Count(OutcomeKind),
    /// `view.p99`, or `p99` for all operations together.
    Latency {
        /// `None` is all operations.
        operation: Option<OperationKind>,
        /// 0.5, 0.9, 0.99, 0.999 or 1 (max).
        quantile: f64,
    },
}

/// The four failover figures (design, section 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailoverFigure {
    /// Fault to a leader of a higher term, ms.
    Elect,
    /// Longest stretch without a success that overlaps the fault, ms.
    Unavailable,
    /// Fault to the first good second, ms.
    Recover,
    /// Operations offered and not completed in time.
    LostWork,
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// Answered. A refusal that the quota demands is an answer.
    Ok,
    /// Refused or broken, certainly without effect.
    Failed,
    /// No answer in time: may have happened.
    Unknown,
    /// Never sent: too many were outstanding.
    Shed,
}

impl OutcomeKind {
    /// Every kind, in the order of tables and legends.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Failed, Self::Unknown, Self::Shed];

    /// The name used in tables and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Shed => "shed",
        }
    }
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `==`
    Equal,
    /// `>=`
    AtLeast,
    /// `>`
    Greater,
}

impl Comparison {
    /// Whether `left` stands in this relation to `right`.
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::Equal => left == right,
            Self::AtLeast => left >= right,
            Self::Greater => left > right,
        }
    }
}

/// Which operations a limit looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// All that were due outside warm-up.
    Measured,
    /// `@ steady`: those also due outside every fault, from its injection until it is healed and recovered.
    Steady,
}
