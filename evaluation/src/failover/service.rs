//! What the load got out of the cluster, indexed by time.

use std::collections::BTreeMap;

use loadgen::scenario::{OperationKind, OutcomeKind};

use super::{
    Gap,
    recovery::Waits,
    stretch::{Demand, Stretches},
};
use crate::{
    run::{Operation, RunDirectory},
    statistics::milliseconds,
};

/// Seconds slide by so much when the first good one is looked for, s.
const STEP_S: f64 = 0.1;
/// How long a second is that is looked at, s.
pub(super) const SECOND_S: f64 = 1.0;
/// Times that are equal on paper may differ in the last bit.
const EPSILON_S: f64 = 1e-9;

/// What service was like before a fault.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Baseline {
    /// From when it was measured, s.
    pub from_s: f64,
    /// Until when, s.
    pub to_s: f64,
    /// Operations answered a second, of those that were due and over in this time.
    pub goodput: f64,
    /// Their p99, ms.
    pub p99_ms: f64,
}

/// An operation that waited, s.
#[derive(Debug, Clone, Copy)]
struct Wait {
    due_s: f64,
    /// When it was answered, or its user gave up.
    end_s: f64,
    /// How long it was until the answer, ms; infinite, if there was none.
    ms: f64,
}

/// The load of a run, indexed.
#[derive(Debug)]
pub(super) struct Service {
    /// When the load ended, s; see [`RunDirectory::end_s`].
    pub end_s: f64,
    /// Whether it was ended early.
    pub cut_off: bool,
    /// When successes completed, ascending.
    successes: Vec<f64>,
    /// How long operations waited, in the order in which they were due.
    waits: Vec<Wait>,
    /// The stretches in which nobody was served, of all operations.
    stretches: Stretches,
    /// The same of each kind: in which nobody was served who had asked for it.
    by_kind: BTreeMap<OperationKind, Stretches>,
    /// When operations were due, ascending.
    due: Vec<f64>,
    /// When those that were not answered in time were due, ascending.
    lost: Vec<f64>,
}

impl Service {
    pub(super) fn of(run: &RunDirectory) -> Self {
        let timeout_ns = run.scenario.load.timeout.as_nanos();
        let mut service = Self {
            end_s: run.end_s(),
            cut_off: run.manifest.interrupted.is_some(),
            successes: Vec::new(),
            waits: Vec::new(),
            stretches: Stretches::default(),
            by_kind: BTreeMap::new(),
            due: Vec::new(),
            lost: Vec::new(),
        };
        // Answers that came after an early end came to fewer and fewer who still waited.
        let seen_s = if service.cut_off { service.end_s } else { f64::INFINITY };
        let mut demands: Vec<Demand> = Vec::new();
        let mut of_kinds: BTreeMap<OperationKind, Vec<Demand>> = BTreeMap::new();
        for operation in run.measured() {
            service.due.push(operation.due_s());
            let demand = demand(operation, timeout_ns as f64 / 1e9, seen_s);
            demands.push(demand);
            let waited_ms = operation.latency_ns().map_or(f64::INFINITY, milliseconds);
            service.waits.push(Wait { due_s: demand.due_s, end_s: demand.end_s, ms: waited_ms });
            of_kinds.entry(operation.kind).or_default().push(demand);
            let in_time = match (operation.outcome, operation.done_s(), operation.latency_ns()) {
                (OutcomeKind::Ok, Some(done), Some(latency)) => {
                    service.successes.push(done);
                    u128::from(latency) <= timeout_ns
                }
                _ => false,
            };
            if !in_time {
                service.lost.push(operation.due_s());
            }
        }
        service.waits.sort_by(|a, b| a.due_s.total_cmp(&b.due_s));
        service.successes.sort_by(f64::total_cmp);
        service.stretches = Stretches::of(&demands, service.end_s);
        let of_kind =
            |(kind, demands): (OperationKind, Vec<Demand>)| (kind, Stretches::of(&demands, service.end_s));
        service.by_kind = of_kinds.into_iter().map(of_kind).collect();
        service.due.sort_by(f64::total_cmp);
        service.lost.sort_by(f64::total_cmp);
        service
    }

    /// The kinds of operations that the load contains.
    pub(super) fn kinds(&self) -> impl Iterator<Item = OperationKind> {
        self.by_kind.keys().copied()
    }

    /// Service between two times, of what was due and over by then; nothing, if nothing was answered.
    pub(super) fn baseline(&self, from_s: f64, to_s: f64) -> Option<Baseline> {
        let waits = self.waits_within(from_s, to_s);
        let p99_ms = waits.p99_ms()?;
        Some(Baseline { from_s, to_s, goodput: waits.answered().len() as f64 / (to_s - from_s), p99_ms })
    }

    /// The beginning of the first second that is as good as `before` and lies between `from_s` and `limit_s`, in steps
    /// of 100 ms counted from `start_s`.
    pub(super) fn first_good_second(
        &self,
        before: &Baseline,
        start_s: f64,
        from_s: f64,
        limit_s: f64,
    ) -> Option<f64> {
        let before = self.waits_within(before.from_s, before.to_s);
        seconds(start_s, from_s, limit_s)
            .find(|&second| self.waits_between(second, second + SECOND_S).is_as_good_as(&before))
    }

