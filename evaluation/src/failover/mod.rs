//! The figures of every fault, defined here and nowhere else.
//!
//! Times are seconds since the first stage began. *elect* and *recover* count from when the fault had
//! *happened* (the process was gone), not from when it was asked for. In the few milliseconds between the
//! two its effects may show already: what is seen then is the fault's doing, so who led before, and where
//! *unavailable* may begin, is decided by when it was asked for. A fault that strikes several nodes begins
//! with the first of them.
//!
//! A fault is looked at from its beginning until it is healed and the cluster has recovered from the
//! healing too ([`Failover::settled_s`]), or until the next fault, or until the load ends. What is seen
//! until service is good for the first time was *at the fault*; what is seen after that, to the end of the second in
//! which it settled, is the *healing*.

mod disturbance;
mod kind;
mod noise;
mod occurrence;
mod quiet;
mod recovery;
mod service;
mod stretch;
mod summit;
mod unavailable;

use std::collections::BTreeMap;

use loadgen::{
    record::EventKind,
    scenario::{FailoverFigure, OperationKind},
};

use crate::run::RunDirectory;
use disturbance::Disturbances;
pub use kind::{KindFigures, kinds};
pub use noise::Noise;
use occurrence::Occurrence;
pub use service::Baseline;
use service::Service;
pub use stretch::Stretch;
pub(crate) use summit::Summit;
pub use unavailable::Unavailable;
use unavailable::Window;

/// The beginning of every fault, s: whatever it does at once is its doing, however soon service is good again.
const AT_FAULT_S: f64 = 0.1;
/// Times that are equal on paper may differ in the last bit, s.
const ROUNDING_S: f64 = 1e-6;
/// In less time in which somebody asks it cannot be said that service did not become good again, s.
const DECIDING_S: f64 = 3.0;

/// One fault, and what it did to those who wanted service.
#[derive(Debug, Clone, PartialEq)]
pub struct Failover {
    /// Which entry of the scenario's fault list, from 0.
    pub index: usize,
    /// What was done, as in the scenario.
    pub kind: String,
    /// To whom, as in the scenario: `leader`, `random`, `minority`, `majority`, `all`, `n2`.
    pub target: String,
    /// The nodes it really struck, by number.
    pub nodes: Vec<u64>,
    /// When it was asked for, s.
    pub asked_s: f64,
    /// When it had happened, s. *elect* and *recover* are counted from here.
    pub injected_s: f64,
    /// When the last struck node served again, s; `None` when it never did.
    pub healed_s: Option<f64>,
    /// The node that led, and its term, when the fault was asked for.
    pub leader_before: Option<(u64, u64)>,
    /// *elect*: from the fault to the first leader of a higher term; 0 if it was seen before the fault was
    /// known to have happened.
    pub elect: Elect,
    /// *unavailable*, at the fault: the longest stretch in which somebody waited and nobody was served, from the
    /// fault until service was good for the first time.
    pub unavailable: Unavailable,
    /// The same from then on, to the end of the second in which it was settled; nothing, if service was not good again
    /// after the fault, or another fault came at once.
    pub healing: Option<Unavailable>,
    /// *unavailable* at the fault of each kind of operation that the load contains: in which nobody was served who
    /// had asked for it.
    pub unavailable_by_operation: BTreeMap<OperationKind, Unavailable>,
    /// The longest gap between two answers that overlaps the fault, whether anybody asked in it or not.
    pub longest_gap: Gap,
    /// The mean time between answers before the fault, ms.
    pub mean_gap_ms: Option<f64>,
    /// *recover*: from the fault to the beginning of the first second that is about as good as before; not before the
    /// end of a stretch at the fault that can be told from none. Seconds slide in steps of 100 ms, which is the
    /// resolution.
    pub recover: Recover,
    /// Whether it was healed and service good again after that: then `After` says when it was settled. `Undecided` too,
    /// if it was healed only when the load was over.
    pub settle: Recover,
    /// Whether, after it was healed, whoever asked was answered as surely as before, however slowly.
    pub again: Again,
    /// When the fault was healed and service was good again after that, s; the beginning of the first
    /// good second then. `None` when that did not happen before the next fault or the end.
    pub settled_s: Option<f64>,
    /// *lost work*: operations due between the fault and the recovery (without one, until the next
    /// fault or the end) that were not answered in time: failed, unknown, shed.
    pub lost_work: u64,
    /// What service was like before, which *recover* compares with.
    pub baseline: Option<Baseline>,
    /// Until when this fault is looked at, s.
    pub until_s: f64,
    /// The run was ended early while this fault was looked at: what had not ended by then may have
    /// ended soon after.
    pub cut_off: bool,
}

