//! Whether there is anybody to talk to at all.

use super::{ClientError, Inner};
use crate::wire::connection::CallError;

/// Whether a client has reached its cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// No node has opened a connection so far.
    Not {
        /// What the last attempt met with, if one has failed.
        failure: Option<String>,
    },
    /// A node has.
    Reached,
}

impl Default for Reach {
    fn default() -> Self {
        Self::Not { failure: None }
    }
}

impl Reach {
    /// Whether a node has opened a connection.
    pub fn is_reached(&self) -> bool {
        *self == Self::Reached
    }

    /// Why none has so far.
    pub fn failure(&self) -> Option<&str> {
        match self {
            Self::Not { failure } => failure.as_deref(),
            Self::Reached => None,
        }
    }
}

impl Inner {
    pub(super) fn note_reach<T>(&self, opened: &Result<T, CallError>) {
        if self.reach.borrow().is_reached() {
            return;
        }
        match opened {
            Ok(_) => drop(self.reach.send_replace(Reach::Reached)),
            Err(error) => drop(self.reach.send_if_modified(|reach| {
                if let Reach::Not { failure } = reach {
                    *failure = Some(error.to_string());
                }
                false
            })),
        }
    }

    /// Says of a time-out that there was nobody all the time, if there was not.
    pub(super) fn explain(&self, error: ClientError) -> ClientError {
        match (error, &*self.reach.borrow()) {
            (ClientError::TimedOut { waited, last }, Reach::Not { failure }) => ClientError::Unreachable {
                waited,
                nodes: self.nodes.clone(),
                last: failure.clone().unwrap_or(last),
            },
            (error, _) => error,
        }
    }
}
