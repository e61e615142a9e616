//! Sealed images: made, read, opened, and given a new permission block.

use serde::Serialize;

use super::{ContentKey, Media, Original, PermissionBlock, SealError};
use crate::{
    directory::{ImageId, UserName},
    stego::{Cover, Raster, layout, png},
    wire::codec,
};

/// Names the cipher, the commitment and their parameters. Another choice gets another name.
const SUITE: &str = "veil 1 AES-256-GCM BLAKE3-commitment";

/// What a ciphertext is bound to: under another id, owner, format or length it does not open.
#[derive(Serialize)]
struct Bound<'a> {
    suite: &'static str,
    version: u8,
    image: ImageId,
    owner: &'a UserName,
    media: Media,
    original_len: u64,
}

impl<'a> Bound<'a> {
    fn bytes(block: &'a PermissionBlock) -> Result<Vec<u8>, SealError> {
        Ok(codec::encode(&Self {
            suite: SUITE,
            version: layout::VERSION,
            image: block.image,
            owner: &block.owner,
            media: block.media,
            original_len: block.original_len,
        })?)
    }
}

/// A freshly sealed image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedImage {
    /// The PNG file.
    pub png: Vec<u8>,
    /// The permission block it carries.
    pub block: PermissionBlock,
}

/// Seals the file `original` under `key`, which must never seal another one.
///
/// The file is encrypted as it is: what [`SealedFile::open`] gives back is equal to it byte for byte. The
/// same arguments give the same sealed image.
///
/// # Errors
/// Those of [`Original::check`] and [`PermissionBlock::encode`];
/// [`crate::stego::StegoError::DoesNotFit`] when no enlargement of the cover holds the original.
pub fn seal_image(
    original: &[u8],
    key: &ContentKey,
    image: ImageId,
    owner: &UserName,
    grants: Vec<(UserName, u32)>,
    revision: u64,
    cover: &Cover,
) -> Result<SealedImage, SealError> {
    let block = PermissionBlock {
        image,
        owner: owner.clone(),
        media: Original::check(original)?.media,
        original_len: original.len() as u64,
        grants,
        revision,
        key_commitment: key.commitment(),
    };
    let block_bytes = block.encode()?;
    let ciphertext = key.encrypt(original, &Bound::bytes(&block)?)?;
    let raster = layout::write(cover, &block_bytes, &ciphertext)?;
    Ok(SealedImage { png: png::encode(&raster)?, block })
}

/// A sealed image as a reader without a key sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedFile {
    /// What the file says about itself. Nothing vouches for it until the image is opened, and then for
    /// all but the grants and the revision.
    pub block: PermissionBlock,
    /// The encrypted original.
    pub ciphertext: Vec<u8>,
}

impl SealedFile {
    /// Takes apart a PNG file that somebody says is sealed.
    ///
    /// # Errors
    /// [`SealError::Picture`] when it is no PNG, hides nothing, is damaged or newer;
    /// [`SealError::BadBlock`] when the permission block does not decode.
    pub fn read(file: &[u8]) -> Result<Self, SealError> {
        Self::from_raster(&png::decode(file)?)
    }

    /// The same of a picture that is decoded already.
    ///
    /// # Errors
    /// Those of [`Self::read`].
    pub fn from_raster(raster: &Raster) -> Result<Self, SealError> {
        let hidden = layout::read(raster)?;
        Ok(Self { block: PermissionBlock::decode(&hidden.block)?, ciphertext: hidden.ciphertext })
    }

    /// Decrypts the original: the very bytes that were sealed.
    ///
    /// # Errors
    /// [`SealError::WrongKey`] when the key is not the one the image was sealed with;
    /// [`SealError::Tampered`] when it is, but something was changed since.
    pub fn open(&self, key: &ContentKey) -> Result<Vec<u8>, SealError> {
        let expected = blake3::Hash::from_bytes(self.block.key_commitment);
        if blake3::Hash::from_bytes(key.commitment()) != expected {
            return Err(SealError::WrongKey);
        }
        key.decrypt(&self.ciphertext, &Bound::bytes(&self.block)?)
    }
}

