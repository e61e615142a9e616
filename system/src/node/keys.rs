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
    /// There is another key under a number.
    #[error("key-encryption key {number} is another one than before")]
    Differs {
        /// Its number.
        number: KeyNumber,
    },
    /// A key-encryption key is missing that content keys are wrapped under.
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

    /// Takes further key-encryption keys, or fewer, as long as `is_in_use` says of none that is missing that content
    /// keys are wrapped under it. Says whether anything has changed.
    ///
    /// # Errors
    /// [`KeysRefused`]; then the old ones stay.
    pub fn replace(
        &self,
        keys: ClusterKeys,
        is_in_use: impl Fn(KeyNumber) -> bool,
    ) -> Result<bool, KeysRefused> {
        let mut held = self.0.write();
        if keys.public() != held.public() {
            return Err(KeysRefused::OtherCluster);
        }
        if let Some(number) = held.ring().disagrees_with(keys.ring()) {
            return Err(KeysRefused::Differs { number });
        }
        let missing = |number: &KeyNumber| !keys.ring().numbers().any(|kept| kept == *number);
        if let Some(number) = held.ring().numbers().filter(missing).find(|number| is_in_use(*number)) {
            return Err(KeysRefused::InUse { number });
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
        let first_is_used = |number| number == 1;
        assert_eq!(shared.replace(both.clone(), first_is_used), Ok(true));
        assert_eq!(shared.replace(both, first_is_used), Ok(false));
        assert_eq!(shared.get().ring().numbers().collect::<Vec<_>>(), [1, 2]);
        let mut other = first.clone();
        other.add_key(&mut rand_chacha::ChaCha20Rng::seed_from_u64(2));
        assert_eq!(shared.replace(other, first_is_used), Err(KeysRefused::Differs { number: 2 }));
        let in_use = Err(KeysRefused::InUse { number: 2 });
        assert_eq!(shared.replace(first.clone(), |number| number == 2), in_use);
        assert_eq!(shared.replace(first, first_is_used), Ok(true));
        let stranger = ClusterKeys::from_secret([2; 32]);
        assert_eq!(shared.replace(stranger, first_is_used), Err(KeysRefused::OtherCluster));
    }
}
