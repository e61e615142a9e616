//! The log on disk: records in, one write and one sync for as many as there are, and out again after a restart.
//!
//! It is cut into segments, files of a fixed length whose room was reserved ahead of their use: they read as zeros, and a
//! sync has no room to find. Each segment begins with all that is not an entry, as it is then, so that
//! the segments before it can be removed when their entries are purged.

use std::{io, sync::Arc};

use parking_lot::RwLock;

use super::{
    index::{Change, Index, Place},
    keeper::{Keeper, Segment, make},
    record::{self, BatchReader, BatchWriter, Damage, HEAD, Next, RESERVE, Record, Span},
};
use crate::consensus::{
    disk::{SegmentFile, Segments},
    types::{DiskId, LogId, Vote},
};

/// How long a segment is, bytes, unless a record needs a longer one.
pub const SEGMENT: u64 = 4 << 20;
/// No segment is longer, bytes.
const LARGEST: u64 = 64 << 20;
/// More than what a segment begins with, bytes: its head, and in a batch all that is not an entry. Each recovery adds to it.
const OPENING: u64 = 256;
const OPENING_RECOVERED: u64 = 32;

/// The log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The system refuses. The log may be whole.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It does not hold what it held.
    #[error(transparent)]
    Damaged(#[from] Damage),
}

impl From<LogError> for io::Error {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Io(error) => error,
            LogError::Damaged(damage) => Self::other(damage),
        }
    }
}

/// All that the log holds but the entries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The number of the disk.
    pub disk: Option<DiskId>,
    /// The numbers that it had before the cluster was recovered from it, in order, if it ever was.
    pub recovered: Vec<DiskId>,
    /// The vote.
    pub vote: Option<Vote>,
    /// What is known to be committed.
    pub committed: Option<LogId>,
    /// The last entry that is in the log no more.
    pub purged: Option<LogId>,
    /// The index of the last entry.
    pub last: Option<u64>,
}

impl State {
    fn apply(&mut self, record: &Record<'_>) -> Result<(), Damage> {
        match *record {
            Record::Disk(disk) => self.disk = Some(disk),
            // Every segment begins with all of them.
            Record::Recovered(former) if self.recovered.contains(&former) => {}
            Record::Recovered(former) => self.recovered.push(former),
            Record::Vote(vote) => self.vote = Some(vote),
            Record::Committed(log_id) => self.committed = Some(log_id),
            Record::Purged(log_id) => {
                self.purged = self.purged.max(Some(log_id));
                self.last = self.last.max(Some(log_id.index));
            }
            Record::Last(last) => self.last = last.max(self.purged.map(|log_id| log_id.index)),
            Record::Entry { index, .. } => {
                if self.last.is_some_and(|last| index != last + 1) {
                    return Err(Damage::Gap { index });
                }
                self.last = Some(index);
            }
            Record::Continued => {}
        }
        Ok(())
    }

    /// What a segment begins with.
    fn opening(&self) -> impl Iterator<Item = Record<'static>> + '_ {
        let disk = self.disk.map(Record::Disk).into_iter();
        (disk.chain(self.recovered.iter().copied().map(Record::Recovered)).chain(self.vote.map(Record::Vote)))
            .chain(self.committed.map(Record::Committed))
            .chain(self.purged.map(Record::Purged))
            .chain([Record::Last(self.last)])
    }
}

/// What a record changes in the index.
fn change(record: &Record<'_>, segment: u64, span: Span) -> Option<Change> {
    match *record {
        Record::Entry { index, .. } => Some(Change::Put(index, Place { segment, span })),
        Record::Last(last) => Some(Change::Last(last)),
        Record::Purged(log_id) => Some(Change::Purged(log_id.index)),
        _ => None,
    }
}

/// The log on disk, open for writing.
pub struct Journal {
    keeper: Keeper,
    index: Arc<RwLock<Index>>,
    /// With what is in `batch`.
    state: State,
    /// What is written to, and where its next batch begins.
    segment: Segment,
    end: u64,
    /// The number of the next batch.
    sequence: u64,
    /// What is not written yet, and what it changes.
    batch: BatchWriter,
    changes: Vec<Change>,
    /// Why nothing is written any more. What a failed sync has left on the disk is not known, so nothing may follow it.
    failure: Option<String>,
}

