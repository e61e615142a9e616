//! What users are told when they are there again: an inbox each, in order, until they acknowledge it.

use serde::{Deserialize, Serialize};

use super::{Answer, Directory, Effect, GroupName, ImageId, PAGE_LIMIT, UserName};

/// The most notices in an inbox. One more, and the oldest gives way; the reader is told how many have. What the notices
/// are about is in the lists all the same.
pub const MAX_NOTICES: u64 = 10_000;

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
}

impl Notice {
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
}

/// What the directory keeps of an inbox beside the notices in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Mailbox {
    /// The number of the last notice that was ever put in.
    pub last: u64,
    /// How many notices are in it.
    pub held: u64,
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
    /// Puts a notice into an inbox, at its end.
    pub(super) fn notify(&mut self, user: &UserName, notice: Notice) {
        let mut mailbox = self.mailboxes.get(user).copied().unwrap_or_default();
        mailbox.last += 1;
        let about = (user.clone(), notice.subject());
        match self.index.subjects.insert(about, mailbox.last) {
            Some(earlier) => drop(self.notices.remove(&(user.clone(), earlier))),
            None => mailbox.held += 1,
        }
        let posted = Posted { at_ms: self.clock_ms, notice };
        self.notices.insert((user.clone(), mailbox.last), posted);
        let oldest = match mailbox.held > MAX_NOTICES {
            true => self.notices_of(user, 0).next().map(|(number, _)| number),
            false => None,
        };
        if let Some(oldest) = oldest {
            self.take_notice(user, oldest);
            mailbox.held -= 1;
            mailbox.dropped += 1;
            mailbox.last_dropped = oldest;
        }
        self.mailboxes.insert(user.clone(), mailbox);
    }

    /// Takes the notice about something out of an inbox, if it is still there.
    pub(super) fn forget_notice(&mut self, user: &UserName, subject: Subject) {
        let Some(number) = self.index.subjects.get(&(user.clone(), subject)).copied() else { return };
        self.take_notice(user, number);
        if let Some(mailbox) = self.mailboxes.get_mut(user) {
            mailbox.held = mailbox.held.saturating_sub(1);
        }
    }

    fn take_notice(&mut self, user: &UserName, number: u64) {
        if let Some(posted) = self.notices.remove(&(user.clone(), number)) {
            self.index.subjects.remove(&(user.clone(), posted.notice.subject()));
        }
    }

    pub(super) fn acknowledge(&mut self, Acknowledge { user, upto }: Acknowledge) -> Answer {
        let read: Vec<u64> = self
            .notices_of(&user, 0)
            .map(|(number, _)| number)
            .take_while(|number| *number <= upto)
            .collect();
        for number in &read {
            self.take_notice(&user, *number);
        }
        if let Some(mailbox) = self.mailboxes.get_mut(&user) {
            mailbox.held = mailbox.held.saturating_sub(read.len() as u64);
            // What gave way further on was never read.
            if mailbox.last_dropped <= upto {
                mailbox.dropped = 0;
            }
        }
        Ok(Effect::Done)
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
        let first = after.map_or(0, |after| after.saturating_add(1));
        let notices = self.notices_of(user, first).take(limit.min(PAGE_LIMIT));
        InboxPage {
            notices: notices.map(|(number, posted)| (number, posted.clone())).collect(),
            dropped: self.mailboxes.get(user).map_or(0, |mailbox| mailbox.dropped),
        }
    }
}
