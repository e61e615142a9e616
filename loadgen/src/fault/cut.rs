//! Cuts links, and makes sure that they are cut.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;
use veil::wire::client::NodeId;

use crate::cluster::{ClusterError, ProcessCluster};

/// On a busy machine a mended link may take so long to let a first connection through.
const HEAL_PATIENCE: Duration = Duration::from_secs(5);
/// The pause between probes.
const PAUSE: Duration = Duration::from_millis(50);

/// Cuts the links for which `which` holds.
pub(super) fn begin(
    cluster: &ProcessCluster,
    node: NodeId,
    which: impl Fn(NodeId, NodeId) -> bool,
) -> Result<(), ClusterError> {
    cluster.detours(node)?.links().change(which, |shape| shape.cuts += 1);
    Ok(())
}

/// Mends them. A link that another fault cuts too stays cut.
pub(super) fn end(
    cluster: &ProcessCluster,
    node: NodeId,
    which: impl Fn(NodeId, NodeId) -> bool,
) -> Result<(), ClusterError> {
    cluster.detours(node)?.links().change(which, |shape| shape.cuts = shape.cuts.saturating_sub(1));
    Ok(())
}

/// Makes sure that no connection between the node and any other comes about.
pub(super) async fn verify(cluster: &ProcessCluster, node: NodeId) -> Result<(), ClusterError> {
    let others: Vec<NodeId> = cluster.members().iter().map(|member| member.id).collect();
    let (through, _) = probe(cluster, node, &others).await?;
    match through.first() {
        Some((from, to)) => Err(ClusterError::NotCut { from: *from, to: *to }),
        None => Ok(()),
    }
}

/// Makes sure that connections between the node and these others come about again.
pub(super) async fn verify_healed(
    cluster: &ProcessCluster,
    node: NodeId,
    others: &[NodeId],
) -> Result<(), ClusterError> {
    let deadline = Instant::now() + HEAL_PATIENCE;
    loop {
        let (_, silent) = probe(cluster, node, others).await?;
        match silent.first() {
            None => return Ok(()),
            Some((from, to)) if Instant::now() >= deadline => {
                return Err(ClusterError::StillCut { from: *from, to: *to });
            }
            Some(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

type Pairs = Vec<(NodeId, NodeId)>;

/// Tries a connection both ways between the node and each of these others: which come through, and
/// which do not.
async fn probe(
    cluster: &ProcessCluster,
    node: NodeId,
    others: &[NodeId],
) -> Result<(Pairs, Pairs), ClusterError> {
    let detours = cluster.detours(node)?;
    let others = others.iter().copied().filter(|id| *id != node);
    let probes = others.flat_map(|other| [(node, other), (other, node)]);
    let probed = join_all(probes.map(async |(from, to)| (detours.comes_through(from, to).await, (from, to))));
    let (through, silent): (Vec<_>, Vec<_>) = probed.await.into_iter().partition(|(came, _)| *came);
    let pairs = |probed: Vec<(bool, (NodeId, NodeId))>| probed.into_iter().map(|(_, pair)| pair).collect();
    Ok((pairs(through), pairs(silent)))
}
