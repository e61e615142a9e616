//! Whatever ends a terminal or a session ends a run in order: nothing is left behind, and there is a report of what there
//! was.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a step that fails is the test's failure")]

mod running;

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use loadgen::record::file;
use rustix::process::Signal;
use serde_json::Value;

use running::{processes, signal, wait_until};

/// A day of load, of which a fault that never heals by itself is a part.
const DAY: &str = r#"version = 1
[load]
clients = 8
arrival = "poisson"
timeout = "1h"
stages = [{ for = "24h", rate = 50 }]
[[fault]]
at = "500ms"
do = "pause"
target = "n1"
"#;

fn start(folder: &Path, generators: u32, configure: impl FnOnce(&mut Command)) -> Child {
    let path = folder.join("day.toml");
    std::fs::write(&path, DAY).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_evaluation"));
    command
        .args(["run", path.to_str().unwrap(), "--generators", &generators.to_string(), "--out"])
        .arg(folder.join("reports"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    configure(&mut command);
    command.spawn().unwrap()
}

fn run_folder(folder: &Path) -> Option<PathBuf> {
    Some(std::fs::read_dir(folder.join("reports")).ok()?.flatten().next()?.path())
}

/// Waits until the load is about to begin: there is where it is recorded.
fn wait_for_load(folder: &Path) -> PathBuf {
    let begun =
        |part: &str| run_folder(folder).is_some_and(|run| run.join(part).join(file::HISTORY).exists());
    wait_until("the load has begun", || begun("") || begun("parts/g2"));
    run_folder(folder).unwrap()
}

fn started(folder: &Path) -> Vec<i32> {
    processes(folder, |line| !line.contains("\0run\0"))
}

fn summary(run: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(run.join("summary.json")).unwrap()).unwrap()
}

/// What is to be there after a run that was ended in order, and what not.
fn check(folder: &Path, run: &Path) {
    let summary = summary(run);
    assert_eq!(summary["verdict"], "inconclusive", "{summary:#}");
    assert!(summary["reasons"].to_string().contains("stopped by the user"), "{summary:#}");
    assert!(run.join("report.html").exists());
    for left in ["nodes/n1/data", "nodes/key", "parts"] {
        assert!(!run.join(left).exists(), "{left} is left");
    }
    assert_eq!(started(folder), [0; 0]);
}

#[test]
fn every_signal_that_ends_a_session_ends_a_run_of_a_day_in_order() {
    for ending in [Signal::HUP, Signal::QUIT, Signal::TERM, Signal::INT] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = start(folder.path(), 1, |_| {});
        let run = wait_for_load(folder.path());
        signal(child.id() as i32, ending);
        assert_eq!(child.wait().unwrap().code(), Some(3), "{ending:?}");
        check(folder.path(), &run);
    }
}

#[test]
fn a_hang_up_ends_several_generators_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(folder.path(), 2, |_| {});
    let run = wait_for_load(folder.path());
    signal(child.id() as i32, Signal::HUP);
    assert_eq!(child.wait().unwrap().code(), Some(3));
    check(folder.path(), &run);
}

/// A terminal that is gone takes nothing that is written to it.
#[test]
fn a_run_whose_terminal_is_gone_is_recorded_and_judged_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(folder.path(), 1, |command| {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
    });
    drop((child.stdout.take(), child.stderr.take()));
    let run = wait_for_load(folder.path());
    signal(child.id() as i32, Signal::HUP);
    // Its last words were not heard.
    assert_eq!(child.wait().unwrap().code(), Some(2));
    check(folder.path(), &run);
}

#[test]
fn a_second_signal_ends_everything_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(folder.path(), 2, |_| {});
    wait_for_load(folder.path());
    signal(child.id() as i32, Signal::HUP);
    // Each is heard for itself, however soon it comes after the other.
    signal(child.id() as i32, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(3));
    wait_until("nothing runs", || started(folder.path()).is_empty());
}

#[test]
fn whoever_is_to_outlive_the_terminal_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("day.toml");
    std::fs::write(&path, DAY).unwrap();
    let mut child = Command::new("nohup")
        .arg(env!("CARGO_BIN_EXE_evaluation"))
        .args(["run", path.to_str().unwrap(), "--out"])
        .arg(folder.path().join("reports"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let run = wait_for_load(folder.path());
    signal(child.id() as i32, Signal::HUP);
    // Were the other one heard, this would be the second, and there would be no report.
    signal(child.id() as i32, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(3));
    check(folder.path(), &run);
}

#[test]
fn a_run_that_goes_on_is_not_judged_and_two_reports_of_one_do_not_meet() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(folder.path(), 1, |_| {});
    let run = wait_for_load(folder.path());
    let report = |stdout: Stdio| {
        Command::new(env!("CARGO_BIN_EXE_evaluation"))
            .arg("report")
            .arg(&run)
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let output = report(Stdio::null()).wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("is still being written"), "{said}");
    signal(child.id() as i32, Signal::INT);
    child.wait().unwrap();
    let both = [report(Stdio::null()), report(Stdio::null())];
    for child in both {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    }
    check(folder.path(), &run);
    // A report goes to a disk that is full: that is said, and the report is there.
    let output = report(Stdio::from(File::options().write(true).open("/dev/full").unwrap()));
    let output = output.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("standard output cannot be written: no space left on the device\n"), "{said}");
}
