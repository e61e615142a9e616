//! What the load got out of the cluster, indexed by time.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use loadgen::scenario::{OperationKind, OutcomeKind};

use super::{
    Again, Gap,
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

/// What a second is looked at for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Test {
    /// Whether service was as good as before.
    AsGood,
    /// Whether whoever asked was answered as surely as before.
    Answered,
}

impl Test {
    fn passes(self, waits: &Waits, before: Option<&Waits>) -> bool {
        match (self, before) {
            (Self::AsGood, Some(before)) => waits.is_as_good_as(before),
            (Self::AsGood, None) => false,
            (Self::Answered, Some(before)) => waits.is_answered_like(before),
            (Self::Answered, None) => waits.is_answered(),
        }
    }
}

/// What is asked of seconds: the test, what they are compared with, from where they are counted, and until when.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Asked {
    test: Test,
    before: Option<(f64, f64)>,
    start_s: f64,
    limit_s: f64,
}

/// What was found when it was asked last.
#[derive(Debug, Default)]
struct Known {
    asked: Option<Asked>,
    /// From when on seconds were looked at, and the first that passed.
    found: Vec<(f64, Option<f64>)>,
}

/// From when until when, s.
type Span = (f64, f64);
/// What a bad second was looked for with.
type Sought = (f64, f64, f64, f64);

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
    /// The time before a fault that was looked at last, s.
    before: RefCell<Option<(Span, Rc<Waits>)>>,
    /// What is known of seconds, by each test.
    known: RefCell<[Known; 2]>,
    /// The last bad second that was looked for, and of what time.
    last_bad: Cell<Option<(Sought, f64)>>,
    /// How many seconds were looked at.
    pub(super) looks: Cell<u64>,
    /// When the last wait ended, and the last that ended with an answer, s.
    last_wait_s: f64,
    last_answer_s: f64,
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
            before: RefCell::default(),
            known: RefCell::default(),
            last_bad: Cell::default(),
            looks: Cell::default(),
            last_wait_s: f64::NEG_INFINITY,
            last_answer_s: f64::NEG_INFINITY,
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
            service.last_wait_s = service.last_wait_s.max(demand.end_s);
            if waited_ms.is_finite() {
                service.last_answer_s = service.last_answer_s.max(demand.end_s);
            }
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
        self.first_second(Test::AsGood, Some(before), (start_s, limit_s), from_s)
    }

    /// The beginning of the first second that passes a test and lies between `from_s` and `limit_s`, in steps counted
    /// from `start_s`. Faults that strike at one moment are all looked at in the same seconds: what is known of these is
    /// not looked at again.
    fn first_second(
        &self,
        test: Test,
        before: Option<&Baseline>,
        (start_s, limit_s): (f64, f64),
        from_s: f64,
    ) -> Option<f64> {
        let asked = Asked { test, before: before.map(|b| (b.from_s, b.to_s)), start_s, limit_s };
        let mut known = self.known.borrow_mut();
        let known = &mut known[test as usize];
        if known.asked != Some(asked) {
            *known = Known { asked: Some(asked), found: Vec::new() };
        }
        let holds = |(since_s, second): &(f64, Option<f64>)| {
            *since_s <= from_s && second.is_none_or(|second| second >= from_s)
        };
        if let Some((_, second)) = known.found.iter().find(|found| holds(found)) {
            return *second;
        }
        let before = before.map(|before| self.waits_before(before));
        let passes = |second: &f64| {
            self.looks.set(self.looks.get() + 1);
            test.passes(&self.waits_between(*second, second + SECOND_S), before.as_deref())
        };
        let second = seconds(start_s, from_s, limit_s).find(passes);
        // One that reaches further back takes the place of what it contains.
        known.found.retain(|found| !(from_s <= found.0 && found.1 == second));
        known.found.push((from_s, second));
        second
    }

    /// The beginning of the last second in this time in which somebody asked and service was not as good as `before`:
    /// so long it was not good, for all that was seen. `from_s`, if there is none.
    pub(super) fn last_bad_second(&self, before: &Baseline, from_s: f64, limit_s: f64) -> f64 {
        let asked = (before.from_s, before.to_s, from_s, limit_s);
        if let Some((_, found)) = self.last_bad.get().filter(|(of, _)| *of == asked) {
            return found;
        }
        let before = self.waits_before(before);
        let is_bad = |second: &f64| {
            self.looks.set(self.looks.get() + 1);
            let waits = self.waits_between(*second, second + SECOND_S);
            !waits.is_empty() && !waits.is_as_good_as(&before)
        };
        let found = seconds(from_s, from_s, limit_s).filter(is_bad).last().unwrap_or(from_s);
        self.last_bad.set(Some((asked, found)));
        found
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

    /// What became of those who asked between `from_s` and `limit_s`, after a fault of `start_s`: whether in any second of
    /// it they were answered as surely as before, however slowly. Of less than a second, what there is of it counts.
    pub(super) fn answered_again(
        &self,
        before: Option<&Baseline>,
        start_s: f64,
        (from_s, limit_s): (f64, f64),
    ) -> Again {
        if count_between(&self.due, from_s, limit_s) == 0 {
            return Again::NobodyAsked;
        }
        let is_whole = limit_s - from_s >= SECOND_S + STEP_S;
        let is_answered = if is_whole {
            self.first_second(Test::Answered, before, (start_s, limit_s), from_s).is_some()
        } else {
            let before = before.map(|before| self.waits_before(before));
            Test::Answered.passes(&self.waits_between(from_s, limit_s), before.as_deref())
        };
        if is_answered { Again::Answered } else { Again::NotSeen }
    }

    /// What became of those who still waited at `healed_s`, when the load was over.
    pub(super) fn answered_late(&self, healed_s: f64) -> Again {
        if self.last_answer_s > healed_s {
            Again::Answered
        } else if self.last_wait_s > healed_s {
            Again::NotSeen
        } else {
            Again::NobodyAsked
        }
    }

    /// How long those waited who asked before a fault. Faults that follow one another closely are compared with the same
    /// time: it is looked at once.
    fn waits_before(&self, before: &Baseline) -> Rc<Waits> {
        let time = (before.from_s, before.to_s);
        let mut memory = self.before.borrow_mut();
        match memory.as_ref().filter(|(of, _)| *of == time) {
            Some((_, waits)) => waits.clone(),
            None => memory.insert((time, Rc::new(self.waits_within(time.0, time.1)))).1.clone(),
        }
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
