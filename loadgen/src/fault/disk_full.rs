//! `disk_full`: what is left of the disk is filled; healed by giving it back.

use veil::wire::client::NodeId;

use super::Effect;
use crate::cluster::{Cluster, Doing};

/// Strikes this node.
pub(super) struct DiskFull(pub(super) NodeId);

impl Effect for DiskFull {
    fn inject<'a>(&'a self, cluster: &'a dyn Cluster) -> Doing<'a> {
        cluster.fill_disk(self.0)
    }

    fn heal<'a>(&'a self, cluster: &'a dyn Cluster) -> Doing<'a> {
        cluster.free_disk(self.0)
    }
}
