//! An owner seals a photo and grants views of it to a few others.

use std::{collections::BTreeMap, sync::atomic::AtomicU32};

use bytes::Bytes;
use rand::{Rng, RngExt};
use tokio::time::Instant;
use veil::{
    client::{Client, Sealed},
    directory::{ImageId, UserName},
    seal::SealedFile,
};

use super::{
    Done, Planned, World, outcome,
    world::{Published, Viewer},
};
use crate::{
    photos::Photo,
    record::{Call, Reply},
};

/// Viewers of an image.
const VIEWERS: std::ops::RangeInclusive<usize> = 1..=4;
/// Views of a grant.
const VIEWS: std::ops::RangeInclusive<u32> = 1..=20;
/// The file is kept, and whether views open it is checked, for one image in so many.
const KEEP_ONE_IN: u64 = 8;

/// See the module.
#[derive(Debug)]
pub struct Seal {
    owner: UserName,
    photo: Photo,
    grants: BTreeMap<UserName, u32>,
    keep: bool,
}

impl Seal {
    pub(super) fn choose(planned: Planned, world: &World, rng: &mut impl Rng) -> Self {
        let photo = world.photos.pick(rng.next_u64()).clone();
        let viewers = rng.random_range(VIEWERS);
        let mut grants = BTreeMap::new();
        for _ in 0..viewers {
            // The owner needs no grant and is not counted.
            if let Some(viewer) = world.anybody_else(planned.user, rng) {
                grants.insert(viewer, rng.random_range(VIEWS));
            }
        }
        let owner = world.names.user(planned.user);
        Self { owner, photo, grants, keep: planned.op.is_multiple_of(KEEP_ONE_IN) }
    }

    pub(super) fn call(&self) -> Call {
        Call::Seal {
            owner: self.owner.to_string(),
            grants: self.grants.iter().map(|(viewer, views)| (viewer.to_string(), *views)).collect(),
            digest: self.photo.digest,
        }
    }

    pub(super) async fn perform(self, client: &Client, world: &World, deadline: Instant) -> Done {
        let Self { owner, photo, grants, keep } = self;
        let original = Bytes::from_owner(photo.bytes);
        let client = world.client_of(&owner, client);
        let sealing = client.seal(client.request_id(), owner.clone(), grants.clone(), original, deadline);
        let sealed = sealing.await;
        let at = Instant::now();
        let image = match sealed {
            Ok(Sealed { image, png }) => {
                let (file, intact) = match keep {
                    true => read(png, image).await,
                    false => (None, None),
                };
                let viewers: Vec<_> = grants
                    .into_iter()
                    .map(|(user, views)| Viewer { user, left: AtomicU32::new(views) })
                    .collect();
                if !viewers.is_empty() {
                    world.publish(Published { image, owner, digest: photo.digest, viewers, file });
                }
                Ok(Reply::Sealed { image, intact })
            }
            Err(error) => Err(error),
        };
        Done { outcome: outcome(image), at }
    }
}

/// Takes the sealed file apart, away from the threads that fire operations, and says whether it is one of
/// this image. Whatever came back, the sealing was acknowledged.
async fn read(png: Bytes, image: ImageId) -> (Option<SealedFile>, Option<bool>) {
    let reading = tokio::task::spawn_blocking(move || SealedFile::read(&png));
    let read = reading.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    let file = read.ok().filter(|file| file.block.unverified().image == image);
    let intact = file.is_some();
    (file, Some(intact))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_cannot_be_read_is_not_intact() {
        let (file, intact) = read(Bytes::from_static(b"not a picture"), ImageId(1)).await;
        assert!(file.is_none());
        assert_eq!(intact, Some(false));
    }
}
