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
    identity::SessionToken,
    node::Entropy,
    seal::SealedFile,
};

use super::{Names, Part};
use crate::photos::Photos;

/// How many images are tried for one with views left before one without is taken.
const TRIES: usize = 8;

/// So many images can be viewed at a time; of an eighth of them the file is held in memory.
const MAX_IMAGES: usize = 1 << 14;

/// Everybody and everything.
pub struct World {
    /// Users of all generators.
    all: u32,
    /// Those that are here.
    part: Part,
    /// What they are called.
    pub(crate) names: Names,
    /// Over whose connections they are registered, if not over those of everybody.
    pub(super) registrar: Option<Client>,
    /// What owners seal.
    pub(super) photos: Photos,
    /// Sessions follow from it and the names of their users: a million of them take no room.
    sessions: [u8; 32],
    images: RwLock<Images>,
}

/// The images that can be viewed: so many at most, in a run of any length.
#[derive(Debug, Default)]
struct Images {
    all: Vec<Arc<Published>>,
    /// How many were published.
    published: usize,
}

impl Images {
    /// The oldest makes room where there is none.
    fn add(&mut self, published: Published) {
        let published = Arc::new(published);
        match self.all.get_mut(self.published % MAX_IMAGES) {
            Some(oldest) => *oldest = published,
            None => self.all.push(published),
        }
        self.published += 1;
    }
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
    /// The world of one part of `all` users, with nothing to see yet.
    pub fn new(all: u32, part: Part, names: Names, photos: Photos) -> Self {
        let sessions = Entropy::from_system().draw(|rng| rng.random());
        Self { all, part, names, registrar: None, photos, sessions, images: RwLock::default() }
    }

    /// The same world, with users that an operator registers.
    pub fn registered_by(self, registrar: Option<Client>) -> Self {
        Self { registrar, ..self }
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
        self.names.user(number)
    }

    pub(super) fn publish(&self, published: Published) {
        self.images.write().add(published);
    }

    /// Any image and one of its viewers, by preference one that should have views left. `None` while
    /// there is nothing to see.
    pub(super) fn any_view(&self, rng: &mut impl Rng) -> Option<(Arc<Published>, usize)> {
        let images = &self.images.read().all;
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn users_meet_everybody_of_their_part_and_nobody_else() {
        let photos = Photos::built_in(1);
        for (part, names) in Part::all(3).zip([["u0000000", "u0000003"], ["u0000001", "u0000004"]]) {
            let world = World::new(5, part, Names::default(), photos.clone());
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let anybody: BTreeSet<_> = (0..100).map(|_| world.any_user(&mut rng).to_string()).collect();
            assert_eq!(anybody, BTreeSet::from(names.map(str::to_owned)));
            for (user, other) in world.users().zip(names.iter().rev()) {
                let met = world.anybody_else(user, &mut rng).map(|name| name.to_string());
                assert_eq!(met.as_deref(), Some(*other));
            }
        }
        let alone = World::new(3, Part::all(3).next().unwrap(), Names::default(), photos);
        assert_eq!(alone.anybody_else(0, &mut ChaCha8Rng::seed_from_u64(1)), None);
    }
    #[test]
    fn a_world_holds_only_so_many_images() {
        let world = World::new(2, Part::WHOLE, Names::default(), Photos::built_in(1));
        let publish = |image| {
            let (owner, viewers) = (world.names.user(0), Vec::new());
            world.publish(Published { image: ImageId(image), owner, digest: [0; 32], viewers, file: None });
        };
        (0..MAX_IMAGES as u128 + 10).for_each(publish);
        let images = world.images.read();
        assert_eq!(images.all.len(), MAX_IMAGES);
        // The oldest ten are gone.
        let oldest = images.all.iter().map(|published| published.image).min();
        assert_eq!(oldest, Some(ImageId(10)));
    }
}
