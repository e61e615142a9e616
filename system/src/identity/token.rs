//! Session tokens.

use std::{fmt, str::FromStr};

use rand::CryptoRng;
use serde::{Deserialize, Serialize};

use super::{InvalidKey, key_pair::parse_hex};

/// Who holds it acts for the user whose session it is: 256 random bits, drawn on the user's device. The cluster
/// keeps its [`SessionId`] only. Never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionToken([u8; 32]);

impl SessionToken {
    /// Draws a token.
    pub fn generate(random: &mut impl CryptoRng) -> Self {
        let mut bits = [0; 32];
        random.fill_bytes(&mut bits);
        Self(bits)
    }

    /// A token of known bits, for simulated users.
    pub const fn from_bytes(bits: [u8; 32]) -> Self {
        Self(bits)
    }

    /// Reads a token as [`Self::to_text`] wrote it; white space around it does not matter.
    ///
    /// # Errors
    /// [`InvalidKey`].
    pub fn from_text(text: &str) -> Result<Self, InvalidKey> {
        parse_hex(text.trim()).map(Self)
    }

    /// The token as 64 hexadecimal digits, to be stored where nobody else reads.
    pub fn to_text(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// By which the cluster knows the session. The token does not follow from it.
    pub fn id(&self) -> SessionId {
        SessionId(blake3::derive_key("veil 2026-11-21 session id v1", &self.0))
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(..)")
    }
}

/// Names a session: a hash of its token. As text, 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId([u8; 32]);

impl SessionId {
    /// The least and the greatest there can be, for ranges.
    pub(crate) const BOUNDS: (Self, Self) = (Self([0; 32]), Self([0xff; 32]));

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SessionId {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        parse_hex(text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_text_form_and_is_never_printed() {
        let token = SessionToken::from_bytes([0xab; 32]);
        assert_eq!(SessionToken::from_text(&format!("{}\n", token.to_text())).unwrap(), token);
        assert_eq!(format!("{token:?}"), "SessionToken(..)");
    }

    #[test]
    fn the_id_of_a_session_is_held_still() {
        let id = SessionToken::from_bytes([7; 32]).id();
        assert_eq!(id.to_string().parse::<SessionId>().unwrap(), id);
        assert_eq!(&id.to_string()[..16], "12e4fd8cd2545ec0");
    }
}
