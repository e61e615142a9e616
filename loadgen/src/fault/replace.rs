//! `replace`: the node is killed, and its storage is gone with it. To heal it an empty node takes its place: it
//! is a member no longer, starts without anything, and is made a member again, which sends it all that the
//! others hold.

use std::time::Duration;

use tokio::time::Instant;
use veil::{client::Client, wire::client::NodeId};

use super::Effect;
use crate::cluster::{Cluster, ClusterError, Doing};

/// How long the others may take to let it go, or to take it in: to elect a leader, and to send everything.
const PATIENCE: Duration = Duration::from_secs(30);

/// Strikes this node.
pub(super) struct Replace(pub(super) NodeId);

impl Effect for Replace {
    fn inject<'a>(&'a self, cluster: &'a dyn Cluster) -> Doing<'a> {
        Box::pin(async move {
            cluster.kill(self.0).await?;
            cluster.wipe(self.0).await
        })
    }

    fn heal<'a>(&'a self, cluster: &'a dyn Cluster) -> Doing<'a> {
        Box::pin(async move {
            let node = self.0;
            let member = cluster.members().iter().find(|member| member.id == node);
            let member = member.ok_or(ClusterError::Unknown { node })?.clone();
            let failed = |what: &'static str| move |source| ClusterError::Membership { node, what, source };
            let addresses = cluster.members().iter().map(|member| member.client.clone()).collect();
            let network = cluster.outside().network()?;
            let client = Client::new(network, addresses, 1).map_err(failed("reach the others"))?;
            let removed = client.remove_member(node, Instant::now() + PATIENCE).await;
            removed.map_err(failed("remove it"))?;
            cluster.restart(node).await?;
            let added = client.add_member(member, Instant::now() + PATIENCE).await;
            added.map_err(failed("add it"))
        })
    }
}
