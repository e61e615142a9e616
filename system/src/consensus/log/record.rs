//! The bytes of the log: what a segment begins with, the batches in it, the records in these. Pure.
//!
//! ```text
//! segment  head, batch, batch, ..., zeros up to the length of the file
//! head     "VEILLOG", format (1), number (8), length of the file (8), CRC-32 of these (4), zeros (4)
//! batch    sequence number (8), length of the records (4), CRC-32 of these (4), records, 0xff, zeros up to a multiple of 16
//! record   CRC-32 of what follows (4), length of the body (4), kind (1), body
//! ```
//!
//! Numbers are little-endian. A batch is what was written and synced at once. It is begun when the one before it is
//! durable, so whatever follows a batch that cannot be read proves that it could be read once.
//!
//! The records of a batch are [scrambled](scramble): a sector of it that holds nothing but zeros was not written, whatever
//! was to be in it. That is what tells a batch that the power cut short from one that was there and is damaged.

use crate::{
    consensus::types::{DiskId, LogId, Vote},
    wire::codec::{self, CodecError},
};

/// The version of all of this.
pub(super) const FORMAT: u8 = 7;
/// The length of a segment's head, bytes.
pub(super) const HEAD: usize = 32;
const MAGIC: &[u8; 7] = b"VEILLOG";
/// Where batches begin: nothing of 16 bytes there lies in two sectors, so it is written as a whole or not at all.
const ALIGN: usize = 16;
const BATCH_HEAD: usize = 16;
const RECORD_HEAD: usize = 9;
/// Ends a batch. A batch that was written as a whole does not end in a zero, with one bit flipped neither.
const END: u8 = 0xff;
/// What a disk writes at once or not at all, bytes; some write more.
const SECTOR: usize = 512;
/// What has to be left behind a batch: its end, and a batch of one record that says that the log goes on elsewhere.
pub(super) const RESERVE: usize = ALIGN + BATCH_HEAD + ALIGN;

/// A segment that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Something else is where the head of a segment should be.
    #[error("segment {segment} of the log does not begin as one")]
    Head {
        /// Which.
        segment: u64,
    },
    /// Another version has written it.
    #[error("segment {segment} of the log is of format {found}, this program reads {FORMAT}")]
    Format {
        /// Which.
        segment: u64,
        /// Its format.
        found: u8,
    },
    /// It was cut, or has grown.
    #[error("segment {segment} of the log has {found} bytes and was made with {made}")]
    Length {
        /// Which.
        segment: u64,
        /// Bytes there are.
        found: u64,
        /// Bytes there were.
        made: u64,
    },
    /// A batch does not agree with its checksums.
    #[error(
        "segment {segment} of the log does not hold what was written at byte {at}: a checksum does not fit"
    )]
    Content {
        /// Which.
        segment: u64,
        /// Where.
        at: usize,
    },
    /// A record that fits its checksum, and makes no sense.
    #[error("segment {segment} of the log holds at byte {at} what nobody should have written: {reason}")]
    Sense {
        /// Which.
        segment: u64,
        /// Where.
        at: usize,
        /// Why.
        reason: String,
    },
    /// The log goes on elsewhere, and there is nothing.
    #[error("segment {segment} of the log is missing")]
    Missing {
        /// Which.
        segment: u64,
    },
    /// Entries are missing.
    #[error("the log has a gap before entry {index}")]
    Gap {
        /// The first entry that is there.
        index: u64,
    },
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut number = [0; N];
    number.copy_from_slice(&bytes[at..at + N]);
    number
}

/// The head of a segment of `length` bytes.
pub(super) fn head(segment: u64, length: u64) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..7].copy_from_slice(MAGIC);
    head[7] = FORMAT;
    head[8..16].copy_from_slice(&segment.to_le_bytes());
    head[16..24].copy_from_slice(&length.to_le_bytes());
    let checksum = crc32fast::hash(&head[..24]);
    head[24..28].copy_from_slice(&checksum.to_le_bytes());
    head
}

