//! The names by which the directory knows users, groups, images and requests.

use std::{cell::RefCell, collections::HashSet, fmt, str::FromStr, sync::Arc};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, Visitor},
};

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
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

/// A number in log, snapshot and messages; digits where people read.
impl Serialize for ImageId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match to.is_human_readable() {
            true => to.collect_str(self),
            false => to.serialize_u128(self.0),
        }
    }
}

impl<'de> Deserialize<'de> for ImageId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match from.is_human_readable() {
            true => String::deserialize(from)?.parse().map_err(D::Error::custom),
            false => u128::deserialize(from).map(Self),
        }
    }
}

/// The longest name of a user or a group, in characters.
const MAX_NAME_LEN: usize = 64;

/// A name that the directory would refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} name {text:?} refused: expected 1 to {MAX_NAME_LEN} characters out of a-z 0-9 . _ -, starting with a letter or digit"
)]
pub struct InvalidName {
    what: &'static str,
    text: String,
}

/// Refuses what is no name. Nothing is normalised: two spellings are two names, and what merely looks like a letter
/// of the alphabet is none.
fn check_name(what: &'static str, text: &str) -> Result<(), InvalidName> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
    let well_formed = text.len() <= MAX_NAME_LEN
        && text.bytes().all(allowed)
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    if well_formed {
        Ok(())
    } else {
        // The refused text may be anything: show its beginning only.
        Err(InvalidName { what, text: text.chars().take(MAX_NAME_LEN + 1).collect() })
    }
}

thread_local! {
    /// The texts that names share that are being read on this thread, if they share any.
    static SHARED: RefCell<Option<HashSet<Arc<str>>>> = const { RefCell::new(None) };
}

/// Has names that are read share one text where they are equal.
#[derive(Debug, Default)]
pub(super) struct Interner(HashSet<Arc<str>>);

impl Interner {
    /// Reads something, the names in which share their texts with one another and with those that were read before.
    pub(super) fn share<T>(&mut self, read: impl FnOnce() -> T) -> T {
        SHARED.set(Some(std::mem::take(&mut self.0)));
        let read = read();
        self.0 = SHARED.take().unwrap_or_default();
        read
    }
}

/// Reads a name; what it is the name of is for the error.
struct ReadName(&'static str);

impl Visitor<'_> for ReadName {
    type Value = Arc<str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {} name", self.0)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Arc<str>, E> {
        SHARED.with_borrow_mut(|shared| {
            if let Some(known) = shared.as_ref().and_then(|shared| shared.get(text)) {
                return Ok(known.clone());
            }
            check_name(self.0, text).map_err(E::custom)?;
            let text: Arc<str> = text.into();
            if let Some(shared) = shared {
                shared.insert(text.clone());
            }
            Ok(text)
        })
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        ///
        /// Copies share one text: a directory holds each name many times.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The longest name, in characters.
            pub const MAX_LEN: usize = MAX_NAME_LEN;

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The first and the last name there can be, for ranges.
            pub(super) fn bounds() -> (Self, Self) {
                (Self("0".into()), Self("z".repeat(Self::MAX_LEN).into()))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                from.deserialize_str(ReadName($what)).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                check_name($what, text).map(|()| Self(text.into()))
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}
name! {
    /// A user's name: 1 to 64 characters of `a-z 0-9 . _ -`, beginning with a letter or digit.
    UserName, "user"
}
name! {
    /// A group's name: 1 to 64 characters of `a-z 0-9 . _ -`, beginning with a letter or digit.
    GroupName, "group"
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
    fn names_that_are_read_together_share_their_text() {
        let read = || -> Vec<UserName> { serde_json::from_str(r#"["anna", "ben", "anna"]"#).unwrap() };
        let mut interner = Interner::default();
        let (names, more) = (interner.share(read), interner.share(read));
        assert_eq!(names, read());
        assert!(Arc::ptr_eq(&names[0].0, &names[2].0) && Arc::ptr_eq(&names[0].0, &more[0].0));
        let alone = read();
        assert!(!Arc::ptr_eq(&alone[0].0, &alone[2].0));
        let refused = interner.share(|| serde_json::from_str::<UserName>(r#""Anna""#));
        assert!(refused.unwrap_err().to_string().starts_with("user name \"Anna\" refused"));
    }

    #[test]
    fn names_outside_the_alphabet_are_refused() {
        for good in ["a", "u000017", "anna.b-c_d", &"a".repeat(64)] {
            assert!(good.parse::<UserName>().is_ok(), "{good}");
        }
        for bad in ["", "Anna", "-a", "a b", "ä", "\u{430}nna", "anna\u{200b}", &"a".repeat(65)] {
            assert!(bad.parse::<UserName>().is_err(), "{bad}");
            assert!(bad.parse::<GroupName>().is_err(), "{bad}");
        }
        let refused = "Chor".parse::<GroupName>().unwrap_err().to_string();
        assert!(refused.starts_with("group name \"Chor\" refused: expected 1 to 64 characters"), "{refused}");
    }
}
