//! The one place that knows how values become bytes: bincode 2, standard configuration, with a
//! limit, trailing bytes refused. Everything persisted or sent goes through here.

use serde::{Serialize, de::DeserializeOwned};

/// The largest value decoded from anywhere, in bytes. Frames have smaller limits of their own.
pub const MAX_VALUE: usize = 1 << 30;

/// A value that cannot be written or bytes that are not such a value.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The value cannot be encoded.
    #[error("cannot encode {what}: {source}")]
    Encode {
        /// The type that was to be written.
        what: &'static str,
        /// What bincode says.
        source: bincode::error::EncodeError,
    },
    /// The bytes do not decode.
    #[error("malformed {what}: {source}")]
    Decode {
        /// The type that was expected.
        what: &'static str,
        /// What bincode says.
        source: bincode::error::DecodeError,
    },
    /// The value ended before its bytes did.
    #[error("malformed {what}: {extra} bytes follow its end")]
    Trailing {
        /// The type that was expected.
        what: &'static str,
        /// How many bytes are left over.
        extra: usize,
    },
}

fn config() -> impl bincode::config::Config {
    // The limit also bounds what a forged length may make bincode allocate.
    bincode::config::standard().with_limit::<MAX_VALUE>()
}

/// Encodes `value`.
///
/// # Errors
/// When the value is larger than [`MAX_VALUE`].
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    bincode::serde::encode_to_vec(value, config())
        .map_err(|source| CodecError::Encode { what: std::any::type_name::<T>(), source })
}

/// Decodes exactly one `T` from `bytes`.
///
/// # Errors
/// When the bytes are malformed, too large, or go on after the value.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let what = std::any::type_name::<T>();
    let (value, used) = bincode::serde::decode_from_slice(bytes, config())
        .map_err(|source| CodecError::Decode { what, source })?;
    if used == bytes.len() {
        Ok(value)
    } else {
        Err(CodecError::Trailing { what, extra: bytes.len() - used })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailing_bytes_are_refused() {
        let mut bytes = encode(&7u32).unwrap();
        assert_eq!(decode::<u32>(&bytes).unwrap(), 7);
        bytes.push(0);
        assert!(matches!(decode::<u32>(&bytes), Err(CodecError::Trailing { extra: 1, .. })));
    }

    #[test]
    fn a_forged_length_allocates_nothing() {
        // 0xfd: a 64-bit length follows. 2^46 bytes are announced, none are there.
        let mut bytes = vec![0xfd];
        bytes.extend((1u64 << 46).to_le_bytes());
        assert!(matches!(decode::<Vec<u8>>(&bytes), Err(CodecError::Decode { .. })));
    }
}
