//! What the nodes of a cluster know in common and nobody else does.

use std::{collections::BTreeMap, fmt};

use rand::CryptoRng;
use serde::{Deserialize, Serialize};

use super::{
    BadChallenge, CHALLENGE_LIFETIME_MS, Challenge, FIRST_KEY, InvalidKey, KeyNumber, KeyPair, KeyRing,
    PublicKey, SIGNATURE_LEN, key_pair::parse_hex,
};
use crate::directory::UserName;

/// The most key-encryption keys that a cluster has at a time.
const MAX_RING: usize = 12;

/// The cluster's secret, the keys that follow from it, and its key-encryption keys. Every node holds the same.
#[derive(Clone)]
pub struct ClusterKeys {
    secret: [u8; 32],
    signing: KeyPair,
    finding: [u8; 32],
    challenging: [u8; 32],
    ring: KeyRing,
}

impl ClusterKeys {
    /// Draws a secret and a key-encryption key.
    pub fn generate(random: &mut impl CryptoRng) -> Self {
        let mut secret = [0; 32];
        random.fill_bytes(&mut secret);
        let mut ring = KeyRing::default();
        ring.add(random);
        Self::with_ring(secret, ring)
    }

    /// Everything from one secret of 256 random bits, the key-encryption key too: for simulations.
    pub fn from_secret(secret: [u8; 32]) -> Self {
        let wrapping = blake3::derive_key("veil 2026-11-21 cluster key-encryption key v1", &secret);
        Self::with_ring(secret, KeyRing::new(BTreeMap::from([(FIRST_KEY, wrapping)])))
    }

    fn with_ring(secret: [u8; 32], ring: KeyRing) -> Self {
        let signing = blake3::derive_key("veil 2026-11-21 cluster signing key v1", &secret);
        let finding = blake3::derive_key("veil 2026-11-21 cluster finder keys v1", &secret);
        let challenging = blake3::derive_key("veil 2026-11-21 cluster challenges v1", &secret);
        Self { secret, signing: KeyPair::from_seed(signing), finding, challenging, ring }
    }

    /// Reads the keys as [`Self::to_text`] wrote them; white space around lines does not matter.
    ///
    /// # Errors
    /// [`InvalidKey`].
    pub fn from_text(text: &str) -> Result<Self, InvalidKey> {
        let mut lines = text.trim().lines();
        let secret = parse_hex(lines.next().unwrap_or_default().trim())?;
        let mut ring = BTreeMap::new();
        for line in lines.map(str::trim).filter(|line| !line.is_empty()) {
            let (number, key) = line.split_once(' ').unwrap_or((line, ""));
            let number = number.parse().map_err(|_| InvalidKey::found("a line without a number"))?;
            if ring.insert(number, parse_hex(key.trim())?).is_some() {
                return Err(InvalidKey::found(format!("key-encryption key {number} twice")));
            }
        }
        match ring.len() {
            1..=MAX_RING => Ok(Self::with_ring(secret, KeyRing::new(ring))),
            0 => Err(InvalidKey::found("no key-encryption key after the first line")),
            many => Err(InvalidKey::found(format!("{many} key-encryption keys, the limit is {MAX_RING}"))),
        }
    }

    /// The secret as 64 hexadecimal digits, then a line for each key-encryption key: its number, and 64 digits. To
    /// be stored where nobody else reads.
    pub fn to_text(&self) -> String {
        let hex = |key: &[u8; 32]| key.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let ring = self.ring.keys().iter().map(|(number, key)| format!("\n{number} {}", hex(key)));
        hex(&self.secret) + &ring.collect::<String>()
    }

    /// The key-encryption keys.
    pub fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// Draws a further key-encryption key, and says its number.
    pub fn add_key(&mut self, random: &mut impl CryptoRng) -> KeyNumber {
        self.ring.add(random)
    }

    /// Takes a key-encryption key away.
    pub fn drop_key(&mut self, number: KeyNumber) {
        self.ring.remove(number);
    }

    /// A challenge, given at `now_ms`, with 128 random bits.
    pub fn challenge(&self, now_ms: u64, nonce: [u8; 16]) -> Challenge {
        let mut challenge = Challenge { issued_ms: now_ms, nonce, tag: [0; 32] };
        challenge.tag = *blake3::keyed_hash(&self.challenging, &challenge.tagged()).as_bytes();
        challenge
    }

    /// Whether a node of this cluster has given the challenge, and not too long before `now_ms`.
    ///
    /// # Errors
    /// [`BadChallenge`].
    pub fn check_challenge(&self, challenge: &Challenge, now_ms: u64) -> Result<(), BadChallenge> {
        // The comparison takes the same time whatever differs.
        if blake3::keyed_hash(&self.challenging, &challenge.tagged()) != blake3::Hash::from(challenge.tag) {
            return Err(BadChallenge::NotOurs);
        }
        let off_ms = challenge.issued_ms.abs_diff(now_ms);
        if off_ms > CHALLENGE_LIFETIME_MS { Err(BadChallenge::OutOfTime { off_ms }) } else { Ok(()) }
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
        let text = keys.to_text();
        assert_eq!((text.len(), text.lines().count()), (131, 2));
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
    fn further_keys_are_kept_beside_the_first() {
        let mut keys = ClusterKeys::from_secret([7; 32]);
        let mut random = <rand_chacha::ChaCha20Rng as rand::SeedableRng>::seed_from_u64(1);
        assert_eq!(keys.add_key(&mut random), 2);
        let read = ClusterKeys::from_text(&keys.to_text()).unwrap();
        assert_eq!(read.ring().keys(), keys.ring().keys());
        assert_eq!(read.public(), keys.public());
    }

    #[test]
    fn a_file_without_key_encryption_keys_or_with_one_twice_is_refused() {
        let text = ClusterKeys::from_secret([7; 32]).to_text();
        let (first, second) = text.split_once('\n').unwrap();
        let said = |text: &str| ClusterKeys::from_text(text).unwrap_err().to_string();
        assert!(said(first).ends_with("found no key-encryption key after the first line"));
        assert!(said(&format!("{text}\n{second}")).ends_with("found key-encryption key 1 twice"));
        assert!(said(&format!("{first}\nabcd")).ends_with("found a line without a number"));
        assert!(said(&format!("{first}\n1 abcd")).ends_with("found 4 digits"));
    }

    #[test]
    fn nothing_secret_is_printed() {
        let keys = ClusterKeys::from_secret([0xab; 32]);
        assert!(!format!("{keys:?}").contains("abab"));
        assert_eq!(format!("{:?}", keys.finder(&"ben".parse().unwrap())), "FinderKey(..)");
    }
}
