//! `pause`: SIGSTOP. The node keeps its connections and says nothing; healed by SIGCONT.

use veil::wire::client::NodeId;

use crate::cluster::{ClusterError, ProcessCluster};

pub(super) async fn inject(cluster: &ProcessCluster, node: NodeId) -> Result<(), ClusterError> {
    cluster.pause(node).await
}

pub(super) async fn heal(cluster: &ProcessCluster, node: NodeId) -> Result<(), ClusterError> {
    cluster.resume(node).await
}