/// The same sealed image with another permission block, as a PNG file.
///
/// # Errors
/// Those of [`SealedFile::read`], except for damage to the encrypted image, which is not looked at;
/// [`SealError::OtherImage`] when anything but grants and revision would change, after which no key would
/// open the image; [`SealError::TooLarge`] beyond [`PermissionBlock::MAX_BYTES`].
pub fn rewrite_block(file: &[u8], block: &PermissionBlock) -> Result<Vec<u8>, SealError> {
    let bytes = block.encode()?;
    let mut raster = png::decode(file)?;
    let old = PermissionBlock::decode(&layout::read_block_only(&raster)?)?;
    let fixed = [
        ("image id", old.image == block.image),
        ("owner", old.owner == block.owner),
        ("format", old.media == block.media),
        ("length", old.original_len == block.original_len),
        ("key commitment", old.key_commitment == block.key_commitment),
    ];
    if let Some((field, _)) = fixed.into_iter().find(|(_, same)| !same) {
        return Err(SealError::OtherImage { field });
    }
    layout::replace_block(&mut raster, &bytes)?;
    Ok(png::encode(&raster)?)
}

#[cfg(test)]
mod tests {
    use std::{io::Cursor, sync::LazyLock};

    use image::{DynamicImage, ImageFormat, RgbImage};
    use proptest::prelude::*;

    use super::*;
    use crate::stego::StegoError;

