//! What users are told when they are there again: an inbox each, in order, until they acknowledge it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Answer, Directory, Effect, GroupName, ImageId, PAGE_LIMIT, Usage, UserName};

/// The most notices in an inbox. One more, and one gives way, of a stranger before one of somebody the reader has dealt
/// with, and of whoever has most in it; the reader is told how many have. What the notices are about is in the lists all
/// the same.
pub const MAX_NOTICES: u64 = 2_000;
/// The most of them that are of one sender. One more, and their oldest gives way.
pub const MAX_NOTICES_OF_ONE: u64 = 500;

/// What somebody is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notice {
    /// Somebody asks for views of an image of yours.
    Requested {
        /// Which image.
        image: ImageId,
        /// Who asks.
        user: UserName,
        /// How many views.
        views: u32,
        /// A word to you.
        note: String,
    },
    /// The views that you have left of an image were set.
    Granted {
        /// Which image.
        image: ImageId,
        /// Whose it is.
        owner: UserName,
        /// How many there were left then; 0: it was taken back.
        views_left: u32,
    },
    /// You asked for views, and get none.
    Refused {
        /// Which image.
        image: ImageId,
        /// Whose it is.
        owner: UserName,
    },
    /// An image that you had views of, or had asked for, is gone.
    Withdrawn {
        /// Which image.
        image: ImageId,
        /// Whose it was.
        owner: UserName,
    },
    /// Somebody asks to join a group that you administer.
    JoinRequested {
        /// Which group.
        group: GroupName,
        /// Who.
        user: UserName,
    },
    /// You are a member of a group now.
    Joined {
        /// Which group.
        group: GroupName,
    },
    /// You asked to join a group, and were not let in, or it has ended.
    JoinRefused {
        /// Which group.
        group: GroupName,
    },
    /// You were taken out of a group.
    Removed {
        /// Which group.
        group: GroupName,
    },
    /// You are an admin of a group now.
    NowAdmin {
        /// Which group.
        group: GroupName,
    },
    /// The views that the members of a group of yours have left of an image were set.
    GrantedToGroup {
        /// Which image.
        image: ImageId,
        /// Whose it is.
        owner: UserName,
        /// Which group.
        group: GroupName,
        /// How many there were left then, for all of you together; 0: it was taken back.
        views_left: u32,
    },
}

/// What a notice is about: a later one about the same takes its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// Somebody's request for views of an image.
    Ask(ImageId, UserName),
    /// The reader's views of an image.
    Grant(ImageId),
    /// Somebody's request to join a group.
    Join(GroupName, UserName),
    /// The reader's part in a group.
    Standing(GroupName),
    /// The views of an image that a group of the reader's has.
    GroupGrant(ImageId, GroupName),
}

impl Notice {
    /// Who had it sent; news of groups have no sender.
    pub fn sender(&self) -> Option<&UserName> {
        match self {
            Self::Requested { user, .. } | Self::JoinRequested { user, .. } => Some(user),
            Self::Granted { owner, .. }
            | Self::Refused { owner, .. }
            | Self::Withdrawn { owner, .. }
            | Self::GrantedToGroup { owner, .. } => Some(owner),
            Self::Joined { .. } | Self::JoinRefused { .. } | Self::Removed { .. } | Self::NowAdmin { .. } => {
                None
            }
        }
    }

    pub(super) fn subject(&self) -> Subject {
        match self {
            Self::Requested { image, user, .. } => Subject::Ask(*image, user.clone()),
            Self::Granted { image, .. } | Self::Refused { image, .. } | Self::Withdrawn { image, .. } => {
                Subject::Grant(*image)
            }
            Self::JoinRequested { group, user } => Subject::Join(group.clone(), user.clone()),
            Self::Joined { group }
            | Self::JoinRefused { group }
            | Self::Removed { group }
            | Self::NowAdmin { group } => Subject::Standing(group.clone()),
            Self::GrantedToGroup { image, group, .. } => Subject::GroupGrant(*image, group.clone()),
        }
    }

