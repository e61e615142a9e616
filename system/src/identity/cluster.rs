//! What the nodes of a cluster know in common and nobody else does.

use std::fmt;

use rand::CryptoRng;
use serde::{Deserialize, Serialize};

use super::{InvalidKey, KeyPair, PublicKey, SIGNATURE_LEN, key_pair::parse_hex};
use crate::directory::UserName;

/// The cluster's secret and the keys that follow from it. Every node holds the same.
#[derive(Clone)]
pub struct ClusterKeys {
    secret: [u8; 32],
    signing: KeyPair,
    finding: [u8; 32],
}

impl ClusterKeys {
    /// Draws a secret.
    pub fn generate(random: &mut impl CryptoRng) -> Self {
        let mut secret = [0; 32];
        random.fill_bytes(&mut secret);
        Self::from_secret(secret)
    }

    /// The keys that follow from a secret of 256 random bits.
    pub fn from_secret(secret: [u8; 32]) -> Self {
        let signing = blake3::derive_key("veil 2026-11-21 cluster signing key v1", &secret);
        let finding = blake3::derive_key("veil 2026-11-21 cluster finder keys v1", &secret);
        Self { secret, signing: KeyPair::from_seed(signing), finding }
    }

    /// Reads the secret as [`Self::to_text`] wrote it; white space around it does not matter.
    ///
    /// # Errors
    /// [`InvalidKey`].
    pub fn from_text(text: &str) -> Result<Self, InvalidKey> {
        parse_hex(text.trim()).map(Self::from_secret)
    }

    /// The secret as 64 hexadecimal digits, to be stored where nobody else reads.
    pub fn to_text(&self) -> String {
        self.secret.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// By which the cluster's signatures are verified. No secret.
    pub fn public(&self) -> PublicKey {
        self.signing.public()
    }

    /// Signs in the cluster's name.
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        self.signing.sign(message)
    }

    /// By which `user`, and nobody else but the cluster, finds their own grants in permission blocks.
    pub fn finder(&self, user: &UserName) -> FinderKey {
        FinderKey(*blake3::keyed_hash(&self.finding, user.as_str().as_bytes()).as_bytes())
    }
}

impl fmt::Debug for ClusterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterKeys({})", self.public())
    }
}

/// A user's key to their own entries in permission blocks. Never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinderKey([u8; 32]);

impl FinderKey {
    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for FinderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FinderKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_follows_from_the_secret_and_is_held_still() {
        let keys = ClusterKeys::from_secret([7; 32]);
        assert_eq!(
            ClusterKeys::from_text(&format!(" {}\n", keys.to_text())).unwrap().public(),
            keys.public()
        );
        let finder = keys.finder(&"ben".parse().unwrap());
        assert_ne!(finder, keys.finder(&"anna".parse().unwrap()));
        assert_eq!(
            keys.public().to_string(),
            "8c452c08ac6500fa19457ad097fde096c6bc7d0dbc93178776b2c58a0492d4ee"
        );
        assert_eq!(
            blake3::Hash::from_bytes(*finder.as_bytes()).to_hex().as_str(),
            "8ebb9a5917f8de3622a66c830896c8481803e71741f5ca6b635206cb3d815fcd"
        );
    }

    #[test]
    fn nothing_secret_is_printed() {
        let keys = ClusterKeys::from_secret([0xab; 32]);
        assert!(!format!("{keys:?}").contains("abab"));
        assert_eq!(format!("{:?}", keys.finder(&"ben".parse().unwrap())), "FinderKey(..)");
    }
}
