//! An owner sets the views that a viewer has left.

use std::sync::atomic::Ordering;

use rand::{Rng, RngExt};
use tokio::time::Instant;
use veil::{
    client::Client,
    directory::{ImageId, SetGrant},
};

use super::{Done, World, outcome};
use crate::record::{Call, Reply};

/// Views left from now on; none revokes.
const VIEWS: std::ops::RangeInclusive<u32> = 0..=20;

/// See the module.
#[derive(Debug)]
pub struct Grant {
    change: SetGrant,
}

impl Grant {
    pub(super) fn choose(world: &World, rng: &mut impl Rng) -> Self {
        let views = rng.random_range(VIEWS);
        let change = match world.any_view(rng) {
            Some((published, index)) => {
                let viewer = &published.viewers[index];
                viewer.left.store(views, Ordering::Relaxed);
                let (owner, viewer) = (published.owner.clone(), viewer.user.clone());
                SetGrant { owner, image: published.image, viewer, views }
            }
            // While there is nothing to see, an image is named that does not exist.
            None => {
                let (owner, viewer) = (world.any_user(rng), world.any_user(rng));
                SetGrant { owner, image: ImageId(0), viewer, views }
            }
        };
        Self { change }
    }

    pub(super) fn call(&self) -> Call {
        let SetGrant { owner, image, viewer, views } = &self.change;
        Call::Grant { owner: owner.to_string(), image: *image, viewer: viewer.to_string(), views: *views }
    }

    pub(super) async fn perform(self, client: &Client, world: &World, deadline: Instant) -> Done {
        let client = world.client_of(&self.change.owner, client);
        let granted = client.set_grant(client.request_id(), self.change, deadline).await;
        Done::now(outcome(granted.map(|views_left| Reply::Granted { views_left })))
    }
}
