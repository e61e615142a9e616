//! Every kind of file, as a cover and as an original: what is said about it. The files are made here.

use std::io::Cursor;

use image::{DynamicImage, ImageEncoder, ImageFormat, RgbImage, codecs::jpeg::JpegEncoder};

use super::*;
use crate::{
    seal::Original,
    stego::{Cover, StegoError},
};

fn picture() -> RgbImage {
    RgbImage::from_fn(37, 21, |x, y| image::Rgb([x as u8 * 6, y as u8 * 9, 80]))
}

fn written(format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(picture()).write_to(&mut file, format).unwrap();
    file.into_inner()
}

fn segment(marker: u8, data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u16 + 2).to_be_bytes();
    [&[0xff, marker][..], &length, data].concat()
}

/// A JPEG of 8 x 8 grey pixels in so many channels: every block is one code of one bit for "as before", and one for "no
/// more".
fn jpeg(frame: u8, precision: u8, channels: u8) -> Vec<u8> {
    let mut counts = [0; 17];
    counts[1] = 1;
    let table = |class: u8| segment(0xc4, &[&[class][..], &counts[1..], &[0]].concat());
    let each = |what: &dyn Fn(u8) -> Vec<u8>| (1..=channels).flat_map(what).collect::<Vec<_>>();
    let frame = {
        let head = [precision, 0, 8, 0, 8, channels];
        segment(frame, &[&head[..], &each(&|id| vec![id, 0x11, 0])].concat())
    };
    let scan = [&[channels][..], &each(&|id| vec![id, 0]), &[0, 63, 0]].concat();
    [
        &[0xff, 0xd8][..],
        &segment(0xdb, &[&[0][..], &[1; 64]].concat()),
        &frame,
        &table(0x00),
        &table(0x10),
        &segment(0xda, &scan),
        // Two bits a channel, filled up with ones.
        &[(0xff_u16 >> (2 * channels)) as u8],
        &[0xff, 0xd9],
    ]
    .concat()
}

/// A PNG chunk by chunk.
fn png_of(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut file = png::SIGNATURE.to_vec();
    chunks.iter().for_each(|(kind, data)| png::chunk::append(&mut file, **kind, data));
    file
}

/// The same PNG with one more chunk in its place.
fn png_with(before: &[u8; 4], chunk: (&[u8; 4], &[u8])) -> Vec<u8> {
    let file = written(ImageFormat::Png);
    let at = file.windows(4).position(|kind| kind == before).unwrap() - 4;
    let mut more = file[..at].to_vec();
    png::chunk::append(&mut more, *chunk.0, chunk.1);
    [more, file[at..].to_vec()].concat()
}

fn ftyp(brand: &[u8; 4], also: &[u8; 4]) -> Vec<u8> {
    [&[0, 0, 0, 20][..], b"ftyp", brand, &[0; 4], also, &[0; 40]].concat()
}

#[test]
fn what_is_supported_is_a_cover_and_an_original() {
    let grey = DynamicImage::ImageRgb8(picture()).into_luma8();
    let mut grey_jpeg = Vec::new();
    JpegEncoder::new(&mut grey_jpeg)
        .write_image(grey.as_raw(), grey.width(), grey.height(), image::ExtendedColorType::L8)
        .unwrap();
    let mut deep = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(picture()).into_rgb16().write_to(&mut deep, ImageFormat::Png).unwrap();
    for (what, file) in [
        ("PNG", written(ImageFormat::Png)),
        ("PNG of 16 bits", deep.into_inner()),
        ("PNG with another chunk", png_with(b"IDAT", (b"teXt", b"hello"))),
        ("JPEG", written(ImageFormat::Jpeg)),
        ("grey JPEG", grey_jpeg),
        ("baseline JPEG", jpeg(0xc0, 8, 1)),
        ("extended JPEG", jpeg(0xc1, 8, 3)),
        ("CMYK JPEG", jpeg(0xc0, 8, 4)),
    ] {
        Cover::decode(&file).unwrap_or_else(|error| panic!("{what} as a cover: {error}"));
        Original::check(&file).unwrap_or_else(|error| panic!("{what} as an original: {error}"));
        // Cameras append a video, a second picture, or zeros.
        let more = [&file[..], b"and more", &[0xff, 0xd8, 0xff]].concat();
        Cover::decode(&more).unwrap_or_else(|error| panic!("{what} with more behind it: {error}"));
        Original::check(&more).unwrap_or_else(|error| panic!("{what} with more behind it: {error}"));
    }
}