    /// The beginning of the last second in this time in which somebody asked and service was not as good as `before`:
    /// so long it was not good, for all that was seen. `from_s`, if there is none.
    pub(super) fn last_bad_second(&self, before: &Baseline, from_s: f64, limit_s: f64) -> f64 {
        let before = self.waits_within(before.from_s, before.to_s);
        let is_bad = |second: &f64| {
            let waits = self.waits_between(*second, second + SECOND_S);
            !waits.is_empty() && !waits.is_as_good_as(&before)
        };
        seconds(from_s, from_s, limit_s).filter(is_bad).last().unwrap_or(from_s)
    }

    /// In how many whole seconds of a time somebody asked.
    pub(super) fn asked_seconds(&self, from_s: f64, to_s: f64) -> usize {
        let whole = ((to_s - from_s) / SECOND_S + EPSILON_S).floor().max(0.0) as usize;
        let is_asked = |place: &usize| {
            let second = from_s + *place as f64 * SECOND_S;
            count_between(&self.due, second, second + SECOND_S) > 0
        };
        (0..whole).filter(is_asked).count()
    }

    /// Whether in any second between `from_s` and `limit_s` whoever asked was answered as surely as before, however
    /// slowly.
    pub(super) fn is_answered_again(&self, before: &Baseline, from_s: f64, limit_s: f64) -> bool {
        let before = self.waits_within(before.from_s, before.to_s);
        seconds(from_s, from_s, limit_s)
            .any(|second| self.waits_between(second, second + SECOND_S).is_answered_like(&before))
    }

    /// How long those waited who asked between two times.
    fn waits_between(&self, from_s: f64, to_s: f64) -> Waits {
        Waits::of(self.due_between(from_s, to_s).iter().map(|wait| wait.ms))
    }

    /// The same of those whose waiting was over by then: what came later did not touch them.
    fn waits_within(&self, from_s: f64, to_s: f64) -> Waits {
        let within = self.due_between(from_s, to_s).iter().filter(|wait| wait.end_s <= to_s);
        Waits::of(within.map(|wait| wait.ms))
    }

    fn due_between(&self, from_s: f64, to_s: f64) -> &[Wait] {
        let from = self.waits.partition_point(|wait| wait.due_s < from_s);
        let to = self.waits.partition_point(|wait| wait.due_s < to_s);
        &self.waits[from..to.max(from)]
    }

    /// Operations due in `[from_s, to_s)` that were not answered in time.
    pub(super) fn lost_between(&self, from_s: f64, to_s: f64) -> u64 {
        count_between(&self.lost, from_s, to_s) as u64
    }

    /// The stretches in which nobody was served, of one kind of operation or of all.
    pub(super) fn stretches(&self, kind: Option<OperationKind>) -> &Stretches {
        kind.and_then(|kind| self.by_kind.get(&kind)).unwrap_or(&self.stretches)
    }

    /// The longest gap between two successes that overlaps `[from_s, to_s]`. Which is the longest is decided by
    /// what lies before `to_s`: a later one is somebody else's doing.
    pub(super) fn longest_gap(&self, from_s: f64, to_s: f64) -> Gap {
        let time = |i: usize| self.successes.get(i).copied();
        let is_seen = |at: &f64| !self.cut_off || *at <= self.end_s;
        let end_s = self.successes.last().copied().filter(is_seen).unwrap_or(0.0).max(self.end_s);
        // The first gap that ends after the fault begins is the one in which it struck.
        let first = self.successes.partition_point(|success| *success <= from_s);
        let mut longest = Gap { from_s, to_s: from_s, open_ended: false };
        let mut longest_s = 0.0;
        for i in first..=self.successes.len() {
            let gap_from = i.checked_sub(1).and_then(time).unwrap_or(0.0);
            if i > first && gap_from >= to_s || !is_seen(&gap_from) {
                break;
            }
            let ended = time(i).filter(is_seen);
            let gap_to = ended.unwrap_or(end_s);
            let length_s = gap_to.min(to_s) - gap_from;
            if length_s > longest_s {
                longest_s = length_s;
                longest = Gap { from_s: gap_from, to_s: gap_to, open_ended: ended.is_none() };
            }
        }
        longest
    }

    /// The mean time between successes in a time, ms; nothing, if there was none.
    pub(super) fn mean_gap_ms(&self, (from_s, to_s): (f64, f64)) -> Option<f64> {
        let answered = count_between(&self.successes, from_s, to_s);
        (answered > 0).then(|| (to_s - from_s) * 1e3 / answered as f64)
    }
}

/// How long somebody waited. One of whom no end is known waited as long as anybody does; what was never sent did not
/// wait, and was not answered.
fn demand(operation: &Operation, timeout_s: f64, seen_s: f64) -> Demand {
    let due_s = operation.due_s();
    let end_s = match (operation.outcome, operation.done_s()) {
        (OutcomeKind::Shed, _) => due_s,
        (_, Some(done_s)) => done_s.max(due_s),
        (_, None) => due_s + timeout_s,
    };
    Demand { due_s, end_s, answered: operation.outcome == OutcomeKind::Ok && end_s <= seen_s }
}

/// When seconds begin that lie between `from_s` and `limit_s`, in steps counted from `start_s`.
fn seconds(start_s: f64, from_s: f64, limit_s: f64) -> impl Iterator<Item = f64> {
    let first = ((from_s - start_s) / STEP_S - EPSILON_S).ceil().max(0.0) as u64;
    (first..)
        .map(move |step| start_s + step as f64 * STEP_S)
        .take_while(move |second| second + SECOND_S <= limit_s + EPSILON_S)
}

fn count_between(sorted: &[f64], from: f64, to: f64) -> usize {
    let start = sorted.partition_point(|&t| t < from);
    let end = sorted.partition_point(|&t| t < to);
    end.saturating_sub(start)
}
