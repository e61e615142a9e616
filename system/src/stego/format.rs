//! What kind of picture a file is, and whether all of it is there: told from its structure, nothing is decoded.

use super::png;

/// A format that is supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
}

impl Format {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
        }
    }
}

/// Why a file is no picture that is supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// It begins like nothing that is known.
    #[error("neither a PNG nor a JPEG file")]
    Unknown,
    /// It is whole, as far as can be told, and of a kind that is not supported.
    #[error("{kind}, which is not supported: expected a PNG or JPEG file")]
    Unsupported {
        /// Which, with an article.
        kind: &'static str,
    },
    /// It ends before its end.
    #[error("cut off: its {bytes} bytes end before the {} does", format.name())]
    CutOff {
        /// What it is.
        format: Format,
        /// How long it is.
        bytes: usize,
    },
}

/// Tells what a file is. Whatever follows the end of the picture is not looked at: cameras append data of their own.
///
/// # Errors
/// [`FormatError`]. A file whose structure is damaged is left to whoever decodes it.
pub fn recognise(file: &[u8]) -> Result<Format, FormatError> {
    if file.starts_with(&png::SIGNATURE) {
        check_png(file)?;
        return Ok(Format::Png);
    }
    if file.starts_with(&png::JPEG) {
        check_jpeg(file)?;
        return Ok(Format::Jpeg);
    }
    match others(file) {
        Some(kind) => Err(FormatError::Unsupported { kind }),
        None => Err(FormatError::Unknown),
    }
}

/// Walks from chunk to chunk up to the last.
fn check_png(file: &[u8]) -> Result<(), FormatError> {
    let cut_off = FormatError::CutOff { format: Format::Png, bytes: file.len() };
    let mut rest = file.get(png::SIGNATURE.len()..).unwrap_or_default();
    loop {
        let (length, after) = rest.split_first_chunk::<4>().ok_or(cut_off)?;
        let length = u32::from_be_bytes(*length) as usize;
        match after.get(..4).ok_or(cut_off)? {
            b"CgBI" => return Err(FormatError::Unsupported { kind: "a PNG of Apple's own kind (CgBI)" }),
            b"IEND" => return rest.get(..png::chunk::OVERHEAD).map(drop).ok_or(cut_off),
            _ => {}
        }
        let next = length.checked_add(png::chunk::OVERHEAD);
        rest = next.and_then(|next| rest.get(next..)).ok_or(cut_off)?;
    }
}

/// Walks through the segments up to the first scan, and looks for the end of the picture behind it.
fn check_jpeg(file: &[u8]) -> Result<(), FormatError> {
    let cut_off = FormatError::CutOff { format: Format::Jpeg, bytes: file.len() };
    let mut at = 2;
    loop {
        match file.get(at..at + 2).ok_or(cut_off)? {
            // Filled up.
            [0xff, 0xff] => {
                at += 1;
                continue;
            }
            // Without a length.
            [0xff, 0x01 | 0xd0..=0xd7] => {
                at += 2;
                continue;
            }
            [0xff, 0xda] => break,
            [0xff, marker] => {
                let precision = file.get(at + 4).copied();
                if let Some(kind) = jpeg_kind(*marker, precision) {
                    return Err(FormatError::Unsupported { kind });
                }
            }
            // It is damaged: whoever decodes it says how.
            _ => return Ok(()),
        }
        let length = file.get(at + 2..at + 4).ok_or(cut_off)?;
        at += 2 + usize::from(u16::from_be_bytes([length[0], length[1]]));
    }
    // No two bytes within a scan look like the end: an ff in it is followed by a zero. Most files end with it.
    let scan = file.get(at..).unwrap_or_default();
    match scan.windows(2).rev().any(|pair| pair == [0xff, 0xd9]) {
        true => Ok(()),
        false => Err(cut_off),
    }
}

/// Which kind of JPEG a marker begins that is not supported, if it does. The sample's precision follows the length.
fn jpeg_kind(marker: u8, precision: Option<u8>) -> Option<&'static str> {
    Some(match marker {
        0xc0..=0xc2 if precision == Some(12) => "a JPEG of 12 bits a channel",
        0xc3 | 0xcb => "a lossless JPEG",
        0xc5..=0xc7 | 0xcd..=0xcf | 0xde => "a hierarchical JPEG",
        // The second is the table that such a picture begins with.
        0xc9 | 0xca | 0xcc => "an arithmetic-coded JPEG",
        0xf7 => "a JPEG-LS",
        _ => return None,
    })
}

/// Other kinds of files, by how they begin.
fn others(file: &[u8]) -> Option<&'static str> {
    const BEGINNINGS: [(&[u8], &str); 16] = [
        (b"GIF87a", "a GIF"),
        (b"GIF89a", "a GIF"),
        (b"II*\0", "a TIFF or a camera's raw picture"),
        (b"MM\0*", "a TIFF or a camera's raw picture"),
        (b"II+\0", "a TIFF"),
        (b"MM\0+", "a TIFF"),
        (b"\xff\x0a", "a JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000"),
        (b"\xff\x4f\xff\x51", "a JPEG 2000"),
        (b"\x8aMNG\r\n\x1a\n", "an MNG"),
        (b"8BPS", "a Photoshop file"),
        (b"%PDF-", "a PDF"),
        (b"<svg", "an SVG"),
        (b"\0\0\x01\0", "an icon"),
        (b"qoif", "a QOI"),
    ];
    if let Some((_, kind)) = BEGINNINGS.iter().find(|(beginning, _)| file.starts_with(beginning)) {
        return Some(kind);
    }
    let at = |range: std::ops::Range<usize>| file.get(range).unwrap_or_default();
    if at(0..4) == b"RIFF" && at(8..12) == b"WEBP" {
        return Some("a WebP");
    }
    if at(0..2) == b"BM" && at(6..10) == [0; 4] {
        return Some("a BMP");
    }
    if at(4..8) != b"ftyp" {
        return None;
    }
    // The brand of the file, and after a version those that it agrees with.
    let length = file.first_chunk().map_or(0, |length| u32::from_be_bytes(*length) as usize);
    let brands = at(8..length.clamp(12, 64).min(file.len()).max(8)).as_chunks::<4>().0;
    let any = |known: &[&[u8; 4]]| brands.iter().any(|brand| known.contains(&brand));
    Some(match () {
        () if any(&[b"avif", b"avis"]) => "an AVIF",
        () if any(&[b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"]) => "a HEIC",
        () => "a video",
    })
}

#[cfg(test)]
mod tests;
