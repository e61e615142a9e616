//! Tables of a run directory: a CSV file with a header, a row a line.

use std::{collections::BTreeSet, fs::File, path::Path};

use serde::{Serialize, de::DeserializeOwned};

use super::{Bounds, RecordError, bounds::MAX_NODES, foreign};

/// One row of a table.
pub(super) trait Row: Serialize + DeserializeOwned {
    /// No table of them has more.
    const MAX_ROWS: usize;
    /// No table of them is larger, bytes.
    const MAX_BYTES: u64;

    /// Whether what stands in it can be.
    fn check(&self, bounds: Bounds<'_>) -> Result<(), RecordError>;
}

pub(super) fn write<T: Row>(path: &Path, rows: &[T]) -> Result<(), RecordError> {
    let file = File::create(path).map_err(|e| RecordError::io(path, e))?;
    let mut writer = csv::Writer::from_writer(file);
    for row in rows {
        writer.serialize(row).map_err(|e| RecordError::malformed(path, e))?;
    }
    writer.flush().map_err(|e| RecordError::io(path, e))
}

pub(super) fn read<T: Row>(path: &Path) -> Result<Vec<T>, RecordError> {
    let mut reader = csv::Reader::from_reader(foreign::open(path, T::MAX_BYTES)?);
    let mut rows: Vec<T> = Vec::new();
    for row in reader.deserialize() {
        let row: T = row.map_err(|e| RecordError::malformed(path, e))?;
        Bounds::of(path).count("rows", rows.len() + 1, T::MAX_ROWS)?;
        row.check(Bounds::part(path, "row", rows.len() as u64 + 1))?;
        rows.push(row);
    }
    Ok(rows)
}

/// Whether the nodes that a table tells of are as many as a cluster may have.
pub(super) fn check_nodes(path: &Path, nodes: impl Iterator<Item = u64>) -> Result<(), RecordError> {
    let different: BTreeSet<u64> = nodes.collect();
    Bounds::of(path).count("different values of node", different.len(), MAX_NODES)
}
