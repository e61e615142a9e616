//! The layout held still, driven through every density and kind of cover, damaged, and lied to.

use proptest::prelude::*;

use super::*;
use crate::stego::{
    Cover, MAX_PIXELS, Raster, StegoError,
    lsb::{self, Density},
    png::{self, chunk},
    quality,
};

/// A picture that looks like none that Veil draws.
fn raster(width: u32, height: u32) -> Raster {
    let channels = (0..width as usize * height as usize * 3).map(|i| ((i * i) >> 5) as u8).collect();
    Raster::new(width, height, channels).unwrap()
}

fn cover(width: u32, height: u32) -> Cover {
    raster(width, height).into()
}

fn payload<'a>(version: u8, block: &'a [u8], body: &'a [u8]) -> Payload<'a> {
    Payload { version, kind: Kind::SealedImage, block, body }
}

/// Hides a body at a density that is given, not chosen.
fn written(cover: &Cover, density: Density, block: &[u8], body: &[u8]) -> Vec<u8> {
    written_as(VERSION, cover, density, block, body)
}

fn written_as(version: u8, cover: &Cover, density: Density, block: &[u8], body: &[u8]) -> Vec<u8> {
    let geometry = Geometry::new(cover.raster().width(), cover.raster().height()).unwrap();
    let plan = Plan::at(cover, geometry, density, body.len());
    let mut file = Vec::new();
    write(cover, &plan, payload(version, block, body), &mut Vec::new(), &mut file).unwrap();
    file
}

/// The same pixels in a file of another program's making.
fn saved_again(file: &[u8]) -> Vec<u8> {
    saved(&png::decode(file).unwrap())
}

fn saved(raster: &Raster) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut file, raster.width(), raster.height());
    encoder.set_color(::png::ColorType::Rgb);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(raster.channels()).unwrap();
    writer.finish().unwrap();
    file
}

fn tail(file: &[u8]) -> &[u8] {
    &file[file.len() - TAIL_LEN..]
}

/// A small file that carries something, for tests that change every byte of it.
fn small() -> Vec<u8> {
    small_of(VERSION)
}

fn small_of(version: u8) -> Vec<u8> {
    written_as(version, &cover(200, 64), Density::Two, b"the block", b"the body, which is the ciphertext")
}

#[test]
fn the_file_is_held_still() {
    for (version, hash, mark) in [
        (2, "207e73495e5121c0035e3baf4e64b5bc929966c5c37897501ee02b46dd6d48e2", b"\x02\xe4\x45\x16\x8b"),
        (3, "88219d74ec52b4fd9eee31c39942706c4a08b033a7bec5a9be29477ed239c7ad", b"\x03\x93\x42\x26\x1d"),
    ] {
        let file = small_of(version);
        assert_eq!(blake3::hash(&file).to_hex().as_str(), hash);
        assert_eq!(file[..8], png::SIGNATURE);
        assert_eq!(file[33..46], [&b"\0\0\0\x01veIl"[..], mark].concat());
        assert_eq!(read(&file).unwrap().header.version, version);
    }
}

#[test]
fn any_reader_of_png_sees_the_cover() {
    for density in Density::ALL {
        let file = written(&cover(200, 200), density, b"block", &[0xa5; 2_000]);
        let shown = image::load_from_memory(&file).unwrap().into_rgb8();
        let original = raster(200, 200);
        let most = (1 << density.bits()) - 1;
        let near = |(a, b): (&u8, &u8)| a.abs_diff(*b) <= most;
        assert!(shown.as_raw().iter().zip(original.channels()).all(near), "{density:?}");
        // The decoder leaves the checksum of the zlib stream unread.
        let mut stream = Vec::new();
        let mut at = 8;
        while let Ok((chunk, length)) = chunk::read(&file[at..], at) {
            if chunk.kind == *b"IDAT" {
                stream.extend_from_slice(chunk.data);
            }
            at += length;
        }
        assert_eq!(fdeflate::decompress_to_vec(&stream).unwrap().len(), 200 * 601);
    }
}

