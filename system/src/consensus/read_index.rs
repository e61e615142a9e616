//! Linearizable reads at any node (ReadIndex): a read may be answered from the directory here once that reflects all
//! that was committed when the read came.
//!
//! The leader learns what is committed by a round of heartbeats, which tells it that it leads still; it waits for the
//! quickest majority. Any other node asks the leader. Either way those who come while a round is under way share a
//! later one, so that the number of rounds does not grow with the number of reads.

use std::{future::Future, sync::Arc, time::Duration};

use openraft::{
    ReadPolicy,
    errors::{LinearizableReadError, RaftError},
};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    time::timeout,
};

use super::{
    Consensus,
    contacts::Contacts,
    message::{PeerAnswer, PeerRequest},
    suspicion::Evidence,
    types::Raft,
};
use crate::wire::{client::Leadership, frame::Link, links::Links, transport::Network};

/// How long the leader may take to say what is committed.
const LEADER_PATIENCE: Duration = Duration::from_millis(500);
/// How long a read may wait for the directory to reach what is committed.
const APPLY_PATIENCE: Duration = Duration::from_secs(1);
/// A majority may take so much longer than the lease to confirm that this node leads, be the disks as slow as they may.
const LONGEST_CONFIRMATION: Duration = Duration::from_secs(1);
/// In a round, so many writes of a follower may come one after the other: one that is under way, and what came meanwhile.
const WRITES_A_ROUND: u32 = 2;
/// How many rounds are under way at a time. With two, the next one is at the leader when the first is answered.
const ROUNDS: usize = 2;

/// Why a read cannot be made linearizable here and now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum BarrierError {
    /// Somebody else leads, or nobody.
    #[error("not the leader")]
    NotLeader,
    /// A majority did not confirm the leadership in time, the leader was not reached, or Raft has stopped.
    #[error("{0}")]
    Unconfirmed(String),
}

type Found = Result<u64, BarrierError>;

/// Those who want to know the index up to which the log is committed, once they have begun to wait.
pub(super) type IndexQueue = mpsc::UnboundedSender<oneshot::Sender<Found>>;

impl Consensus {
    /// Waits until the local directory reflects every change acknowledged before the call, wherever that was. Any node
    /// can that is connected to a leader.
    ///
    /// # Errors
    /// [`BarrierError`]; of a node that does not know who leads, [`BarrierError::NotLeader`].
    pub async fn read_barrier(&self) -> Result<(), BarrierError> {
        let index = match self.leads() {
            true => self.read_index().await?,
            false => queued(&self.leaders_indices).await?,
        };
        self.reach(index).await
    }

    /// Waits until a majority has confirmed that this node leads, and the local directory reflects every change
    /// acknowledged before the call.
    ///
    /// # Errors
    /// [`BarrierError`].
    pub async fn leader_barrier(&self) -> Result<(), BarrierError> {
        let index = self.read_index().await?;
        self.reach(index).await
    }

    /// Up to where the log is committed. Only the leader can tell.
    pub(super) async fn read_index(&self) -> Found {
        if self.is_silent() {
            return Err(BarrierError::NotLeader);
        }
        queued(&self.own_indices).await
    }

    /// Whether this node leads, as far as it knows.
    pub fn leads(&self) -> bool {
        self.leadership.borrow().leader.as_ref().is_some_and(|leader| leader.id == *self.raft.node_id())
    }

    async fn reach(&self, index: u64) -> Result<(), BarrierError> {
        let applied = timeout(APPLY_PATIENCE, self.machine.wait_applied(index));
        let behind = |_| BarrierError::Unconfirmed("the directory lags behind the log".to_owned());
        applied.await.map_err(behind)
    }
}

async fn queued(queue: &IndexQueue) -> Found {
    let stopped = || BarrierError::Unconfirmed("raft has stopped".to_owned());
    let (sender, found) = oneshot::channel();
    queue.send(sender).map_err(|_| stopped())?;
    found.await.map_err(|_| stopped())?
}

/// Has the heartbeats of `raft` tell what is committed, for as long as anybody may ask.
pub(super) fn ask_majority(raft: &Raft, contacts: &Contacts, lease: Duration) -> IndexQueue {
    let (raft, contacts) = (raft.clone(), contacts.clone());
    in_rounds(move || {
        let raft = raft.clone();
        // A follower answers a heartbeat when it has written what came before it.
        let writing = WRITES_A_ROUND * contacts.evidence(Evidence::slowest_pace);
        let patience = lease + writing.min(LONGEST_CONFIRMATION);
        async move {
            match timeout(patience, raft.get_read_linearizer(ReadPolicy::ReadIndex)).await {
                Ok(Ok(linearizer)) => Ok(linearizer.read_log_id().index()),
                Ok(Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(_)))) => {
                    Err(BarrierError::NotLeader)
                }
                Ok(Err(error)) => Err(BarrierError::Unconfirmed(error.to_string())),
                Err(_) => {
                    Err(BarrierError::Unconfirmed(format!("no majority has answered within {patience:?}")))
                }
            }
        }
    })
}

/// Has whoever leads tell what is committed, for as long as anybody may ask.
pub(super) fn ask_leader(network: Arc<dyn Network>, leadership: watch::Receiver<Leadership>) -> IndexQueue {
    let links = Arc::new(Links::<PeerRequest, PeerAnswer>::new(network, Link::Peer, 1));
    in_rounds(move || {
        let (links, mut leadership) = (links.clone(), leadership.clone());
        async move {
            let leader = leadership.borrow_and_update().leader.clone().ok_or(BarrierError::NotLeader)?;
            let question = PeerRequest::ReadIndex;
            tokio::select! {
                answer = links.ask(&leader.peer, &question, LEADER_PATIENCE) => match answer {
                    Ok(PeerAnswer::ReadIndex(found)) => found,
                    Ok(answer) => Err(BarrierError::Unconfirmed(format!("unexpected answer {answer:?}"))),
                    Err(error) => Err(BarrierError::Unconfirmed(error.to_string())),
                },
                _ = leadership.changed() => Err(BarrierError::NotLeader),
            }
        }
    })
}

/// Begins a round whenever somebody waits and not too many are under way, and answers with it all who waited when it
/// began. Who comes later may want to know of changes that came later.
fn in_rounds<F>(round: impl Fn() -> F + Send + 'static) -> IndexQueue
where
    F: Future<Output = Found> + Send + 'static,
{
    let (queue, mut waiting) = mpsc::unbounded_channel::<oneshot::Sender<Found>>();
    tokio::spawn(async move {
        let rounds = Arc::new(Semaphore::new(ROUNDS));
        while let Some(first) = waiting.recv().await {
            let Ok(place) = rounds.clone().acquire_owned().await else { return };
            let mut sharing = vec![first];
            while let Ok(next) = waiting.try_recv() {
                sharing.push(next);
            }
            let round = round();
            tokio::spawn(async move {
                let found = round.await;
                drop(place);
                for asker in sharing {
                    // It may have given up.
                    let _ = asker.send(found.clone());
                }
            });
        }
    });
    queue
}

#[cfg(test)]
mod tests;
