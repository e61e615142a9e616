//! The log on a disk whose power is cut, against a model of what it holds.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::consensus::disk::{Crash, Disk, Memory};

/// Short segments, so that a few entries fill one.
const SHORT: u64 = 1_024;

/// What a log holds: its state, the index of the first entry, the entries.
#[derive(Debug, Clone, PartialEq, Default)]
struct Content {
    state: State,
    entries: Vec<(u64, Vec<u8>)>,
}

impl Content {
    fn apply(&mut self, record: &Record<'_>) {
        match *record {
            Record::Disk(disk) => self.state.disk = Some(disk),
            Record::Recovered(former) => self.state.recovered.push(former),
            Record::Vote(vote) => self.state.vote = Some(vote),
            Record::Committed(log_id) => self.state.committed = Some(log_id),
            Record::Purged(log_id) => {
                self.state.purged = Some(log_id);
                self.state.last = self.state.last.max(Some(log_id.index));
                self.entries.retain(|(index, _)| *index > log_id.index);
            }
            Record::Last(last) => {
                self.state.last = last;
                self.entries.retain(|(index, _)| Some(*index) <= last);
            }
            Record::Entry { index, bytes } => {
                self.state.last = Some(index);
                self.entries.push((index, bytes.to_vec()));
            }
            Record::Continued => {}
        }
    }

    fn of(journal: &Journal) -> Self {
        let (index, mut buffer) = (journal.index(), Vec::new());
        let index = index.read();
        let (first, _) = index.bounds().unwrap_or_default();
        let stored = index.find(0, u64::MAX);
        let entries = stored.iter().zip(first..);
        let entries = entries.map(|(stored, index)| (index, stored.read(&mut buffer).unwrap().to_vec()));
        Self { state: journal.state().clone(), entries: entries.collect() }
    }
}

fn log_id(index: u64) -> LogId {
    LogId::new(openraft::vote::leader_id_std::CommittedLeaderId::new(7), index)
}

fn open(disk: &Memory) -> Result<Journal, LogError> {
    Journal::open(disk.open_log().unwrap(), DiskId::new(1, 1), SHORT)
}

