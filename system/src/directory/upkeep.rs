//! Clearing away what has ended, a little with every command: what takes longer than one command may, and need not be
//! done at once, because nobody sees it any more.
//!
//! What there is to clear away is not stored: it follows from the state. A group without members has ended, a request
//! for an image that is not there was for one that was withdrawn, a notice up to its mailbox's mark was read.

use std::sync::Arc;

use super::{Directory, GroupName, ImageId, Notice, Usage, UserName};

/// How many records are cleared away with each command at most.
pub const CLEARED_AT_ONCE: usize = 32;

impl Directory {
    /// Whether there is something to clear away.
    #[cfg(test)]
    pub(super) fn is_clearing_away(&self) -> bool {
        !(self.index.ended.is_empty() && self.index.withdrawn.is_empty() && self.index.read.is_empty())
    }

    pub(super) fn clear_away(&mut self) {
        for _ in 0..CLEARED_AT_ONCE {
            if let Some(group) = self.index.ended.get_min().cloned() {
                self.clear_group(&group);
            } else if let Some((image, owner)) = self.index.withdrawn.get_min().cloned() {
                self.clear_ask(image, owner);
            } else if let Some(user) = self.index.read.get_min().cloned() {
                self.clear_notice(&user);
            } else {
                return;
            }
        }
    }

    /// One grant of a group that has ended, or one request to join it. Without any, its name is free.
    fn clear_group(&mut self, group: &GroupName) {
        self.work.touch(1);
        let granted =
            |used_up| self.index.images_of_group(group, used_up, ImageId(0)).next().map(|id| (used_up, id));
        if let Some((used_up, id)) = granted(false).or_else(|| granted(true)) {
            self.index.remove_group_image(group, used_up, id);
            if let Some(image) = self.images.get_mut(&id).map(Arc::make_mut)
                && image.group_grants.remove(group).is_some()
            {
                image.revision += 1;
                self.index.accounts.release(&image.owner, Usage::of_grant());
            }
            return;
        }
        let waiting = self.groups.get(group).and_then(|ended| ended.requests.keys().next().cloned());
        match waiting {
            Some(user) => {
                self.forget_join(group, &user);
                self.notify(&user, Notice::JoinRefused { group: group.clone() });
            }
            None => {
                self.groups.remove(group);
                self.index.ended.remove(group);
            }
        }
    }

    /// One request for views of an image that was withdrawn.
    fn clear_ask(&mut self, image: ImageId, owner: UserName) {
        self.work.touch(1);
        let asked = self.asks_for(&owner, image).next().map(|(user, _)| user.clone());
        if let Some(user) = asked {
            self.settle_ask(&owner, image, &user);
            self.notify(&user, Notice::Withdrawn { image, owner });
        }
    }

    /// One notice that was read.
    fn clear_notice(&mut self, user: &UserName) {
        self.work.touch(1);
        if let Some(number) = self.first_read(user) {
            self.take_notice(user, number);
        }
    }
}
