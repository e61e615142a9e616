//! Putting all content keys under the newest key-encryption key.

use std::{sync::Arc, time::Duration};

use super::{
    environment::Entropy,
    forward::Forwarder,
    keys::SharedKeys,
    service::{done_and_not_told, not_taken, refused},
};
use crate::{
    consensus::Consensus,
    directory::{Action, Actor, Effect, MAX_REWRAPPED, Rewrap},
    identity::{KeyNumber, WrapError},
    wire::{
        client::{Answer, Asked, Reply, Request, RewrapError, ServiceError},
        links::Links,
    },
};

/// How long a member may take to say which keys it has.
const STATUS_PATIENCE: Duration = Duration::from_secs(1);
/// How long a batch may take to be committed.
const BATCH_PATIENCE: Duration = Duration::from_secs(5);

/// Rewraps content keys.
pub(super) struct Rewrapper {
    pub(super) consensus: Consensus,
    pub(super) keys: SharedKeys,
    pub(super) entropy: Arc<Entropy>,
    pub(super) forwarder: Forwarder,
    /// To the nodes, as clients reach them.
    pub(super) nodes: Arc<Links<Asked, Answer>>,
}

impl Rewrapper {
    /// Makes the newest key-encryption key that this node has the one in use, and puts every content key under it. Every
    /// member has to have it. Asked again, it goes on where it was.
    pub(super) async fn rewrap(&self) -> Answer {
        let keys = self.keys.get();
        let under = keys.ring().numbers().last().unwrap_or_default();
        self.check_members(under).await?;
        // From here on, the directory takes no image under an older one: those that are found below are all there are.
        let count = self.propose(Rewrap { under, keys: Vec::new() }).await?;
        let rewrapped = self.rewrap_all(under).await;
        let rewrapped = rewrapped.map_err(|error| {
            ServiceError::Unsettled(format!(
                "key-encryption key {under} is in use, and not all content keys are under it: {error}"
            ))
        })?;
        Ok(Reply::Rewrapped { under, count: count + rewrapped })
    }

    /// Puts under a key-encryption key what is under an older one, and says how much that was.
    async fn rewrap_all(&self, under: KeyNumber) -> Result<u64, ServiceError> {
        let keys = self.keys.get();
        let mut count = 0;
        loop {
            let directory = self.consensus.directory().0;
            let (ring, entropy) = (keys.ring().clone(), self.entropy.clone());
            let rewrapping = tokio::task::spawn_blocking(move || {
                let older = directory.wrapped_under_older(under, MAX_REWRAPPED / 2);
                let rewrapped = older.into_iter().map(|(image, wrapped)| {
                    let content = ring.unwrap(image, &wrapped)?;
                    let nonce = entropy.draw(rand::RngExt::random);
                    Ok((image, ring.wrap(under, image, &content, nonce)?))
                });
                rewrapped.collect::<Result<Vec<_>, WrapError>>()
            });
            let internal = |error: String| ServiceError::Internal(error);
            let rewrapped = rewrapping.await.map_err(|panic| internal(panic.to_string()))?;
            let batch = rewrapped.map_err(|error| internal(error.to_string()))?;
            if batch.is_empty() {
                return Ok(count);
            }
            count += self.propose(Rewrap { under, keys: batch }).await?;
        }
    }

    /// Whether every member has the key: one that lacks it could not open what others have wrapped.
    async fn check_members(&self, under: KeyNumber) -> Result<(), ServiceError> {
        let asking = self.consensus.members().into_iter().map(|member| async move {
            let status = Asked::stranger(Request::Status);
            match self.nodes.ask(&member.client, &status, STATUS_PATIENCE).await {
                Ok(Ok(Reply::Status(status))) if status.wrapping_keys.contains(&under) => Ok(()),
                Ok(Ok(Reply::Status(_))) => Err(RewrapError::KeyMissing { node: member.id, number: under }),
                _ => Err(RewrapError::Silent { node: member.id }),
            }
        });
        let answers = futures_util::future::join_all(asking).await;
        answers.into_iter().collect::<Result<(), _>>().map_err(ServiceError::Rewrap)
    }

    async fn propose(&self, rewrap: Rewrap) -> Result<u64, ServiceError> {
        let request = self.consensus.own_request(self.entropy.bits()).map_err(ServiceError::Clock)?;
        let action = Action::Rewrap(rewrap);
        let proposed = self.forwarder.propose(request, Actor::Operator, action, BATCH_PATIENCE).await;
        match proposed.map_err(not_taken)?.map_err(refused)? {
            Effect::Rewrapped { count } => Ok(count),
            other => Err(done_and_not_told(&format_args!("unexpected effect {other:?}"))),
        }
    }
}
