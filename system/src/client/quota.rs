//! What the cluster, and each user, may hold.

use tokio::time::Instant;

use super::{Client, ClientError, protocol};
use crate::{
    directory::{Limits, Query, Quota, Quotas, RequestId, SetQuotas, Usage, UserName},
    wire::client::{Change, Reply},
};

impl Client {
    /// The quotas, and what the cluster holds. Operators may ask.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn limits(&self, deadline: Instant) -> Result<Limits, ClientError> {
        match self.read(Query::Limits, deadline).await? {
            Reply::Limits(limits) => Ok(*limits),
            other => Err(protocol(&other)),
        }
    }

    /// Sets quotas; those that are not named stay. Operators may.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn set_quotas(
        &self,
        request: RequestId,
        set: Vec<(Quota, u64)>,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        self.done(request, Change::SetQuotas(SetQuotas { set, founding: false }), deadline).await
    }

    /// What the records of a user take, and what they may take.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn usage(&self, user: UserName, deadline: Instant) -> Result<(Usage, Quotas), ClientError> {
        match self.read(Query::Usage { user }, deadline).await? {
            Reply::Usage { usage, quotas } => Ok((usage, *quotas)),
            other => Err(protocol(&other)),
        }
    }
}
