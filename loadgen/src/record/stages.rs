//! `stages.csv`: where writes spent their time, a row a node and stage, since the node was last started.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    Bounds, RecordError,
    rows::{self, Row},
};

/// No operation takes longer, µs: two days.
const MAX_US: u64 = 180_000_000_000;
/// The name of a stage is not longer, bytes.
const MAX_STAGE: usize = 64;

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

impl Row for StageSample {
    /// Twice as many as [`STAGES`] on each of 16 nodes: each is a bar of a figure.
    const MAX_ROWS: usize = 256;
    const MAX_BYTES: u64 = 1 << 20;

    fn check(&self, bounds: Bounds<'_>) -> Result<(), RecordError> {
        bounds.text("stage", &self.stage, MAX_STAGE)?;
        bounds.most("p50_us", self.p50_us, MAX_US)?;
        bounds.most("p99_us", self.p99_us, MAX_US)?;
        bounds.most("max_us", self.max_us, MAX_US)
    }
}

/// Writes `stages.csv`.
///
/// # Errors
/// When the file cannot be written.
pub fn write_stage_samples(path: &Path, samples: &[StageSample]) -> Result<(), RecordError> {
    rows::write(path, samples)
}

/// Reads `stages.csv`.
///
/// # Errors
/// When the file cannot be read, or a row is malformed or cannot be.
pub fn read_stage_samples(path: &Path) -> Result<Vec<StageSample>, RecordError> {
    rows::read(path)
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
