//! How a node is.

use serde::{Deserialize, Serialize};

use super::{Member, NodeId};
use crate::{alarm::ActiveAlarm, balance::HealthSample, identity::KeyNumber};

/// Who leads, as far as the answering node knows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Leadership {
    /// The Raft term.
    pub term: u64,
    /// The leader of that term, if one is known.
    pub leader: Option<Member>,
}

/// How long a stage of writes has taken on the node that led, since it was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageTimes {
    /// The stage.
    pub stage: String,
    /// How many writes went through it; of `replicate`, how many batches.
    pub count: u64,
    /// The median, microseconds.
    pub p50_us: u64,
    /// The 99th percentile, microseconds.
    pub p99_us: u64,
    /// The longest, microseconds.
    pub max_us: u64,
}

/// How a node is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// The node.
    pub node: NodeId,
    /// The number of its disk, which it drew when it found it empty.
    pub disk: String,
    /// The program's version.
    pub version: String,
    /// Who leads.
    pub leadership: Leadership,
    /// All members of the cluster.
    pub members: Vec<Member>,
    /// The last log index applied.
    pub applied: u64,
    /// The first log index that is still there.
    pub first_log: u64,
    /// The last log index written.
    pub last_log: u64,
    /// The last log index that a snapshot covers.
    pub snapshot: u64,
    /// How busy it is.
    pub health: HealthSample,
    /// Users and images in its directory.
    pub users: u64,
    /// Images in its directory.
    pub images: u64,
    /// The key-encryption keys that it has.
    pub wrapping_keys: Vec<KeyNumber>,
    /// What is wrong with it.
    pub alarms: Vec<ActiveAlarm>,
    /// How far its clock is ahead of the median of those of a majority that are alike, milliseconds.
    pub clock_off_ms: Option<i64>,
}
