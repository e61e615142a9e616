//! The permission block: what a sealed image says about itself without a key, signed by the cluster.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{BodyHash, Grants, Nonce, SealError};
use crate::{
    directory::{ImageId, UserName},
    identity::{ClusterKeys, PublicKey, SIGNATURE_LEN},
    stego::layout::{BLOCK_CAPACITY, FIRST_VERSION, VERSION},
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
/// releases the key. Grants, revision and time of issue are not bound to the ciphertext, so that they can
/// change; the cluster's signature covers all, and with the body's hash the ciphertext.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermissionBlock {
    /// Which image this is.
    pub image: ImageId,
    /// Whose image this is.
    pub owner: UserName,
    /// The owner's public key.
    pub owner_key: PublicKey,
    /// The original's format.
    pub media: Media,
    /// The original's length, in bytes.
    pub original_len: u64,
    /// [`super::ContentKey::commitment`] of the key that opens the image.
    pub key_commitment: [u8; 32],
    /// The nonce of the ciphertext.
    pub nonce: Nonce,
    /// Who may view, and how many views each has left, for their eyes only.
    pub grants: Grants,
    /// Grows with every change of the grants: of two copies of a block, the higher is the newer.
    pub revision: u64,
    /// When the cluster issued this block, in milliseconds since the Unix epoch.
    pub issued_ms: u64,
    /// The cluster's public key. Says by which key the signature is to be verified; whether that is the
    /// key of the cluster one trusts, the reader has to know.
    pub cluster: PublicKey,
    /// The hash of the body that it belongs to. Images that were sealed before version 3 of the format have none. Comes
    /// last, without a sign whether it is there: the block ends with it or before it.
    #[serde(skip)]
    pub body: Option<BodyHash>,
}

/// Keeps signatures of permission blocks apart from those of anything else.
const SIGNED: &[u8] = b"veil 2 permission block\0";

impl PermissionBlock {
    /// Signs the block in the name of its cluster.
    ///
    /// # Errors
    /// [`SealError::TooLarge`] beyond [`SignedBlock::MAX_BYTES`], which some hundred grants reach.
    pub fn sign(self, keys: &ClusterKeys) -> Result<SignedBlock, SealError> {
        let mut bytes = self.encode()?;
        let signature = keys.sign(&[SIGNED, &bytes].concat());
        bytes.extend_from_slice(&signature);
        let (value, limit) = (bytes.len() as u64, SignedBlock::MAX_BYTES as u64);
        if value > limit {
            return Err(SealError::TooLarge { field: "permission block", value, limit, unit: "bytes" });
        }
        Ok(SignedBlock { block: self, bytes })
    }

    fn encode(&self) -> Result<Vec<u8>, SealError> {
        let mut bytes = codec::encode(self)?;
        bytes.extend(self.body.iter().flat_map(|body| body.0));
        Ok(bytes)
    }

    fn decode(bytes: &[u8]) -> Result<Self, SealError> {
        let mut rest = bytes;
        let fields: Self = codec::decode_first(&mut rest)?;
        let body = match rest {
            [] => None,
            rest => Some(codec::decode(rest)?),
        };
        let block = Self { body, ..fields };
        codec::check_shortest(&block, &bytes[..bytes.len() - rest.len()])?;
        Ok(block)
    }

    /// The version of the format that has such a block.
    pub fn version(&self) -> u8 {
        match self.body {
            Some(_) => VERSION,
            None => FIRST_VERSION,
        }
    }
}

/// A permission block with a signature, which may be anybody's until it [verifies](Self::verify).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedBlock {
    block: PermissionBlock,
    /// The encoded block and the signature behind it.
    bytes: Vec<u8>,
}

impl SignedBlock {
    /// The longest block with its signature, in bytes.
    pub const MAX_BYTES: usize = BLOCK_CAPACITY;

