//! Reads that may be stale: any node answers them from what it holds, even one that is cut off, and says how old that
//! may be.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Client, ClientError, protocol};
use crate::{
    directory::Query,
    wire::client::{Consistency, Reply, Request},
};

/// How old what was read may have been.
#[derive(Debug, Clone, Default)]
pub struct Staleness(Arc<Mutex<Read>>);

#[derive(Debug, Clone, Copy, Default)]
struct Read {
    oldest: Duration,
    /// Whether a node has answered that has heard of no leader yet.
    unknown: bool,
}

impl Staleness {
    /// What was read reflects all that was acknowledged so long before, as far as the nodes that answered can know.
    pub fn at_most(&self) -> Option<Duration> {
        let read = *self.0.lock();
        (!read.unknown).then_some(read.oldest)
    }

    fn note(&self, age_ms: Option<u64>) {
        let mut read = self.0.lock();
        match age_ms {
            Some(age) => read.oldest = read.oldest.max(Duration::from_millis(age)),
            None => read.unknown = true,
        }
    }
}

impl Client {
    /// The same client, but whatever it reads may be stale; how much so is told by what comes beside it.
    pub fn reading_stale(&self) -> (Self, Staleness) {
        let staleness = Staleness::default();
        (Self { stale: Some(staleness.clone()), ..self.clone() }, staleness)
    }

    pub(super) async fn read_stale(
        &self,
        query: Query,
        staleness: &Staleness,
        deadline: Instant,
    ) -> Result<Reply, ClientError> {
        let read = self.asked(Request::Read { query, consistency: Consistency::Stale });
        let answer = self.inner.ask_anybody(&read, deadline).await;
        match answer.map_err(|error| self.inner.explain(error))? {
            Reply::Stale { age_ms, reply } => {
                staleness.note(age_ms);
                Ok(*reply)
            }
            other => Err(protocol(&other)),
        }
    }
}