impl Failover {
    /// Whom it was meant for, as one says it: `the leader`, `n2`.
    pub fn victim(&self) -> String {
        match self.target.as_str() {
            "leader" => "the leader".to_owned(),
            "random" => "a random node".to_owned(),
            "minority" => "a minority".to_owned(),
            "majority" => "a majority".to_owned(),
            "all" => "all nodes".to_owned(),
            other => other.to_owned(),
        }
    }

    /// Both times that it may have been unavailable: at the fault, and at the healing.
    pub fn stretches(&self) -> impl Iterator<Item = &Unavailable> {
        std::iter::once(&self.unavailable).chain(&self.healing)
    }

    /// The one that it is known by: at the fault, unless only the healing can be told from no fault.
    pub fn main_stretch(&self) -> &Unavailable {
        let is_told = |u: &&Unavailable| u.is_distinguishable() == Some(true);
        self.stretches().find(is_told).unwrap_or(&self.unavailable)
    }

    /// Whether it can be told from no fault at all, at the fault or at the healing; nothing, where there is nothing
    /// to compare it with.
    pub fn is_distinguishable(&self) -> Option<bool> {
        let told: Vec<Option<bool>> = self.stretches().map(Unavailable::is_distinguishable).collect();
        if told.contains(&Some(true)) { Some(true) } else { told.into_iter().fold(Some(false), Option::and) }
    }

    /// One of the four figures: ms, or operations; infinite when it did not end, and nothing when the fault has
    /// none. *unavailable* is that at the fault, at least.
    pub fn figure(&self, figure: FailoverFigure) -> Option<f64> {
        match figure {
            FailoverFigure::Elect if self.elect == Elect::NotLeader => None,
            FailoverFigure::Elect => Some(self.elect.ms().unwrap_or(f64::INFINITY)),
            FailoverFigure::Unavailable => Some(self.unavailable.figure_ms()),
            FailoverFigure::Recover => match self.recover {
                Recover::After { ms } => Some(ms),
                Recover::Never => Some(f64::INFINITY),
                Recover::Undecided { .. } => None,
            },
            FailoverFigure::LostWork => Some(self.lost_work as f64),
        }
    }
}

/// From a fault to a new leader.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Elect {
    /// The fault did not strike the leader (or none was known): there is nothing to elect.
    NotLeader,
    /// Nobody of a higher term was seen to lead before the next fault, or at all.
    Never,
    /// A leader of a higher term was seen.
    After {
        /// How long after the fault, ms.
        ms: f64,
        /// The new leader.
        node: u64,
        /// Its term.
        term: u64,
    },
}

impl Elect {
    /// The time it took, ms; `None` where nobody was, or needed to be, elected.
    pub fn ms(self) -> Option<f64> {
        match self {
            Self::After { ms, .. } => Some(ms),
            Self::NotLeader | Self::Never => None,
        }
    }
}

/// What became of those who asked after a fault was healed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// They were answered as surely as before; without a before, as those are who are served. Of a fault that was healed
    /// when the load was over: somebody who still waited was.
    Answered,
    /// That was not seen.
    NotSeen,
    /// Nobody asked any more.
    NobodyAsked,
}

/// From a fault, or from its healing, to service that is about as good as before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Recover {
    /// It was.
    After {
        /// How long after, ms.
        ms: f64,
    },
    /// It was not until the end of the load, and somebody asked for long enough.
    Never,
    /// The next fault, the end of the load, or a time in which nobody asked, came before it could be seen; or there was
    /// no service before the fault to compare it with.
    Undecided {
        /// In so long a time it was not, ms.
        seen_ms: f64,
    },
}

impl Recover {
    /// The time it took, ms; `None` where it was not seen.
    pub fn ms(self) -> Option<f64> {
        match self {
            Self::After { ms } => Some(ms),
            Self::Never | Self::Undecided { .. } => None,
        }
    }
}