    /// Which image it is about, if it is about one.
    pub fn image(&self) -> Option<ImageId> {
        match self {
            Self::Requested { image, .. }
            | Self::Granted { image, .. }
            | Self::Refused { image, .. }
            | Self::Withdrawn { image, .. }
            | Self::GrantedToGroup { image, .. } => Some(*image),
            Self::JoinRequested { .. }
            | Self::Joined { .. }
            | Self::JoinRefused { .. }
            | Self::Removed { .. }
            | Self::NowAdmin { .. } => None,
        }
    }
}

/// A notice, and since when it waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// Since then, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What is told.
    pub notice: Notice,
    /// Whether the reader had dealt with whoever sent it: strangers' notices give way first when there are too many.
    pub known: bool,
}

/// What the directory keeps of an inbox beside the notices in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Mailbox {
    /// The number of the last notice that was ever put in.
    pub last: u64,
    /// Everything up to this number was read. What is still there of it is shown no more, and being cleared away.
    pub read: u64,
    /// How many gave way since all that gave way were acknowledged.
    pub dropped: u64,
    /// The highest number that gave way.
    pub last_dropped: u64,
}

/// A page of an inbox.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InboxPage {
    /// Notices with their numbers, which grow.
    pub notices: Vec<(u64, Posted)>,
    /// Of the images that they are about, the titles that there are and that the reader may know.
    pub titles: BTreeMap<ImageId, String>,
    /// How many are gone that were not acknowledged, because there were too many.
    pub dropped: u64,
}

/// Takes everything out of an inbox up to a number. Its user may, who has read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledge {
    /// Whose inbox.
    pub user: UserName,
    /// The number of the last notice that was read.
    pub upto: u64,
}

impl Directory {
    /// Puts a notice into an inbox, at its end, unless the reader has blocked its sender.
    pub(super) fn notify(&mut self, user: &UserName, notice: Notice) {
        let known = notice.sender().is_none_or(|sender| self.knows(user, sender));
        self.post(user, notice, known);
    }

    fn post(&mut self, user: &UserName, notice: Notice, known: bool) {
        let sender = notice.sender().cloned();
        if let Some(sender) = &sender
            && self.has_blocked(user, sender)
        {
            return;
        }
        self.work.touch(1);
        self.forget_notice(user, notice.subject());
        let mut mailbox = self.mailboxes.get(user).copied().unwrap_or_default();
        mailbox.last += 1;
        let number = mailbox.last;
        self.mailboxes.insert(user.clone(), mailbox);
        // What it tells of has happened, whether or not there is room to say so.
        if self.room_for(sender.as_ref().unwrap_or(user), Usage::of_notice(&notice)).is_err() {
            self.count_dropped(user, number);
            return;
        }
        let posted = Posted { at_ms: self.clock_ms, notice, known };
        self.index.add_notice(user, number, &posted);
        self.notices.insert((user.clone(), number), posted);
        let of_one = sender.filter(|sender| self.index.inbox.count(user, sender) > MAX_NOTICES_OF_ONE);
        if let Some(oldest) = of_one.and_then(|sender| self.index.inbox.oldest(user, &sender)) {
            self.drop_notice(user, oldest.at);
        }
        if self.index.inbox.len(user) > MAX_NOTICES {
            match self.first_read(user) {
                Some(number) => self.take_notice(user, number),
                None => {
                    if let Some(loudest) = self.index.inbox.loudest(user) {
                        self.drop_notice(user, loudest.at);
                    }
                }
            }
        }
    }

    /// Tells the members of a group, its owner apart, how many views of an image they have left.
    pub(super) fn notify_group(
        &mut self,
        group: &GroupName,
        owner: &UserName,
        image: ImageId,
        views_left: u32,
    ) {
        let Some(members) = self.groups.get(group).map(|group| group.members.clone()) else { return };
        for member in members.keys().filter(|member| *member != owner) {
            let (owner, group) = (owner.clone(), group.clone());
            // Nothing has to be looked for, which would be much for all of them: it is a group that both are in. Whoever
            // has left it can only take back, and is heard as they were when they gave.
            self.post(member, Notice::GrantedToGroup { image, owner, group, views_left }, true);
        }
    }

