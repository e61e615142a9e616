//! Which row carries what, and where it lies in a file that Veil wrote.
//!
//! A picture's rows fall into the **front**, which carries the header and two slots for the permission
//! block, and **bands** of [`BAND_ROWS`] rows. Each row carries whole bytes, at its beginning, so that a
//! row is read by itself. In the file, front and bands are an `IDAT` chunk each; in those that carry
//! something every row is one stored block (RFC 1951, section 3.2.4) and lies where arithmetic says.

use std::ops::Range;

use super::{header::HEADER_LEN, slot::SLOT_LEN};
use crate::stego::{MAX_PIXELS, StegoError, lsb::Density, png};

/// Rows of a band. The last band of a picture may have fewer.
pub const BAND_ROWS: usize = 8;
/// The least width of a picture that carries something, in pixels.
pub const MIN_WIDTH: u32 = 32;
/// The longest side of a picture that carries something, in pixels: a row has to fit one stored block.
pub const MAX_SIDE: u32 = 16_384;

/// Bytes of a stored block before its content.
const BLOCK_HEADER: usize = 5;
/// Bytes of a row in the file that are not its channels: those, and the filter.
pub(super) const BEFORE_CHANNELS: usize = BLOCK_HEADER + 1;
/// The beginning of a zlib stream (RFC 1950): 32 KiB window, fastest.
pub(super) const ZLIB_HEADER: [u8; 2] = [0x78, 0x01];
/// What ends the zlib stream, before its checksum: an empty stored block that is the last.
pub(super) const LAST_BLOCK: [u8; 5] = [1, 0, 0, 0xff, 0xff];
/// The length of the end of a file, in bytes: the chunk that ends the zlib stream, and `IEND`.
pub const TAIL_LEN: usize = png::chunk::OVERHEAD + LAST_BLOCK.len() + 4 + png::chunk::OVERHEAD;
/// Where the front's chunk begins: after signature, `IHDR`, and the mark.
pub(super) const FRONT_AT: usize = png::SIGNATURE.len() + 25 + png::chunk::OVERHEAD + 1;

/// The dimensions of a picture that carries something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    width: u32,
    height: u32,
}

impl Geometry {
    /// The geometry of a picture of `width` x `height` pixels.
    ///
    /// # Errors
    /// [`StegoError::BadField`] for one that is too narrow or not high enough for the front,
    /// [`StegoError::TooLarge`] beyond [`MAX_SIDE`] or [`MAX_PIXELS`].
    pub fn new(width: u32, height: u32) -> Result<Self, StegoError> {
        let limits = [
            ("picture width", u64::from(width), u64::from(MAX_SIDE)),
            ("picture height", u64::from(height), u64::from(MAX_SIDE)),
            ("picture area", u64::from(width) * u64::from(height), MAX_PIXELS),
        ];
        if let Some((field, value, limit)) = limits.into_iter().find(|(_, value, limit)| value > limit) {
            return Err(StegoError::TooLarge { field, value, limit, unit: "pixels" });
        }
        let geometry = Self { width, height };
        if width < MIN_WIDTH {
            let expected = "at least 32 pixels";
            return Err(StegoError::BadField { field: "picture width", value: width.into(), expected });
        }
        if geometry.front_rows() > height as usize {
            let expected = "enough rows for the permission block";
            return Err(StegoError::BadField { field: "picture height", value: height.into(), expected });
        }
        Ok(geometry)
    }