/// A gap between two answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gap {
    /// The last answer before it, s; the beginning of the load, if there was none.
    pub from_s: f64,
    /// The first answer after it, s; the end of the load, if there was none.
    pub to_s: f64,
    /// No answer ended it: it is at least so long.
    pub open_ended: bool,
}

impl Gap {
    /// How long it was, ms.
    pub fn ms(&self) -> f64 {
        (self.to_s - self.from_s) * 1e3
    }
}

/// The figures of every fault of the run, in order of time.
pub fn analyse(run: &RunDirectory) -> Vec<Failover> {
    analyse_service(run, &Service::of(run))
}

fn analyse_service(run: &RunDirectory, service: &Service) -> Vec<Failover> {
    let occurrences = Occurrence::all(&run.events);
    let mut failovers: Vec<Failover> = Vec::with_capacity(occurrences.len());
    let (mut disturbances, reigns) = (Disturbances::default(), Reigns::of(run));
    for (i, fault) in occurrences.iter().enumerate() {
        // The next fault ends this one's time only if it came later.
        let next_s = occurrences.get(i + 1).map(|next| next.injected_s).filter(|&at| at > fault.injected_s);
        let limit_s = next_s.unwrap_or(service.end_s).max(fault.injected_s);
        // Elections go on when the load has ended.
        let next_asked_s = occurrences.get(i + 1).map(|next| next.asked_s);
        // A slow one may have been asked for earlier than one that happened before it.
        let next_asked_s = next_asked_s.filter(|&asked| next_s.is_some() && asked > fault.asked_s);
        let elect = reigns.elect(fault, next_asked_s.unwrap_or(f64::INFINITY));
        let ends = Ends { limit_s, next_asked_s, by_fault: next_s.is_some() };
        let earlier = Earlier { last: failovers.last(), disturbances: &disturbances };
        let leadership = (reigns.before(fault.asked_s), elect);
        let failover = figures(run, service, fault, ends, leadership, earlier);
        disturbances.add(&failover);
        failovers.push(failover);
    }
    failovers
}

/// What faults disturbed: from when each was asked for until it was settled. One that did not settle was over when a later
/// one had settled, if it was healed by then. In order, and none of them touch.
pub fn disturbed(failovers: &[Failover]) -> Vec<(f64, f64)> {
    Disturbances::of(failovers).all()
}

/// What ends the time in which a fault is looked at, if it does not settle before.
#[derive(Clone, Copy)]
struct Ends {
    /// The next fault had happened, or the load ended, s.
    limit_s: f64,
    /// The next fault was asked for, s.
    next_asked_s: Option<f64>,
    /// It is the next fault that does.
    by_fault: bool,
}

/// The faults before one.
#[derive(Clone, Copy)]
struct Earlier<'a> {
    /// The last.
    last: Option<&'a Failover>,
    /// What all of them disturbed.
    disturbances: &'a Disturbances,
}