/// Checks the head of a segment of `length` bytes.
pub(super) fn check_head(bytes: &[u8; HEAD], segment: u64, length: u64) -> Result<(), Damage> {
    if &bytes[..7] != MAGIC {
        return Err(Damage::Head { segment });
    }
    if bytes[7] != FORMAT {
        return Err(Damage::Format { segment, found: bytes[7] });
    }
    let made = u64::from_le_bytes(number(bytes, 16));
    if *bytes != head(segment, made) {
        return Err(Damage::Head { segment });
    }
    match made == length {
        true => Ok(()),
        false => Err(Damage::Length { segment, found: length, made }),
    }
}

/// One thing that the log holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Record<'a> {
    /// The number of the disk. A segment begins with it.
    Disk(DiskId),
    /// The vote.
    Vote(Vote),
    /// What is known to be committed.
    Committed(LogId),
    /// Entries up to this one are in the log no more.
    Purged(LogId),
    /// This is the last entry: those after it are in the log no more.
    Last(Option<u64>),
    /// An entry, encoded.
    Entry {
        /// Its index, which follows that of the last one.
        index: u64,
        /// Its bytes.
        bytes: &'a [u8],
    },
    /// The log goes on in the next segment.
    Continued,
    /// The cluster was recovered from this disk alone, which had this number before.
    Recovered(DiskId),
}

impl<'a> Record<'a> {
    fn kind(&self) -> u8 {
        match self {
            Self::Disk(_) => 1,
            Self::Vote(_) => 2,
            Self::Committed(_) => 3,
            Self::Purged(_) => 4,
            Self::Last(_) => 5,
            Self::Entry { .. } => 6,
            Self::Continued => 7,
            Self::Recovered(_) => 8,
        }
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let from = out.len();
        out.extend([0; RECORD_HEAD - 1]);
        out.push(self.kind());
        match self {
            Self::Disk(disk) | Self::Recovered(disk) => codec::encode_into(disk, out)?,
            Self::Vote(vote) => codec::encode_into(vote, out)?,
            Self::Committed(log_id) | Self::Purged(log_id) => codec::encode_into(log_id, out)?,
            Self::Last(last) => codec::encode_into(last, out)?,
            Self::Entry { index, bytes } => {
                out.extend(index.to_le_bytes());
                out.extend_from_slice(bytes);
            }
            Self::Continued => {}
        }
        let length = (out.len() - from - RECORD_HEAD) as u32;
        out[from + 4..from + 8].copy_from_slice(&length.to_le_bytes());
        let checksum = crc32fast::hash(&out[from + 4..]);
        out[from..from + 4].copy_from_slice(&checksum.to_le_bytes());
        Ok(())
    }

    fn read(kind: u8, body: &'a [u8]) -> Result<Self, String> {
        fn decode<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, String> {
            codec::decode(body).map_err(|error| error.to_string())
        }
        Ok(match kind {
            1 => Self::Disk(decode(body)?),
            2 => Self::Vote(decode(body)?),
            3 => Self::Committed(decode(body)?),
            4 => Self::Purged(decode(body)?),
            5 => Self::Last(decode(body)?),
            6 if body.len() >= 8 => {
                Self::Entry { index: u64::from_le_bytes(number(body, 0)), bytes: &body[8..] }
            }
            7 if body.is_empty() => Self::Continued,
            8 => Self::Recovered(decode(body)?),
            _ => return Err(format!("a record of kind {kind} and {} bytes", body.len())),
        })
    }
}

/// Where a record is in its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// Where it begins.
    pub at: u32,
    /// How many bytes it has.
    pub length: u32,
}

/// Splits a record off the beginning of `bytes`, if one is there: its length, kind and body.
fn split(bytes: &[u8]) -> Option<(usize, u8, &[u8])> {
    let head = bytes.get(..RECORD_HEAD)?;
    let length = RECORD_HEAD + u32::from_le_bytes(number(head, 4)) as usize;
    let record = bytes.get(..length)?;
    let fits = crc32fast::hash(&record[4..]) == u32::from_le_bytes(number(head, 0));
    fits.then_some((length, head[8], &record[RECORD_HEAD..]))
}

/// Scrambles bytes of a segment that begin at byte `at` of it, or makes them readable again.
///
/// The pattern depends on the place alone. It is no cipher: it sees to it that no sector of what is written, however even,
/// is zeros, nor one bit away from zeros, and that nothing that somebody has put into an entry looks like a batch.
fn scramble(bytes: &mut [u8], segment: u64, at: u64) {
    let (mut word, mut skip) = (at / 8, at as usize % 8);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at_mut(rest.len().min(8 - skip));
        let pattern = mix((segment << 32) ^ word).to_le_bytes();
        piece.iter_mut().zip(&pattern[skip..]).for_each(|(byte, pattern)| *byte ^= pattern);
        (rest, word, skip) = (after, word + 1, 0);
    }
}

