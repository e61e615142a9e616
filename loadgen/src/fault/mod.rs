//! Faults: what they do to a node, and when.

mod kill;
mod pause;
mod schedule;

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
        FaultKind::Pause => pause::inject(cluster, node).await,
    }
}

/// Undoes it. Returns when it has happened.
async fn heal(kind: FaultKind, cluster: &ProcessCluster, node: NodeId) -> Result<(), ClusterError> {
    match kind {
        FaultKind::Kill => kill::heal(cluster, node).await,
        FaultKind::Pause => pause::heal(cluster, node).await,
    }
}

#[cfg(all(test, unix))]
mod tests;
