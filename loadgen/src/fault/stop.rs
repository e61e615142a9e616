//! `stop`: SIGTERM, as before an upgrade: the node hands its leadership over and ends; healed by a restart
//! from the same folder.

use veil::wire::client::NodeId;

use crate::cluster::{ClusterError, ProcessCluster};

pub(super) async fn inject(cluster: &ProcessCluster, node: NodeId) -> Result<(), ClusterError> {
    cluster.stop(node).await
}

pub(super) async fn heal(cluster: &ProcessCluster, node: NodeId) -> Result<(), ClusterError> {
    cluster.restart(node).await
}
