//! Loads of odd shape: they last as their stages say, whoever asks and however long an answer may take, and what is due in
//! them strikes.
#![expect(clippy::unwrap_used, reason = "a step that fails is the test's failure")]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use loadgen::record::{Event, EventKind, HistoryReader, Manifest, Record, file, read_events};
use serde_json::Value;

/// A run that has ended: its exit code, its directory and its summary.
struct Ran {
    code: i32,
    directory: PathBuf,
    summary: Value,
    _folder: tempfile::TempDir,
}

impl Ran {
    fn of(scenario: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("odd.toml");
        std::fs::write(&path, format!("version = 1\n{scenario}")).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_evaluation"))
            .args([Path::new("run"), &path, Path::new("--json"), Path::new("--out")])
            .arg(folder.path().join("reports"))
            .output()
            .unwrap();
        let Output { status, stdout, stderr } = output;
        let summary = serde_json::from_slice(&stdout)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&stderr)));
        let mut runs = std::fs::read_dir(folder.path().join("reports")).unwrap();
        let directory = runs.next().unwrap().unwrap().path();
        Self { code: status.code().unwrap(), directory, summary, _folder: folder }
    }

    fn events(&self, kind: EventKind) -> Vec<Event> {
        let events = read_events(&self.directory.join(file::EVENTS)).unwrap();
        events.into_iter().filter(|event| event.event == kind).collect()
    }

    /// When operations of the load were due, s.
    fn due(&self) -> Vec<f64> {
        let history = HistoryReader::open(&self.directory.join(file::HISTORY)).unwrap();
        let due = history.filter_map(|record| match record.unwrap() {
            Record::Invoke { due_ns, .. } if due_ns >= 0 => Some(due_ns as f64 / 1e9),
            _ => None,
        });
        due.collect()
    }
}

#[test]
fn a_fault_behind_the_last_operation_strikes_and_is_healed() {
    let ran = Ran::of(
        r#"
[load]
clients = 4
arrival = "constant"
stages = [{ for = "6s", rate = 0.2 }]
[[fault]]
at = "3s"
do = "kill"
target = "leader"
heal = "1s"
"#,
    );
    assert_eq!(ran.code, 0, "{:#}", ran.summary);
    assert_eq!(ran.due(), [0.0, 5.0]);
    assert_eq!((ran.events(EventKind::Fault).len(), ran.events(EventKind::Heal).len()), (1, 1));
}

#[test]
fn a_load_that_pauses_in_the_beginning_in_between_and_in_the_end_lasts_as_its_stages_say() {
    let ran = Ran::of(
        r#"
[load]
clients = 4
arrival = "constant"
stages = [
    { for = "1s", rate = 0 },
    { for = "1s", rate = 40 },
    { for = "2s", rate = 0 },
    { for = "1ms", rate = 1000 },
    { for = "1s", rate = 40 },
    { for = "2s", rate = 0 },
]
[[fault]]
at = "0s"
do = "pause"
target = "n1"
heal = "100ms"
[[fault]]
at = "2500ms"
do = "kill"
target = "leader"
heal = "500ms"
[[fault]]
at = "6999ms"
do = "pause"
target = "n2"
"#,
    );
    assert_eq!(ran.code, 0, "{:#}", ran.summary);
    let due = ran.due();
    assert!(due.iter().all(|at| (1.0..2.0).contains(at) || (4.0..5.01).contains(at)), "{due:?}");
    assert!((79..=83).contains(&due.len()), "{due:?}");
    let struck: Vec<_> = ran.events(EventKind::Fault).iter().map(|event| event.fault.unwrap()).collect();
    assert_eq!(struck, [0, 1, 2]);
    let last = ran.events(EventKind::Heal).last().unwrap().invoked_s;
    assert!(last >= 7.0, "the load ended before {last} s");
}

#[test]
fn a_timeout_that_is_longer_than_the_load_holds_up_nothing() {
    let ran = Ran::of(
        r#"
[load]
clients = 4
timeout = "24h"
stages = [{ for = "3s", rate = 20 }]
[[fault]]
at = "1s"
do = "pause"
target = "majority"
"#,
    );
    let healed = ran.events(EventKind::Heal).first().unwrap().invoked_s;
    assert!((3.0..10.0).contains(&healed), "healed at {healed} s");
    assert_eq!(ran.code, 0, "{:#}", ran.summary);
    assert_eq!(ran.summary["operations"]["unknown"], 0, "{:#}", ran.summary);
}

#[test]
fn two_faults_at_one_instant_and_one_user_and_a_heal_behind_the_end() {
    let ran = Ran::of(
        r#"
[load]
clients = 1
stages = [{ for = "3s", rate = 20 }]
mix = { discover = 1, register = 1 }
[[fault]]
at = "1ms"
do = "pause"
target = "n1"
heal = "500ms"
[[fault]]
at = "1ms"
do = "kill"
target = "n2"
heal = "10s"
"#,
    );
    let struck: Vec<_> = ran.events(EventKind::Fault).iter().map(|event| event.node).collect();
    assert_eq!(struck.len(), 2, "{struck:?}");
    let healed = ran.events(EventKind::Heal).last().unwrap().invoked_s;
    assert!((3.0..10.0).contains(&healed), "healed at {healed} s");
    let manifest = Manifest::read(&ran.directory.join(file::MANIFEST)).unwrap();
    assert!(manifest.complete, "{:?}", manifest.interrupted);
}

/// Nobody can be served while every node stands still, and the nodes are equal a moment later.
#[test]
fn a_fault_of_all_nodes_that_stands_to_the_end_is_no_failure_of_theirs() {
    let ran = Ran::of(
        r#"
[load]
clients = 16
timeout = "1s"
stages = [{ for = "3s", rate = 40 }]
mix = { seal = 1, register = 4 }
[[fault]]
at = "500ms"
do = "pause"
target = "all"
"#,
    );
    assert_eq!(ran.code, 0, "{:#}", ran.summary);
}

#[test]
fn a_run_in_which_every_node_was_struck_from_the_beginning_has_shown_nothing() {
    let ran = Ran::of(
        r#"
[load]
clients = 4
timeout = "500ms"
stages = [{ for = "3s", rate = 50 }]
mix = { discover = 1 }
[[fault]]
at = "0s"
do = "pause"
target = "all"
"#,
    );
    assert!([1, 3].contains(&ran.code), "{:#}", ran.summary);
}
