//! Whether this node is of use to anybody: whether it knows, now, who leads.
//!
//! Raft alone does not tell: a node that was cut off remembers its last leader for ever.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    consensus::{BarrierError, Consensus},
    wire::client::NodeId,
};

/// How long a majority may take to confirm that this node leads.
const CONFIRM_PATIENCE: Duration = Duration::from_secs(1);
/// The least time that a leader must have been silent to be taken for lost.
const LEAST_SILENCE: Duration = Duration::from_secs(1);

/// Why a node is of no use at the moment.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotServing {
    #[error("nobody is known to lead")]
    NoLeader,
    #[error("node {leader} led last, and has said nothing for {} ms", silence.as_millis())]
    Silent { leader: NodeId, silence: Duration },
    #[error("this node was put back from an older copy of its folder, and has not caught up")]
    PutBack,
    #[error("this node led last, and no majority confirms it: {0}")]
    Unconfirmed(String),
}

/// Judges this node.
pub(super) struct Liveness {
    pub(super) id: NodeId,
    pub(super) consensus: Consensus,
    began: Instant,
    /// After so long a silence a follower has stood for election.
    pub(super) patience: Duration,
}

impl Liveness {
    pub(super) fn new(id: NodeId, consensus: Consensus, lease: Duration) -> Self {
        Self { id, consensus, began: Instant::now(), patience: LEAST_SILENCE.max(2 * lease) }
    }

    /// Whether this node serves and knows who leads.
    pub(super) async fn check(&self) -> Result<(), NotServing> {
        if self.consensus.is_put_back() {
            return Err(NotServing::PutBack);
        }
        let leader = self.consensus.leadership().borrow().leader.as_ref().map(|leader| leader.id);
        let leader = leader.ok_or(NotServing::NoLeader)?;
        if leader == self.id {
            let confirmed = tokio::time::timeout(CONFIRM_PATIENCE, self.consensus.leader_barrier()).await;
            return match confirmed {
                // Somebody else may have just taken over: this node is a good follower then.
                Ok(Err(BarrierError::NotLeader)) => match &self.consensus.leadership().borrow().leader {
                    Some(leader) if leader.id != self.id => Ok(()),
                    _ => Err(NotServing::NoLeader),
                },
                Ok(Ok(())) => Ok(()),
                Ok(Err(BarrierError::Unconfirmed(reason))) => Err(NotServing::Unconfirmed(reason)),
                Err(_) => Err(NotServing::Unconfirmed(format!("no answer within {CONFIRM_PATIENCE:?}"))),
            };
        }
        let silence = self.consensus.leader_silence().unwrap_or_else(|| self.began.elapsed());
        match silence <= self.patience {
            true => Ok(()),
            false => Err(NotServing::Silent { leader, silence }),
        }
    }
}
