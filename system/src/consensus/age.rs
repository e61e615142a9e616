//! How old what this node holds may be, as far as it can know: what reads that may be stale are told.
//!
//! A leader knows since when no majority has confirmed that it leads: nobody else can have led before. A follower knows
//! when it asked its leader how far it had acknowledged the log, and when it had applied that: what a leader says of its own
//! accord may have been long on its way. It does not know whether that leader had been deposed just before: among five nodes or more, a follower that is cut off together with an old
//! leader takes its word.

use std::collections::VecDeque;

use openraft::{Instant as _, async_runtime::watch::WatchReceiver};
use tokio::time::{Duration, Instant};

use super::Consensus;

/// How many reports of a leader are remembered at a time that go beyond what is applied.
const REPORTS: usize = 64;

/// What a leader has said of how far it has acknowledged the log, and when it was asked.
#[derive(Default)]
pub(super) struct Reports {
    /// Those that go beyond what was applied, in order of both.
    ahead: VecDeque<(Instant, u64)>,
    /// The furthest.
    furthest: u64,
    /// When the last one was asked for of those that did not.
    reached: Option<Instant>,
}

impl Reports {
    /// The leader has said, asked at `at`, that the log was acknowledged up to `index`.
    pub(super) fn note(&mut self, at: Instant, index: u64) {
        if index < self.furthest {
            // It was overtaken on its way, and is older than it looks.
            return;
        }
        self.furthest = index;
        // Of two that say the same the later is worth more. Those that are too many are left out: then this node is
        // taken to know less than it does.
        if self.ahead.back().is_some_and(|(_, last)| *last == index) || self.ahead.len() == REPORTS {
            self.ahead.pop_back();
        }
        self.ahead.push_back((at, index));
    }

    /// When the last report was asked for that is reflected by what is applied now.
    fn reached(&mut self, applied: u64) -> Option<Instant> {
        while let Some((at, _)) = self.ahead.pop_front_if(|(_, index)| *index <= applied) {
            self.reached = Some(at);
        }
        self.reached
    }
}

impl Consensus {
    /// The local directory reflects all that was acknowledged so long ago, or earlier; without an answer this node has
    /// not heard of a leader yet.
    pub fn age(&self) -> Option<Duration> {
        if self.leads() {
            return self.applied_as_leader().and_then(|_| self.unconfirmed());
        }
        let applied = self.machine.look(|image| image.applied.map_or(0, |log_id| log_id.index));
        self.reports.lock().reached(applied).map(|at| at.elapsed())
    }

    /// If this node leads, the index up to which its directory reflects the log, and with that all that anybody has
    /// acknowledged. A leader that has applied nothing of its own term yet may lack what the one before it acknowledged.
    pub(super) fn acknowledged(&self) -> Option<u64> {
        // One that is silent may have been replaced.
        self.applied_as_leader().filter(|_| !self.is_silent())
    }

    fn applied_as_leader(&self) -> Option<u64> {
        let term = self.leads().then(|| self.leadership.borrow().term)?;
        let applied = self.machine.look(|image| image.applied)?;
        (applied.leader_id.term == term).then_some(applied.index)
    }

    /// For how long no majority has confirmed that this node leads.
    fn unconfirmed(&self) -> Option<Duration> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let id = *self.raft.node_id();
        match metrics.membership_config.voter_ids().all(|voter| voter == id) {
            true => Some(Duration::ZERO),
            false => metrics.last_quorum_acked.map(|at| at.elapsed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_report_counts_from_when_it_was_asked_for_once_it_is_applied() {
        let mut reports = Reports::default();
        assert_eq!(reports.reached(9), None);
        let second = Duration::from_secs(1);
        let began = Instant::now();
        for (after, index) in [(0, 5), (1, 7), (2, 7), (3, 9)] {
            reports.note(began + after * second, index);
        }
        assert_eq!(reports.reached(4), None);
        assert_eq!(reports.reached(6), Some(began));
        // The same said again is worth more.
        assert_eq!(reports.reached(7), Some(began + 2 * second));
        assert_eq!(reports.reached(8), Some(began + 2 * second));
        assert_eq!(reports.reached(9), Some(began + 3 * second));
        reports.note(began + 4 * second, 9);
        assert_eq!(reports.reached(9), Some(began + 4 * second));
    }

    #[tokio::test(start_paused = true)]
    async fn a_follower_that_lags_far_behind_remembers_little_and_never_claims_too_much() {
        let mut reports = Reports::default();
        let began = Instant::now();
        for number in 0..10_000 {
            reports.note(began + Duration::from_millis(number), number);
        }
        assert!(reports.ahead.len() <= REPORTS);
        for applied in [0, 3, 50, 200, 9_998] {
            let reached = reports.reached(applied).unwrap();
            assert!(reached <= began + Duration::from_millis(applied), "at {applied}");
        }
        assert_eq!(reports.reached(9_999), Some(began + Duration::from_millis(9_999)));
    }
}
