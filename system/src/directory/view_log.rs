//! Who viewed an image and when, for its owner.
//!
//! One entry a view, in a map of its own: an image that nobody has viewed costs nothing, and a view does not copy
//! those before it.

use serde::{Deserialize, Serialize};

use super::{Directory, ImageId, PAGE_LIMIT, Usage, UserName};

/// How many views of an image are remembered one by one. All are counted in the grants.
pub const VIEWS_KEPT: usize = 100;

/// One view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Who took it.
    pub viewer: UserName,
    /// When, milliseconds since the Unix epoch.
    pub at_ms: u64,
}

impl Directory {
    /// Puts a view into the log of an image, which its owner pays for. Where there is no room for it the oldest gives
    /// way all the same; with none it is only counted.
    pub(super) fn log_view(&mut self, image: ImageId, owner: &UserName, viewer: UserName) {
        let (first, last) = (self.views_of(image).next(), self.views_of(image).next_back());
        let number = last.map_or(0, |((_, number), _)| number + 1);
        let first = first.map(|(&(_, first), _)| first);
        // The numbers of an image's views follow one another.
        let full = first.is_some_and(|first| number - first >= VIEWS_KEPT as u64);
        let no_room = self.room_for(owner, Usage::of_view()).is_err();
        self.work.touch(2);
        match first {
            Some(first) if full || no_room => {
                self.views.remove(&(image, first));
            }
            None if no_room => return,
            _ => self.index.accounts.charge(owner, Usage::of_view()),
        }
        self.views.insert((image, number), View { viewer, at_ms: self.clock_ms });
    }

    pub(super) fn forget_views(&mut self, image: ImageId, owner: &UserName) {
        let numbers: Vec<_> = self.views_of(image).map(|(key, _)| *key).collect();
        self.work.touch(numbers.len());
        for key in numbers {
            self.views.remove(&key);
            self.index.accounts.release(owner, Usage::of_view());
        }
    }

    pub(super) fn views_of(
        &self,
        image: ImageId,
    ) -> impl DoubleEndedIterator<Item = (&(ImageId, u64), &View)> + use<'_> {
        self.views.range((image, 0)..=(image, u64::MAX))
    }

    /// The last views of an image with their numbers, newest first, before the one of number `before`; at most
    /// [`PAGE_LIMIT`].
    pub fn views(&self, image: ImageId, before: Option<u64>, limit: usize) -> Vec<(u64, View)> {
        let older = self.views.range((image, 0)..(image, before.unwrap_or(u64::MAX)));
        let page = older.rev().take(limit.min(PAGE_LIMIT));
        page.map(|((_, number), view)| (*number, view.clone())).collect()
    }
}
