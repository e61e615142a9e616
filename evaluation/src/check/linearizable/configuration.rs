//! Where a search stands: a state, and which operations have taken effect on the way to it.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, DefaultHasher, Hash},
};

/// Hashes without a seed: what is dropped where there is too much must be the same every time.
type Unseeded = BuildHasherDefault<DefaultHasher>;

/// Operations in flight that have taken effect, by slot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Slots(Vec<u64>);

impl Slots {
    pub(super) fn contains(&self, slot: usize) -> bool {
        self.0.get(slot / 64).is_some_and(|word| word & (1 << (slot % 64)) != 0)
    }

    pub(super) fn insert(&mut self, slot: usize) {
        if self.0.len() <= slot / 64 {
            self.0.resize(slot / 64 + 1, 0);
        }
        self.0[slot / 64] |= 1 << (slot % 64);
    }

    pub(super) fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, slot: usize) -> bool {
        let was_there = self.contains(slot);
        if was_there {
            self.0[slot / 64] &= !(1 << (slot % 64));
            // One form for one set.
            while self.0.last() == Some(&0) {
                self.0.pop();
            }
        }
        was_there
    }
}

/// How many operations of unknown outcome have taken effect, of each class of equal ones. Of equal ones, those that
/// began first are taken first: whatever a later one can do, they can.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Spent(Vec<u32>);

impl Spent {
    pub(super) fn of(&self, class: usize) -> u32 {
        self.0.get(class).copied().unwrap_or(0)
    }

    pub(super) fn add(&mut self, class: usize) {
        if self.0.len() <= class {
            self.0.resize(class + 1, 0);
        }
        self.0[class] += 1;
    }

    fn total(&self) -> u64 {
        self.0.iter().map(|count| u64::from(*count)).sum()
    }

    /// Whether no class has spent more than in the other.
    fn is_within(&self, other: &Self) -> bool {
        self.0.iter().enumerate().all(|(class, count)| *count <= other.of(class))
    }
}

/// Where a search can stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Configuration<S> {
    pub state: S,
    /// Which of the operations in flight have taken effect.
    pub done: Slots,
    /// How many of those of unknown outcome have.
    pub spent: Spent,
}

impl<S> Configuration<S> {
    /// How much it takes for granted: what is of unknown outcome and has happened, then what has taken effect long before
    /// it was answered. Mostly what is true takes little.
    pub(super) fn boldness(&self) -> (u64, u32) {
        (self.spent.total(), self.done.count())
    }
}

/// Configurations without those that can do no more than another one of them: of the same state and the same done,
/// whichever has spent less can do all that the other can, since what is of unknown outcome need not happen.
#[derive(Debug)]
pub(super) struct Configurations<S> {
    all: HashMap<(S, Slots), Vec<Spent>, Unseeded>,
    count: usize,
}

impl<S: Clone + Eq + Hash> Configurations<S> {
    pub(super) fn new() -> Self {
        Self { all: HashMap::default(), count: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Adds one, if it can do anything that none of the others can. Says whether it could.
    pub(super) fn insert(&mut self, Configuration { state, done, spent }: Configuration<S>) -> bool {
        let alike = self.all.entry((state, done)).or_default();
        if alike.iter().any(|other| other.is_within(&spent)) {
            return false;
        }
        let before = alike.len();
        alike.retain(|other| !spent.is_within(other));
        alike.push(spent);
        self.count = self.count + alike.len() - before;
        true
    }

    /// At most so many, the least bold first; and whether these are all.
    pub(super) fn into_best(self, most: usize) -> (Vec<Configuration<S>>, bool) {
        let mut all = Vec::with_capacity(self.count);
        for ((state, done), spent) in self.all {
            let one = |spent| Configuration { state: state.clone(), done: done.clone(), spent };
            all.extend(spent.into_iter().map(one));
        }
        all.sort_by_key(Configuration::boldness);
        let whole = all.len() <= most;
        all.truncate(most);
        (all, whole)
    }
}