fn damage(disk: &Memory) -> Damage {
    match open(disk).map(|_| ()) {
        Err(LogError::Damaged(damage)) => damage,
        other => panic!("{other:?}"),
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// Entries of these lengths.
    Append(Vec<usize>),
    /// Keeps that part of 256 of the entries.
    Truncate(u8),
    /// Purges that part, or, with `true`, so many more than there are.
    Purge(u8, bool),
    Vote(u64),
    Committed(u64),
    Flush,
    Restart,
    /// The power fails at the sync after so many more.
    PowerFails(u32),
    /// And is back.
    Crash(Crash),
}

fn step() -> impl Strategy<Value = Step> {
    let length = prop_oneof![9 => 0usize..100, 3 => 400usize..700, 1 => 1_000usize..6_000];
    let crash = prop_oneof![any::<u8>().prop_map(Crash::Prefix), any::<u64>().prop_map(Crash::Sectors)];
    prop_oneof![
        6 => vec(length, 1..6).prop_map(Step::Append),
        1 => any::<u8>().prop_map(Step::Truncate),
        1 => (any::<u8>(), prop::bool::weighted(0.2)).prop_map(|(part, beyond)| Step::Purge(part, beyond)),
        1 => any::<u64>().prop_map(Step::Vote),
        1 => any::<u64>().prop_map(Step::Committed),
        6 => Just(Step::Flush),
        1 => Just(Step::Restart),
        1 => (0u32..4).prop_map(Step::PowerFails),
        2 => crash.prop_map(Step::Crash),
    ]
}

/// The log, and what it may hold after a crash: what it held at the last flush, and after each record since.
struct Checked {
    disk: Memory,
    journal: Option<Journal>,
    possible: Vec<Content>,
    /// Makes no two entries alike, and some of them mostly zeros.
    written: u64,
}

impl Checked {
    fn push(&mut self, record: &Record<'_>) {
        // After the power has failed nothing more gets to the disk.
        if self.journal.as_mut().is_some_and(|journal| journal.push(record).is_ok()) {
            let mut content = self.possible.last().unwrap().clone();
            content.apply(record);
            self.possible.push(content);
        }
    }

    fn flush(&mut self) {
        let flushed = self.journal.as_mut().is_some_and(|journal| journal.flush().is_ok());
        if flushed {
            self.possible.drain(..self.possible.len() - 1);
            assert_eq!(Content::of(self.journal.as_ref().unwrap()), self.possible[0]);
        }
    }

    fn reopen(&mut self) {
        let journal = open(&self.disk).unwrap();
        let found = Content::of(&journal);
        assert!(self.possible.contains(&found), "{found:?}\nis none of {:?}", self.possible);
        self.journal = Some(journal);
        self.possible = vec![found];
    }

    fn carry_out(&mut self, step: Step) {
        let Content { state, entries } = self.possible.last().unwrap().clone();
        let part = |part: u8| (entries.len() * usize::from(part)) >> 8;
        match step {
            Step::Append(lengths) => {
                let first = state.last.map_or(1, |last| last + 1);
                for (index, length) in (first..).zip(lengths) {
                    self.written += 1;
                    let mut bytes = vec![(self.written % 4) as u8; length];
                    let number = self.written.to_le_bytes();
                    bytes.iter_mut().zip(number).for_each(|(byte, number)| *byte = number);
                    self.push(&Record::Entry { index, bytes: &bytes });
                }
            }
            Step::Truncate(kept) => {
                let purged = state.purged.map(|log_id| log_id.index);
                let last = part(kept).checked_sub(1).map_or(purged, |at| Some(entries[at].0));
                self.push(&Record::Last(last));
            }
            Step::Purge(removed, beyond) => {
                let last = match beyond {
                    true => Some(state.last.unwrap_or(0) + u64::from(removed)),
                    false => part(removed).checked_sub(1).map(|at| entries[at].0),
                };
                if let Some(last) = last {
                    self.push(&Record::Purged(log_id(last)));
                }
            }
            Step::Vote(term) => self.push(&Record::Vote(Vote::new(term, 2))),
            Step::Committed(index) => self.push(&Record::Committed(log_id(index))),
            Step::Flush => self.flush(),
            Step::Restart => {
                self.flush();
                self.journal = None;
                self.disk.crash(&Crash::Prefix(0));
                self.reopen();
            }
            Step::PowerFails(syncs) => self.disk.fail_after(syncs),
            Step::Crash(crash) => {
                self.disk.fail_after(0);
                // What is pushed and not flushed is being written when the power fails.
                self.flush();
                self.journal = None;
                self.disk.crash(&crash);
                self.reopen();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn whatever_was_flushed_is_there_after_any_crash_and_nothing_else(steps in vec(step(), 1..60)) {
        let disk = Memory::default();
        let journal = open(&disk).unwrap();
        let possible = vec![Content::of(&journal)];
        let mut checked = Checked { disk, journal: Some(journal), possible, written: 0 };
        for step in steps {
            checked.carry_out(step);
        }
    }
}

/// A log over several segments, closed, and what it holds.
fn filled(entries: u64, purged: Option<u64>) -> (Memory, Content) {
    let disk = Memory::default();
    let mut journal = open(&disk).unwrap();
    for index in 1..=entries {
        journal.push(&Record::Vote(Vote::new(index, 2))).unwrap();
        journal.push(&Record::Entry { index, bytes: &[index as u8 | 1; 100] }).unwrap();
        journal.flush().unwrap();
    }
    if let Some(purged) = purged {
        journal.push(&Record::Purged(log_id(purged))).unwrap();
        journal.flush().unwrap();
    }
    let content = Content::of(&journal);
    drop(journal);
    (disk, content)
}

fn numbers(disk: &Memory) -> Vec<u64> {
    disk.open_log().unwrap().list().unwrap()
}

/// Another disk with the same segments.
fn copy(disk: &Memory) -> Memory {
    let copy = Memory::default();
    numbers(disk).into_iter().for_each(|number| copy.put(number, Some(disk.bytes(number))));
    copy
}

#[test]
fn every_flipped_bit_is_found_or_changes_nothing() {
    let (disk, content) = filled(12, Some(4));
    let (mut refused, mut harmless) = (0, 0);
    for number in numbers(&disk) {
        for at in 0..disk.bytes(number).len() {
            let flipped = copy(&disk);
            let mut bytes = disk.bytes(number);
            bytes[at] ^= 1 << (at % 8);
            flipped.put(number, Some(bytes));
            match open(&flipped) {
                Ok(journal) => {
                    assert_eq!(Content::of(&journal), content, "byte {at} of segment {number}");
                    harmless += 1;
                }
                Err(LogError::Damaged(_)) => refused += 1,
                Err(other) => panic!("byte {at} of segment {number}: {other}"),
            }
        }
    }
    assert!(refused > 1_000 && harmless > 100, "{refused} refused, {harmless} harmless");
}

#[test]
fn a_segment_that_is_missing_or_cut_is_named() {
    let (disk, _) = filled(20, None);
    let all = numbers(&disk);
    assert!(all.len() >= 4, "{all:?}");
    // The last one is set aside, and empty.
    for number in &all[..all.len() - 1] {
        let without = copy(&disk);
        without.put(*number, None);
        let named = match damage(&without) {
            Damage::Missing { segment } => segment == *number,
            Damage::Gap { index } => index > 1,
            _ => false,
        };
        assert!(named, "without segment {number}: {}", damage(&without));
    }
    for number in &all {
        for length in [0, 10, 31, 500] {
            let cut = copy(&disk);
            cut.put(*number, Some(disk.bytes(*number)[..length].to_vec()));
            let found = damage(&cut);
            assert!(
                matches!(found, Damage::Head { segment } | Damage::Length { segment, .. } if segment == *number),
                "{found}"
            );
        }
    }
}

#[test]
fn a_segment_of_another_format_is_refused() {
    let (disk, _) = filled(1, None);
    let mut bytes = disk.bytes(1);
    bytes[7] = 4;
    disk.put(1, Some(bytes));
    assert_eq!(damage(&disk).to_string(), "segment 1 of the log is of format 4, this program reads 7");
}

#[test]
fn a_purge_removes_the_segments_before_it_and_what_a_power_cut_brings_back_does_no_harm() {
    let (before, _) = filled(40, None);
    let (disk, content) = filled(40, Some(30));
    let (all, left) = (numbers(&before), numbers(&disk));
    assert!(left.len() < all.len() && left[0] > 2, "{left:?} of {all:?}");
    for back in [1, left[0] - 1] {
        disk.put(back, Some(before.bytes(back)));
        let journal = open(&disk).unwrap();
        assert_eq!(Content::of(&journal), content);
    }
}

#[test]
fn an_entry_that_does_not_follow_the_last_is_not_written() {
    let disk = Memory::default();
    let mut journal = open(&disk).unwrap();
    journal.push(&Record::Entry { index: 3, bytes: b"a" }).unwrap();
    journal.flush().unwrap();
    let error = journal.push(&Record::Entry { index: 5, bytes: b"b" }).unwrap_err();
    assert_eq!(error.to_string(), "the log has a gap before entry 5");
    // What comes after what could not be written is not written either.
    journal.push(&Record::Entry { index: 4, bytes: b"c" }).unwrap_err();
    journal.flush().unwrap_err();
    drop(journal);
    assert_eq!(Content::of(&open(&disk).unwrap()).entries, [(3, b"a".to_vec())]);
}

#[test]
fn after_a_sync_that_failed_nothing_is_written_any_more() {
    let disk = Memory::default();
    let mut journal = open(&disk).unwrap();
    disk.fail_after(0);
    journal.push(&Record::Vote(Vote::new(1, 1))).unwrap();
    journal.flush().unwrap_err();
    // The disk is well again; what it has of the vote, nobody knows.
    disk.crash(&Crash::Prefix(0));
    journal.push(&Record::Vote(Vote::new(2, 1))).unwrap_err();
    assert_eq!(journal.flush().unwrap_err().to_string(), "the power is out");
}

#[test]
fn an_entry_larger_than_a_segment_gets_a_longer_one() {
    let disk = Memory::default();
    let mut journal = open(&disk).unwrap();
    for index in 1..=3 {
        journal.push(&Record::Entry { index, bytes: &[7; 100_000] }).unwrap();
    }
    journal.flush().unwrap();
    let content = Content::of(&journal);
    assert_eq!(content.entries.len(), 3);
    drop(journal);
    assert_eq!(Content::of(&open(&disk).unwrap()), content);
}
