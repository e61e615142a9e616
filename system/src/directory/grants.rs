//! Who may view an image how often, in as little memory as it takes: most images have a few grants, and there are many
//! images. A map would make a node with room for eleven of them.

use serde::{Deserialize, Serialize};

use super::Grant;

/// Grants by name of a user or a group, in order. Encoded as a map is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(Name, Grant)>", bound(deserialize = "Name: Ord + Deserialize<'de>"))]
pub struct Grants<Name>(Box<[(Name, Grant)]>);

impl<Name> Default for Grants<Name> {
    fn default() -> Self {
        Self(Box::default())
    }
}

impl<Name> Grants<Name> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Name, &Grant)> {
        self.0.iter().map(|(name, grant)| (name, grant))
    }

    /// All names, in order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Name> {
        self.0.iter().map(|(name, _)| name)
    }
}

impl<Name: Ord> Grants<Name> {
    fn place(&self, name: &Name) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.cmp(name))
    }

    /// That of one name.
    pub fn get(&self, name: &Name) -> Option<&Grant> {
        self.place(name).ok().map(|place| &self.0[place].1)
    }

    /// That of one name, to be changed.
    pub fn get_mut(&mut self, name: &Name) -> Option<&mut Grant> {
        self.place(name).ok().map(|place| &mut self.0[place].1)
    }

    /// Sets that of one name.
    pub fn insert(&mut self, name: Name, grant: Grant) {
        match self.place(&name) {
            Ok(place) => self.0[place].1 = grant,
            Err(place) => {
                let mut grants = std::mem::take(&mut self.0).into_vec();
                grants.reserve_exact(1);
                grants.insert(place, (name, grant));
                self.0 = grants.into_boxed_slice();
            }
        }
    }

    /// Takes that of one name out.
    pub fn remove(&mut self, name: &Name) -> Option<Grant> {
        let place = self.place(name).ok()?;
        let mut grants = std::mem::take(&mut self.0).into_vec();
        let (_, grant) = grants.remove(place);
        self.0 = grants.into_boxed_slice();
        Some(grant)
    }
}

impl<Name: Ord> From<Vec<(Name, Grant)>> for Grants<Name> {
    /// Of several of one name, the last counts.
    fn from(mut grants: Vec<(Name, Grant)>) -> Self {
        let in_order = grants.is_sorted_by(|(one, _), (next, _)| one < next);
        if !in_order {
            return std::collections::BTreeMap::from_iter(grants).into_iter().collect();
        }
        grants.shrink_to_fit();
        Self(grants.into_boxed_slice())
    }
}

impl<Name: Ord> FromIterator<(Name, Grant)> for Grants<Name> {
    fn from_iter<I: IntoIterator<Item = (Name, Grant)>>(grants: I) -> Self {
        Vec::from_iter(grants).into()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::wire::codec;

    impl<Name: Ord, const N: usize> From<[(Name, Grant); N]> for Grants<Name> {
        fn from(grants: [(Name, Grant); N]) -> Self {
            Vec::from(grants).into()
        }
    }

    impl<Name: Ord> std::ops::Index<&Name> for Grants<Name> {
        type Output = Grant;

        fn index(&self, name: &Name) -> &Grant {
            self.get(name).unwrap()
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(u8, u32),
        Remove(u8),
        Take(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..12u8, 0..9u32).prop_map(|(name, left)| Step::Insert(name, left)),
            (0..12u8).prop_map(Step::Remove),
            (0..12u8).prop_map(Step::Take),
        ]
    }

    proptest! {
        #[test]
        fn they_are_a_map_and_encoded_as_one(steps in proptest::collection::vec(step(), 0..60)) {
            let (mut grants, mut map) = (Grants::default(), BTreeMap::new());
            for step in steps {
                match step {
                    Step::Insert(name, left) => {
                        let grant = Grant { left, used: u64::from(name) };
                        grants.insert(name, grant);
                        map.insert(name, grant);
                    }
                    Step::Remove(name) => prop_assert_eq!(grants.remove(&name), map.remove(&name)),
                    Step::Take(name) => {
                        let take = |grant: &mut Grant| grant.left = grant.left.saturating_sub(1);
                        grants.get_mut(&name).map(take);
                        map.get_mut(&name).map(take);
                        prop_assert_eq!(grants.get(&name), map.get(&name));
                    }
                }
                prop_assert!(grants.iter().eq(map.iter()) && grants.keys().eq(map.keys()));
                prop_assert_eq!((grants.len(), grants.is_empty()), (map.len(), map.is_empty()));
            }
            let bytes = codec::encode(&map).unwrap();
            prop_assert_eq!(&codec::encode(&grants).unwrap(), &bytes);
            prop_assert_eq!(codec::decode::<Grants<u8>>(&bytes).unwrap(), grants);
        }

        #[test]
        fn whatever_order_they_come_in(entries in proptest::collection::vec((0..12u8, 0..9u32), 0..30)) {
            let entries = entries.into_iter().map(|(name, left)| (name, Grant { left, used: 0 }));
            let (grants, map) =
                (Grants::from_iter(entries.clone()), BTreeMap::from_iter(entries));
            prop_assert!(grants.iter().eq(map.iter()));
        }
    }
}
