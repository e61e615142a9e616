//! Sealed images: made, read, opened, and given a new permission block.

use serde::Serialize;

use super::{ContentKey, Grants, Media, Nonce, PermissionBlock, SealError, SignedBlock};
use crate::{
    directory::{ImageId, UserName},
    identity::{ClusterKeys, PublicKey},
    stego::{
        Cover, StegoError,
        layout::{self, Geometry, Header, Kind, Payload, Plan, VERSION},
    },
    wire::codec,
};

/// Names the cipher, the commitment and their parameters. Another choice gets another name.
const SUITE: &str = "veil 2 AES-256-GCM BLAKE3-commitment";

/// What never changes of an image, as the cluster knows it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Which image.
    pub image: ImageId,
    /// Whose.
    pub owner: &'a UserName,
    /// The owner's public key.
    pub owner_key: PublicKey,
    /// The original's format.
    pub media: Media,
    /// The original's length, in bytes.
    pub original_len: u64,
    /// BLAKE3 of the original.
    pub digest: &'a [u8; 32],
    /// The key that opens it.
    pub key: &'a ContentKey,
}

/// What a ciphertext is bound to: under another id, owner, format or length it does not open.
#[derive(Serialize)]
struct Bound<'a> {
    suite: &'static str,
    version: u8,
    image: ImageId,
    owner: &'a UserName,
    owner_key: PublicKey,
    media: Media,
    original_len: u64,
}

impl Bound<'_> {
    fn bytes(block: &PermissionBlock) -> Result<Vec<u8>, SealError> {
        let PermissionBlock { image, ref owner, owner_key, media, original_len, .. } = *block;
        let suite = SUITE;
        Ok(codec::encode(&Bound { suite, version: VERSION, image, owner, owner_key, media, original_len })?)
    }
}

impl Subject<'_> {
    /// The permission block of a revision, issued and signed by the cluster.
    ///
    /// # Errors
    /// Those of [`PermissionBlock::sign`].
    pub fn block<'a>(
        &self,
        grants: impl IntoIterator<Item = (&'a UserName, u32)>,
        revision: u64,
        issued_ms: u64,
        cluster: &ClusterKeys,
    ) -> Result<SignedBlock, SealError> {
        let viewers = grants.into_iter().map(|(user, views)| (cluster.finder(user), views));
        let mut block = PermissionBlock {
            image: self.image,
            owner: self.owner.clone(),
            owner_key: self.owner_key,
            media: self.media,
            original_len: self.original_len,
            key_commitment: self.key.commitment(),
            nonce: Nonce([0; Nonce::LEN]),
            grants: Grants::new(self.image, revision, viewers),
            revision,
            issued_ms,
            cluster: cluster.public(),
        };
        block.nonce = self.key.nonce(self.digest, &Bound::bytes(&block)?);
        block.sign(cluster)
    }
}

/// Buffers that sealing fills, to be used again for the next image.
#[derive(Debug, Default)]
pub struct Scratch {
    body: Vec<u8>,
    read_back: Vec<u8>,
}

impl Scratch {
    /// The size of the larger buffer, in bytes.
    pub fn capacity(&self) -> usize {
        self.body.capacity().max(self.read_back.capacity())
    }
}

/// Seals the file `original` under `key`, which must never seal another one, as a PNG file in `png`, whose
/// content before is lost. `block` is what [`Subject::block`] made for this image, from the digest of this original:
/// its nonce is taken as it is.
///
/// The file is encrypted as it is: what [`SealedFile::open`] gives back is equal to it byte for byte. The
/// same arguments give the same sealed image. What was written was read back.
///
/// # Errors
/// [`StegoError::DoesNotFit`] when no enlargement of the cover holds the original, [`SealError::OtherImage`]
/// when the block is another image's, [`StegoError::NotVerified`].
pub fn seal_image(
    original: &[u8],
    key: &ContentKey,
    block: &SignedBlock,
    cover: &Cover,
    scratch: &mut Scratch,
    png: &mut Vec<u8>,
) -> Result<Plan, SealError> {
    let about = block.unverified();
    if about.original_len != original.len() as u64 {
        return Err(SealError::OtherImage { field: "length" });
    }
    if about.key_commitment != key.commitment() {
        return Err(SealError::OtherImage { field: "key commitment" });
    }
    scratch.body.clear();
    scratch.body.extend_from_slice(&about.nonce.0);
    key.encrypt(about.nonce, original, &Bound::bytes(about)?, &mut scratch.body)?;
    let plan = Plan::new(cover, scratch.body.len())?;
    let payload = Payload { kind: Kind::SealedImage, block: block.as_bytes(), body: &scratch.body };
    layout::write(cover, &plan, payload, &mut scratch.read_back, png)?;
    Ok(plan)
}