    /// Reads a block as it lies in the file: encoded, and the 64 bytes of its signature behind it.
    ///
    /// # Errors
    /// [`SealError::BadBlock`] when the bytes are anything but one block.
    pub fn decode(bytes: &[u8]) -> Result<Self, SealError> {
        let end = bytes.len().saturating_sub(SIGNATURE_LEN);
        let block = PermissionBlock::decode(&bytes[..end])?;
        Ok(Self { block, bytes: bytes.to_vec() })
    }

    /// The block as it lies in the file.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What it says, whether or not the signature is good.
    pub fn unverified(&self) -> &PermissionBlock {
        &self.block
    }

    /// Whether the key that the block itself names has signed it. Anybody can make a key and do so: it
    /// tells that the block is whole, not that it is true.
    pub fn is_consistent(&self) -> bool {
        match self.bytes.split_last_chunk() {
            Some((block, signature)) => self.block.cluster.verifies(&[SIGNED, block].concat(), signature),
            None => false,
        }
    }

    /// What it says, if the cluster of this public key has signed it.
    ///
    /// # Errors
    /// [`SealError::OtherCluster`] when it names another, [`SealError::Forged`] when the signature is not
    /// that cluster's.
    pub fn verify(&self, cluster: &PublicKey) -> Result<&PermissionBlock, SealError> {
        if self.block.cluster != *cluster {
            return Err(SealError::OtherCluster { found: self.block.cluster, expected: *cluster });
        }
        if !self.is_consistent() {
            return Err(SealError::Forged);
        }
        Ok(&self.block)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys() -> ClusterKeys {
        ClusterKeys::from_secret([7; 32])
    }

    fn block(viewers: u32) -> PermissionBlock {
        let (image, revision) = (ImageId(0x0102_0304), 7);
        let viewers = (0..viewers).map(|i| (keys().finder(&format!("user{i}").parse().unwrap()), i + 1));
        PermissionBlock {
            image,
            owner: "anna".parse().unwrap(),
            owner_key: PublicKey::from_bytes([0xaa; 32]),
            media: Media::Jpeg,
            original_len: 46_000,
            key_commitment: [0xcc; 32],
            nonce: Nonce([0xdd; 12]),
            grants: Grants::new(image, revision, viewers),
            revision,
            issued_ms: 300,
            cluster: keys().public(),
            body: Some(BodyHash([0xbb; 16])),
        }
    }

    #[test]
    fn the_block_is_held_still() {
        let signed = block(1).sign(&keys()).unwrap();
        let mut golden = b"\xfc\x04\x03\x02\x01\x04anna".to_vec();
        golden.extend([0xaa; 32]);
        golden.extend(b"\x01\xfb\xb0\xb3");
        golden.extend([0xcc; 32]);
        golden.extend([0xdd; 12]);
        golden.extend(b"\x01");
        let entry = golden.len();
        golden.extend(&signed.as_bytes()[entry..entry + 16]);
        golden.extend(b"\x07\xfb\x2c\x01");
        golden.extend(keys().public().as_bytes());
        golden.extend([0xbb; 16]);
        let (bytes, signature) = signed.as_bytes().split_last_chunk::<SIGNATURE_LEN>().unwrap();
        assert_eq!(bytes, golden);
        assert_eq!(
            (&signature[..4], &signature[59..]),
            (&b"\xb7\x5c\x4e\x0b"[..], &b"\xab\xda\x6d\x5e\x07"[..])
        );
        let hash = blake3::hash(&[bytes, signature].concat());
        assert_eq!(
            hash.to_hex().as_str(),
            "55e3f6ed2b76e156e101b89a43019fd153fc389e3679941a18380171a2cedef5"
        );
        assert_eq!(SignedBlock::decode(signed.as_bytes()).unwrap(), signed);
    }

    #[test]
    fn a_block_of_version_2_is_held_still_and_says_nothing_of_the_body() {
        let earlier = PermissionBlock { body: None, ..block(1) };
        let signed = earlier.clone().sign(&keys()).unwrap();
        assert_eq!(
            blake3::hash(signed.as_bytes()).to_hex().as_str(),
            "748dab8408c380f1caca1538313e6c6090e2bb67382f98dcec3d511371e7a310"
        );
        let read = SignedBlock::decode(signed.as_bytes()).unwrap();
        assert_eq!((read.unverified(), read.unverified().version()), (&earlier, 2));
        // The hash cannot be taken away or added without the cluster, nor be cut or go on.
        let (whole, without) = (block(1).encode().unwrap(), earlier.encode().unwrap());
        assert_eq!(whole[..without.len()], without);
        let newer = block(1).sign(&keys()).unwrap();
        let (_, signature) = newer.as_bytes().split_last_chunk::<SIGNATURE_LEN>().unwrap();
        let stripped = SignedBlock::decode(&[&without[..], signature].concat()).unwrap();
        assert!(matches!(stripped.verify(&keys().public()), Err(SealError::Forged)));
        for bytes in [&whole[..whole.len() - 1], &[&whole[..], b"x"].concat()] {
            let refused = SignedBlock::decode(&[bytes, signature].concat());
            assert!(matches!(refused, Err(SealError::BadBlock(_))));
        }
    }

    #[test]
    fn a_signature_is_the_clusters_or_nothing() {
        let signed = block(2).sign(&keys()).unwrap();
        assert_eq!(signed.verify(&keys().public()).unwrap(), &block(2));

        let others = ClusterKeys::from_secret([8; 32]);
        assert!(matches!(signed.verify(&others.public()), Err(SealError::OtherCluster { .. })));
        // Signed by a stranger in the cluster's name, and in his own.
        let forged = block(2).sign(&others).unwrap();
        assert!(matches!(forged.verify(&keys().public()), Err(SealError::Forged)));
        let own = PermissionBlock { cluster: others.public(), ..block(2) }.sign(&others).unwrap();
        assert!(own.is_consistent());
        assert!(matches!(own.verify(&keys().public()), Err(SealError::OtherCluster { .. })));
    }

    #[test]
    fn every_flipped_bit_breaks_the_signature_or_the_block() {
        let signed = block(1).sign(&keys()).unwrap();
        for bit in 0..signed.as_bytes().len() * 8 {
            let mut bytes = signed.as_bytes().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(changed) = SignedBlock::decode(&bytes) {
                assert!(changed.verify(&keys().public()).is_err(), "bit {bit}");
            }
        }
    }

    #[test]
    fn as_many_grants_fit_as_the_directory_allows_and_too_many_are_refused_with_the_limit() {
        assert!(block(crate::directory::MAX_GRANTS as u32).sign(&keys()).is_ok());
        let refused = block(120).sign(&keys());
        assert!(matches!(refused, Err(SealError::TooLarge { field: "permission block", limit: 2_036, .. })));
    }

    #[test]
    fn a_number_in_a_longer_form_is_refused() {
        let bytes = block(0).sign(&keys()).unwrap().as_bytes().to_vec();
        // The revision, 7, before the time of issue.
        let at = bytes.windows(4).position(|w| w == b"\x07\xfb\x2c\x01").unwrap();
        let longer = [&bytes[..at], b"\xfb\x07\x00", &bytes[at + 1..]].concat();
        assert!(matches!(SignedBlock::decode(&longer), Err(SealError::BadBlock(_))));
    }

    #[test]
    fn a_forged_name_is_refused() {
        let mut bytes = block(0).sign(&keys()).unwrap().as_bytes().to_vec();
        let at = bytes.windows(4).position(|w| w == b"anna").unwrap();
        bytes[at] = b'A';
        assert!(matches!(SignedBlock::decode(&bytes), Err(SealError::BadBlock(_))));
    }

    proptest! {
        #[test]
        fn random_blocks_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(block) = SignedBlock::decode(&bytes) {
                prop_assert!(!block.is_consistent());
            }
        }
    }
}
