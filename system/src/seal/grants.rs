//! Grants as they stand in a file: everybody finds their own, and learns nothing of the others.

use serde::{Deserialize, Serialize};

use crate::{directory::ImageId, identity::FinderKey};

/// Bytes of an entry by which it is found.
const TAG_LEN: usize = 12;

/// One grant: a tag, and the number of views left, little-endian, under a mask.
type Entry = [u8; TAG_LEN + 4];

/// The grants of one revision of an image.
///
/// Tag and mask of an entry are the first 16 bytes of BLAKE3, keyed with the grantee's [`FinderKey`], of
/// image id and revision. Without that key they are random: whether somebody is among the grantees, and
/// with how many views, is known to the cluster and to them. How many grants there are is not hidden.
/// Entries are in the order of their bytes, so that the order tells nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Grants(Vec<Entry>);

impl Grants {
    /// The grants of a revision: for each viewer the key and the views left.
    pub fn new(image: ImageId, revision: u64, viewers: impl IntoIterator<Item = (FinderKey, u32)>) -> Self {
        let entry = |(finder, views): (FinderKey, u32)| {
            let mut entry = pad(&finder, image, revision);
            mask(&mut entry, views);
            entry
        };
        let mut entries: Vec<Entry> = viewers.into_iter().map(entry).collect();
        entries.sort_unstable();
        Self(entries)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many views the owner of this key has left; `None` without a grant.
    pub fn views_left(&self, finder: &FinderKey, image: ImageId, revision: u64) -> Option<u32> {
        let pad = pad(finder, image, revision);
        let entry = self.0.iter().find(|entry| entry[..TAG_LEN] == pad[..TAG_LEN])?;
        let (views, masks) = (entry.last_chunk()?, pad.last_chunk()?);
        Some(u32::from_le_bytes(*views) ^ u32::from_le_bytes(*masks))
    }
}

/// An entry's tag and mask.
fn pad(finder: &FinderKey, image: ImageId, revision: u64) -> Entry {
    let mut message = [0; 24];
    message[..16].copy_from_slice(&image.0.to_le_bytes());
    message[16..].copy_from_slice(&revision.to_le_bytes());
    let mut pad = Entry::default();
    pad.copy_from_slice(&blake3::keyed_hash(finder.as_bytes(), &message).as_bytes()[..TAG_LEN + 4]);
    pad
}

/// Lays the number of views under the mask.
fn mask(entry: &mut Entry, views: u32) {
    for (byte, view) in entry[TAG_LEN..].iter_mut().zip(views.to_le_bytes()) {
        *byte ^= view;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::ClusterKeys;

    fn finder(name: &str) -> FinderKey {
        ClusterKeys::from_secret([7; 32]).finder(&name.parse().unwrap())
    }

    fn grants(image: u128, revision: u64) -> Grants {
        let viewers = [("ben", 3), ("cy", 0), ("dora", 1_000_000)];
        Grants::new(ImageId(image), revision, viewers.map(|(name, views)| (finder(name), views)))
    }

    #[test]
    fn everybody_finds_their_own() {
        let grants = grants(9, 2);
        let left = |name| grants.views_left(&finder(name), ImageId(9), 2);
        assert_eq!((left("ben"), left("cy"), left("dora")), (Some(3), Some(0), Some(1_000_000)));
        assert_eq!((left("emil"), grants.len()), (None, 3));
    }

    #[test]
    fn a_stranger_finds_nobody_and_cannot_follow_anybody_from_file_to_file() {
        // The same user of another cluster: a name alone does not help.
        let stranger = ClusterKeys::from_secret([8; 32]).finder(&"ben".parse().unwrap());
        assert_eq!(grants(9, 2).views_left(&stranger, ImageId(9), 2), None);
        let here = grants(9, 2).0;
        for other in [grants(10, 2), grants(9, 3)] {
            for entry in other.0 {
                assert!(here.iter().all(|one| one[..4] != entry[..4] && one[TAG_LEN..] != entry[TAG_LEN..]));
            }
        }
        // Nor does the order tell who was granted first.
        assert!(here.is_sorted());
    }

    #[test]
    fn an_entry_is_held_still() {
        let one = Grants::new(ImageId(9), 2, [(finder("ben"), 3)]);
        let hex: String = one.0[0].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "eeed70d468e7cba18b94b1eb7a654996");
    }
}
