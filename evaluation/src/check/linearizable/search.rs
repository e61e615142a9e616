//! Looks for an order of operations that explains what was answered.
//!
//! This is the search of Wing and Gong with Lowe's two improvements. It goes through begins and ends in order of time
//! and keeps every *configuration* that the operations so far can have led to: a state, and which of the operations in
//! flight have taken effect. Operations take effect only when one ends that has not yet, just before it does (Lowe's
//! just-in-time linearization): all orders of those in flight are tried that come to it, and configurations that were
//! there before are not looked at again. If there is none left when an operation ends, no order explains its answer.
//!
//! What keeps it small:
//! - A moment at which nothing is in flight leaves nothing but the states that are possible then, mostly one. So a
//!   history whose operations rarely overlap takes time in proportion to its length, and memory for what is in flight.
//! - Operations of unknown outcome that are equal are counted, not told apart; and of two configurations with the same
//!   state and the same done, the one that has spent more of them is dropped.
//! - Of operations in flight that asked and were answered the same, the one that ends first is taken first: whatever a
//!   later one can do now, it can, and the later one has more time.
//! - An answered question that agrees with the state is taken at once: it changes nothing, so no order is lost.
//!
//! A search is *narrow* first and keeps a few configurations, those that have spent the fewest operations of unknown
//! outcome, and of these those in which the fewest operations have taken effect ahead of need. One that comes to the end has found an order. One that ends earlier has shown something only if nothing was
//! dropped; otherwise it goes back and is wider, see [`super::trail`].

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap},
};

use super::{
    configuration::{Configuration, Configurations, Slots, Spent},
    model::{Model, Operation},
    trail::Trail,
};

/// How many configurations are looked at on the way from one end to the next, as a multiple of those that are kept.
const LOOKED_AT: usize = 16;

/// How much a search may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budget {
    /// Steps of the model.
    pub steps: u64,
    /// Configurations that are kept from one end to the next.
    pub configurations: usize,
}

/// What a search found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// An order.
    Linearizable,
    /// There is none: whatever happened before, this operation, by its place in the list, cannot have been answered so.
    Violation {
        /// Which.
        at: usize,
    },
    /// Neither within the budget.
    Undecided(Exhausted),
}

/// Which part of a budget was too small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exhausted {
    /// Its steps.
    Steps,
    /// Its configurations.
    Configurations,
}

/// What a search found, and what that took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Searched {
    pub found: Found,
    /// Steps of the model.
    pub steps: u64,
    /// The most configurations that were kept at a time.
    pub most: usize,
}

/// Looks for an order of `operations`, which are sorted by their begin, from one of the states `from`.
pub(super) fn search<M: Model>(
    model: &M,
    from: &[M::State],
    operations: &[Operation<M>],
    budget: Budget,
) -> Searched {
    let mut work = Work { steps: 0, budget: budget.steps };
    let mut trail = Trail::new(budget.configurations);
    let mut most = from.len();
    let mut at = Position::new(model, from, operations);
    let found = loop {
        let Some((slot, end)) = at.next_end() else { break Found::Linearizable };
        let Some((next, whole)) = at.after(slot, end, trail.width(), &mut work) else {
            break Found::Undecided(Exhausted::Steps);
        };
        most = most.max(next.len());
        trail.pass(&at, whole);
        if !next.is_empty() {
            at.end(slot, next);
        } else if trail.is_whole() {
            break Found::Violation { at: end };
        } else {
            match trail.retreat(&at) {
                Some(position) => at = position,
                None => break Found::Undecided(Exhausted::Configurations),
            }
        }
    };
    Searched { found, steps: work.steps, most }
}

/// Counts steps.
struct Work {
    steps: u64,
    budget: u64,
}

impl Work {
    /// One step more; nothing, if there are none left.
    fn step(&mut self) -> Option<()> {
        self.steps += 1;
        (self.steps <= self.budget).then_some(())
    }
}

