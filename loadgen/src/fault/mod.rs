//! Faults: what they do to a node, and when.

mod bridge;
mod cut;
mod disk_full;
mod flapping;
mod halves;
mod ignore;
mod kill;
mod link;
mod one_way;
mod partition;
mod pause;
mod probe;
mod replace;
mod restart;
mod schedule;
mod stop;
pub mod table;
mod throttle;
mod whole;

use futures_util::future::BoxFuture;
use veil::wire::client::NodeId;

pub use schedule::{FaultLog, Progress, inject_all};

use crate::{
    cluster::{Cluster, Doing},
    scenario::FaultKind,
};
use cut::Cutting;

/// What a fault does to one node. Each of these returns when it has happened.
trait Effect: Send + Sync {
    /// Does it.
    fn inject<'a>(&'a self, cluster: &'a dyn Cluster) -> Doing<'a>;

    /// Undoes it.
    fn heal<'a>(&'a self, cluster: &'a dyn Cluster) -> Doing<'a>;

    /// Keeps it up until `until` is over. Most faults stand by themselves.
    fn stand<'a>(&'a self, _: &'a dyn Cluster, until: BoxFuture<'a, ()>) -> Doing<'a> {
        Box::pin(async move {
            until.await;
            Ok(())
        })
    }

    /// Makes sure that it has taken hold, by trying what it should prevent. Where the driver has waited
    /// for it already there is nothing to try. `well` tells which nodes no other fault has struck.
    fn verify<'a>(&'a self, _: &'a dyn Cluster, _well: Well<'a>) -> Doing<'a> {
        Box::pin(async { Ok(()) })
    }

    /// Makes sure that it is undone.
    fn verify_healed<'a>(&'a self, _: &'a dyn Cluster, _well: Well<'a>) -> Doing<'a> {
        Box::pin(async { Ok(()) })
    }
}

/// Which nodes can be expected to answer at this moment.
type Well<'a> = &'a (dyn Fn(NodeId) -> bool + Sync);

/// What a fault of this kind does to `node`, one of `nodes`.
fn effect(kind: FaultKind, nodes: &[NodeId], node: NodeId) -> Box<dyn Effect> {
    match kind {
        FaultKind::Kill => Box::new(kill::Kill(node)),
        FaultKind::Stop => Box::new(stop::Stop(node)),
        FaultKind::Restart => Box::new(restart::Restart(node)),
        FaultKind::Pause => Box::new(pause::Pause(node)),
        FaultKind::Throttle { share } => Box::new(throttle::Throttle { node, share }),
        FaultKind::DiskFull => Box::new(disk_full::DiskFull(node)),
        FaultKind::Replace => Box::new(replace::Replace(node)),
        FaultKind::Ignore { cut } => Box::new(Cutting::new(ignore::links(nodes, node), cut)),
        FaultKind::Partition { cut } => Box::new(Cutting::new(partition::links(nodes, node), cut)),
        FaultKind::Halves { cut } => Box::new(Cutting::new(halves::links(nodes, node), cut)),
        FaultKind::OneWay { direction, cut } => {
            Box::new(Cutting::new(one_way::links(nodes, node, direction), cut))
        }
        FaultKind::Bridge { cut } => Box::new(Cutting::new(bridge::links(nodes, node), cut)),
        FaultKind::Flapping { period, cut } => {
            Box::new(flapping::Flapping { cutting: Cutting::new(partition::links(nodes, node), cut), period })
        }
        FaultKind::Link { quality, links } => {
            Box::new(link::Worse { links: link::links(nodes, node, links), quality })
        }
    }
}

#[cfg(all(test, unix))]
mod tests;
