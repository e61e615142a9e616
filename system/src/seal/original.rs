//! What may be sealed, decided from a file's header.

use std::io::Cursor;

use image::{ImageFormat, ImageReader};

use super::{Media, SealError};
use crate::stego::{Format, format, png};

/// The longest original, in bytes: 16 MiB.
pub const MAX_ORIGINAL_BYTES: u64 = 16 << 20;
/// The largest original, in pixels: 100 megapixels.
pub const MAX_ORIGINAL_PIXELS: u64 = 100_000_000;

/// What the header of an acceptable original says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Original {
    /// The file's format.
    pub media: Media,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

impl Original {
    /// Checks a file from its structure and its header alone: format, length, dimensions, and that its end is there. The
    /// picture is not decoded and no memory is reserved for it.
    ///
    /// # Errors
    /// [`SealError::TooLarge`], [`SealError::BadOriginal`], or [`SealError::DamagedOriginal`] when the
    /// header cannot be read.
    pub fn check(file: &[u8]) -> Result<Self, SealError> {
        let bytes = file.len() as u64;
        limit("original", bytes, MAX_ORIGINAL_BYTES, "bytes")?;
        let (media, dimensions) = match format::recognise(file).map_err(SealError::BadOriginal)? {
            Format::Png => (Media::Png, png::dimensions(file).map_err(|e| e.to_string())),
            Format::Jpeg => {
                let reader = ImageReader::with_format(Cursor::new(file), ImageFormat::Jpeg);
                (Media::Jpeg, reader.into_dimensions().map_err(|e| e.to_string()))
            }
        };
        let (width, height) = dimensions.map_err(|reason| SealError::DamagedOriginal { media, reason })?;
        let pixels = u64::from(width) * u64::from(height);
        limit("original", pixels, MAX_ORIGINAL_PIXELS, "pixels")?;
        Ok(Self { media, width, height })
    }
}

fn limit(field: &'static str, value: u64, limit: u64, unit: &'static str) -> Result<(), SealError> {
    if value > limit {
        return Err(SealError::TooLarge { field, value, limit, unit });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, RgbImage};
    use proptest::prelude::*;

    use super::*;

    fn file(format: ImageFormat) -> Vec<u8> {
        let picture = RgbImage::from_fn(37, 21, |x, y| image::Rgb([x as u8 * 6, y as u8 * 9, 80]));
        let mut file = Cursor::new(Vec::new());
        DynamicImage::ImageRgb8(picture).write_to(&mut file, format).unwrap();
        file.into_inner()
    }

    #[test]
    fn png_and_jpeg_are_read_from_their_headers() {
        for (format, media) in [(ImageFormat::Png, Media::Png), (ImageFormat::Jpeg, Media::Jpeg)] {
            let expected = Original { media, width: 37, height: 21 };
            assert_eq!(Original::check(&file(format)).unwrap(), expected);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let files: [&[u8]; 5] = [b"", b"GIF89a....", b"BM", b"\xff\xd8", b"RIFF\0\0\0\0WEBPVP8 "];
        for file in files {
            assert!(matches!(Original::check(file), Err(SealError::BadOriginal(_))));
        }
        assert!(matches!(
            Original::check(&vec![0; (16 << 20) + 1]),
            Err(SealError::TooLarge { unit: "bytes", .. })
        ));
    }

    #[test]
    fn a_damaged_header_is_called_that() {
        let damaged = |file: &[u8]| matches!(Original::check(file), Err(SealError::DamagedOriginal { .. }));
        let mut flat = file(ImageFormat::Png);
        flat[16..20].fill(0);
        assert!(damaged(&flat));
        let mut jpeg = file(ImageFormat::Jpeg);
        let frame = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
        jpeg[frame + 3] ^= 1;
        assert!(damaged(&jpeg));
    }

    #[test]
    fn forged_dimensions_are_refused_with_the_limit() {
        let mut png = file(ImageFormat::Png);
        png[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        let crc = crc32fast::hash(&png[12..29]);
        png[29..33].copy_from_slice(&crc.to_be_bytes());
        let mut jpeg = file(ImageFormat::Jpeg);
        let sof = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
        jpeg[sof + 5..sof + 9].fill(0xff);
        for forged in [png, jpeg] {
            assert!(matches!(
                Original::check(&forged),
                Err(SealError::TooLarge { unit: "pixels", limit: MAX_ORIGINAL_PIXELS, .. })
            ));
        }
    }

    proptest! {
        #[test]
        fn random_files_never_panic(
            start in prop::sample::select(vec![&b""[..], &png::SIGNATURE, b"\xff\xd8\xff"]),
            rest in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let _ = Original::check(&[start, &rest].concat());
        }

        #[test]
        fn damaged_files_never_panic(
            format in prop::sample::select(vec![ImageFormat::Png, ImageFormat::Jpeg]),
            at in any::<prop::sample::Index>(),
            value in any::<u8>(),
        ) {
            let mut file = file(format);
            let at = at.index(file.len());
            file[at] = value;
            let _ = Original::check(&file);
        }
    }
}
