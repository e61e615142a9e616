//! `history.bin`: every invocation and completion, in the order in which they were observed.
//!
//! The file begins with `VEILHIST` and a version byte; then records follow, each a 4-byte
//! big-endian length and its bincode. A file that ends inside a record was cut off by a crash: its
//! whole records are still good.

use std::{
    fs::File,
    io::{BufReader, BufWriter, ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use veil::{directory::ImageId, wire::codec};

use super::{Bounds, Counted, RecordError, bounds::MAX_RECORDS, foreign};
use crate::scenario::{OperationKind, OutcomeKind};

const MAGIC: &[u8; 8] = b"VEILHIST";
/// How long the head is: these and the version.
pub(super) const HEAD_LENGTH: usize = MAGIC.len() + 1;
const VERSION: u8 = 1;
/// No record is larger; a longer length is damage.
const MAX_RECORD: usize = 1 << 20;
/// No history is larger, bytes: a load has at most 5e7 operations.
pub(super) const MAX_BYTES: u64 = 16 << 30;

/// One line of the history. Times are nanoseconds since the first stage began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Record {
    /// An operation was sent.
    Invoke {
        /// Numbers operations from 0; shared by both records of one operation.
        op: u64,
        /// When it was due. Latency counts from here.
        due_ns: i64,
        /// When it was really sent.
        at_ns: i64,
        /// What was asked.
        call: Call,
    },
    /// An operation ended.
    Complete {
        /// The operation.
        op: u64,
        /// When.
        at_ns: i64,
        /// How.
        outcome: Outcome,
    },
    /// An operation was due and not sent, because too many were outstanding.
    Shed {
        /// The operation.
        op: u64,
        /// When it was due.
        due_ns: i64,
        /// What it would have been.
        kind: OperationKind,
    },
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Call {
    /// A user registers.
    Register {
        /// The new user.
        user: String,
    },
    /// An owner seals a photo.
    Seal {
        /// The owner.
        owner: String,
        /// Viewers and the views each is given.
        grants: Vec<(String, u32)>,
        /// BLAKE3 of the original.
        digest: [u8; 32],
    },
    /// A user lists the images open to them.
    Discover {
        /// The user.
        user: String,
    },
    /// A viewer opens an image.
    View {
        /// The viewer.
        viewer: String,
        /// The image.
        image: ImageId,
    },
    /// An owner sets the views that a viewer has left.
    Grant {
        /// The owner.
        owner: String,
        /// The image.
        image: ImageId,
        /// The viewer.
        viewer: String,
        /// Views left from now on.
        views: u32,
    },
}

impl Record {
    /// When it was observed; a shed operation when it was due.
    pub fn at_ns(&self) -> i64 {
        match self {
            Self::Invoke { at_ns, .. } | Self::Complete { at_ns, .. } => *at_ns,
            Self::Shed { due_ns, .. } => *due_ns,
        }
    }

    /// Whether its times can be.
    fn check(&self, bounds: Bounds<'_>) -> Result<(), RecordError> {
        match self {
            Self::Invoke { due_ns, at_ns, .. } => {
                bounds.time_ns("due_ns", *due_ns)?;
                bounds.time_ns("at_ns", *at_ns)
            }
            Self::Complete { at_ns, .. } => bounds.time_ns("at_ns", *at_ns),
            Self::Shed { due_ns, .. } => bounds.time_ns("due_ns", *due_ns),
        }
    }

    /// The operation that it tells of.
    pub fn op(&self) -> u64 {
        match self {
            Self::Invoke { op, .. } | Self::Complete { op, .. } | Self::Shed { op, .. } => *op,
        }
    }
}

impl Call {
    /// Which kind of operation this is.
    pub fn kind(&self) -> OperationKind {
        match self {
            Self::Register { .. } => OperationKind::Register,
            Self::Seal { .. } => OperationKind::Seal,
            Self::Discover { .. } => OperationKind::Discover,
            Self::View { .. } => OperationKind::View,
            Self::Grant { .. } => OperationKind::Grant,
        }
    }
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Answered.
    Ok(Reply),
    /// Certainly without effect; why.
    Failed(String),
    /// No answer in time, it may have happened; why.
    Unknown(String),
}

impl Outcome {
    /// The outcome without its details.
    pub fn kind(&self) -> OutcomeKind {
        match self {
            Self::Ok(_) => OutcomeKind::Ok,
            Self::Failed(_) => OutcomeKind::Failed,
            Self::Unknown(_) => OutcomeKind::Unknown,
        }
    }
}

/// The answer to a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The user exists.
    Registered,
    /// The image is recorded.
    Sealed {
        /// Its id.
        image: ImageId,
        /// Whether the file that came back is one of this image; `None` where this was not sampled.
        intact: Option<bool>,
    },
    /// The listing.
    Listed {
        /// How many images it named.
        images: u32,
    },
    /// The key was released: one view is gone.
    Viewed {
        /// Views left after this one.
        views_left: u32,
        /// Whether the opened bytes equal the sealed ones; `None` where this was not sampled.
        intact: Option<bool>,
    },
    /// The quota is used up: the cover is shown.
    Refused,
    /// The grant was set.
    Granted {
        /// Views left now.
        views_left: u32,
    },
}

/// Writes a history.
#[derive(Debug)]
pub struct HistoryWriter {
    path: PathBuf,
    out: BufWriter<Hashed>,
    /// How many records it has.
    records: u64,
}

/// A file, and the hash of what was written into it. It is taken of what was to be written, not of what the disk gives
/// back.
#[derive(Debug)]
struct Hashed {
    file: File,
    hasher: blake3::Hasher,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl HistoryWriter {
    /// Creates the file at `path`, or empties it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(path: &Path) -> Result<Self, RecordError> {
        let write = || -> std::io::Result<BufWriter<Hashed>> {
            let hashed = Hashed { file: File::create(path)?, hasher: blake3::Hasher::new() };
            let mut out = BufWriter::with_capacity(1 << 18, hashed);
            out.write_all(MAGIC)?;
            out.write_all(&[VERSION])?;
            // Whoever writes this may be killed at any time: what is left is a history all the same.
            out.flush()?;
            Ok(out)
        };
        let out = write().map_err(|e| RecordError::io(path, e))?;
        Ok(Self { path: path.to_owned(), out, records: 0 })
    }

    /// Appends one record.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn append(&mut self, record: &Record) -> Result<(), RecordError> {
        let bytes = codec::encode(record).map_err(|e| RecordError::malformed(&self.path, e))?;
        // What could not be read again must not be written.
        check_length(&self.path, bytes.len())?;
        self.out
            .write_all(&(bytes.len() as u32).to_be_bytes())
            .and_then(|()| self.out.write_all(&bytes))
            .map_err(|e| RecordError::io(&self.path, e))?;
        self.records += 1;
        Ok(())
    }

    /// Writes out what is buffered, and gives how much was written in all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(mut self) -> Result<Counted, RecordError> {
        self.out.flush().map_err(|e| RecordError::io(&self.path, e))?;
        let blake3 = self.out.get_ref().hasher.finalize().to_hex().to_string();
        Ok(Counted { records: self.records, blake3 })
    }
}

