//! The newest entries, and what else is known without asking the disk.

use std::{collections::VecDeque, io};

use openraft::entry::RaftEntry;

use super::journal::State;
use crate::consensus::types::{Entry, LogId, Vote};

/// How many flushed entries stay in memory.
pub(in crate::consensus) const TAIL_LIMIT: usize = 16_384;
/// How many bytes of flushed entries stay in memory, as encoded.
const TAIL_BYTES: usize = 64 << 20;
/// How many entries are read at a time for a follower, and how many bytes: they have to fit a frame between nodes. One
/// entry alone does, see [`COMMAND_LIMIT`](crate::consensus::COMMAND_LIMIT).
const BATCH: usize = 1_024;
const BATCH_BYTES: usize = 4 << 20;

/// What is known without asking the disk.
#[derive(Debug, Default)]
pub(super) struct Tail {
    pub vote: Option<Vote>,
    pub committed: Option<LogId>,
    pub purged: Option<LogId>,
    /// The last entry that is not here any more, of those that were.
    removed: Option<LogId>,
    /// The newest entries, without a gap; all unflushed ones are here.
    pub entries: VecDeque<Held>,
    /// The sum of their sizes.
    bytes: usize,
    /// The same of those that are not on disk.
    unflushed_bytes: usize,
    /// The last entry on disk.
    flushed: Option<u64>,
}

/// An entry, and how many bytes it is encoded in.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub entry: Entry,
    pub size: usize,
}

impl Tail {
    /// What a log begins with that is in this state, but for its entries.
    pub(super) fn new(state: &State) -> Self {
        let State { vote, committed, purged, last, .. } = *state;
        Self { vote, committed, purged, flushed: last, ..Self::default() }
    }

    pub(super) fn last(&self) -> Option<LogId> {
        self.entries.back().map(|held| held.entry.log_id()).or(self.removed.max(self.purged))
    }

    /// The last entry that is on disk.
    pub(super) fn durable(&self) -> Option<LogId> {
        let flushed = self.flushed?;
        // What is being truncated is gone from here, and yet on disk.
        let on_disk = self.entries.back().map(|held| flushed.min(held.entry.log_id.index));
        let at = on_disk.and_then(|index| index.checked_sub(self.first_index()?));
        let held = at.and_then(|at| self.entries.get(at as usize)).map(|held| held.entry.log_id());
        held.or_else(|| {
            [self.removed, self.purged].into_iter().flatten().filter(|gone| gone.index <= flushed).max()
        })
    }

    pub(super) fn first_index(&self) -> Option<u64> {
        self.entries.front().map(|held| held.entry.log_id.index)
    }

    /// Whether one more entry of so many bytes stays within the limits, or is the first.
    pub(super) fn has_room(&self, size: usize) -> bool {
        self.entries.is_empty() || (self.entries.len() < TAIL_LIMIT && self.bytes + size <= TAIL_BYTES)
    }

    fn is_full(&self) -> bool {
        self.entries.len() > TAIL_LIMIT || self.bytes > TAIL_BYTES
    }

    /// Adds an entry that is not on disk.
    pub(super) fn push_back(&mut self, held: Held) {
        self.bytes += held.size;
        self.unflushed_bytes += held.size;
        self.entries.push_back(held);
    }

    /// Adds one that is.
    pub(super) fn push_front(&mut self, held: Held) {
        self.bytes += held.size;
        self.entries.push_front(held);
    }

    pub(super) fn pop_front(&mut self) {
        let removed = self.entries.pop_front();
        self.removed = removed.as_ref().map(|held| held.entry.log_id()).or(self.removed);
        self.forget(removed);
    }

    fn pop_back(&mut self) {
        let removed = self.entries.pop_back();
        self.forget(removed);
    }

    /// Takes out the entries after `last_kept`.
    pub(super) fn truncate(&mut self, last_kept: Option<LogId>) {
        let index = last_kept.map(|log_id| log_id.index);
        while self.entries.back().is_some_and(|held| Some(held.entry.log_id.index) > index) {
            self.pop_back();
        }
        if self.entries.is_empty() {
            self.removed = last_kept;
        }
    }

    fn forget(&mut self, removed: Option<Held>) {
        let Some(Held { entry, size }) = removed else { return };
        self.bytes -= size;
        if Some(entry.log_id.index) > self.flushed {
            self.unflushed_bytes -= size;
        }
    }

    /// How many entries are not on disk, and how many bytes they have.
    pub(super) fn unflushed(&self) -> (usize, usize) {
        let last = self.entries.back().map_or(0, |held| held.entry.log_id.index + 1);
        let on_disk = self.flushed.map_or(0, |flushed| flushed + 1);
        (last.saturating_sub(on_disk) as usize, self.unflushed_bytes)
    }

    /// All up to `last` is on disk now.
    pub(super) fn flush(&mut self, last: Option<u64>) {
        let first = self.first_index().unwrap_or(0);
        let at = |index: Option<u64>| index.map_or(0, |index| (index + 1).saturating_sub(first) as usize);
        let newly = at(self.flushed)..at(last).min(self.entries.len());
        self.unflushed_bytes -=
            self.entries.range(newly.start.min(newly.end)..newly.end).map(|held| held.size).sum::<usize>();
        self.flushed = last;
    }

    pub(super) fn trim(&mut self) {
        let Some(flushed) = self.flushed else { return };
        while self.is_full() && self.first_index().is_some_and(|first| first <= flushed) {
            self.pop_front();
        }
    }
}

/// As many of these, from the first, as are read at a time.
pub(super) fn batch(entries: impl Iterator<Item = io::Result<Held>>) -> io::Result<Vec<Held>> {
    let (mut taken, mut bytes) = (Vec::new(), 0);
    for held in entries.take(BATCH) {
        let held = held?;
        bytes += held.size;
        if bytes > BATCH_BYTES && !taken.is_empty() {
            break;
        }
        taken.push(held);
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use openraft::{EntryPayload, vote::leader_id_std::CommittedLeaderId};

    use super::*;

    fn log_id(index: u64) -> LogId {
        LogId::new(CommittedLeaderId::new(1), index)
    }

    /// Entries 5 to 9 in memory, those before only on disk.
    fn tail() -> Tail {
        let mut tail = Tail::default();
        (1..10).for_each(|index| {
            tail.push_back(Held { entry: Entry::new(log_id(index), EntryPayload::Blank), size: 1 });
        });
        tail.flush(Some(9));
        (1..5).for_each(|_| tail.pop_front());
        tail
    }

    #[test]
    fn what_is_kept_of_a_log_is_on_disk_also_when_nothing_of_it_is_in_memory() {
        let mut tail = tail();
        assert_eq!(tail.durable(), Some(log_id(9)));
        tail.truncate(Some(log_id(2)));
        assert_eq!((tail.durable(), tail.last()), (Some(log_id(2)), Some(log_id(2))));
        tail.flush(Some(2));
        assert_eq!((tail.durable(), tail.last()), (Some(log_id(2)), Some(log_id(2))));
    }

    #[test]
    fn a_purge_that_is_not_on_disk_hides_nothing_that_is() {
        let mut tail = tail();
        tail.purged = Some(log_id(20));
        (5..10).for_each(|_| tail.pop_front());
        assert_eq!(tail.durable(), Some(log_id(9)));
        tail.flush(Some(20));
        assert_eq!(tail.durable(), Some(log_id(20)));
    }
}
