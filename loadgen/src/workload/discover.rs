//! A user lists what is there to see.

use tokio::time::Instant;
use veil::{
    client::{Client, ClientError},
    directory::UserName,
};

use super::{Done, World};
use crate::record::{Call, Outcome, Reply};

/// See the module.
#[derive(Debug)]
pub struct Discover {
    user: UserName,
}

impl Discover {
    pub(super) fn of(user: UserName) -> Self {
        Self { user }
    }

    pub(super) fn call(&self) -> Call {
        Call::Discover { user: self.user.to_string() }
    }

    pub(super) async fn perform(self, client: &Client, world: &World, deadline: Instant) -> Done {
        let client = world.client_of(&self.user, client);
        let listed = client.list(self.user, None, deadline).await;
        // A question changes nothing: without an answer it has certainly failed.
        Done::now(match listed {
            Ok(page) => Outcome::Ok(Reply::Listed { images: page.lines.len() as u32 }),
            Err(error @ ClientError::Protocol(_)) => Outcome::Unknown(error.to_string()),
            Err(error) => Outcome::Failed(error.to_string()),
        })
    }
}
