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

use super::{
    RecordError,
    latency::{DIGITS, MAX_LATENCY_NS},
};
use crate::scenario::{OperationKind, OutcomeKind};

/// No histogram of a run is larger: it has 34,000 counters at most, of up to five bytes.
const MAX_UNPACKED: usize = 1 << 18;
/// Nor is one that is compressed and written in letters.
const MAX_CODED: usize = 1 << 19;
/// What stands before a compressed histogram: what it is, and its length.
const COMPRESSED_HEAD: usize = 8;
/// What stands before the counters: what it is, their length, an offset, digits, bounds, and a ratio.
const HEAD: usize = 40;

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
        let (kind, outcome) = kind.zip(outcome).ok_or_else(unknown)?;
        let bytes = unpack(line.encoded_histogram()).map_err(malformed)?;
        Ok(LatencyLine {
            interval: line.start_timestamp().as_secs(),
            kind,
            outcome,
            histogram: (self.deserializer.deserialize(&mut &bytes[..]))
                .map_err(|e| malformed(e.to_string()))?,
        })
    }
}

/// A histogram as it is before it is compressed, if it is of the kind that logs hold: what it says of its size and its
/// bounds is memory that its reader would take.
fn unpack(coded: &str) -> Result<Vec<u8>, String> {
    if coded.len() > MAX_CODED {
        return Err(format!("a histogram of {} characters, the limit is {MAX_CODED}", coded.len()));
    }
    let bytes = STANDARD.decode(coded).map_err(|e| e.to_string())?;
    let compressed = bytes.get(COMPRESSED_HEAD..).ok_or("a histogram without a head")?;
    let unpacked = fdeflate::decompress_to_vec_bounded(compressed, MAX_UNPACKED)
        .map_err(|_| format!("a histogram that cannot be unpacked into {MAX_UNPACKED} bytes"))?;
    let number = |at: std::ops::Range<usize>| {
        let digits = unpacked.get(at).unwrap_or_default();
        digits.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte))
    };
    let (length, digits, low, high) = (number(4..8), number(12..16), number(16..24), number(24..32));
    if (digits, low, high) != (u64::from(DIGITS), 1, MAX_LATENCY_NS) {
        return Err(format!("a histogram of {low} to {high} with {digits} digits, which is none of a run"));
    }
    if length > (unpacked.len() - HEAD.min(unpacked.len())) as u64 {
        return Err(format!("a histogram that says it has {length} bytes, and has {}", unpacked.len()));
    }
    Ok(unpacked)
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

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::{Serializer as _, V2DeflateSerializer};

    use super::*;

    fn coded<T: hdrhistogram::Counter>(histogram: &Histogram<T>) -> String {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(histogram, &mut bytes).unwrap();
        STANDARD.encode(bytes)
    }

    #[test]
    fn what_a_log_holds_is_unpacked() {
        let mut full = Histogram::<u32>::new_with_bounds(1, MAX_LATENCY_NS, DIGITS).unwrap();
        assert!(unpack(&coded(&full)).is_ok());
        // Every counter there is, each as large as can be.
        let mut value = 1;
        while value < MAX_LATENCY_NS {
            full.record_n(value, u32::MAX).unwrap();
            value = full.highest_equivalent(value) + 1;
        }
        let unpacked = unpack(&coded(&full)).unwrap();
        let read: Histogram<u32> = Deserializer::new().deserialize(&mut &unpacked[..]).unwrap();
        assert_eq!(read, full);
    }

    #[test]
    fn nothing_is_allocated_because_a_histogram_says_so() {
        let of = |low, high, digits| coded(&Histogram::<u64>::new_with_bounds(low, high, digits).unwrap());
        for (line, wrong) in [
            (of(1, u64::MAX, 5), "with 5 digits"),
            (of(1, 1 << 50, 3), "of 1 to"),
            (of(2, MAX_LATENCY_NS, 3), "of 2 to"),
            ("A".repeat(MAX_CODED + 1), "the limit is"),
            ("AAAA".to_owned(), "without a head"),
        ] {
            let error = unpack(&line).unwrap_err();
            assert!(error.contains(wrong), "{error}");
        }
        // Four gigabytes of counters, in a head that is a few bytes long.
        let mut head = vec![0x1c, 0x84, 0x93, 0x03, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, DIGITS];
        head.extend(1u64.to_be_bytes());
        head.extend(MAX_LATENCY_NS.to_be_bytes());
        head.extend(1f64.to_be_bytes());
        let mut bytes = vec![0; COMPRESSED_HEAD];
        bytes.extend(fdeflate::compress_to_vec(&head));
        let error = unpack(&STANDARD.encode(bytes)).unwrap_err();
        assert!(error.contains("says it has 4294967295 bytes"), "{error}");
    }
}
