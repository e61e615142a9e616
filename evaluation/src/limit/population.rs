//! The operations of a window, counted and sorted once for however many limits look at them.

use std::collections::BTreeMap;

use loadgen::scenario::{OperationKind, OutcomeKind};

use crate::{
    failover::Summit,
    run::{Operation, RunDirectory},
    statistics::{Latencies, milliseconds},
};

/// What limits ask of the operations of a window.
#[derive(Debug, Default)]
pub(super) struct Population {
    pub(super) offered: u64,
    /// In the order of [`OutcomeKind::ALL`].
    ended: [u64; OutcomeKind::ALL.len()],
    /// Of each kind, and of all.
    asked: BTreeMap<Option<OperationKind>, Asked>,
}

/// Those of one kind.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) latencies: Latencies,
    /// How late the latest of them was sent, ms.
    pub(super) latest_ms: f64,
}

impl Population {
    pub(super) fn of<'a>(operations: impl Iterator<Item = &'a Operation>) -> Self {
        let mut population = Self::default();
        let mut asked: BTreeMap<Option<OperationKind>, (Vec<u64>, u64)> = BTreeMap::new();
        for operation in operations {
            population.offered += 1;
            population.ended[operation.outcome as usize] += 1;
            for which in [None, Some(operation.kind)] {
                let (latencies, latest_ns) = asked.entry(which).or_default();
                latencies.extend(operation.latency_ns());
                *latest_ns = operation.send_error_ns().unwrap_or(0).max(*latest_ns);
            }
        }
        let sorted = asked.into_iter().map(|(which, (latencies, latest_ns))| {
            let latencies = latencies.into_iter().collect();
            (which, Asked { latencies, latest_ms: milliseconds(latest_ns) })
        });
        Self { asked: sorted.collect(), ..population }
    }

    /// How many ended so.
    pub(super) fn ended(&self, outcome: OutcomeKind) -> u64 {
        self.ended[outcome as usize]
    }

    /// Those of a kind, or all; nothing, if there are none.
    pub(super) fn asked(&self, which: Option<OperationKind>) -> Option<&Asked> {
        self.asked.get(&which)
    }
}

/// How late operations were sent, to be asked of any time.
pub(super) struct Lateness<'a> {
    /// In the order in which they were due.
    operations: &'a [Operation],
    late_ms: Vec<f64>,
    latest: Summit,
}

impl<'a> Lateness<'a> {
    pub(super) fn of(run: &'a RunDirectory) -> Self {
        let operations = &run.history.operations;
        let late = |operation: &Operation| milliseconds(operation.send_error_ns().unwrap_or(0));
        let late_ms: Vec<f64> = operations.iter().map(late).collect();
        Self { operations, latest: Summit::of(late_ms.clone()), late_ms }
    }

    /// How late the latest of those was sent that were due between two times, ms.
    pub(super) fn between_ms(&self, from_s: f64, to_s: f64) -> f64 {
        let from = self.operations.partition_point(|operation| operation.due_s() < from_s);
        let to = self.operations.partition_point(|operation| operation.due_s() <= to_s);
        self.latest.highest(from, to).map_or(0.0, |place| self.late_ms[place])
    }
}
