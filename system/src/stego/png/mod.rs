//! PNG files into rasters, and the parts that files are written from.

pub mod adler;
pub mod chunk;
pub mod pack;

use std::io::Cursor;

use ::png::{ColorType, Decoder, DecodingError, Transformations};

use super::{Raster, StegoError, raster::checked_channels};

/// The first eight bytes of every PNG file.
pub const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// The first three bytes of every JPEG file.
pub const JPEG: [u8; 3] = *b"\xff\xd8\xff";

/// No deflate stream grows by more than this factor when it is unpacked (258 bytes from 2 bits).
const MAX_INFLATION: u64 = 1032;

/// The dimensions that a PNG's header announces: width and height in pixels. Nothing after the header
/// is looked at.
///
/// # Errors
/// [`StegoError::NotPng`] or [`StegoError::Jpeg`] without the signature, [`StegoError::Unreadable`] when the
/// header is broken.
pub fn dimensions(file: &[u8]) -> Result<(u32, u32), StegoError> {
    Ok(open(file)?.read_header_info().map_err(unreadable)?.size())
}

/// Whether the file begins as a PNG does.
///
/// # Errors
/// [`StegoError::Jpeg`], [`StegoError::NotPng`].
pub fn check_signature(file: &[u8]) -> Result<(), StegoError> {
    if file.starts_with(&JPEG) {
        return Err(StegoError::Jpeg);
    }
    if !file.starts_with(&SIGNATURE) {
        return Err(StegoError::NotPng);
    }
    Ok(())
}

/// The data of the header of a PNG of so many pixels: eight bits a channel, RGB, not interlaced.
pub(super) fn header_data(width: u32, height: u32) -> [u8; 13] {
    let mut data = [0; 13];
    data[..4].copy_from_slice(&width.to_be_bytes());
    data[4..8].copy_from_slice(&height.to_be_bytes());
    data[8..].copy_from_slice(&[8, 2, 0, 0, 0]);
    data
}

/// Width and height of a PNG whose header is one that [`header_data`] makes.
pub(super) fn plain_header(file: &[u8]) -> Option<(u32, u32)> {
    let at = SIGNATURE.len();
    let (header, _) = chunk::read(file.get(at..)?, at).ok()?;
    let (width, rest) = header.data.split_first_chunk()?;
    let (height, _) = rest.split_first_chunk()?;
    let (width, height) = (u32::from_be_bytes(*width), u32::from_be_bytes(*height));
    (header.kind == *b"IHDR" && header.data == header_data(width, height)).then_some((width, height))
}

fn unreadable(error: DecodingError) -> StegoError {
    StegoError::Unreadable(error.to_string())
}

fn open(file: &[u8]) -> Result<Decoder<Cursor<&[u8]>>, StegoError> {
    check_signature(file)?;
    let mut decoder = Decoder::new(Cursor::new(file));
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    Ok(decoder)
}

/// Decodes a whole PNG of any colour type. Transparent pixels come out as on a white page.
///
/// The dimensions are checked against [`super::MAX_PIXELS`] and against the length of the file before
/// room is made for them.
///
/// # Errors
/// [`StegoError::NotPng`], [`StegoError::Jpeg`], [`StegoError::Unreadable`], [`StegoError::CutShort`],
/// [`StegoError::Animated`], [`StegoError::BadField`] for a side of zero, [`StegoError::TooLarge`] for too many
/// pixels.
pub fn decode(file: &[u8]) -> Result<Raster, StegoError> {
    let mut decoder = open(file)?;
    check_sides(file)?;
    let info = decoder.read_header_info().map_err(unreadable)?;
    let (width, height) = info.size();
    checked_channels(width, height)?;
    if info.raw_bytes() as u64 > file.len() as u64 * MAX_INFLATION {
        return Err(StegoError::CutShort { width, height, bytes: file.len() });
    }
    let (pixels, color) = read_pixels(decoder)?;
    let channels = match color {
        ColorType::Rgb => pixels,
        ColorType::Rgba => pixels
            .as_chunks()
            .0
            .iter()
            .flat_map(|&[r, g, b, a]| [over_white(r, a), over_white(g, a), over_white(b, a)])
            .collect(),
        ColorType::GrayscaleAlpha => {
            pixels.as_chunks().0.iter().flat_map(|&[grey, a]| [over_white(grey, a); 3]).collect()
        }
        ColorType::Grayscale | ColorType::Indexed => pixels.iter().flat_map(|&grey| [grey; 3]).collect(),
    };
    Raster::new(width, height, channels)
}

/// The decoder calls a side of zero an invalid header; it gets words of its own.
fn check_sides(file: &[u8]) -> Result<(), StegoError> {
    let side = |at: usize| file.get(at..at + 4).is_some_and(|bytes| bytes == [0; 4]);
    for (field, at) in [("picture width", 16), ("picture height", 20)] {
        if side(at) {
            return Err(StegoError::BadField { field, value: 0, expected: "at least one pixel" });
        }
    }
    Ok(())
}

fn read_pixels(decoder: Decoder<Cursor<&[u8]>>) -> Result<(Vec<u8>, ColorType), StegoError> {
    let mut reader = decoder.read_info().map_err(unreadable)?;
    if reader.info().animation_control.is_some() {
        return Err(StegoError::Animated);
    }
    let size = reader.output_buffer_size();
    let size = size.ok_or_else(|| unreadable(DecodingError::LimitsExceeded))?;
    let mut pixels = vec![0; size];
    let frame = reader.next_frame(&mut pixels).map_err(unreadable)?;
    // Read on to the end: a file that lost its tail is refused even if the pixels are all there.
    reader.finish().map_err(unreadable)?;
    Ok((pixels, frame.color_type))
}

