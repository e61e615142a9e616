//! A decoded picture: red, green, blue, eight bits each.

use std::{io::Cursor, ops::Range};

use super::StegoError;

/// The most pixels of a cover or sealed image: 4096 x 4096, or any other shape of that area. Its 48 MiB
/// of channels hide 24 MiB at the highest density, more than the largest original.
pub const MAX_PIXELS: u64 = 1 << 24;

/// A picture of at most [`MAX_PIXELS`] pixels as rows of R, G, B bytes, top row first, without padding.
#[derive(Clone, PartialEq, Eq)]
pub struct Raster {
    width: u32,
    height: u32,
    channels: Vec<u8>,
}

/// Checks a picture's dimensions, in pixels, before anything is allocated for it; returns the number
/// of its channels.
///
/// # Errors
/// [`StegoError::BadField`] for a side of zero, [`StegoError::TooLarge`] above [`MAX_PIXELS`].
pub(super) fn checked_channels(width: u32, height: u32) -> Result<usize, StegoError> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 {
        return Err(StegoError::BadField { field: "picture area", value: 0, expected: "at least one pixel" });
    }
    if pixels > MAX_PIXELS {
        return Err(StegoError::TooLarge {
            field: "picture area",
            value: pixels,
            limit: MAX_PIXELS,
            unit: "pixels",
        });
    }
    Ok(pixels as usize * 3)
}

impl Raster {
    /// A picture of `width` x `height` pixels out of its `channels`: 3 bytes a pixel.
    ///
    /// # Errors
    /// [`StegoError::BadField`] when a side is zero or the number of channels does not match;
    /// [`StegoError::TooLarge`] above [`MAX_PIXELS`].
    pub fn new(width: u32, height: u32, channels: Vec<u8>) -> Result<Self, StegoError> {
        if checked_channels(width, height)? != channels.len() {
            return Err(StegoError::BadField {
                field: "channels",
                value: channels.len() as u64,
                expected: "three a pixel",
            });
        }
        Ok(Self { width, height, channels })
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// All channels, row by row: R, G, B of the first pixel, then of the next.
    pub fn channels(&self) -> &[u8] {
        &self.channels
    }

    /// All channels, to be changed in place.
    pub fn channels_mut(&mut self) -> &mut [u8] {
        &mut self.channels
    }

    /// The channels of a row.
    pub(super) fn row(&self, row: usize) -> &[u8] {
        self.rows(row..row + 1)
    }

    /// The channels of some rows.
    pub(super) fn rows(&self, rows: Range<usize>) -> &[u8] {
        let stride = self.width as usize * 3;
        &self.channels[rows.start * stride..rows.end * stride]
    }

    /// The same picture at `width` x `height` pixels; see [`Resizer`].
    ///
    /// # Errors
    /// [`StegoError::BadField`] for a side of zero, [`StegoError::TooLarge`] above [`MAX_PIXELS`].
    pub fn resized(&self, width: u32, height: u32) -> Result<Self, StegoError> {
        let mut resizer = Resizer::new(self, width, height)?;
        let mut channels = Vec::with_capacity(width as usize * height as usize * 3);
        for row in 0..height {
            channels.extend_from_slice(resizer.row(row));
        }
        Self::new(width, height, channels)
    }

    /// The picture as `columns` x `rows` large pixels, each the mean of the pixels under it, or the nearest
    /// where there are none.
    pub(super) fn mosaic(&self, [columns, rows]: [usize; 2]) -> Vec<u8> {
        let (width, height) = (self.width as usize, self.height as usize);
        let span = |cell: usize, cells: usize, size: usize| {
            let start = cell * size / cells;
            start..((cell + 1) * size / cells).max(start + 1)
        };
        let mut mosaic = Vec::with_capacity(columns * rows * 3);
        for row in 0..rows {
            let ys = span(row, rows, height);
            for column in 0..columns {
                let xs = span(column, columns, width);
                let mut sums = [0u64; 3];
                for y in ys.clone() {
                    let pixels = &self.row(y)[xs.start * 3..xs.end * 3];
                    for pixel in pixels.as_chunks::<3>().0 {
                        for (sum, channel) in sums.iter_mut().zip(pixel) {
                            *sum += u64::from(*channel);
                        }
                    }
                }
                mosaic.extend(sums.map(|sum| (sum / (ys.len() * xs.len()) as u64) as u8));
            }
        }
        mosaic
    }

    /// Decodes a JPEG file. The dimensions are checked before room is made for them.
    ///
    /// # Errors
    /// [`StegoError::Unreadable`], [`StegoError::TooLarge`].
    pub(super) fn decode_jpeg(file: &[u8]) -> Result<Self, StegoError> {
        use image::{DynamicImage, ImageDecoder, codecs::jpeg::JpegDecoder};
        let unreadable = |error: image::ImageError| StegoError::Unreadable(error.to_string());
        let decoder = JpegDecoder::new(Cursor::new(file)).map_err(unreadable)?;
        let (width, height) = decoder.dimensions();
        checked_channels(width, height)?;
        let picture = DynamicImage::from_decoder(decoder).map_err(unreadable)?;
        Self::new(width, height, picture.into_rgb8().into_raw())
    }
}

/// Gives the rows of a picture at another size, by bilinear interpolation, one after the other: no more
/// than a row of the old picture and one of the new are kept.
pub(super) struct Resizer<'a> {
    from: &'a Raster,
    height: u32,
    columns: Vec<Between>,
    /// One row between two of the old picture, in 1/256 of a channel, and which two.
    blended: Vec<u16>,
    between: Option<Between>,
    row: Vec<u8>,
}

