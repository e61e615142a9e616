//! Where a write spends its time: how long each stage of it takes on the node that leads.
//!
//! Entries go through most stages in batches, so each stage notes a time for a range of log indexes, in a ring; whoever
//! proposed an entry reads its times off when the answer is there.

use std::{
    fmt::Debug,
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::PROPOSAL_LIMIT;
use crate::wire::client::StageTimes;

/// A stage of a write. Each begins where the one before ends, but for [`Replicate`](Self::Replicate), which goes on while
/// the leader's own disk writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// From the request, taken out of its frame, to the proposal: who asks, and may they?
    Frame,
    /// Until Raft gives the entry to the log.
    Propose,
    /// Until the log's writer takes it up.
    Append,
    /// Until it is on the leader's disk.
    Fsync,
    /// From sending a batch of entries to a follower to its answer.
    Replicate,
    /// From the leader's disk until a majority has it, Raft knows, and it is its turn to be applied.
    Commit,
    /// Until the directory reflects it, and all that is applied with it.
    Apply,
    /// Until whoever proposed it knows.
    Answer,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 8] = [
        Self::Frame,
        Self::Propose,
        Self::Append,
        Self::Fsync,
        Self::Replicate,
        Self::Commit,
        Self::Apply,
        Self::Answer,
    ];

    /// As it is called in metrics and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Frame => "frame",
            Self::Propose => "propose",
            Self::Append => "append",
            Self::Fsync => "fsync",
            Self::Replicate => "replicate",
            Self::Commit => "commit",
            Self::Apply => "apply",
            Self::Answer => "answer",
        }
    }
}

/// A moment in the life of an entry on its leader.
#[derive(Debug, Clone, Copy)]
pub(super) enum Moment {
    /// Raft gave it to the log.
    Appended,
    /// The log's writer took it up.
    Writing,
    /// It is on disk.
    Flushed,
    /// It is about to be applied.
    Applying,
    /// It is applied.
    Applied,
}

const MOMENTS: usize = 5;
/// Entries whose times are remembered. All that may wait for their commit at a time fit.
const RING: usize = 2 * PROPOSAL_LIMIT;

/// What takes longer counts as much, microseconds.
const LONGEST_US: u64 = 60_000_000;

/// The times of one entry, nanoseconds since the beginning, and which entry it is.
#[derive(Default)]
struct Slot {
    index: AtomicU64,
    at: [AtomicU64; MOMENTS],
}

struct Inner {
    began: Instant,
    ring: Box<[Slot]>,
    /// By [`Stage`].
    durations: [Durations; Stage::ALL.len()],
}

/// How long something took, microseconds.
struct Durations {
    counts: Mutex<Histogram<u64>>,
    sum_ns: AtomicU64,
}

impl Default for Durations {
    fn default() -> Self {
        #[expect(clippy::unwrap_used, reason = "the bounds and two significant digits are within the limits")]
        let counts = Histogram::new_with_bounds(1, LONGEST_US, 2).unwrap();
        Self { counts: Mutex::new(counts), sum_ns: AtomicU64::new(0) }
    }
}

/// What one stage of all writes has taken, for Prometheus.
#[derive(Debug, Clone, PartialEq)]
pub struct StageHistogram {
    /// The stage.
    pub stage: Stage,
    /// How many were measured.
    pub count: u64,
    /// The sum of their durations, seconds.
    pub sum: f64,
    /// The upper end of each bucket, seconds, and how many lie in it and no lower one.
    pub buckets: Vec<(f64, u64)>,
}

/// Measures the stages of writes. Clones share it.
#[derive(Clone)]
pub struct Stages(Arc<Inner>);

impl Debug for Stages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stages").finish_non_exhaustive()
    }
}

impl Stages {
    pub(super) fn new() -> Self {
        let ring = (0..RING).map(|_| Slot::default()).collect();
        Self(Arc::new(Inner { began: Instant::now(), ring, durations: Default::default() }))
    }

    fn slot(&self, index: u64) -> &Slot {
        &self.0.ring[index as usize % RING]
    }

    /// Entries have reached a moment, now.
    pub(super) fn mark(&self, moment: Moment, indexes: RangeInclusive<u64>) {
        let now = self.0.began.elapsed().as_nanos() as u64;
        for index in indexes {
            let slot = self.slot(index);
            if let Moment::Appended = moment {
                slot.index.store(index, Ordering::Relaxed);
            }
            slot.at[moment as usize].store(now, Ordering::Relaxed);
        }
    }

