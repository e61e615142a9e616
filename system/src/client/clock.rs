//! The directory's clock, for operators.

use tokio::time::Instant;

use super::{Client, ClientError, protocol};
use crate::{
    directory::RequestId,
    wire::client::{Change, Reply},
};

impl Client {
    /// Sets the directory's clock to the leader's, and says what it showed before and what it shows now, milliseconds
    /// since the Unix epoch.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn set_clock(&self, request: RequestId, deadline: Instant) -> Result<(u64, u64), ClientError> {
        match self.execute(request, Change::SetClock, deadline).await? {
            Reply::ClockSet { was_ms, clock_ms } => Ok((was_ms, clock_ms)),
            other => Err(protocol(&other)),
        }
    }
}
