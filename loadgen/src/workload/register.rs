//! A new user registers.

use tokio::time::Instant;
use veil::{client::Client, directory::UserName};

use super::{
    Done, outcome,
    world::{key_pair, user_name},
};
use crate::record::{Call, Reply};

/// See the module.
#[derive(Debug)]
pub struct Register {
    user: UserName,
}

impl Register {
    pub(super) fn choose(op: u64) -> Self {
        Self { user: user_name('r', op) }
    }

    pub(super) fn of(user: u32) -> Self {
        Self { user: user_name('u', u64::from(user)) }
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
