//! Faults: what they do to a node, and when.

mod cut;
mod ignore;
mod kill;
mod partition;
mod pause;
mod schedule;
mod stop;

use veil::wire::client::NodeId;

pub use schedule::{FaultLog, inject_all};

use crate::{
    cluster::{ClusterError, ProcessCluster},
    scenario::FaultKind,
};

/// Does to a node what `kind` says. Returns when it has happened.
async fn inject(kind: FaultKind, cluster: &ProcessCluster, node: NodeId) -> Result<(), ClusterError> {
    match kind {
        FaultKind::Kill => kill::inject(cluster, node).await,
        FaultKind::Stop => stop::inject(cluster, node).await,
        FaultKind::Pause => pause::inject(cluster, node).await,
        FaultKind::Ignore => ignore::inject(cluster, node),
        FaultKind::Partition => partition::inject(cluster, node),
    }
}

/// Undoes it. Returns when it has happened.
async fn heal(kind: FaultKind, cluster: &ProcessCluster, node: NodeId) -> Result<(), ClusterError> {
    match kind {
        FaultKind::Kill => kill::heal(cluster, node).await,
        FaultKind::Stop => stop::heal(cluster, node).await,
        FaultKind::Pause => pause::heal(cluster, node).await,
        FaultKind::Ignore => ignore::heal(cluster, node),
        FaultKind::Partition => partition::heal(cluster, node),
    }
}

/// Makes sure that a fault has taken hold, by trying what it should prevent. For signals the driver has
/// waited for the process already.
async fn verify(kind: FaultKind, cluster: &ProcessCluster, node: NodeId) -> Result<(), ClusterError> {
    match kind {
        FaultKind::Kill | FaultKind::Stop | FaultKind::Pause => Ok(()),
        FaultKind::Ignore | FaultKind::Partition => cut::verify(cluster, node).await,
    }
}

/// Makes sure that a fault is undone; `others` are the nodes that nothing is wrong with.
async fn verify_healed(
    kind: FaultKind,
    cluster: &ProcessCluster,
    node: NodeId,
    others: &[NodeId],
) -> Result<(), ClusterError> {
    match kind {
        FaultKind::Kill | FaultKind::Stop | FaultKind::Pause => Ok(()),
        FaultKind::Ignore | FaultKind::Partition => cut::verify_healed(cluster, node, others).await,
    }
}

#[cfg(all(test, unix))]
mod tests;
