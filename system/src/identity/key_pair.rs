//! Ed25519 key pairs (RFC 8032).

use std::{fmt, str::FromStr, sync::Arc};

use rand::CryptoRng;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

/// Length of a signature, in bytes.
pub const SIGNATURE_LEN: usize = 64;

/// Text that is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a key: expected 64 hexadecimal digits, found {found}")]
pub struct InvalidKey {
    /// What there was: how many digits, or which character was none. Never the text itself.
    found: String,
}

impl InvalidKey {
    pub(super) fn found(what: impl Into<String>) -> Self {
        Self { found: what.into() }
    }
}

/// Reads 32 bytes from 64 hexadecimal digits.
pub(super) fn parse_hex(text: &str) -> Result<[u8; 32], InvalidKey> {
    // The text may be a secret, or anything: it is not repeated.
    if let Some(at) = text.find(|c: char| !c.is_ascii_hexdigit()) {
        return Err(InvalidKey::found(format!("another character at position {}", at + 1)));
    }
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() {
        return Err(InvalidKey::found(format!("{} digits", text.len())));
    }
    let digit = |c: u8| (c as char).to_digit(16).unwrap_or_default() as u8;
    for (byte, [high, low]) in bytes.iter_mut().zip(text.as_bytes().as_chunks().0) {
        *byte = digit(*high) << 4 | digit(*low);
    }
    Ok(bytes)
}

/// The public half of a key pair. As text, 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// A key out of its bytes. Whether it is a point of the curve shows when it verifies.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether `signature` was made of `message` by the key's other half.
    pub fn verifies(&self, message: &[u8], signature: &[u8; SIGNATURE_LEN]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        parse_hex(text).map(Self)
    }
}

/// A key pair. Its secret half is never printed.
#[derive(Clone)]
pub struct KeyPair {
    seed: [u8; 32],
    pair: Arc<Ed25519KeyPair>,
}

impl KeyPair {
    /// Draws a key pair.
    pub fn generate(random: &mut impl CryptoRng) -> Self {
        let mut seed = [0; 32];
        random.fill_bytes(&mut seed);
        Self::from_seed(seed)
    }

    /// The key pair of a seed, the form in which RFC 8032 keeps the secret half.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("any 32 bytes are a seed");
        Self { seed, pair: Arc::new(pair) }
    }

    /// Reads a key pair as [`Self::to_text`] wrote it; white space around it does not matter.
    ///
    /// # Errors
    /// [`InvalidKey`].
    pub fn from_text(text: &str) -> Result<Self, InvalidKey> {
        parse_hex(text.trim()).map(Self::from_seed)
    }

    /// The secret half, to be stored where nobody else reads.
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// The secret half as 64 hexadecimal digits.
    pub fn to_text(&self) -> String {
        self.seed.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.pair.public_key().as_ref());
        PublicKey(bytes)
    }

    /// Signs `message`. The same message gets the same signature.
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        let mut signature = [0; SIGNATURE_LEN];
        signature.copy_from_slice(self.pair.sign(message).as_ref());
        signature
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({})", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_agree_with_rfc_8032() {
        // Section 7.1, test 1: the empty message.
        let secret = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let pair = KeyPair::from_seed(parse_hex(secret).unwrap());
        assert_eq!(pair.public().to_string(), public);
        assert_eq!(public.parse::<PublicKey>().unwrap(), pair.public());
        assert_eq!(pair.to_text(), secret);
        assert_eq!(KeyPair::from_text(&format!(" {secret}\n")).unwrap().public(), pair.public());
        let signature = pair.sign(b"");
        assert_eq!(signature[..4], [0xe5, 0x56, 0x43, 0x00]);
        assert!(pair.public().verifies(b"", &signature));
        assert!(!pair.public().verifies(b"other", &signature));
    }

    #[test]
    fn text_that_is_no_key_is_refused_and_not_repeated() {
        let said = |text: &str| text.parse::<PublicKey>().unwrap_err().to_string();
        assert!(said("abcd").ends_with("found 4 digits"));
        assert!(said("ab secret").ends_with("found another character at position 3"));
        assert!(said(&"ä".repeat(32)).ends_with("position 1"));
    }

    #[test]
    fn the_secret_half_is_never_printed() {
        let pair = KeyPair::from_seed([0xab; 32]);
        assert!(!format!("{pair:?}").contains("abab"));
    }
}
