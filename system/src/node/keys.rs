//! The cluster's keys, as long as the node runs: they are read again when the file changes.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::identity::{ClusterKeys, KeyNumber};

/// New keys that cannot take the place of the old ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeysRefused {
    /// They are another cluster's.
    #[error("they are the keys of another cluster")]
    OtherCluster,
    /// A key-encryption key is missing that new content keys are wrapped under.
    #[error("key-encryption key {number} is missing, which is in use")]
    InUse {
        /// Its number.
        number: KeyNumber,
    },
}

/// The cluster's keys, which all parts of a node share.
#[derive(Debug, Clone)]
pub struct SharedKeys(Arc<RwLock<ClusterKeys>>);

impl SharedKeys {
    /// Begins with these.
    pub fn new(keys: ClusterKeys) -> Self {
        Self(Arc::new(RwLock::new(keys)))
    }

    /// The keys as they are now.
    pub fn get(&self) -> ClusterKeys {
        self.0.read().clone()
    }

    /// Takes further key-encryption keys, or fewer, while `in_use` is the one that content keys are wrapped under.
    /// Says whether anything has changed.
    ///
    /// # Errors
    /// [`KeysRefused`]; then the old ones stay.
    pub fn replace(&self, keys: ClusterKeys, in_use: KeyNumber) -> Result<bool, KeysRefused> {
        let mut held = self.0.write();
        if keys.public() != held.public() {
            return Err(KeysRefused::OtherCluster);
        }
        if !keys.ring().numbers().any(|number| number == in_use) {
            return Err(KeysRefused::InUse { number: in_use });
        }
        let changed = !keys.ring().numbers().eq(held.ring().numbers());
        *held = keys;
        Ok(changed)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn keys_are_added_and_taken_away_while_they_are_not_in_use() {
        let first = ClusterKeys::from_secret([1; 32]);
        let shared = SharedKeys::new(first.clone());
        let mut both = first.clone();
        both.add_key(&mut rand_chacha::ChaCha20Rng::seed_from_u64(1));
        assert_eq!(shared.replace(both.clone(), 1), Ok(true));
        assert_eq!(shared.replace(both, 1), Ok(false));
        assert_eq!(shared.get().ring().numbers().collect::<Vec<_>>(), [1, 2]);
        assert_eq!(shared.replace(first.clone(), 2), Err(KeysRefused::InUse { number: 2 }));
        assert_eq!(shared.replace(first, 1), Ok(true));
        let stranger = ClusterKeys::from_secret([2; 32]);
        assert_eq!(shared.replace(stranger, 1), Err(KeysRefused::OtherCluster));
    }
}
