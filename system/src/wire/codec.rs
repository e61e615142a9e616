//! The one place that knows how values become bytes: bincode 2, standard configuration, with a
//! limit, trailing bytes refused. Everything persisted or sent goes through here.

use serde::{Serialize, de::DeserializeOwned};

/// The largest value that is encoded or decoded, bytes. Frames and records have smaller limits of their own; what may be
/// larger, a snapshot for instance, is written value by value.
pub const MAX_VALUE: usize = 128 << 20;

/// bincode counts what it decodes by its size in memory, and a number of 16 bytes may have been written in one: so many
/// bytes are counted at most for each that is there. A limit below that refuses what was written.
const COUNTED_FOR_A_BYTE: usize = 16;

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
        /// The type that was to be written, or read.
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
    let mut rest = bytes;
    let value = decode_first(&mut rest)?;
    match rest.len() {
        0 => Ok(value),
        extra => Err(CodecError::Trailing { what: name::<T>(), extra }),
    }
}

/// Decodes a `T` from the beginning of `bytes`, which are then what follows it.
///
/// # Errors
/// When the bytes are malformed or too large.
pub fn decode_first<T: DeserializeOwned>(bytes: &mut &[u8]) -> Result<T, CodecError> {
    // The limit bounds what a forged length inside may make bincode allocate. It is a constant of the
    // configuration, so the input's own length chooses among a few.
    const SMALL: usize = 0x1000;
    const MEDIUM: usize = 0x10_0000;
    const LARGE: usize = 0x100_0000;
    let standard = bincode::config::standard();
    match bytes.len() {
        size if size <= SMALL => {
            decode_within(bytes, standard.with_limit::<{ SMALL * COUNTED_FOR_A_BYTE }>())
        }
        size if size <= MEDIUM => {
            decode_within(bytes, standard.with_limit::<{ MEDIUM * COUNTED_FOR_A_BYTE }>())
        }
        size if size <= LARGE => {
            decode_within(bytes, standard.with_limit::<{ LARGE * COUNTED_FOR_A_BYTE }>())
        }
        size if size <= MAX_VALUE => {
            decode_within(bytes, standard.with_limit::<{ MAX_VALUE * COUNTED_FOR_A_BYTE }>())
        }
        size => Err(CodecError::TooLarge { what: name::<T>(), size }),
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
    bytes: &mut &[u8],
    config: impl bincode::config::Config,
) -> Result<T, CodecError> {
    // Text is read where it lies: whoever keeps it another way, such as names, need not copy it first.
    let (value, used) = bincode::serde::borrow_decode_from_slice(bytes, config)
        .map_err(|source| CodecError::Decode { what: name::<T>(), source })?;
    *bytes = &bytes[used..];
    Ok(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::ser::SerializeSeq;

    use super::*;

    #[test]
    fn trailing_bytes_are_refused() {
        let mut bytes = encode(&7u32).unwrap();
        assert_eq!(decode::<u32>(&bytes).unwrap(), 7);
        bytes.push(0);
        assert!(matches!(decode::<u32>(&bytes), Err(CodecError::Trailing { extra: 1, .. })));
    }

    /// Whatever bincode writes in the fewest bytes, and counts as the most.
    #[derive(Debug, Clone, PartialEq, Serialize, serde::Deserialize)]
    enum Dense {
        Nothing,
        Numbers(u128, u64, i64, u32),
        Text(String),
        Bytes(bytes::Bytes),
        List(Vec<Option<u128>>),
    }

    fn dense() -> impl Strategy<Value = Dense> {
        prop_oneof![
            Just(Dense::Nothing),
            (0..3u128, 0..3u64, -1..2i64, 0..3u32).prop_map(|(a, b, c, d)| Dense::Numbers(a, b, c, d)),
            "[a-z]{0,2}".prop_map(Dense::Text),
            proptest::collection::vec(any::<u8>(), 0..3).prop_map(|bytes| Dense::Bytes(bytes.into())),
            proptest::collection::vec(proptest::option::of(0..3u128), 0..4).prop_map(Dense::List),
        ]
    }

    /// Lists of small values that are encoded in about `size` bytes.
    fn filled<T: Serialize + Clone>(value: &T, size: usize) -> Vec<T> {
        let each = encode(value).unwrap().len();
        vec![value.clone(); size / each]
    }

    /// Where another limit begins to hold.
    const EDGES: &[usize] = &[0x1000, 0x10_0000, 0x100_0000];

    /// So many zeros of 16 bytes, each of which is encoded in one. It takes no memory.
    #[derive(Debug, PartialEq)]
    struct Zeros(usize);

    impl Serialize for Zeros {
        fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            let mut list = to.serialize_seq(Some(self.0))?;
            (0..self.0).try_for_each(|_| list.serialize_element(&0u128))?;
            list.end()
        }
    }

    impl<'de> serde::Deserialize<'de> for Zeros {
        fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            struct Count;
            impl<'de> serde::de::Visitor<'de> for Count {
                type Value = Zeros;

                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("zeros")
                }

                fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Zeros, A::Error> {
                    let mut count = 0;
                    while let Some(zero) = list.next_element::<u128>()? {
                        assert_eq!(zero, 0);
                        count += 1;
                    }
                    Ok(Zeros(count))
                }
            }
            from.deserialize_seq(Count)
        }
    }

    #[test]
    fn the_smallest_numbers_are_read_back_at_every_size() {
        // The last is what earlier versions wrote and then refused: it counts as a little more than 1 GiB.
        let last = (1 << 30) / COUNTED_FOR_A_BYTE + 1;
        let sizes = EDGES.iter().flat_map(|edge| (edge - 9..edge + 9).step_by(4)).chain([last]);
        for size in sizes {
            let zeros = Zeros(size);
            assert_eq!(decode::<Zeros>(&encode(&zeros).unwrap()).unwrap(), zeros);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn whatever_is_written_can_be_read(
            value in dense(),
            edge in proptest::sample::select(&EDGES[..2]),
            beside in -40..40isize,
        ) {
            let values = filled(&value, edge.saturating_add_signed(beside));
            prop_assert_eq!(decode::<Vec<Dense>>(&encode(&values).unwrap()).unwrap(), values);
        }
    }

    #[test]
    fn what_is_too_large_is_neither_written_nor_read() {
        let large = bytes::Bytes::from(vec![0; MAX_VALUE + 1]);
        assert!(matches!(encode(&large), Err(CodecError::TooLarge { .. })));
        assert!(matches!(decode::<bytes::Bytes>(&large), Err(CodecError::TooLarge { .. })));
    }

    #[test]
    fn values_are_read_one_after_the_other() {
        let mut bytes = encode(&7u32).unwrap();
        encode_into(&"text".to_owned(), &mut bytes).unwrap();
        let mut rest = &bytes[..];
        assert_eq!(decode_first::<u32>(&mut rest).unwrap(), 7);
        assert_eq!(decode_first::<String>(&mut rest).unwrap(), "text");
        assert!(rest.is_empty());
        assert!(decode_first::<u32>(&mut rest).is_err());
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