fn figures(
    run: &RunDirectory,
    service: &Service,
    fault: &Occurrence,
    Ends { limit_s, next_asked_s, by_fault }: Ends,
    (leader_before, elect): (Option<(u64, u64)>, Elect),
    earlier: Earlier<'_>,
) -> Failover {
    let start = fault.injected_s;
    let baseline = baseline(run, service, fault.asked_s, earlier.last);
    // What lies behind the next fault is that one's doing.
    let seen_s = next_asked_s.unwrap_or(f64::INFINITY);
    let quiet = quiet::before(fault.asked_s, &run.phases(), earlier.disturbances);
    let measure = |kind: Option<OperationKind>, window: Window| {
        Unavailable::of(service.stretches(kind), window, &quiet)
    };

    // The first good second in which nothing happened that can be told from no fault: a second may be good as a whole
    // with an outage in it.
    let good_from = |from_s: f64| {
        let mut from_s = from_s;
        loop {
            let good_s = service.first_good_second(&baseline?, start, from_s, limit_s)?;
            let second = measure(None, Window { from_s: good_s, to_s: good_s + service::SECOND_S, seen_s });
            // One that lies behind the next fault is that one's doing.
            let is_own = second.stretch.from_s < seen_s && second.stretch.next_answer_s > good_s + ROUNDING_S;
            if second.is_distinguishable() != Some(true) || !is_own {
                return Some(good_s);
            }
            from_s = second.stretch.next_answer_s;
        }
    };

    let good_s = good_from(start);
    let at_fault_to_s = good_s.unwrap_or(limit_s).max(start + AT_FAULT_S).min(seen_s).max(fault.asked_s);
    let at_fault = Window { from_s: fault.asked_s, to_s: at_fault_to_s, seen_s };
    let unavailable = measure(None, at_fault);
    // What can be told in all this time need not be in one second.
    let recovered_s = match unavailable.is_distinguishable() {
        Some(false) => good_s,
        Some(true) | None => good_s.and_then(|good| good_from(good.max(unavailable.stretch.next_answer_s))),
    };

    let healed_s = recovered_s.zip(fault.healed_s).map(|(recovered, healed)| recovered.max(healed));
    let mut settled_s = healed_s.and_then(good_from);
    let healing_from_s = at_fault_to_s.max(unavailable.stretch.next_answer_s);
    let healing = |settled_s: Option<f64>| {
        // A good second tolerates a short outage: to its end.
        let to_s = settled_s.map_or(limit_s, |settled| settled + service::SECOND_S).min(seen_s);
        let window = Window { from_s: healing_from_s, to_s, seen_s };
        (to_s > healing_from_s).then(|| measure(None, window))
    };
    let healing = healing(settled_s);
    if let Some(healing) = healing.as_ref().filter(|healing| healing.is_distinguishable() != Some(false)) {
        settled_s = settled_s.and_then(|settled| good_from(settled.max(healing.stretch.next_answer_s)));
    }
    let until_s = settled_s.unwrap_or(limit_s);
    let healed_in_time_s = fault.healed_s.filter(|&healed| healed < limit_s);
    // Too little was seen from some time on, or there was nothing to compare it with.
    let is_open = |from_s: f64| {
        by_fault
            || service.cut_off
            || baseline.is_none()
            || (service.asked_seconds(from_s, limit_s) as f64) < DECIDING_S
    };
    let bad_until_s =
        |to_s: f64| baseline.map_or(start, |before| service.last_bad_second(&before, start, to_s));
    let undecided =
        |from_s: f64, seen_s: f64| Recover::Undecided { seen_ms: (seen_s - from_s).max(0.0) * 1e3 };
    let recover = match recovered_s {
        // When nobody had asked for long, it is not known since when service was good.
        Some(at_s) if at_s - start > DECIDING_S && at_s - bad_until_s(at_s) > DECIDING_S => {
            undecided(start, bad_until_s(at_s))
        }
        Some(at_s) => Recover::After { ms: (at_s - start).max(0.0) * 1e3 },
        None if is_open(healed_in_time_s.unwrap_or(start).max(start)) => {
            undecided(start, bad_until_s(limit_s))
        }
        None => Recover::Never,
    };
    let settle = match (healed_in_time_s, settled_s) {
        (Some(healed_s), Some(at_s)) => Recover::After { ms: (at_s - healed_s).max(0.0) * 1e3 },
        (Some(healed_s), None) if !is_open(healed_s.max(start)) => Recover::Never,
        (Some(healed_s), None) => undecided(healed_s, bad_until_s(limit_s)),
        // Nothing was seen of what the healing does.
        (None, _) => undecided(start, start),
    };
    let charged_s = until_s.min(seen_s).max(fault.asked_s);
    let planned = run.scenario.faults.get(fault.index);
    Failover {
        index: fault.index,
        kind: planned.map_or_else(|| fault.name.clone(), |f| f.kind.name().to_owned()),
        target: planned.map_or_else(|| node_list(&fault.nodes), |f| f.target.to_string()),
        nodes: fault.nodes.clone(),
        asked_s: fault.asked_s,
        injected_s: start,
        healed_s: fault.healed_s,
        leader_before,
        elect,
        unavailable,
        healing,
        unavailable_by_operation: service.kinds().map(|kind| (kind, measure(Some(kind), at_fault))).collect(),
        longest_gap: service.longest_gap(fault.asked_s, charged_s),
        mean_gap_ms: baseline.and_then(|b| service.mean_gap_ms((b.from_s, b.to_s))),
        recover,
        settle,
        again: fault.healed_s.map_or(Again::NotSeen, |healed_s| match healed_in_time_s {
            None if by_fault => Again::NotSeen,
            None => service.answered_late(healed_s),
            Some(_) => service.answered_again(baseline.as_ref(), start, (healed_s.max(start), limit_s)),
        }),
        settled_s,
        lost_work: service.lost_between(start, recovered_s.unwrap_or(limit_s)),
        baseline,
        until_s,
        cut_off: service.cut_off && settled_s.is_none() && limit_s >= service.end_s,
    }
}

