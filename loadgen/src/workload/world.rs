//! What the simulated users know in common: who there is, and which images can be viewed.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use parking_lot::RwLock;
use rand::{Rng, RngExt};
use veil::{
    directory::{ImageId, UserName},
    seal::SealedFile,
};

use crate::photos::Photos;

/// How many images are tried for one with views left before one without is taken.
const TRIES: usize = 8;

/// Everybody and everything.
#[derive(Debug)]
pub struct World {
    /// Registered before the first stage.
    users: Vec<UserName>,
    /// What owners seal.
    pub(super) photos: Photos,
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
    /// A world of so many users, named `u0000000`, `u0000001`, …, with nothing to see yet.
    pub fn new(users: u32, photos: Photos) -> Self {
        let users = (0..users).map(|number| user_name('u', u64::from(number))).collect();
        Self { users, photos, images: RwLock::default() }
    }

    /// The users, in order.
    pub fn users(&self) -> &[UserName] {
        &self.users
    }

    pub(super) fn any_user(&self, rng: &mut impl Rng) -> UserName {
        self.users[rng.random_range(0..self.users.len())].clone()
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
pub(super) fn user_name(letter: char, number: u64) -> UserName {
    // One letter and digits are within the alphabet and the length.
    UserName::try_from(format!("{letter}{number:07}")).expect("a letter and at most 20 digits are a name")
}
