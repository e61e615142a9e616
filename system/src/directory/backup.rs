//! The file that a dump of the directory is kept in.

use serde::{Deserialize, Serialize};

use super::{
    DUMP_VERSION, Directory, FIRST_DUMP_VERSION, GroupRecord, Hex, ImageRecord, InboxRecord, MAX_RECORDS,
    MAX_WEIGHT, Record, Refusal, Restore, SettingsRecord, UserRecord,
};

/// A dumped directory. As JSON, the fields are in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// The version of the format.
    pub version: u32,
    /// When it was begun, milliseconds since the Unix epoch.
    pub taken_ms: u64,
    /// What there is once.
    pub settings: SettingsRecord,
    /// All users, by name.
    pub users: Vec<UserRecord>,
    /// All groups, by name.
    pub groups: Vec<GroupRecord>,
    /// All images, by id.
    pub images: Vec<ImageLine>,
    /// All inboxes, by name.
    pub inboxes: Vec<InboxRecord>,
    /// Whether nothing was changed while it was read, so that all of it fits together.
    pub consistent: bool,
}

/// An image, as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageLine {
    /// All but its body.
    #[serde(flatten)]
    pub image: ImageRecord,
    /// The hash of its body, if its permission blocks name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Hex>,
}

impl From<ImageLine> for Record {
    fn from(ImageLine { image, body }: ImageLine) -> Self {
        match body {
            Some(body) => Self::Sealed(image, body),
            None => Self::Image(image),
        }
    }
}

/// Why a file is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// It is not JSON, or not this JSON.
    #[error("no dump of a directory: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Another program has written it.
    #[error("version is {found}, this program reads {FIRST_DUMP_VERSION} to {DUMP_VERSION}")]
    Version {
        /// Its version.
        found: u32,
    },
}

impl Backup {
    /// Reads a file.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn parse(json: &[u8]) -> Result<Self, BackupError> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        // What follows may be unlike anything that is known here.
        let Head { version } = serde_json::from_slice(json)?;
        if !(FIRST_DUMP_VERSION..=DUMP_VERSION).contains(&version) {
            return Err(BackupError::Version { found: version });
        }
        Ok(serde_json::from_slice(json)?)
    }

    /// Whether all of it could be brought into an empty directory: so that what is wrong with the last record is known
    /// before the first one is brought.
    ///
    /// # Errors
    /// The [`Refusal`] that a load would end with.
    pub fn rehearse(portions: &[Vec<Record>]) -> Result<(), Refusal> {
        portions.iter().try_fold(Directory::default(), |directory, portion| {
            directory.with(Restore { records: portion.clone() }).map(|(after, _)| after)
        })?;
        Ok(())
    }

    /// What it holds, in an order and in portions in which it can be [restored](super::Restore).
    pub fn into_portions(self) -> Vec<Vec<Record>> {
        let settings = std::iter::once(Record::Settings(self.settings));
        let records = settings
            .chain(self.users.into_iter().map(Record::User))
            .chain(self.groups.into_iter().map(Record::Group))
            .chain(self.images.into_iter().map(Record::from))
            .chain(self.inboxes.into_iter().map(Record::Inbox));
        let mut portions: Vec<Vec<Record>> = Vec::new();
        let mut weight = 0;
        for record in records {
            weight += record.weight();
            match portions.last_mut() {
                Some(last) if last.len() < MAX_RECORDS && weight <= MAX_WEIGHT => last.push(record),
                _ => {
                    weight = record.weight();
                    portions.push(vec![record]);
                }
            }
        }
        portions
    }
}