    /// A stage has taken so long.
    pub fn record(&self, stage: Stage, took: Duration) {
        let durations = &self.0.durations[stage as usize];
        durations.sum_ns.fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
        durations.counts.lock().saturating_record(took.as_micros() as u64);
    }

    /// An entry that was proposed then is answered now.
    pub(super) fn finish(&self, proposed: Instant, index: u64) {
        let now = self.0.began.elapsed();
        let slot = self.slot(index);
        if slot.index.load(Ordering::Relaxed) != index {
            return;
        }
        let mut last = proposed.saturating_duration_since(self.0.began);
        let between = [Stage::Propose, Stage::Append, Stage::Fsync, Stage::Commit, Stage::Apply];
        for (stage, at) in between.into_iter().zip(&slot.at) {
            let at = Duration::from_nanos(at.load(Ordering::Relaxed));
            // A majority may have had it before the leader's own disk did.
            self.record(stage, at.saturating_sub(last));
            last = last.max(at);
        }
        self.record(Stage::Answer, now.saturating_sub(last));
    }

    /// What the stages have taken so far.
    pub fn times(&self) -> Vec<StageTimes> {
        let times = |stage: Stage| {
            let counts = self.0.durations[stage as usize].counts.lock();
            StageTimes {
                stage: stage.name().to_owned(),
                count: counts.len(),
                p50_us: counts.value_at_quantile(0.5),
                p99_us: counts.value_at_quantile(0.99),
                max_us: counts.max(),
            }
        };
        Stage::ALL.into_iter().map(times).collect()
    }

    /// The same, in buckets that end at `bounds`, seconds, ascending.
    pub fn histograms(&self, bounds: &[f64]) -> Vec<StageHistogram> {
        let histogram = |stage: Stage| {
            let durations = &self.0.durations[stage as usize];
            let counts = durations.counts.lock();
            let mut buckets: Vec<(f64, u64)> = bounds.iter().map(|bound| (*bound, 0)).collect();
            buckets.push((f64::MAX, 0));
            for recorded in counts.iter_recorded() {
                let seconds = recorded.value_iterated_to() as f64 / 1e6;
                let bucket = bounds.partition_point(|bound| *bound < seconds);
                buckets[bucket].1 += recorded.count_at_value();
            }
            let sum = durations.sum_ns.load(Ordering::Relaxed) as f64 / 1e9;
            StageHistogram { stage, count: counts.len(), sum, buckets }
        };
        Stage::ALL.into_iter().map(histogram).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(stages: &Stages, stage: Stage) -> u64 {
        stages.times()[stage as usize].count
    }

    #[test]
    fn every_entry_is_counted_once_in_every_stage_but_those_measured_elsewhere() {
        let stages = Stages::new();
        let proposed = Instant::now();
        for moment in [Moment::Appended, Moment::Writing, Moment::Flushed, Moment::Applying, Moment::Applied]
        {
            stages.mark(moment, 7..=8);
        }
        stages.finish(proposed, 7);
        stages.finish(proposed, 8);
        // Nothing is known of it.
        stages.finish(proposed, 9);
        let measured_elsewhere = [Stage::Frame, Stage::Replicate];
        for stage in Stage::ALL {
            assert_eq!(
                count(&stages, stage),
                if measured_elsewhere.contains(&stage) { 0 } else { 2 },
                "{stage:?}"
            );
        }
    }

    #[test]
    fn an_entry_that_the_ring_has_forgotten_is_not_counted() {
        let stages = Stages::new();
        stages.mark(Moment::Appended, 1..=1);
        stages.mark(Moment::Appended, 1 + RING as u64..=1 + RING as u64);
        stages.finish(Instant::now(), 1);
        assert_eq!(count(&stages, Stage::Propose), 0);
    }

    #[test]
    fn what_takes_long_is_not_cut_short() {
        let stages = Stages::new();
        stages.record(Stage::Commit, Duration::from_millis(1_500));
        let commit = &stages.times()[Stage::Commit as usize];
        assert!((1_480_000..=1_520_000).contains(&commit.max_us), "{commit:?}");
    }

    #[test]
    fn buckets_hold_every_duration_once() {
        let stages = Stages::new();
        for us in [5, 50, 500, 5_000_000] {
            stages.record(Stage::Fsync, Duration::from_micros(us));
        }
        let fsync = &stages.histograms(&[1e-5, 1e-4, 1e-3])[Stage::Fsync as usize];
        assert_eq!(fsync.buckets.iter().map(|(_, within)| *within).collect::<Vec<_>>(), [1, 1, 1, 1]);
        assert_eq!(fsync.count, 4);
        assert!((fsync.sum - 5.000_555).abs() < 1e-9, "{}", fsync.sum);
    }
}
