//! Boxes that many people put something into, and who gives way when one is full.
//!
//! Strangers give way before those whom the owner of the box knows; among them whoever has most in it, and of several
//! whoever's entry is the oldest. Of theirs it is the oldest entry that goes. So a box that one person fills, or a
//! thousand made for the purpose, still has room for others.

use std::cmp::Reverse;

use imbl::{OrdMap, OrdSet};

use super::UserName;

/// Who has put what into which box. `T` orders the entries of a box by age.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Crowd<Whose: Ord + Clone, T: Ord + Clone> {
    entries: OrdSet<(Whose, bool, UserName, T)>,
    /// How many entries there are, of each sender.
    counts: OrdMap<(Whose, bool, UserName), u64>,
    /// Who gives way first comes first.
    ranks: OrdSet<(Whose, bool, Reverse<u64>, T, UserName)>,
    sizes: OrdMap<Whose, u64>,
}

impl<Whose: Ord + Clone, T: Ord + Clone> Default for Crowd<Whose, T> {
    fn default() -> Self {
        Self { entries: OrdSet::new(), counts: OrdMap::new(), ranks: OrdSet::new(), sizes: OrdMap::new() }
    }
}

/// An entry that could give way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry<T> {
    /// Whether the owner of the box knew who put it in.
    pub(super) known: bool,
    pub(super) sender: UserName,
    pub(super) at: T,
}

impl<Whose: Ord + Clone, T: Ord + Clone + Default> Crowd<Whose, T> {
    pub(super) fn add(&mut self, of: &Whose, Entry { known, sender, at }: Entry<T>) {
        let key = (of.clone(), known, sender);
        self.take_rank(&key);
        let (of, known, sender) = key.clone();
        if self.entries.insert((of.clone(), known, sender, at)).is_none() {
            *self.counts.entry(key.clone()).or_default() += 1;
            *self.sizes.entry(of).or_default() += 1;
        }
        self.give_rank(key);
    }

    pub(super) fn remove(&mut self, of: &Whose, Entry { known, sender, at }: Entry<T>) {
        let key = (of.clone(), known, sender);
        self.take_rank(&key);
        let (of, known, sender) = key.clone();
        if self.entries.remove(&(of.clone(), known, sender, at)).is_some() {
            count_down(&mut self.counts, &key);
            count_down(&mut self.sizes, &of);
        }
        self.give_rank(key);
    }

    /// How many entries are in a box.
    pub(super) fn len(&self, of: &Whose) -> u64 {
        self.sizes.get(of).copied().unwrap_or_default()
    }

    /// How many of them somebody has put in.
    pub(super) fn count(&self, of: &Whose, sender: &UserName) -> u64 {
        let count =
            |known| self.counts.get(&(of.clone(), known, sender.clone())).copied().unwrap_or_default();
        count(false) + count(true)
    }

    /// The oldest entry of a sender; those from before they were known come first.
    pub(super) fn oldest(&self, of: &Whose, sender: &UserName) -> Option<Entry<T>> {
        let first = |known| self.first(&(of.clone(), known, sender.clone()));
        let entry = |known| first(known).map(|at| Entry { known, sender: sender.clone(), at });
        entry(false).or_else(|| entry(true))
    }

    /// The entry that gives way.
    pub(super) fn loudest(&self, of: &Whose) -> Option<Entry<T>> {
        let from = (of.clone(), false, Reverse(u64::MAX), T::default(), UserName::bounds().0);
        let (found, known, _, at, sender) = self.ranks.range(from..).next()?;
        (found == of).then(|| Entry { known: *known, sender: sender.clone(), at: at.clone() })
    }

    fn first(&self, key: &(Whose, bool, UserName)) -> Option<T> {
        let (of, known, sender) = key;
        let from = (of.clone(), *known, sender.clone(), T::default());
        let (found, class, who, at) = self.entries.range(from..).next()?;
        (found == of && class == known && who == sender).then(|| at.clone())
    }

    fn rank(&self, key: &(Whose, bool, UserName)) -> Option<(Whose, bool, Reverse<u64>, T, UserName)> {
        let (of, known, sender) = key.clone();
        Some((of, known, Reverse(*self.counts.get(key)?), self.first(key)?, sender))
    }

    fn take_rank(&mut self, key: &(Whose, bool, UserName)) {
        if let Some(rank) = self.rank(key) {
            self.ranks.remove(&rank);
        }
    }

    fn give_rank(&mut self, key: (Whose, bool, UserName)) {
        if let Some(rank) = self.rank(&key) {
            self.ranks.insert(rank);
        }
    }
}

fn count_down<K: Ord + Clone>(counts: &mut OrdMap<K, u64>, key: &K) {
    match counts.get_mut(key) {
        Some(count) if *count > 1 => *count -= 1,
        _ => drop(counts.remove(key)),
    }
}