    fn user(name: &str) -> UserName {
        name.parse().unwrap()
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

    fn seal(file: &[u8], cover: &Cover) -> Result<SealedImage, SealError> {
        let grants = vec![(user("bo"), 3)];
        seal_image(file, &key(), ImageId(9), &user("anna"), grants, 1, cover)
    }

    static SEALED: LazyLock<SealedImage> =
        LazyLock::new(|| seal(&original(ImageFormat::Jpeg), &cover()).unwrap());

    #[test]
    fn what_is_opened_is_byte_equal_to_what_was_sealed() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            // Bytes behind the picture's end are part of the file, and come back too.
            let file = [original(format), b"appended".to_vec()].concat();
            for cover in [cover(), Cover::standard()] {
                let sealed = seal(&file, &cover).unwrap();
                assert_eq!(sealed, seal(&file, &cover).unwrap(), "sealing again changes nothing");
                let read = SealedFile::read(&sealed.png).unwrap();
                assert_eq!(read.block, sealed.block);
                assert_eq!(read.open(&key()).unwrap(), file);
            }
        }
    }

    #[test]
    fn the_ciphertext_is_held_still() {
        // An empty PNG of 1 x 1 pixels: its header is all that sealing looks at.
        let file = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\x90\x77\x53\xde";
        let read = SealedFile::read(&seal(file, &cover()).unwrap().png).unwrap();
        assert_eq!(read.ciphertext.len(), file.len() + 16);
        let golden = "777715b6a9c3cb8164c621ecf997ddacf4c5a0cd7fe8b7e46b720fca52ea0419";
        assert_eq!(blake3::hash(&read.ciphertext).to_hex().as_str(), golden);
    }

    #[test]
    fn any_png_reader_shows_the_cover() {
        let sealed = seal(&original(ImageFormat::Jpeg), &Cover::standard()).unwrap();
        let shown = image::load_from_memory(&sealed.png).unwrap().into_rgb8();
        let cover = Cover::standard();
        assert_eq!(shown.dimensions(), (cover.raster().width(), cover.raster().height()));
        let near = |(&a, &b): (&u8, &u8)| a.abs_diff(b) <= 1;
        assert!(shown.as_raw().iter().zip(cover.raster().channels()).all(near));
    }

    #[test]
    fn a_photo_of_several_megabytes_makes_the_cover_grow() {
        let mut file = original(ImageFormat::Png);
        file.resize(3_000_000, 0x5a);
        let sealed = seal(&file, &Cover::standard()).unwrap();
        let read = SealedFile::read(&sealed.png).unwrap();
        assert_eq!(read.open(&key()).unwrap(), file);
    }

    #[test]
    fn the_plaintext_is_not_in_the_file() {
        let file = original(ImageFormat::Jpeg);
        let read = SealedFile::read(&SEALED.png).unwrap();
        for window in file.windows(16) {
            assert!(!read.ciphertext.windows(16).any(|w| w == window));
        }
    }

    #[test]
    fn a_wrong_key_is_told_from_tampering() {
        let read = SealedFile::read(&SEALED.png).unwrap();
        let other = ContentKey::from_bytes([43; 32]);
        assert!(matches!(read.open(&other), Err(SealError::WrongKey)));

        // A forged commitment does not make another key open the image.
        let mut forged = read.clone();
        forged.block.key_commitment = other.commitment();
        assert!(matches!(forged.open(&other), Err(SealError::Tampered)));

        let changes: [fn(&mut SealedFile); 6] = [
            |f| f.ciphertext[0] ^= 1,
            |f| f.ciphertext.truncate(8),
            |f| f.block.image = ImageId(10),
            |f| f.block.owner = user("mallory"),
            |f| f.block.media = Media::Png,
            |f| f.block.original_len += 1,
        ];
        for change in changes {
            let mut changed = read.clone();
            change(&mut changed);
            assert!(matches!(changed.open(&key()), Err(SealError::Tampered)));
        }
    }

    #[test]
    fn grants_change_and_the_image_stays() {
        let mut block = SEALED.block.clone();
        block.grants = vec![(user("bo"), 2), (user("cy"), 5)];
        block.revision += 1;
        let read = SealedFile::read(&rewrite_block(&SEALED.png, &block).unwrap()).unwrap();
        assert_eq!(read.block, block);
        assert_eq!(read.open(&key()).unwrap(), original(ImageFormat::Jpeg));

        block.image = ImageId(10);
        assert!(matches!(
            rewrite_block(&SEALED.png, &block),
            Err(SealError::OtherImage { field: "image id" })
        ));
        block.grants = vec![(user("bo"), 1); 2000];
        assert!(matches!(rewrite_block(&SEALED.png, &block), Err(SealError::TooLarge { limit: 4096, .. })));
    }

    #[test]
    fn files_that_are_not_sealed_are_told_apart() {
        let read = |file: &[u8]| match SealedFile::read(file) {
            Err(SealError::Picture(error)) => error,
            other => panic!("{other:?}"),
        };
        assert!(matches!(read(&original(ImageFormat::Jpeg)), StegoError::Jpeg));
        assert!(matches!(read(&original(ImageFormat::Png)), StegoError::NothingHidden));
        let cut = &SEALED.png[..SEALED.png.len() - 30];
        assert!(matches!(read(cut), StegoError::UnreadablePng(_)));
        assert!(matches!(seal(b"text", &cover()), Err(SealError::NotPngOrJpeg)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_flipped_low_bit_is_noticed(at in any::<prop::sample::Index>()) {
            let mut raster = png::decode(&SEALED.png).unwrap();
            let ciphertext = SealedFile::read(&SEALED.png).unwrap().ciphertext.len();
            let density = 8 / layout::Plan::new(150, 120, ciphertext).unwrap().density.bits();
            let front = (layout::HEADER_LEN + layout::BLOCK_CAPACITY) * 8;
            let at = at.index(front + ciphertext * usize::from(density));
            raster.channels_mut()[at] ^= 1;
            let file = png::encode(&raster).unwrap();
            prop_assert!(SealedFile::read(&file).is_err(), "channel {}", at);
        }

        #[test]
        fn damaged_files_never_panic(at in any::<prop::sample::Index>(), value in any::<u8>()) {
            let mut file = SEALED.png.clone();
            let at = at.index(file.len());
            file[at] = value;
            if let Ok(read) = SealedFile::read(&file) {
                prop_assert_eq!(read.open(&key()).unwrap(), original(ImageFormat::Jpeg));
            }
        }

        #[test]
        fn random_files_never_panic(signed in any::<bool>(), rest in prop::collection::vec(any::<u8>(), 0..400)) {
            let start: &[u8] = if signed { &png::SIGNATURE } else { b"" };
            prop_assert!(SealedFile::read(&[start, &rest].concat()).is_err());
        }
    }
}
