//! Content keys and the cipher.

use std::fmt;

use rand::CryptoRng;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, UnboundKey};
use serde::{Deserialize, Serialize};

use super::SealError;

/// The 96-bit nonce of one ciphertext.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nonce(pub [u8; NONCE_LEN]);

impl Nonce {
    /// Length of a nonce, in bytes.
    pub const LEN: usize = NONCE_LEN;
}

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

    /// The nonce under which this key encrypts the plaintext of this BLAKE3 digest, bound to `bound`.
    ///
    /// GCM breaks when one key encrypts two different messages under one nonce. This one follows from the
    /// message: sealing the same image again repeats it bit for bit, and another message, or the same one
    /// bound to something else, has another nonce.
    pub(super) fn nonce(&self, digest: &[u8; 32], bound: &[u8]) -> Nonce {
        let key = blake3::derive_key("veil 2026-11-21 nonce v1", &self.0);
        let mut hasher = blake3::Hasher::new_keyed(&key);
        hasher.update(digest).update(bound);
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&hasher.finalize().as_bytes()[..NONCE_LEN]);
        Nonce(nonce)
    }

    /// Appends the encrypted `plaintext` and its tag to `buffer`; `bound` is not encrypted, but has to be
    /// the same when it is opened.
    pub(super) fn encrypt(
        &self,
        nonce: Nonce,
        plaintext: &[u8],
        bound: &[u8],
        buffer: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        let start = buffer.len();
        buffer.reserve(plaintext.len() + Self::OVERHEAD);
        buffer.extend_from_slice(plaintext);
        let sealed = self.cipher().seal_in_place_separate_tag(
            ring::aead::Nonce::assume_unique_for_key(nonce.0),
            Aad::from(bound),
            &mut buffer[start..],
        );
        // ring refuses only a plaintext of 64 GiB and more.
        let tag = sealed.map_err(|_| SealError::TooLarge {
            field: "original",
            value: plaintext.len() as u64,
            limit: super::MAX_ORIGINAL_BYTES,
            unit: "bytes",
        })?;
        buffer.extend_from_slice(tag.as_ref());
        Ok(())
    }

    /// Decrypts what [`Self::encrypt`] made under the same `nonce` and `bound`.
    ///
    /// # Errors
    /// [`SealError::Tampered`] when anything differs: key, nonce, ciphertext or `bound`.
    pub(super) fn decrypt(
        &self,
        nonce: Nonce,
        ciphertext: &[u8],
        bound: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let mut buffer = ciphertext.to_vec();
        let nonce = ring::aead::Nonce::assume_unique_for_key(nonce.0);
        let opened = self.cipher().open_in_place(nonce, Aad::from(bound), &mut buffer);
        let plaintext_len = opened.map_err(|_| SealError::Tampered)?.len();
        buffer.truncate(plaintext_len);
        Ok(buffer)
    }

    fn cipher(&self) -> LessSafeKey {
        let key =
            UnboundKey::new(&AES_256_GCM, &self.0).expect("AES-256 takes exactly the 32 bytes of a key");
        LessSafeKey::new(key)
    }
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
        let nonce = key(1).nonce(&[3; 32], b"bound");
        let mut ciphertext = Vec::new();
        key(1).encrypt(nonce, b"plaintext", b"bound", &mut ciphertext).unwrap();
        assert_eq!(ciphertext.len(), 9 + ContentKey::OVERHEAD);
        assert_eq!(key(1).decrypt(nonce, &ciphertext, b"bound").unwrap(), b"plaintext");
        for (key, bound) in [(key(2), &b"bound"[..]), (key(1), b"other")] {
            assert!(matches!(key.decrypt(nonce, &ciphertext, bound), Err(SealError::Tampered)));
        }
        assert!(matches!(key(1).decrypt(Nonce([0; 12]), &ciphertext, b"bound"), Err(SealError::Tampered)));
        assert!(matches!(key(1).decrypt(nonce, &ciphertext[..15], b"bound"), Err(SealError::Tampered)));
    }

    #[test]
    fn no_two_messages_of_a_key_share_a_nonce() {
        let nonce = key(1).nonce(&[3; 32], b"bound");
        assert_eq!(nonce, key(1).nonce(&[3; 32], b"bound"));
        let others = [
            key(1).nonce(&[4; 32], b"bound"),
            key(1).nonce(&[3; 32], b"other"),
            key(2).nonce(&[3; 32], b"bound"),
        ];
        assert!(!others.contains(&nonce));
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