    /// Width in pixels.
    pub fn width(self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(self) -> u32 {
        self.height
    }

    /// Channels of a row.
    pub fn stride(self) -> usize {
        self.width as usize * 3
    }

    /// Whole bytes that a row carries.
    pub fn row_bytes(self, density: Density) -> usize {
        self.stride() / density.channels_per_byte()
    }

    /// The rows of each slot; the header lies before the first slot, in the same rows.
    pub fn slot_rows(self) -> [Range<usize>; 2] {
        let row = self.row_bytes(Density::One);
        let first = (HEADER_LEN + SLOT_LEN).div_ceil(row);
        [0..first, first..first + SLOT_LEN.div_ceil(row)]
    }

    /// How many rows the front has.
    pub fn front_rows(self) -> usize {
        self.slot_rows()[1].end
    }

    /// How many bytes of body the picture holds.
    pub fn capacity(self, density: Density) -> u64 {
        (self.height as usize - self.front_rows()) as u64 * self.row_bytes(density) as u64
    }

    /// How many bands follow the front.
    pub fn bands(self) -> usize {
        (self.height as usize - self.front_rows()).div_ceil(BAND_ROWS)
    }

    /// The rows of a band.
    pub fn band(self, band: usize) -> Range<usize> {
        let first = self.front_rows() + band * BAND_ROWS;
        first..(first + BAND_ROWS).min(self.height as usize)
    }

    /// How many bands carry a body of `len` bytes: all of them, if it is longer than the capacity.
    pub fn carrying_bands(self, density: Density, len: usize) -> usize {
        len.div_ceil(self.row_bytes(density)).div_ceil(BAND_ROWS).min(self.bands())
    }

    /// Length of a row that carries something, in the file.
    pub(super) fn row_len(self) -> usize {
        BEFORE_CHANNELS + self.stride()
    }

    /// Length of a row as the checksum of the zlib stream sees it.
    pub(super) fn filtered_len(self) -> usize {
        1 + self.stride()
    }

    /// What stands before the channels of each row that carries something: the head of a stored block
    /// that holds just this row, and the filter of PNG, none.
    pub(super) fn row_head(self) -> [u8; BEFORE_CHANNELS] {
        // At most 3 * MAX_SIDE + 1 = 49,153: fits 16 bits.
        let len = self.filtered_len() as u16;
        let [low, high] = len.to_le_bytes();
        [0, low, high, !low, !high, 0]
    }

    /// Length of the front's chunk.
    pub(super) fn front_chunk_len(self) -> usize {
        png::chunk::OVERHEAD + ZLIB_HEADER.len() + self.front_rows() * self.row_len()
    }

    /// How many bytes at the beginning of a file hold all of the front.
    pub fn front_len(self) -> usize {
        FRONT_AT + self.front_chunk_len()
    }

    /// Where the row begins in the file, counted from the file's beginning. For rows that carry something.
    pub(super) fn row_at(self, row: usize) -> usize {
        let front = self.front_rows();
        if row < front {
            return FRONT_AT + png::chunk::BEFORE_DATA + ZLIB_HEADER.len() + row * self.row_len();
        }
        let (band, row) = ((row - front) / BAND_ROWS, (row - front) % BAND_ROWS);
        let band_len = png::chunk::OVERHEAD + BAND_ROWS * self.row_len();
        self.front_len() + band * band_len + png::chunk::BEFORE_DATA + row * self.row_len()
    }

    /// What stands before the first row of a band, and where: the beginning of its chunk. `None` for other
    /// rows, and for those of the front.
    pub(super) fn band_head(self, row: usize) -> Option<(usize, [u8; png::chunk::BEFORE_DATA])> {
        let behind = row.checked_sub(self.front_rows()).filter(|behind| behind % BAND_ROWS == 0)?;
        let len = (self.band(behind / BAND_ROWS).len() * self.row_len()) as u32;
        let mut head = *b"\0\0\0\0IDAT";
        head[..4].copy_from_slice(&len.to_be_bytes());
        Some((self.row_at(row) - head.len(), head))
    }

    /// Where the row's channels lie in the file. For rows that carry something.
    pub(super) fn channels_at(self, row: usize) -> Range<usize> {
        let start = self.row_at(row) + BEFORE_CHANNELS;
        start..start + self.stride()
    }

    /// The length of all rows behind the front, as the checksum of the zlib stream sees them.
    pub(super) fn rest_len(self) -> u64 {
        (self.height as usize - self.front_rows()) as u64 * self.filtered_len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_of_the_standard_cover_are_held_still() {
        let geometry = Geometry::new(800, 600).unwrap();
        assert_eq!(geometry.slot_rows(), [0..7, 7..14]);
        assert_eq!((geometry.bands(), geometry.band(73)), (74, 598..600));
        assert_eq!(Density::ALL.map(|d| geometry.capacity(d)), [175_800, 351_600, 703_200]);
        assert_eq!(geometry.row_head(), [0, 0x61, 0x09, 0x9e, 0xf6, 0]);
        assert_eq!((geometry.row_at(0), geometry.front_len()), (56, 33_744));
        assert_eq!((geometry.row_at(14), geometry.row_at(22)), (33_752, 53_012));
    }

    #[test]
    fn every_width_allowed_has_a_front_that_fits_stored_blocks() {
        for width in MIN_WIDTH..=MAX_SIDE {
            let geometry = Geometry::new(width, 1_000).unwrap();
            assert!(geometry.filtered_len() <= 0xffff);
            let row = geometry.row_bytes(Density::One);
            let [first, second] = geometry.slot_rows();
            assert!(first.len() * row >= HEADER_LEN + SLOT_LEN && second.len() * row >= SLOT_LEN);
        }
    }

    #[test]
    fn sides_and_area_have_limits_that_are_named() {
        for (width, height, field) in [
            (31, 9_000, "picture width"),
            (32, 300, "picture height"),
            (60_000, 60_000, "picture width"),
            (100, 16_385, "picture height"),
            (16_384, 16_384, "picture area"),
            (0, 0, "picture width"),
        ] {
            let error = Geometry::new(width, height).unwrap_err().to_string();
            assert!(error.starts_with(field), "{error}");
        }
    }
}
