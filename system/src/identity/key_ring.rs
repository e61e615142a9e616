//! Key-encryption keys: under them content keys lie in log and snapshot.

use std::{collections::BTreeMap, fmt, sync::Arc};

use rand::CryptoRng;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};

use crate::{directory::ImageId, seal::ContentKey};

/// Numbers the key-encryption keys of a cluster, from 1.
pub type KeyNumber = u32;

/// The number of a new cluster's only key-encryption key.
pub const FIRST_KEY: KeyNumber = 1;

/// A content key that only who has the key-encryption key can read: AES-256-GCM, bound to the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrappedKey {
    /// Under which key.
    pub under: KeyNumber,
    nonce: [u8; 12],
    key: [u8; 32],
    tag: [u8; 16],
}

impl WrappedKey {
    /// All but the number of the key that it is under: nonce, ciphertext and tag, as a dump has them.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.nonce[..], &self.key, &self.tag].concat()
    }
}

/// Why a content key cannot be wrapped or unwrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrapError {
    /// This node was not given the key-encryption key.
    #[error("this node does not have key-encryption key {number}")]
    NoSuchKey {
        /// Its number.
        number: KeyNumber,
    },
    /// It was wrapped under another key of the same number, for another image, or changed.
    #[error("the content key of image {image} does not open under key-encryption key {number}")]
    Damaged {
        /// Of which image.
        image: ImageId,
        /// The number of the key.
        number: KeyNumber,
    },
}

/// The key-encryption keys that a node has. Never printed.
#[derive(Clone, Default)]
pub struct KeyRing(Arc<BTreeMap<KeyNumber, [u8; 32]>>);

impl KeyRing {
    /// A ring of given keys.
    pub(super) fn new(keys: BTreeMap<KeyNumber, [u8; 32]>) -> Self {
        Self(Arc::new(keys))
    }

    /// The keys, by number.
    pub(super) fn keys(&self) -> &BTreeMap<KeyNumber, [u8; 32]> {
        &self.0
    }

    /// The numbers of the keys.
    pub fn numbers(&self) -> impl Iterator<Item = KeyNumber> {
        self.0.keys().copied()
    }

    /// Draws a further key, and says its number.
    pub(super) fn add(&mut self, random: &mut impl CryptoRng) -> KeyNumber {
        let number = self.0.last_key_value().map_or(FIRST_KEY, |(last, _)| last + 1);
        let mut key = [0; 32];
        random.fill_bytes(&mut key);
        Arc::make_mut(&mut self.0).insert(number, key);
        number
    }

    /// A number under which the two hold different keys, if there is one.
    pub fn disagrees_with(&self, other: &Self) -> Option<KeyNumber> {
        let differs =
            |(number, key): &(&KeyNumber, &[u8; 32])| other.0.get(number).is_some_and(|held| held != *key);
        self.0.iter().find(differs).map(|(number, _)| *number)
    }

    /// Takes a key away.
    pub(super) fn remove(&mut self, number: KeyNumber) {
        Arc::make_mut(&mut self.0).remove(&number);
    }

    /// Wraps the content key of an image. The nonce must never have been used under the same key: 96 random bits.
    ///
    /// # Errors
    /// [`WrapError::NoSuchKey`].
    pub fn wrap(
        &self,
        under: KeyNumber,
        image: ImageId,
        content: &ContentKey,
        nonce: [u8; 12],
    ) -> Result<WrappedKey, WrapError> {
        let mut key = *content.as_bytes();
        let sealed = self.cipher(under)?.seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(image.0.to_be_bytes()),
            &mut key,
        );
        let mut tag = [0; 16];
        tag.copy_from_slice(sealed.expect("32 bytes are within the cipher's limit").as_ref());
        Ok(WrappedKey { under, nonce, key, tag })
    }

    /// The content key of an image.
    ///
    /// # Errors
    /// [`WrapError`].
    pub fn unwrap(&self, image: ImageId, wrapped: &WrappedKey) -> Result<ContentKey, WrapError> {
        let cipher = self.cipher(wrapped.under)?;
        let mut bytes = [&wrapped.key[..], &wrapped.tag].concat();
        let (nonce, aad) = (Nonce::assume_unique_for_key(wrapped.nonce), Aad::from(image.0.to_be_bytes()));
        let damaged = WrapError::Damaged { image, number: wrapped.under };
        let key = cipher.open_in_place(nonce, aad, &mut bytes).map_err(|_| damaged)?;
        <[u8; 32]>::try_from(&*key).map(ContentKey::from_bytes).map_err(|_| damaged)
    }

    fn cipher(&self, number: KeyNumber) -> Result<LessSafeKey, WrapError> {
        let key = self.0.get(&number).ok_or(WrapError::NoSuchKey { number })?;
        Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("32 bytes are a key")))
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyRing").field(&self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> KeyRing {
        KeyRing::new(BTreeMap::from([(1, [0xab; 32]), (2, [0xcd; 32])]))
    }

    #[test]
    fn a_wrapped_key_opens_for_its_image_under_its_key_alone() {
        let (ring, image, key) = (ring(), ImageId(7), ContentKey::from_bytes([5; 32]));
        let wrapped = ring.wrap(2, image, &key, [3; 12]).unwrap();
        assert_eq!(ring.unwrap(image, &wrapped), Ok(key.clone()));
        assert_ne!(&wrapped.key, key.as_bytes());
        let damaged = |image, wrapped: &WrappedKey| {
            let refused = ring.unwrap(image, wrapped).unwrap_err();
            assert!(matches!(refused, WrapError::Damaged { .. }), "{refused}");
        };
        damaged(ImageId(8), &wrapped);
        let (nonce, key, tag) = (wrapped.nonce, wrapped.key, wrapped.tag);
        damaged(image, &WrappedKey { under: 1, nonce, key, tag });
        damaged(image, &WrappedKey { under: 2, nonce, key: [0; 32], tag });
        damaged(image, &WrappedKey { under: 2, nonce, key, tag: [0; 16] });
        let missing = KeyRing::default().unwrap(image, &wrapped);
        assert_eq!(missing, Err(WrapError::NoSuchKey { number: 2 }));
    }

    #[test]
    fn golden_bytes_of_a_wrapped_key() {
        let wrapped = ring().wrap(1, ImageId(7), &ContentKey::from_bytes([5; 32]), [3; 12]).unwrap();
        let bytes = crate::wire::codec::encode(&wrapped).unwrap();
        assert_eq!((bytes.len(), &bytes[..13]), (61, &[1, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3][..]));
        assert_eq!(blake3::hash(&bytes).to_hex()[..16], *"1666e3cec58fd9ef");
    }

    #[test]
    fn keys_are_never_printed() {
        assert_eq!(format!("{:?}", ring()), "KeyRing([1, 2])");
    }
}
