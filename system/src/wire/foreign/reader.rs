//! bincode's standard configuration, read from a slice: numbers of more than a byte in as few bytes as they need, low
//! byte first; lengths before what they count; choices by number.

use std::fmt::Display;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};

use super::{DEPTH, GROWTH, Malformed, ROOM};

/// What an allocation takes beside its content, about.
const ALLOCATION: usize = 32;

/// What is left to be read, and to be made of it.
pub(super) struct Reader<'de> {
    rest: &'de [u8],
    depth: usize,
    room: usize,
    limit: usize,
}

impl<'de> Reader<'de> {
    pub(super) fn new(bytes: &'de [u8]) -> Self {
        let limit = ROOM.saturating_add(GROWTH.saturating_mul(bytes.len()));
        Self { rest: bytes, depth: 0, room: limit, limit }
    }

    pub(super) fn rest(self) -> &'de [u8] {
        self.rest
    }

    fn take(&mut self, count: u64) -> Result<&'de [u8], Malformed> {
        let left = self.rest.len();
        let taken = usize::try_from(count).ok().and_then(|count| self.rest.split_at_checked(count));
        let (taken, rest) = taken.ok_or(Malformed::Ended { needed: count, left })?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let left = self.rest.len();
        let (taken, rest) =
            self.rest.split_first_chunk().ok_or(Malformed::Ended { needed: N as u64, left })?;
        self.rest = rest;
        Ok(*taken)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A number of a type of `width` bytes.
    fn number(&mut self, width: usize) -> Result<u128, Malformed> {
        Ok(match (self.byte()?, width) {
            (small @ ..=250, _) => small.into(),
            (251, 2..) => u16::from_le_bytes(self.array()?).into(),
            (252, 4..) => u32::from_le_bytes(self.array()?).into(),
            (253, 8..) => u64::from_le_bytes(self.array()?).into(),
            (254, 16..) => u128::from_le_bytes(self.array()?),
            (found, _) => {
                return Err(Malformed::Unexpected { found, expected: "beginning of such a number" });
            }
        })
    }

    fn unsigned<T: TryFrom<u128>>(&mut self) -> Result<T, Malformed> {
        let number = self.number(size_of::<T>())?;
        T::try_from(number).map_err(|_| Malformed::Number(number))
    }

    /// Signed numbers alternate: 0, -1, 1, -2, …
    fn signed<T: TryFrom<i128>>(&mut self) -> Result<T, Malformed> {
        let number = self.number(size_of::<T>())?;
        let half = (number >> 1) as i128;
        let value = if number & 1 == 0 { half } else { !half };
        T::try_from(value).map_err(|_| Malformed::Number(number))
    }

    fn flag(&mut self, expected: &'static str) -> Result<bool, Malformed> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            found => Err(Malformed::Unexpected { found, expected }),
        }
    }

    fn bytes(&mut self) -> Result<&'de [u8], Malformed> {
        let length = self.unsigned()?;
        let bytes = self.take(length)?;
        self.make(bytes.len() + ALLOCATION)?;
        Ok(bytes)
    }

    /// How many elements follow. Whatever holds them is allocated.
    fn length(&mut self) -> Result<u64, Malformed> {
        let length = self.unsigned()?;
        if length > 0 {
            self.make(ALLOCATION)?;
        }
        Ok(length)
    }

    fn text(&mut self) -> Result<&'de str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed::Text)
    }

    /// So much memory is about to be taken.
    fn make(&mut self, size: usize) -> Result<(), Malformed> {
        self.room = self.room.checked_sub(size.max(1)).ok_or(Malformed::Grows { limit: self.limit })?;
        Ok(())
    }

    /// Whatever has no end of itself is read one level further down.
    fn within<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Malformed>) -> Result<T, Malformed> {
        if self.depth == DEPTH {
            return Err(Malformed::Nested);
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }
}

impl Error for Malformed {
    fn custom<T: Display>(reason: T) -> Self {
        Self::Value(reason.to_string())
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $read:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
            visitor.$visit(self.$read()?)
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Malformed;

    numbers! {
        deserialize_u16 visit_u16 unsigned
        deserialize_u32 visit_u32 unsigned
        deserialize_u64 visit_u64 unsigned
        deserialize_u128 visit_u128 unsigned
        deserialize_i16 visit_i16 signed
        deserialize_i32 visit_i32 signed
        deserialize_i64 visit_i64 signed
        deserialize_i128 visit_i128 signed
        deserialize_u8 visit_u8 byte
        deserialize_str visit_borrowed_str text
        deserialize_string visit_borrowed_str text
        deserialize_bytes visit_borrowed_bytes bytes
        deserialize_byte_buf visit_borrowed_bytes bytes
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        visitor.visit_bool(self.flag("yes or no")?)
    }

    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        visitor.visit_i8(self.byte()? as i8)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        visitor.visit_f32(f32::from_le_bytes(self.array()?))
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        visitor.visit_f64(f64::from_le_bytes(self.array()?))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        match self.flag("option")? {
            true => self.within(|reader| visitor.visit_some(reader)),
            false => visitor.visit_none(),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Malformed> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Malformed> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        let left = self.length()?;
        self.within(|reader| visitor.visit_seq(Elements { reader, left, made: true }))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Malformed> {
        visitor.visit_seq(Elements { reader: self, left: len as u64, made: false })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Malformed> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Malformed> {
        self.deserialize_tuple(fields.len(), visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        let left = self.length()?;
        self.within(|reader| visitor.visit_map(Elements { reader, left, made: true }))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Malformed> {
        self.within(|reader| visitor.visit_enum(reader))
    }

    fn deserialize_char<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Malformed> {
        Err(undescribed())
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Malformed> {
        Err(undescribed())
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Malformed> {
        Err(undescribed())
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Malformed> {
        Err(undescribed())
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// No message holds any of these.
fn undescribed() -> Malformed {
    Malformed::Value("a value of a type that no message holds".to_owned())
}

/// What a list, a map or a structure holds.
struct Elements<'a, 'de> {
    reader: &'a mut Reader<'de>,
    left: u64,
    /// Whether they are on the heap: those of structures lie where these lie.
    made: bool,
}

impl<'de> Elements<'_, 'de> {
    fn next<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Malformed> {
        if self.made {
            self.reader.make(size_of::<T::Value>())?;
        }
        seed.deserialize(&mut *self.reader)
    }
}

// How many there will be is not hinted at: room would be made for them.
impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Malformed;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Malformed> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        self.next(seed).map(Some)
    }
}

impl<'de> MapAccess<'de> for Elements<'_, 'de> {
    type Error = Malformed;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Malformed> {
        self.next_element_seed(seed)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Malformed> {
        self.next(seed)
    }
}

impl<'de> EnumAccess<'de> for &mut Reader<'de> {
    type Error = Malformed;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Malformed> {
        let variant: u32 = self.unsigned()?;
        let variant = seed.deserialize(IntoDeserializer::<Malformed>::into_deserializer(variant))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Reader<'de> {
    type Error = Malformed;

    fn unit_variant(self) -> Result<(), Malformed> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Malformed> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Malformed> {
        self.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Malformed> {
        self.deserialize_tuple(fields.len(), visitor)
    }
}