fn check_length(path: &Path, length: usize) -> Result<(), RecordError> {
    match length <= MAX_RECORD {
        true => Ok(()),
        false => {
            let reason = format!("a record of {length} bytes, the limit is {MAX_RECORD}");
            Err(RecordError::malformed(path, reason))
        }
    }
}

/// Reads a history, record by record.
#[derive(Debug)]
pub struct HistoryReader {
    path: PathBuf,
    input: BufReader<File>,
    /// How many records were read.
    records: u64,
}

impl HistoryReader {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read, is not a history, is of another version, or is larger than any.
    pub fn open(path: &Path) -> Result<Self, RecordError> {
        let mut input = BufReader::with_capacity(1 << 18, foreign::open(path, MAX_BYTES)?);
        let mut head = [0; HEAD_LENGTH];
        input.read_exact(&mut head).map_err(|e| RecordError::io(path, e))?;
        if &head[..8] != MAGIC {
            return Err(RecordError::malformed(path, "not a history: it does not begin with VEILHIST"));
        }
        if head[8] != VERSION {
            return Err(RecordError::malformed(
                path,
                format!("history version {}, this program reads {VERSION}", head[8]),
            ));
        }
        Ok(Self { path: path.to_owned(), input, records: 0 })
    }

    fn read(&mut self) -> Result<Option<Record>, RecordError> {
        let mut length = [0; 4];
        match self.input.read_exact(&mut length) {
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            other => other.map_err(|e| RecordError::io(&self.path, e))?,
        }
        let length = u32::from_be_bytes(length) as usize;
        check_length(&self.path, length)?;
        let mut bytes = vec![0; length];
        match self.input.read_exact(&mut bytes) {
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            other => other.map_err(|e| RecordError::io(&self.path, e))?,
        }
        let record: Record = codec::decode(&bytes).map_err(|e| RecordError::malformed(&self.path, e))?;
        self.records += 1;
        Bounds::of(&self.path).most("number of records", self.records, MAX_RECORDS)?;
        record.check(Bounds::part(&self.path, "record", self.records))?;
        Ok(Some(record))
    }
}

impl Iterator for HistoryReader {
    type Item = Result<Record, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<Record> {
        vec![
            Record::Invoke {
                op: 0,
                due_ns: -5,
                at_ns: 3,
                call: Call::Seal { owner: "a".into(), grants: vec![("b".into(), 3)], digest: [7; 32] },
            },
            Record::Complete {
                op: 0,
                at_ns: 9,
                outcome: Outcome::Ok(Reply::Sealed { image: ImageId(5), intact: None }),
            },
            Record::Shed { op: 1, due_ns: 8, kind: OperationKind::View },
        ]
    }

    #[test]
    fn a_history_comes_back_and_a_cut_off_one_keeps_its_whole_records() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.bin");
        let mut writer = HistoryWriter::create(&path).unwrap();
        for record in sample() {
            writer.append(&record).unwrap();
        }
        writer.finish().unwrap();
        let read = |path: &Path| HistoryReader::open(path).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!(read(&path), sample());

        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(read(&path), sample()[..2]);
    }

    #[test]
    fn a_record_that_could_not_be_read_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.bin");
        let mut writer = HistoryWriter::create(&path).unwrap();
        let owned_by = |length: usize| Record::Invoke {
            op: 0,
            due_ns: 0,
            at_ns: 0,
            call: Call::Seal { owner: "a".repeat(length), grants: Vec::new(), digest: [7; 32] },
        };
        writer.append(&owned_by(MAX_RECORD - 64)).unwrap();
        assert!(writer.append(&owned_by(MAX_RECORD)).is_err());
        writer.append(&owned_by(1)).unwrap();
        writer.finish().unwrap();
        let read: Vec<_> = HistoryReader::open(&path).unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(read, [owned_by(MAX_RECORD - 64), owned_by(1)]);
    }

    #[test]
    fn golden_bytes_of_a_record() {
        let bytes = codec::encode(&sample()[1]).unwrap();
        assert_eq!(bytes, [1, 0, 18, 0, 1, 5, 0]);
    }
}
