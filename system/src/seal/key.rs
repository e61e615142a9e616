//! Content keys and the cipher.

use std::fmt;

use rand::CryptoRng;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};

use super::SealError;

/// The 256-bit key of one original. Never printed.
#[derive(Clone, Serialize, Deserialize)]
pub struct ContentKey([u8; 32]);

impl ContentKey {
    /// By how many bytes a ciphertext is longer than its plaintext.
    pub const OVERHEAD: usize = 16;

    /// Draws a key.
    pub fn generate(random: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; 32];
        random.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// A key out of its bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key's bytes, to be wrapped or sent to somebody who may have them.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A value that only this key gives, and that tells nothing about it.
    ///
    /// AES-GCM does not commit to its key: a ciphertext can be made that opens under two keys to two
    /// different images. With the commitment beside the ciphertext, it opens under one.
    pub fn commitment(&self) -> [u8; 32] {
        blake3::derive_key("veil 2026-11-20 content key commitment v1", &self.0)
    }

    /// Encrypts `plaintext`; `bound` is not encrypted, but has to be the same when it is opened. The same
    /// arguments give the same ciphertext.
    pub(super) fn encrypt(&self, plaintext: &[u8], bound: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut buffer = Vec::with_capacity(plaintext.len() + Self::OVERHEAD);
        buffer.extend_from_slice(plaintext);
        // ring refuses only a plaintext of 64 GiB and more.
        self.cipher().seal_in_place_append_tag(nonce(), Aad::from(bound), &mut buffer).map_err(|_| {
            SealError::TooLarge {
                field: "original",
                value: plaintext.len() as u64,
                limit: super::MAX_ORIGINAL_BYTES,
                unit: "bytes",
            }
        })?;
        Ok(buffer)
    }

    /// Decrypts what [`Self::encrypt`] made under the same `bound`.
    ///
    /// # Errors
    /// [`SealError::Tampered`] when anything differs: key, ciphertext or `bound`.
    pub(super) fn decrypt(&self, ciphertext: &[u8], bound: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut buffer = ciphertext.to_vec();
        let plaintext_len = self
            .cipher()
            .open_in_place(nonce(), Aad::from(bound), &mut buffer)
            .map_err(|_| SealError::Tampered)?
            .len();
        buffer.truncate(plaintext_len);
        Ok(buffer)
    }

    fn cipher(&self) -> LessSafeKey {
        let key =
            UnboundKey::new(&AES_256_GCM, &self.0).expect("AES-256 takes exactly the 32 bytes of a key");
        LessSafeKey::new(key)
    }
}

/// Always zero. GCM breaks when one key encrypts two different messages under one nonce; a content key
/// encrypts one message in its life, the original it was drawn for, so there is no second message to
/// collide with. Sealing the same original for the same image again repeats the message bit for bit,
/// which tells an observer only that it is the same.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

impl PartialEq for ContentKey {
    /// Takes the same time wherever the keys differ.
    fn eq(&self, other: &Self) -> bool {
        blake3::Hash::from_bytes(self.0) == blake3::Hash::from_bytes(other.0)
    }
}

impl Eq for ContentKey {}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    use super::*;

    fn key(seed: u64) -> ContentKey {
        ContentKey::generate(&mut ChaCha20Rng::seed_from_u64(seed))
    }

    #[test]
    fn a_key_opens_only_what_it_closed() {
        let ciphertext = key(1).encrypt(b"plaintext", b"bound").unwrap();
        assert_eq!(ciphertext.len(), 9 + ContentKey::OVERHEAD);
        assert_eq!(ciphertext, key(1).encrypt(b"plaintext", b"bound").unwrap());
        assert_eq!(key(1).decrypt(&ciphertext, b"bound").unwrap(), b"plaintext");
        for (key, bound) in [(key(2), &b"bound"[..]), (key(1), b"other")] {
            assert!(matches!(key.decrypt(&ciphertext, bound), Err(SealError::Tampered)));
        }
        assert!(matches!(key(1).decrypt(&ciphertext[..15], b"bound"), Err(SealError::Tampered)));
    }

    #[test]
    fn keys_differ_by_their_generator_and_commit_to_themselves() {
        assert_eq!(key(1), key(1));
        assert_ne!(key(1), key(2));
        assert_ne!(key(1).commitment(), key(2).commitment());
        assert_ne!(&key(1).commitment(), key(1).as_bytes());
    }

    #[test]
    fn a_key_is_never_printed() {
        assert_eq!(format!("{:?}", ContentKey::from_bytes([0xab; 32])), "ContentKey(..)");
    }

    #[test]
    fn the_commitment_is_held_still() {
        let commitment = blake3::Hash::from_bytes(ContentKey::from_bytes([7; 32]).commitment());
        let golden = "2235ff63209ed7fe75faa641fba6d17b065f33c93c59854e472302e01f806b79";
        assert_eq!(commitment.to_hex().as_str(), golden);
    }
}
