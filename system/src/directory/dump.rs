//! The whole directory as records that people can read, for backups: everything but sessions and remembered answers,
//! which do not outlive a cluster.
//!
//! Written as JSON, this is version [`DUMP_VERSION`] of the format. Content keys are in it as they are in the log,
//! under the cluster's key-encryption key, and of passwords their hashes: no secret in the clear.

use std::{
    fmt,
    ops::Bound::{Excluded, Unbounded},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{
    Ask, Directory, Grant, Group, GroupName, Image, ImageId, MAX_NOTICES, PAGE_LIMIT, Posted, Quotas, Role,
    User, UserName, View,
};
use crate::{
    identity::{KeyNumber, PublicKey, WrappedKey},
    seal::{BodyHash, Media},
    wire::codec::{self, CodecError},
};

/// The version of the records.
pub const DUMP_VERSION: u32 = 3;
/// The earliest version that is read. An image has no body in it.
pub const FIRST_DUMP_VERSION: u32 = 2;
/// The most records of one page, or of one [`Restore`](super::Restore).
pub const MAX_RECORDS: usize = PAGE_LIMIT / 2;
/// The most that the records of one page weigh together, or of one [`Restore`](super::Restore): each of them, and each
/// of the things that they list, is 1. A record that is within the limits of what it is about fits.
pub const MAX_WEIGHT: u64 = 2 * MAX_NOTICES;

/// Bytes, as hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct Hex(pub Vec<u8>);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Hashes of passwords are not for logs.
        write!(f, "Hex({} bytes)", self.0.len())
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let digit = |c: u8| (c as char).to_digit(16).map(|digit| digit as u8);
        let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
        let bytes = bytes.filter(|_| rest.is_empty());
        bytes.map(Self).ok_or_else(|| D::Error::custom("expected an even number of hexadecimal digits"))
    }
}

/// One thing that the directory holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// What there is once.
    Settings(SettingsRecord),
    /// A user.
    User(UserRecord),
    /// A group.
    Group(GroupRecord),
    /// An image.
    Image(ImageRecord),
    /// An inbox.
    Inbox(InboxRecord),
    /// An image whose permission blocks name its body, and the hash of that.
    Sealed(ImageRecord, Hex),
}

/// Where a page of records begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// With the settings.
    Settings,
    /// With the users after this one.
    Users(Option<UserName>),
    /// With the groups after this one.
    Groups(Option<GroupName>),
    /// With the images after this one.
    Images(Option<ImageId>),
    /// With the inboxes after this one.
    Inboxes(Option<UserName>),
}

/// What there is once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettingsRecord {
    /// The number of the key-encryption key that content keys are put under.
    pub wrapping_key: KeyNumber,
    /// The quotas, if any were ever set.
    pub quotas: Option<Quotas>,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserRecord {
    /// The name.
    pub user: UserName,
    /// Since when, milliseconds since the Unix epoch.
    pub registered_ms: u64,
    /// The public key.
    pub key: Hex,
    /// Salt and argon2id of the password, if there is one.
    pub password_hash: Option<Hex>,
    /// How often key or password were changed.
    pub credentials: u64,
    /// Whom they have blocked, by name.
    pub blocked: Vec<UserName>,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRecord {
    /// The name.
    pub group: GroupName,
    /// Since when, milliseconds since the Unix epoch.
    pub founded_ms: u64,
    /// By name.
    pub members: Vec<MemberRecord>,
    /// Who asks to join, by name.
    pub requests: Vec<JoinRecord>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberRecord {
    /// The name.
    pub user: UserName,
    /// The part.
    pub role: Role,
    /// Since when, milliseconds since the Unix epoch.
    pub joined_ms: u64,
}

/// A request to join a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinRecord {
    /// Who asks.
    pub user: UserName,
    /// Since when, milliseconds since the Unix epoch.
    pub asked_ms: u64,
    /// Whether an admin had dealt with them.
    pub known: bool,
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageRecord {
    /// Its id.
    pub image: ImageId,
    /// Whose it is.
    pub owner: UserName,
    /// The owner's public key when it was sealed.
    pub owner_key: Hex,
    /// Its title.
    pub title: String,
    /// More about it.
    pub description: String,
    /// What kind of file the original is.
    pub media: Media,
    /// The original's length, bytes.
    pub length: u64,
    /// BLAKE3 of the original.
    pub digest: Hex,
    /// The number of the key-encryption key that the content key is under.
    pub wrapped_under: KeyNumber,
    /// The content key under it: nonce, ciphertext, tag.
    pub wrapped_key: Hex,
    /// How often grants have changed, and views were taken.
    pub revision: u64,
    /// By viewer.
    pub grants: Vec<GrantRecord<UserName>>,
    /// By group.
    pub group_grants: Vec<GrantRecord<GroupName>>,
    /// The last views, oldest first.
    pub views: Vec<ViewRecord>,
    /// Requests for views that wait, by user.
    pub requests: Vec<AskRecord>,
}

impl ImageRecord {
    /// The content key as it lies in log and snapshot, if it is one.
    pub fn key(&self) -> Option<WrappedKey> {
        let mut wrapped = codec::encode(&self.wrapped_under).ok()?;
        wrapped.extend(&self.wrapped_key.0);
        codec::decode(&wrapped).ok()
    }
}

/// A grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantRecord<Name> {
    /// Whose.
    pub to: Name,
    /// Views left.
    pub left: u32,
    /// Views taken.
    pub used: u64,
}

/// A view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewRecord {
    /// Which view of the image it was, from 0.
    pub number: u64,
    /// Who took it.
    pub viewer: UserName,
    /// When, milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// A request for views.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskRecord {
    /// Who asks.
    pub user: UserName,
    /// How many.
    pub views: u32,
    /// A word to the owner.
    pub note: String,
    /// When, milliseconds since the Unix epoch.
    pub asked_ms: u64,
    /// Whether the owner had dealt with them.
    pub known: bool,
}

