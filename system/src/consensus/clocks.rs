//! Whether this node's clock is right, as far as the clocks of the other nodes tell.
//!
//! Every node tells its clock in answer to [`PeerRequest::Hold`](super::PeerRequest::Hold), ten times a second. What it
//! showed is carried on by this node's monotonic clock, so that a step of its own clock is noticed at once, and what a node
//! has said that has died since still counts for a while. An answer is under way for less than half a second: nothing
//! beside the window.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use openraft::async_runtime::watch::WatchReceiver;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::Consensus;
use crate::{
    clock::{Off, UnixClock},
    directory::{REQUEST_WINDOW_MS, Refusal, RequestId, in_time},
    wire::client::NodeId,
};

/// What a node has said of its clock counts for so long.
const STALE_AFTER: Duration = Duration::from_secs(60);
/// A judgement holds for so long, unless this node's clock is set meanwhile: it is asked for with every request.
const JUDGED_FOR: Duration = Duration::from_millis(20);
/// This node's clock is taken to have been set when it goes so much faster or slower than time, milliseconds.
const STEP_MS: u64 = 1_000;

/// What the clocks of a majority of the voters say of this node's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// A majority have clocks like it, itself included.
    Right {
        /// How far it is ahead of their median, milliseconds.
        off_ms: i64,
    },
    /// A majority have clocks like one another, and not like it.
    Wrong {
        /// How far it is ahead of their median, milliseconds.
        off_ms: i64,
        /// Whose clocks these are.
        against: Vec<NodeId>,
    },
    /// No majority is known whose clocks are alike.
    Unknown {
        /// How far it is ahead of those that it does not agree with, milliseconds.
        apart: BTreeMap<NodeId, i64>,
    },
}

impl Judgement {
    /// How far the clock is ahead of the median of those of a majority that are alike, if one is known, milliseconds.
    pub fn off_ms(&self) -> Option<i64> {
        match self {
            Self::Right { off_ms } | Self::Wrong { off_ms, .. } => Some(*off_ms),
            Self::Unknown { .. } => None,
        }
    }
}

/// Why a node takes no change into the log: its clock may be wrong, and the directory would go by it. Nothing was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ClockError {
    /// A majority of the nodes have another time.
    #[error(
        "this node's clock is {} the clocks of nodes {}: it takes no changes before it is set right",
        Off(*off_ms), listed(against)
    )]
    Wrong {
        /// How far it is ahead of theirs, milliseconds.
        off_ms: i64,
        /// Theirs.
        against: Vec<NodeId>,
    },
    /// The request was made at another time, or another node has another one, and no majority of the nodes says who is
    /// right.
    #[error(
        "this node's clock is {off_ms} ms away from another one, the limit is {REQUEST_WINDOW_MS} ms, and no majority of the \
         nodes says which one is right"
    )]
    Unsure {
        /// How far.
        off_ms: u64,
    },
    /// No majority has told its clock yet.
    #[error("this node does not know yet what time a majority of the nodes have")]
    Unheard,
}

/// Numbers in a sentence: `1, 3`.
pub(crate) fn listed(nodes: &[NodeId]) -> String {
    nodes.iter().map(NodeId::to_string).collect::<Vec<_>>().join(", ")
}

/// What may not get into the log.
pub(super) enum Unfit {
    /// This node is to blame, or may be.
    Node(ClockError),
    /// Who asks is to blame.
    Request(Refusal),
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    clock_ms: u64,
    at: Instant,
}

/// This node's clock, and what the others have said of theirs. Clones share it.
#[derive(Clone)]
pub(super) struct Clocks {
    own: UnixClock,
    others: Arc<Mutex<BTreeMap<NodeId, Sample>>>,
    /// The last judgement, when it was made, and what this node's clock showed then.
    judged: Arc<Mutex<Option<(Judgement, Instant, u64)>>>,
}

/// The time, and whether a majority agree that it is that. Nodes that hear of one another have the same, though their
/// clocks be minutes apart.
#[derive(Debug, Clone, Copy)]
pub struct Time {
    /// Milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// It is the median of the clocks of a majority that are alike. Otherwise it is this node's alone.
    pub agreed: bool,
}

impl Clocks {
    pub(super) fn new(own: UnixClock) -> Self {
        Self { own, others: Arc::default(), judged: Arc::default() }
    }

    /// What this node's clock shows.
    pub(super) fn own_ms(&self) -> u64 {
        (self.own)()
    }

    /// Another node's clock shows this.
    pub(super) fn note(&self, node: NodeId, clock_ms: u64) {
        self.others.lock().insert(node, Sample { clock_ms, at: Instant::now() });
    }

    /// What the others' clocks show now.
    fn others(&self) -> Vec<(NodeId, u64)> {
        let now = Instant::now();
        let others = self.others.lock();
        let ages =
            others.iter().map(|(node, sample)| (node, sample, now.saturating_duration_since(sample.at)));
        let fresh = ages.filter(|(.., age)| *age <= STALE_AFTER);
        fresh
            .map(|(node, sample, age)| (*node, sample.clock_ms.saturating_add(age.as_millis() as u64)))
            .collect()
    }
}

