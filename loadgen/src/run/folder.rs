//! Where a run's files go.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::RunError;
use crate::record::file;

/// What the generators record lies here until it is merged.
const PARTS: &str = "parts";

/// Makes a new folder in `out`, `<name>-<UTC time>`; `out` too, if it is missing.
///
/// # Errors
/// When one of them cannot be made.
pub fn make(out: &Path, name: &str, began: SystemTime) -> Result<PathBuf, RunError> {
    fs::create_dir_all(out).map_err(error(out))?;
    // Absolute, because nodes are told paths inside it.
    let out = out.canonicalize().map_err(error(out))?;
    let stamp: String = humantime::format_rfc3339_seconds(began)
        .to_string()
        .chars()
        .filter(|c| c.is_ascii_digit() || *c == 'T')
        .collect();
    let mut number = 1;
    loop {
        let suffix = if number == 1 { String::new() } else { format!("-{number}") };
        let folder = out.join(format!("{name}-{stamp}{suffix}"));
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            Err(e) => return Err(error(&folder)(e)),
        }
    }
}

/// Writes a text into it.
pub(super) fn write(path: &Path, text: &str) -> Result<(), RunError> {
    fs::write(path, text).map_err(error(path))
}

/// Removes the folder of a run that could not begin, unless there is more in it than the scenario: nodes may have
/// said in their logs why not.
pub(super) fn discard(run: &Path) {
    let more = |entries: fs::ReadDir| entries.flatten().any(|entry| entry.file_name() != file::SCENARIO);
    if fs::read_dir(run).is_ok_and(|entries| !more(entries)) {
        // A folder too many does no harm.
        let _ = fs::remove_dir_all(run);
    }
}

/// Makes the folder that a generator records in.
pub(super) fn make_part(run: &Path, generator: &str) -> Result<PathBuf, RunError> {
    let folder = run.join(PARTS).join(generator);
    fs::create_dir_all(&folder).map_err(error(&folder))?;
    Ok(folder)
}

/// Removes what was merged.
pub(super) fn remove_parts(run: &Path) -> Result<(), RunError> {
    let parts = run.join(PARTS);
    fs::remove_dir_all(&parts).map_err(error(&parts))
}

fn error(path: &Path) -> impl Fn(std::io::Error) -> RunError {
    let path = path.to_owned();
    move |source| RunError::Folder { path: path.clone(), source }
}
