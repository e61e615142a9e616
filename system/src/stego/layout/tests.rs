//! The layout held still, driven through every density, damaged, and lied to.

use proptest::prelude::*;

use super::*;

/// The smallest covers that hold `extra` channels of ciphertext, in one row.
fn cover(extra: usize) -> Cover {
    let width = (CIPHERTEXT_START + extra).div_ceil(3) as u32;
    let channels = (0..width as usize * 3).map(|i| (i * 7) as u8).collect();
    Raster::new(width, 1, channels).unwrap().into()
}

fn sealed_header(raster: &Raster) -> Header {
    read_header(raster).unwrap()
}

#[test]
fn the_header_is_held_still() {
    let header = Header {
        density: Density::Two,
        block_len: 0x0102,
        ciphertext_len: 0x0304_0506,
        block_crc: 0x0708_090a,
        ciphertext_crc: 0x0b0c_0d0e,
    };
    let golden = b"VEIL\x01\x02\0\0\x02\x01\0\0\x06\x05\x04\x03\x0a\x09\x08\x07\x0e\x0d\x0c\x0b\0\0\0\0";
    let bytes = header.to_bytes();
    assert_eq!(&bytes[..28], golden);
    assert_eq!(bytes[28..], [122, 151, 155, 99]);
    assert_eq!(Header::from_bytes(&bytes).unwrap(), header);
}

#[test]
fn a_header_with_a_right_checksum_may_still_be_refused() {
    let header = sealed_header(&write(&cover(800), b"block", b"ciphertext").unwrap());
    let forged = |at: usize, value: u8| {
        let mut bytes = header.to_bytes();
        bytes[at] = value;
        let crc = crc32fast::hash(&bytes[..28]).to_le_bytes();
        bytes[28..].copy_from_slice(&crc);
        Header::from_bytes(&bytes)
    };
    assert!(matches!(forged(0, b'v'), Err(StegoError::NothingHidden)));
    assert!(matches!(forged(4, 2), Err(StegoError::NewerVersion { found: 2, newest: 1 })));
    assert!(matches!(forged(4, 0), Err(StegoError::BadField { value: 0, .. })));
    assert!(matches!(forged(5, 3), Err(StegoError::BadField { value: 3, .. })));
}

#[test]
fn forged_lengths_are_refused_with_their_limit() {
    let raster = write(&cover(800), b"block", b"ciphertext").unwrap();
    let honest = sealed_header(&raster);
    let forged = |header: Header| {
        let mut raster = raster.clone();
        lsb::embed(Density::One, raster.channels_mut(), &header.to_bytes()).unwrap();
        read(&raster)
    };
    assert!(forged(honest).is_ok());
    for ciphertext_len in [101, u32::MAX] {
        let result = forged(Header { ciphertext_len, ..honest });
        assert!(matches!(result, Err(StegoError::TooLarge { limit: 100, .. })), "{result:?}");
    }
    for block_len in [4097, u32::MAX] {
        let result = forged(Header { block_len, ..honest });
        assert!(matches!(result, Err(StegoError::TooLarge { limit: 4096, .. })), "{result:?}");
    }
    // Shorter than the truth: within the limits, so the checksum has to notice.
    let result = forged(Header { ciphertext_len: 3, ..honest });
    assert!(matches!(result, Err(StegoError::Damaged { .. })), "{result:?}");
}

#[test]
fn the_lowest_density_that_fits_is_chosen_and_then_the_cover_grows() {
    let (width, height) = (Cover::STANDARD_WIDTH, Cover::STANDARD_HEIGHT);
    let pixels = u64::from(width * height);
    for density in Density::ALL {
        let full = capacity(pixels, density) as usize;
        let plan = Plan::new(width, height, full).unwrap();
        assert_eq!(plan, Plan { width, height, density });
        assert_ne!(Plan::new(width, height, full + 1).unwrap(), plan);
    }

    // The largest original, and a cover that is too small even for the header.
    for (width, height, len) in [(width, height, (16 << 20) + 16), (1, 1, 0), (10, 7, 99)] {
        let plan = Plan::new(width, height, len).unwrap();
        let pixels = u64::from(plan.width) * u64::from(plan.height);
        assert!(capacity(pixels, plan.density) >= len as u64, "{plan:?}");
        assert!(pixels * 3 >= CIPHERTEXT_START as u64 && pixels <= MAX_PIXELS, "{plan:?}");
    }

    let most = capacity(MAX_PIXELS, Density::Four);
    assert!(matches!(
        Plan::new(width, height, most as usize + 1),
        Err(StegoError::DoesNotFit { needed, available }) if needed == most + 1 && available == most
    ));
    // A strip of the largest area already is as wide as it can get.
    assert!(matches!(Plan::new(1, 1 << 24, most as usize), Ok(Plan { width: 1, .. })));
}

