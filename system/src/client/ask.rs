//! What the methods for groups, images, inboxes and backups are made of.

use tokio::time::Instant;

use super::{Client, ClientError, protocol};
use crate::{
    directory::{Query, RequestId},
    wire::client::{Change, Consistency, Reply, Request},
};

impl Client {
    /// Asks for a change of which there is nothing more to say than that it is done.
    pub(super) async fn done(
        &self,
        request: RequestId,
        change: Change,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        match self.execute(request, change, deadline).await? {
            Reply::Done => Ok(()),
            other => Err(protocol(&other)),
        }
    }

    /// Asks for a change of a grant, and gives back the views left as the directory has them.
    pub(super) async fn granted(
        &self,
        request: RequestId,
        change: Change,
        deadline: Instant,
    ) -> Result<u32, ClientError> {
        match self.execute(request, change, deadline).await? {
            Reply::Granted { views_left, .. } => Ok(views_left),
            other => Err(protocol(&other)),
        }
    }

    /// Asks the directory.
    pub(super) async fn read(&self, query: Query, deadline: Instant) -> Result<Reply, ClientError> {
        match &self.stale {
            Some(staleness) => self.read_stale(query, staleness, deadline).await,
            None => {
                let read = Request::Read { query, consistency: Consistency::Linearizable };
                self.ask_leader(read, deadline).await
            }
        }
    }
}
