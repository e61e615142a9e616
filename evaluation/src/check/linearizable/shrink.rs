//! Makes a violation small enough to be read.
//!
//! Operations are only ever taken out in ways that take demands away and add none, so that what is left is wrong
//! whatever the rest was like:
//! - an answered question is left out: it changes nothing;
//! - another answered operation is taken for one of unknown outcome: it may have taken effect, or not;
//! - all that ended before some time is left out, and anything is taken to be possible at that time.
//!
//! To leave out a setting of views, say, would make every answer wrong that it explains, and show nothing.
//!
//! What is left is minimal: without the demand of any one answer, there is an order for the others.

use std::collections::HashSet;

use super::{
    model::{Model, Operation, Source},
    search::{Budget, Found, search},
};

/// How much one look at a smaller history may do.
const LOOK: Budget = Budget { steps: 300_000, configurations: 4_096 };
/// How much all looks for one violation may do, steps.
const LOOKS: u64 = 30_000_000;

/// A violation, as small as it could be made.
#[derive(Debug)]
pub(super) struct CounterExample<M: Model> {
    /// What there can be at first.
    pub start: Start<M::State>,
    /// Operations whose answers contradict one another, in order of their begin.
    pub answered: Vec<Operation<M>>,
    /// Operations of unknown outcome: none of them explains these answers.
    pub unknown: Vec<Operation<M>>,
    /// Answered operations whose answers make no difference, nor whether they took effect.
    pub indifferent: Vec<Operation<M>>,
    /// Whether it is minimal: otherwise looking for less took too long.
    pub minimal: bool,
}

/// What there can be at first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Start<S> {
    /// What there is in the beginning.
    Beginning(Vec<S>),
    /// Anything, at this time.
    Anything {
        /// When.
        at_ns: i64,
    },
}

impl<M: Model> CounterExample<M> {
    /// The states at first.
    pub fn from(&self, model: &M) -> Vec<M::State> {
        self.start.states(model)
    }

    /// All operations of it, in order of their begin.
    pub fn operations(&self) -> Vec<Operation<M>> {
        let mut all: Vec<_> =
            self.answered.iter().chain(&self.unknown).chain(&self.indifferent).cloned().collect();
        all.sort_by_key(|operation| operation.begin_ns);
        all
    }
}

impl<S: Clone> Start<S> {
    fn states<M: Model<State = S>>(&self, model: &M) -> Vec<S> {
        match self {
            Self::Beginning(states) => states.clone(),
            Self::Anything { .. } => vec![model.anything()],
        }
    }
}

/// Makes the violation small that a search of `operations` from `from` found at operation `at`.
pub(super) fn shrink<M: Model>(
    model: &M,
    from: &[M::State],
    operations: &[Operation<M>],
    at: usize,
) -> CounterExample<M> {
    let mut looks = Looks { model, steps: 0, enough: true };
    let end_ns = operations[at].end_ns().unwrap_or(i64::MAX);
    // What began later cannot explain it.
    let told: Vec<_> = operations.iter().take_while(|one| one.begin_ns <= end_ns).cloned().collect();
    let (start, mut kept) = looks.cut_beginning(&told).unwrap_or((Start::Beginning(from.to_vec()), told));
    let from = start.states(model);
    looks.weaken(&from, &mut kept);
    let (answered, others): (Vec<_>, Vec<_>) =
        kept.into_iter().partition(|operation| operation.answer.is_some());
    let unheard = operations.iter().filter(|operation| operation.answer.is_none());
    let unheard: HashSet<&Source> = unheard.map(|operation| &operation.source).collect();
    let (unknown, indifferent) =
        others.into_iter().partition(|operation| unheard.contains(&operation.source));
    CounterExample { start, answered, unknown, indifferent, minimal: looks.enough }
}

/// What is left from some time on, if anything is possible then.
fn since<M: Model>(model: &M, operations: &[Operation<M>], time_ns: i64) -> Vec<Operation<M>> {
    let left = operations.iter().filter_map(|operation| match operation.end_ns() {
        Some(end_ns) if end_ns < time_ns => None,
        Some(_) if operation.begin_ns < time_ns => weakened(model, operation),
        _ => Some(operation.clone()),
    });
    left.collect()
}

/// An operation without the demand of its answer; nothing, if it was a question.
fn weakened<M: Model>(model: &M, operation: &Operation<M>) -> Option<Operation<M>> {
    (!operation.is_question(model)).then(|| operation.unanswered())
}

/// Looks at smaller histories.
struct Looks<'m, M: Model> {
    model: &'m M,
    steps: u64,
    /// Whether there was enough time so far.
    enough: bool,
}

/// What is left of a history, and what there can be at first.
type Rest<M> = (Start<<M as Model>::State>, Vec<Operation<M>>);

impl<M: Model> Looks<'_, M> {
    /// Whether a history is certainly a violation.
    fn is_violation(&mut self, from: &[M::State], operations: &[Operation<M>]) -> bool {
        if self.steps >= LOOKS {
            self.enough = false;
            return false;
        }
        let searched = search(self.model, from, operations, LOOK);
        self.steps += searched.steps + operations.len() as u64;
        self.enough &= !matches!(searched.found, Found::Undecided(_));
        matches!(searched.found, Found::Violation { .. })
    }

    /// Leaves out as much of the beginning as can be, where anything may be possible afterwards.
    fn cut_beginning(&mut self, told: &[Operation<M>]) -> Option<Rest<M>> {
        let model = self.model;
        let anything = [model.anything()];
        let begins: Vec<i64> =
            told.iter().filter(|one| one.answer.is_some()).map(|one| one.begin_ns).collect();
        let mut cut = |last: usize| {
            let at_ns = begins[begins.len() - last];
            let left = since(model, told, at_ns);
            let holds = self.is_violation(&anything, &left);
            holds.then_some((Start::Anything { at_ns }, left))
        };
        // Of the last so many: more and more, until there are enough; then as few as will do.
        let (mut too_few, mut enough) = (0, 1);
        let mut found = loop {
            match cut(enough.min(begins.len())) {
                Some(found) => break found,
                None if enough >= begins.len() => return None,
                None => (too_few, enough) = (enough, 2 * enough),
            }
        };
        enough = enough.min(begins.len());
        while enough - too_few > 1 {
            let half = too_few.midpoint(enough);
            match cut(half) {
                Some(fewer) => (found, enough) = (fewer, half),
                None => too_few = half,
            }
        }
        Some(found)
    }

    /// Takes away as many answers as can be: large parts first, then one by one.
    fn weaken(&mut self, from: &[M::State], kept: &mut Vec<Operation<M>>) {
        let mut part = kept.len().div_ceil(2);
        loop {
            let mut first = 0;
            while first < kept.len() {
                let end = (first + part).min(kept.len());
                let weaker: Vec<_> =
                    kept[first..end].iter().filter_map(|one| weakened(self.model, one)).collect();
                if kept[first..end].iter().all(|one| one.answer.is_none()) {
                    first = end;
                    continue;
                }
                let mut fewer = kept[..first].to_vec();
                fewer.extend(weaker.iter().cloned());
                fewer.extend_from_slice(&kept[end..]);
                if self.is_violation(from, &fewer) {
                    *kept = fewer;
                    first += weaker.len();
                } else {
                    first = end;
                }
            }
            if part <= 1 {
                break;
            }
            part = part.div_ceil(2);
        }
    }
}
