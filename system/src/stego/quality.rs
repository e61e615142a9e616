//! How like two pictures are.

use super::Raster;

/// Peak signal-to-noise ratio of two pictures of the same size, in dB over all channels, of which 255 is
/// the peak; infinite when they are equal. From 40 dB on they look the same. `None` for pictures of
/// different size.
pub fn psnr(one: &Raster, other: &Raster) -> Option<f64> {
    if (one.width(), one.height()) != (other.width(), other.height()) {
        return None;
    }
    let pairs = one.channels().iter().zip(other.channels());
    let sum: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
    Some(decibels(sum as f64 / one.channels().len() as f64))
}

/// The ratio for a mean squared error.
pub(super) fn decibels(mean_squared_error: f64) -> f64 {
    10.0 * (255.0 * 255.0 / mean_squared_error).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_that_of_the_definition() {
        let flat = |value| Raster::new(4, 3, vec![value; 36]).unwrap();
        assert_eq!(psnr(&flat(7), &flat(7)), Some(f64::INFINITY));
        // 20 log10 255.
        assert!((psnr(&flat(7), &flat(8)).unwrap() - 48.1308).abs() < 1e-4);
        assert_eq!(psnr(&flat(7), &Raster::new(3, 4, vec![7; 36]).unwrap()), None);
    }
}
