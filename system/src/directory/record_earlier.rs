use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Answer, Directory, RequestId, UserName, record_image::New};
use crate::{identity::WrappedKey, seal::Media};

/// Makes a sealed image known, as earlier versions have put it into the log: its permission blocks do not name its body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordEarlier {
    /// Who had it sealed.
    pub owner: UserName,
    /// The key it was sealed under.
    pub key: WrappedKey,
    /// What kind of file the original is.
    pub media: Media,
    /// The original's length in bytes.
    pub length: u64,
    /// BLAKE3 of the original.
    pub digest: [u8; 32],
    /// Views given to each viewer.
    pub grants: BTreeMap<UserName, u32>,
}

impl Directory {
    /// Nobody is told: nobody was.
    pub(super) fn record_earlier(&mut self, request: RequestId, record: RecordEarlier) -> Answer {
        let RecordEarlier { owner, key, media, length, digest, grants } = record;
        self.not_older(&key)?;
        let owner_key = self.known_user(&owner)?.key;
        let (group_grants, title, body) = (BTreeMap::new(), String::new(), None);
        let new = New { owner, owner_key, key, media, length, digest, body, grants, group_grants, title };
        self.put_new(request, new)
    }
}
