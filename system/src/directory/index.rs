//! What follows from the rest of the directory, so that things are found quickly and nothing has to be counted. It is
//! not stored: a snapshot that is read makes it again.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::{
    Ask, GroupName, Image, ImageId, JoinRequest, Membership, Posted, Role, Subject, Usage, UserName, View,
    crowd::{Crowd, Entry},
    familiar::Ties,
    gather::Gathering,
    usage::Accounts,
};

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Index {
    /// Whose images they are.
    pub(super) owned: OrdSet<(UserName, ImageId)>,
    /// Who was ever granted views of which image, in person.
    pub(super) granted: OrdSet<(UserName, ImageId)>,
    /// What owners have granted to whom.
    ties: OrdMap<(UserName, UserName), Ties>,
    /// Which images were granted to a group; those of which it has no view left (`true`) apart from the others.
    pub(super) group_images: OrdSet<(GroupName, bool, ImageId)>,
    /// How many these are.
    group_sizes: OrdMap<GroupName, u64>,
    /// Which groups they are members of.
    pub(super) groups_of: OrdSet<(UserName, GroupName)>,
    /// The members of a group, by how long they have been in it.
    members: OrdSet<(GroupName, u64, UserName)>,
    admins: OrdSet<(GroupName, UserName)>,
    /// Who waits to be let in, since when.
    pub(super) joins: Crowd<GroupName, u64>,
    /// Who waits for an owner's answer, since when and for which image.
    pub(super) asks: Crowd<UserName, (u64, u128)>,
    /// Who has put which notice into an inbox.
    pub(super) inbox: Crowd<UserName, u64>,
    /// Which notice in their inbox is about what.
    pub(super) subjects: OrdMap<(UserName, Subject), u64>,
    /// Groups without members, which are being cleared away.
    pub(super) ended: OrdSet<GroupName>,
    /// Images that are there no more and for which requests are, with their owners.
    pub(super) withdrawn: OrdMap<ImageId, UserName>,
    /// Who has notices in the inbox that were read.
    pub(super) read: OrdSet<UserName>,
    pub(super) accounts: Accounts,
}

impl Index {
    /// What follows from all images and their views.
    pub(super) fn gather(images: &OrdMap<ImageId, Arc<Image>>, views: &OrdMap<(ImageId, u64), View>) -> Self {
        let mut gathering = Gathering::default();
        let mut index = Self::default();
        for (id, image) in images {
            gathering.add_image(*id, image);
            index.add_groups_of(*id, image);
        }
        let mut views = views.keys().map(|(id, _)| *id).peekable();
        while let Some(id) = views.next() {
            let count = 1 + std::iter::from_fn(|| views.next_if_eq(&id)).count();
            if let Some(image) = images.get(&id) {
                gathering.add_views(&image.owner, count);
            }
        }
        let gathered = gathering.finish();
        Self {
            owned: gathered.owned,
            granted: gathered.granted,
            ties: gathered.ties,
            accounts: gathered.accounts,
            ..index
        }
    }

    pub(super) fn add_image(&mut self, id: ImageId, image: &Image) {
        self.owned.insert((image.owner.clone(), id));
        for (viewer, grant) in image.grants.iter() {
            self.granted.insert((viewer.clone(), id));
            self.tie(&image.owner, viewer, |ties| ties.add(grant.used > 0));
        }
        self.add_groups_of(id, image);
        self.accounts.charge(&image.owner, Usage::of_image(image));
    }

    fn add_groups_of(&mut self, id: ImageId, image: &Image) {
        for (group, grant) in image.group_grants.iter() {
            self.add_group_image(group, grant.left == 0, id);
        }
    }

    pub(super) fn remove_image(&mut self, id: ImageId, image: &Image) {
        self.owned.remove(&(image.owner.clone(), id));
        for (viewer, grant) in image.grants.iter() {
            self.granted.remove(&(viewer.clone(), id));
            self.tie(&image.owner, viewer, |ties| {
                ties.images = ties.images.saturating_sub(1);
                ties.opened = ties.opened.saturating_sub(u32::from(grant.used > 0));
            });
        }
        for (group, grant) in image.group_grants.iter() {
            self.remove_group_image(group, grant.left == 0, id);
        }
        self.accounts.release(&image.owner, Usage::of_image(image));
    }

    /// Notes that an image was granted to somebody for the first time.
    pub(super) fn add_grant(&mut self, owner: &UserName, viewer: &UserName, id: ImageId) {
        self.granted.insert((viewer.clone(), id));
        self.tie(owner, viewer, |ties| ties.images += 1);
        self.accounts.charge(owner, Usage::of_grant());
    }

    /// Notes that somebody has opened an image for the first time.
    pub(super) fn add_opened(&mut self, owner: &UserName, viewer: &UserName) {
        self.tie(owner, viewer, |ties| ties.opened += 1);
    }

    fn tie(&mut self, owner: &UserName, viewer: &UserName, change: impl FnOnce(&mut Ties)) {
        let key = (owner.clone(), viewer.clone());
        let mut ties = self.ties.get(&key).copied().unwrap_or_default();
        change(&mut ties);
        match ties == Ties::default() {
            true => drop(self.ties.remove(&key)),
            false => drop(self.ties.insert(key, ties)),
        }
    }

