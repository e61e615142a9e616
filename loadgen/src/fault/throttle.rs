//! `throttle`: the node gets a share of one processor; healed by what it had before.

use veil::wire::client::NodeId;

use super::Effect;
use crate::cluster::{Cluster, Doing};

/// Strikes this node.
pub(super) struct Throttle {
    pub(super) node: NodeId,
    /// Of one processor.
    pub(super) share: f64,
}

impl Effect for Throttle {
    fn inject<'a>(&'a self, cluster: &'a dyn Cluster) -> Doing<'a> {
        cluster.throttle(self.node, Some(self.share))
    }

    fn heal<'a>(&'a self, cluster: &'a dyn Cluster) -> Doing<'a> {
        cluster.throttle(self.node, None)
    }
}
