//! `latency.hlog`: how long operations took, second by second, as any HdrHistogram tool reads it.
//!
//! An interval log of version 2. Values are nanoseconds with three significant digits. One line an
//! interval of one second and a tag; a tag is an operation and how it ended, such as `view.ok`.
//! Intervals are numbered from the first stage's beginning, whose wall-clock time is `StartTime` and
//! `BaseTime` of the header.

use std::{
    fs::File,
    io::{BufWriter, Error, Write as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use hdrhistogram::{
    Histogram,
    serialization::{
        V2DeflateSerializer,
        interval_log::{IntervalLogWriterBuilder, IntervalLogWriterError, Tag},
    },
};

use super::{LatencyLine, RecordError};
use crate::scenario::{OperationKind, OutcomeKind};

const INTERVAL_NS: u64 = 1_000_000_000;
/// An hour; no scenario waits so long for an answer.
pub(super) const MAX_LATENCY_NS: u64 = 3_600_000_000_000;
/// How many digits of a value are kept.
pub(super) const DIGITS: u8 = 3;
const TAGS: usize = OperationKind::ALL.len() * OutcomeKind::ALL.len();

/// Writes `latency.hlog`.
pub struct LatencyLog {
    path: PathBuf,
    out: BufWriter<File>,
    serializer: V2DeflateSerializer,
    /// The interval that is being recorded, from 0.
    interval: u64,
    /// One an operation and outcome; made when first used, then emptied and used again.
    histograms: [Option<Histogram<u32>>; TAGS],
}

impl LatencyLog {
    /// Creates the file at `path`, or empties it. The first stage began at `started`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(path: &Path, started: SystemTime) -> Result<Self, RecordError> {
        let io = |e| RecordError::io(path, e);
        let mut log = Self {
            path: path.to_owned(),
            out: BufWriter::new(File::create(path).map_err(io)?),
            serializer: V2DeflateSerializer::new(),
            interval: 0,
            histograms: [const { None }; TAGS],
        };
        IntervalLogWriterBuilder::new()
            .add_comment("[Histogram log format version 1.3]")
            .add_comment("[Values are nanoseconds from the due time; tags are operation.outcome]")
            .with_start_time(started)
            .with_base_time(started)
            .begin_log_with(&mut log.out, &mut log.serializer)
            .map_err(io)?;
        // Whoever writes this may be killed at any time: what is left is a log all the same.
        log.out.flush().map_err(io)?;
        Ok(log)
    }

    /// Records that an operation ended at `at_ns` since the first stage began, `latency_ns` after it
    /// was due. What ends before the first stage (users registering) belongs to no interval and is
    /// left out. Operations come in the order in which they end; one that comes late is recorded in
    /// the interval that is open.
    ///
    /// # Errors
    /// When an interval is over and cannot be written.
    pub fn record(
        &mut self,
        kind: OperationKind,
        outcome: OutcomeKind,
        at_ns: i64,
        latency_ns: u64,
    ) -> Result<(), RecordError> {
        let Ok(at_ns) = u64::try_from(at_ns) else {
            return Ok(());
        };
        self.histogram(at_ns / INTERVAL_NS, kind, outcome)?.saturating_record(latency_ns);
        Ok(())
    }

    /// Adds what another log has of an interval. Intervals come in order of time.
    ///
    /// # Errors
    /// When an interval is over and cannot be written, or the histogram is of another kind.
    pub fn add(&mut self, line: &LatencyLine) -> Result<(), RecordError> {
        let added = self.histogram(line.interval, line.kind, line.outcome)?.add(&line.histogram);
        added.map_err(|e| RecordError::malformed(&self.path, e))
    }

    /// What is recorded of an operation and outcome, in an interval that is not before the open one.
    fn histogram(
        &mut self,
        interval: u64,
        kind: OperationKind,
        outcome: OutcomeKind,
    ) -> Result<&mut Histogram<u32>, RecordError> {
        if interval > self.interval {
            self.write_interval()?;
            self.interval = interval;
        }
        match &mut self.histograms[tag_index(kind, outcome)] {
            Some(histogram) => Ok(histogram),
            slot => Ok(slot.insert(
                Histogram::new_with_bounds(1, MAX_LATENCY_NS, DIGITS)
                    .map_err(|e| RecordError::malformed(&self.path, e))?,
            )),
        }
    }

    /// Writes the last interval.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(mut self) -> Result<(), RecordError> {
        self.write_interval()?;
        self.out.flush().map_err(|e| RecordError::io(&self.path, e))
    }

    fn write_interval(&mut self) -> Result<(), RecordError> {
        let start = Duration::from_nanos(INTERVAL_NS) * u32::try_from(self.interval).unwrap_or(u32::MAX);
        // A builder without header lines writes none: this one continues the log.
        let mut log = IntervalLogWriterBuilder::new()
            .begin_log_with(&mut self.out, &mut self.serializer)
            .map_err(|e| RecordError::io(&self.path, e))?;
        for kind in OperationKind::ALL {
            for outcome in OutcomeKind::ALL {
                let Some(histogram) = &mut self.histograms[tag_index(kind, outcome)] else {
                    continue;
                };
                if histogram.is_empty() {
                    continue;
                }
                let tag = format!("{}.{}", kind.name(), outcome.name());
                log.write_histogram(histogram, start, Duration::from_nanos(INTERVAL_NS), Tag::new(&tag))
                    .map_err(|e| match e {
                        IntervalLogWriterError::IoError(e) => RecordError::io(&self.path, e),
                        IntervalLogWriterError::SerializeError(e) => {
                            RecordError::io(&self.path, Error::other(e))
                        }
                    })?;
                histogram.reset();
            }
        }
        Ok(())
    }
}

