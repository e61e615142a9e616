//! The permission block: what a sealed image says about itself without a key.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::SealError;
use crate::{
    directory::{ImageId, UserName},
    stego::layout::BLOCK_CAPACITY,
    wire::codec,
};

/// The format of an original.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Media {
    /// Portable Network Graphics.
    Png,
    /// JPEG, baseline or progressive.
    Jpeg,
}

impl Media {
    /// The usual ending of a file's name, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
        }
    }
}

impl fmt::Display for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
        })
    }
}

/// Travels in the file, for readers without a key. It is a copy: what counts is the directory, which
/// releases the key. Grants and revision are not bound to the ciphertext, so that they can change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermissionBlock {
    /// Which image this is.
    pub image: ImageId,
    /// Whose image this is.
    pub owner: UserName,
    /// The original's format.
    pub media: Media,
    /// The original's length, in bytes.
    pub original_len: u64,
    /// Who may view, and how many views each has left.
    pub grants: Vec<(UserName, u32)>,
    /// Grows with every change of the grants: of two copies of a block, the higher is the newer.
    pub revision: u64,
    /// [`super::ContentKey::commitment`] of the key that opens the image.
    pub key_commitment: [u8; 32],
}

impl PermissionBlock {
    /// The longest encoded block, in bytes.
    pub const MAX_BYTES: usize = BLOCK_CAPACITY;

    /// How many views `user` has left; 0 without a grant.
    pub fn views_left(&self, user: &UserName) -> u32 {
        let grant = self.grants.iter().find(|(name, _)| name == user);
        grant.map_or(0, |(_, views)| *views)
    }

    /// The block as it lies in the file.
    ///
    /// # Errors
    /// [`SealError::TooLarge`] beyond [`Self::MAX_BYTES`], which a few hundred grants reach.
    pub fn encode(&self) -> Result<Vec<u8>, SealError> {
        let bytes = codec::encode(self)?;
        if bytes.len() > Self::MAX_BYTES {
            return Err(SealError::TooLarge {
                field: "permission block",
                value: bytes.len() as u64,
                limit: Self::MAX_BYTES as u64,
                unit: "bytes",
            });
        }
        Ok(bytes)
    }

    /// Reads a block back.
    ///
    /// # Errors
    /// [`SealError::BadBlock`] when the bytes are anything but one block.
    pub fn decode(bytes: &[u8]) -> Result<Self, SealError> {
        Ok(codec::decode(bytes)?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block(grants: Vec<(UserName, u32)>) -> PermissionBlock {
        PermissionBlock {
            image: ImageId(0x0102_0304),
            owner: "anna".parse().unwrap(),
            media: Media::Jpeg,
            original_len: 46_000,
            grants,
            revision: 7,
            key_commitment: [0xcc; 32],
        }
    }

    #[test]
    fn the_block_is_held_still() {
        let bytes = block(vec![("bo".parse().unwrap(), 3), ("cy".parse().unwrap(), 300)]).encode().unwrap();
        let mut golden =
            b"\xfc\x04\x03\x02\x01\x04anna\x01\xfb\xb0\xb3\x02\x02bo\x03\x02cy\xfb\x2c\x01\x07".to_vec();
        golden.extend([0xcc; 32]);
        assert_eq!(bytes, golden);
        let block = PermissionBlock::decode(&golden).unwrap();
        assert_eq!(block.views_left(&"cy".parse().unwrap()), 300);
        assert_eq!(block.views_left(&"anna".parse().unwrap()), 0);
    }

    #[test]
    fn too_many_grants_are_refused_with_the_limit() {
        let grants = |count: u32| (0..count).map(|i| (format!("user{i:04}").parse().unwrap(), 1)).collect();
        assert!(block(grants(400)).encode().is_ok());
        assert!(matches!(
            block(grants(410)).encode(),
            Err(SealError::TooLarge { field: "permission block", limit: 4096, .. })
        ));
    }

    #[test]
    fn a_forged_name_is_refused() {
        let mut bytes = block(vec![]).encode().unwrap();
        let at = bytes.windows(4).position(|w| w == b"anna").unwrap();
        bytes[at] = b'A';
        assert!(matches!(PermissionBlock::decode(&bytes), Err(SealError::BadBlock(_))));
    }

    proptest! {
        #[test]
        fn random_blocks_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = PermissionBlock::decode(&bytes);
        }
    }
}