/// SplitMix64: numbers that are close to one another become numbers that are not.
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Reads the one entry that `bytes`, from byte `at` of a segment, should be, and makes them readable.
pub(super) fn entry(bytes: &mut [u8], segment: u64, at: usize) -> Result<(u64, &[u8]), Damage> {
    scramble(bytes, segment, at as u64);
    let bytes = &*bytes;
    let whole = split(bytes).filter(|(length, ..)| *length == bytes.len());
    let (_, kind, body) = whole.ok_or(Damage::Content { segment, at })?;
    match Record::read(kind, body) {
        Ok(Record::Entry { index, bytes }) => Ok((index, bytes)),
        Ok(other) => Err(Damage::Sense { segment, at, reason: format!("{other:?} in place of an entry") }),
        Err(reason) => Err(Damage::Sense { segment, at, reason }),
    }
}

/// Encodes a batch.
#[derive(Debug, Default)]
pub(super) struct BatchWriter {
    bytes: Vec<u8>,
}

impl BatchWriter {
    /// Whether no record is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How many bytes it has so far.
    pub(super) fn len(&self) -> usize {
        self.bytes.len().max(BATCH_HEAD)
    }

    /// Adds a record; where it is, seen from the beginning of the batch.
    pub(super) fn push(&mut self, record: &Record<'_>) -> Result<Span, CodecError> {
        if self.bytes.is_empty() {
            self.bytes.extend([0; BATCH_HEAD]);
        }
        let at = self.bytes.len();
        record.write(&mut self.bytes)?;
        Ok(Span { at: at as u32, length: (self.bytes.len() - at) as u32 })
    }

    /// Takes out the record that was added last.
    pub(super) fn pop(&mut self, last: Span) {
        self.bytes.truncate(last.at as usize);
        if self.bytes.len() == BATCH_HEAD {
            self.bytes.clear();
        }
    }

    /// Completes the batch, which begins at byte `at` of a segment.
    pub(super) fn finish(&mut self, sequence: u64, segment: u64, at: u64) -> &[u8] {
        let length = (self.bytes.len() - BATCH_HEAD) as u32;
        self.bytes[..BATCH_HEAD].copy_from_slice(&batch_head(sequence, length));
        scramble(&mut self.bytes[BATCH_HEAD..], segment, at + BATCH_HEAD as u64);
        self.bytes.push(END);
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGN), 0);
        &self.bytes
    }

    /// Begins another one.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }
}

fn batch_head(sequence: u64, length: u32) -> [u8; BATCH_HEAD] {
    let mut head = [0; BATCH_HEAD];
    head[..8].copy_from_slice(&sequence.to_le_bytes());
    head[8..12].copy_from_slice(&length.to_le_bytes());
    let checksum = crc32fast::hash(&head[..12]);
    head[12..].copy_from_slice(&checksum.to_le_bytes());
    head
}

/// Sequence number and length of the records, if this is the head of a batch.
fn read_batch_head(head: &[u8]) -> Option<(u64, u32)> {
    let (sequence, length) = (u64::from_le_bytes(number(head, 0)), u32::from_le_bytes(number(head, 8)));
    (head == batch_head(sequence, length)).then_some((sequence, length))
}

/// A batch that was written as a whole.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    /// Where it begins in the segment.
    pub at: usize,
    /// Its number in the log.
    pub sequence: u64,
    pub records: Vec<(Span, Record<'a>)>,
}

/// What comes next in a segment.
#[derive(Debug)]
pub(super) enum Next<'a> {
    Batch(Batch<'a>),
    /// Nothing.
    End,
    /// What was being written when the power failed: nobody was told that it is safe.
    Torn,
}

/// Reads the batches of a segment, one after the other.
#[derive(Debug)]
pub(super) struct BatchReader<'a> {
    segment: u64,
    bytes: &'a [u8],
    at: usize,
    /// The number of the next batch, if it is known.
    sequence: Option<u64>,
    /// The records of the batch that was read last, unscrambled.
    records: Vec<u8>,
}

