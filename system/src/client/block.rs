//! Blocking users, and letting them be heard again.

use tokio::time::Instant;

use super::{Client, ClientError, protocol};
use crate::{
    directory::{Block, Query, RequestId, Unblock, UserName},
    wire::client::{Change, Reply},
};

impl Client {
    /// Blocks a user.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn block_user(
        &self,
        request: RequestId,
        block: Block,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        self.done(request, Change::Block(block), deadline).await
    }

    /// Blocks a user no longer.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn unblock_user(
        &self,
        request: RequestId,
        unblock: Unblock,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        self.done(request, Change::Unblock(unblock), deadline).await
    }

    /// Whom a user has blocked, by name.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn blocked(&self, user: UserName, deadline: Instant) -> Result<Vec<UserName>, ClientError> {
        match self.read(Query::Blocked { user }, deadline).await? {
            Reply::Blocked(blocked) => Ok(blocked),
            other => Err(protocol(&other)),
        }
    }
}
