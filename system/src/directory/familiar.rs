//! Who has dealt with whom. It is what somebody does that makes others familiar to them, not what is done to them: who
//! grants images to a stranger remains one.

use super::{Directory, UserName};

/// What one user has granted to another, in person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Ties {
    /// How many images.
    pub(super) images: u32,
    /// How many of them the other has opened at least once.
    pub(super) opened: u32,
}

impl Ties {
    /// Notes one image more, and whether the other has opened it.
    pub(super) fn add(&mut self, opened: bool) {
        self.images += 1;
        self.opened += u32::from(opened);
    }
}

impl Directory {
    /// Whether `user` has ever dealt with `other`: has granted them an image, has opened one of theirs, or shares a group
    /// with them.
    pub(super) fn knows(&self, user: &UserName, other: &UserName) -> bool {
        self.index.has_dealt_with(user, other)
            || self.index.groups_of(user).any(|group| self.index.is_member(other, group))
    }
}