#[test]
fn the_lowest_density_is_chosen_that_does_not_double_the_file() {
    let standard = Cover::standard();
    let chosen = |body: usize| Plan::new(&standard, body).unwrap();
    assert_eq!(chosen(100).density, Density::One);
    assert_eq!(chosen(46_028).density, Density::Two);
    assert_eq!(chosen(351_601).density, Density::Four);
    for body in [0, 100, 5_000, 46_028, 175_800, 351_600, 703_200] {
        let plan = chosen(body);
        assert_eq!((plan.geometry.width(), plan.geometry.height()), (800, 600));
        let fits = |density: &Density| body as u64 <= plan.geometry.capacity(*density);
        let lens = Density::ALL.into_iter().filter(fits);
        let lens = lens.map(|density| Plan::at(&standard, plan.geometry, density, body).file_len);
        assert!(plan.file_len <= 2 * lens.min().unwrap(), "{body}");
        // What is stated before is what comes out.
        let file = written(&standard, plan.density, b"block", &vec![0x5a; body]);
        assert_eq!(file.len() as u64, plan.file_len, "{body}");
    }
}

#[test]
fn a_cover_grows_by_no_more_than_it_must_and_not_beyond_the_limit() {
    for (width, height) in [(800, 600), (1, 1), (10, 3_000), (3_000, 10), (16_384, 16), (64, 64)] {
        for body in [1_000, 703_201, 4_000_000] {
            let cover =
                Cover::from(Raster::new(width, height, vec![9; (width * height * 3) as usize]).unwrap());
            let plan = Plan::new(&cover, body).unwrap();
            let (w, h) = (plan.geometry.width(), plan.geometry.height());
            assert!(w >= width && h >= height && u64::from(w) * u64::from(h) <= MAX_PIXELS);
            assert!(body as u64 <= plan.geometry.capacity(plan.density));
            if let Ok(lower) = Geometry::new(w, h - 1)
                && h > height
            {
                assert!(
                    lower.capacity(Density::Four) < body as u64,
                    "{width} x {height}: {w} x {h} for {body}"
                );
            }
        }
    }
    let most = Plan::new(&cover(800, 600), 26_000_000);
    assert!(matches!(most, Err(StegoError::DoesNotFit { needed: 26_000_000, .. })), "{most:?}");
}

#[test]
fn an_enlarged_cover_carries_too_and_looks_like_the_cover() {
    let standard = Cover::standard();
    let body = vec![0x5a; 900_000];
    let plan = Plan::new(&standard, body.len()).unwrap();
    assert!(plan.geometry.width() > 800);
    let mut file = Vec::new();
    write(&standard, &plan, payload(VERSION, b"block", &body), &mut Vec::new(), &mut file).unwrap();
    assert_eq!(read(&file).unwrap().body, body);
    let picture = png::decode(&file).unwrap();
    let enlarged = standard.raster().resized(picture.width(), picture.height()).unwrap();
    assert!(quality::psnr(&enlarged, &picture).unwrap() > 30.0);
}

#[test]
fn the_likeness_that_is_expected_is_the_likeness_that_comes_out() {
    for density in Density::ALL {
        let geometry = Geometry::new(200, 200).unwrap();
        let body: Vec<u8> = (0..geometry.capacity(density)).map(|i| ((i * i) >> 3) as u8).collect();
        let file = written(&cover(200, 200), density, b"block", &body);
        let measured = quality::psnr(&raster(200, 200), &png::decode(&file).unwrap()).unwrap();
        let expected = expected_psnr(geometry, density, body.len());
        // Next to black and white the nearest value is farther away.
        assert!((measured - expected).abs() < 1.5, "{density:?}: {measured} instead of {expected}");
    }
}

#[test]
fn every_changed_byte_is_noticed() {
    let file = small();
    read(&file).unwrap();
    for at in 0..file.len() {
        for bit in [0x01, 0x80] {
            let mut changed = file.clone();
            changed[at] ^= bit;
            let error = read(&changed).expect_err(&format!("byte {at}"));
            // No error of the kind that only a broken program makes.
            assert!(!matches!(error, StegoError::NotVerified(_)), "byte {at}: {error}");
        }
    }
}

#[test]
fn a_file_cut_anywhere_is_refused_and_so_is_one_that_goes_on() {
    let file = small();
    for end in 0..file.len() {
        assert!(read(&file[..end]).is_err(), "{end} of {}", file.len());
    }
    let cut = read(&file[..file.len() - 1]).unwrap_err();
    assert!(matches!(cut, StegoError::CutOff { .. } | StegoError::Interrupted), "{cut}");
    let longer = [&file[..], b"more"].concat();
    assert!(matches!(read(&longer), Err(StegoError::TrailingData { bytes: 4 })), "{:?}", read(&longer));
    let longer = [&saved_again(&file)[..], b"more"].concat();
    assert!(matches!(read(&longer), Err(StegoError::TrailingData { bytes: 4 })));
}

