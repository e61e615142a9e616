//! Injects the faults of a scenario when they are due, and keeps a log of it.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::{sync::watch, task::JoinSet, time::Instant};
use veil::wire::client::{Leadership, NodeId};

use super::{heal, inject};
use crate::{
    cluster::ProcessCluster,
    record::{Event, EventKind},
    scenario::{Fault, Target},
};

/// How long a fault that strikes the leader waits for one.
const LEADER_PATIENCE: Duration = Duration::from_secs(5);

/// What was done, and what could not be.
#[derive(Debug, Default)]
pub struct FaultLog {
    /// Faults and heals, in order of time.
    pub events: Vec<Event>,
    /// Faults that could not be injected or healed, in words.
    pub failures: Vec<String>,
}

/// Injects and heals every fault in its time after `start`, each on its own. When the load is over,
/// which `over` tells, faults without an end of their own are healed too, so that the cluster can be
/// read back.
pub async fn inject_all(
    faults: &[Fault],
    seed: u64,
    cluster: Arc<ProcessCluster>,
    leadership: watch::Receiver<Leadership>,
    start: Instant,
    over: watch::Receiver<bool>,
) -> FaultLog {
    let mut running = JoinSet::new();
    for (number, fault) in faults.iter().enumerate() {
        let strike = Strike {
            number,
            fault: fault.clone(),
            rng: ChaCha8Rng::seed_from_u64(seed.wrapping_add(number as u64)),
            cluster: cluster.clone(),
            leadership: leadership.clone(),
            start,
            over: over.clone(),
        };
        running.spawn(strike.run());
    }
    let mut log = FaultLog::default();
    while let Some(done) = running.join_next().await {
        match done {
            Ok(part) => {
                log.events.extend(part.events);
                log.failures.extend(part.failures);
            }
            Err(panic) => log.failures.push(panic.to_string()),
        }
    }
    log.events.sort_by(|a, b| a.invoked_s.total_cmp(&b.invoked_s));
    log
}

struct Strike {
    number: usize,
    fault: Fault,
    rng: ChaCha8Rng,
    cluster: Arc<ProcessCluster>,
    leadership: watch::Receiver<Leadership>,
    start: Instant,
    over: watch::Receiver<bool>,
}

impl Strike {
    async fn run(mut self) -> FaultLog {
        let mut log = FaultLog::default();
        tokio::time::sleep_until(self.start + self.fault.at).await;
        let nodes = self.targets().await;
        if nodes.is_empty() {
            log.failures.push(format!("fault {}: nobody leads, so the leader cannot be struck", self.number));
            return log;
        }
        // All at once, not one after the other.
        let injecting = nodes.iter().map(|node| self.step(EventKind::Fault, *node));
        self.note(&mut log, join_all(injecting).await);
        match self.fault.heal {
            Some(after) => tokio::time::sleep_until(self.start + self.fault.at + after).await,
            // The sender is only dropped when the run is torn down: then there is nothing to heal.
            None => drop(self.over.wait_for(|over| *over).await),
        }
        let healing = nodes.iter().map(|node| self.step(EventKind::Heal, *node));
        self.note(&mut log, join_all(healing).await);
        log
    }

    async fn targets(&mut self) -> Vec<NodeId> {
        let members = self.cluster.members();
        match self.fault.target {
            Target::All => members.iter().map(|member| member.id).collect(),
            Target::Node(id) => vec![id],
            Target::Random => vec![members[self.rng.random_range(0..members.len())].id],
            Target::Leader => {
                let known = self.leadership.wait_for(|now| now.leader.is_some());
                match tokio::time::timeout(LEADER_PATIENCE, known).await {
                    Ok(Ok(now)) => now.leader.iter().map(|leader| leader.id).collect(),
                    _ => Vec::new(),
                }
            }
        }
    }

    async fn step(&self, event: EventKind, node: NodeId) -> Result<Event, String> {
        let invoked = self.start.elapsed();
        let kind = self.fault.kind;
        let done = match event {
            EventKind::Heal => heal(kind, &self.cluster, node).await,
            _ => inject(kind, &self.cluster, node).await,
        };
        let completed = self.start.elapsed();
        tracing::info!(?event, kind = kind.name(), node, ?completed, "fault");
        done.map_err(|error| format!("fault {}: {error}", self.number))?;
        Ok(Event {
            event,
            fault: Some(self.number),
            node,
            term: None,
            invoked_s: invoked.as_secs_f64(),
            completed_s: completed.as_secs_f64(),
            detail: kind.name().to_owned(),
        })
    }

    fn note(&self, log: &mut FaultLog, steps: Vec<Result<Event, String>>) {
        for step in steps {
            match step {
                Ok(event) => log.events.push(event),
                Err(failure) => log.failures.push(failure),
            }
        }
    }
}
