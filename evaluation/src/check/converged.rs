//! Invariant 5: after the last fault heals, all nodes hold the same directory: the same hash at the same
//! log index. What is examined are the log entries that every node had applied. A cluster that was there before may
//! have others who write to it, and then its nodes are never of one index.

use super::{CheckResult, Evidence, Violations, no_lost_ack::short};

pub(super) fn check(evidence: &Evidence<'_>) -> (CheckResult, u64) {
    let nodes = evidence.answered();
    let (mut violations, mut busy) = (Violations::default(), None);
    if let Some((first, others)) = nodes.split_first() {
        for other in others {
            if other.applied != first.applied && !evidence.own {
                busy = Some("others wrote to this cluster while its nodes were read".to_owned());
            } else if other.applied != first.applied {
                violations.add(|| {
                    format!(
                        "n{} had applied the log up to index {}, n{} up to {}",
                        first.node, first.applied, other.node, other.applied
                    )
                });
            } else if other.hash != first.hash {
                violations.add(|| {
                    format!(
                        "at log index {} the directory of n{} has hash {}…, that of n{} has {}…",
                        first.applied,
                        first.node,
                        short(&first.hash),
                        other.node,
                        short(&other.hash)
                    )
                });
            }
        }
    }
    let entries = nodes.iter().map(|n| n.applied).min().unwrap_or(0);
    (violations.conclude(evidence.blind_spot().or(busy)), entries)
}