#[test]
fn a_file_saved_again_without_loss_still_carries() {
    let file = small();
    let again = saved_again(&file);
    assert_ne!(again, file);
    assert_eq!(read(&again).unwrap(), read(&file).unwrap());
    let rewritten = rewrite(&again, b"another block").unwrap();
    assert_eq!(read(&rewritten).unwrap().block, b"another block");
    assert_eq!(read(&rewritten).unwrap().body, read(&file).unwrap().body);
}

#[test]
fn what_was_compressed_again_is_told_from_what_never_carried_anything() {
    let lossy = |raster: &Raster| {
        let mut jpeg = std::io::Cursor::new(Vec::new());
        let picture = image::RgbImage::from_raw(raster.width(), raster.height(), raster.channels().to_vec());
        picture.unwrap().write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
        jpeg.into_inner()
    };
    let sealed = written(&Cover::standard(), Density::Two, b"block", b"body");
    let jpeg = lossy(&png::decode(&sealed).unwrap());
    assert!(matches!(read(&jpeg), Err(StegoError::Jpeg)));
    // And back into a PNG: the standard cover is known again.
    let back = Cover::decode(&jpeg).unwrap();
    assert!(matches!(read(&saved(back.raster())), Err(StegoError::Recompressed)));
    // An editor that keeps the mark, with pixels of its own.
    let edited = saved(&raster(200, 64));
    let (head, rest) = edited.split_at(33);
    let mut marked = head.to_vec();
    chunk::append(&mut marked, MARK, &[VERSION]);
    marked.extend_from_slice(rest);
    assert!(matches!(read(&marked), Err(StegoError::Recompressed)));
    assert!(matches!(read(&edited), Err(StegoError::NothingHidden)));
    assert!(matches!(read(&saved(&raster(5, 5))), Err(StegoError::NothingHidden)));
}

#[test]
fn an_animated_picture_is_refused() {
    let mut file = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut file, 64, 300);
    encoder.set_animated(2, 0).unwrap();
    let mut writer = encoder.write_header().unwrap();
    for _ in 0..2 {
        writer.write_image_data(&[0; 64 * 300]).unwrap();
    }
    writer.finish().unwrap();
    assert!(matches!(read(&file), Err(StegoError::Animated)));
    assert!(matches!(Cover::decode(&file), Err(StegoError::Animated)));
}

#[test]
fn a_bomb_is_refused_before_anything_is_allocated() {
    let mut bomb = png::SIGNATURE.to_vec();
    chunk::append(&mut bomb, *b"IHDR", &[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60, 8, 2, 0, 0, 0]);
    chunk::append(&mut bomb, *b"IDAT", &[0; 50_000]);
    chunk::append(&mut bomb, *b"IEND", b"");
    let refused = read(&bomb).unwrap_err().to_string();
    assert_eq!(refused, "picture area is 3600000000 pixels, the limit is 16777216");
    assert!(matches!(Cover::decode(&bomb), Err(StegoError::TooLarge { .. })));
}

#[test]
fn forged_lengths_are_refused_with_their_limit() {
    let file = small();
    let honest = read(&file).unwrap().header;
    let forged = |header: Header| {
        let mut raster = png::decode(&file).unwrap();
        lsb::embed(Density::One, raster.channels_mut(), &header.to_bytes()).unwrap();
        read(&saved(&raster))
    };
    assert!(forged(honest).is_ok());
    let capacity = Geometry::new(200, 64).unwrap().capacity(Density::Two);
    for body_len in [capacity as u32 + 1, u32::MAX] {
        let result = forged(Header { body_len, ..honest });
        assert!(matches!(result, Err(StegoError::TooLarge { limit, .. }) if limit == capacity), "{result:?}");
    }
    // Shorter than the truth: within the limits, so the checksum has to notice.
    let result = forged(Header { body_len: 3, ..honest });
    assert!(matches!(result, Err(StegoError::Damaged { .. })), "{result:?}");
    let result = forged(Header { density: Density::Four, ..honest });
    assert!(matches!(result, Err(StegoError::Damaged { .. })), "{result:?}");
}

#[test]
fn a_block_is_replaced_in_one_band_and_the_end_whatever_the_size_of_the_picture() {
    let file = written(&cover(200, 900), Density::One, b"the block", &[7; 9_000]);
    let rewritten = rewrite(&file, b"another").unwrap();
    let hidden = read(&rewritten).unwrap();
    assert_eq!((&hidden.block[..], &hidden.body[..]), (&b"another"[..], &[7; 9_000][..]));
    let front = hidden.geometry.front_len();
    assert_eq!(file[front..file.len() - TAIL_LEN], rewritten[front..file.len() - TAIL_LEN]);
    assert_eq!(file.len(), rewritten.len());
    image::load_from_memory(&rewritten).unwrap();
    // Again and again, to and fro between the slots.
    let mut file = rewritten;
    for round in 0..5u8 {
        file = rewrite(&file, &[round; 2_036]).unwrap();
        assert_eq!(read(&file).unwrap().block, [round; 2_036]);
        assert_eq!(saved_again(&file), saved(&png::decode(&file).unwrap()));
    }
    assert!(matches!(rewrite(&file, &[0; 2_037]), Err(StegoError::TooLarge { limit: 2_036, .. })));
}

