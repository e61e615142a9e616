//! How much of a history there is, for `run.json`: so that a part that is missing later is missed.

use std::{
    io::{BufReader, ErrorKind, Read},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::{
    RecordError, foreign,
    history::{HEAD_LENGTH, MAX_BYTES},
};

/// What a run recorded of its operations.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HistoryCount {
    /// The whole history.
    #[serde(flatten)]
    pub whole: Counted,
    /// What each load generator recorded, in their order.
    pub parts: Vec<Counted>,
}

/// The records of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counted {
    /// How many there are; whole ones.
    pub records: u64,
    /// The BLAKE3 hash of the file, in hexadecimal digits.
    pub blake3: String,
}

impl HistoryCount {
    /// What is missing by itself: parts that are not there, or less in the whole than in its parts.
    pub fn missing(&self, generators: u32) -> Option<String> {
        let empty = self.parts.iter().position(|part| part.records == 0);
        // A stranger's numbers may be of any size.
        let parts: u128 = self.parts.iter().map(|part| u128::from(part.records)).sum();
        if self.parts.len() as u64 != u64::from(generators) {
            Some(format!("{} of {generators} load generators have left a history", self.parts.len()))
        } else if let Some(place) = empty {
            Some(format!("load generator {} has recorded nothing", place + 1))
        } else if parts != u128::from(self.whole.records) {
            Some(format!("{parts} records were made, and {} are in the history", self.whole.records))
        } else {
            None
        }
    }
}

impl Counted {
    /// Counts and hashes the history at `path`, without decoding it. One that is not there is empty.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(path: &Path) -> Result<Self, RecordError> {
        let error = |e| RecordError::io(path, e);
        let file = match foreign::open(path, MAX_BYTES) {
            Ok(file) => file,
            Err(RecordError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(e) => return Err(e),
        };
        let mut input = BufReader::with_capacity(1 << 18, file);
        let (mut hasher, mut records) = (blake3::Hasher::new(), 0);
        let mut frame = Frame { skip: HEAD_LENGTH, ..Frame::default() };
        let mut bytes = vec![0; 1 << 18];
        loop {
            let read = input.read(&mut bytes).map_err(error)?;
            if read == 0 {
                break;
            }
            hasher.update(&bytes[..read]);
            records += frame.take(&bytes[..read]);
        }
        Ok(Self { records, blake3: hasher.finalize().to_hex().to_string() })
    }
}

/// Where in a file of records one is.
#[derive(Default)]
struct Frame {
    /// So many bytes until the next length.
    skip: usize,
    /// The record that these belong to is one.
    inside: bool,
    length: [u8; 4],
    known: usize,
}

impl Frame {
    /// Goes on by so many bytes, and counts the records that end in them.
    fn take(&mut self, mut bytes: &[u8]) -> u64 {
        let mut ended = 0;
        loop {
            let skipped = self.skip.min(bytes.len());
            bytes = &bytes[skipped..];
            self.skip -= skipped;
            if self.skip > 0 {
                return ended;
            }
            if self.inside {
                (self.inside, ended) = (false, ended + 1);
            }
            let Some((&first, rest)) = bytes.split_first() else { return ended };
            bytes = rest;
            self.length[self.known] = first;
            self.known += 1;
            if self.known == self.length.len() {
                self.skip = u32::from_be_bytes(self.length) as usize;
                (self.inside, self.known) = (true, 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        record::{HistoryReader, HistoryWriter, Record},
        scenario::OperationKind,
    };

    fn write(path: &Path, count: u64) {
        let mut writer = HistoryWriter::create(path).unwrap();
        for op in 0..count {
            writer.append(&Record::Shed { op, due_ns: op as i64, kind: OperationKind::View }).unwrap();
        }
        writer.finish().unwrap();
    }

    #[test]
    fn numbers_of_any_size_are_added() {
        let counted = |records| Counted { records, blake3: String::new() };
        let count = HistoryCount { whole: counted(0), parts: vec![counted(u64::MAX), counted(2)] };
        assert!(count.missing(2).unwrap().contains("18446744073709551617 records"));
    }

    #[test]
    fn records_are_counted_as_the_reader_reads_them_wherever_the_file_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.bin");
        write(&path, 5);
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(Counted::of(&path).unwrap().records, 5);
        assert_eq!(Counted::of(&path).unwrap().blake3, blake3::hash(&whole).to_hex().to_string());
        for length in HEAD_LENGTH..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let read = HistoryReader::open(&path).unwrap().map(Result::unwrap).count() as u64;
            assert_eq!(Counted::of(&path).unwrap().records, read, "{length} bytes");
        }
    }

    #[test]
    fn pieces_of_any_size_are_counted_alike() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.bin");
        write(&path, 7);
        let whole = std::fs::read(&path).unwrap();
        for size in 1..20 {
            let mut frame = Frame { skip: HEAD_LENGTH, ..Frame::default() };
            let counted: u64 = whole.chunks(size).map(|piece| frame.take(piece)).sum();
            assert_eq!(counted, 7, "in pieces of {size}");
        }
    }

    #[test]
    fn a_generator_that_left_nothing_and_a_record_that_is_gone_are_missed() {
        let of = |records| Counted { records, ..Counted::default() };
        let tally = |whole, parts: &[u64]| HistoryCount {
            whole: of(whole),
            parts: parts.iter().copied().map(of).collect(),
        };
        assert_eq!(tally(10, &[4, 6]).missing(2), None);
        assert!(tally(4, &[4]).missing(2).unwrap().contains("1 of 2"));
        assert!(tally(4, &[4, 0]).missing(2).unwrap().contains("load generator 2"));
        assert!(tally(9, &[4, 6]).missing(2).unwrap().contains("10 records were made, and 9"));
    }
}
