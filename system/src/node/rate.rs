//! So much at once, and then so much over time. (The generic cell rate algorithm, ITU-T I.371.)

use std::{collections::HashMap, hash::Hash, time::Duration};

/// How many are remembered. Beyond that, what has counted longest is forgotten.
pub(super) const REMEMBERED: usize = 100_000;

/// So many at once; each counts for so long, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allowance {
    pub(super) at_once: u32,
    pub(super) each: Duration,
}

/// When all that counts will have stopped counting, by whom it counts for.
#[derive(Debug)]
pub(super) struct Counts<K>(HashMap<K, Duration>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Hash + Eq + Clone> Counts<K> {
    /// How long until there may be one more.
    pub(super) fn wait(&self, key: &K, allowance: Allowance, now: Duration) -> Duration {
        let until = self.0.get(key).copied().unwrap_or(now).max(now);
        (until + allowance.each).saturating_sub(now + allowance.each * allowance.at_once)
    }

    /// There was one more.
    pub(super) fn note(&mut self, key: &K, allowance: Allowance, now: Duration) {
        self.make_room(now);
        let until = self.0.get(key).copied().unwrap_or(now).max(now);
        self.0.insert(key.clone(), until + allowance.each);
    }

    /// There was one less.
    pub(super) fn take_back(&mut self, key: &K, allowance: Allowance) {
        if let Some(until) = self.0.get_mut(key) {
            *until = until.saturating_sub(allowance.each);
        }
    }

    /// There were none.
    pub(super) fn forget(&mut self, key: &K) {
        self.0.remove(key);
    }

    fn make_room(&mut self, now: Duration) {
        if self.0.len() < REMEMBERED {
            return;
        }
        self.0.retain(|_, until| *until > now);
        if self.0.len() >= REMEMBERED
            && let Some(first) = self.0.iter().min_by_key(|(_, until)| **until).map(|(key, _)| key.clone())
        {
            self.0.remove(&first);
        }
    }
}
