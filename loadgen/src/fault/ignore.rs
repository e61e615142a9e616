//! `ignore`: the node stays up and hears and says nothing, to nodes and clients alike, then rejoins.

use veil::wire::client::NodeId;

use super::cut;
use crate::cluster::{ClusterError, ProcessCluster};

fn concerns(node: NodeId) -> impl Fn(NodeId, NodeId) -> bool {
    move |from, to| from == node || to == node
}

pub(super) fn inject(cluster: &ProcessCluster, node: NodeId) -> Result<(), ClusterError> {
    cut::begin(cluster, node, concerns(node))
}

pub(super) fn heal(cluster: &ProcessCluster, node: NodeId) -> Result<(), ClusterError> {
    cut::end(cluster, node, concerns(node))
}
