//! What can be asked of the directory. Questions change nothing.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Directory, Grant, GroupName, Image, ImageId, ListPlace, Place, Session, Usage, User, UserName,
    index::Index,
};
use crate::{
    identity::{KeyNumber, SessionId, WrappedKey},
    seal::Media,
};

/// The most items one page of a list holds.
pub const PAGE_LIMIT: usize = 1_000;

/// A question to the directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Query {
    /// The images a user owns or may view.
    List {
        /// Who asks.
        user: UserName,
        /// Where the last page ended.
        after: Option<ListPlace>,
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
    /// The images that a user owns, after an id.
    Owned {
        /// Who asks.
        user: UserName,
        /// Where the last page ended.
        after: Option<ImageId>,
    },
    /// What there is to know about an image, for its owner and those who were ever granted views of it.
    Image {
        /// Who asks.
        user: UserName,
        /// Which image.
        image: ImageId,
    },
    /// The last views of an image, newest first, for its owner.
    Views {
        /// Who asks.
        user: UserName,
        /// Which image.
        image: ImageId,
        /// The number of the view with which the last page ended.
        after: Option<u64>,
    },
    /// The requests for views that wait for an owner, by image and user.
    Requests {
        /// Who asks.
        user: UserName,
        /// Where the last page ended.
        after: Option<(ImageId, UserName)>,
    },
    /// What a user has not acknowledged yet, in order.
    Inbox {
        /// Who asks.
        user: UserName,
        /// The number of the notice with which the last page ended.
        after: Option<u64>,
    },
    /// The names of all groups, after a name.
    Groups {
        /// Where the last page ended.
        after: Option<GroupName>,
    },
    /// The groups of a user: all of them.
    MyGroups {
        /// Who asks.
        user: UserName,
    },
    /// The members of a group, after a name, for its members.
    GroupMembers {
        /// Who asks.
        user: UserName,
        /// Which group.
        group: GroupName,
        /// Where the last page ended.
        after: Option<UserName>,
    },
    /// Who asks to join a group, after a name, for its admins.
    JoinRequests {
        /// Who asks.
        user: UserName,
        /// Which group.
        group: GroupName,
        /// Where the last page ended.
        after: Option<UserName>,
    },
    /// The images that a group has views left of, after an id, for its members.
    GroupImages {
        /// Who asks.
        user: UserName,
        /// Which group.
        group: GroupName,
        /// Where the last page ended.
        after: Option<ImageId>,
    },
    /// A page of the whole directory, sessions and remembered answers apart. For backups.
    Dump {
        /// Where the page begins.
        from: Place,
    },
    /// The quotas, and what all records take. For operators.
    Limits,
    /// What a user's records take, and may take.
    Usage {
        /// Who asks.
        user: UserName,
    },
    /// Whom a user has blocked: at most [`MAX_BLOCKED`](super::MAX_BLOCKED).
    Blocked {
        /// Who asks.
        user: UserName,
    },
}

/// One line of a list of images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// The image.
    pub image: ImageId,
    /// Who sealed it.
    pub owner: UserName,
    /// The original's length in bytes.
    pub length: u64,
    /// Views that are left to whom the list is about, in person and through groups; `None` for the owner, who is not
    /// counted.
    pub views_left: Option<u32>,
    /// Its title; may be empty.
    pub title: String,
}

impl Listing {
    pub(super) fn new(image: ImageId, record: &Image, views_left: Option<u32>) -> Self {
        let title = record.about.as_ref().map(|about| about.title.clone()).unwrap_or_default();
        Self { image, owner: record.owner.clone(), length: record.length, views_left, title }
    }
}

/// What there is to know about an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageDetails {
    /// The image.
    pub image: ImageId,
    /// Who sealed it.
    pub owner: UserName,
    /// Its title; may be empty.
    pub title: String,
    /// More about it; may be empty.
    pub description: String,
    /// What kind of file the original is.
    pub media: Media,
    /// The original's length in bytes.
    pub length: u64,
    /// Grows with every view and every change of a grant.
    pub revision: u64,
    /// The grants: all of them for the owner, for others their own.
    pub grants: Vec<(UserName, Grant)>,
    /// Those of groups: all of them for the owner, for others those of their groups.
    pub group_grants: Vec<(GroupName, Grant)>,
}

/// The first id after `after`, if there is any.
pub(super) fn next_id(after: Option<ImageId>) -> Option<ImageId> {
    match after {
        Some(ImageId(id)) => id.checked_add(1).map(ImageId),
        None => Some(ImageId(0)),
    }
}

impl Directory {
    /// The images that `user` owns, by id, after `after`, at most [`PAGE_LIMIT`].
    pub fn owned(&self, user: &UserName, after: Option<ImageId>, limit: usize) -> Vec<Listing> {
        let Some(first) = next_id(after) else { return Vec::new() };
        let owned = Index::images_of(&self.index.owned, user, first);
        let lines = owned.filter_map(|id| Some(Listing::new(id, self.images.get(&id)?, None)));
        lines.take(limit.min(PAGE_LIMIT)).collect()
    }

    /// What `user` may know about an image.
    pub fn details(&self, user: &UserName, id: ImageId) -> Option<ImageDetails> {
        let image = self.images.get(&id)?;
        let all = image.owner == *user;
        let about = image.about.as_deref().cloned().unwrap_or_default();
        let grants = image.grants.iter().filter(|(viewer, _)| all || *viewer == user);
        let groups = image.group_grants.iter();
        let seen = |group| all && self.known_group(group).is_ok() || self.index.is_member(user, group);
        let groups = groups.filter(|(group, _)| seen(group));
        Some(ImageDetails {
            image: id,
            owner: image.owner.clone(),
            title: about.title,
            description: about.description,
            media: image.media,
            length: image.length,
            revision: image.revision,
            grants: grants.map(|(viewer, grant)| (viewer.clone(), *grant)).collect(),
            group_grants: groups.map(|(group, grant)| (group.clone(), *grant)).collect(),
        })
    }

    /// The title of an image, if it has one and `user` may know.
    pub(super) fn title_for(&self, user: &UserName, image: ImageId) -> Option<String> {
        self.involved(user, image).ok()?;
        let about = self.images.get(&image)?.about.as_ref()?;
        (!about.title.is_empty()).then(|| about.title.clone())
    }

    /// The sessions of a user that have not expired at `now_ms`, milliseconds since the Unix epoch.
    pub fn sessions(&self, user: &UserName, now_ms: u64) -> Vec<(SessionId, Session)> {
        self.sessions_of(user)
            .filter(|(_, session)| session.lives_at(now_ms))
            .map(|(id, session)| (*id, session.clone()))
            .collect()
    }

    /// Whether content keys are wrapped under this key-encryption key, or would be now.
    pub fn is_wrapped_under(&self, number: KeyNumber) -> bool {
        self.wrapping_key == number || self.images.values().any(|image| image.key.under == number)
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
        self.images.get(&image).map(Arc::as_ref)
    }

    /// Images by id, after `after`, at most [`PAGE_LIMIT`].
    pub fn images(&self, after: Option<ImageId>, limit: usize) -> Vec<(ImageId, &Image)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        self.images
            .range((from, Unbounded))
            .take(limit.min(PAGE_LIMIT))
            .map(|(id, image)| (*id, image.as_ref()))
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

    /// What a user's records take.
    pub fn usage(&self, user: &UserName) -> Usage {
        self.index.accounts.of(user)
    }

    /// How many users and images there are.
    pub fn counts(&self) -> (usize, usize) {
        (self.users.len(), self.images.len())
    }
}
