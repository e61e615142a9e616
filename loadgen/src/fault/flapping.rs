//! `flapping`: the node is cut off from the other nodes and joined to them again, over and over.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::{Instant, MissedTickBehavior};

use super::{
    Effect, Well,
    cut::Cutting,
    probe::{PAUSE, probe},
};
use crate::cluster::{Cluster, ClusterError, Doing};

/// How many periods there are to see both a cut and what is no cut, and how long that may take at the most
/// when these are short.
const PERIODS: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(5);

/// Cuts that come and go.
pub(super) struct Flapping {
    pub(super) cutting: Cutting,
    /// From one cut to the next; it lasts half of that.
    pub(super) period: Duration,
}

impl Effect for Flapping {
    /// The first cut.
    fn inject<'a>(&'a self, cluster: &'a dyn Cluster) -> Doing<'a> {
        self.cutting.inject(cluster)
    }

    /// Mends and cuts, and leaves the links whole.
    fn stand<'a>(&'a self, cluster: &'a dyn Cluster, mut until: BoxFuture<'a, ()>) -> Doing<'a> {
        Box::pin(async move {
            let mut turns = tokio::time::interval(self.period / 2);
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            turns.tick().await;
            let mut cut = true;
            loop {
                tokio::select! {
                    () = &mut until => break,
                    _ = turns.tick() => {}
                }
                let turned = match cut {
                    true => self.cutting.heal(cluster).await,
                    false => self.cutting.inject(cluster).await,
                };
                if turned.is_err() {
                    // It stays as it is, as long as it was to last.
                    until.await;
                    return turned;
                }
                cut = !cut;
            }
            match cut {
                true => self.cutting.heal(cluster).await,
                false => Ok(()),
            }
        })
    }

    /// It ended with the last cut.
    fn heal<'a>(&'a self, _: &'a dyn Cluster) -> Doing<'a> {
        Box::pin(async { Ok(()) })
    }

    /// Sees at least one connection that does not come about at once, and one that does. A short cut only
    /// holds a connection up.
    fn verify<'a>(&'a self, cluster: &'a dyn Cluster, well: Well<'a>) -> Doing<'a> {
        Box::pin(async move {
            let links = self.cutting.links().iter().copied();
            let Some((from, to)) = links.into_iter().find(|(from, to)| well(*from) && well(*to)) else {
                return Ok(());
            };
            let deadline = Instant::now() + PATIENCE.max(self.period * PERIODS);
            let (mut held_up, mut came_through) = (false, false);
            while !(held_up && came_through) {
                for probe in probe(cluster, [(from, to)]).await? {
                    came_through |= probe.took.is_some();
                    held_up |= probe.took.is_none_or(|took| took >= self.period / 4);
                }
                match Instant::now() >= deadline {
                    true if !held_up => return Err(ClusterError::NotCut { from, to }),
                    true if !came_through => return Err(ClusterError::StillCut { from, to }),
                    true | false => tokio::time::sleep(PAUSE.min(self.period / 8)).await,
                }
            }
            Ok(())
        })
    }

    fn verify_healed<'a>(&'a self, cluster: &'a dyn Cluster, well: Well<'a>) -> Doing<'a> {
        self.cutting.verify_healed(cluster, well)
    }
}
