//! `ignore`: the node stays up and hears and says nothing, to nodes and clients alike, then rejoins.

use veil::wire::client::NodeId;

use super::probe::both_ways;
use crate::{cluster::OUTSIDE, link::DirectedLink};

/// All links of the node.
pub(super) fn links(nodes: &[NodeId], node: NodeId) -> Vec<DirectedLink> {
    both_ways(node, nodes.iter().copied().chain([OUTSIDE]))
}
