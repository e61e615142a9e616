//! `restart`: as `stop`, but the node is started again as soon as it has ended: the schedule heals it at once.

use veil::wire::client::NodeId;

use super::Effect;
use crate::cluster::{Cluster, Doing};

/// Strikes this node.
pub(super) struct Restart(pub(super) NodeId);

impl Effect for Restart {
    fn inject<'a>(&'a self, cluster: &'a dyn Cluster) -> Doing<'a> {
        cluster.stop(self.0)
    }

    fn heal<'a>(&'a self, cluster: &'a dyn Cluster) -> Doing<'a> {
        cluster.restart(self.0)
    }
}
