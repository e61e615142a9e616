//! Backups of the directory, for operators.

use tokio::time::Instant;

use super::{Client, ClientError, protocol};
use crate::{
    directory::{Place, Query, Record, RequestId, Restore},
    wire::client::{Change, Reply},
};

impl Client {
    /// One page of the directory's records, and the log index that it belongs to; without records when there are no
    /// more of the kind.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn dump(&self, from: Place, deadline: Instant) -> Result<(u64, Vec<Record>), ClientError> {
        match self.read(Query::Dump { from }, deadline).await? {
            Reply::Dump { applied, records } => Ok((applied, records)),
            other => Err(protocol(&other)),
        }
    }

    /// Brings records back, and says how many were not there yet.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn restore(
        &self,
        request: RequestId,
        restore: Restore,
        deadline: Instant,
    ) -> Result<u64, ClientError> {
        match self.execute(request, Change::Restore(restore), deadline).await? {
            Reply::Restored { count } => Ok(count),
            other => Err(protocol(&other)),
        }
    }
}