fn tag_index(kind: OperationKind, outcome: OutcomeKind) -> usize {
    kind as usize * OutcomeKind::ALL.len() + outcome as usize
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::UNIX_EPOCH};

    use base64::Engine as _;
    use hdrhistogram::serialization::{
        Deserializer,
        interval_log::{IntervalLogIterator, LogEntry},
    };

    use super::*;

    /// Interval, tag -> count, max.
    fn read(path: &Path) -> BTreeMap<(u64, String), (u64, u64)> {
        let bytes = std::fs::read(path).unwrap();
        let mut found = BTreeMap::new();
        for entry in IntervalLogIterator::new(&bytes) {
            match entry.unwrap() {
                LogEntry::StartTime(time) | LogEntry::BaseTime(time) => {
                    assert_eq!(time, Duration::from_secs(1_790_000_000));
                }
                LogEntry::Interval(line) => {
                    assert_eq!(line.duration(), Duration::from_secs(1));
                    let coded = line.encoded_histogram();
                    let coded = base64::engine::general_purpose::STANDARD.decode(coded).unwrap();
                    let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut &coded[..]).unwrap();
                    let key = (line.start_timestamp().as_secs(), line.tag().unwrap().as_str().to_owned());
                    let value = (histogram.len(), histogram.max());
                    assert!(found.insert(key, value).is_none(), "one line an interval and tag");
                }
            }
        }
        found
    }

    #[test]
    fn counts_and_maxima_are_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("latency.hlog");
        let started = UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        let mut log = LatencyLog::create(&path, started).unwrap();
        let mut expected: BTreeMap<(u64, String), (u64, u64)> = BTreeMap::new();
        for i in 0..20_000_u64 {
            // Ten seconds, of which the fourth is silent.
            let at = i * 500_000;
            let interval = at / INTERVAL_NS;
            if interval == 3 {
                continue;
            }
            let kind = OperationKind::ALL[(i % 5) as usize];
            let outcome = if i % 97 == 0 { OutcomeKind::Unknown } else { OutcomeKind::Ok };
            let latency = 1000 + i * i % 3_000_000_000;
            log.record(kind, outcome, at as i64, latency).unwrap();
            let entry =
                expected.entry((interval, format!("{}.{}", kind.name(), outcome.name()))).or_default();
            *entry = (entry.0 + 1, entry.1.max(latency));
        }
        log.finish().unwrap();

        let found = read(&path);
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (key, (count, max)) in &expected {
            let (found_count, found_max) = found[key];
            assert_eq!(found_count, *count, "{key:?}");
            // Three significant digits, rounded up to the end of the bucket.
            assert!(found_max >= *max && found_max - max <= max / 1000, "{key:?}: {found_max} for {max}");
        }
    }

    #[test]
    fn the_late_the_early_and_the_endless_have_their_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("latency.hlog");
        let started = UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        let mut log = LatencyLog::create(&path, started).unwrap();
        let mut seal = |at_ns, latency_ns| {
            log.record(OperationKind::Seal, OutcomeKind::Ok, at_ns, latency_ns).unwrap();
        };
        seal(-1, 5);
        seal(2_000_000_000, 0);
        seal(1_999_999_999, 7);
        seal(3_000_000_000, u64::MAX);
        log.finish().unwrap();
        let found = read(&path);
        assert_eq!(found.len(), 2);
        assert_eq!(found[&(2, "seal.ok".to_owned())], (2, 7));
        assert_eq!(found[&(3, "seal.ok".to_owned())].0, 1);
    }
}
