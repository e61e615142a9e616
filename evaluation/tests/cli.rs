//! The executable, from outside: exit codes and words.
#![allow(clippy::unwrap_used, reason = "a helper of tests is not a test to clippy")]

use std::process::{Command, Output};

fn evaluation(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_evaluation")).args(arguments).output().unwrap()
}

#[test]
fn a_folder_that_is_no_run_directory_is_bad_usage_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let output = evaluation(&["report", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.starts_with("error: ") && error.contains("scenario.toml is missing"), "{error}");
    assert!(output.stdout.is_empty());
}

#[test]
fn bad_usage_exits_2_and_help_explains_the_exit_codes() {
    assert_eq!(evaluation(&["report"]).status.code(), Some(2));
    assert_eq!(evaluation(&["no-such-thing"]).status.code(), Some(2));
    let help = evaluation(&["report", "--help"]);
    assert_eq!(help.status.code(), Some(0));
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("Exit codes:") && help.contains("--json"), "{help}");
}