/// How far a search has come.
pub(super) struct Position<'a, M: Model> {
    model: &'a M,
    operations: &'a [Operation<M>],
    /// The first operation that has not begun.
    next: usize,
    /// How many have ended.
    pub ended: u64,
    /// Those that were answered and have not ended, by slot.
    in_flight: Vec<(usize, usize)>,
    /// Those of them that are questions.
    questions: Vec<(usize, usize)>,
    /// When they end, earliest first, with slot and operation.
    ends: BinaryHeap<Reverse<(i64, usize, usize)>>,
    /// Slots that are free again.
    free: Vec<usize>,
    /// Classes of equal operations of unknown outcome.
    classes: HashMap<&'a M::Call, usize>,
    /// One of each class, and how many of them have begun.
    unknown: Vec<(usize, u32)>,
    configurations: Vec<Configuration<M::State>>,
}

impl<M: Model> Clone for Position<'_, M> {
    fn clone(&self) -> Self {
        Self {
            model: self.model,
            operations: self.operations,
            next: self.next,
            ended: self.ended,
            in_flight: self.in_flight.clone(),
            questions: self.questions.clone(),
            ends: self.ends.clone(),
            free: self.free.clone(),
            classes: self.classes.clone(),
            unknown: self.unknown.clone(),
            configurations: self.configurations.clone(),
        }
    }
}

impl<'a, M: Model> Position<'a, M> {
    fn new(model: &'a M, from: &[M::State], operations: &'a [Operation<M>]) -> Self {
        let begin = |state: &M::State| Configuration {
            state: state.clone(),
            done: Slots::default(),
            spent: Spent::default(),
        };
        Self {
            model,
            operations,
            next: 0,
            ended: 0,
            in_flight: Vec::new(),
            questions: Vec::new(),
            ends: BinaryHeap::new(),
            free: Vec::new(),
            classes: HashMap::new(),
            unknown: Vec::new(),
            configurations: from.iter().map(begin).collect(),
        }
    }

    /// Begins all operations that began before the next end, or at that very time. Gives that end: slot and operation.
    fn next_end(&mut self) -> Option<(usize, usize)> {
        loop {
            let end = self.ends.peek().map(|Reverse(end)| *end);
            let Some(operation) = self.operations.get(self.next) else {
                return end.map(|(_, slot, operation)| (slot, operation));
            };
            match end {
                Some((end_ns, slot, ended)) if end_ns < operation.begin_ns => return Some((slot, ended)),
                _ => self.begin(operation),
            }
        }
    }

    fn begin(&mut self, operation: &'a Operation<M>) {
        let place = self.next;
        self.next += 1;
        match &operation.answer {
            Some(answer) => {
                let slot = self.free.pop().unwrap_or(self.in_flight.len());
                self.in_flight.push((slot, place));
                if operation.is_question(self.model) {
                    self.questions.push((slot, place));
                }
                self.ends.push(Reverse((answer.end_ns, slot, place)));
            }
            None => {
                let class = *self.classes.entry(&operation.call).or_insert(self.unknown.len());
                match self.unknown.get_mut(class) {
                    Some((_, begun)) => *begun += 1,
                    None => self.unknown.push((place, 1)),
                }
            }
        }
    }

    /// What can take effect next, in order of end.
    fn choices(&self) -> Vec<Choice> {
        let mut in_flight = self.in_flight.clone();
        in_flight.sort_unstable_by_key(|(slot, place)| (self.operations[*place].end_ns(), *slot));
        let mut last = HashMap::new();
        let choice = |(slot, place): (usize, usize)| {
            let behind = last.insert(self.operations[place].exchange(), slot);
            Choice { slot, place, behind }
        };
        in_flight.into_iter().map(choice).collect()
    }

    /// Goes on behind the end of an operation.
    fn end(&mut self, slot: usize, configurations: Vec<Configuration<M::State>>) {
        self.ends.pop();
        self.ended += 1;
        self.in_flight.retain(|(other, _)| *other != slot);
        self.questions.retain(|(other, _)| *other != slot);
        self.free.push(slot);
        self.configurations = configurations;
    }

