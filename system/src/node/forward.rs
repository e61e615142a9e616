//! Proposals by nodes that do not lead: handed to the leader, again and again under the same request
//! id, until it is settled or time is up.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    consensus::{Consensus, PeerAnswer, PeerRequest, ProposeError},
    directory::{Action, Actor, Answer, Refusal, RequestId},
    wire::{
        client::{Leadership, Member, NodeId},
        links::Links,
    },
};

/// How long one attempt may take before the leadership is looked at again.
const ATTEMPT: Duration = Duration::from_millis(1_000);
/// The pause after an attempt that led nowhere, unless the leadership changes sooner.
const PAUSE: Duration = Duration::from_millis(20);

/// Proposes from any node.
#[derive(Clone)]
pub(super) struct Forwarder {
    pub(super) id: NodeId,
    pub(super) consensus: Consensus,
    pub(super) links: Arc<Links<PeerRequest, PeerAnswer>>,
}

impl Forwarder {
    /// Settles the proposal with whoever leads, within `patience`.
    pub(super) async fn propose(
        &self,
        request: RequestId,
        actor: Actor,
        action: Action,
        patience: Duration,
    ) -> Result<Answer, ProposeError> {
        let deadline = Instant::now() + patience;
        let mut leadership = self.consensus.leadership();
        let mut last = "nobody leads".to_owned();
        let mut unsettled = false;
        // Of a leader that goes by a clock that may be wrong.
        let mut refused = None;
        while Instant::now() < deadline {
            let Leadership { leader, .. } = leadership.borrow_and_update().clone();
            if let Some(leader) = leader {
                let attempt = self.attempt(&leader, request, actor, action.clone());
                let time_left = ATTEMPT.min(deadline - Instant::now());
                let attempted = tokio::select! {
                    attempted = tokio::time::timeout(time_left, attempt) => attempted,
                    // A new leader is asked at once, whatever became of the old one.
                    _ = leadership.changed() => {
                        unsettled = true;
                        continue;
                    }
                };
                match attempted {
                    // That says nothing of an earlier attempt, which may yet be taken.
                    Ok(Ok(Err(refusal @ Refusal::AnswersFull { .. }))) if unsettled => {
                        last = refusal.to_string();
                    }
                    // Nor does that, and asking again is of no use.
                    Ok(Ok(Err(refusal))) | Ok(Err(ProposeError::Declined(refusal)))
                        if unsettled && !says_all(&refusal) =>
                    {
                        return Err(ProposeError::Unsettled(refusal.to_string()));
                    }
                    Ok(Ok(answer)) => return Ok(answer),
                    // Only when no earlier attempt can have been taken is it certain that nothing was done.
                    Ok(Err(
                        declined @ (ProposeError::Busy { .. }
                        | ProposeError::Full { .. }
                        | ProposeError::Declined(_)),
                    )) if !unsettled => return Err(declined),
                    Ok(Err(error)) => {
                        unsettled |= matches!(error, ProposeError::Unsettled(_));
                        last = error.to_string();
                        refused = matches!(error, ProposeError::Clock(_)).then_some(error);
                    }
                    Err(_) => {
                        unsettled = true;
                        last = format!("node {} did not answer in time", leader.id);
                    }
                }
            }
            // Either the leadership moves, or the same leader is asked again a little later.
            let _ = tokio::time::timeout(PAUSE, leadership.changed()).await;
        }
        match unsettled {
            true => Err(ProposeError::Unsettled(last)),
            false => Err(refused.unwrap_or(ProposeError::NotLeader)),
        }
    }

    async fn attempt(
        &self,
        leader: &Member,
        request: RequestId,
        actor: Actor,
        action: Action,
    ) -> Result<Answer, ProposeError> {
        if leader.id == self.id {
            return self.consensus.propose(request, actor, action).await;
        }
        let propose = PeerRequest::Propose { request, actor, action };
        match self.links.ask(&leader.peer, &propose, ATTEMPT).await {
            Ok(PeerAnswer::Proposed(answer)) => answer,
            Ok(answer) => Err(ProposeError::Unsettled(format!("unexpected answer {answer:?}"))),
            Err(error) => Err(ProposeError::Unsettled(error.to_string())),
        }
    }
}

/// Whether it speaks for earlier attempts as well: no attempt is answered with anything else, or it says that one was, or
/// it is asked on under the same id with another key.
fn says_all(refusal: &Refusal) -> bool {
    let again = matches!(
        refusal,
        Refusal::OlderKey { .. } | Refusal::OtherOwnerKey { .. } | Refusal::AnsweredBefore { .. }
    );
    refusal.is_remembered() || again
}
