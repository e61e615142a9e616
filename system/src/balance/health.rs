//! Health scores, and the choice of the healthiest worker.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::wire::client::NodeId;

/// A sample older than this says nothing about its node any more.
const STALE_AFTER: Duration = Duration::from_millis(800);

/// How busy a node is.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct HealthSample {
    /// Processor time of the node's process, in percent of one core.
    pub cpu_percent: f32,
    /// Resident memory of the node's process, bytes.
    pub memory_bytes: u64,
    /// Sealing tasks at work.
    pub active: u32,
    /// Sealing tasks waiting.
    pub queued: u32,
    /// Sealing threads.
    pub workers: u32,
    /// How long recent sealings took, waiting included, milliseconds (moving average).
    pub latency_ms: f32,
}

impl HealthSample {
    /// The health score, lower is healthier: expected milliseconds until a new task is done, plus one
    /// for each percent of a core that the process is using. An idle node scores its own latency.
    pub fn score(&self) -> f32 {
        self.with_extra(0)
    }

    /// The score once `extra` more tasks have been sent to the node.
    fn with_extra(&self, extra: u32) -> f32 {
        let ahead = (self.active + self.queued + extra) as f32 / self.workers.max(1) as f32;
        // A node that has not sealed yet is presumed to be quick.
        let each = self.latency_ms.max(1.0);
        each * (1.0 + ahead) + self.cpu_percent
    }
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    sample: HealthSample,
    taken: Duration,
    /// Tasks assigned since the sample was taken, which it cannot show yet.
    assigned: u32,
}

/// The latest sample of each node. Times are on any monotonic clock, as durations since its start.
#[derive(Debug, Default)]
pub struct HealthTable {
    entries: BTreeMap<NodeId, Entry>,
}

impl HealthTable {
    /// Takes in a node's sample.
    pub fn report(&mut self, node: NodeId, sample: HealthSample, now: Duration) {
        self.entries.insert(node, Entry { sample, taken: now, assigned: 0 });
    }

    /// Names the healthiest node with a fresh sample, other than those to `avoid`, and counts the task
    /// that is about to be sent there. Nodes to avoid are named when there is no other.
    pub fn assign(&mut self, avoid: &[NodeId], now: Duration) -> Option<NodeId> {
        let fresh = |entry: &Entry| now.saturating_sub(entry.taken) <= STALE_AFTER;
        let best = self
            .entries
            .iter()
            .filter(|(_, entry)| fresh(entry))
            .min_by(|(a, left), (b, right)| {
                let key = |node: &NodeId, entry: &Entry| {
                    (avoid.contains(node), entry.sample.with_extra(entry.assigned))
                };
                let (left, right) = (key(a, left), key(b, right));
                left.0.cmp(&right.0).then(left.1.total_cmp(&right.1))
            })
            .map(|(node, _)| *node)?;
        if let Some(entry) = self.entries.get_mut(&best) {
            entry.assigned += 1;
        }
        Some(best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(active: u32, latency_ms: f32, cpu_percent: f32) -> HealthSample {
        HealthSample { active, latency_ms, cpu_percent, workers: 1, ..HealthSample::default() }
    }

    const NOW: Duration = Duration::from_secs(100);

    #[test]
    fn the_least_busy_node_is_named_and_work_sent_there_counts() {
        let mut table = HealthTable::default();
        table.report(1, sample(3, 5.0, 0.0), NOW);
        table.report(2, sample(0, 5.0, 0.0), NOW);
        table.report(3, sample(0, 5.0, 90.0), NOW);
        let named: Vec<_> = (0..4).map(|_| table.assign(&[], NOW).unwrap()).collect();
        assert_eq!(named, [2, 2, 2, 1]);
    }

    #[test]
    fn a_silent_node_gets_no_work() {
        let mut table = HealthTable::default();
        table.report(1, sample(0, 5.0, 0.0), NOW - STALE_AFTER - Duration::from_millis(1));
        assert_eq!(table.assign(&[], NOW), None);
        table.report(2, sample(9, 5.0, 0.0), NOW);
        assert_eq!(table.assign(&[], NOW), Some(2));
    }

    #[test]
    fn a_node_to_avoid_is_the_last_resort() {
        let mut table = HealthTable::default();
        table.report(1, sample(0, 5.0, 0.0), NOW);
        table.report(2, sample(9, 5.0, 0.0), NOW);
        assert_eq!(table.assign(&[1], NOW), Some(2));
        assert_eq!(table.assign(&[1, 2], NOW), Some(1));
    }
}