impl<'a> Resizer<'a> {
    /// Resizes `from` to `width` x `height` pixels.
    ///
    /// # Errors
    /// [`StegoError::BadField`] for a side of zero, [`StegoError::TooLarge`] above [`MAX_PIXELS`].
    pub(super) fn new(from: &'a Raster, width: u32, height: u32) -> Result<Self, StegoError> {
        checked_channels(width, height)?;
        let columns = (0..width).map(|x| Between::new(x, from.width, width)).collect();
        let blended = vec![0; from.width as usize * 3];
        Ok(Self { from, height, columns, blended, between: None, row: vec![0; width as usize * 3] })
    }

    /// The channels of a row of the new picture.
    pub(super) fn row(&mut self, y: u32) -> &[u8] {
        let rows = Between::new(y, self.from.height, self.height);
        if self.between == Some(rows) {
            return &self.row;
        }
        self.between = Some(rows);
        let (upper, lower) = (self.from.row(rows.first), self.from.row(rows.second));
        let (far, near) = (rows.weight as u16, 256 - rows.weight as u16);
        for ((out, &a), &b) in self.blended.iter_mut().zip(upper).zip(lower) {
            // At most 255 * 256: fits 16 bits.
            *out = u16::from(a) * near + u16::from(b) * far;
        }
        let (pixels, _) = self.blended.as_chunks::<3>();
        for (out, column) in self.row.as_chunks_mut::<3>().0.iter_mut().zip(&self.columns) {
            let (left, right) = (pixels[column.first], pixels[column.second]);
            for ((out, a), b) in out.iter_mut().zip(left).zip(right) {
                let sum = u32::from(a) * (256 - column.weight) + u32::from(b) * column.weight;
                *out = ((sum + (1 << 15)) >> 16) as u8;
            }
        }
        &self.row
    }
}

/// Where a row or column of the new picture lies between two of the old one.
#[derive(Clone, Copy, PartialEq)]
struct Between {
    first: usize,
    second: usize,
    /// How far towards `second`, in 1/256.
    weight: u32,
}

impl Between {
    fn new(at: u32, old: u32, new: u32) -> Self {
        // Centres of pixels are mapped on each other, in 1/256 of an old pixel.
        let centre = (2 * u64::from(at) + 1) * u64::from(old) * 128 / u64::from(new);
        let last = u64::from(old - 1);
        let place = centre.saturating_sub(128).min(last * 256);
        let first = place / 256;
        Self { first: first as usize, second: (first + 1).min(last) as usize, weight: (place % 256) as u32 }
    }
}

impl std::fmt::Debug for Raster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Raster({} x {})", self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dimensions_are_checked_before_anything_is_allocated() {
        assert!(matches!(
            checked_channels(u32::MAX, u32::MAX),
            Err(StegoError::TooLarge { limit: MAX_PIXELS, .. })
        ));
        assert!(matches!(checked_channels(0, 7), Err(StegoError::BadField { .. })));
        assert!(matches!(Raster::new(2, 2, vec![0; 11]), Err(StegoError::BadField { value: 11, .. })));
        assert!(Raster::new(1, 1, vec![1, 2, 3]).unwrap().resized(4097, 4096).is_err());
    }

    #[test]
    fn resizing_keeps_flat_areas_and_runs_between_neighbours() {
        let flat = Raster::new(3, 2, [9, 90, 200].repeat(6)).unwrap();
        assert_eq!(flat.resized(3, 2).unwrap(), flat);
        assert_eq!(flat.resized(7, 11).unwrap().channels(), [9, 90, 200].repeat(77));

        let ramp = Raster::new(2, 1, vec![0, 0, 0, 200, 200, 200]).unwrap();
        let reds: Vec<u8> = ramp.resized(4, 1).unwrap().channels().iter().step_by(3).copied().collect();
        assert_eq!(reds, [0, 50, 150, 200]);
    }
}