/// An inbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InboxRecord {
    /// Whose.
    pub user: UserName,
    /// The number of the last notice that was ever put in.
    pub last: u64,
    /// Everything up to this number was read.
    pub read: u64,
    /// How many notices gave way.
    pub dropped: u64,
    /// The highest number that gave way.
    pub last_dropped: u64,
    /// What is in it, in order.
    pub notices: Vec<NoticeRecord>,
}

/// A notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoticeRecord {
    /// Its number.
    pub number: u64,
    /// What, and since when.
    pub posted: Posted,
}

impl Record {
    /// Where the page after the one begins that ends with this record.
    pub fn next(&self) -> Place {
        match self {
            Self::Settings(_) => Place::Users(None),
            Self::User(record) => Place::Users(Some(record.user.clone())),
            Self::Group(record) => Place::Groups(Some(record.group.clone())),
            Self::Image(record) | Self::Sealed(record, _) => Place::Images(Some(record.image)),
            Self::Inbox(record) => Place::Inboxes(Some(record.user.clone())),
        }
    }

    /// What it counts for in a page.
    pub fn weight(&self) -> u64 {
        let listed = match self {
            Self::Settings(_) => 0,
            Self::User(record) => record.blocked.len(),
            Self::Group(record) => record.members.len() + record.requests.len(),
            Self::Image(record) | Self::Sealed(record, _) => {
                let ImageRecord { grants, group_grants, views, requests, .. } = record;
                grants.len() + group_grants.len() + views.len() + requests.len()
            }
            Self::Inbox(record) => record.notices.len(),
        };
        listed as u64 + 1
    }

    /// What it is about, in words.
    pub fn subject(&self) -> String {
        match self {
            Self::Settings(_) => "settings".to_owned(),
            Self::User(record) => format!("user {}", record.user),
            Self::Group(record) => format!("group {}", record.group),
            Self::Image(record) | Self::Sealed(record, _) => format!("image {}", record.image),
            Self::Inbox(record) => format!("inbox of {}", record.user),
        }
    }
}

/// The bytes of a public key, in digits.
pub(super) fn hex_of_key(key: &PublicKey) -> Hex {
    Hex(key.as_bytes().to_vec())
}

impl Directory {
    /// A page of records: at most [`MAX_RECORDS`] that weigh at most [`MAX_WEIGHT`]. Without any, the next kind of
    /// record follows.
    ///
    /// # Errors
    /// When something cannot be encoded, which does not happen.
    pub fn dump(&self, from: &Place) -> Result<Vec<Record>, CodecError> {
        let records: Box<dyn Iterator<Item = Result<Record, CodecError>>> = match from {
            Place::Settings => Box::new(std::iter::once(Ok(Record::Settings(self.settings_record())))),
            Place::Users(after) => {
                let users = self.users.range((bound(after), Unbounded));
                Box::new(users.map(|(name, user)| self.user_record(name, user).map(Record::User)))
            }
            Place::Groups(after) => {
                let groups = self.groups.range((bound(after), Unbounded));
                let groups = groups.filter(|(_, group)| !group.has_ended());
                Box::new(groups.map(|(name, group)| Ok(Record::Group(group_record(name, group)))))
            }
            Place::Images(after) => {
                let images = self.images.range((bound(after), Unbounded));
                Box::new(images.map(|(id, image)| self.record_of_image(*id, image)))
            }
            Place::Inboxes(after) => {
                let inboxes = self.mailboxes.range((bound(after), Unbounded));
                Box::new(inboxes.filter_map(|(name, _)| Some(Ok(Record::Inbox(self.inbox_record(name)?)))))
            }
        };
        let (mut page, mut weight) = (Vec::new(), 0);
        for record in records {
            let record = record?;
            weight += record.weight();
            if page.len() == MAX_RECORDS || (weight > MAX_WEIGHT && !page.is_empty()) {
                break;
            }
            page.push(record);
        }
        Ok(page)
    }