/// Service in the last five seconds before the fault was asked for, without warm-up and without what an earlier
/// fault still disturbed. When too little is left of them, what the earlier fault was compared with.
fn baseline(
    run: &RunDirectory,
    service: &Service,
    asked_s: f64,
    previous: Option<&Failover>,
) -> Option<Baseline> {
    let warm = run.phases().warmups().iter().map(|w| w.1).filter(|&end| end <= asked_s).fold(0.0, f64::max);
    let undisturbed = match previous {
        None => 0.0,
        Some(earlier) => match earlier.settled_s {
            Some(settled) if settled + 1.0 <= asked_s => settled,
            // Without any, from its healing on is better than nothing.
            _ if earlier.baseline.is_some() => return earlier.baseline,
            _ => earlier.healed_s.filter(|&healed| healed + 1.0 <= asked_s).unwrap_or(0.0),
        },
    };
    let from = (asked_s - 5.0).max(warm).max(undisturbed);
    // A fault within a second of the warm-up's end has nothing else to be compared with.
    let from = if asked_s - from < 1.0 && previous.is_none() { (asked_s - 5.0).max(0.0) } else { from };
    service.baseline(from, asked_s)
}

/// Who was seen to lead, in order of time.
struct Reigns {
    /// When each was first seen, s, who, and in which term.
    seen: Vec<(f64, u64, u64)>,
    /// The place of the one of the highest term among each and all before it.
    highest: Vec<usize>,
}

impl Reigns {
    fn of(run: &RunDirectory) -> Self {
        let mut seen: Vec<(f64, u64, u64)> = leaders(run).collect();
        seen.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut highest: Vec<usize> = Vec::with_capacity(seen.len());
        for (place, one) in seen.iter().enumerate() {
            let before = highest.last().copied().filter(|&before| seen[before].2 > one.2);
            highest.push(before.unwrap_or(place));
        }
        Self { seen, highest }
    }

    /// How many were seen until `at_s`.
    fn count(&self, at_s: f64) -> usize {
        self.seen.partition_point(|one| one.0 <= at_s)
    }

    /// The leader of the highest term seen until `asked_s`, when a fault was asked for, and its term.
    fn before(&self, asked_s: f64) -> Option<(u64, u64)> {
        let last = self.count(asked_s).checked_sub(1)?;
        let (_, node, term) = self.seen[self.highest[last]];
        Some((node, term))
    }

    fn elect(&self, fault: &Occurrence, limit_s: f64) -> Elect {
        let Some((_, old_term)) =
            self.before(fault.asked_s).filter(|(leader, _)| fault.nodes.contains(leader))
        else {
            return Elect::NotLeader;
        };
        let later = &self.seen[self.count(fault.asked_s)..];
        let elected = later.iter().take_while(|one| one.0 <= limit_s).find(|one| one.2 > old_term);
        elected.map_or(Elect::Never, |&(at_s, node, term)| Elect::After {
            ms: (at_s - fault.injected_s).max(0.0) * 1e3,
            node,
            term,
        })
    }
}

/// When somebody was first seen to lead, who, and which term.
pub fn leaders(run: &RunDirectory) -> impl Iterator<Item = (f64, u64, u64)> {
    run.events
        .iter()
        .filter(|e| e.event == EventKind::Leader)
        .filter_map(|e| Some((e.completed_s, e.node, e.term?)))
}

/// Nodes as people write them: `n1, n3`.
pub fn node_list(nodes: &[u64]) -> String {
    let names: Vec<String> = nodes.iter().map(|n| format!("n{n}")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests;
