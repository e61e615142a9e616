use std::{fs, io::Read as _};

use super::*;
use crate::{
    directory::ImageId,
    identity::{ClusterKeys, PublicKey},
    seal::{ContentKey, Media, Scratch, Subject, seal_image},
    stego::{Cover, png},
};

/// Nobody else works with the file.
const PATIENCE: Duration = Duration::ZERO;
const ORIGINAL: &[u8] = b"as if it were a JPEG";

fn cluster() -> ClusterKeys {
    ClusterKeys::from_secret([1; 32])
}

fn block(image: u128, revision: u64) -> SignedBlock {
    encrypted(image, revision).0
}

/// A permission block, and what is sealed with it.
fn encrypted(image: u128, revision: u64) -> (SignedBlock, Scratch) {
    let (owner, ben) = ("anna".parse().unwrap(), "ben".parse().unwrap());
    let (key, digest) = (ContentKey::from_bytes([7; 32]), blake3::hash(ORIGINAL));
    let mut scratch = Scratch::default();
    let mut subject = Subject {
        image: ImageId(image),
        owner: &owner,
        owner_key: PublicKey::from_bytes([3; 32]),
        media: Media::Jpeg,
        original_len: ORIGINAL.len() as u64,
        digest: digest.as_bytes(),
        key: &key,
        body: None,
    };
    subject.body = Some(subject.encrypt(ORIGINAL, &mut scratch).unwrap());
    (subject.block([(&ben, 2)], revision, 5, &cluster()).unwrap(), scratch)
}

fn sealed() -> Vec<u8> {
    let mut png = Vec::new();
    let (block, mut scratch) = encrypted(9, 0);
    seal_image(&block, &Cover::standard(), &mut scratch, &mut png).unwrap();
    png
}

