//! `kill`: SIGKILL, as a power cut would; healed by a restart from the same folder.

use veil::wire::client::NodeId;

use crate::cluster::{ClusterError, ProcessCluster};

pub(super) async fn inject(cluster: &ProcessCluster, node: NodeId) -> Result<(), ClusterError> {
    cluster.kill(node).await
}

pub(super) async fn heal(cluster: &ProcessCluster, node: NodeId) -> Result<(), ClusterError> {
    cluster.restart(node).await
}
