//! Everything that a run shows, computed once; reports and figures only write it down.

use std::collections::BTreeMap;

use loadgen::scenario::{OperationKind, OutcomeKind};

use crate::{
    check::{self, CheckReport},
    failover::{self, Failover, KindFigures},
    limit::{self, LimitReport},
    run::{Operation, RunDirectory},
    series::{self, Bucket},
    statistics::Latencies,
    verdict::{self, Judgement},
};

/// Everything that a run shows.
#[derive(Debug, Clone)]
pub struct Assessment {
    /// The verdict and its reasons.
    pub judgement: Judgement,
    /// All operations of the load together, warm-up included.
    pub total: Tally,
    /// The same, each kind for itself.
    pub by_operation: BTreeMap<OperationKind, Tally>,
    /// The figures of every fault.
    pub failovers: Vec<Failover>,
    /// The same, each kind of fault together.
    pub kinds: Vec<KindFigures>,
    /// What the checkers found.
    pub checks: Vec<CheckReport>,
    /// Which limits hold.
    pub limits: Vec<LimitReport>,
    /// Tenths of a second.
    pub series: Vec<Bucket>,
}

/// How operations ended, and how long the answered ones took.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// Operations that were due.
    pub offered: u64,
    /// Answered.
    pub ok: u64,
    /// Certainly without effect.
    pub failed: u64,
    /// May have happened.
    pub unknown: u64,
    /// Never sent.
    pub shed: u64,
    /// Latencies of the answered ones, from the due time.
    pub latencies: Latencies,
    /// How long after it was due each was sent: the load generator's own error.
    pub send_errors: Latencies,
}

impl Tally {
    /// Counts operations.
    pub fn of<'a>(operations: impl Iterator<Item = &'a Operation> + Clone) -> Self {
        let count = |outcome| operations.clone().filter(|o| o.outcome == outcome).count() as u64;
        Self {
            offered: operations.clone().count() as u64,
            ok: count(OutcomeKind::Ok),
            failed: count(OutcomeKind::Failed),
            unknown: count(OutcomeKind::Unknown),
            shed: count(OutcomeKind::Shed),
            latencies: operations.clone().filter_map(Operation::latency_ns).collect(),
            send_errors: operations.filter_map(Operation::send_error_ns).collect(),
        }
    }
}

/// Works out what a run shows. Pure: it reads and writes nothing.
pub fn assess(run: &RunDirectory) -> Assessment {
    let failovers = failover::analyse(run);
    let checks = check::run_all(run);
    let limits = limit::evaluate(run, &failovers);
    let by_operation = OperationKind::ALL
        .into_iter()
        .map(|kind| (kind, Tally::of(run.measured().filter(|o| o.kind == kind))))
        .filter(|(_, tally)| tally.offered > 0)
        .collect();
    Assessment {
        judgement: verdict::judge(run, &failovers, &checks, &limits),
        total: Tally::of(run.measured()),
        by_operation,
        checks,
        limits,
        kinds: failover::kinds(&failovers),
        series: series::buckets(run.measured(), run.phases().end_s()),
        failovers,
    }
}