impl Journal {
    /// Opens the log in `segments`, each `length` bytes long, [`SEGMENT`] but in tests. If it is empty the disk gets the
    /// number `fresh`.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn open(segments: Arc<dyn Segments>, fresh: DiskId, length: u64) -> Result<Self, LogError> {
        let mut found = Found::default();
        found.read_all(&*segments)?;
        let Found { state, mut index, newest, sequence, left } = found;
        let keeper = Keeper::start(segments.clone(), length)?;
        let is_new = newest.is_none();
        let (segment, end, continued) = match newest {
            Some(newest) => {
                newest.settle()?;
                (newest.segment, newest.end as u64, newest.continued)
            }
            None => {
                let segment = make(&*segments, 1, length)?;
                index.add_file(segment.clone());
                (segment, HEAD as u64, false)
            }
        };
        keeper.remove(left);
        keeper.prepare(segment.number + 1);
        let mut journal = Self {
            keeper,
            index: Arc::new(RwLock::new(index)),
            state,
            segment,
            end,
            sequence: sequence.unwrap_or(1),
            batch: BatchWriter::default(),
            changes: Vec::new(),
            failure: None,
        };
        if is_new {
            journal.push(&Record::Disk(fresh))?;
            journal.flush()?;
        } else if continued {
            let next = journal.next_segment(0)?;
            journal.begin(next)?;
        }
        Ok(journal)
    }

    /// All but the entries, with what is not flushed yet.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Where the entries are that are flushed.
    pub(super) fn index(&self) -> Arc<RwLock<Index>> {
        self.index.clone()
    }

    /// Adds a record to those that will be flushed next.
    ///
    /// # Errors
    /// When an entry does not follow the last one, or as [`Self::flush`].
    pub fn push(&mut self, record: &Record<'_>) -> io::Result<()> {
        self.unless_failed(|journal| journal.add(record))
    }

    /// Writes all that was pushed, and returns when it is durable.
    ///
    /// # Errors
    /// When it cannot be written. Nothing can be from then on.
    pub fn flush(&mut self) -> io::Result<()> {
        self.unless_failed(Self::write)
    }

    fn unless_failed(&mut self, act: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        if let Some(reason) = &self.failure {
            return Err(io::Error::other(reason.clone()));
        }
        act(self).inspect_err(|error| self.failure = Some(error.to_string()))
    }

    fn add(&mut self, record: &Record<'_>) -> io::Result<()> {
        let span = self.batch.push(record).map_err(io::Error::other)?;
        if self.end + (self.batch.len() + RESERVE) as u64 <= self.segment.length {
            return self.note(record, span);
        }
        self.batch.pop(span);
        // Before it is said that the log goes on there: there may be no room.
        let next = self.next_segment(span.length)?;
        self.put(&Record::Continued)?;
        self.write()?;
        self.begin(next)?;
        self.put(record)
    }

    /// Adds a record that there is room for.
    fn put(&mut self, record: &Record<'_>) -> io::Result<()> {
        let span = self.batch.push(record).map_err(io::Error::other)?;
        self.note(record, span)
    }

    fn note(&mut self, record: &Record<'_>, span: Span) -> io::Result<()> {
        self.state.apply(record).map_err(io::Error::other)?;
        let span = Span { at: self.end as u32 + span.at, ..span };
        self.changes.extend(change(record, self.segment.number, span));
        Ok(())
    }

    /// The next segment, in which there has to be room for a record of so many bytes.
    fn next_segment(&self, record: u32) -> io::Result<Segment> {
        let opening = OPENING + OPENING_RECOVERED * self.state.recovered.len() as u64;
        let least = opening + u64::from(record) + RESERVE as u64;
        if least > LARGEST {
            let reason = format!("an entry of {record} bytes, a segment has at most {LARGEST}");
            return Err(io::Error::other(reason));
        }
        self.keeper.take(self.segment.number + 1, least)
    }

    /// Goes on in that segment.
    fn begin(&mut self, segment: Segment) -> io::Result<()> {
        self.index.write().add_file(segment.clone());
        self.keeper.prepare(segment.number + 1);
        (self.segment, self.end) = (segment, HEAD as u64);
        let state = self.state.clone();
        state.opening().try_for_each(|record| self.put(&record))
    }

    fn write(&mut self) -> io::Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let bytes = self.batch.finish(self.sequence, self.segment.number, self.end);
        self.segment.file.write_at(bytes, self.end)?;
        self.segment.file.sync()?;
        self.end += bytes.len() as u64;
        self.sequence += 1;
        self.batch.clear();
        let unused = {
            let mut index = self.index.write();
            self.changes.drain(..).for_each(|change| index.apply(change));
            // Where nothing was purged, a segment that is missing is found by the entries that are.
            match self.state.purged {
                Some(_) => index.retire(self.segment.number),
                None => Vec::new(),
            }
        };
        if !unused.is_empty() {
            self.keeper.remove(unused);
        }
        Ok(())
    }
}

