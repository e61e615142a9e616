//! The figures of all faults of one kind together.

use loadgen::scenario::FailoverFigure;

use super::Failover;
use crate::statistics::Distribution;

/// How the figures of all faults of one kind are distributed, ms.
#[derive(Debug, Clone, PartialEq)]
pub struct KindFigures {
    /// What was done, as in the scenario: `kill`.
    pub kind: String,
    /// How many there were.
    pub faults: usize,
    /// *elect* of those that struck the leader.
    pub elect: Distribution,
    /// *unavailable*.
    pub unavailable: Distribution,
    /// *recover*.
    pub recover: Distribution,
    /// How finely *unavailable* could be seen, of the one that was seen the worst.
    pub resolution_ms: Option<f64>,
}

impl KindFigures {
    /// Its three figures with their names, in the order of tables.
    pub fn figures(&self) -> [(&'static str, &Distribution); 3] {
        [("elect", &self.elect), ("unavailable", &self.unavailable), ("recover", &self.recover)]
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
    KindFigures {
        kind: kind.to_owned(),
        faults: all().count(),
        elect: figure(FailoverFigure::Elect),
        unavailable: figure(FailoverFigure::Unavailable),
        recover: figure(FailoverFigure::Recover),
        resolution_ms: all().filter_map(|fault| fault.unavailable.resolution_ms).max_by(f64::total_cmp),
    }
}
