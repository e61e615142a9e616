//! By what a permission block names the body that it belongs to.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The first 128 bits of BLAKE3 of a body: nonce, ciphertext and tag, as they lie in the picture.
///
/// It tells a file that was altered before a view is spent on it. What the view opens is held against the tag of the
/// cipher all the same. To find another body of this hash takes 2^128 attempts. Two bodies of one hash take 2^64, and the
/// key of a body, by which it is encrypted, is drawn by the cluster: nobody outside can make such a pair.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyHash(pub [u8; Self::LEN]);

impl BodyHash {
    /// Length of a hash, in bytes.
    pub const LEN: usize = 16;

    /// The hash of a body.
    pub fn of(body: &[u8]) -> Self {
        let mut hash = [0; Self::LEN];
        hash.copy_from_slice(&blake3::hash(body).as_bytes()[..Self::LEN]);
        Self(hash)
    }
}

impl fmt::Debug for BodyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BodyHash({:032x})", u128::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_held_still() {
        // The beginning of BLAKE3's test vector of no input.
        assert_eq!(format!("{:?}", BodyHash::of(b"")), "BodyHash(af1349b9f5f9a1a6a0404dea36dcc949)");
        assert_ne!(BodyHash::of(b"body"), BodyHash::of(b"Body"));
    }
}
