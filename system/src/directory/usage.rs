//! Whose records take how much: kept up to date with every change, and never counted anew but when a snapshot is read.
//!
//! A record counts for about what it takes in memory, its index entries included, and for its texts byte by byte. Whoever
//! had it made pays: the owner for an image, its grants and its log of views; whoever asks for a request and the notice
//! of it; a member for the membership. Only a notice that has no sender is paid for by its reader.

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::{Ask, GroupName, Image, Notice, Quota, Session, User, UserName};

/// An image without grants, bytes.
const IMAGE: u64 = 256;
/// What one user or group may do with one image.
const GRANT: u64 = 64;
/// One view in the log of an image.
const VIEW: u64 = 96;
const USER: u64 = 256;
const PASSWORD: u64 = 48;
const SESSION: u64 = 256;
const ASK: u64 = 256;
const NOTICE: u64 = 320;
/// A member of a group; and the group, which has one member at least.
const MEMBERSHIP: u64 = 256;
const JOIN_REQUEST: u64 = 256;
const BLOCK: u64 = 64;

/// What a user's records take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Images.
    pub images: u32,
    /// Groups that the user is a member of.
    pub groups: u32,
    /// Requests for views, and to join groups, that wait for an answer.
    pub requests: u32,
    /// Users that the user has blocked.
    pub blocked: u32,
    /// All records, bytes.
    pub bytes: u64,
}

impl Usage {
    /// What is used of a quota, if it is one of all that a user has.
    pub fn used(&self, quota: Quota) -> Option<u64> {
        match quota {
            Quota::ImagesPerUser => Some(u64::from(self.images)),
            Quota::GroupsPerUser => Some(u64::from(self.groups)),
            Quota::RequestsPerUser => Some(u64::from(self.requests)),
            Quota::BytesPerUser => Some(self.bytes),
            Quota::ImagesToStranger | Quota::Users | Quota::Bytes | Quota::AnswerBytes => None,
        }
    }

    pub(super) fn bytes(bytes: u64) -> Self {
        Self { bytes, ..Self::default() }
    }

    pub(super) fn of_user(name: &UserName, user: &User) -> Self {
        let password = if user.password.is_some() { PASSWORD } else { 0 };
        Self::bytes(USER + name.as_str().len() as u64 + password)
    }

    pub(super) fn of_session(session: &Session) -> Self {
        Self::bytes(SESSION + session.device.len() as u64)
    }

    pub(super) fn of_image(image: &Image) -> Self {
        let about = image.about.as_ref().map_or(0, |about| about.title.len() + about.description.len());
        let grants = (image.grants.len() + image.group_grants.len()) as u64;
        Self { images: 1, bytes: IMAGE + grants * GRANT + about as u64, ..Self::default() }
    }

    pub(super) fn of_grant() -> Self {
        Self::bytes(GRANT)
    }

    pub(super) fn of_view() -> Self {
        Self::of_views(1)
    }

    pub(super) fn of_views(count: usize) -> Self {
        Self::bytes(VIEW * count as u64)
    }

    pub(super) fn of_ask(ask: &Ask) -> Self {
        Self { requests: 1, bytes: ASK + ask.note.len() as u64, ..Self::default() }
    }

    pub(super) fn of_join_request() -> Self {
        Self { requests: 1, bytes: JOIN_REQUEST, ..Self::default() }
    }

    pub(super) fn of_membership(group: &GroupName) -> Self {
        Self { groups: 1, bytes: MEMBERSHIP + group.as_str().len() as u64, ..Self::default() }
    }

    pub(super) fn of_notice(notice: &Notice) -> Self {
        let note = match notice {
            Notice::Requested { note, .. } => note.len(),
            _ => 0,
        };
        Self::bytes(NOTICE + note as u64)
    }

    pub(super) fn of_block() -> Self {
        Self { blocked: 1, bytes: BLOCK, ..Self::default() }
    }

    pub(super) fn plus(self, more: Self) -> Self {
        Self {
            images: self.images.saturating_add(more.images),
            groups: self.groups.saturating_add(more.groups),
            requests: self.requests.saturating_add(more.requests),
            blocked: self.blocked.saturating_add(more.blocked),
            bytes: self.bytes.saturating_add(more.bytes),
        }
    }

    pub(super) fn minus(self, less: Self) -> Self {
        Self {
            images: self.images.saturating_sub(less.images),
            groups: self.groups.saturating_sub(less.groups),
            requests: self.requests.saturating_sub(less.requests),
            blocked: self.blocked.saturating_sub(less.blocked),
            bytes: self.bytes.saturating_sub(less.bytes),
        }
    }
}

/// What everybody's records take.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Accounts {
    users: OrdMap<UserName, Usage>,
    bytes: u64,
}

impl Accounts {
    pub(super) fn of(&self, user: &UserName) -> Usage {
        self.users.get(user).copied().unwrap_or_default()
    }

    /// What all records take.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn charge(&mut self, user: &UserName, more: Usage) {
        self.bytes += more.bytes;
        match self.users.get_mut(user) {
            Some(usage) => *usage = usage.plus(more),
            None => drop(self.users.insert(user.clone(), more)),
        }
    }

    pub(super) fn release(&mut self, user: &UserName, less: Usage) {
        self.bytes = self.bytes.saturating_sub(less.bytes);
        let Some(usage) = self.users.get_mut(user) else { return };
        *usage = usage.minus(less);
        if *usage == Usage::default() {
            self.users.remove(user);
        }
    }
}
