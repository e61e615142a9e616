//! Sealed images: made, read, opened, and given a new permission block.

use serde::Serialize;

use super::{BodyHash, ContentKey, Grants, Media, Nonce, PermissionBlock, SealError, SignedBlock};
use crate::{
    directory::{ImageId, UserName},
    identity::{ClusterKeys, PublicKey},
    stego::{
        Cover, StegoError,
        layout::{self, FIRST_VERSION, Geometry, Header, Kind, Payload, Plan},
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
    /// What its body [is known by](Self::encrypt); nothing, of an image that was sealed before version 3.
    pub body: Option<BodyHash>,
}

/// What a ciphertext is bound to: under another id, owner, format or length it does not open. That is as it was in
/// version 2 of the format.
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
        Bound { suite: SUITE, version: FIRST_VERSION, image, owner, owner_key, media, original_len }.encode()
    }

    fn encode(&self) -> Result<Vec<u8>, SealError> {
        Ok(codec::encode(self)?)
    }
}

impl Subject<'_> {
    fn bound(&self) -> Result<Vec<u8>, SealError> {
        let Self { image, owner, owner_key, media, original_len, .. } = *self;
        Bound { suite: SUITE, version: FIRST_VERSION, image, owner, owner_key, media, original_len }.encode()
    }

    /// Encrypts the image's original, the file as it is, for [`seal_image`], and says by what permission blocks are to
    /// name it. The key must never encrypt another one. The same arguments give the same ciphertext.
    ///
    /// # Errors
    /// [`SealError::OtherImage`] when it has another length.
    pub fn encrypt(&self, original: &[u8], scratch: &mut Scratch) -> Result<BodyHash, SealError> {
        scratch.hash = None;
        if self.original_len != original.len() as u64 {
            return Err(SealError::OtherImage { field: "length" });
        }
        let bound = self.bound()?;
        let nonce = self.key.nonce(self.digest, &bound);
        let body = &mut scratch.body;
        body.clear();
        body.extend_from_slice(&nonce.0);
        self.key.encrypt(nonce, original, &bound, body)?;
        let hash = BodyHash::of(body);
        scratch.hash = Some(hash);
        Ok(hash)
    }

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
        let block = PermissionBlock {
            image: self.image,
            owner: self.owner.clone(),
            owner_key: self.owner_key,
            media: self.media,
            original_len: self.original_len,
            key_commitment: self.key.commitment(),
            nonce: self.key.nonce(self.digest, &self.bound()?),
            grants: Grants::new(self.image, revision, viewers),
            revision,
            issued_ms,
            cluster: cluster.public(),
            body: self.body,
        };
        block.sign(cluster)
    }
}

/// Buffers that sealing fills, to be used again for the next image.
#[derive(Debug, Default)]
pub struct Scratch {
    body: Vec<u8>,
    /// Of the body.
    hash: Option<BodyHash>,
    read_back: Vec<u8>,
}

impl Scratch {
    /// The size of the larger buffer, in bytes.
    pub fn capacity(&self) -> usize {
        self.body.capacity().max(self.read_back.capacity())
    }
}

/// Seals what was [encrypted](Subject::encrypt) into `scratch`, as a PNG file in `png`, whose content before is lost.
/// `block` is what [`Subject::block`] made for this image.
///
/// What [`SealedFile::open`] gives back is equal to the original byte for byte. The same arguments give the same sealed
/// image. What was written was read back.
///
/// # Errors
/// [`StegoError::DoesNotFit`] when no enlargement of the cover holds the original, [`SealError::OtherImage`]
/// when the block is another image's, [`StegoError::NotVerified`].
pub fn seal_image(
    block: &SignedBlock,
    cover: &Cover,
    scratch: &mut Scratch,
    png: &mut Vec<u8>,
) -> Result<Plan, SealError> {
    let about = block.unverified();
    if about.body.is_none() || about.body != scratch.hash {
        return Err(SealError::OtherImage { field: "body" });
    }
    let plan = Plan::new(cover, scratch.body.len())?;
    let (version, kind) = (about.version(), Kind::SealedImage);
    let payload = Payload { version, kind, block: block.as_bytes(), body: &scratch.body };
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
    /// is another image's; [`SealError::Altered`] when the body is not the one that it names.
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
        if header.version != about.version() {
            return Err(SealError::OtherImage { field: "format version" });
        }
        // Of what was sealed before version 3 only the key tells.
        if about.body.is_some_and(|named| named != BodyHash::of(&body)) {
            return Err(SealError::Altered);
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
        ("body", old.body == new.body),
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
