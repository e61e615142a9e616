//! Whether the history that is there is the one that was recorded.

use std::path::Path;

use loadgen::record::{Counted, Manifest, RecordError};

/// What the history at `path` lacks of what `manifest` says was recorded, in words; nothing, if it is whole.
///
/// # Errors
/// When it cannot be read.
pub(super) fn flaw(path: &Path, manifest: &Manifest) -> Result<Option<String>, RecordError> {
    let Some(recorded) = &manifest.history else {
        return Ok(Some("the version that made the run did not count its records".to_owned()));
    };
    if let Some(missing) = recorded.missing(manifest.generators) {
        return Ok(Some(missing));
    }
    let found = Counted::of(path)?;
    Ok(if found.records != recorded.whole.records {
        Some(format!("{} records were made, and {} are there", recorded.whole.records, found.records))
    } else if found.blake3 != recorded.whole.blake3 {
        Some("the records that are there are not those that were made".to_owned())
    } else {
        None
    })
}
