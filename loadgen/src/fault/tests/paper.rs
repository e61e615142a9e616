//! A cluster on paper: nobody is there, and whether a connection comes about follows from the links, unless it
//! is made to lie.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep};
use veil::wire::client::{Member, NodeId};

use crate::{
    cluster::{Cluster, ClusterError, Description, Doing, OUTSIDE, Outside},
    generator::Launcher,
    link::{DirectedLink, Links, Shape},
};

/// How long a probe waits, and how often it looks.
const PATIENCE: Duration = Duration::from_millis(400);
const LOOK: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub struct Paper {
    members: Vec<Member>,
    pub links: Links,
    /// What every probe says, whatever the links are like.
    pub lie: Option<bool>,
    /// How much longer every connection takes than the links say.
    pub lag: Duration,
}

impl Paper {
    pub fn new(nodes: u64) -> Self {
        let member = |id| Member { id, client: String::new(), peer: String::new() };
        let ends: Vec<NodeId> = (OUTSIDE..=nodes).collect();
        Self {
            members: (1..=nodes).map(member).collect(),
            links: Links::between(&ends),
            lie: None,
            lag: Duration::ZERO,
        }
    }

    /// The links that are not as they were.
    pub fn disturbed(&self) -> Vec<DirectedLink> {
        self.links.all().filter(|(_, shape)| *shape != Shape::default()).map(|(link, _)| link).collect()
    }
}

fn no_node() -> Doing<'static> {
    Box::pin(async { Err(ClusterError::Unknown { node: 0 }) })
}

impl Cluster for Paper {
    fn members(&self) -> &[Member] {
        &self.members
    }

    fn outside(&self) -> Outside {
        Outside::plain()
    }

    fn kill(&self, _: NodeId) -> Doing<'_> {
        no_node()
    }

    fn stop(&self, _: NodeId) -> Doing<'_> {
        no_node()
    }

    fn restart(&self, _: NodeId) -> Doing<'_> {
        no_node()
    }

    fn pause(&self, _: NodeId) -> Doing<'_> {
        no_node()
    }

    fn resume(&self, _: NodeId) -> Doing<'_> {
        no_node()
    }

    fn wipe(&self, _: NodeId) -> Doing<'_> {
        no_node()
    }

    fn throttle(&self, _: NodeId, _: Option<f64>) -> Doing<'_> {
        no_node()
    }

    fn fill_disk(&self, _: NodeId) -> Doing<'_> {
        no_node()
    }

    fn free_disk(&self, _: NodeId) -> Doing<'_> {
        no_node()
    }

    fn change_links<'a>(
        &'a self,
        links: &'a [DirectedLink],
        change: &'a (dyn Fn(&mut Shape) + Sync),
    ) -> Doing<'a> {
        self.links.change(links, change);
        Box::pin(async { Ok(()) })
    }

    fn shape(&self, link: DirectedLink) -> Shape {
        self.links.shape(link)
    }

    fn comes_through(
        &self,
        from: NodeId,
        to: NodeId,
    ) -> BoxFuture<'_, Result<Option<Duration>, ClusterError>> {
        Box::pin(async move {
            if let Some(lie) = self.lie {
                return Ok(lie.then_some(Duration::ZERO));
            }
            let (there, back) = ((from, to), (to, from));
            let began = Instant::now();
            let deadline = began + PATIENCE;
            while self.links.shape(there).is_cut() || self.links.shape(back).is_cut() {
                if Instant::now() >= deadline {
                    return Ok(None);
                }
                sleep(LOOK).await;
            }
            sleep(self.links.shape(back).quality().delay + self.lag).await;
            Ok(Some(began.elapsed()))
        })
    }

    fn inside(&self, _folders: Vec<PathBuf>) -> Option<Box<dyn Launcher>> {
        None
    }

    fn describe(&self) -> Description {
        Description { containers: None, limits: None, links: "on paper", container_names: BTreeMap::new() }
    }

    fn end(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}
