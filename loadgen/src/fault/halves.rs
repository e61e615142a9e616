//! `halves`: the nodes are cut in two, and each half goes on as if it were alone. Clients still reach both.

use veil::wire::client::NodeId;

use super::probe::both_ways;
use crate::link::DirectedLink;

/// The links between the smaller half, which is the node and those that follow it by number, and the larger.
pub(super) fn links(nodes: &[NodeId], node: NodeId) -> Vec<DirectedLink> {
    let small: Vec<_> =
        nodes.iter().cycle().skip_while(|other| **other != node).take(nodes.len() / 2).collect();
    let large = || nodes.iter().filter(|other| !small.contains(other)).copied();
    small.iter().flat_map(|node| both_ways(**node, large())).collect()
}
