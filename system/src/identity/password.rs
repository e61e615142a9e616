//! Passwords, and what is kept of them.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};

/// What argon2id (RFC 9106) costs for a password: memory in KiB, passes, lanes. About 25 ms. Everything stored was
/// hashed at this cost; another one needs another version of [`PasswordHash`].
const COST: (u32, u32, u32) = (19 << 10, 2, 1);

/// A password that is too short or too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("password refused: it has {found} bytes, expected {} to {}", Password::MIN_LEN, Password::MAX_LEN)]
pub struct InvalidPassword {
    /// Its length, bytes.
    found: usize,
}

/// A password. Never printed. Compared byte by byte: nothing about it is normalised.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Password(String);

impl Password {
    /// The shortest, bytes.
    pub const MIN_LEN: usize = 8;
    /// The longest, bytes.
    pub const MAX_LEN: usize = 256;
}

impl TryFrom<String> for Password {
    type Error = InvalidPassword;

    fn try_from(text: String) -> Result<Self, InvalidPassword> {
        match (Self::MIN_LEN..=Self::MAX_LEN).contains(&text.len()) {
            true => Ok(Self(text)),
            false => Err(InvalidPassword { found: text.len() }),
        }
    }
}

impl From<Password> for String {
    fn from(password: Password) -> Self {
        password.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// What the directory keeps of a password: a salt, and argon2id of both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordHash {
    salt: [u8; 16],
    hash: [u8; 32],
}

impl PasswordHash {
    /// Hashes a password with a salt of random bits. Takes about 25 ms and 19 MiB.
    pub fn new(password: &Password, salt: [u8; 16]) -> Self {
        Self { salt, hash: stretch(password, &salt) }
    }

    /// Whether it was made of this password. Takes as long as making it.
    pub fn verifies(&self, password: &Password) -> bool {
        // Hashes of blake3 are compared in constant time.
        blake3::Hash::from(stretch(password, &self.salt)) == blake3::Hash::from(self.hash)
    }

    /// A hash that no password is known for: checking against it takes as long as against any other, so that how
    /// long a refusal takes does not tell whether there is such a user.
    pub const fn of_nobody() -> Self {
        Self { salt: [0; 16], hash: [0; 32] }
    }
}

fn stretch(password: &Password, salt: &[u8; 16]) -> [u8; 32] {
    let (memory_kib, passes, lanes) = COST;
    let params =
        Params::new(memory_kib, passes, lanes, Some(32)).expect("the cost is within argon2's limits");
    let mut hash = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.0.as_bytes(), salt, &mut hash)
        .expect("salt and output have lengths that argon2 takes");
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn a_hash_verifies_its_password_and_no_other() {
        let hash = PasswordHash::new(&password("correct horse"), [7; 16]);
        assert!(hash.verifies(&password("correct horse")));
        assert!(!hash.verifies(&password("correct Horse")));
        assert!(!PasswordHash::of_nobody().verifies(&password("correct horse")));
        assert_ne!(hash, PasswordHash::new(&password("correct horse"), [8; 16]));
    }

    #[test]
    fn the_hash_is_held_still() {
        let hash = PasswordHash::new(&password("correct horse"), [7; 16]).hash;
        let hex: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "7132e6a6028b7abb");
    }

    #[test]
    fn a_password_has_a_length_and_is_never_printed() {
        let refused = Password::try_from("short".to_owned()).unwrap_err().to_string();
        assert_eq!(refused, "password refused: it has 5 bytes, expected 8 to 256");
        assert!(Password::try_from("x".repeat(257)).is_err());
        assert_eq!(format!("{:?}", password("correct horse")), "Password(..)");
    }
}