    /// The configurations in which an operation has taken effect that ends now, and whether these are all.
    fn after(
        &self,
        slot: usize,
        ended: usize,
        width: usize,
        work: &mut Work,
    ) -> Option<(Vec<Configuration<M::State>>, bool)> {
        // One operation at a time, and one state: nothing to choose, and nothing to remember.
        if let ([one], 1, true) = (&self.configurations[..], self.in_flight.len(), self.unknown.is_empty()) {
            let mut one = one.clone();
            if !one.done.remove(slot) {
                work.step()?;
                let Some(state) = self.operations[ended].step(self.model, &one.state) else {
                    return Some((Vec::new(), true));
                };
                one.state = state;
            }
            return Some((vec![one], true));
        }
        let mut round = Round {
            position: self,
            choices: self.choices(),
            slot,
            reached: Configurations::new(),
            seen: Configurations::new(),
            queue: BTreeMap::new(),
        };
        for configuration in &self.configurations {
            round.arrive(configuration.clone(), work)?;
        }
        let mut whole = true;
        while let Some(configuration) = round.next() {
            if round.reached.len() > width || round.seen.len() > width.saturating_mul(LOOKED_AT) {
                whole = false;
                break;
            }
            round.go_on(&configuration, work)?;
        }
        let (best, kept_all) = round.reached.into_best(width);
        Some((best, whole && kept_all))
    }
}

/// An operation in flight.
#[derive(Clone, Copy)]
struct Choice {
    slot: usize,
    place: usize,
    /// The slot of an equal one that ends earlier, and is taken first.
    behind: Option<usize>,
}

/// The search from one end to the next.
struct Round<'p, 'a, M: Model> {
    position: &'p Position<'a, M>,
    choices: Vec<Choice>,
    /// That of the operation that ends.
    slot: usize,
    /// In which it has taken effect.
    reached: Configurations<M::State>,
    /// In which it has not.
    seen: Configurations<M::State>,
    /// Those to go on from, by boldness.
    queue: BTreeMap<(u64, u32), Vec<Configuration<M::State>>>,
}

impl<M: Model> Round<'_, '_, M> {
    /// The least bold of those to go on from.
    fn next(&mut self) -> Option<Configuration<M::State>> {
        let mut least = self.queue.first_entry()?;
        let next = least.get_mut().pop();
        if least.get().is_empty() {
            least.remove();
        }
        next
    }

    /// Lets one more operation take effect, in every way.
    fn go_on(&mut self, from: &Configuration<M::State>, work: &mut Work) -> Option<()> {
        let Position { model, operations, unknown, .. } = self.position;
        for at in 0..self.choices.len() {
            let Choice { slot, place, behind } = self.choices[at];
            if from.done.contains(slot) || behind.is_some_and(|first| !from.done.contains(first)) {
                continue;
            }
            work.step()?;
            if let Some(state) = operations[place].step(model, &from.state) {
                let mut done = from.done.clone();
                done.insert(slot);
                let next = Configuration { state, done, spent: from.spent.clone() };
                self.arrive(next, work)?;
            }
        }
        for (class, (place, begun)) in unknown.iter().enumerate() {
            if from.spent.of(class) == *begun {
                continue;
            }
            work.step()?;
            let state = operations[*place].step(model, &from.state);
            // What changes nothing need not happen.
            if let Some(state) = state.filter(|state| *state != from.state) {
                let mut spent = from.spent.clone();
                spent.add(class);
                let next = Configuration { state, done: from.done.clone(), spent };
                self.arrive(next, work)?;
            }
        }
        Some(())
    }

    fn arrive(&mut self, mut at: Configuration<M::State>, work: &mut Work) -> Option<()> {
        let Position { model, operations, questions, .. } = self.position;
        for (slot, place) in questions {
            if !at.done.contains(*slot) {
                work.step()?;
                if operations[*place].step(model, &at.state).as_ref() == Some(&at.state) {
                    at.done.insert(*slot);
                }
            }
        }
        if at.done.remove(self.slot) {
            self.reached.insert(at);
        } else if self.seen.insert(at.clone()) {
            self.queue.entry(at.boldness()).or_default().push(at);
        }
        Some(())
    }
}
