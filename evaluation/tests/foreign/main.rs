//! A run directory that somebody else made: nothing outside of it is changed or shown, nothing panics, and nothing is
//! allocated on its word.
#![allow(clippy::unwrap_used, reason = "a helper of tests is not a test to clippy")]

mod bounds;
mod escape;
mod links;
mod mutations;
mod small;
mod wrong;

use std::{
    path::Path,
    process::{Command, Output},
};

/// What `evaluation report` says to a run directory. No more than so much address space is given to it, KiB: who
/// reads without end, or allocates on a stranger's word, is ended.
fn report(run: &Path, options: &[&str]) -> Output {
    const SPACE: &str = "4000000";
    let limited = format!("ulimit -v {SPACE}; exec timeout 60 \"$0\" report \"$@\"");
    let program = env!("CARGO_BIN_EXE_evaluation");
    Command::new("sh").args(["-c", &limited, program]).arg(run).args(options).output().unwrap()
}

/// The message of a run directory that is refused.
fn refused(run: &Path) -> String {
    let output = report(run, &[]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.starts_with("error: ") && !error.contains("panicked"), "{error}");
    error
}

#[test]
fn a_small_run_that_is_right_is_reported() {
    let small = small::Small::new();
    let output = report(&small.path(), &[]);
    // The version that made it did not count its records.
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(small.file("figures/timeline.png").exists() && small.file("figures/stages.svg").exists());
}
