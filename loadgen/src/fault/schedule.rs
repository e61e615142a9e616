//! Injects the faults of a scenario when they are due, and keeps a log of it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::future::join_all;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::{
    sync::{Mutex, watch},
    task::JoinSet,
    time::Instant,
};
use veil::wire::client::{Leadership, NodeId};

use super::{Effect, effect, whole};
use crate::{
    cluster::{Cluster, ClusterError},
    record::{Event, EventKind},
    scenario::{Fault, Target, When},
};

/// How long a fault that strikes the leader waits for one.
const LEADER_PATIENCE: Duration = Duration::from_secs(5);

/// How much longer than the load a fault may look for whom to strike that was due before its end.
const LATE: Duration = Duration::from_secs(1);

/// How far the load has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// There is more to come.
    UnderWay,
    /// Its last stage has ended.
    Over,
    /// It was ended before.
    CutShort,
}

/// What was done, and what could not be.
#[derive(Debug, Default)]
pub struct FaultLog {
    /// Faults and heals, in order of time.
    pub events: Vec<Event>,
    /// Faults that could not be injected or healed, in words.
    pub failures: Vec<String>,
}

/// Injects and heals every fault in its time after `start`, each on its own. A node is struck by one
/// fault at a time. Those that wait until the cluster is whole strike one after the other.
///
/// When the load is over, what has struck is healed at once, so that the cluster can be read back. What was due before
/// the end strikes even so, if only by a hair; but not what still waits for the cluster to be whole, and nothing once
/// the load was cut short.
pub async fn inject_all(
    faults: &[Fault],
    seed: u64,
    cluster: Arc<dyn Cluster>,
    leadership: watch::Receiver<Leadership>,
    start: Instant,
    load: watch::Receiver<Progress>,
) -> FaultLog {
    let mut running = JoinSet::new();
    let struck = Struck::default();
    let turn = Arc::new(Mutex::new(whole::Watch::default()));
    for (number, fault) in faults.iter().enumerate() {
        let strike = Strike {
            number,
            fault: fault.clone(),
            rng: ChaCha8Rng::seed_from_u64(seed.wrapping_add(number as u64)),
            cluster: cluster.clone(),
            leadership: leadership.clone(),
            struck: struck.clone(),
            turn: turn.clone(),
            start,
            load: load.clone(),
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
    cluster: Arc<dyn Cluster>,
    leadership: watch::Receiver<Leadership>,
    struck: Struck,
    /// Whose turn it is of those that wait until the cluster is whole: first come, first served.
    turn: Arc<Mutex<whole::Watch>>,
    start: Instant,
    load: watch::Receiver<Progress>,
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

    /// Takes so many of `members` that no other fault has, or as many as there are.
    fn take_some(&self, members: &[NodeId], count: usize, rng: &mut impl Rng) -> Vec<NodeId> {
        let mut taken = Vec::new();
        self.0.send_if_modified(|struck| {
            let mut free: Vec<NodeId> =
                members.iter().copied().filter(|node| !struck.contains(node)).collect();
            while taken.len() < count && !free.is_empty() {
                let chosen = free.remove(rng.random_range(0..free.len()));
                struck.insert(chosen);
                taken.push(chosen);
            }
            !taken.is_empty()
        });
        taken
    }

    /// Waits until no fault stands.
    async fn until_none(&self) {
        // The sender lives as long as this.
        let _ = self.0.subscribe().wait_for(BTreeSet::is_empty).await;
    }

    fn give_back(&self, node: NodeId) {
        self.0.send_modify(|struck| {
            struck.remove(&node);
        });
    }
}

/// What a fault does to one of the nodes that it strikes.
struct Blow {
    node: NodeId,
    effect: Box<dyn Effect>,
}

impl Strike {
    async fn run(mut self) -> FaultLog {
        let mut log = FaultLog::default();
        let (mut load, when) = (self.load.clone(), self.fault.when);
        let targets = async {
            let due = self.start + self.fault.at;
            tokio::time::sleep_until(due).await;
            match self.fault.when {
                When::Due => Ok((due, self.targets().await?)),
                When::Whole => {
                    let turn = self.turn.clone();
                    let mut turn = turn.lock().await;
                    self.struck.until_none().await;
                    turn.until_whole(&*self.cluster).await.map_err(|error| error.to_string())?;
                    Ok((Instant::now(), self.targets().await?))
                }
            }
        };
        let nodes = {
            let mut targets = std::pin::pin!(targets);
            tokio::select! {
                // Of two that are ready, the end of the load comes first.
                biased;
                how = ended(&mut load) => match (how, when) {
                    (Progress::Over, When::Due) => match tokio::time::timeout(LATE, targets).await {
                        Ok(nodes) => nodes,
                        Err(_) => return log,
                    },
                    _ => return log,
                },
                nodes = &mut targets => nodes,
            }
        };
        let (asked, nodes) = match nodes {
            Ok(found) => found,
            Err(reason) => {
                let reason: String = reason;
                log.failures.push(format!("fault {}: {reason}", self.number));
                return log;
            }
        };
        let members = self.members();
        let struck: Vec<Blow> = (nodes.iter())
            .map(|node| Blow { node: *node, effect: effect(self.fault.kind, &members, *node) })
            .collect();
        // All at once, not one after the other.
        self.note(&mut log, join_all(struck.iter().map(|blow| self.step(EventKind::Fault, blow))).await);
        let stood = join_all(struck.iter().map(|blow| self.stand(blow, asked, &nodes))).await;
        self.note_failures(&mut log, stood.into_iter().flatten());
        self.note(&mut log, join_all(struck.iter().map(|blow| self.step(EventKind::Heal, blow))).await);
        let well = |node| self.is_well(node);
        let verifying = struck.iter().map(|blow| blow.effect.verify_healed(&*self.cluster, &well));
        self.note_failures(&mut log, join_all(verifying).await);
        log
    }

    /// Keeps a fault up that was `asked` for then, and makes sure that it has taken hold, until it is to be
    /// healed. The other nodes that it has `struck` are as well as it leaves them.
    async fn stand(&self, blow: &Blow, asked: Instant, struck: &[NodeId]) -> [Result<(), ClusterError>; 2] {
        let well = |node| struck.contains(&node) || self.is_well(node);
        let mut verified = Ok(());
        let until = async {
            (verified, ()) =
                tokio::join!(blow.effect.verify(&*self.cluster, &well), self.until_healed(asked));
        };
        let stood = blow.effect.stand(&*self.cluster, Box::pin(until)).await;
        [stood, verified]
    }

    /// Waits until the fault that was `asked` for then is to be healed.
    async fn until_healed(&self, asked: Instant) {
        let mut load = self.load.clone();
        let due = async {
            match self.fault.heal {
                _ if self.fault.kind.heals_by_itself() => {}
                Some(after) => tokio::time::sleep_until(asked + after).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = ended(&mut load) => {}
            () = due => {}
        }
    }

    /// Resolves whom to strike, and takes them; nobody else strikes them until they are healed.
    async fn targets(&mut self) -> Result<Vec<NodeId>, String> {
        let members = self.members();
        let count = self.fault.target.count(members.len());
        let taken = match self.fault.target {
            Target::All => self.struck.take(members),
            Target::Node(id) => self.struck.take([id]),
            Target::Random | Target::Minority | Target::Majority => {
                self.struck.take_some(&members, count, &mut self.rng)
            }
            Target::Leader => tokio::time::timeout(LEADER_PATIENCE, self.leader()).await.unwrap_or_default(),
        };
        match self.fault.target {
            _ if !taken.is_empty() => Ok(taken),
            Target::Leader => Err("nobody leads who is not struck by another fault already".to_owned()),
            Target::Node(id) => Err(format!("n{id} is struck by another fault already")),
            Target::All | Target::Random | Target::Minority | Target::Majority => {
                Err("every node is struck by another fault already".to_owned())
            }
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

    async fn step(&self, event: EventKind, Blow { node, effect }: &Blow) -> Result<Event, String> {
        let node = *node;
        let invoked = self.start.elapsed();
        let kind = self.fault.kind;
        let done = match event {
            EventKind::Heal => effect.heal(&*self.cluster).await,
            _ => effect.inject(&*self.cluster).await,
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

    fn members(&self) -> Vec<NodeId> {
        self.cluster.members().iter().map(|member| member.id).collect()
    }

    /// Whether no fault has struck that node.
    fn is_well(&self, node: NodeId) -> bool {
        !self.struck.0.borrow().contains(&node)
    }

    fn note_failures(
        &self,
        log: &mut FaultLog,
        verified: impl IntoIterator<Item = Result<(), ClusterError>>,
    ) {
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

/// Waits until the load is over, and says how it came to be.
async fn ended(load: &mut watch::Receiver<Progress>) -> Progress {
    // The sender is only dropped when the run is torn down: then it is over, too.
    load.wait_for(|now| *now != Progress::UnderWay).await.map_or(Progress::CutShort, |now| *now)
}
