//! `pause`: SIGSTOP. The node keeps its connections and says nothing; healed by SIGCONT.

use veil::wire::client::NodeId;

use super::Effect;
use crate::cluster::{Cluster, Doing};

/// Strikes this node.
pub(super) struct Pause(pub(super) NodeId);

impl Effect for Pause {
    fn inject<'a>(&'a self, cluster: &'a dyn Cluster) -> Doing<'a> {
        cluster.pause(self.0)
    }

    fn heal<'a>(&'a self, cluster: &'a dyn Cluster) -> Doing<'a> {
        cluster.resume(self.0)
    }
}
