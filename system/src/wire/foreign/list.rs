//! Lists and maps that are refused while they are read, when they are longer than they may be.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

/// For `#[serde(deserialize_with = "foreign::list::<_, _, LIMIT>")]`: a list of at most `LIMIT` elements.
///
/// # Errors
/// When there are more, or one is malformed.
pub fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>, const LIMIT: usize>(
    from: D,
) -> Result<Vec<T>, D::Error> {
    from.deserialize_seq(Limited::<T, LIMIT>(PhantomData))
}

struct Limited<T, const LIMIT: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const LIMIT: usize> Visitor<'de> for Limited<T, LIMIT> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {LIMIT} elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element()? {
            if list.len() == LIMIT {
                return Err(A::Error::custom(format_args!("a list of more than {LIMIT} elements")));
            }
            list.push(element);
        }
        Ok(list)
    }
}

/// For `#[serde(deserialize_with = "foreign::map::<_, _, _, LIMIT>")]`: a map of at most `LIMIT` entries.
///
/// # Errors
/// When there are more, or one is malformed.
pub fn map<'de, D, K, V, const LIMIT: usize>(from: D) -> Result<BTreeMap<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord,
    V: Deserialize<'de>,
{
    from.deserialize_map(LimitedMap::<K, V, LIMIT>(PhantomData))
}

struct LimitedMap<K, V, const LIMIT: usize>(PhantomData<(K, V)>);

impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>, const LIMIT: usize> Visitor<'de>
    for LimitedMap<K, V, LIMIT>
{
    type Value = BTreeMap<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a map of at most {LIMIT} entries")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<BTreeMap<K, V>, A::Error> {
        let mut map = BTreeMap::new();
        let mut read = 0;
        while let Some((key, value)) = entries.next_entry()? {
            // Those that are there twice count twice.
            if read == LIMIT {
                return Err(A::Error::custom(format_args!("a map of more than {LIMIT} entries")));
            }
            read += 1;
            map.insert(key, value);
        }
        Ok(map)
    }
}
