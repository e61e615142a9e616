//! Injects the faults of a scenario when they are due, and keeps a log of it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::future::join_all;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::{sync::watch, task::JoinSet, time::Instant};
use veil::wire::client::{Leadership, NodeId};

use super::{heal, inject, verify, verify_healed};
use crate::{
    cluster::{ClusterError, ProcessCluster},
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

/// Injects and heals every fault in its time after `start`, each on its own. A node is struck by one
/// fault at a time.
///
/// When the load is over, which `over` tells, what has not struck does not strike any more, and what has
/// is healed at once, so that the cluster can be read back.
pub async fn inject_all(
    faults: &[Fault],
    seed: u64,
    cluster: Arc<ProcessCluster>,
    leadership: watch::Receiver<Leadership>,
    start: Instant,
    over: watch::Receiver<bool>,
) -> FaultLog {
    let mut running = JoinSet::new();
    let struck = Struck::default();
    for (number, fault) in faults.iter().enumerate() {
        let strike = Strike {
            number,
            fault: fault.clone(),
            rng: ChaCha8Rng::seed_from_u64(seed.wrapping_add(number as u64)),
            cluster: cluster.clone(),
            leadership: leadership.clone(),
            struck: struck.clone(),
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
    struck: Struck,
    start: Instant,
    over: watch::Receiver<bool>,
}

/// The nodes that a fault has struck and that are not healed.
#[derive(Debug, Clone, Default)]
struct Struck(watch::Sender<BTreeSet<NodeId>>);

impl Struck {
    /// Takes those of `wanted` that no other fault has.
    fn take(&self, wanted: impl IntoIterator<Item = NodeId>) -> Vec<NodeId> {
        let mut taken = Vec::new();
        self.0.send_if_modified(|struck| {
            taken.extend(wanted.into_iter().filter(|node| struck.insert(*node)));
            !taken.is_empty()
        });
        taken
    }

    /// Takes one of `members` that no other fault has.
    fn take_any(&self, members: &[NodeId], rng: &mut impl Rng) -> Vec<NodeId> {
        let mut taken = Vec::new();
        self.0.send_if_modified(|struck| {
            let free: Vec<NodeId> = members.iter().copied().filter(|node| !struck.contains(node)).collect();
            if !free.is_empty() {
                let chosen = free[rng.random_range(0..free.len())];
                struck.insert(chosen);
                taken.push(chosen);
            }
            !taken.is_empty()
        });
        taken
    }

    fn give_back(&self, node: NodeId) {
        self.0.send_modify(|struck| {
            struck.remove(&node);
        });
    }
}

impl Strike {
    async fn run(mut self) -> FaultLog {
        let mut log = FaultLog::default();
        let mut over = self.over.clone();
        let targets = async {
            tokio::time::sleep_until(self.start + self.fault.at).await;
            self.targets().await
        };
        let nodes = tokio::select! {
            // Of two that are ready, the end of the load comes first.
            biased;
            () = ended(&mut over) => return log,
            nodes = targets => nodes,
        };
        let nodes = match nodes {
            Ok(nodes) => nodes,
            Err(reason) => {
                log.failures.push(format!("fault {}: {reason}", self.number));
                return log;
            }
        };
        // All at once, not one after the other.
        let injecting = nodes.iter().map(|node| self.step(EventKind::Fault, *node));
        self.note(&mut log, join_all(injecting).await);
        let healed_after = async {
            match self.fault.heal {
                Some(after) => tokio::time::sleep_until(self.start + self.fault.at + after).await,
                None => std::future::pending().await,
            }
        };
        let standing = async {
            tokio::select! {
                () = ended(&mut over) => {}
                () = healed_after => {}
            }
        };
        let verifying = join_all(nodes.iter().map(|node| verify(self.fault.kind, &self.cluster, *node)));
        let (verified, ()) = tokio::join!(verifying, standing);
        self.note_failures(&mut log, verified);
        let healing = nodes.iter().map(|node| self.step(EventKind::Heal, *node));
        self.note(&mut log, join_all(healing).await);
        let well = self.well();
        let verifying = nodes.iter().map(|node| verify_healed(self.fault.kind, &self.cluster, *node, &well));
        self.note_failures(&mut log, join_all(verifying).await);
        log
    }

    /// Resolves whom to strike, and takes them; nobody else strikes them until they are healed.
    async fn targets(&mut self) -> Result<Vec<NodeId>, String> {
        let members: Vec<NodeId> = self.cluster.members().iter().map(|member| member.id).collect();
        let taken = match self.fault.target {
            Target::All => self.struck.take(members),
            Target::Node(id) => self.struck.take([id]),
            Target::Random => self.struck.take_any(&members, &mut self.rng),
            Target::Leader => tokio::time::timeout(LEADER_PATIENCE, self.leader()).await.unwrap_or_default(),
        };
        match self.fault.target {
            _ if !taken.is_empty() => Ok(taken),
            Target::Leader => Err("nobody leads who is not struck by another fault already".to_owned()),
            Target::Node(id) => Err(format!("n{id} is struck by another fault already")),
            Target::All | Target::Random => Err("every node is struck by another fault already".to_owned()),
        }
    }

    /// Takes the leader, as soon as there is one that no other fault has.
    async fn leader(&mut self) -> Vec<NodeId> {
        let mut struck = self.struck.0.subscribe();
        loop {
            struck.mark_unchanged();
            let leader = self.leadership.borrow_and_update().leader.as_ref().map(|leader| leader.id);
            let taken = self.struck.take(leader);
            if !taken.is_empty() {
                return taken;
            }
            let changed = tokio::select! {
                changed = self.leadership.changed() => changed,
                changed = struck.changed() => changed,
            };
            if changed.is_err() {
                return taken;
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
        if event == EventKind::Heal {
            self.struck.give_back(node);
        }
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

    /// The nodes that no fault has struck.
    fn well(&self) -> Vec<NodeId> {
        let struck = self.struck.0.borrow();
        self.cluster.members().iter().map(|member| member.id).filter(|id| !struck.contains(id)).collect()
    }

    fn note_failures(&self, log: &mut FaultLog, verified: Vec<Result<(), ClusterError>>) {
        let failed = verified.into_iter().filter_map(Result::err);
        log.failures.extend(failed.map(|error| format!("fault {}: {error}", self.number)));
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

/// Waits until the load is over.
async fn ended(over: &mut watch::Receiver<bool>) {
    // The sender is only dropped when the run is torn down: then it is over, too.
    let _ = over.wait_for(|over| *over).await;
}