    /// Takes a notice out that nobody may have read.
    fn drop_notice(&mut self, user: &UserName, number: u64) {
        self.take_notice(user, number);
        self.count_dropped(user, number);
    }

    fn count_dropped(&mut self, user: &UserName, number: u64) {
        if let Some(mailbox) = self.mailboxes.get_mut(user)
            && number > mailbox.read
        {
            mailbox.dropped += 1;
            mailbox.last_dropped = mailbox.last_dropped.max(number);
        }
    }

    /// Takes the notice about something out of an inbox, if it is still there.
    pub(super) fn forget_notice(&mut self, user: &UserName, subject: Subject) {
        if let Some(number) = self.index.subjects.get(&(user.clone(), subject)).copied() {
            self.take_notice(user, number);
        }
    }

    pub(super) fn take_notice(&mut self, user: &UserName, number: u64) {
        if let Some(posted) = self.notices.remove(&(user.clone(), number)) {
            self.work.touch(1);
            self.index.remove_notice(user, number, &posted);
            // What is to be cleared away follows from the state: it has to be exact, or nodes would do different work.
            if self.index.read.contains(user) && self.first_read(user).is_none() {
                self.index.read.remove(user);
            }
        }
    }

    pub(super) fn acknowledge(&mut self, Acknowledge { user, upto }: Acknowledge) -> Answer {
        let Some(mailbox) = self.mailboxes.get_mut(&user) else { return Ok(Effect::Done) };
        mailbox.read = mailbox.read.max(upto.min(mailbox.last));
        // What gave way further on was never read.
        if mailbox.last_dropped <= mailbox.read {
            mailbox.dropped = 0;
        }
        self.work.touch(1);
        if self.first_read(&user).is_some() {
            self.index.read.insert(user);
        }
        Ok(Effect::Done)
    }

    /// The number of the first notice that is there though it was read.
    pub(super) fn first_read(&self, user: &UserName) -> Option<u64> {
        let read = self.mailboxes.get(user)?.read;
        let (number, _) = self.notices_of(user, 0).next()?;
        (number <= read).then_some(number)
    }

    /// The first number of an inbox that was not read.
    pub(super) fn first_unread(&self, user: &UserName) -> u64 {
        self.mailboxes.get(user).map_or(0, |mailbox| mailbox.read.saturating_add(1))
    }

    /// The notices in an inbox from a number on, in order.
    pub(super) fn notices_of<'a>(
        &'a self,
        user: &UserName,
        first: u64,
    ) -> impl Iterator<Item = (u64, &'a Posted)> + use<'a> {
        let range = self.notices.range((user.clone(), first)..=(user.clone(), u64::MAX));
        range.map(|((_, number), posted)| (*number, posted))
    }

    /// What is in an inbox, in order, after the notice of number `after`, at most [`PAGE_LIMIT`].
    pub fn inbox(&self, user: &UserName, after: Option<u64>, limit: usize) -> InboxPage {
        let first = after.map_or(0, |after| after.saturating_add(1)).max(self.first_unread(user));
        let wanted =
            |posted: &Posted| posted.notice.sender().is_none_or(|sender| !self.has_blocked(user, sender));
        let notices = self.notices_of(user, first).filter(|(_, posted)| wanted(posted));
        let notices = notices.take(limit.min(PAGE_LIMIT));
        let notices: Vec<_> = notices.map(|(number, posted)| (number, posted.clone())).collect();
        let images = notices.iter().filter_map(|(_, posted)| posted.notice.image());
        InboxPage {
            titles: images.filter_map(|image| Some((image, self.title_for(user, image)?))).collect(),
            notices,
            dropped: self.mailboxes.get(user).map_or(0, |mailbox| mailbox.dropped),
        }
    }
}