/// What a rewriting that stops at any point leaves: the beginning of each patch, in their order or not.
#[test]
fn a_rewriting_that_stops_anywhere_leaves_the_old_block_or_the_new_one() {
    let mut file = small();
    for (old, new) in
        [(&b"the block"[..], &b"the second"[..]), (b"the second", b"the third"), (b"the third", b"4")]
    {
        let front = Front::read(&file, tail(&file)).unwrap();
        let patches = front.replace(&file, file.len() as u64, new).unwrap();
        let mut seen = [false; 2];
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            let mut torn = file.clone();
            for patch in order.map(|index| &patches[index]) {
                for (offset, byte) in patch.bytes.iter().enumerate() {
                    torn[patch.at as usize + offset] = *byte;
                    // Every byte would take long.
                    if offset % 61 != 0 && offset + 1 != patch.bytes.len() {
                        continue;
                    }
                    let found = Front::recover(&torn, tail(&torn)).unwrap();
                    assert!(found.block() == old || found.block() == new);
                    seen[usize::from(found.block() == new)] = true;
                    match read(&torn) {
                        Ok(whole) => assert!(whole.block == old || whole.block == new),
                        Err(error) => assert!(matches!(error, StegoError::Interrupted), "{error}"),
                    }
                    let block = found.block().to_vec();
                    let repaired = rewrite(&torn, &block).unwrap();
                    assert_eq!(read(&repaired).unwrap().block, block);
                }
            }
            assert_eq!(read(&torn).unwrap().block, new);
        }
        assert_eq!(seen, [true; 2]);
        file = rewrite(&file, new).unwrap();
    }
}

#[test]
fn a_front_is_read_without_the_rest() {
    let file = small();
    let len = Front::len_of(&file[..START_LEN]).unwrap().unwrap();
    let front = Front::read(&file[..len], tail(&file)).unwrap();
    assert_eq!((front.block(), front.header.body_len), (&b"the block"[..], 33));
    assert!(matches!(Front::read(&file[..len - 1], tail(&file)), Err(StegoError::CutOff { .. })));
    assert_eq!(Front::len_of(&saved_again(&file)[..START_LEN]).unwrap(), None);
    assert!(matches!(Front::len_of(b"\xff\xd8\xff\xe0"), Err(StegoError::Jpeg)));
}

#[test]
fn a_repair_approves_only_what_any_reader_of_png_opens() {
    let file = small();
    // The beginning of the zlib stream is nobody's to repair.
    for at in [54, 55] {
        let mut broken = file.clone();
        broken[at] ^= 1;
        assert!(matches!(read(&broken), Err(StegoError::DamagedChunk { .. })));
        assert!(rewrite(&broken, b"block").is_err());
    }
    // Rows that carry something are pixels, not text that is as long.
    let front = Geometry::new(200, 64).unwrap().front_len();
    let mut smuggled = file.clone();
    smuggled[front + 4..front + 8].copy_from_slice(b"tEXt");
    let len = u32::from_be_bytes(file[front..front + 4].try_into().unwrap()) as usize;
    let crc = crc32fast::hash(&smuggled[front + 4..front + 8 + len]);
    smuggled[front + 8 + len..front + 12 + len].copy_from_slice(&crc.to_be_bytes());
    assert!(matches!(read(&smuggled), Err(StegoError::Damaged { part: "a row of the picture" })));
}

#[test]
fn generations_run_out_with_an_error() {
    let file = small();
    let geometry = Geometry::new(200, 64).unwrap();
    let mut worn = file.clone();
    let slot = Slot::bytes(u32::MAX, b"last").unwrap();
    let header = read(&file).unwrap().header.to_bytes();
    write::embed_front(&mut worn, geometry, &[&header[..], &slot].concat(), 0).unwrap();
    assert!(matches!(rewrite(&worn, b"block"), Err(StegoError::TooLarge { value: 0x1_0000_0000, .. })));
}

