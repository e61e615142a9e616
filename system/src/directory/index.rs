//! What follows from the rest of the directory, so that things are found quickly. It is not stored: a snapshot that
//! is read makes it again.

use imbl::{OrdMap, OrdSet};

use super::{Group, GroupName, Image, ImageId, Subject, UserName};

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Index {
    /// Whose images they are.
    pub(super) owned: OrdSet<(UserName, ImageId)>,
    /// Who was ever granted views of which image, in person.
    pub(super) granted: OrdSet<(UserName, ImageId)>,
    /// Which images were granted to a group; those of which it has no view left (`true`) apart from the others.
    pub(super) group_images: OrdSet<(GroupName, bool, ImageId)>,
    /// Which groups they are members of.
    pub(super) groups_of: OrdSet<(UserName, GroupName)>,
    /// How many requests for views wait for them.
    pub(super) asks: OrdMap<UserName, u64>,
    /// Which notice in their inbox is about what.
    pub(super) subjects: OrdMap<(UserName, Subject), u64>,
}

impl Index {
    pub(super) fn add_image(&mut self, id: ImageId, image: &Image) {
        self.owned.insert((image.owner.clone(), id));
        self.granted.extend(image.grants.keys().map(|viewer| (viewer.clone(), id)));
        let groups = image.group_grants.iter().map(|(group, grant)| (group.clone(), grant.left == 0, id));
        self.group_images.extend(groups);
    }

    pub(super) fn remove_image(&mut self, id: ImageId, image: &Image) {
        self.owned.remove(&(image.owner.clone(), id));
        for viewer in image.grants.keys() {
            self.granted.remove(&(viewer.clone(), id));
        }
        for (group, grant) in &image.group_grants {
            self.group_images.remove(&(group.clone(), grant.left == 0, id));
        }
    }

    /// Notes that a group has views of an image left now, or none.
    pub(super) fn set_group_image(&mut self, group: &GroupName, id: ImageId, used_up: bool) {
        self.group_images.remove(&(group.clone(), !used_up, id));
        self.group_images.insert((group.clone(), used_up, id));
    }

    pub(super) fn add_group(&mut self, name: &GroupName, group: &Group) {
        self.groups_of.extend(group.members.keys().map(|member| (member.clone(), name.clone())));
    }

    /// Notes that one more request waits for somebody, or one less.
    pub(super) fn count_ask(&mut self, owner: &UserName, more: bool) {
        let count = self.asks.get(owner).copied().unwrap_or_default();
        match if more { count + 1 } else { count.saturating_sub(1) } {
            0 => self.asks.remove(owner),
            count => self.asks.insert(owner.clone(), count),
        };
    }

    /// The images of one set that belong to a user.
    pub(super) fn images_of<'a>(
        set: &'a OrdSet<(UserName, ImageId)>,
        user: &UserName,
        first: ImageId,
    ) -> impl Iterator<Item = ImageId> + use<'a> {
        set.range((user.clone(), first)..=(user.clone(), ImageId(u128::MAX))).map(|(_, id)| *id)
    }

    /// The images of which a group has views left, or has used up all.
    pub(super) fn images_of_group(
        &self,
        group: &GroupName,
        used_up: bool,
        first: ImageId,
    ) -> impl Iterator<Item = ImageId> + use<'_> {
        let (from, to) = ((group.clone(), used_up, first), (group.clone(), used_up, ImageId(u128::MAX)));
        self.group_images.range(from..=to).map(|(_, _, id)| *id)
    }

    /// The groups of a user, by name.
    pub(super) fn groups_of(&self, user: &UserName) -> impl Iterator<Item = &GroupName> + use<'_> {
        let (first, last) = GroupName::bounds();
        let range = self.groups_of.range((user.clone(), first)..=(user.clone(), last));
        range.map(|(_, group)| group)
    }

    pub(super) fn is_member(&self, user: &UserName, group: &GroupName) -> bool {
        self.groups_of.contains(&(user.clone(), group.clone()))
    }

    /// Views of an image that a user has left, in person and through groups; `None` if they were never given any.
    pub(super) fn views_left(&self, image: &Image, user: &UserName) -> Option<u32> {
        let own = image.grants.get(user).map(|grant| grant.left);
        let groups = image.group_grants.iter().filter(|(group, _)| self.is_member(user, group));
        groups.fold(own, |sum, (_, grant)| Some(sum.unwrap_or_default().saturating_add(grant.left)))
    }
}
