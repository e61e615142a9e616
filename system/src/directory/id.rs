//! The names by which the directory knows users, images and requests.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// An identifier that is not 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an identifier: expected 32 hexadecimal digits")]
pub struct InvalidId(String);

fn parse_hex(text: &str) -> Result<u128, InvalidId> {
    let well_formed = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    match u128::from_str_radix(text, 16) {
        Ok(value) if well_formed => Ok(value),
        _ => Err(InvalidId(text.to_owned())),
    }
}

/// Names one sealed image for ever. Equal to the id of the request that sealed it, so a retried
/// sealing names the same image.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ImageId(pub u128);

/// Names one request for ever: 48 bits of milliseconds since the Unix epoch, then 80 random bits
/// (the layout of a UUIDv7 without its version bits). The time lets the directory forget answers
/// without ever mistaking a late retry for a new request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId(pub u128);

impl RequestId {
    /// Makes an id from the present time, in milliseconds since the Unix epoch, and 80 random bits
    /// (the low bits of `random`).
    pub fn new(unix_ms: u64, random: u128) -> Self {
        let time = u128::from(unix_ms & 0xffff_ffff_ffff) << 80;
        Self(time | (random & ((1 << 80) - 1)))
    }

    /// When the id was made, in milliseconds since the Unix epoch.
    pub fn unix_ms(self) -> u64 {
        (self.0 >> 80) as u64
    }
}

macro_rules! hex_id {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse_hex(text).map(Self)
            }
        }
    };
}
hex_id!(ImageId);
hex_id!(RequestId);

/// A user name that the directory would refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "user name {0:?} refused: expected 1 to {max} characters out of a-z 0-9 . _ -, starting with a letter or digit",
    max = UserName::MAX_LEN
)]
pub struct InvalidName(String);

/// A user's name: 1 to 64 characters of `a-z 0-9 . _ -`, beginning with a letter or digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserName(String);

impl UserName {
    /// The longest name, in characters.
    pub const MAX_LEN: usize = 64;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for UserName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
        let well_formed = text.len() <= Self::MAX_LEN
            && text.bytes().all(allowed)
            && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        if well_formed {
            Ok(Self(text))
        } else {
            // The refused text may be anything: show its beginning only.
            Err(InvalidName(text.chars().take(Self::MAX_LEN + 1).collect()))
        }
    }
}

impl FromStr for UserName {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        Self::try_from(text.to_owned())
    }
}

impl From<UserName> for String {
    fn from(name: UserName) -> Self {
        name.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_keeps_its_time_and_sorts_by_it() {
        let early = RequestId::new(1_000, u128::MAX);
        let late = RequestId::new(1_001, 0);
        assert_eq!(early.unix_ms(), 1_000);
        assert!(early < late);
    }

    #[test]
    fn ids_survive_their_text_form_and_refuse_anything_else() {
        let id = ImageId(0x1f);
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "1f", "+0000000000000000000000000000001", "zz000000000000000000000000000000"] {
            assert!(bad.parse::<ImageId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn names_outside_the_alphabet_are_refused() {
        for good in ["a", "u000017", "anna.b-c_d", &"a".repeat(64)] {
            assert!(good.parse::<UserName>().is_ok(), "{good}");
        }
        for bad in ["", "Anna", "-a", "a b", "ä", &"a".repeat(65)] {
            assert!(bad.parse::<UserName>().is_err(), "{bad}");
        }
    }
}