#[test]
fn a_cover_too_small_is_enlarged() {
    let cover: Cover = Raster::new(5, 4, vec![130; 60]).unwrap().into();
    let ciphertext: Vec<u8> = (0..50_000u32).map(|i| ((i * i) >> 3) as u8).collect();
    let raster = write(&cover, b"block", &ciphertext).unwrap();
    assert_eq!(sealed_header(&raster).density, Density::Four);
    assert!(u64::from(raster.width()) * u64::from(raster.height()) < 45_000);
    assert_eq!(read(&raster).unwrap().ciphertext, ciphertext);
}

#[test]
fn a_plain_picture_hides_nothing() {
    for plain in [Cover::standard(), Raster::new(2, 2, vec![0; 12]).unwrap().into()] {
        assert!(matches!(read(plain.raster()), Err(StegoError::NothingHidden)));
        assert!(matches!(replace_block(&mut plain.raster().clone(), b""), Err(StegoError::NothingHidden)));
    }
}

#[test]
fn a_shorter_block_leaves_nothing_of_the_longer_one() {
    let cover = cover(800);
    let once = write(&cover, b"short", b"ciphertext").unwrap();
    let mut again = write(&cover, b"a much longer block", b"ciphertext").unwrap();
    replace_block(&mut again, b"short").unwrap();
    assert_eq!(once, again);

    let before = again.clone();
    let result = replace_block(&mut again, &[0; BLOCK_CAPACITY + 1]);
    assert!(matches!(
        result,
        Err(StegoError::TooLarge { field: "permission block", value: 4097, limit: 4096, .. })
    ));
    assert_eq!(again, before);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_fits_comes_back(
        block in prop::collection::vec(any::<u8>(), 0..=BLOCK_CAPACITY),
        ciphertext in prop::collection::vec(any::<u8>(), 1..300),
        density in prop::sample::select(&Density::ALL[..]),
        newer in prop::collection::vec(any::<u8>(), 0..=BLOCK_CAPACITY),
    ) {
        // Just room enough at this density, so that it is the one chosen.
        let cover = cover(ciphertext.len() * density.channels_per_byte());
        let mut raster = write(&cover, &block, &ciphertext).unwrap();
        prop_assert_eq!(sealed_header(&raster).density, density);
        prop_assert_eq!(read(&raster).unwrap(), Hidden { block, ciphertext: ciphertext.clone() });

        replace_block(&mut raster, &newer).unwrap();
        prop_assert_eq!(read(&raster).unwrap(), Hidden { block: newer, ciphertext });
        let visible = 0xff << density.bits();
        for (new, old) in raster.channels().iter().zip(cover.raster().channels()) {
            prop_assert_eq!(new & visible, old & visible);
        }
    }

    #[test]
    fn any_flipped_payload_bit_is_noticed(
        ciphertext in prop::collection::vec(any::<u8>(), 1..300),
        density in prop::sample::select(&Density::ALL[..]),
        at in any::<prop::sample::Index>(),
    ) {
        let used = ciphertext.len() * density.channels_per_byte();
        let mut raster = write(&cover(used), b"block", &ciphertext).unwrap();
        // Half of the flips hit the header, half anything that carries payload.
        for place in [at.index(BLOCK_START), at.index(CIPHERTEXT_START + used)] {
            raster.channels_mut()[place] ^= 1;
            prop_assert!(read(&raster).is_err(), "channel {}", place);
            raster.channels_mut()[place] ^= 1;
        }
        prop_assert!(read(&raster).is_ok());
    }

    #[test]
    fn random_headers_never_panic(
        channels in prop::collection::vec(any::<u8>(), BLOCK_START),
        keep in 0..4usize,
        crc in any::<bool>(),
    ) {
        let mut bytes = [0; HEADER_LEN];
        lsb::extract(Density::One, &channels, &mut bytes).unwrap();
        bytes[..keep + 1].copy_from_slice(&b"VEIL\x01"[..keep + 1]);
        if crc {
            let crc = crc32fast::hash(&bytes[..28]).to_le_bytes();
            bytes[28..].copy_from_slice(&crc);
        }
        let mut raster = cover(64).raster().clone();
        lsb::embed(Density::One, raster.channels_mut(), &bytes).unwrap();
        let _ = read(&raster);
    }
}
