use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    About, Answer, Directory, Effect, Grant, Grants, GroupName, Image, ImageId, MAX_GRANTS, MAX_GROUP_GRANTS,
    MAX_GROUP_IMAGES, MAX_MEMBERS, MAX_VIEWS, Notice, Refusal, RequestId, Usage, UserName, at_most,
};
use crate::{
    identity::{PublicKey, WrappedKey},
    seal::{BodyHash, Media},
};

/// Makes a sealed image known, and tells those who may view it. A registered user may, for an image of their own; the
/// worker that sealed it proposes this, so the key never leaves the cluster.
///
/// Worker after worker may propose it, each with a key of its own. The first is recorded, and the others are told its
/// key. From this key, the owner's key and the original the body follows, bit by bit: what they seal under it is what is
/// named here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordImage {
    /// Who had it sealed.
    pub owner: UserName,
    /// The owner's public key, which the body is bound to.
    pub owner_key: PublicKey,
    /// The key it was sealed under.
    pub key: WrappedKey,
    /// What kind of file the original is.
    pub media: Media,
    /// The original's length in bytes.
    pub length: u64,
    /// BLAKE3 of the original.
    pub digest: [u8; 32],
    /// The hash of its body.
    pub body: BodyHash,
    /// Views given to each viewer.
    pub grants: BTreeMap<UserName, u32>,
    /// Views given to groups that the owner is a member of.
    pub group_grants: BTreeMap<GroupName, u32>,
    /// Its title; may be empty.
    pub title: String,
}

/// An image that is to be recorded.
pub(super) struct New {
    pub(super) owner: UserName,
    pub(super) owner_key: PublicKey,
    pub(super) key: WrappedKey,
    pub(super) media: Media,
    pub(super) length: u64,
    pub(super) digest: [u8; 32],
    pub(super) body: Option<BodyHash>,
    pub(super) grants: BTreeMap<UserName, u32>,
    pub(super) group_grants: BTreeMap<GroupName, u32>,
    pub(super) title: String,
}

impl Directory {
    pub(super) fn record_image(&mut self, request: RequestId, record: RecordImage) -> Answer {
        let RecordImage { owner, owner_key, key, media, length, digest, body, grants, group_grants, title } =
            record;
        self.not_older(&key)?;
        let in_use = self.known_user(&owner)?.key;
        if owner_key != in_use {
            // The body is bound to a key that the owner has no more.
            return Err(Refusal::OtherOwnerKey { in_use });
        }
        let told = (owner.clone(), grants.clone(), group_grants.clone());
        let body = Some(body);
        let new = New { owner, owner_key, key, media, length, digest, body, grants, group_grants, title };
        let recorded = self.put_new(request, new)?;
        let (image, (owner, grants, group_grants)) = (ImageId(request.0), told);
        for (viewer, views_left) in
            grants.into_iter().filter(|(viewer, views)| *views > 0 && *viewer != owner)
        {
            self.notify(&viewer, Notice::Granted { image, owner: owner.clone(), views_left });
        }
        for (group, views) in group_grants.into_iter().filter(|(_, views)| *views > 0) {
            self.notify_group(&group, &owner, image, views);
        }
        Ok(recorded)
    }

    /// Refuses a content key that is wrapped under an older key-encryption key than the one in use.
    pub(super) fn not_older(&self, key: &WrappedKey) -> Result<(), Refusal> {
        match key.under < self.wrapping_key {
            true => Err(Refusal::OlderKey { in_use: self.wrapping_key }),
            false => Ok(()),
        }
    }

    /// Puts an image in that is not there yet.
    pub(super) fn put_new(&mut self, request: RequestId, new: New) -> Answer {
        let New { owner, owner_key, key, media, length, digest, body, grants, group_grants, title } = new;
        let owner = self.known_name(&owner)?;
        let about = About { title, description: String::new() };
        about.check()?;
        let grants = self.first_grants(&owner, grants)?;
        let group_grants = self.first_group_grants(group_grants)?;
        let id = ImageId(request.0);
        if self.images.contains_key(&id) {
            // Its answer was forgotten, or it came out of a backup.
            return Err(Refusal::RequestReused { request });
        }
        let image = Image {
            owner,
            key: key.clone(),
            media,
            length,
            digest,
            revision: 0,
            grants,
            owner_key,
            group_grants,
            about: about.boxed(),
            body,
        };
        self.room_for(&image.owner, Usage::of_image(&image))?;
        self.work.touch(1 + image.grants.len() + image.group_grants.len());
        self.index.add_image(id, &image);
        self.images.insert(id, Arc::new(image));
        Ok(Effect::Recorded { key, owner_key })
    }

    fn first_grants(
        &self,
        owner: &UserName,
        grants: BTreeMap<UserName, u32>,
    ) -> Result<Grants<UserName>, Refusal> {
        at_most("number of grants", grants.len() as u64, MAX_GRANTS as u64)?;
        let grants = grants.into_iter().map(|(viewer, left)| {
            let viewer = self.known_name(&viewer)?;
            at_most("views of a grant", u64::from(left), u64::from(MAX_VIEWS))?;
            self.may_grant(owner, &viewer)?;
            Ok((viewer, Grant { left, used: 0 }))
        });
        grants.collect()
    }

    /// Of all groups together no more are told than one has members: each is told at once.
    fn first_group_grants(&self, grants: BTreeMap<GroupName, u32>) -> Result<Grants<GroupName>, Refusal> {
        let (groups, limit) = (grants.len() as u64, MAX_GROUP_GRANTS as u64);
        at_most("number of groups that the image is granted to", groups, limit)?;
        let mut members = 0;
        let grants = grants.into_iter().map(|(group, left)| {
            at_most("views of a grant", u64::from(left), u64::from(MAX_VIEWS))?;
            members += self.known_group(&group)?.members.len();
            let images = self.index.group_size(&group) + 1;
            at_most("number of images that are granted to the group", images, MAX_GROUP_IMAGES as u64)?;
            Ok((self.known_group_name(&group)?, Grant { left, used: 0 }))
        });
        let grants: Grants<_> = grants.collect::<Result<_, Refusal>>()?;
        let field = "number of members of the groups that the image is granted to when it is sealed";
        at_most(field, members as u64, MAX_MEMBERS as u64)?;
        Ok(grants)
    }
}
