//! Backups of the directory, for operators.

use tokio::time::Instant;

use super::{Client, ClientError, protocol};
use crate::{
    directory::{ImageId, Place, Query, Record, RequestId, Restore},
    identity::{KeyNumber, WrappedKey},
    wire::client::{CHECKED_MAX, Change, Reply, Request},
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

    /// Whether the cluster has the key-encryption keys under which a dump's content keys are, and the one of the number
    /// `in_use`. Nothing is changed.
    ///
    /// # Errors
    /// [`ClientError::Refused`], with the first image whose key does not open.
    pub async fn check_keys(
        &self,
        in_use: KeyNumber,
        keys: &[(ImageId, WrappedKey)],
        deadline: Instant,
    ) -> Result<(), ClientError> {
        // Without any there is still the one that is in use.
        let first: &[_] = &[];
        for keys in keys.chunks(CHECKED_MAX).chain(keys.is_empty().then_some(first)) {
            match self.ask_leader(Request::CheckKeys { in_use, keys: keys.to_vec() }, deadline).await? {
                Reply::Done => {}
                other => return Err(protocol(&other)),
            }
        }
        Ok(())
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