    /// How many images an owner has granted to somebody, in person.
    pub(super) fn granted_to(&self, owner: &UserName, viewer: &UserName) -> u64 {
        self.ties.get(&(owner.clone(), viewer.clone())).map_or(0, |ties| u64::from(ties.images))
    }

    /// Whether `user` has granted an image to `other`, or opened one of theirs.
    pub(super) fn has_dealt_with(&self, user: &UserName, other: &UserName) -> bool {
        let opened = || self.ties.get(&(other.clone(), user.clone())).is_some_and(|ties| ties.opened > 0);
        self.granted_to(user, other) > 0 || opened()
    }

    pub(super) fn add_group_image(&mut self, group: &GroupName, used_up: bool, id: ImageId) {
        self.group_images.insert((group.clone(), used_up, id));
        *self.group_sizes.entry(group.clone()).or_default() += 1;
    }

    pub(super) fn remove_group_image(&mut self, group: &GroupName, used_up: bool, id: ImageId) {
        if self.group_images.remove(&(group.clone(), used_up, id)).is_none() {
            return;
        }
        match self.group_sizes.get_mut(group) {
            Some(size) if *size > 1 => *size -= 1,
            _ => drop(self.group_sizes.remove(group)),
        }
    }

    /// Notes that a group has views of an image left now, or none.
    pub(super) fn set_group_image(&mut self, group: &GroupName, id: ImageId, used_up: bool) {
        self.group_images.remove(&(group.clone(), !used_up, id));
        self.group_images.insert((group.clone(), used_up, id));
    }

    /// How many images are granted to a group.
    pub(super) fn group_size(&self, group: &GroupName) -> u64 {
        self.group_sizes.get(group).copied().unwrap_or_default()
    }

    pub(super) fn add_member(&mut self, group: &GroupName, user: &UserName, member: Membership) {
        self.groups_of.insert((user.clone(), group.clone()));
        self.members.insert((group.clone(), member.joined_ms, user.clone()));
        self.set_role(group, user, member.role);
        self.accounts.charge(user, Usage::of_membership(group));
    }

    pub(super) fn remove_member(&mut self, group: &GroupName, user: &UserName, member: Membership) {
        self.groups_of.remove(&(user.clone(), group.clone()));
        self.members.remove(&(group.clone(), member.joined_ms, user.clone()));
        self.set_role(group, user, Role::Member);
        self.accounts.release(user, Usage::of_membership(group));
    }

    pub(super) fn set_role(&mut self, group: &GroupName, user: &UserName, role: Role) {
        let admin = (group.clone(), user.clone());
        match role {
            Role::Admin => drop(self.admins.insert(admin)),
            Role::Member => drop(self.admins.remove(&admin)),
        }
    }

    /// The admins of a group, by name: at most [`MAX_ADMINS`](super::MAX_ADMINS).
    pub(super) fn admins(&self, group: &GroupName) -> impl Iterator<Item = &UserName> + use<'_> {
        let (first, last) = UserName::bounds();
        self.admins.range((group.clone(), first)..=(group.clone(), last)).map(|(_, name)| name)
    }

    /// Who has been a member for the longest; of several, the first by name.
    pub(super) fn eldest(&self, group: &GroupName) -> Option<&UserName> {
        let from = (group.clone(), 0, UserName::bounds().0);
        let (found, _, name) = self.members.range(from..).next()?;
        (found == group).then_some(name)
    }

    pub(super) fn add_join(&mut self, group: &GroupName, user: &UserName, request: JoinRequest) {
        let JoinRequest { asked_ms: at, known } = request;
        self.joins.add(group, Entry { known, sender: user.clone(), at });
        self.accounts.charge(user, Usage::of_join_request());
    }

    pub(super) fn remove_join(&mut self, group: &GroupName, user: &UserName, request: JoinRequest) {
        let JoinRequest { asked_ms: at, known } = request;
        self.joins.remove(group, Entry { known, sender: user.clone(), at });
        self.accounts.release(user, Usage::of_join_request());
    }

    pub(super) fn add_ask(&mut self, (owner, image, user): &(UserName, ImageId, UserName), ask: &Ask) {
        let at = (ask.asked_ms, image.0);
        self.asks.add(owner, Entry { known: ask.known, sender: user.clone(), at });
        self.accounts.charge(user, Usage::of_ask(ask));
    }

    pub(super) fn remove_ask(&mut self, (owner, image, user): &(UserName, ImageId, UserName), ask: &Ask) {
        let at = (ask.asked_ms, image.0);
        self.asks.remove(owner, Entry { known: ask.known, sender: user.clone(), at });
        self.accounts.release(user, Usage::of_ask(ask));
    }

    pub(super) fn add_notice(&mut self, reader: &UserName, number: u64, posted: &Posted) {
        let sender = posted.notice.sender().unwrap_or(reader).clone();
        self.subjects.insert((reader.clone(), posted.notice.subject()), number);
        self.accounts.charge(&sender, Usage::of_notice(&posted.notice));
        self.inbox.add(reader, Entry { known: posted.known, sender, at: number });
    }

    pub(super) fn remove_notice(&mut self, reader: &UserName, number: u64, posted: &Posted) {
        let sender = posted.notice.sender().unwrap_or(reader).clone();
        self.subjects.remove(&(reader.clone(), posted.notice.subject()));
        self.accounts.release(&sender, Usage::of_notice(&posted.notice));
        self.inbox.remove(reader, Entry { known: posted.known, sender, at: number });
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