/// Judges the clock of node `own`, which shows `own_ms`, by what the others' show.
fn judge(own: NodeId, own_ms: u64, others: &[(NodeId, u64)], voters: &[NodeId]) -> Judgement {
    let of_voters = others.iter().filter(|(node, _)| *node != own && voters.contains(node));
    // By how much each is ahead of this node's.
    let mut ahead: Vec<(i64, NodeId)> =
        of_voters.map(|(node, ms)| (ms.wrapping_sub(own_ms) as i64, *node)).collect();
    let apart = ahead
        .iter()
        .filter(|(ms, _)| !alike(*ms, 0))
        .map(|(ms, node)| (*node, ms.saturating_neg()))
        .collect();
    if voters.contains(&own) {
        ahead.push((0, own));
    }
    ahead.sort_unstable();
    // Any majority whose clocks are alike has the median of those that are known among them.
    let Some((median, _)) = ahead.get(ahead.len() / 2).copied() else { return Judgement::Unknown { apart } };
    let those_like = |ms| ahead.iter().filter(move |(other, _)| alike(*other, ms));
    let majority = voters.len() / 2 + 1;
    let off_ms = median.saturating_neg();
    if those_like(0).count() >= majority {
        return Judgement::Right { off_ms };
    }
    if those_like(median).count() < majority {
        return Judgement::Unknown { apart };
    }
    match alike(median, 0) {
        true => Judgement::Right { off_ms },
        false => {
            let mut against: Vec<_> = those_like(median).map(|(_, node)| *node).collect();
            against.sort_unstable();
            Judgement::Wrong { off_ms, against }
        }
    }
}

/// Whether two clocks, that are so far ahead of a third, are within the window of one another.
fn alike(left_ms: i64, right_ms: i64) -> bool {
    left_ms.abs_diff(right_ms) <= REQUEST_WINDOW_MS
}

impl Consensus {
    /// What the other nodes' clocks say of this one's.
    pub fn clock(&self) -> Judgement {
        self.judge_clock(self.clocks.own_ms())
    }

    /// The time, as far as this node can know it.
    pub fn time(&self) -> Time {
        let own_ms = self.clocks.own_ms();
        match self.judge_clock(own_ms).off_ms() {
            Some(off_ms) => {
                Time { now_ms: own_ms.saturating_add_signed(off_ms.saturating_neg()), agreed: true }
            }
            None => Time { now_ms: own_ms, agreed: false },
        }
    }

    /// Whether a node's clock is known to be wrong, and how far it is ahead of those of a majority, milliseconds.
    pub(super) fn clock_of(&self, node: NodeId) -> Option<i64> {
        let Time { now_ms, agreed: true } = self.time() else { return None };
        let (_, clock_ms) = self.clocks.others().into_iter().find(|(other, _)| *other == node)?;
        let off_ms = clock_ms.wrapping_sub(now_ms) as i64;
        (!alike(off_ms, 0)).then_some(off_ms)
    }

    /// An id for a request that this node makes by itself, with 80 random bits (the low bits of `random`).
    ///
    /// # Errors
    /// [`ClockError`]: nobody else's clock would show that this one is wrong.
    pub fn own_request(&self, random: u128) -> Result<RequestId, ClockError> {
        match self.clock() {
            // Also before anybody was heard.
            Judgement::Unknown { apart } => match apart.values().map(|ms| ms.unsigned_abs()).min() {
                Some(off_ms) => Err(ClockError::Unsure { off_ms }),
                None => Err(ClockError::Unheard),
            },
            _ => Ok(RequestId::new(self.time().now_ms, random)),
        }
    }

    /// The time that goes into the log with a request, if this node's clock may be gone by.
    pub(super) fn time_for(&self, request: RequestId) -> Result<u64, Unfit> {
        if let Judgement::Wrong { off_ms, against } = self.clock() {
            return Err(Unfit::Node(ClockError::Wrong { off_ms, against }));
        }
        let Time { now_ms, agreed } = self.time();
        match in_time(request, now_ms) {
            Ok(()) => Ok(now_ms),
            Err(refusal) if agreed => Err(Unfit::Request(refusal)),
            Err(_) => Err(Unfit::Node(ClockError::Unsure { off_ms: request.unix_ms().abs_diff(now_ms) })),
        }
    }

