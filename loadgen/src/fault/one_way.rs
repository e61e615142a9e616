//! `one_way`: what the node says no longer arrives at the others, or what they say no longer arrives at it.
//! Clients still reach it.

use veil::wire::client::NodeId;

use crate::{link::DirectedLink, scenario::Direction};

/// One direction of the node's links to other nodes.
pub(super) fn links(nodes: &[NodeId], node: NodeId, direction: Direction) -> Vec<DirectedLink> {
    let others = nodes.iter().copied().filter(|other| *other != node);
    let link = |other| match direction {
        Direction::Out => (node, other),
        Direction::In => (other, node),
    };
    others.map(link).collect()
}
