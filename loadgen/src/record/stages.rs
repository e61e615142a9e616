//! `stages.csv`: where writes spent their time, a row a node and stage, since the node was last started.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    RecordError,
    nodes::{read_rows, write_rows},
};

/// One row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageSample {
    /// Which node, by number.
    pub node: u64,
    /// Which stage: one of [`STAGES`], or one that this version does not know.
    pub stage: String,
    /// How many writes went through it while the node led; of `replicate`, how many batches.
    pub count: u64,
    /// How long half of them took at most, µs.
    pub p50_us: u64,
    /// How long 99 of a hundred took at most, µs.
    pub p99_us: u64,
    /// The longest, µs.
    pub max_us: u64,
}

/// The stages of a write in their order, from the request's frame to the answer.
pub const STAGES: [&str; 8] =
    ["frame", "propose", "append", "fsync", "replicate", "commit", "apply", "answer"];

/// Writes `stages.csv`.
///
/// # Errors
/// When the file cannot be written.
pub fn write_stage_samples(path: &Path, samples: &[StageSample]) -> Result<(), RecordError> {
    write_rows(path, samples)
}

/// Reads `stages.csv`.
///
/// # Errors
/// When the file cannot be read or a row is malformed.
pub fn read_stage_samples(path: &Path) -> Result<Vec<StageSample>, RecordError> {
    read_rows(path)
}

#[cfg(test)]
mod tests {
    use veil::consensus::Stage;

    use super::*;

    #[test]
    fn the_stages_are_those_of_the_nodes() {
        assert_eq!(STAGES, Stage::ALL.map(Stage::name));
    }
}
