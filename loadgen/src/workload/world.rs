//! What the simulated users of a generator know in common: who there is, and which images can be viewed.
//!
//! Users share their images with users of the same generator. So a generator knows every image that its users
//! may look at, and how many views they should have left, without asking anybody, and no two generators act
//! for one user.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use parking_lot::RwLock;
use rand::{Rng, RngExt};
use veil::{
    client::Client,
    directory::{ImageId, UserName},
    identity::{KeyPair, SessionToken},
    node::Entropy,
    seal::SealedFile,
};

use super::Part;
use crate::photos::Photos;

/// How many images are tried for one with views left before one without is taken.
const TRIES: usize = 8;

/// Everybody and everything.
#[derive(Debug)]
pub struct World {
    /// Users of all generators.
    all: u32,
    /// Those that are here.
    part: Part,
    /// What owners seal.
    pub(super) photos: Photos,
    /// Sessions follow from it and the names of their users: a million of them take no room.
    sessions: [u8; 32],
    images: RwLock<Vec<Arc<Published>>>,
}

/// A sealed image whose sealing was acknowledged.
#[derive(Debug)]
pub(super) struct Published {
    pub image: ImageId,
    pub owner: UserName,
    pub digest: [u8; 32],
    pub viewers: Vec<Viewer>,
    /// The file, for one image in a few: whether it opens is then checked at every view.
    pub file: Option<SealedFile>,
}

/// A grant, as the simulated users remember it.
#[derive(Debug)]
pub(super) struct Viewer {
    pub user: UserName,
    /// Roughly the views left: what was asked for is taken off, whatever came of it.
    pub left: AtomicU32,
}

impl World {
    /// The world of one part of `all` users, named `u0000000`, `u0000001`, …, with nothing to see yet.
    pub fn new(all: u32, part: Part, photos: Photos) -> Self {
        let sessions = Entropy::from_system().draw(|rng| rng.random());
        Self { all, part, photos, sessions, images: RwLock::default() }
    }

    /// The token of a user's only session.
    pub(crate) fn session(&self, user: &UserName) -> SessionToken {
        SessionToken::from_bytes(*blake3::keyed_hash(&self.sessions, user.as_str().as_bytes()).as_bytes())
    }

    /// The cluster, as this user sees it.
    pub(super) fn client_of(&self, user: &UserName, client: &Client) -> Client {
        client.in_session(self.session(user))
    }

    /// The users, by number.
    pub fn users(&self) -> impl ExactSizeIterator<Item = u32> + use<> {
        self.part.users(self.all)
    }

    /// Any user.
    pub(super) fn any_user(&self, rng: &mut impl Rng) -> UserName {
        self.name_at(rng.random_range(0..self.users().len()))
    }

    /// Any user but this one, given by number; nobody where there is no other.
    pub(super) fn anybody_else(&self, than: u32, rng: &mut impl Rng) -> Option<UserName> {
        let others = self.users().len().checked_sub(1).filter(|others| *others > 0)?;
        let place = rng.random_range(0..others);
        Some(self.name_at(place + usize::from(place >= self.part.place(than))))
    }

    fn name_at(&self, place: usize) -> UserName {
        let number = self.users().nth(place).expect("a place below the number of users");
        user_name('u', u64::from(number))
    }

    pub(super) fn publish(&self, published: Published) {
        self.images.write().push(Arc::new(published));
    }

    /// Any image and one of its viewers, by preference one that should have views left. `None` while
    /// there is nothing to see.
    pub(super) fn any_view(&self, rng: &mut impl Rng) -> Option<(Arc<Published>, usize)> {
        let images = self.images.read();
        let mut pick = || {
            let image = images.get(rng.random_range(0..images.len().max(1)))?;
            Some((image.clone(), rng.random_range(0..image.viewers.len())))
        };
        for _ in 1..TRIES {
            let (image, viewer) = pick()?;
            if image.viewers[viewer].left.load(Ordering::Relaxed) > 0 {
                return Some((image, viewer));
            }
        }
        pick()
    }
}

/// A user's name from a number.
pub(crate) fn user_name(letter: char, number: u64) -> UserName {
    // One letter and digits are within the alphabet and the length.
    UserName::try_from(format!("{letter}{number:07}")).expect("a letter and at most 20 digits are a name")
}

/// A user's key pair. It follows from the name alone, so that whoever acts for the user has it: a generator that
/// was started anew, a run with another seed on a cluster that knows the user already.
pub(crate) fn key_pair(user: &UserName) -> KeyPair {
    KeyPair::from_seed(blake3::derive_key(
        "veil 2026-11-21 loadgen simulated user v1",
        user.as_str().as_bytes(),
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn a_users_key_follows_from_the_name_and_is_held_still() {
        let key = key_pair(&user_name('u', 7)).public();
        assert_ne!(key, key_pair(&user_name('r', 7)).public());
        assert_eq!(key.to_string(), "f17b5a49627b9b21b882541203c7c9ba8cea98f8ad80adf1548872a1fc584c64");
    }

    #[test]
    fn users_meet_everybody_of_their_part_and_nobody_else() {
        let photos = Photos::built_in(1);
        for (part, names) in Part::all(3).zip([["u0000000", "u0000003"], ["u0000001", "u0000004"]]) {
            let world = World::new(5, part, photos.clone());
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let anybody: BTreeSet<_> = (0..100).map(|_| world.any_user(&mut rng).to_string()).collect();
            assert_eq!(anybody, BTreeSet::from(names.map(str::to_owned)));
            for (user, other) in world.users().zip(names.iter().rev()) {
                let met = world.anybody_else(user, &mut rng).map(|name| name.to_string());
                assert_eq!(met.as_deref(), Some(*other));
            }
        }
        let alone = World::new(3, Part::all(3).next().unwrap(), photos);
        assert_eq!(alone.anybody_else(0, &mut ChaCha8Rng::seed_from_u64(1)), None);
    }
}
