//! How wide a search is, and where it goes back to when it came to nothing because it was too narrow.
//!
//! First it goes back a little and is much wider from there, until it is well past the place; then further. At last it
//! goes back to where it first dropped a configuration and is wider from there on: nothing that was there before can be
//! missing. So a long history takes little more than its narrow search, if the choices that matter are near to where
//! they do, and what no order explains is seen as such if it can be at all.

use std::collections::VecDeque;

use super::{model::Model, search::Position};

/// How many configurations are kept at first.
const NARROW: usize = 4;
/// How many times wider each search from the same place is than the one before.
const WIDER: usize = 8;
/// A position is remembered each time that so many operations have ended.
const EVERY: u64 = 32;
/// By how many of those a search goes back, each time that it fails at one place.
const BACK: [usize; 4] = [2, 4, 16, 64];
/// A search is well past a place when so many operations more have ended.
const PAST: u64 = 4 * EVERY;

/// Where a search has been.
pub(super) struct Trail<'a, M: Model> {
    /// The most configurations that may be kept.
    limit: usize,
    /// How many are kept where nothing is difficult.
    narrow: usize,
    width: usize,
    /// Where some were dropped first.
    dropped: Option<Position<'a, M>>,
    /// Some positions since then, the last ones.
    later: VecDeque<Position<'a, M>>,
    /// The furthest place where it failed, and how often it did there.
    failed: Option<(u64, usize)>,
}

impl<'a, M: Model> Trail<'a, M> {
    pub(super) fn new(limit: usize) -> Self {
        let narrow = NARROW.min(limit);
        Self { limit, narrow, width: narrow, dropped: None, later: VecDeque::new(), failed: None }
    }

    /// How many configurations are kept now.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Whether none was ever dropped on the way here.
    pub(super) fn is_whole(&self) -> bool {
        self.dropped.is_none()
    }

    /// Remembers a position, behind which all configurations are kept or not.
    pub(super) fn pass(&mut self, at: &Position<'a, M>, whole: bool) {
        if self.failed.is_none_or(|(place, _)| at.ended > place + PAST) {
            self.width = self.narrow;
        }
        if !whole && self.dropped.is_none() {
            self.dropped = Some(at.clone());
        }
        if self.dropped.is_some() && at.ended.is_multiple_of(EVERY) {
            self.later.push_back(at.clone());
            if self.later.len() > BACK[BACK.len() - 1] {
                self.later.pop_front();
            }
        }
    }

    /// Where to go on from, having failed at a position; nowhere, if it has been as wide as it may.
    pub(super) fn retreat(&mut self, at: &Position<'a, M>) -> Option<Position<'a, M>> {
        let times = match self.failed {
            Some((place, times)) if place >= at.ended => times + 1,
            _ => 0,
        };
        self.failed = Some((self.failed.map_or(at.ended, |(place, _)| place.max(at.ended)), times));
        if let Some(back) = BACK.get(times) {
            let left = self.later.len().saturating_sub(back - 1).max(1);
            self.later.truncate(left);
            if let Some(position) = self.later.back() {
                self.width = self.narrow.saturating_mul(WIDER.pow(times as u32 + 1)).min(self.limit);
                return Some(position.clone());
            }
        }
        if self.narrow == self.limit {
            return None;
        }
        self.narrow = self.narrow.saturating_mul(WIDER).min(self.limit);
        self.width = self.narrow;
        self.later.clear();
        self.failed = None;
        self.dropped.take()
    }
}