    fn judge_clock(&self, own_ms: u64) -> Judgement {
        let now = Instant::now();
        let mut judged = self.clocks.judged.lock();
        if let Some((judgement, at, then_ms)) = &*judged {
            let elapsed = now.saturating_duration_since(*at);
            let expected_ms = then_ms.saturating_add(elapsed.as_millis() as u64);
            if elapsed < JUDGED_FOR && own_ms.abs_diff(expected_ms) < STEP_MS {
                return judgement.clone();
            }
        }
        let voters: Vec<_> = {
            let metrics = self.raft.server_metrics();
            let metrics = metrics.borrow_watched();
            metrics.membership_config.voter_ids().collect()
        };
        let judgement = judge(*self.raft.node_id(), own_ms, &self.clocks.others(), &voters);
        *judged = Some((judgement.clone(), now, own_ms));
        judgement
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;
    const YEAR: i64 = 365 * 24 * 3_600_000;
    const WINDOW: i64 = REQUEST_WINDOW_MS as i64;

    /// Judges node 1 of so many voters; the others' clocks are so far ahead of its.
    fn judged(voters: u64, ahead: &[(NodeId, i64)]) -> Judgement {
        let voters: Vec<_> = (1..=voters).collect();
        let others: Vec<_> = ahead.iter().map(|(node, ms)| (*node, NOW.saturating_add_signed(*ms))).collect();
        judge(1, NOW, &others, &voters)
    }

    fn unknown(apart: &[(NodeId, i64)]) -> Judgement {
        Judgement::Unknown { apart: apart.iter().copied().collect() }
    }

    #[test]
    fn a_majority_decides() {
        let right = |off_ms| Judgement::Right { off_ms };
        let wrong = |off_ms, against: &[NodeId]| Judgement::Wrong { off_ms, against: against.to_vec() };
        for (voters, ahead, expected) in [
            // Alone it is the majority.
            (1, &[][..], right(0)),
            // With nobody else heard, or too few.
            (3, &[], unknown(&[])),
            (5, &[(2, 0)], unknown(&[])),
            (3, &[(2, 10)], right(-10)),
            (3, &[(2, 10), (3, 20)], right(-10)),
            // One of the others is off.
            (3, &[(2, 10), (3, YEAR)], right(-10)),
            (3, &[(2, -YEAR), (3, 10)], right(0)),
            // This one is, ahead and behind, by a little too much.
            (3, &[(2, -YEAR), (3, 10 - YEAR)], wrong(YEAR - 10, &[2, 3])),
            (3, &[(2, YEAR), (3, YEAR + 10)], wrong(-YEAR, &[2, 3])),
            (3, &[(2, WINDOW), (3, WINDOW)], right(-WINDOW)),
            (3, &[(2, WINDOW + 1), (3, WINDOW + 1)], wrong(-WINDOW - 1, &[2, 3])),
            (5, &[(2, YEAR), (3, YEAR), (4, YEAR), (5, 0)], wrong(-YEAR, &[2, 3, 4])),
            // Two that differ, and no third.
            (2, &[(2, YEAR)], unknown(&[(2, -YEAR)])),
            (3, &[(2, YEAR)], unknown(&[(2, -YEAR)])),
            (4, &[(2, 0), (3, YEAR), (4, YEAR)], unknown(&[(3, -YEAR), (4, -YEAR)])),
            // No two alike.
            (3, &[(2, YEAR), (3, 2 * YEAR)], unknown(&[(2, -YEAR), (3, -2 * YEAR)])),
            // Like the median of a majority, though not like all of it.
            (5, &[(2, 299_000), (3, 310_000)], right(-299_000)),
            // Those without a vote are not asked.
            (3, &[(2, 10), (4, YEAR), (5, YEAR)], right(-10)),
            // A node without a vote asks those that have one.
            (0, &[], unknown(&[])),
        ] {
            assert_eq!(judged(voters, ahead), expected, "{voters} voters, {ahead:?}");
        }
        let learner = judge(9, NOW, &[(1, 0), (2, 0)], &[1, 2, 3]);
        assert_eq!(learner, wrong(NOW as i64, &[1, 2]));
    }

    /// No clock shows this, and a node may say it.
    #[tokio::test(start_paused = true)]
    async fn whatever_another_node_says_can_be_reckoned_with() {
        let clocks = Clocks::new(Arc::new(|| NOW));
        clocks.note(2, u64::MAX);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(clocks.others(), [(2, u64::MAX)]);
        let ahead = [(2, 1 << 63), (3, 1 << 63)];
        let wrong = Judgement::Wrong { off_ms: i64::MAX, against: vec![2, 3] };
        assert_eq!(judge(1, 0, &ahead, &[1, 2, 3]), wrong);
        assert_eq!(judge(1, 0, &ahead[..1], &[1, 2, 3]), unknown(&[(2, i64::MAX)]));
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_node_has_said_is_carried_on_for_a_while() {
        let clocks = Clocks::new(Arc::new(|| NOW));
        clocks.note(2, 1_000);
        tokio::time::advance(Duration::from_secs(9)).await;
        clocks.note(3, 5_000);
        assert_eq!(clocks.others(), [(2, 10_000), (3, 5_000)]);
        tokio::time::advance(STALE_AFTER - Duration::from_secs(8)).await;
        assert_eq!(clocks.others(), [(3, 57_000)]);
    }
}
