//! Reading what others have sent: the same bytes as [`codec`](super::codec) writes, read with suspicion.
//!
//! A value in memory is larger than its bytes: an element of a list takes its size in memory for as little as a byte. So
//! whoever sends is given room for a small multiple of what they have sent, and no value is made that does not fit. Nothing
//! is believed of a length before its bytes are there, and nothing is nested deeper than any message is.

mod list;
mod reader;

#[cfg(test)]
mod tests;

use serde::de::DeserializeOwned;

pub use self::list::{list, map};
use self::reader::Reader;

/// So many bytes of memory are made of each byte that has come, beside [`ROOM`].
pub const GROWTH: usize = 16;
/// So many bytes of memory are made in any case.
pub const ROOM: usize = 64 << 10;
/// How deep lists, choices and boxes lie in one another, at most. No message comes near.
const DEPTH: usize = 64;

/// What is wrong with bytes that others have sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// There are fewer than the value needs.
    #[error("the bytes end early: {needed} more are needed, {left} are left")]
    Ended {
        /// How many are needed.
        needed: u64,
        /// How many there are.
        left: usize,
    },
    /// There are more.
    #[error("{extra} bytes follow its end")]
    Trailing {
        /// How many are left over.
        extra: usize,
    },
    /// A byte stands where it means nothing.
    #[error("{found} is no {expected}")]
    Unexpected {
        /// The byte.
        found: u8,
        /// What was expected.
        expected: &'static str,
    },
    /// A number does not fit its type.
    #[error("{0} is too large a number")]
    Number(u128),
    /// Text is not UTF-8.
    #[error("text that is not UTF-8")]
    Text,
    /// Values lie in one another too deep.
    #[error("values are nested deeper than {DEPTH} levels")]
    Nested,
    /// It would take much more memory than its bytes do.
    #[error("it would take more than the {limit} bytes of memory that are made of so short a message")]
    Grows {
        /// The limit.
        limit: usize,
    },
    /// The value itself says what is wrong.
    #[error("{0}")]
    Value(String),
}

/// Decodes exactly one `T`.
///
/// # Errors
/// When the bytes are anything else, or make more than [`ROOM`] and [`GROWTH`] allow.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Malformed> {
    let mut rest = bytes;
    let value = decode_first(&mut rest)?;
    match rest.len() {
        0 => Ok(value),
        extra => Err(Malformed::Trailing { extra }),
    }
}

/// Decodes a `T` from the beginning of `bytes`, which are then what follows it.
///
/// # Errors
/// As [`decode`], but for what follows.
pub fn decode_first<T: DeserializeOwned>(bytes: &mut &[u8]) -> Result<T, Malformed> {
    let mut reader = Reader::new(bytes);
    let value = T::deserialize(&mut reader)?;
    *bytes = reader.rest();
    Ok(value)
}
