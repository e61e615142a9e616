use std::{io::Cursor, sync::LazyLock};

use image::{DynamicImage, ImageFormat, RgbImage};
use proptest::prelude::*;

use super::*;
use crate::stego::{Raster, lsb::Density, png};

fn user(name: &str) -> UserName {
    name.parse().unwrap()
}

fn cluster() -> ClusterKeys {
    ClusterKeys::from_secret([1; 32])
}

fn key() -> ContentKey {
    ContentKey::from_bytes([42; 32])
}

fn original(format: ImageFormat) -> Vec<u8> {
    let picture = RgbImage::from_fn(64, 48, |x, y| image::Rgb([x as u8 ^ y as u8, (x * y) as u8, 3]));
    let mut file = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(picture).write_to(&mut file, format).unwrap();
    file.into_inner()
}

/// A small cover, so that the many files of the tests are small.
fn cover() -> Cover {
    Raster::new(150, 120, (0..54_000).map(|i| (i / 450) as u8).collect()).unwrap().into()
}

/// What the buffers hold when an image of anna's is encrypted, and what her permission blocks of it are made of.
fn encrypted<T>(original: &[u8], image: u128, with: impl FnOnce(&Subject<'_>, &mut Scratch) -> T) -> T {
    let (owner, key, digest) = (user("anna"), key(), blake3::hash(original));
    let mut subject = Subject {
        image: ImageId(image),
        owner: &owner,
        owner_key: PublicKey::from_bytes([9; 32]),
        media: if original.starts_with(&png::SIGNATURE) { Media::Png } else { Media::Jpeg },
        original_len: original.len() as u64,
        digest: digest.as_bytes(),
        key: &key,
        body: None,
    };
    let mut scratch = Scratch::default();
    subject.body = Some(subject.encrypt(original, &mut scratch).unwrap());
    with(&subject, &mut scratch)
}

/// The permission block of an image that anna shares with ben.
fn block(original: &[u8], image: u128, views: u32, revision: u64) -> SignedBlock {
    encrypted(original, image, |subject, _| issued(subject, views, revision))
}

fn issued(subject: &Subject<'_>, views: u32, revision: u64) -> SignedBlock {
    subject.block([(&user("ben"), views)], revision, 1_700_000_000_000, &cluster()).unwrap()
}

fn sealed_as(original: &[u8], block: &SignedBlock, cover: &Cover) -> Result<Vec<u8>, SealError> {
    let mut png = b"what was in the buffer".to_vec();
    encrypted(original, 9, |_, scratch| seal_image(block, cover, scratch, &mut png)).map(|_| png)
}

fn sealed(original: &[u8], cover: &Cover) -> Vec<u8> {
    sealed_as(original, &block(original, 9, 3, 1), cover).unwrap()
}

static SEALED: LazyLock<Vec<u8>> = LazyLock::new(|| sealed(&original(ImageFormat::Jpeg), &cover()));

/// A file that says and holds what it is told to.
fn written(block: &SignedBlock, body: &[u8]) -> Vec<u8> {
    let (version, kind) = (block.unverified().version(), Kind::SealedImage);
    let payload = Payload { version, kind, block: block.as_bytes(), body };
    let plan = Plan::new(&cover(), body.len()).unwrap();
    let mut file = Vec::new();
    layout::write(&cover(), &plan, payload, &mut Vec::new(), &mut file).unwrap();
    file
}

#[test]
fn what_is_opened_is_byte_equal_to_what_was_sealed() {
    for format in [ImageFormat::Png, ImageFormat::Jpeg] {
        // Bytes behind the picture's end are part of the file, and come back too.
        let file = [original(format), b"appended".to_vec()].concat();
        for cover in [cover(), Cover::standard()] {
            let png = sealed(&file, &cover);
            assert_eq!(png, sealed(&file, &cover), "sealing again changes nothing");
            let read = SealedFile::read(&png).unwrap();
            assert_eq!(read.block, block(&file, 9, 3, 1));
            assert_eq!(read.open(&key()).unwrap(), file);
        }
    }
}

#[test]
fn the_hidden_bytes_are_held_still() {
    // The header of a PNG of 1 x 1 pixels: whether it is whole is looked at before it is sealed.
    let file = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\x90\x77\x53\xde";
    let read = SealedFile::read(&sealed(file, &cover())).unwrap();
    assert_eq!(read.body.len(), 12 + file.len() + 16);
    let hashes = [&read.body[..], read.block.as_bytes()].map(|bytes| blake3::hash(bytes).to_hex());
    assert_eq!(
        hashes.each_ref().map(|hash| hash.as_str()),
        [
            "ae340096849b128e1b7282013ea1370158523704b65b8ace1fd9aa75d3b247e6",
            "c6ec951f3c4ac329b181d4629badfe0edfd436a674d0389d938edcef0604c851"
        ]
    );
}

#[test]
fn a_photo_of_several_megabytes_makes_the_cover_grow() {
    let mut file = original(ImageFormat::Png);
    file.resize(3_000_000, 0x5a);
    let png = sealed(&file, &Cover::standard());
    assert_eq!(SealedFile::read(&png).unwrap().open(&key()).unwrap(), file);
}

#[test]
fn neither_the_plaintext_nor_a_grantee_is_in_the_file() {
    let file = original(ImageFormat::Jpeg);
    let read = SealedFile::read(&SEALED).unwrap();
    for window in file.windows(16) {
        assert!(!read.body.windows(16).any(|w| w == window));
    }
    assert!(!read.block.as_bytes().windows(3).any(|w| w == b"ben"));
    // Ben finds himself all the same.
    let about = read.block.verify(&cluster().public()).unwrap();
    let left = |name| about.grants.views_left(&cluster().finder(&user(name)), about.image, about.revision);
    assert_eq!((left("ben"), left("cy")), (Some(3), None));
}

#[test]
fn a_wrong_key_is_told_from_tampering() {
    let read = SealedFile::read(&SEALED).unwrap();
    let other = ContentKey::from_bytes([43; 32]);
    assert!(matches!(read.open(&other), Err(SealError::WrongKey)));

    let forged = |change: fn(&mut PermissionBlock)| {
        let mut block = read.block.unverified().clone();
        change(&mut block);
        SealedFile { block: block.sign(&cluster()).unwrap(), ..read.clone() }
    };
    // A forged commitment does not make another key open the image.
    let commitment = forged(|block| block.key_commitment = ContentKey::from_bytes([43; 32]).commitment());
    assert!(matches!(commitment.open(&other), Err(SealError::Tampered)));

    let changes: [fn(&mut PermissionBlock); 6] = [
        |block| block.image = ImageId(10),
        |block| block.owner = user("mallory"),
        |block| block.owner_key = PublicKey::from_bytes([8; 32]),
        |block| block.media = Media::Png,
        |block| block.original_len += 1,
        |block| block.nonce.0[0] ^= 1,
    ];
    for change in changes {
        assert!(matches!(forged(change).open(&key()), Err(SealError::Tampered)));
    }
    for at in [Nonce::LEN, read.body.len() - 1] {
        let mut changed = read.clone();
        changed.body[at] ^= 1;
        assert!(matches!(changed.open(&key()), Err(SealError::Tampered)));
    }
    // What may change did not matter.
    assert!(forged(|block| block.revision = 99).open(&key()).is_ok());
}

#[test]
fn a_forged_quota_is_found_out() {
    let file = original(ImageFormat::Jpeg);
    let honest = SealedFile::read(&SEALED).unwrap();
    // Ben has the file and the cluster's public key, and makes himself a thousand views.
    let about = honest.block.unverified();
    let finder = cluster().finder(&user("ben"));
    let grants = Grants::new(about.image, about.revision, [(finder, 1_000)]);
    let own = PermissionBlock { grants, ..about.clone() }.sign(&ClusterKeys::from_secret([66; 32])).unwrap();
    let forged = SealedFile::read(&sealed_as(&file, &own, &cover()).unwrap()).unwrap();
    assert!(matches!(forged.block.verify(&cluster().public()), Err(SealError::Forged)));
}

#[test]
fn a_permission_block_of_another_image_is_refused() {
    let file = original(ImageFormat::Jpeg);
    let body = SealedFile::read(&SEALED).unwrap().body;
    let moved = block(&file, 10, 1_000, 1);
    assert!(matches!(
        SealedFile::read(&written(&moved, &body)),
        Err(SealError::OtherImage { field: "nonce" })
    ));
    // Nor with a nonce that was made to fit; and had the cluster signed it, no key would open it.
    let mut fitted = body;
    fitted[..Nonce::LEN].copy_from_slice(&moved.unverified().nonce.0);
    assert!(matches!(SealedFile::read(&written(&moved, &fitted)), Err(SealError::Altered)));
    let signed = PermissionBlock { body: None, ..moved.unverified().clone() }.sign(&cluster()).unwrap();
    let fitted = SealedFile::read(&written(&signed, &fitted)).unwrap();
    assert!(matches!(fitted.open(&key()), Err(SealError::Tampered)));

    let old = block(&file, 9, 3, 1);
    let newer = block(&file, 9, 7, 2);
    assert!(check_replacement(old.unverified(), &newer).is_ok());
    let refused = check_replacement(old.unverified(), &moved);
    assert!(matches!(refused, Err(SealError::OtherImage { field: "image id" })));
    let other = PermissionBlock { body: None, ..newer.unverified().clone() }.sign(&cluster()).unwrap();
    let refused = check_replacement(old.unverified(), &other);
    assert!(matches!(refused, Err(SealError::OtherImage { field: "body" })));
    let refused = check_replacement(newer.unverified(), &old);
    assert!(matches!(refused, Err(SealError::OlderBlock { revision: 1, present: 2 })));
    let stranger = newer.unverified().clone().sign(&ClusterKeys::from_secret([66; 32])).unwrap();
    assert!(matches!(check_replacement(old.unverified(), &stranger), Err(SealError::Forged)));
}

#[test]
fn a_block_and_a_body_of_different_length_do_not_belong_together() {
    let read = SealedFile::read(&SEALED).unwrap();
    let short = SealedFile::read(&written(&read.block, &read.body[..Nonce::LEN]));
    assert!(matches!(short, Err(SealError::OtherImage { field: "length" })));
    let none = SealedFile::read(&written(&read.block, b""));
    assert!(matches!(none, Err(SealError::OtherImage { field: "nonce" })));
    let file = original(ImageFormat::Jpeg);
    encrypted(&file, 9, |subject, scratch| {
        let wrong = subject.encrypt(b"other", scratch);
        assert!(matches!(wrong, Err(SealError::OtherImage { field: "length" })));
    });
    for other in [encrypted(&file, 10, |subject, _| issued(subject, 1, 1)), {
        encrypted(&file, 9, |subject, _| issued(&Subject { body: None, ..*subject }, 1, 1))
    }] {
        let wrong = sealed_as(&file, &other, &cover());
        assert!(matches!(wrong, Err(SealError::OtherImage { field: "body" })));
    }
}

#[test]
fn a_body_that_was_altered_is_told_without_a_key_wherever_it_was() {
    let honest = SealedFile::read(&SEALED).unwrap();
    for at in [Nonce::LEN, honest.body.len() / 2, honest.body.len() - 1] {
        let mut altered = honest.body.clone();
        altered[at] ^= 1;
        // Every checksum fits: whoever has altered it has put them right.
        let file = written(&honest.block, &altered);
        layout::read(&file).unwrap();
        assert!(matches!(SealedFile::read(&file), Err(SealError::Altered)), "byte {at}");
    }
}

#[test]
fn what_was_sealed_as_version_2_is_read_opened_and_given_blocks_of_its_kind() {
    let file = original(ImageFormat::Jpeg);
    let body = SealedFile::read(&SEALED).unwrap().body;
    let earlier =
        |revision| encrypted(&file, 9, |subject, _| issued(&Subject { body: None, ..*subject }, 3, revision));
    let png = written(&earlier(1), &body);
    assert_eq!(layout::read(&png).unwrap().header.version, 2);
    let read = SealedFile::read(&png).unwrap();
    assert_eq!(read.open(&key()).unwrap(), file);
    assert!(check_replacement(read.block.unverified(), &earlier(2)).is_ok());
    let rewritten = layout::rewrite(&png, earlier(2).as_bytes()).unwrap();
    assert_eq!(SealedFile::read(&rewritten).unwrap().open(&key()).unwrap(), file);
    // Only its key tells whether it was altered.
    let mut altered = body.clone();
    altered[Nonce::LEN] ^= 1;
    let read = SealedFile::read(&written(&earlier(1), &altered)).unwrap();
    assert!(matches!(read.open(&key()), Err(SealError::Tampered)));
    // A header cannot claim to be older than its block.
    let payload = |block: &SignedBlock| {
        let plan = Plan::new(&cover(), body.len()).unwrap();
        let payload = Payload { version: 2, kind: Kind::SealedImage, block: block.as_bytes(), body: &body };
        let mut png = Vec::new();
        layout::write(&cover(), &plan, payload, &mut Vec::new(), &mut png).unwrap();
        SealedFile::read(&png)
    };
    assert!(payload(&earlier(1)).is_ok());
    let claimed = payload(&block(&file, 9, 3, 1));
    assert!(matches!(claimed, Err(SealError::OtherImage { field: "format version" })));
}

#[test]
fn files_that_are_not_sealed_are_told_apart() {
    let read = |file: &[u8]| match SealedFile::read(file) {
        Err(SealError::Picture(error)) => error,
        other => panic!("{other:?}"),
    };
    assert!(matches!(read(&original(ImageFormat::Jpeg)), StegoError::Jpeg));
    assert!(matches!(read(&original(ImageFormat::Png)), StegoError::NothingHidden));
    let (hidden, _) = crate::seal::hide(b"bytes", "any", [0; 16], &cover()).unwrap();
    assert!(matches!(read(&hidden), StegoError::OtherKind { .. }));
    assert!(matches!(
        crate::seal::reveal(&SEALED, "any"),
        Err(SealError::Picture(StegoError::OtherKind { found: "a sealed image", .. }))
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_flipped_low_bit_is_noticed(at in any::<prop::sample::Index>()) {
        let mut raster = png::decode(&SEALED).unwrap();
        let read = SealedFile::read(&SEALED).unwrap();
        let (geometry, density) = (read.geometry, read.header.density);
        // Of the front, the rows of header and first slot but the last; of the body, whole rows.
        let front = geometry.slot_rows()[0].end - 1;
        let rows = front + read.body.len() / geometry.row_bytes(density);
        let row = at.index(rows);
        let (row, used) = match row.checked_sub(front) {
            None => (row, Density::One),
            Some(row) => (geometry.front_rows() + row, density),
        };
        let channels = geometry.row_bytes(used) * used.channels_per_byte();
        let channel = row * geometry.stride() + at.index(channels);
        raster.channels_mut()[channel] ^= 1;
        let mut file = Vec::new();
        let mut encoder = ::png::Encoder::new(&mut file, raster.width(), raster.height());
        encoder.set_color(::png::ColorType::Rgb);
        encoder.write_header().unwrap().write_image_data(raster.channels()).unwrap();
        prop_assert!(SealedFile::read(&file).is_err(), "channel {}", channel);
    }

    #[test]
    fn damaged_files_never_panic(at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let mut file = SEALED.clone();
        let at = at.index(file.len());
        file[at] = value;
        if let Ok(read) = SealedFile::read(&file) {
            prop_assert_eq!(file, SEALED.clone());
            prop_assert_eq!(read.open(&key()).unwrap(), original(ImageFormat::Jpeg));
        }
    }

    #[test]
    fn random_files_never_panic(signed in any::<bool>(), rest in prop::collection::vec(any::<u8>(), 0..400)) {
        let start: &[u8] = if signed { &png::SIGNATURE } else { b"" };
        prop_assert!(SealedFile::read(&[start, &rest].concat()).is_err());
    }
}
