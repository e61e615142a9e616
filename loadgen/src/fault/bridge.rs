//! `bridge`: the node reaches only one other, the next by number. Of three nodes that one is then a bridge
//! between two that do not hear one another. Clients still reach all.

use veil::wire::client::NodeId;

use super::probe::both_ways;
use crate::link::DirectedLink;

/// The node's links to all nodes but the next.
pub(super) fn links(nodes: &[NodeId], node: NodeId) -> Vec<DirectedLink> {
    let next = nodes.iter().cycle().skip_while(|other| **other != node).nth(1);
    both_ways(node, nodes.iter().copied().filter(|other| Some(other) != next))
}