#[test]
fn what_is_not_supported_is_called_that() {
    let animated = png_with(b"IDAT", (b"acTL", &[0, 0, 0, 1, 0, 0, 0, 0]));
    let error = Cover::decode(&animated).unwrap_err();
    assert!(matches!(error, StegoError::Animated), "{error}");
    Original::check(&animated).unwrap();
    let header = [0, 0, 0, 1, 0, 0, 0, 1, 8, 2, 0, 0, 0];
    for (kind, file) in [
        ("a PNG of Apple's own kind (CgBI)", png_of(&[(b"CgBI", &[0x50, 0, 0x20, 2]), (b"IHDR", &header)])),
        ("a JPEG of 12 bits a channel", jpeg(0xc1, 12, 3)),
        ("a JPEG of 12 bits a channel", jpeg(0xc2, 12, 1)),
        ("a lossless JPEG", jpeg(0xc3, 8, 3)),
        ("a lossless JPEG", jpeg(0xcb, 16, 1)),
        ("a hierarchical JPEG", jpeg(0xc5, 8, 3)),
        ("a hierarchical JPEG", jpeg(0xcf, 8, 3)),
        ("an arithmetic-coded JPEG", jpeg(0xc9, 8, 3)),
        ("an arithmetic-coded JPEG", jpeg(0xca, 8, 3)),
        ("a JPEG-LS", jpeg(0xf7, 8, 3)),
        ("a GIF", b"GIF89a\x01\0\x01\0".to_vec()),
        ("a TIFF or a camera's raw picture", b"II*\0\x08\0\0\0".to_vec()),
        ("a TIFF or a camera's raw picture", b"MM\0*\0\0\0\x08".to_vec()),
        ("a JPEG XL", b"\xff\x0a\xfa\x7f".to_vec()),
        ("a JPEG XL", b"\0\0\0\x0cJXL \r\n\x87\n\0\0".to_vec()),
        ("a JPEG 2000", b"\0\0\0\x0cjP  \r\n\x87\n\0\0".to_vec()),
        ("a WebP", b"RIFF\x24\0\0\0WEBPVP8 ".to_vec()),
        ("a BMP", b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0".to_vec()),
        ("a HEIC", ftyp(b"heic", b"mif1")),
        ("a HEIC", ftyp(b"mif1", b"heic")),
        ("an AVIF", ftyp(b"avif", b"mif1")),
        ("an AVIF", ftyp(b"mif1", b"avif")),
        ("a video", ftyp(b"isom", b"mp42")),
        ("an SVG", b"<svg xmlns=''/>".to_vec()),
        ("a PDF", b"%PDF-1.7".to_vec()),
    ] {
        let cover = Cover::decode(&file).unwrap_err().to_string();
        assert_eq!(
            cover,
            format!("the cover is {kind}, which is not supported: expected a PNG or JPEG file")
        );
        let original = Original::check(&file).unwrap_err().to_string();
        let expected = format!("the original is {kind}, which is not supported: expected a PNG or JPEG file");
        assert_eq!(original, expected);
    }
}

#[test]
fn what_is_no_picture_is_called_neither() {
    for file in [&b""[..], b"BM", b"\xff\xd8", b"\x89PNG", b"hello", b"\0\0\0\x14ftyq", b"RIFF\0\0\0\0WAVE"] {
        let cover = Cover::decode(file).unwrap_err().to_string();
        assert_eq!(cover, "the cover is neither a PNG nor a JPEG file");
        let original = Original::check(file).unwrap_err().to_string();
        assert_eq!(original, "the original is neither a PNG nor a JPEG file");
    }
}

/// A picture in several scans, as a decoder may show the first of them of half a file.
fn progressive() -> Vec<u8> {
    let one = jpeg(0xc2, 8, 1);
    // The first scan only has the first coefficient; the others have a scan of their own.
    let at = one.windows(2).position(|marker| marker == [0xff, 0xda]).unwrap();
    let (head, _) = one.split_at(at);
    let scan = |from: u8, to: u8| segment(0xda, &[1, 1, 0, from, to, 0]);
    [head, &scan(0, 0), &[0x7f], &scan(1, 63), &[0x7f], &[0xff, 0xd9]].concat()
}

#[test]
fn a_picture_cut_off_anywhere_is_refused() {
    for (format, file) in [
        (Format::Png, written(ImageFormat::Png)),
        (Format::Jpeg, written(ImageFormat::Jpeg)),
        (Format::Jpeg, progressive()),
        // With a picture of its own in its head, as cameras write it.
        (Format::Jpeg, {
            let whole = written(ImageFormat::Jpeg);
            let preview = segment(0xe1, &jpeg(0xc0, 8, 1));
            [&whole[..2], &preview[..], &whole[2..]].concat()
        }),
    ] {
        Cover::decode(&file).unwrap();
        Original::check(&file).unwrap();
        let signature = if format == Format::Png { 8 } else { 3 };
        for bytes in signature..file.len() {
            let said = format!("cut off: its {bytes} bytes end before the {} does", format.name());
            let cover = Cover::decode(&file[..bytes]).unwrap_err().to_string();
            assert_eq!(cover, format!("the cover is {said}"));
            let original = Original::check(&file[..bytes]).unwrap_err().to_string();
            assert_eq!(original, format!("the original is {said}"));
            // A download that stopped leaves zeros.
            let hollow = [&file[..bytes], &vec![0; file.len() - bytes]].concat();
            assert!(Cover::decode(&hollow).is_err() || hollow == file, "zeros after {bytes} bytes");
        }
    }
}
