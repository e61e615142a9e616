//! A sealed image, changed as the fuzzer says, with the checksums of its chunks put right.

use std::sync::LazyLock;

use veil::{
    directory::ImageId,
    identity::{ClusterKeys, PublicKey},
    seal::{ContentKey, Media, Scratch, Subject, seal_image},
    stego::{Cover, Raster},
};

/// The key it opens with.
pub const KEY: [u8; 32] = [42; 32];
/// What was sealed.
pub const ORIGINAL: &[u8] = b"as if it were a JPEG";

/// 48 x 260 pixels: as small as it gets.
static SEALED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let channels = (0..48 * 260 * 3).map(|i: u32| (i * i >> 7) as u8).collect();
    let cover: Cover = Raster::new(48, 260, channels).expect("the size is right").into();
    let (owner, viewer) = ("anna".parse().expect("a name"), "ben".parse().expect("a name"));
    let (key, digest) = (ContentKey::from_bytes(KEY), [5; 32]);
    let mut subject = Subject {
        image: ImageId(9),
        owner: &owner,
        owner_key: PublicKey::from_bytes([3; 32]),
        media: Media::Jpeg,
        original_len: ORIGINAL.len() as u64,
        digest: &digest,
        key: &key,
        body: None,
    };
    let mut scratch = Scratch::default();
    subject.body = Some(subject.encrypt(ORIGINAL, &mut scratch).expect("it is short"));
    let block = subject.block([(&viewer, 3)], 1, 5, &ClusterKeys::from_secret([7; 32])).expect("a block");
    let mut png = Vec::new();
    seal_image(&block, &cover, &mut scratch, &mut png).expect("it fits");
    png
});

/// The file after the changes, five bytes of `data` each: a place of 24 bits, a value, and what to do there: put the
/// value in thrice, take that many bytes out, cut the file off, flip the lowest bit, or set the byte.
pub fn changed(data: &[u8]) -> Vec<u8> {
    let mut file = SEALED.clone();
    for change in data.as_chunks::<5>().0 {
        let [a, b, c, value, how] = *change;
        let at = (usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)) % file.len().max(1);
        match how % 8 {
            0 => drop(file.splice(at..at, [value; 3])),
            1 => drop(file.drain(at..file.len().min(at + usize::from(value)))),
            2 => file.truncate(at.max(64)),
            // The low bit, where what is hidden lies.
            3..6 => file[at] ^= 1,
            _ => file[at] = value,
        }
        if file.is_empty() {
            break;
        }
    }
    put_checksums_right(&mut file);
    file
}

fn put_checksums_right(file: &mut [u8]) {
    let mut at = 8;
    while let Some(length) = file.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes) {
        let Some(end) = at.checked_add(8).and_then(|data| data.checked_add(length as usize)) else { return };
        let Some(crc) = file.get(at + 4..end).map(crc32fast::hash) else { return };
        let Some(place) = file.get_mut(end..end + 4) else { return };
        place.copy_from_slice(&crc.to_be_bytes());
        at = end + 4;
    }
}
