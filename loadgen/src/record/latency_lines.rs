//! Reads `latency.hlog`.

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hdrhistogram::{
    Histogram,
    serialization::{
        Deserializer,
        interval_log::{IntervalLogHistogram, IntervalLogIterator, LogEntry},
    },
};

use super::RecordError;
use crate::scenario::{OperationKind, OutcomeKind};

/// The operations of one kind that ended in one way in one interval.
#[derive(Debug, Clone, PartialEq)]
pub struct LatencyLine {
    /// The second, counted from the beginning of the first stage.
    pub interval: u64,
    /// What they were.
    pub kind: OperationKind,
    /// How they ended.
    pub outcome: OutcomeKind,
    /// How long each took, ns.
    pub histogram: Histogram<u32>,
}

/// The lines of a log that was read from a file. What follows the last whole line was cut off.
pub struct LatencyLines<'a> {
    path: PathBuf,
    entries: IntervalLogIterator<'a>,
    deserializer: Deserializer,
}

impl<'a> LatencyLines<'a> {
    /// Reads what the file at `path` holds.
    pub fn of(path: &Path, bytes: &'a [u8]) -> Self {
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let entries = IntervalLogIterator::new(&bytes[..whole]);
        Self { path: path.to_owned(), entries, deserializer: Deserializer::new() }
    }

    fn line(&mut self, line: &IntervalLogHistogram<'_>) -> Result<LatencyLine, RecordError> {
        let malformed = |reason: String| RecordError::malformed(&self.path, reason);
        let tag = line.tag().map(|tag| tag.as_str().to_owned()).unwrap_or_default();
        let unknown = || malformed(format!("the tag {tag:?} is not an operation and its outcome"));
        let (kind, outcome) = tag.split_once('.').ok_or_else(unknown)?;
        let kind = OperationKind::ALL.into_iter().find(|known| known.name() == kind);
        let outcome = OutcomeKind::ALL.into_iter().find(|known| known.name() == outcome);
        let bytes = STANDARD.decode(line.encoded_histogram()).map_err(|e| malformed(e.to_string()))?;
        Ok(LatencyLine {
            interval: line.start_timestamp().as_secs(),
            kind: kind.ok_or_else(unknown)?,
            outcome: outcome.ok_or_else(unknown)?,
            histogram: (self.deserializer.deserialize(&mut &bytes[..]))
                .map_err(|e| malformed(e.to_string()))?,
        })
    }
}

impl Iterator for LatencyLines<'_> {
    type Item = Result<LatencyLine, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.entries.next()? {
                Ok(LogEntry::Interval(line)) => return Some(self.line(&line)),
                Ok(LogEntry::StartTime(_) | LogEntry::BaseTime(_)) => {}
                Err(e) => return Some(Err(RecordError::malformed(&self.path, format!("{e:?}")))),
            }
        }
    }
}
