//! `partition`: the node is cut off from the other nodes, both ways and silently. Clients still reach it.

use veil::wire::client::NodeId;

use super::cut;
use crate::cluster::{ClusterError, OUTSIDE, ProcessCluster};

fn concerns(node: NodeId) -> impl Fn(NodeId, NodeId) -> bool {
    move |from, to| (from == node || to == node) && from != OUTSIDE && to != OUTSIDE
}

pub(super) fn inject(cluster: &ProcessCluster, node: NodeId) -> Result<(), ClusterError> {
    cut::begin(cluster, node, concerns(node))
}

pub(super) fn heal(cluster: &ProcessCluster, node: NodeId) -> Result<(), ClusterError> {
    cut::end(cluster, node, concerns(node))
}
