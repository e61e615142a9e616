//! What a user owns and may view, those first that come from people they have dealt with.

use std::collections::{BTreeMap, BinaryHeap};

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use super::{Directory, Image, ImageId, Listing, PAGE_LIMIT, UserName, index::Index, query::next_id};

/// The most entries that one page looks at: it may be short, or empty, and not be the last.
const LOOKED_AT: usize = 4 * PAGE_LIMIT;

/// Where a page of a list ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListPlace {
    /// Whether it was among the images of strangers, which come last.
    pub strangers: bool,
    /// The last image that was looked at.
    pub image: ImageId,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ListPage {
    /// By id: first those that the user owns, or may view through a group or because somebody has granted it whom they
    /// have dealt with; then those of strangers.
    pub lines: Vec<Listing>,
    /// After which the next page begins, if there is more.
    pub next: Option<ListPlace>,
}

/// What several sorted lists hold, in order, each id once.
fn merged<'a>(mut lists: Vec<Box<dyn Iterator<Item = ImageId> + 'a>>) -> impl Iterator<Item = ImageId> + 'a {
    let mut heads: BinaryHeap<Reverse<(ImageId, usize)>> =
        lists.iter_mut().enumerate().filter_map(|(at, list)| Some(Reverse((list.next()?, at)))).collect();
    let mut last = None;
    std::iter::from_fn(move || {
        loop {
            let Reverse((id, at)) = heads.pop()?;
            heads.extend(lists[at].next().map(|next| Reverse((next, at))));
            if last.replace(id) != Some(id) {
                return Some(id);
            }
        }
    })
}

/// How an image comes into somebody's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Familiar,
    Stranger,
    Blocked,
}

impl Directory {
    /// The images that `user` owns, was granted or may view through a group, after `after`, at most [`PAGE_LIMIT`].
    /// Those of whom the user has blocked are left out.
    pub fn list(&self, user: &UserName, after: Option<ListPlace>, limit: usize) -> ListPage {
        let limit = limit.min(PAGE_LIMIT);
        let mut page = ListPage::default();
        // Of each owner it is looked up once.
        let mut owners: BTreeMap<&UserName, Source> = BTreeMap::new();
        let mut looked_at = 0;
        for strangers in [false, true] {
            let after = match after {
                Some(place) if place.strangers == strangers => Some(place.image),
                Some(place) if place.strangers => continue,
                _ => None,
            };
            let Some(first) = next_id(after) else { continue };
            let wanted = if strangers { Source::Stranger } else { Source::Familiar };
            for id in self.listed(user, strangers, first) {
                if looked_at == LOOKED_AT || page.lines.len() == limit {
                    return page;
                }
                looked_at += 1;
                page.next = Some(ListPlace { strangers, image: id });
                let Some(image) = self.images.get(&id) else { continue };
                if self.source(user, image, &mut owners) == wanted {
                    let own = image.owner == *user;
                    let left = || self.index.views_left(image, user).unwrap_or_default();
                    page.lines.push(Listing::new(id, image, (!own).then(left)));
                }
            }
        }
        page.next = None;
        page
    }

    /// What may be in a list, by id.
    fn listed(&self, user: &UserName, strangers: bool, first: ImageId) -> impl Iterator<Item = ImageId> {
        let index = &self.index;
        let granted = Box::new(Index::images_of(&index.granted, user, first));
        let mut lists: Vec<Box<dyn Iterator<Item = ImageId>>> = vec![granted];
        if !strangers {
            lists.push(Box::new(Index::images_of(&index.owned, user, first)));
            for group in index.groups_of(user) {
                lists.push(Box::new(index.images_of_group(group, false, first)));
            }
        }
        merged(lists)
    }

    fn source<'a>(
        &'a self,
        user: &UserName,
        image: &'a Image,
        owners: &mut BTreeMap<&'a UserName, Source>,
    ) -> Source {
        let mut groups = image.group_grants.iter();
        let through_group = groups.any(|(group, grant)| grant.left > 0 && self.index.is_member(user, group));
        if image.owner == *user || through_group {
            return Source::Familiar;
        }
        *owners.entry(&image.owner).or_insert_with(|| match &image.owner {
            owner if self.has_blocked(user, owner) => Source::Blocked,
            owner if self.knows(user, owner) => Source::Familiar,
            _ => Source::Stranger,
        })
    }
}