impl<'a> BatchReader<'a> {
    /// Reads a whole segment, head and all, whose first batch has this number, if it is known.
    pub(super) fn new(segment: u64, bytes: &'a [u8], sequence: Option<u64>) -> Self {
        Self { segment, bytes, at: HEAD, sequence, records: Vec::new() }
    }

    /// Where the last batch read ends.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The next batch. After anything else there is nothing more to read.
    ///
    /// Torn is only what nothing was written after, and of which a sector is missing, or the end. All else that does not
    /// fit its checksum was there as a whole and is damaged.
    pub(super) fn next(&mut self) -> Result<Next<'_>, Damage> {
        let (segment, at) = (self.segment, self.at);
        let damaged = Err(Damage::Content { segment, at });
        let rest = &self.bytes[at..];
        let Some(head) = rest.get(..BATCH_HEAD) else {
            return Ok(Next::End);
        };
        let Some((sequence, length)) = read_batch_head(head) else {
            let Some(last) = rest.iter().rposition(|byte| *byte != 0) else { return Ok(Next::End) };
            let torn = match head.iter().all(|byte| *byte == 0) {
                // Its first sector was not written, others were.
                true => !self.goes_on(at + BATCH_HEAD),
                false => last < BATCH_HEAD,
            };
            return if torn { Ok(Next::Torn) } else { damaged };
        };
        let end = BATCH_HEAD + length as usize;
        let expected = self.sequence.is_none_or(|expected| expected == sequence);
        if !expected || end >= rest.len() {
            return damaged;
        }
        let after = (end + 1).next_multiple_of(ALIGN).min(rest.len());
        let whole = rest[end] == END && rest[end + 1..after].iter().all(|byte| *byte == 0);
        self.records.clear();
        self.records.extend_from_slice(&rest[BATCH_HEAD..end]);
        scramble(&mut self.records, segment, (at + BATCH_HEAD) as u64);
        match if whole { records(&self.records) } else { None } {
            Some(split) => {
                let mut records = Vec::with_capacity(split.len());
                for Raw { from, length, kind, body } in split {
                    let at = at + BATCH_HEAD + from;
                    let sense = |reason| Damage::Sense { segment, at, reason };
                    let span = Span { at: at as u32, length: length as u32 };
                    records.push((span, Record::read(kind, body).map_err(sense)?));
                }
                self.at = at + after;
                self.sequence = Some(sequence + 1);
                Ok(Next::Batch(Batch { at, sequence, records }))
            }
            None => {
                let last = rest[after..].iter().all(|byte| *byte == 0);
                let torn = last && (rest[end] == 0 || self.has_hole(at, at + end + 1));
                if torn { Ok(Next::Torn) } else { damaged }
            }
        }
    }

    /// Whether a later batch begins after `from`.
    fn goes_on(&self, from: usize) -> bool {
        let mut heads = self.bytes[from..].chunks_exact(ALIGN).filter_map(read_batch_head);
        heads.any(|(sequence, _)| self.sequence.is_none_or(|expected| sequence > expected))
    }

    /// Whether a sector's part of these bytes, which are a batch with its end mark, holds nothing but zeros: it was not
    /// written. Each part of a batch that was has the head, the end mark, or scrambled bytes of a whole sector.
    fn has_hole(&self, mut from: usize, until: usize) -> bool {
        while from < until {
            let next = ((from / SECTOR + 1) * SECTOR).min(until);
            if self.bytes[from..next].iter().all(|byte| *byte == 0) {
                return true;
            }
            from = next;
        }
        false
    }
}

/// A record as it lies in a batch.
struct Raw<'a> {
    /// Where it begins.
    from: usize,
    length: usize,
    kind: u8,
    body: &'a [u8],
}

/// All records, if they fit their checksums and nothing is left over.
fn records(bytes: &[u8]) -> Option<Vec<Raw<'_>>> {
    let (mut from, mut records) = (0, Vec::new());
    while from < bytes.len() {
        let (length, kind, body) = split(&bytes[from..])?;
        records.push(Raw { from, length, kind, body });
        from += length;
    }
    Some(records)
}

#[cfg(test)]
mod tests;
