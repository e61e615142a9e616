//! Chunks: what a PNG file consists of after its signature.
//!
//! Length, type, data, CRC-32 of type and data; numbers are big-endian (PNG specification, third edition,
//! section 5).

use super::SIGNATURE;
use crate::stego::StegoError;

/// Bytes of a chunk that are not its data.
pub const OVERHEAD: usize = 12;
/// Bytes of a chunk before its data.
pub const BEFORE_DATA: usize = 8;

/// One chunk of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// Four letters.
    pub kind: [u8; 4],
    /// What it holds.
    pub data: &'a [u8],
}

/// Begins a chunk at the end of `file`; [`end`] wants the place that is returned.
pub fn begin(file: &mut Vec<u8>, kind: [u8; 4]) -> usize {
    let at = file.len();
    file.extend_from_slice(&[0; 4]);
    file.extend_from_slice(&kind);
    at
}

/// Ends the chunk that begins at `at`: its length and its checksum are known now.
pub fn end(file: &mut Vec<u8>, at: usize) {
    let length = (file.len() - at - BEFORE_DATA) as u32;
    file[at..at + 4].copy_from_slice(&length.to_be_bytes());
    let crc = crc32fast::hash(&file[at + 4..]);
    file.extend_from_slice(&crc.to_be_bytes());
}

/// Appends a chunk.
pub fn append(file: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    let at = begin(file, kind);
    file.extend_from_slice(data);
    end(file, at);
}

/// The chunk at the beginning of `bytes`, and how many bytes it takes. `at` is where that is in the file.
///
/// # Errors
/// [`StegoError::CutOff`] when the bytes end within it, [`StegoError::DamagedChunk`] when its checksum is
/// wrong.
pub fn read(bytes: &[u8], at: usize) -> Result<(Chunk<'_>, usize), StegoError> {
    let cut_off = || StegoError::CutOff { bytes: at + bytes.len() };
    let (length, rest) = bytes.split_first_chunk().ok_or_else(cut_off)?;
    let (kind, rest) = rest.split_first_chunk().ok_or_else(cut_off)?;
    let length = u32::from_be_bytes(*length) as usize;
    if rest.len() < 4 || rest.len() - 4 < length {
        return Err(cut_off());
    }
    let (data, rest) = rest.split_at(length);
    let crc = crc32fast::hash(&bytes[4..BEFORE_DATA + length]);
    if rest[..4] != crc.to_be_bytes() {
        return Err(StegoError::DamagedChunk { kind: name(*kind), at });
    }
    Ok((Chunk { kind: *kind, data }, length + OVERHEAD))
}

/// A chunk's type as text.
fn name(kind: [u8; 4]) -> String {
    kind.iter().map(|&byte| if byte.is_ascii_alphabetic() { byte as char } else { '?' }).collect()
}

/// Walks through a whole file, from its signature to its end, and looks at every checksum.
///
/// # Errors
/// Those of [`read`]; [`StegoError::Animated`]; [`StegoError::TrailingData`] when bytes follow the end.
pub fn check_all(file: &[u8]) -> Result<(), StegoError> {
    let mut at = SIGNATURE.len();
    loop {
        let (chunk, length) = read(file.get(at..).unwrap_or_default(), at)?;
        at += length;
        match &chunk.kind {
            b"acTL" => return Err(StegoError::Animated),
            b"IEND" if at < file.len() => return Err(StegoError::TrailingData { bytes: file.len() - at }),
            b"IEND" => return Ok(()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_held_still_and_read_back() {
        let mut bytes = Vec::new();
        append(&mut bytes, *b"IEND", b"");
        assert_eq!(bytes, b"\0\0\0\0IEND\xae\x42\x60\x82");
        append(&mut bytes, *b"teSt", b"data");
        let (chunk, length) = read(&bytes[12..], 12).unwrap();
        assert_eq!((chunk, length), (Chunk { kind: *b"teSt", data: b"data" }, 16));
        for end in 0..12 {
            let cut = read(&bytes[..end], 0).unwrap_err();
            assert!(matches!(cut, StegoError::CutOff { bytes } if bytes == end), "{cut}");
        }
        for at in 0..12 {
            let mut bytes = bytes[..12].to_vec();
            bytes[at] ^= 1;
            assert!(read(&bytes, 0).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_length_that_nobody_checked_is_no_length() {
        let forged = b"\xff\xff\xff\xffIDAT\0\0\0\0";
        assert!(matches!(read(forged, 0), Err(StegoError::CutOff { .. })));
    }
}
