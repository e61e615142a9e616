use serde::{Deserialize, Serialize};

use super::{Answer, Directory, Effect, ImageId, at_most};
use crate::identity::{KeyNumber, WrappedKey};

/// The most content keys in one [`Rewrap`].
pub const MAX_REWRAPPED: usize = 256;

/// Makes a key-encryption key the one that is used from now on, and puts content keys that were wrapped under older
/// ones in its place. Operators may; the leader makes it for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewrap {
    /// The key-encryption key.
    pub under: KeyNumber,
    /// Content keys, wrapped under it.
    pub keys: Vec<(ImageId, WrappedKey)>,
}

impl Directory {
    pub(super) fn rewrap(&mut self, Rewrap { under, keys }: Rewrap) -> Answer {
        at_most("number of rewrapped keys", keys.len() as u64, MAX_REWRAPPED as u64)?;
        // Never back: what was retired may be gone.
        self.wrapping_key = self.wrapping_key.max(under);
        let mut count = 0;
        self.work.touch(keys.len());
        for (id, key) in keys {
            if let Ok(image) = self.image_mut(id)
                && image.key.under < key.under
            {
                image.key = key;
                count += 1;
            }
        }
        Ok(Effect::Rewrapped { count })
    }
}
