//! A new user registers.

use tokio::time::Instant;
use veil::{client::Client, directory::UserName};

use super::{Done, key_pair, outcome};
use crate::record::{Call, Reply};

/// See the module.
#[derive(Debug)]
pub struct Register {
    user: UserName,
}

impl Register {
    pub(super) fn of(user: UserName) -> Self {
        Self { user }
    }

    pub(super) fn call(&self) -> Call {
        Call::Register { user: self.user.to_string() }
    }

    pub(super) async fn perform(self, client: &Client, deadline: Instant) -> Done {
        let key = key_pair(&self.user).public();
        let registered = client.register(client.request_id(), self.user, key, None, deadline).await;
        Done::now(outcome(registered.map(|()| Reply::Registered)))
    }
}
