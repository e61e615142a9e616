use std::ops::Bound::{Excluded, Unbounded};

use super::{Membership, Role};
use crate::directory::{Directory, GroupName, ImageId, Listing, PAGE_LIMIT, UserName, query::next_id};

impl Directory {
    /// One group.
    pub fn group(&self, group: &GroupName) -> Option<&super::Group> {
        self.known_group(group).ok()
    }

    /// Names of groups in order, after `after`, at most [`PAGE_LIMIT`].
    pub fn groups(&self, after: Option<&GroupName>, limit: usize) -> Vec<GroupName> {
        let from = after.map_or(Unbounded, |name| Excluded(name.clone()));
        let groups = self.groups.range((from, Unbounded)).filter(|(_, group)| !group.has_ended());
        let names = groups.map(|(name, _)| name.clone());
        names.take(limit.min(PAGE_LIMIT)).collect()
    }

    /// The groups of a user and the user's part in them, by name.
    pub fn groups_of(&self, user: &UserName) -> Vec<(GroupName, Role)> {
        let role = |group: &GroupName| Some(self.groups.get(group)?.members.get(user)?.role);
        self.index.groups_of(user).filter_map(|group| Some((group.clone(), role(group)?))).collect()
    }

    /// The members of a group by name, after `after`, at most [`PAGE_LIMIT`].
    pub fn members(
        &self,
        group: &GroupName,
        after: Option<&UserName>,
        limit: usize,
    ) -> Vec<(UserName, Membership)> {
        let Some(group) = self.group(group) else { return Vec::new() };
        let from = after.map_or(Unbounded, |name| Excluded(name.clone()));
        let members = group.members.range((from, Unbounded));
        members.take(limit.min(PAGE_LIMIT)).map(|(name, member)| (name.clone(), *member)).collect()
    }

    /// Who asks to join a group, and since when, by name, after `after`, at most [`PAGE_LIMIT`].
    pub fn join_requests(
        &self,
        group: &GroupName,
        after: Option<&UserName>,
        limit: usize,
    ) -> Vec<(UserName, u64)> {
        let Some(group) = self.group(group) else { return Vec::new() };
        let from = after.map_or(Unbounded, |name| Excluded(name.clone()));
        let requests = group.requests.range((from, Unbounded));
        requests.take(limit.min(PAGE_LIMIT)).map(|(name, request)| (name.clone(), request.asked_ms)).collect()
    }

    /// The images that a group has views left of, by id, after `after`, at most [`PAGE_LIMIT`]; with the views that
    /// the group has left.
    pub fn group_images(&self, group: &GroupName, after: Option<ImageId>, limit: usize) -> Vec<Listing> {
        let Some(first) = next_id(after) else { return Vec::new() };
        let images = self.index.images_of_group(group, false, first).filter_map(|id| {
            let image = self.images.get(&id)?;
            Some(Listing::new(id, image, Some(image.group_grants.get(group)?.left)))
        });
        images.take(limit.min(PAGE_LIMIT)).collect()
    }
}
