//! Where writes spent their time, in words; the same in every format.

use loadgen::{record::StageSample, scenario::OperationKind};

use super::words;
use crate::{figure::thousands, run::RunDirectory, statistics::Latencies};

/// The names of the columns of [`rows`].
pub const COLUMNS: [&str; 6] = ["stage of a write", "node", "writes", "p50 ms", "p99 ms", "max ms"];

/// What a user waits for a write, then a row a stage and node, in the order of the stages; stages that no write went
/// through are left out. Nothing, where no node has told of any.
pub fn rows(run: &RunDirectory) -> Vec<[String; 6]> {
    let ms = |us: u64| words::latency(Some(us as f64 / 1e3));
    let row = |sample: &StageSample| {
        [
            sample.stage.clone(),
            format!("n{}", sample.node),
            thousands(sample.count),
            ms(sample.p50_us),
            ms(sample.p99_us),
            ms(sample.max_us),
        ]
    };
    let told: Vec<_> = run.stage_names().into_iter().flat_map(|stage| run.of_stage(stage)).map(row).collect();
    match told.is_empty() {
        true => told,
        false => std::iter::once(client(run)).chain(told).collect(),
    }
}

/// The whole, from when a user was due to ask until there was an answer: of all changes that are one write each. A seal
/// is mostly other work.
fn client(run: &RunDirectory) -> [String; 6] {
    let is_write = |kind| match kind {
        OperationKind::Register | OperationKind::View | OperationKind::Grant => true,
        OperationKind::Seal | OperationKind::Discover => false,
    };
    let writes = run.after_warmup().filter(|operation| is_write(operation.kind));
    let latencies: Latencies = writes.filter_map(|operation| operation.latency_ns()).collect();
    let at = |q| words::latency(latencies.quantile_ms(q));
    let count = thousands(latencies.count() as u64);
    ["client".to_owned(), "all".to_owned(), count, at(0.5), at(0.99), at(1.0)]
}