fn over_white(value: u8, alpha: u8) -> u8 {
    let alpha = u32::from(alpha);
    ((u32::from(value) * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

#[cfg(test)]
mod tests {
    use ::png::{BitDepth, Encoder};
    use proptest::prelude::*;

    use super::*;

    /// Writes a PNG of any kind with the reference encoder.
    fn written(
        color: ColorType,
        depth: BitDepth,
        (width, height): (u32, u32),
        data: &[u8],
        palette: Option<(&'static [u8], &'static [u8])>,
    ) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = Encoder::new(&mut file, width, height);
        encoder.set_color(color);
        encoder.set_depth(depth);
        if let Some((colors, alpha)) = palette {
            encoder.set_palette(colors);
            encoder.set_trns(alpha);
        }
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(data).unwrap();
        writer.finish().unwrap();
        file
    }

    #[test]
    fn every_colour_type_becomes_rgb() {
        type Case = (ColorType, BitDepth, (u32, u32), &'static [u8], &'static [u8]);
        let cases: [Case; 7] = [
            (ColorType::Rgb, BitDepth::Eight, (1, 1), &[1, 2, 3], &[1, 2, 3]),
            (ColorType::Rgb, BitDepth::Sixteen, (1, 1), &[1, 9, 2, 9, 3, 9], &[1, 2, 3]),
            (ColorType::Rgba, BitDepth::Eight, (1, 1), &[10, 20, 30, 255], &[10, 20, 30]),
            (ColorType::Rgba, BitDepth::Eight, (1, 1), &[10, 20, 30, 0], &[255; 3]),
            (ColorType::GrayscaleAlpha, BitDepth::Eight, (1, 1), &[0, 127], &[128; 3]),
            (ColorType::Grayscale, BitDepth::Eight, (1, 1), &[77], &[77; 3]),
            (ColorType::Grayscale, BitDepth::One, (2, 1), &[0x40], &[0, 0, 0, 255, 255, 255]),
        ];
        for (color, depth, size, data, expected) in cases {
            let raster = decode(&written(color, depth, size, data, None)).unwrap();
            assert_eq!(raster.channels(), expected, "{color:?} {depth:?}");
        }
        let palette: (&[u8], &[u8]) = (&[1, 2, 3, 4, 5, 6], &[255, 0]);
        let file = written(ColorType::Indexed, BitDepth::Eight, (2, 1), &[0, 1], Some(palette));
        assert_eq!(decode(&file).unwrap().channels(), [1, 2, 3, 255, 255, 255]);
    }

    fn encode(raster: &Raster) -> Vec<u8> {
        written(ColorType::Rgb, BitDepth::Eight, (raster.width(), raster.height()), raster.channels(), None)
    }

    #[test]
    fn a_file_cut_anywhere_is_refused() {
        let raster = Raster::new(9, 7, (0..9 * 7 * 3).map(|i| (i * 37) as u8).collect()).unwrap();
        let file = encode(&raster);
        assert_eq!(decode(&file).unwrap(), raster);
        for end in 0..file.len() {
            assert!(decode(&file[..end]).is_err(), "{end} of {}", file.len());
        }
    }

    /// A PNG header announcing `width` x `height`, and nothing after it.
    fn header(width: u32, height: u32) -> Vec<u8> {
        let mut chunk = b"IHDR".to_vec();
        chunk.extend(width.to_be_bytes());
        chunk.extend(height.to_be_bytes());
        chunk.extend([8, 2, 0, 0, 0]);
        let crc = crc32fast::hash(&chunk);
        let mut file = SIGNATURE.to_vec();
        file.extend(13u32.to_be_bytes());
        file.extend(chunk);
        file.extend(crc.to_be_bytes());
        file
    }

    #[test]
    fn forged_dimensions_are_refused_from_the_header() {
        let most = 0x7fff_ffff;
        assert_eq!(dimensions(&header(most, most)).unwrap(), (most, most));
        assert!(matches!(decode(&header(most, most)), Err(StegoError::TooLarge { .. })));
        // Within the limit on pixels, but no 33 bytes can hold them.
        assert!(matches!(
            decode(&header(4096, 4096)),
            Err(StegoError::CutShort { width: 4096, height: 4096, bytes: 33 })
        ));
        assert!(matches!(decode(&header(0, 9)), Err(StegoError::BadField { field: "picture width", .. })));
        assert!(matches!(decode(&header(9, 0)), Err(StegoError::BadField { field: "picture height", .. })));
        assert!(matches!(decode(b"GIF89a"), Err(StegoError::NotPng)));
    }

    proptest! {
        #[test]
        fn any_picture_survives(width in 1u32..40, height in 1u32..40, seed in any::<u8>()) {
            let count = (width * height * 3) as usize;
            let channels = (0..count).map(|i| ((i * usize::from(seed | 1)) >> 2) as u8).collect();
            let raster = Raster::new(width, height, channels).unwrap();
            prop_assert_eq!(decode(&encode(&raster)).unwrap(), raster);
        }
    }
}
