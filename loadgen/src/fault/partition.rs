//! `partition`: the node is cut off from the other nodes, both ways. Clients still reach it.

use veil::wire::client::NodeId;

use super::probe::both_ways;
use crate::link::DirectedLink;

/// The node's links to other nodes.
pub(super) fn links(nodes: &[NodeId], node: NodeId) -> Vec<DirectedLink> {
    both_ways(node, nodes.iter().copied())
}
