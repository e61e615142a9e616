use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    Answer, Directory, Effect, Grant, Grants, Image, ImageId, MAX_GRANTS, MAX_VIEWS, Refusal, RequestId,
    Usage, UserName, at_most,
};
use crate::{identity::WrappedKey, seal::Media};

/// Makes a sealed image known. A registered user may, for an image of their own; the worker that
/// sealed it proposes this, so the key never leaves the cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordImage {
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
    pub(super) fn record_image(&mut self, request: RequestId, record: RecordImage) -> Answer {
        let RecordImage { owner, key, media, length, digest, grants } = record;
        if key.under < self.wrapping_key {
            return Err(Refusal::OlderKey { in_use: self.wrapping_key });
        }
        let owner_key = self.known_user(&owner)?.key;
        at_most("number of grants", grants.len() as u64, MAX_GRANTS as u64)?;
        for (viewer, views) in &grants {
            self.known_user(viewer)?;
            at_most("views of a grant", u64::from(*views), u64::from(MAX_VIEWS))?;
            self.may_grant(&owner, viewer)?;
        }
        let id = ImageId(request.0);
        if self.images.contains_key(&id) {
            // Its answer was forgotten, or it came out of a backup.
            return Err(Refusal::RequestReused { request });
        }
        let grants = grants.into_iter();
        let grants = grants.map(|(viewer, left)| Ok((self.known_name(&viewer)?, Grant { left, used: 0 })));
        let grants = grants.collect::<Result<_, Refusal>>()?;
        let image = Image {
            owner: self.known_name(&owner)?,
            key: key.clone(),
            media,
            length,
            digest,
            revision: 0,
            grants,
            owner_key,
            group_grants: Grants::default(),
            about: None,
        };
        self.room_for(&image.owner, Usage::of_image(&image))?;
        self.work.touch(1 + image.grants.len());
        self.index.add_image(id, &image);
        self.images.insert(id, Arc::new(image));
        Ok(Effect::Recorded { key, owner_key })
    }
}
