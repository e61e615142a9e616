//! The figures of all faults of one kind together.

use loadgen::scenario::FailoverFigure;

use super::{Failover, Recover, Unavailable};
use crate::statistics::Distribution;

/// How the figures of all faults of one kind are distributed, ms.
#[derive(Debug, Clone, PartialEq)]
pub struct KindFigures {
    /// What was done, as in the scenario: `kill`.
    pub kind: String,
    /// How many there were.
    pub faults: usize,
    /// Of how many of them the outage, at the fault or at the healing, can be told from no fault.
    pub distinguishable: usize,
    /// Of how many that is not known, without anything to compare with.
    pub unknown: usize,
    /// *elect* of those that struck the leader.
    pub elect: Distribution,
    /// *unavailable* at the fault, at least.
    pub unavailable: Distribution,
    /// *unavailable* at the fault, at most.
    pub unavailable_at_most: Distribution,
    /// The same in the last time as long before each of them in which as much was asked for, at least.
    pub noise: Distribution,
    /// *unavailable* at the healing, at least.
    pub healing: Distribution,
    /// *recover* of those of which it is known.
    pub recover: Distribution,
    /// Of how many it is undecided.
    pub recover_undecided: usize,
    /// The longest gaps between two answers, whether anybody asked in them or not.
    pub longest_gap: Distribution,
}

impl KindFigures {
    /// Its figures with their names, in the order of tables.
    pub fn figures(&self) -> [(&'static str, &Distribution); 6] {
        [
            ("elect", &self.elect),
            ("unavailable, at least", &self.unavailable),
            ("unavailable, at most", &self.unavailable_at_most),
            ("noise", &self.noise),
            ("healing, at least", &self.healing),
            ("recover", &self.recover),
        ]
    }
}

/// The figures of each kind of fault, in the order in which they first struck.
pub fn kinds(failovers: &[Failover]) -> Vec<KindFigures> {
    let mut names: Vec<&str> = Vec::new();
    for fault in failovers {
        if !names.contains(&fault.kind.as_str()) {
            names.push(&fault.kind);
        }
    }
    names.into_iter().map(|name| of_kind(failovers, name)).collect()
}

fn of_kind(failovers: &[Failover], kind: &str) -> KindFigures {
    let all = || failovers.iter().filter(|fault| fault.kind == kind);
    let figure = |figure| all().filter_map(|fault| fault.figure(figure)).collect();
    let gap = |fault: &Failover| match fault.longest_gap.open_ended {
        true => f64::INFINITY,
        false => fault.longest_gap.ms(),
    };
    KindFigures {
        kind: kind.to_owned(),
        faults: all().count(),
        distinguishable: all().filter(|fault| fault.is_distinguishable() == Some(true)).count(),
        unknown: all().filter(|fault| fault.is_distinguishable().is_none()).count(),
        elect: figure(FailoverFigure::Elect),
        unavailable: figure(FailoverFigure::Unavailable),
        unavailable_at_most: all()
            .map(|fault| fault.unavailable.at_most_ms().unwrap_or(f64::INFINITY))
            .collect(),
        noise: all()
            .filter_map(|fault| fault.unavailable.noise)
            .map(|noise| noise.latest.at_least_ms())
            .collect(),
        healing: all().filter_map(|fault| fault.healing.as_ref()).map(Unavailable::figure_ms).collect(),
        recover: figure(FailoverFigure::Recover),
        recover_undecided: all().filter(|fault| matches!(fault.recover, Recover::Undecided { .. })).count(),
        longest_gap: all().map(gap).collect(),
    }
}
