//! Who leads: telling others, confirming it, handing it over.

use std::time::Duration;

use openraft::{
    ReadPolicy,
    async_runtime::watch::WatchReceiver,
    errors::{LinearizableReadError, RaftError},
};
use tokio::sync::{mpsc, oneshot, watch};

use super::{Consensus, machine::Machine, types::Raft};
use crate::wire::client::Leadership;

/// How long another node may take to take over the leadership.
const HAND_OVER_PATIENCE: Duration = Duration::from_secs(1);
/// How long a read may wait for the directory to reach what is committed.
const APPLY_PATIENCE: Duration = Duration::from_secs(1);

/// Why a read cannot be made linearizable here and now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BarrierError {
    /// Somebody else leads.
    #[error("not the leader")]
    NotLeader,
    /// A majority did not confirm the leadership in time, or Raft has stopped.
    #[error("{0}")]
    Unconfirmed(String),
}

pub(super) type BarrierWaiter = oneshot::Sender<Result<(), BarrierError>>;

impl Consensus {
    /// Who leads, and a wake-up when that changes.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.clone()
    }

    /// Waits until the local directory reflects every change acknowledged before the call. Calls
    /// that arrive while a round is under way share the next one.
    ///
    /// # Errors
    /// [`BarrierError`].
    pub async fn read_barrier(&self) -> Result<(), BarrierError> {
        let stopped = || BarrierError::Unconfirmed("raft has stopped".to_owned());
        let (sender, confirmed) = oneshot::channel();
        self.barriers.send(sender).map_err(|_| stopped())?;
        confirmed.await.map_err(|_| stopped())?
    }

    /// If this node leads, has the voter whose log is most complete take over, and waits until it has, or a
    /// little while. Raft must go on being served meanwhile.
    pub async fn hand_over(&self) {
        let id = *self.raft.node_id();
        let successor = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow_watched();
            let voters = metrics.membership_config.voter_ids().filter(|voter| *voter != id);
            // Only a leader knows how far the others are. Among equals, whoever was heard of last: one of
            // them may be dead.
            metrics.replication.as_ref().and_then(|matched| {
                let heard = metrics.heartbeat.as_ref();
                voters.max_by_key(|voter| (matched.get(voter), heard.and_then(|heard| heard.get(voter))))
            })
        };
        let Some(successor) = successor else { return };
        if let Err(error) = self.raft.trigger().transfer_leader(successor).await {
            tracing::warn!(%error, "the leadership cannot be handed over");
            return;
        }
        let mut leadership = self.leadership();
        let moved = leadership.wait_for(|now| now.leader.as_ref().is_some_and(|leader| leader.id != id));
        if tokio::time::timeout(HAND_OVER_PATIENCE, moved).await.is_err() {
            tracing::warn!(successor, "nobody has taken over the leadership");
        }
    }
}

/// Confirms the leadership with a majority, once for all reads that wait (ReadIndex).
pub(super) async fn confirm_leadership(
    raft: Raft,
    machine: Machine,
    mut waiting: mpsc::UnboundedReceiver<BarrierWaiter>,
) {
    while let Some(first) = waiting.recv().await {
        let mut round = vec![first];
        while let Ok(next) = waiting.try_recv() {
            round.push(next);
        }
        let confirmed = match raft.get_read_linearizer(ReadPolicy::ReadIndex).await {
            Ok(linearizer) => {
                let applied = machine.wait_applied(linearizer.read_log_id().index());
                let behind = |_| BarrierError::Unconfirmed("the directory lags behind the log".to_owned());
                tokio::time::timeout(APPLY_PATIENCE, applied).await.map_err(behind)
            }
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(_))) => {
                Err(BarrierError::NotLeader)
            }
            Err(error) => Err(BarrierError::Unconfirmed(error.to_string())),
        };
        for waiter in round {
            // The asker may have given up.
            let _ = waiter.send(confirmed.clone());
        }
    }
}

/// Follows Raft's metrics and tells when term or leader change.
pub(super) fn watch_leadership(raft: &Raft) -> watch::Receiver<Leadership> {
    let mut metrics = raft.server_metrics();
    let (sender, receiver) = watch::channel(Leadership::default());
    tokio::spawn(async move {
        loop {
            let now = {
                let metrics = metrics.borrow_watched();
                let membership = metrics.membership_config.membership();
                let member = |id| membership.get_node(&id).map(|seat| seat.member.clone());
                Leadership {
                    term: metrics.vote.leader_id.term,
                    leader: metrics.current_leader.and_then(member),
                }
            };
            sender.send_if_modified(|known| {
                let changed = *known != now;
                if changed {
                    *known = now;
                }
                changed
            });
            if metrics.changed().await.is_err() {
                return;
            }
        }
    });
    receiver
}
