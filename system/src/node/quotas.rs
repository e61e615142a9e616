//! The quotas that a cluster is founded with.

use std::{sync::Arc, time::Duration};

use super::{environment::Entropy, forward::Forwarder};
use crate::directory::{Action, Actor, Quotas, SetQuotas};

/// How long one attempt may take, and how long until the next one.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(1);

/// Sets the quotas of the cluster that this node founds, unless any were ever set there.
pub(super) async fn found(forwarder: Forwarder, entropy: Arc<Entropy>, quotas: Quotas) {
    while !forwarder.consensus.look(|directory, _| directory.has_quotas()) {
        let Ok(request) = forwarder.consensus.own_request(entropy.bits()) else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let action = Action::SetQuotas(SetQuotas { set: quotas.all(), founding: true });
        match forwarder.propose(request, Actor::Node, action, PATIENCE).await {
            Ok(Ok(_)) => return,
            Ok(Err(refusal)) => {
                tracing::warn!("the quotas of node.toml are not set: {refusal}");
                return;
            }
            // The cluster is being founded, or nobody leads.
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