/// A sealed image as a reader without a key sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct SealedFile {
    /// What the file says about itself.
    pub block: SignedBlock,
    /// The picture's dimensions.
    pub geometry: Geometry,
    /// The header.
    pub header: Header,
    /// Nonce, encrypted original, and tag.
    body: Vec<u8>,
}

impl SealedFile {
    /// Takes apart a PNG file that somebody says is sealed.
    ///
    /// # Errors
    /// [`SealError::Picture`] when it is no PNG, hides nothing or something else, is damaged or newer;
    /// [`SealError::BadBlock`] when the permission block does not decode; [`SealError::OtherImage`] when it
    /// is another image's.
    pub fn read(file: &[u8]) -> Result<Self, SealError> {
        let layout::Hidden { geometry, header, block, body } = layout::read(file)?;
        if header.kind != Kind::SealedImage {
            let (found, expected) = (header.kind.name(), Kind::SealedImage.name());
            return Err(StegoError::OtherKind { found, expected }.into());
        }
        let block = SignedBlock::decode(&block)?;
        let about = block.unverified();
        if body.get(..Nonce::LEN) != Some(&about.nonce.0[..]) {
            return Err(SealError::OtherImage { field: "nonce" });
        }
        if (body.len() - Nonce::LEN) as u64 != about.original_len.saturating_add(ContentKey::OVERHEAD as u64)
        {
            return Err(SealError::OtherImage { field: "length" });
        }
        Ok(Self { block, geometry, header, body })
    }

    /// Decrypts the original: the very bytes that were sealed.
    ///
    /// # Errors
    /// [`SealError::WrongKey`] when the key is not the one the image was sealed with;
    /// [`SealError::Tampered`] when it is, but something was changed since.
    pub fn open(&self, key: &ContentKey) -> Result<Vec<u8>, SealError> {
        let about = self.block.unverified();
        let expected = blake3::Hash::from_bytes(about.key_commitment);
        if blake3::Hash::from_bytes(key.commitment()) != expected {
            return Err(SealError::WrongKey);
        }
        key.decrypt(about.nonce, &self.body[Nonce::LEN..], &Bound::bytes(about)?)
    }
}

/// Checks that `new` may take the place of `old` in a file.
///
/// # Errors
/// Those of [`SignedBlock::verify`] when another than the old block's cluster signed it;
/// [`SealError::OtherImage`] when it is about another image, after which no key would open the file;
/// [`SealError::OlderBlock`].
pub fn check_replacement(old: &PermissionBlock, new: &SignedBlock) -> Result<(), SealError> {
    let new = new.verify(&old.cluster)?;
    let fixed = [
        ("image id", old.image == new.image),
        ("owner", old.owner == new.owner),
        ("owner's key", old.owner_key == new.owner_key),
        ("format", old.media == new.media),
        ("length", old.original_len == new.original_len),
        ("key commitment", old.key_commitment == new.key_commitment),
        ("nonce", old.nonce == new.nonce),
    ];
    match fixed.into_iter().find(|(_, same)| !same) {
        Some((field, _)) => Err(SealError::OtherImage { field }),
        None if new.revision < old.revision => {
            Err(SealError::OlderBlock { revision: new.revision, present: old.revision })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
