//! Where the entries are, and the files that they are in.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use super::{
    journal::LogError,
    keeper::Segment,
    record::{self, Damage, Span},
};
use crate::consensus::disk::SegmentFile;

/// Where an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub segment: u64,
    pub span: Span,
}

/// What a batch changes once it is durable.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change {
    Put(u64, Place),
    Last(Option<u64>),
    Purged(u64),
}

/// The entries of the log, from the oldest to the newest without a gap, and the files of its segments.
#[derive(Default)]
pub(super) struct Index {
    /// The index of the oldest entry, if there is one.
    first: u64,
    places: VecDeque<Place>,
    files: BTreeMap<u64, Segment>,
}

impl Index {
    /// The indices of oldest and newest entry.
    pub(super) fn bounds(&self) -> Option<(u64, u64)> {
        Some((self.first, self.first + (self.places.len() as u64).checked_sub(1)?))
    }

    pub(super) fn add_file(&mut self, segment: Segment) {
        self.files.insert(segment.number, segment);
    }

    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::Put(index, place) => {
                if self.places.is_empty() {
                    self.first = index;
                }
                self.places.push_back(place);
            }
            Change::Last(last) => {
                let kept = last.map_or(0, |last| (last + 1).saturating_sub(self.first));
                self.places.truncate(kept as usize);
            }
            Change::Purged(last_removed) => {
                let removed = (last_removed + 1).saturating_sub(self.first).min(self.places.len() as u64);
                self.places.drain(..removed as usize);
                self.first += removed;
            }
        }
    }

    /// Lets go of the segments before `active` that hold no entry of the log, nor one before it, and tells which.
    pub(super) fn retire(&mut self, active: u64) -> Vec<u64> {
        let oldest = self.places.front().map_or(active, |place| place.segment);
        if self.files.keys().next().is_none_or(|first| *first >= oldest) {
            return Vec::new();
        }
        let kept = self.files.split_off(&oldest);
        std::mem::replace(&mut self.files, kept).into_keys().collect()
    }

    /// How many bytes the files take that have entries from `index` on.
    pub(super) fn bytes_from(&self, index: u64) -> u64 {
        let place = self.places.get(index.saturating_sub(self.first) as usize);
        let segments = place.into_iter().flat_map(|place| self.files.range(place.segment..));
        segments.map(|(_, segment)| segment.length).sum()
    }

    /// The oldest entry such that the files that have it and all later ones take no more than `bytes`.
    pub(super) fn first_within(&self, bytes: u64) -> u64 {
        let mut left = bytes;
        let within = self.files.iter().rev().take_while(|(_, segment)| {
            let fits = segment.length <= left;
            left = left.saturating_sub(segment.length);
            fits
        });
        let oldest = within.last().map_or(u64::MAX, |(number, _)| *number);
        self.first + self.places.partition_point(|place| place.segment < oldest) as u64
    }

    /// What is needed to read the entries in `from..until`.
    pub(super) fn find(&self, from: u64, until: u64) -> Vec<Stored> {
        let Some((first, last)) = self.bounds() else { return Vec::new() };
        let range = from.max(first)..until.min(last + 1);
        let stored = |index: u64| {
            let place = self.places[(index - self.first) as usize];
            Some(Stored { index, place, file: self.files.get(&place.segment)?.file.clone() })
        };
        range.filter_map(stored).collect()
    }
}

/// An entry that is in a file.
pub(super) struct Stored {
    index: u64,
    place: Place,
    file: Arc<dyn SegmentFile>,
}

impl Stored {
    /// Reads it into `bytes`, checks it, and gives its part of them.
    pub(super) fn read<'b>(&self, bytes: &'b mut Vec<u8>) -> Result<&'b [u8], LogError> {
        let Place { segment, span } = self.place;
        // As long as what was written there, or was read there from a file of no greater length.
        bytes.resize(span.length as usize, 0);
        self.file.read_at(bytes, u64::from(span.at))?;
        let (index, entry) = record::entry(bytes, segment, span.at as usize)?;
        match index == self.index {
            true => Ok(entry),
            false => Err(self.senseless(format!("entry {index} in place of entry {}", self.index))),
        }
    }

    /// It was read, and is not an entry of ours.
    pub(super) fn senseless(&self, reason: String) -> LogError {
        let Place { segment, span } = self.place;
        Damage::Sense { segment, at: span.at as usize, reason }.into()
    }
}
