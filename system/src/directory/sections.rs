//! The directory as a sequence of records, section by section: what a snapshot holds, and what the hash is taken of.
//!
//! What follows from other fields is not exported; [`Import`] makes it again. A new section is one more line below. So is
//! a section whose records change: what earlier versions have written is read, and written no more.

use std::sync::Arc;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    About, Ask, Directory, Grants, Group, GroupName, Image, ImageId, Mailbox, Posted, Quotas, RequestId,
    Session, User, UserName, View, answers::Remembered, forgotten::Forgotten, id::Interner,
    packed::insert_packed,
};
use crate::{
    identity::{KeyNumber, PublicKey, SessionId, WrappedKey},
    seal::Media,
    wire::codec::{self, CodecError},
};

/// Takes what a directory exports.
pub trait Export {
    /// Why it does not.
    type Error;

    /// Takes the next record. Sections come one after the other, by number.
    ///
    /// # Errors
    /// Ends the export.
    fn record<T: Serialize>(&mut self, section: u8, record: &T) -> Result<(), Self::Error>;
}

/// Records that are not those of a directory.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Of a section that there is not.
    #[error("records of section {0}, which is not known")]
    UnknownSection(u8),
    /// Sections do not come by number.
    #[error("section {section} comes after section {after}")]
    OutOfOrder {
        /// What came.
        section: u8,
        /// After what.
        after: u8,
    },
    /// Bytes that are not its records.
    #[error("a record of {section}: {source}")]
    Malformed {
        /// The section.
        section: &'static str,
        /// What the codec says.
        source: CodecError,
    },
}

/// A directory that comes in, record by record.
#[derive(Debug, Default)]
pub struct Import {
    directory: Directory,
    last: u8,
    /// The directory holds each name many times.
    names: Interner,
}

/// Of each section: its number and name, the type of its records, where they are taken from, and where they go.
macro_rules! sections {
    ($($number:literal $name:literal: $record:ty,
       |$from:ident| $records:expr, |$into:ident, $taken:pat_param| $insert:expr;)*) => {
        impl Directory {
            /// Hands out all records, section by section, in the same order on every node.
            ///
            /// # Errors
            /// When they are not taken.
            pub fn export<E: Export>(&self, to: &mut E) -> Result<(), E::Error> {
                $({
                    let $from = self;
                    for record in $records {
                        to.record($number, &record)?;
                    }
                })*
                Ok(())
            }
        }

        impl Import {
            /// Takes in records of a section, as many as there are in `bytes`.
            ///
            /// # Errors
            /// [`ImportError`].
            pub fn take(&mut self, section: u8, bytes: &[u8]) -> Result<(), ImportError> {
                if section < self.last {
                    return Err(ImportError::OutOfOrder { section, after: self.last });
                }
                self.last = section;
                match section {
                    $($number => {
                        let $into = &mut self.directory;
                        let records = self.names.share(|| records::<$record>($name, bytes))?;
                        insert_packed(records, |$taken| {
                            $insert;
                        });
                    })*
                    _ => return Err(ImportError::UnknownSection(section)),
                }
                Ok(())
            }
        }
    };
}

sections! {
    1 "settings": (u64, KeyNumber), |from| [(from.clock_ms, from.wrapping_key)],
        |into, (clock_ms, key)| (into.clock_ms, into.wrapping_key) = (clock_ms, key);
    2 "users": (UserName, User), |from| &from.users, |into, (name, user)| into.users.insert(name, user);
    3 "images as earlier versions kept them": (ImageId, EarlierImage),
        |_from| std::iter::empty::<(ImageId, EarlierImage)>(),
        |into, (id, image)| into.images.insert(id, Arc::new(image.into()));
    4 "sessions": (SessionId, Session), |from| &from.sessions,
        |into, (id, session)| into.sessions.insert(id, session);
    5 "answers": (RequestId, Remembered), |from| from.answers.iter(),
        |into, (id, answer)| into.answers.insert(id, answer);
    6 "groups": (GroupName, Group), |from| &from.groups, |into, (name, group)| into.groups.insert(name, group);
    7 "views": ((ImageId, u64), View), |from| &from.views, |into, (id, view)| into.views.insert(id, view);
    8 "asks": ((UserName, ImageId, UserName), Ask), |from| &from.asks, |into, (id, ask)| into.asks.insert(id, ask);
    9 "mailboxes": (UserName, Mailbox), |from| &from.mailboxes,
        |into, (name, mailbox)| into.mailboxes.insert(name, mailbox);
    10 "notices": ((UserName, u64), Posted), |from| &from.notices,
        |into, (id, posted)| into.notices.insert(id, posted);
    11 "quotas": Quotas, |from| from.quotas.iter(), |into, quotas| into.quotas = Some(quotas);
    12 "blocked": (UserName, UserName), |from| &from.blocked, |into, pair| into.blocked.insert(pair);
    13 "forgotten": Forgotten, |from| from.answers.forgotten(),
        |into, forgotten| into.answers.set_forgotten(forgotten);
    14 "images": (ImageId, Image), |from| from.images.iter().map(|(id, image)| (id, image.as_ref())),
        |into, (id, image)| into.images.insert(id, Arc::new(image));
}

/// An image as it was before permission blocks named the body.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EarlierImage {
    owner: UserName,
    key: WrappedKey,
    media: Media,
    length: u64,
    digest: [u8; 32],
    revision: u64,
    grants: Grants<UserName>,
    owner_key: PublicKey,
    group_grants: Grants<GroupName>,
    about: Option<Box<About>>,
}

impl From<EarlierImage> for Image {
    fn from(earlier: EarlierImage) -> Self {
        let EarlierImage { owner, key, media, length, digest, revision, grants, owner_key, .. } = earlier;
        let EarlierImage { group_grants, about, .. } = earlier;
        let body = None;
        Self { owner, key, media, length, digest, revision, grants, owner_key, group_grants, about, body }
    }
}

impl Import {
    /// The directory, when all has come.
    pub fn finish(self) -> Directory {
        let mut directory = self.directory;
        let sessions = std::mem::take(&mut directory.sessions);
        directory.index = directory.make_index();
        for (id, session) in sessions {
            directory.insert_session(id, session);
        }
        directory
    }
}

fn records<T: DeserializeOwned>(section: &'static str, mut bytes: &[u8]) -> Result<Vec<T>, ImportError> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let record = codec::decode_first(&mut bytes);
        records.push(record.map_err(|source| ImportError::Malformed { section, source })?);
    }
    Ok(records)
}

/// How much is hashed at once, bytes.
const HASHED_AT_ONCE: usize = 64 << 10;

/// Hashes what is exported.
#[derive(Default)]
struct Hashing {
    hasher: blake3::Hasher,
    bytes: Vec<u8>,
}

impl Export for Hashing {
    type Error = CodecError;

    fn record<T: Serialize>(&mut self, section: u8, record: &T) -> Result<(), CodecError> {
        self.bytes.push(section);
        codec::encode_into(record, &mut self.bytes)?;
        if self.bytes.len() >= HASHED_AT_ONCE {
            self.hasher.update(&self.bytes);
            self.bytes.clear();
        }
        Ok(())
    }
}

impl Directory {
    /// BLAKE3 of the whole state. Equal on all nodes that have applied the same log.
    ///
    /// # Errors
    /// When a record is too large to be encoded.
    pub fn hash(&self) -> Result<[u8; 32], CodecError> {
        let mut hashing = Hashing::default();
        self.export(&mut hashing)?;
        hashing.hasher.update(&hashing.bytes);
        Ok(hashing.hasher.finalize().into())
    }
}
