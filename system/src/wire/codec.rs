//! The one place that knows how values become bytes: bincode 2, standard configuration, with a
//! limit, trailing bytes refused. Everything persisted or sent goes through here.

use serde::{Serialize, de::DeserializeOwned};

/// The largest value decoded from anywhere, in bytes. Frames have smaller limits of their own.
pub const MAX_VALUE: usize = 1 << 30;

/// Most values that are encoded need no more, bytes.
const ROOM: usize = 256;

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
    /// The value is larger than anything that is decoded.
    #[error("{what} of {size} bytes, the limit is {MAX_VALUE}")]
    TooLarge {
        /// The type that was to be written.
        what: &'static str,
        /// Its encoded length, bytes.
        size: usize,
    },
    /// The bytes do not decode.
    #[error("malformed {what}: {source}")]
    Decode {
        /// The type that was expected.
        what: &'static str,
        /// What bincode says.
        source: bincode::error::DecodeError,
    },
    /// A number in the value takes more bytes than it needs.
    #[error("malformed {what}: a number in it is not in its shortest form")]
    LongForm {
        /// The type that was expected.
        what: &'static str,
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

/// The name of a type, without the way to it.
fn name<T>() -> &'static str {
    let path = std::any::type_name::<T>();
    // Of a generic type the way to its parameters stays: better too much than too little.
    if path.contains('<') { path } else { path.rsplit("::").next().unwrap_or(path) }
}

/// Encodes `value`.
///
/// # Errors
/// When the value is larger than [`MAX_VALUE`].
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::with_capacity(ROOM);
    encode_into(value, &mut bytes)?;
    Ok(bytes)
}

/// Encodes `value` behind what `out` holds.
///
/// # Errors
/// When the value is larger than [`MAX_VALUE`]. `out` then ends in a part of it.
pub fn encode_into<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let before = out.len();
    bincode::serde::encode_into_std_write(value, out, bincode::config::standard())
        .map_err(|source| CodecError::Encode { what: name::<T>(), source })?;
    let size = out.len() - before;
    // What could not be read again must not be written.
    if size > MAX_VALUE {
        return Err(CodecError::TooLarge { what: name::<T>(), size });
    }
    Ok(())
}

/// Decodes exactly one `T` from `bytes`.
///
/// # Errors
/// When the bytes are malformed, too large, or go on after the value.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    // The limit bounds what a forged length inside may make bincode allocate. It is a constant of the
    // configuration, so the input's own length chooses among a few.
    let standard = bincode::config::standard();
    match bytes.len() {
        0..0x1000 => decode_within(bytes, standard.with_limit::<0x1_0000>()),
        0x1000..0x10_0000 => decode_within(bytes, standard.with_limit::<0x100_0000>()),
        _ => decode_within(bytes, standard.with_limit::<MAX_VALUE>()),
    }
}

/// Checks that `value`, which was decoded from `bytes`, is encoded as exactly these: bincode accepts numbers in a
/// longer form than it writes.
///
/// # Errors
/// [`CodecError::LongForm`].
pub fn check_shortest<T: Serialize>(value: &T, bytes: &[u8]) -> Result<(), CodecError> {
    if encode(value)? == bytes { Ok(()) } else { Err(CodecError::LongForm { what: name::<T>() }) }
}

fn decode_within<T: DeserializeOwned>(
    bytes: &[u8],
    config: impl bincode::config::Config,
) -> Result<T, CodecError> {
    let (value, used) = bincode::serde::decode_from_slice(bytes, config)
        .map_err(|source| CodecError::Decode { what: name::<T>(), source })?;
    if used == bytes.len() {
        Ok(value)
    } else {
        Err(CodecError::Trailing { what: name::<T>(), extra: bytes.len() - used })
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
        // Within the limit of all values, beyond that of so short an input.
        bytes.splice(1.., (1u64 << 29).to_le_bytes());
        assert!(matches!(
            decode::<bytes::Bytes>(&bytes),
            Err(CodecError::Decode { source: bincode::error::DecodeError::LimitExceeded, .. })
        ));
    }
}
