//! Where writes spent their time, in words; the same in every format.

use super::words;
use crate::{figure::thousands, run::RunDirectory};

/// The names of the columns of [`rows`].
pub const COLUMNS: [&str; 6] = ["stage of a write", "node", "writes", "p50 ms", "p99 ms", "max ms"];

/// A row a stage and node, in the order of the stages; stages that no write went through are left out.
pub fn rows(run: &RunDirectory) -> Vec<[String; 6]> {
    let ms = |us: u64| words::latency(Some(us as f64 / 1e3));
    let row = |sample: &loadgen::record::StageSample| {
        [
            sample.stage.clone(),
            format!("n{}", sample.node),
            thousands(sample.count),
            ms(sample.p50_us),
            ms(sample.p99_us),
            ms(sample.max_us),
        ]
    };
    run.stage_names().into_iter().flat_map(|stage| run.of_stage(stage)).map(row).collect()
}