/// A copy in a folder of its own.
fn copy(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.png");
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

#[test]
fn a_block_is_replaced_in_the_same_file() {
    let (_folder, path) = copy(&sealed());
    let mut before = File::open(&path).unwrap();
    let mut copy = SealedCopy::open(&path, PATIENCE).unwrap();
    for revision in 1..4 {
        assert_eq!(copy.present().block().unwrap().unverified().revision, revision - 1);
        copy.replace_block(&block(9, revision)).unwrap();
        let read = SealedFile::read(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(read.block, block(9, revision));
        assert_eq!(read.open(&ContentKey::from_bytes([7; 32])).unwrap(), ORIGINAL);
    }
    // Whoever had it open sees the change: nothing took its place.
    let mut seen = Vec::new();
    before.read_to_end(&mut seen).unwrap();
    assert_eq!(seen, fs::read(&path).unwrap());
}

#[test]
fn a_block_of_another_image_is_refused_and_nothing_changes() {
    let bytes = sealed();
    let (_folder, path) = copy(&bytes);
    let refused = SealedCopy::open(&path, PATIENCE).unwrap().replace_block(&block(10, 1));
    assert!(matches!(refused, Err(CopyError::Seal(SealError::OtherImage { field: "image id" }))));
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn an_interrupted_replacement_is_refused_until_it_is_repaired() {
    let bytes = sealed();
    let (_folder, path) = copy(&bytes);
    let mut copy = SealedCopy::open(&path, PATIENCE).unwrap();
    let Ends { front, tail } = copy.0.ends().unwrap().unwrap();
    let patches = Front::read(&front, &tail).unwrap();
    let patches = patches.replace(&front, copy.0.len, block(9, 1).as_bytes()).unwrap();
    // The beginning of a row: the old block counts. All rows, but no checksum: the new one.
    for (written, revision) in [(500, 0), (patches[0].bytes.len(), 1)] {
        copy.0.file.write_all_at(&patches[0].bytes[..written], patches[0].at).unwrap();
        let refused = copy.present().block().unwrap_err().to_string();
        assert!(refused.contains("`veil repair`"), "{refused}");
        assert!(copy.repair().unwrap());
        assert!(!copy.repair().unwrap());
        assert_eq!(copy.present().read().unwrap().block, block(9, revision));
        fs::write(&path, &bytes).unwrap();
    }
}

#[test]
fn a_repair_that_would_not_help_changes_nothing() {
    let bytes = sealed();
    let mut torn = bytes.clone();
    torn[100] ^= 1;
    let mut both = torn.clone();
    *both.last_mut().unwrap() ^= 1;
    for broken in [&torn[..torn.len() - 3], &[&bytes[..], b"more"].concat(), &both] {
        let (_folder, path) = copy(broken);
        assert!(SealedCopy::open(&path, PATIENCE).unwrap().repair().is_err());
        assert_eq!(fs::read(&path).unwrap(), broken);
    }
}

#[test]
fn a_picture_of_bytes_under_a_passphrase_is_repaired_too() {
    let (mut hidden, _) = crate::seal::hide(b"bytes", "any", [1; 16], &Cover::standard()).unwrap();
    // A pixel of the front, above its low bit.
    hidden[100] ^= 0x10;
    let (_folder, path) = copy(&hidden);
    assert!(SealedCopy::open(&path, PATIENCE).unwrap().repair().unwrap());
    assert_eq!(crate::seal::reveal(&fs::read(&path).unwrap(), "any").unwrap(), b"bytes");
    assert!(!SealedCopy::open(&path, PATIENCE).unwrap().repair().unwrap());
}

#[test]
fn a_file_that_another_program_saved_is_written_anew() {
    let (_folder, path) = copy(&saved());
    let mut copy = SealedCopy::open(&path, PATIENCE).unwrap();
    assert!(!copy.repair().unwrap());
    for revision in 1..3 {
        copy.replace_block(&block(9, revision)).unwrap();
        assert_eq!(SealedFile::read(&fs::read(&path).unwrap()).unwrap().block, block(9, revision));
    }
}

#[test]
fn what_is_no_sealed_image_is_told_so() {
    for bytes in [&b""[..], b"\x89PNG", b"\xff\xd8\xff\xe0 and so on", b"text"] {
        let (_folder, path) = copy(bytes);
        assert!(Reading::open(&path, PATIENCE).unwrap().block().is_err());
    }
    let cut = &sealed()[..20_000];
    let (_folder, path) = copy(cut);
    let refused = Reading::open(&path, PATIENCE).unwrap().block().unwrap_err();
    assert!(matches!(refused, CopyError::Seal(SealError::Picture(StegoError::CutOff { .. }))), "{refused}");
}

/// A sealed file as another program saves it.
fn saved() -> Vec<u8> {
    let raster = png::decode(&sealed()).unwrap();
    let mut saved = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut saved, raster.width(), raster.height());
    encoder.set_color(::png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(raster.channels()).unwrap();
    saved
}

#[test]
fn a_link_stays_a_link_and_the_file_keeps_its_permissions() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    for bytes in [sealed(), saved()] {
        let (folder, path) = copy(&bytes);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let (near, far) = (folder.path().join("near.png"), tempfile::tempdir().unwrap());
        let far_link = far.path().join("far.png");
        symlink("copy.png", &near).unwrap();
        symlink(&near, &far_link).unwrap();
        for (revision, link) in [(1, &near), (2, &far_link)] {
            SealedCopy::open(link, PATIENCE).unwrap().replace_block(&block(9, revision)).unwrap();
            assert!(fs::symlink_metadata(link).unwrap().is_symlink());
            assert_eq!(SealedFile::read(&fs::read(&path).unwrap()).unwrap().block, block(9, revision));
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
        assert_eq!(fs::read_dir(far.path()).unwrap().count(), 1);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}

#[test]
fn who_reads_waits_for_who_changes_and_not_for_ever() {
    let (_folder, path) = copy(&sealed());
    let reading = Reading::open(&path, PATIENCE).unwrap();
    Reading::open(&path, PATIENCE).unwrap();
    let refused = SealedCopy::open(&path, PATIENCE).unwrap_err();
    assert!(matches!(refused, CopyError::Locked { .. }), "{refused}");
    drop(reading);
    let changing = SealedCopy::open(&path, PATIENCE).unwrap();
    assert!(matches!(Reading::open(&path, PATIENCE).unwrap_err(), CopyError::Locked { .. }));
    drop(changing);
    Reading::open(&path, PATIENCE).unwrap();
}

#[test]
fn every_reader_sees_a_whole_file_whoever_rewrites_it() {
    use std::sync::atomic::{AtomicBool, Ordering};
    const PATIENCE: Duration = Duration::from_secs(60);
    for bytes in [sealed(), saved()] {
        let (_folder, path) = copy(&bytes);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let readers: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        let mut seen = 0;
                        while !done.load(Ordering::Relaxed) || seen == 0 {
                            let reading = Reading::open(&path, PATIENCE).unwrap();
                            let (bytes, block) = (reading.bytes().unwrap(), reading.block().unwrap());
                            // Whoever changes it has to come to their turn.
                            drop(reading);
                            assert_eq!(SealedFile::read(&bytes).unwrap().block, block);
                            seen += 1;
                        }
                    })
                })
                .collect();
            for revision in 1..20 {
                SealedCopy::open(&path, PATIENCE).unwrap().replace_block(&block(9, revision)).unwrap();
                assert!(!SealedCopy::open(&path, PATIENCE).unwrap().repair().unwrap());
            }
            done.store(true, Ordering::Relaxed);
            readers.into_iter().for_each(|reader| reader.join().unwrap());
        });
    }
}
