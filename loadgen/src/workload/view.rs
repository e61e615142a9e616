//! A viewer opens an image.

use std::sync::{Arc, atomic::Ordering};

use rand::Rng;
use tokio::time::Instant;
use veil::{
    client::{Client, ClientError},
    directory::{ImageId, Refusal, UserName},
    seal::ContentKey,
};

use super::{Done, World, outcome, world::Published};
use crate::record::{Call, Outcome, Reply};

/// See the module.
#[derive(Debug)]
pub struct View {
    viewer: UserName,
    image: ImageId,
    /// Absent while there is nothing to see: then an image is asked for that does not exist.
    published: Option<Arc<Published>>,
}

impl View {
    pub(super) fn choose(world: &World, rng: &mut impl Rng) -> Self {
        match world.any_view(rng) {
            Some((published, index)) => {
                let viewer = &published.viewers[index];
                let less = |left: u32| Some(left.saturating_sub(1));
                // It always succeeds, as the closure never declines.
                let _ = viewer.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
                Self { viewer: viewer.user.clone(), image: published.image, published: Some(published) }
            }
            None => Self { viewer: world.any_user(rng), image: ImageId(0), published: None },
        }
    }

    pub(super) fn call(&self) -> Call {
        Call::View { viewer: self.viewer.to_string(), image: self.image }
    }

    pub(super) async fn perform(self, client: &Client, world: &World, deadline: Instant) -> Done {
        let client = world.client_of(&self.viewer, client);
        let opened = client.open_view(client.request_id(), self.viewer, self.image, deadline).await;
        let at = Instant::now();
        let reply = match opened {
            Ok(opened) => Ok(Reply::Viewed {
                // Only an owner has no number, and owners do not view their own images here.
                views_left: opened.views_left.unwrap_or(u32::MAX),
                intact: match self.published {
                    Some(published) => is_intact(published, opened.key).await,
                    None => None,
                },
            }),
            Err(ClientError::Refused(Refusal::QuotaUsedUp { .. })) => Ok(Reply::Refused),
            Err(ClientError::Refused(Refusal::UnknownImage { .. })) if self.published.is_none() => {
                return Done { outcome: Outcome::Failed("there is nothing to see yet".to_owned()), at };
            }
            Err(error) => Err(error),
        };
        Done { outcome: outcome(reply), at }
    }
}

/// Whether the key opens the file and what comes out is what the owner put in: found out away from the thread that
/// fires operations.
async fn is_intact(published: Arc<Published>, key: ContentKey) -> Option<bool> {
    published.file.as_ref()?;
    let opening = tokio::task::spawn_blocking(move || {
        let original = published.file.as_ref()?.open(&key);
        Some(original.is_ok_and(|original| blake3::hash(&original).as_bytes() == &published.digest))
    });
    opening.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}
