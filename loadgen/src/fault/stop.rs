//! `stop`: SIGTERM, as before an upgrade: the node hands its leadership over and ends; healed by a restart
//! from the same folder.

use veil::wire::client::NodeId;

use super::Effect;
use crate::cluster::{Cluster, Doing};

/// Strikes this node.
pub(super) struct Stop(pub(super) NodeId);

impl Effect for Stop {
    fn inject<'a>(&'a self, cluster: &'a dyn Cluster) -> Doing<'a> {
        cluster.stop(self.0)
    }

    fn heal<'a>(&'a self, cluster: &'a dyn Cluster) -> Doing<'a> {
        cluster.restart(self.0)
    }
}
