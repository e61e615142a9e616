//! `kill`: SIGKILL, as a power cut would; healed by a restart from the same folder.

use veil::wire::client::NodeId;

use super::Effect;
use crate::cluster::{Cluster, Doing};

/// Strikes this node.
pub(super) struct Kill(pub(super) NodeId);

impl Effect for Kill {
    fn inject<'a>(&'a self, cluster: &'a dyn Cluster) -> Doing<'a> {
        cluster.kill(self.0)
    }

    fn heal<'a>(&'a self, cluster: &'a dyn Cluster) -> Doing<'a> {
        cluster.restart(self.0)
    }
}
