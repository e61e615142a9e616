//! `link`: the node's links are slow or unreliable, both ways.

use std::time::Duration;

use veil::wire::client::NodeId;

use super::{
    Effect, Well, ignore, partition,
    probe::{self, Probe, probe},
};
use crate::{
    cluster::{Cluster, ClusterError, Doing},
    link::{DirectedLink, Quality},
    scenario::Reach,
};

/// A connection across a link without delay may take so long on a busy machine.
const BUSY: Duration = Duration::from_millis(10);

/// The node's links that are worse.
pub(super) fn links(nodes: &[NodeId], node: NodeId, reach: Reach) -> Vec<DirectedLink> {
    match reach {
        Reach::All => ignore::links(nodes, node),
        Reach::Nodes => partition::links(nodes, node),
    }
}

/// Makes links worse.
pub(super) struct Worse {
    pub(super) links: Vec<DirectedLink>,
    /// By how much.
    pub(super) quality: Quality,
}

impl Effect for Worse {
    fn inject<'a>(&'a self, cluster: &'a dyn Cluster) -> Doing<'a> {
        Box::pin(async move { cluster.change_links(&self.links, &|shape| shape.worsen(self.quality)).await })
    }

    fn heal<'a>(&'a self, cluster: &'a dyn Cluster) -> Doing<'a> {
        Box::pin(async move { cluster.change_links(&self.links, &|shape| shape.restore(self.quality)).await })
    }

    /// No connection comes about sooner than the delay. Jitter, loss, resets and rate show in many pieces
    /// only, and not in the two of a probe.
    fn verify<'a>(&'a self, cluster: &'a dyn Cluster, _: Well<'a>) -> Doing<'a> {
        Box::pin(async move {
            let delay = self.quality.delay;
            let probes = probe(cluster, self.links.iter().copied()).await?;
            let quick = |probe: Probe| Some((probe.link, probe.took.filter(|took| *took < delay)?));
            match probes.into_iter().find_map(quick) {
                Some(((from, to), took)) => Err(ClusterError::NotSlow { from, to, delay, took }),
                None => Ok(()),
            }
        })
    }

    /// Connections come about again, and sooner than with the delay.
    fn verify_healed<'a>(&'a self, cluster: &'a dyn Cluster, well: Well<'a>) -> Doing<'a> {
        let delay = self.quality.delay.max(BUSY);
        let good = move |Probe { link: (from, to), took }: Probe| match took {
            Some(took) if took < delay => Ok(()),
            Some(took) => Err(ClusterError::StillSlow { from, to, took }),
            None => Err(ClusterError::StillCut { from, to }),
        };
        Box::pin(probe::until(cluster, &self.links, well, good))
    }
}
