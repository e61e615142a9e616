//! Cuts links, and makes sure that these are cut, and no others.

use super::{Effect, Well, probe};
use crate::{
    cluster::{Cluster, Doing},
    link::{DirectedLink, Shape},
    scenario::Cut,
};

/// A fault that cuts links.
pub(super) struct Cutting {
    links: Vec<DirectedLink>,
    how: Cut,
}

impl Cutting {
    pub(super) fn new(links: Vec<DirectedLink>, how: Cut) -> Self {
        Self { links, how }
    }

    pub(super) fn links(&self) -> &[DirectedLink] {
        &self.links
    }

    /// The links between nodes along which connections still come about: those that are cut in neither
    /// direction.
    fn spared(&self, cluster: &dyn Cluster) -> Vec<DirectedLink> {
        let nodes = || cluster.members().iter().map(|member| member.id);
        let pairs = nodes().flat_map(|from| nodes().map(move |to| (from, to)));
        let cut = |(from, to)| self.links.contains(&(from, to)) || self.links.contains(&(to, from));
        pairs.filter(|(from, to)| from != to && !cut((*from, *to))).collect()
    }
}

impl Effect for Cutting {
    fn inject<'a>(&'a self, cluster: &'a dyn Cluster) -> Doing<'a> {
        cluster.change_links(
            &self.links,
            match self.how {
                Cut::Silent => &|shape| shape.cuts += 1,
                Cut::Reset => &|shape| shape.resets += 1,
            },
        )
    }

    /// A link that another fault cuts too stays cut.
    fn heal<'a>(&'a self, cluster: &'a dyn Cluster) -> Doing<'a> {
        cluster.change_links(
            &self.links,
            match self.how {
                Cut::Silent => &|shape: &mut Shape| shape.cuts = shape.cuts.saturating_sub(1),
                Cut::Reset => &|shape: &mut Shape| shape.resets = shape.resets.saturating_sub(1),
            },
        )
    }

    /// No connection comes about along a link that is cut in either direction, as it needs both; along the
    /// others they do.
    fn verify<'a>(&'a self, cluster: &'a dyn Cluster, well: Well<'a>) -> Doing<'a> {
        Box::pin(async move {
            let back = self.links.iter().map(|(from, to)| (*to, *from));
            let mut cut: Vec<_> = self.links.iter().copied().chain(back).collect();
            cut.sort_unstable();
            cut.dedup();
            let spared = self.spared(cluster);
            let (none, all) = tokio::join!(probe::none(cluster, &cut), probe::all(cluster, &spared, well));
            none.and(all)
        })
    }

    fn verify_healed<'a>(&'a self, cluster: &'a dyn Cluster, well: Well<'a>) -> Doing<'a> {
        Box::pin(probe::all(cluster, &self.links, well))
    }
}