    /// What the directory holds of what a record is about.
    pub(super) fn present(&self, record: &Record) -> Result<Option<Record>, CodecError> {
        Ok(match record {
            Record::Settings(_) => Some(Record::Settings(self.settings_record())),
            Record::User(UserRecord { user, .. }) => {
                self.users.get(user).map(|known| self.user_record(user, known)).transpose()?.map(Record::User)
            }
            Record::Group(GroupRecord { group, .. }) => {
                self.group(group).map(|known| Record::Group(group_record(group, known)))
            }
            Record::Image(ImageRecord { image, .. }) | Record::Sealed(ImageRecord { image, .. }, _) => {
                self.images.get(image).map(|known| self.record_of_image(*image, known)).transpose()?
            }
            Record::Inbox(InboxRecord { user, .. }) => self.inbox_record(user).map(Record::Inbox),
        })
    }

    fn user_record(&self, name: &UserName, user: &User) -> Result<UserRecord, CodecError> {
        Ok(UserRecord {
            user: name.clone(),
            registered_ms: user.registered_ms,
            key: hex_of_key(&user.key),
            password_hash: user.password.as_ref().map(codec::encode).transpose()?.map(Hex),
            credentials: user.credentials,
            blocked: self.blocked(name),
        })
    }

    fn settings_record(&self) -> SettingsRecord {
        SettingsRecord { wrapping_key: self.wrapping_key, quotas: self.quotas }
    }

    fn record_of_image(&self, id: ImageId, image: &Image) -> Result<Record, CodecError> {
        let record = self.image_record(id, image)?;
        Ok(match image.body {
            Some(BodyHash(hash)) => Record::Sealed(record, Hex(hash.to_vec())),
            None => Record::Image(record),
        })
    }

    fn image_record(&self, id: ImageId, image: &Image) -> Result<ImageRecord, CodecError> {
        let about = image.about.as_deref().cloned().unwrap_or_default();
        let views = self.views_of(id).map(|(&(_, number), View { viewer, at_ms })| ViewRecord {
            number,
            viewer: viewer.clone(),
            at_ms: *at_ms,
        });
        let asks =
            self.asks_for(&image.owner, id).map(|(user, Ask { views, note, asked_ms, known })| AskRecord {
                user: user.clone(),
                views: *views,
                note: note.clone(),
                asked_ms: *asked_ms,
                known: *known,
            });
        let of_groups = image.group_grants.iter().filter(|(group, _)| self.group(group).is_some());
        Ok(ImageRecord {
            image: id,
            owner: image.owner.clone(),
            owner_key: hex_of_key(&image.owner_key),
            title: about.title,
            description: about.description,
            media: image.media,
            length: image.length,
            digest: Hex(image.digest.to_vec()),
            wrapped_under: image.key.under,
            wrapped_key: Hex(image.key.to_bytes()),
            revision: image.revision,
            grants: image.grants.iter().map(grant_record).collect(),
            group_grants: of_groups.map(grant_record).collect(),
            views: views.collect(),
            requests: asks.collect(),
        })
    }

    fn inbox_record(&self, user: &UserName) -> Option<InboxRecord> {
        let mailbox = self.mailboxes.get(user)?;
        let notices = self.notices_of(user, self.first_unread(user));
        let notices = notices.map(|(number, posted)| NoticeRecord { number, posted: posted.clone() });
        Some(InboxRecord {
            user: user.clone(),
            last: mailbox.last,
            read: mailbox.read,
            dropped: mailbox.dropped,
            last_dropped: mailbox.last_dropped,
            notices: notices.collect(),
        })
    }
}

fn bound<T: Clone>(after: &Option<T>) -> std::ops::Bound<T> {
    after.clone().map_or(Unbounded, Excluded)
}

fn group_record(name: &GroupName, group: &Group) -> GroupRecord {
    let members = group.members.iter().map(|(user, member)| MemberRecord {
        user: user.clone(),
        role: member.role,
        joined_ms: member.joined_ms,
    });
    let requests = group.requests.iter();
    let requests = requests.map(|(user, request)| JoinRecord {
        user: user.clone(),
        asked_ms: request.asked_ms,
        known: request.known,
    });
    GroupRecord {
        group: name.clone(),
        founded_ms: group.founded_ms,
        members: members.collect(),
        requests: requests.collect(),
    }
}

fn grant_record<Name: Clone>((name, grant): (&Name, &Grant)) -> GrantRecord<Name> {
    GrantRecord { to: name.clone(), left: grant.left, used: grant.used }
}
