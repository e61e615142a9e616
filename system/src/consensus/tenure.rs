//! What a leader does about itself: it falls silent when it hears no majority, and hands over when its disk hangs.
//!
//! Neither takes anything from Raft's safety, nor adds to it: whoever leads in a term goes on doing so until a majority has
//! elected somebody else in a higher one, silent or not. It is for others to be elected sooner.

use std::time::Duration;

use openraft::{ServerState, async_runtime::watch::WatchReceiver};
use tokio::time::{Instant, sleep, timeout};

use super::{
    Consensus,
    contacts::HOLD,
    leadership::TransferFailure,
    message::{PeerRequest, RaftMessage},
    suspicion::Attention,
    types::Vote,
};
use crate::wire::client::{NodeId, TransferError};

/// How long to wait before the next try to hand over, if nobody could take over.
const NEXT_TRY: Duration = Duration::from_secs(1);

/// How often a leader that has resigned looks whether a majority is heard again: before the others act on it, see `suspicion`.
const SECOND_LOOK: Duration = Duration::from_millis(2);

/// A leader's reign.
struct Tenure {
    vote: Vote,
    since: Instant,
    attention: Attention,
    /// When it last said that it has resigned, if it has.
    resigned: Option<Instant>,
    /// When it may next try to hand over; not at all when it has.
    next_try: Option<Instant>,
}

impl Consensus {
    /// Looks after the leadership whenever this node has it, for ever.
    pub(super) async fn look_after_leadership(&self) {
        let mut metrics = self.raft.server_metrics();
        let mut tenure: Option<Tenure> = None;
        loop {
            let now = Instant::now();
            let Some((vote, voters)) = self.reign() else {
                if tenure.take().is_some() {
                    self.speak();
                }
                if metrics.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let current = match tenure.take() {
                Some(current) if current.vote == vote => current,
                _ => {
                    self.speak();
                    Tenure {
                        vote,
                        since: now,
                        attention: Attention::new(now),
                        resigned: None,
                        next_try: Some(now),
                    }
                }
            };
            let current = tenure.insert(current);
            self.listen(current, &voters, now);
            if self.disk_hangs(now) && current.next_try.is_some_and(|at| now >= at) {
                let left = self.leave_to_a_better_disk().await;
                current.next_try = (!left).then(|| Instant::now() + NEXT_TRY);
            }
            let pause = if current.resigned.is_some() { SECOND_LOOK } else { Attention::STEP };
            tokio::select! {
                () = sleep(pause) => {}
                changed = metrics.changed() => if changed.is_err() { return },
            }
        }
    }

    /// The vote by which this node leads, if it does, and who has a vote.
    fn reign(&self) -> Option<(Vote, Vec<NodeId>)> {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let leads = metrics.state == ServerState::Leader;
        leads.then(|| (metrics.vote, metrics.membership_config.voter_ids().collect()))
    }

    /// Resigns when no majority was heard for the lease, and goes on when one is again. Who hears nobody may be heard: then
    /// its heartbeats alone keep the others from electing somebody.
    fn listen(&self, tenure: &mut Tenure, voters: &[NodeId], now: Instant) {
        let own = *self.raft.node_id();
        let heard = self.contacts.evidence(|evidence| evidence.heard_majority(own, voters, now));
        let silence = tenure.attention.look(heard.max(Some(tenure.since)), now);
        // On a connection on which nothing else is said, an answer comes as often as HOLD. One such time more than the lease,
        // so that others who are merely busy are not taken for lost: who is told need not wait for the lease itself.
        let patience = self.lease.max(2 * HOLD) + HOLD;
        if silence <= patience {
            if tenure.resigned.take().is_some() {
                tracing::info!("a majority is heard again, and nobody else was elected: this node leads on");
                self.speak();
                self.tell_everybody(&RaftMessage::LeadOn(tenure.vote));
            }
            return;
        }
        // Those who have heard of it act on it for as long as a lease.
        if tenure.resigned.is_none_or(|at| now.saturating_duration_since(at) > self.lease) {
            if tenure.resigned.is_none() {
                tracing::warn!(
                    ?silence,
                    "no majority is heard: this node leads no more until one is, or another does"
                );
                self.fall_silent();
            }
            tenure.resigned = Some(now);
            self.tell_everybody(&RaftMessage::Resign(tenure.vote));
        }
    }

    /// Tells everybody that they need not wait for this leader to fall silent, or that it leads on.
    fn tell_everybody(&self, message: &RaftMessage) {
        for (seat, contact) in self.contacts.all() {
            let promise = self.promises.of(seat.member.id, seat.disk);
            let told = PeerRequest::Raft { to: seat.disk, told: promise, message: message.clone() };
            let patience = self.lease;
            tokio::spawn(async move {
                // Who does not hear it waits for the lease.
                let _ = timeout(patience, contact.call(&told)).await;
            });
        }
    }

    /// Waits until another node was heard that leads, after `since`.
    async fn heard_as_leader(&self, id: NodeId, since: Instant) {
        while self.contacts.evidence(|evidence| evidence.last_heard(id)) < Some(since) {
            sleep(Attention::STEP).await;
        }
    }

    /// Has somebody lead whose disk works, if there is one, and says whether it does. Others have what was acknowledged
    /// meanwhile, and the transfer itself needs no disk here.
    async fn leave_to_a_better_disk(&self) -> bool {
        let Ok(candidates) = self.successors() else { return false };
        let waited = self.disk_waits(Instant::now());
        let quick = |id: &NodeId| self.contacts.evidence(|evidence| evidence.pace(*id)) < waited / 2;
        let reason = format!("the disk has not finished a write for {} ms", waited.as_millis());
        let fit = |id: &NodeId| quick(id) && self.unfit_to_lead(*id).is_none();
        for candidate in candidates.into_iter().filter(fit) {
            let began = Instant::now();
            let moved = tokio::select! {
                moved = self.transfer_to(candidate) => moved.map(drop),
                // Raft cannot say so before it has written that down.
                () = self.heard_as_leader(candidate, began) => Ok(()),
            };
            match moved {
                Ok(()) => {
                    tracing::warn!(to = candidate, "{reason}: the leadership was handed over");
                    self.fall_silent();
                    return true;
                }
                Err(TransferFailure::Refused(
                    TransferError::NotCaughtUp { .. } | TransferError::NotTaken { .. },
                )) => {}
                Err(_) => return false,
            }
        }
        tracing::warn!("{reason}, and nobody could take over the leadership");
        false
    }
}
