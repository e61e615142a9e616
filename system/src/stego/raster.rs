//! A decoded picture: red, green, blue, eight bits each.

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

    /// The same picture at `width` x `height` pixels, by bilinear interpolation.
    ///
    /// # Errors
    /// [`StegoError::BadField`] for a side of zero, [`StegoError::TooLarge`] above [`MAX_PIXELS`].
    pub fn resized(&self, width: u32, height: u32) -> Result<Self, StegoError> {
        let mut channels = Vec::with_capacity(checked_channels(width, height)?);
        let columns: Vec<Between> = (0..width).map(|x| Between::new(x, self.width, width)).collect();
        let stride = self.width as usize * 3;
        // One source row between two, in 1/256 of a channel: fits 16 bits.
        let mut blended = vec![0u16; stride];
        for y in 0..height {
            let rows = Between::new(y, self.height, height);
            let upper = &self.channels[rows.first * stride..][..stride];
            let lower = &self.channels[rows.second * stride..][..stride];
            for ((out, &a), &b) in blended.iter_mut().zip(upper).zip(lower) {
                *out = (u32::from(a) * (256 - rows.weight) + u32::from(b) * rows.weight) as u16;
            }
            for column in &columns {
                let left = &blended[column.first * 3..][..3];
                let right = &blended[column.second * 3..][..3];
                for (&a, &b) in left.iter().zip(right) {
                    let sum = u32::from(a) * (256 - column.weight) + u32::from(b) * column.weight;
                    channels.push(((sum + (1 << 15)) >> 16) as u8);
                }
            }
        }
        Self::new(width, height, channels)
    }
}

/// Where a row or column of the new picture lies between two of the old one.
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