#[test]
fn a_later_version_says_so_even_where_its_header_lies_elsewhere() {
    let plain = saved(&raster(40, 40));
    let (head, rest) = plain.split_at(33);
    let mut later = head.to_vec();
    chunk::append(&mut later, MARK, &[VERSION + 1]);
    later.extend_from_slice(rest);
    assert!(matches!(read(&later), Err(StegoError::NewerVersion { found: 4, newest: 3 })));
}

/// A picture in every kind of PNG there is, and what it should look like.
fn kinds() -> impl Strategy<Value = (::png::ColorType, ::png::BitDepth, bool)> {
    use ::png::{BitDepth::*, ColorType::*};
    let kinds = [
        (Grayscale, One),
        (Grayscale, Four),
        (Grayscale, Eight),
        (Grayscale, Sixteen),
        (GrayscaleAlpha, Eight),
        (GrayscaleAlpha, Sixteen),
        (Rgb, Eight),
        (Rgb, Sixteen),
        (Rgba, Eight),
        (Rgba, Sixteen),
        (Indexed, Two),
        (Indexed, Eight),
    ];
    (prop::sample::select(kinds.to_vec()), any::<bool>())
        .prop_map(|((color, depth), interlaced)| (color, depth, interlaced))
}

/// A PNG file of that kind. The reference encoder does not interlace, so the passes are laid out here.
fn png_of(
    (color, depth, interlaced): (::png::ColorType, ::png::BitDepth, bool),
    (width, height): (u32, u32),
    seed: u8,
) -> Vec<u8> {
    let bits = color.samples() * depth as usize;
    let mut raw = Vec::new();
    let mut pass = |columns: u32, rows: u32| {
        if columns > 0 {
            for row in 0..rows {
                raw.push(0);
                let bytes = (columns as usize * bits).div_ceil(8);
                // Of a palette of four colours.
                let low = if color == ::png::ColorType::Indexed && bits == 8 { 3 } else { 0xff };
                raw.extend(
                    (0..bytes).map(|i| (i as u8).wrapping_mul(seed | 1).wrapping_add(row as u8) & low),
                );
            }
        }
    };
    if interlaced {
        for (x, y, dx, dy) in
            [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
        {
            pass((width + dx - 1 - x) / dx, (height + dy - 1 - y) / dy);
        }
    } else {
        pass(width, height);
    }
    let mut header = png::header_data(width, height);
    header[8..].copy_from_slice(&[depth as u8, color as u8, 0, 0, u8::from(interlaced)]);
    let mut file = png::SIGNATURE.to_vec();
    chunk::append(&mut file, *b"IHDR", &header);
    if color == ::png::ColorType::Indexed {
        chunk::append(&mut file, *b"PLTE", &[1, 2, 3, 90, 80, 70, 255, 0, 9, 4, 200, 7]);
        chunk::append(&mut file, *b"tRNS", &[255, 100]);
    }
    chunk::append(&mut file, *b"IDAT", &fdeflate::compress_to_vec(&raw));
    chunk::append(&mut file, *b"IEND", b"");
    file
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_fits_comes_back_from_every_kind_of_cover_at_every_density(
        kind in kinds(),
        size in (40u32..200, 310u32..400),
        density in prop::sample::select(&Density::ALL[..]),
        share in 0.0f64..1.0,
        block in prop::collection::vec(any::<u8>(), 1..2_036),
        seed in any::<u8>(),
        prepared in any::<bool>(),
    ) {
        let cover = Cover::decode(&png_of(kind, size, seed)).unwrap();
        let cover = if prepared { cover.prepared() } else { cover };
        let geometry = Geometry::new(size.0, size.1).unwrap();
        let body: Vec<u8> = (0..(geometry.capacity(density) as f64 * share) as usize).map(|i| (i * 31) as u8 ^ seed).collect();
        let file = written(&cover, density, &block, &body);
        let hidden = read(&file).unwrap();
        prop_assert_eq!((&hidden.block, &hidden.body), (&block, &body));
        // The picture is the cover but for the low bits.
        let picture = png::decode(&file).unwrap();
        let most = (1u8 << density.bits()) - 1;
        let near = picture.channels().iter().zip(cover.raster().channels()).all(|(a, b)| a.abs_diff(*b) <= most);
        prop_assert!(near);
        prop_assert_eq!(read(&saved_again(&file)).unwrap(), hidden);
    }

    #[test]
    fn random_files_never_panic(start in 0usize..4, rest in prop::collection::vec(any::<u8>(), 0..400), file in Just(small())) {
        let start = [0, 8, 46, 3_000][start];
        prop_assert!(read(&[&file[..start], &rest].concat()).is_err());
    }
}
