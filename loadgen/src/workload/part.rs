//! One of several generators' share of the users.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A part of the simulated users: of N parts, each has every Nth user, so that all are of about one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields")]
pub struct Part {
    /// Which part, from 0.
    index: u32,
    /// How many there are.
    of: u32,
}

/// A part that there is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no part {index} of {of}: parts are numbered from 0")]
pub struct NoSuchPart {
    index: u32,
    of: u32,
}

#[derive(Deserialize)]
struct Fields {
    index: u32,
    of: u32,
}

impl TryFrom<Fields> for Part {
    type Error = NoSuchPart;

    fn try_from(Fields { index, of }: Fields) -> Result<Self, NoSuchPart> {
        if index < of { Ok(Self { index, of }) } else { Err(NoSuchPart { index, of }) }
    }
}

impl Part {
    /// The only part.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// All of so many parts, in order.
    pub fn all(of: u32) -> impl ExactSizeIterator<Item = Self> {
        (0..of as usize).map(move |index| Self { index: index as u32, of })
    }

    /// Which it is, from 0.
    pub fn index(self) -> u32 {
        self.index
    }

    /// Whether this user belongs to it.
    pub fn has(self, user: u32) -> bool {
        user % self.of == self.index
    }

    /// Its users, by number, out of `all`.
    pub fn users(self, all: u32) -> impl ExactSizeIterator<Item = u32> {
        (self.index..all).step_by(self.of as usize)
    }

    /// Where one of its users stands among them.
    pub(super) fn place(self, user: u32) -> usize {
        (user / self.of) as usize
    }

    /// Its share of something that can be divided: all shares add up to `total`.
    pub fn share(self, total: u32) -> u32 {
        total / self.of + u32::from(self.index < total % self.of)
    }
}

/// The generator that has this part: `g1`, `g2`, …
impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "g{}", self.index + 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_user_belongs_to_one_part_and_shares_add_up(all in 0u32..2_000, of in 1u32..=16) {
            let mut seen = vec![0; all as usize];
            for part in Part::all(of) {
                for (place, user) in part.users(all).enumerate() {
                    seen[user as usize] += 1;
                    prop_assert!(part.has(user));
                    prop_assert_eq!(part.place(user), place);
                }
                prop_assert_eq!(part.users(all).len(), part.share(all) as usize);
            }
            prop_assert!(seen.iter().all(|times| *times == 1));
            prop_assert_eq!(Part::all(of).map(|part| part.share(all)).sum::<u32>(), all);
        }
    }

    #[test]
    fn a_part_that_there_is_not_is_refused() {
        let read = |text: &str| serde_json::from_str::<Part>(text).map_err(|e| e.to_string());
        assert_eq!(read(r#"{"index":2,"of":3}"#).unwrap().to_string(), "g3");
        for bad in [r#"{"index":3,"of":3}"#, r#"{"index":0,"of":0}"#] {
            assert!(read(bad).unwrap_err().contains("there is no part"), "{bad}");
        }
    }
}