/// What was found on the disk.
#[derive(Default)]
struct Found {
    state: State,
    index: Index,
    newest: Option<Newest>,
    /// The number of the next batch.
    sequence: Option<u64>,
    /// Segments that should have been removed.
    left: Vec<u64>,
}

/// The newest segment that is in use.
struct Newest {
    segment: Segment,
    end: usize,
    /// Whether it says that the log goes on in the next one.
    continued: bool,
    /// Its last batch, and zeros in place of what is torn; and where that is.
    tail: (usize, Vec<u8>),
}

impl Newest {
    /// Has what was read be durable: whoever wrote it may have been killed before its sync, or the sync may have failed.
    fn settle(&self) -> io::Result<()> {
        self.segment.file.write_at(&self.tail.1, self.tail.0 as u64)?;
        self.segment.file.sync()
    }
}

impl Found {
    fn read_all(&mut self, segments: &dyn Segments) -> Result<(), LogError> {
        let mut numbers = segments.list()?;
        // A power cut may bring back some of those that were removed.
        let gap = (1..numbers.len()).rfind(|at| numbers[at - 1] + 1 != numbers[*at]).unwrap_or(0);
        self.left = numbers.drain(..gap).collect();
        for number in &numbers {
            self.read(segments, *number)?;
        }
        let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else { return Ok(()) };
        let Some(newest) = &self.newest else {
            // Segments that were made, and no log yet.
            return if *first == 1 { Ok(()) } else { Err(Damage::Missing { segment: first - 1 }.into()) };
        };
        if newest.continued && *last == newest.segment.number {
            return Err(Damage::Missing { segment: last + 1 }.into());
        }
        // Only what was purged may be in none of the segments.
        let purged = self.state.purged.map(|log_id| log_id.index);
        let begins = self.index.bounds().map(|(first, _)| first).or(self.state.last.map(|last| last + 1));
        match begins {
            Some(index) if *first > 1 && purged.is_none_or(|purged| index > purged + 1) => {
                Err(Damage::Gap { index }.into())
            }
            _ => Ok(()),
        }
    }

    fn read(&mut self, segments: &dyn Segments, number: u64) -> Result<(), LogError> {
        let file = segments.open(number)?;
        let bytes = load(&*file, number)?;
        let segment = Segment { number, length: bytes.len() as u64, file };
        let mut batches = BatchReader::new(number, &bytes, self.sequence);
        let mut last_batch = None;
        let torn = loop {
            let batch = match batches.next()? {
                Next::Batch(batch) => batch,
                Next::End => break false,
                Next::Torn => break true,
            };
            let sense = |reason: &str| {
                let reason = reason.to_owned();
                LogError::Damaged(Damage::Sense { segment: number, at: batch.at, reason })
            };
            if last_batch.is_none() {
                let before = self.newest.as_ref();
                if before.is_some_and(|before| !before.continued || before.segment.number + 1 != number) {
                    return Err(sense("the segment before it does not say that the log goes on here"));
                }
                if !matches!(batch.records.first(), Some((_, Record::Disk(_)))) {
                    return Err(sense("it does not begin with the number of the disk"));
                }
                self.index.add_file(segment.clone());
            }
            for (span, record) in &batch.records {
                self.state.apply(record)?;
                change(record, number, *span).into_iter().for_each(|change| self.index.apply(change));
            }
            self.sequence = Some(batch.sequence + 1);
            let continued = matches!(batch.records.last(), Some((_, Record::Continued)));
            last_batch = Some((batch.at, continued));
            if continued {
                break false;
            }
        };
        if let Some((at, continued)) = last_batch {
            let end = batches.at();
            let until =
                bytes.iter().rposition(|byte| torn && *byte != 0).map_or(end, |last| end.max(last + 1));
            let mut tail = bytes[at..until].to_vec();
            tail[end - at..].fill(0);
            self.newest = Some(Newest { segment, end, continued, tail: (at, tail) });
        }
        Ok(())
    }
}

/// Reads a segment, if its head says that it is one, and of this length.
fn load(file: &dyn SegmentFile, number: u64) -> Result<Vec<u8>, LogError> {
    let length = file.length()?;
    let mut head = [0; HEAD];
    if length < HEAD as u64 {
        return Err(Damage::Head { segment: number }.into());
    }
    file.read_at(&mut head, 0)?;
    record::check_head(&head, number, length)?;
    if length > LARGEST {
        return Err(Damage::Head { segment: number }.into());
    }
    let mut bytes = vec![0; length as usize];
    file.read_at(&mut bytes, 0)?;
    Ok(bytes)
}
