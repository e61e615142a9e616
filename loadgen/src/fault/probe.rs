//! Tries connections across links.

use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::time::Instant;
use veil::wire::client::NodeId;

use super::Well;
use crate::{
    cluster::{Cluster, ClusterError, OUTSIDE},
    link::{DirectedLink, Quality},
};

/// On a busy machine a mended link may take so long to let a first connection through.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause between probes.
pub(super) const PAUSE: Duration = Duration::from_millis(50);

/// One try.
#[derive(Debug, Clone, Copy)]
pub(super) struct Probe {
    /// Who dialled whom.
    pub link: DirectedLink,
    /// How long a connection took to come about; `None` if it did not.
    pub took: Option<Duration>,
}

/// Tries a connection along each of these links, all at once. Links of the world outside are left out.
pub(super) async fn probe(
    cluster: &dyn Cluster,
    links: impl IntoIterator<Item = DirectedLink>,
) -> Result<Vec<Probe>, ClusterError> {
    let between_nodes = links.into_iter().filter(|(from, to)| *from != OUTSIDE && *to != OUTSIDE);
    let trying = between_nodes
        .map(|link| async move { Ok(Probe { link, took: cluster.comes_through(link.0, link.1).await? }) });
    try_join_all(trying).await
}

/// Makes sure that no connection comes about along these links.
pub(super) async fn none(cluster: &dyn Cluster, links: &[DirectedLink]) -> Result<(), ClusterError> {
    let probes = probe(cluster, links.iter().copied()).await?;
    match probes.iter().find(|probe| probe.took.is_some()) {
        Some(Probe { link: (from, to), .. }) => Err(ClusterError::NotCut { from: *from, to: *to }),
        None => Ok(()),
    }
}

/// Makes sure that a connection comes about along each of these links, except where another fault is in the
/// way.
pub(super) async fn all(
    cluster: &dyn Cluster,
    links: &[DirectedLink],
    well: Well<'_>,
) -> Result<(), ClusterError> {
    until(cluster, links, well, |probe| match probe {
        Probe { took: Some(_), .. } => Ok(()),
        Probe { link: (from, to), .. } => Err(ClusterError::StillCut { from, to }),
    })
    .await
}

/// Tries links that nothing disturbs until each is good enough.
pub(super) async fn until(
    cluster: &dyn Cluster,
    links: &[DirectedLink],
    well: Well<'_>,
    good: impl Fn(Probe) -> Result<(), ClusterError>,
) -> Result<(), ClusterError> {
    let deadline = Instant::now() + PATIENCE;
    let undisturbed = |link: &DirectedLink| is_undisturbed(cluster, *link, well);
    let mut left: Vec<DirectedLink> = links.to_vec();
    loop {
        let probes = probe(cluster, left.iter().copied().filter(undisturbed)).await?;
        // What began to disturb a link meanwhile excuses it.
        let bad = probes.into_iter().filter(|probe| undisturbed(&probe.link));
        let bad: Vec<_> = bad.filter_map(|probe| Some((probe.link, good(probe).err()?))).collect();
        left = bad.iter().map(|(link, _)| *link).collect();
        match bad.into_iter().next() {
            None => return Ok(()),
            Some((_, error)) if Instant::now() >= deadline => return Err(error),
            Some(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Whether no fault is known that would keep a connection along this link from coming about soon. A
/// connection needs both directions.
fn is_undisturbed(cluster: &dyn Cluster, (from, to): DirectedLink, well: Well<'_>) -> bool {
    let whole = |link: DirectedLink| {
        let shape = cluster.shape(link);
        !shape.is_cut() && shape.quality() == Quality::HARMLESS
    };
    well(from) && well(to) && whole((from, to)) && whole((to, from))
}

/// Both directions of the links between the node and each of these others.
pub(super) fn both_ways(node: NodeId, others: impl IntoIterator<Item = NodeId>) -> Vec<DirectedLink> {
    let others = others.into_iter().filter(|other| *other != node);
    others.flat_map(|other| [(node, other), (other, node)]).collect()
}
