//! What can be asked of the directory. Questions change nothing.

use serde::{Deserialize, Serialize};

use super::{Directory, Image, ImageId, Session, User, UserName};
use crate::identity::{KeyNumber, SessionId, WrappedKey};

/// The most items one page of a list holds.
pub const PAGE_LIMIT: usize = 1_000;

/// A question to the directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Query {
    /// The images a user owns or may view, after an id.
    List {
        /// Who asks.
        user: UserName,
        /// Where the last page ended.
        after: Option<ImageId>,
    },
    /// All users, after a name. For audits.
    Users {
        /// Where the last page ended.
        after: Option<UserName>,
    },
    /// All images and their grants, after an id, without their keys. For audits.
    Images {
        /// Where the last page ended.
        after: Option<ImageId>,
    },
    /// The hash of the whole directory. For audits.
    Hash,
    /// The permission block of an image as it is now, signed by the cluster.
    Block {
        /// Which image.
        image: ImageId,
    },
    /// A user's sessions: at most [`MAX_SESSIONS`](super::MAX_SESSIONS).
    Sessions {
        /// Whose.
        user: UserName,
    },
}

/// One line of a user's list of images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// The image.
    pub image: ImageId,
    /// Who sealed it.
    pub owner: UserName,
    /// The original's length in bytes.
    pub length: u64,
    /// Views the asking user has left; `None` for the owner, who is not counted.
    pub views_left: Option<u32>,
}

impl Directory {
    /// The images that `user` owns or was granted, by id, after `after`, at most [`PAGE_LIMIT`].
    pub fn list(&self, user: &UserName, after: Option<ImageId>, limit: usize) -> Vec<Listing> {
        let first = match after {
            // The largest id has nothing after it.
            Some(ImageId(u128::MAX)) => return Vec::new(),
            Some(ImageId(id)) => ImageId(id + 1),
            None => ImageId(0),
        };
        self.visible
            .range((user.clone(), first)..=(user.clone(), ImageId(u128::MAX)))
            .filter_map(|(_, id)| {
                let image = self.images.get(id)?;
                let views_left = match image.owner == *user {
                    true => None,
                    false => Some(image.grants.get(user).map_or(0, |grant| grant.left)),
                };
                Some(Listing { image: *id, owner: image.owner.clone(), length: image.length, views_left })
            })
            .take(limit.min(PAGE_LIMIT))
            .collect()
    }

    /// The sessions of a user that have not expired at `now_ms`, milliseconds since the Unix epoch.
    pub fn sessions(&self, user: &UserName, now_ms: u64) -> Vec<(SessionId, Session)> {
        self.sessions_of(user)
            .filter(|(_, session)| session.expires_ms > now_ms)
            .map(|(id, session)| (*id, session.clone()))
            .collect()
    }

    /// Content keys that are wrapped under an older key-encryption key than this, some of them.
    pub fn wrapped_under_older(&self, than: KeyNumber, limit: usize) -> Vec<(ImageId, WrappedKey)> {
        let older = self.images.iter().filter(|(_, image)| image.key.under < than);
        older.take(limit).map(|(id, image)| (*id, image.key.clone())).collect()
    }

    /// One user.
    pub fn user(&self, user: &UserName) -> Option<&User> {
        self.users.get(user)
    }

    /// One image.
    pub fn image(&self, image: ImageId) -> Option<&Image> {
        self.images.get(&image)
    }

    /// Images by id, after `after`, at most [`PAGE_LIMIT`].
    pub fn images(&self, after: Option<ImageId>, limit: usize) -> Vec<(ImageId, &Image)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        self.images
            .range((from, Unbounded))
            .take(limit.min(PAGE_LIMIT))
            .map(|(id, image)| (*id, image))
            .collect()
    }

    /// User names in order, after `after`, at most [`PAGE_LIMIT`].
    pub fn users(&self, after: Option<&UserName>, limit: usize) -> Vec<UserName> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, |name| Excluded(name.clone()));
        self.users
            .range((from, Unbounded))
            .take(limit.min(PAGE_LIMIT))
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// How many users and images there are.
    pub fn counts(&self) -> (usize, usize) {
        (self.users.len(), self.images.len())
    }
}
