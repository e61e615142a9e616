//! Writing: the cover's rows with the low bits replaced, straight into a PNG file.

use super::{
    Geometry, Header, Kind, MARK, Plan, SLOT_LEN, Slot,
    geometry::{FRONT_AT, LAST_BLOCK, ZLIB_HEADER},
    read,
};
use crate::stego::{
    Cover, StegoError,
    cover::Rows,
    lsb::{self, Density},
    png::{self, adler::Part, chunk},
};

/// What is to be hidden.
#[derive(Debug, Clone, Copy)]
pub struct Payload<'a> {
    /// The version of the format that says how it is to be read.
    pub version: u8,
    /// What it is.
    pub kind: Kind,
    /// The permission block, or what stands in its place; it can be replaced later.
    pub block: &'a [u8],
    /// The body: the ciphertext.
    pub body: &'a [u8],
}

/// Hides `payload` in `cover` as `plan` says, as a PNG file in `file`, whose content before is lost, and
/// reads it back, the body into `read_back`.
///
/// # Errors
/// [`StegoError::TooLarge`] for a block beyond its slot, [`StegoError::DoesNotFit`] for a body beyond the
/// plan, [`StegoError::NotVerified`].
pub fn write(
    cover: &Cover,
    plan: &Plan,
    payload: Payload<'_>,
    read_back: &mut Vec<u8>,
    file: &mut Vec<u8>,
) -> Result<(), StegoError> {
    let Plan { geometry, density, .. } = *plan;
    let Payload { version, kind, block, body } = payload;
    let available = geometry.capacity(density);
    if body.len() as u64 > available {
        return Err(StegoError::DoesNotFit { needed: body.len() as u64, available });
    }
    let slot = Slot::bytes(1, block)?;
    file.clear();
    file.reserve(plan.file_len as usize);
    begin(file, geometry, version);

    let mut rows = cover.rows(geometry)?;
    let front = chunk::begin(file, *b"IDAT");
    file.extend_from_slice(&ZLIB_HEADER);
    for row in 0..geometry.front_rows() {
        store(file, geometry, rows.row(row));
    }
    // Its bytes change once more: the header holds the checksum of what follows.
    chunk::end(file, front);

    let mut rest = write_bands(file, geometry, density, body, &mut rows)?;
    let carrying = geometry.carrying_bands(density, body.len());
    rest = rest.then(cover.append_bands(geometry, carrying, &mut rows, file));

    let header = Header {
        version,
        kind,
        density,
        // Fits: a picture holds at most MAX_PIXELS x 3 / 2 bytes.
        body_len: body.len() as u32,
        body_crc: crc32fast::hash(body),
        rest_adler: rest.sum,
    };
    embed_front(file, geometry, &[&header.to_bytes()[..], &slot].concat(), 0)?;
    embed_front(file, geometry, &[0; SLOT_LEN], geometry.slot_rows()[1].start)?;
    let sum = seal_front(file, geometry).then(rest);
    append_tail(file, sum);
    read::verify(file, payload, read_back).map_err(|error| StegoError::NotVerified(error.to_string()))
}

/// Signature, header, and the mark.
fn begin(file: &mut Vec<u8>, geometry: Geometry, version: u8) {
    file.extend_from_slice(&png::SIGNATURE);
    chunk::append(file, *b"IHDR", &png::header_data(geometry.width(), geometry.height()));
    chunk::append(file, MARK, &[version]);
    debug_assert_eq!(file.len(), FRONT_AT);
}

/// Appends a row as it is.
fn store(file: &mut Vec<u8>, geometry: Geometry, channels: &[u8]) {
    file.extend_from_slice(&geometry.row_head());
    file.extend_from_slice(channels);
}

/// Appends the bands that carry the body; their checksum as the zlib stream counts it.
fn write_bands(
    file: &mut Vec<u8>,
    geometry: Geometry,
    density: Density,
    body: &[u8],
    rows: &mut Rows<'_>,
) -> Result<Part, StegoError> {
    let mut sum = Part::EMPTY;
    let mut pieces = body.chunks(geometry.row_bytes(density));
    for band in 0..geometry.carrying_bands(density, body.len()) {
        let chunk = chunk::begin(file, *b"IDAT");
        for row in geometry.band(band) {
            store(file, geometry, rows.row(row));
            let channels = file.len() - geometry.stride();
            lsb::embed(density, &mut file[channels..], pieces.next().unwrap_or_default())?;
            // From the filter on.
            sum.extend(&file[channels - 1..]);
        }
        chunk::end(file, chunk);
    }
    Ok(sum)
}

/// Hides `bytes` in the rows of the front from `row` on.
pub(super) fn embed_front(
    file: &mut [u8],
    geometry: Geometry,
    bytes: &[u8],
    row: usize,
) -> Result<(), StegoError> {
    for (row, piece) in (row..).zip(bytes.chunks(geometry.row_bytes(Density::One))) {
        lsb::embed(Density::One, &mut file[geometry.channels_at(row)], piece)?;
    }
    Ok(())
}

/// Puts the checksum of the front's chunk right and gives its part in the checksum of the zlib stream.
/// `file` may be just the beginning of one.
pub(super) fn seal_front(file: &mut [u8], geometry: Geometry) -> Part {
    let chunk = &mut file[FRONT_AT..geometry.front_len()];
    let crc_at = chunk.len() - 4;
    let crc = crc32fast::hash(&chunk[4..crc_at]);
    chunk[crc_at..].copy_from_slice(&crc.to_be_bytes());
    front_sum(file, geometry)
}

/// The front's part in the checksum of the zlib stream.
pub(super) fn front_sum(file: &[u8], geometry: Geometry) -> Part {
    let mut sum = Part::EMPTY;
    for row in 0..geometry.front_rows() {
        let channels = geometry.channels_at(row);
        sum.extend(&file[channels.start - 1..channels.end]);
    }
    sum
}

/// Ends a file whose rows have this checksum.
pub(super) fn append_tail(file: &mut Vec<u8>, sum: Part) {
    let chunk = chunk::begin(file, *b"IDAT");
    file.extend_from_slice(&LAST_BLOCK);
    file.extend_from_slice(&sum.sum.to_be_bytes());
    chunk::end(file, chunk);
    chunk::append(file, *b"IEND", b"");
}
