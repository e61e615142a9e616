//! Where a run's files go.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

use super::RunError;
use crate::record::{file, foreign};

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

/// Writes the scenario into it. As long as what this gives is held, others can tell that the run goes on.
pub(super) fn begin(run: &Path, scenario: &str) -> Result<UnderWay, RunError> {
    let path = run.join(file::SCENARIO);
    let write = || {
        let mut file = File::options().write(true).create_new(true).open(&path)?;
        file.write_all(scenario.as_bytes())?;
        // A file system that has no locks does without: then a run that goes on looks like one that was killed.
        let _ = flock(&file, FlockOperation::NonBlockingLockExclusive);
        Ok(UnderWay { _scenario: file })
    };
    write().map_err(error(&path))
}

/// A run that goes on. The kernel ends it with the process, however that ends.
#[derive(Debug)]
pub(super) struct UnderWay {
    _scenario: File,
}

/// Whether somebody is still writing the run directory at `run`.
pub fn is_under_way(run: &Path) -> bool {
    let Ok(scenario) = foreign::open(&run.join(file::SCENARIO), u64::MAX) else { return false };
    flock(&scenario, FlockOperation::NonBlockingLockShared).is_err_and(|error| error == Errno::WOULDBLOCK)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_under_way_as_long_as_somebody_carries_it_out() {
        let run = tempfile::tempdir().unwrap();
        assert!(!is_under_way(run.path()), "there is nothing");
        let under_way = begin(run.path(), "version = 1").unwrap();
        assert!(is_under_way(run.path()));
        drop(under_way);
        assert!(!is_under_way(run.path()));
        assert!(begin(run.path(), "version = 2").is_err(), "nothing is written over");
    }
}
