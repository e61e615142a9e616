//! How busy this node is, and what the others say of themselves.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};
use tokio::time::Instant;

use super::pool::Pool;
use crate::{
    balance::{HealthSample, HealthTable},
    consensus::Consensus,
    wire::{
        client::{Answer, Asked, NodeId, Reply, Request},
        links::Links,
    },
};

/// How often nodes sample themselves and ask one another.
const PERIOD: Duration = Duration::from_millis(250);
/// A node that has not answered by then counts as silent. No longer than a period, so that it does not
/// hold up the next round.
const PATIENCE: Duration = PERIOD;

/// What this node knows of its own health and of the others'.
pub(super) struct Health {
    started: Instant,
    own: Mutex<HealthSample>,
    table: Mutex<HealthTable>,
}

impl Health {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), own: Mutex::default(), table: Mutex::default() }
    }

    /// The latest sample of this node.
    pub(super) fn own(&self) -> HealthSample {
        *self.own.lock()
    }

    /// The healthiest node, see [`HealthTable::assign`].
    pub(super) fn assign(&self, avoid: &[NodeId]) -> Option<NodeId> {
        self.table.lock().assign(avoid, self.started.elapsed())
    }

    fn report(&self, node: NodeId, sample: HealthSample) {
        self.table.lock().report(node, sample, self.started.elapsed());
    }
}

/// Samples this node for ever.
pub(super) async fn sample_own(id: NodeId, health: Arc<Health>, pool: Arc<Pool>) {
    // Without it the sample lacks processor and memory, and the rest still counts.
    let mut system = System::new().inspect_err(|error| tracing::warn!(%error, "no process metrics")).ok();
    let process = sysinfo::get_current_pid().ok();
    let mut ticks = tokio::time::interval(PERIOD);
    loop {
        ticks.tick().await;
        let (active, queued, workers, latency_ms) = pool.load();
        let mut sample = HealthSample { active, queued, workers, latency_ms, ..HealthSample::default() };
        if let (Some(pid), Some(system)) = (process, &mut system) {
            let what = ProcessRefreshKind::nothing().with_cpu().with_memory();
            system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, what);
            if let Some(process) = system.process(pid) {
                sample.cpu_percent = process.cpu_usage();
                sample.memory_bytes = process.memory();
            }
        }
        *health.own.lock() = sample;
        health.report(id, sample);
    }
}

/// Asks all other members for their samples at once, for ever.
pub(super) async fn ask_others(
    id: NodeId,
    health: Arc<Health>,
    consensus: Consensus,
    links: Arc<Links<Asked, Answer>>,
) {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let others = consensus.members().into_iter().filter(|member| member.id != id);
        let asking = others.map(|member| {
            let (links, health) = (&links, &health);
            async move {
                let answer = links.ask(&member.client, &Asked::stranger(Request::Status), PATIENCE).await;
                // Who knows no leader cannot have an image recorded: a member that lost its disk, for one.
                if let Ok(Ok(Reply::Status(status))) = answer
                    && status.leadership.leader.is_some()
                {
                    health.report(member.id, status.health);
                }
            }
        });
        futures_util::future::join_all(asking).await;
    }
}
