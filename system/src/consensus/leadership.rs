//! Who leads: telling others, handing it over.

use std::{cmp::Reverse, time::Duration};

use openraft::{Instant as _, async_runtime::watch::WatchReceiver, errors::Fatal};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use super::{
    Consensus,
    types::{Raft, TypeConfig},
};
use crate::wire::client::{Leadership, NodeId, TransferError};

/// How long another node may take to have all that the leader had when it was asked to hand over.
const CATCH_UP_PATIENCE: Duration = Duration::from_secs(1);
/// How long another node may take to take over the leadership.
const HAND_OVER_PATIENCE: Duration = Duration::from_secs(1);
/// How long a leader that is to go looks for a successor.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// Why the leadership was not moved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransferFailure {
    /// Somebody else leads.
    #[error("not the leader")]
    NotLeader,
    /// It cannot be moved like that.
    #[error(transparent)]
    Refused(#[from] TransferError),
    /// Raft has stopped, or the leadership has moved by itself meanwhile.
    #[error("{0}")]
    Stopped(String),
}

impl Consensus {
    /// Who leads, and a wake-up when that changes.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.clone()
    }

    /// If this node leads, has another voter take over, and waits until it has, or a little while. Raft must go on being
    /// served meanwhile.
    pub async fn hand_over(&self) {
        match timeout(STOP_PATIENCE, self.transfer(None)).await {
            Ok(Ok(_) | Err(TransferFailure::NotLeader | TransferFailure::Refused(TransferError::Alone))) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the leadership cannot be handed over"),
            Err(_) => tracing::warn!("the leadership was not handed over within {STOP_PATIENCE:?}"),
        }
    }

    /// Has another voter take over, a certain one or the one whose log is most complete, and says who leads then. It
    /// has to have the log first, so that the cluster is without a leader no longer than an election takes.
    ///
    /// # Errors
    /// [`TransferFailure`].
    pub async fn transfer(&self, to: Option<NodeId>) -> Result<Leadership, TransferFailure> {
        let candidates = self.successors()?;
        let Some(to) = to else {
            let mut failure = TransferError::Alone.into();
            // Who may yet take over, whatever becomes of the others.
            let mut asked = None;
            for candidate in candidates {
                if let Some(unfit) = self.unfit_to_lead(candidate) {
                    failure = unfit.into();
                    continue;
                }
                match self.transfer_to(candidate).await {
                    Err(TransferFailure::Refused(not_taken @ TransferError::NotTaken { .. })) => {
                        asked.get_or_insert(not_taken);
                    }
                    Err(refused @ TransferFailure::Refused(_)) => failure = refused,
                    // Somebody else leads: that is not to say that nothing was moved.
                    Err(TransferFailure::NotLeader) if asked.is_some() => {
                        return Err(TransferFailure::Stopped("this node leads no more".to_owned()));
                    }
                    settled => return settled,
                }
            }
            return Err(asked.map_or(failure, TransferFailure::from));
        };
        if to == *self.raft.node_id() {
            return Err(TransferError::LeadsAlready { id: to }.into());
        }
        if let Some(unfit) = self.unfit_to_lead(to) {
            return Err(unfit.into());
        }
        if !candidates.contains(&to) {
            let member = self.members().iter().any(|member| member.id == to);
            let refused =
                if member { TransferError::NoVote { id: to } } else { TransferError::Unknown { id: to } };
            return Err(refused.into());
        }
        self.transfer_to(to).await
    }

    /// The other voters, the one whose log is most complete first. Among equals it is whoever was heard of last: one
    /// of them may be dead. Only a leader knows.
    pub(super) fn successors(&self) -> Result<Vec<NodeId>, TransferFailure> {
        let id = *self.raft.node_id();
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let (Some(matched), Some(heard)) = (&metrics.replication, &metrics.heartbeat) else {
            return Err(TransferFailure::NotLeader);
        };
        let mut voters: Vec<_> = metrics.membership_config.voter_ids().filter(|voter| *voter != id).collect();
        voters.sort_by_key(|voter| Reverse((matched.get(voter), heard.get(voter))));
        Ok(voters)
    }

    /// Why a node would not take over. To be known before it is asked: a leader that has asked somebody leads no more.
    pub(super) fn unfit_to_lead(&self, id: NodeId) -> Option<TransferError> {
        if let Some(off_ms) = self.clock_of(id) {
            return Some(TransferError::WrongClock { id, off_ms });
        }
        let waits = self.contacts.evidence(|evidence| evidence.pace(id));
        (waits >= self.disk_timeout).then_some(TransferError::DiskHangs { id, waits })
    }

    pub(super) async fn transfer_to(&self, to: NodeId) -> Result<Leadership, TransferFailure> {
        let stopped = |error: &dyn std::fmt::Display| TransferFailure::Stopped(error.to_string());
        let (id, began) = (*self.raft.node_id(), Instant::now());
        match timeout(CATCH_UP_PATIENCE, self.caught_up_since(to, began)).await {
            Ok(caught_up) => caught_up?,
            Err(_) => return Err(TransferError::NotCaughtUp { id: to, waited: began.elapsed() }.into()),
        }
        let mut leadership = self.leadership();
        self.step_back_for(to).await.map_err(|error| stopped(&error))?;
        let moved = leadership.wait_for(|now| now.leader.as_ref().is_some_and(|leader| leader.id != id));
        match timeout(HAND_OVER_PATIENCE, moved).await {
            Ok(Ok(now)) => Ok(now.clone()),
            Ok(Err(closed)) => Err(stopped(&closed)),
            Err(_) => Err(TransferError::NotTaken { id: to, waited: began.elapsed() }.into()),
        }
    }

    /// Leads no more, and tells everybody that a node is to be elected. Others may be as well, should it not step in: see
    /// [`lets_go`](Self::lets_go).
    pub(super) async fn step_back_for(&self, to: NodeId) -> Result<(), Fatal<TypeConfig>> {
        let vote = self.raft.server_metrics().borrow_watched().vote;
        *self.leaving.lock() = Some(vote);
        self.raft.trigger().transfer_leader(to).await
    }

    /// Waits until a node was heard of after `began`, and has all that was in the log then. A leader that has stepped back for
    /// another sends no heartbeats that could be answered: then the log alone has to do.
    async fn caught_up_since(&self, to: NodeId, began: Instant) -> Result<(), TransferFailure> {
        let stopped = |error: &dyn std::fmt::Display| TransferFailure::Stopped(error.to_string());
        let mut metrics = self.raft.metrics();
        let goal = metrics.borrow_watched().last_log_index;
        let vote = self.raft.server_metrics().borrow_watched().vote;
        let stepped_back = self.has_stepped_back(vote);
        self.raft.trigger().heartbeat().await.map_err(|error| stopped(&error))?;
        loop {
            {
                let now = metrics.borrow_watched();
                let (Some(matched), Some(heard)) = (&now.replication, &now.heartbeat) else {
                    return Err(TransferFailure::NotLeader);
                };
                let matched = matched.get(&to).copied().flatten().map(|log_id| log_id.index);
                let heard = heard.get(&to).copied().flatten();
                let asked_for = began.elapsed();
                let heard = heard.is_some_and(|heard| heard.elapsed() <= asked_for);
                if matched >= goal && (heard || stepped_back) {
                    return Ok(());
                }
            }
            metrics.changed().await.map_err(|error| stopped(&error))?;
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
