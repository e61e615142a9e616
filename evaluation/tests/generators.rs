//! One load generator or several: the load, the record and the verdict are the same.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a step that fails is the test's failure")]

mod running;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use loadgen::{
    record::{HistoryReader, LatencyLines, Manifest, Record, file},
    scenario::{OperationKind, OutcomeKind},
};
use rustix::process::Signal;
use serde_json::Value;

use running::{processes, signal, wait_until};

const SCENARIO: &str = r#"version = 1
seed = 11
[load]
clients = 20
timeout = "10s"
stages = [{ for = "2s", rate = 40, warmup = true }, { for = "4s", rate = 60 }]
mix = { view = 50, discover = 20, seal = 10, grant = 10, register = 10 }
[pass]
limits = ["shed == 0", "failed == 0"]
"#;

fn start(folder: &Path, scenario: &str, generators: u32) -> Child {
    let path = folder.join("scenario.toml");
    std::fs::write(&path, scenario).unwrap();
    Command::new(env!("CARGO_BIN_EXE_evaluation"))
        .args(["run", path.to_str().unwrap(), "--json", "--generators", &generators.to_string(), "--out"])
        .arg(folder.join("reports"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for the end, and checks the exit code.
fn summary(child: Child, code: i32) -> Value {
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert_eq!(status.code(), Some(code), "{stdout}\n{stderr}");
    serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("{e}: {stderr}"))
}

fn run_folder(folder: &Path) -> Option<PathBuf> {
    Some(std::fs::read_dir(folder.join("reports")).ok()?.flatten().next()?.path())
}

/// What a run directory tells of its load.
#[derive(Debug, Default, PartialEq)]
struct Told {
    /// Number and kind of what belongs to the set-up.
    set_up: BTreeSet<(u64, OperationKind)>,
    /// Number, due time and kind of what was offered.
    offered: BTreeSet<(u64, i64, OperationKind)>,
    /// How many of the load ended so.
    ended: BTreeMap<(OperationKind, OutcomeKind), u64>,
}

fn told(run: &Path) -> Told {
    let mut told = Told::default();
    let (mut kinds, mut latest) = (BTreeMap::new(), i64::MIN);
    for record in HistoryReader::open(&run.join(file::HISTORY)).unwrap() {
        let record = record.unwrap();
        // In the load, two threads of a generator that observe at once may record in either order.
        if record.at_ns() < 0 {
            assert!(record.at_ns() >= latest, "{record:?} stands behind {latest}");
            latest = record.at_ns();
        }
        let (op, due_ns, kind) = match record {
            Record::Invoke { op, due_ns, call, .. } => (op, due_ns, call.kind()),
            Record::Shed { op, due_ns, kind } => (op, due_ns, kind),
            Record::Complete { op, outcome, at_ns } => {
                if at_ns >= 0 {
                    *told.ended.entry((kinds[&op], outcome.kind())).or_default() += 1;
                }
                continue;
            }
        };
        assert_eq!(kinds.insert(op, kind), None, "operation {op} begins twice");
        match due_ns < 0 {
            true => assert!(told.set_up.insert((op, kind))),
            false => assert!(told.offered.insert((op, due_ns, kind))),
        }
    }
    told
}

/// How many operations the histograms hold.
fn counted(run: &Path) -> BTreeMap<(OperationKind, OutcomeKind), u64> {
    let path = run.join(file::LATENCY);
    let bytes = std::fs::read(&path).unwrap();
    let (mut counted, mut seen) = (BTreeMap::new(), BTreeSet::new());
    for line in LatencyLines::of(&path, &bytes) {
        let line = line.unwrap();
        assert!(seen.insert((line.interval, line.kind, line.outcome)), "one line an interval and tag");
        *counted.entry((line.kind, line.outcome)).or_default() += line.histogram.len();
    }
    counted
}

#[test]
fn one_generator_and_three_offer_the_same_load_and_leave_the_same_files() {
    let runs = [1, 3].map(|generators| {
        let folder = tempfile::tempdir().unwrap();
        let summary = summary(start(folder.path(), SCENARIO, generators), 0);
        for check in summary["checks"].as_array().unwrap() {
            assert_eq!(check["result"], "pass", "{check:#}");
            assert!(check["operations"].as_u64().unwrap() > 20, "{check:#}");
        }
        let run = run_folder(folder.path()).unwrap();
        assert_eq!(Manifest::read(&run.join(file::MANIFEST)).unwrap().generators, generators);
        let told = told(&run);
        assert_eq!(counted(&run), told.ended);
        // Nobody looked for an image in vain, so nobody knew none.
        assert!(told.ended.keys().all(|(_, outcome)| *outcome == OutcomeKind::Ok), "{:?}", told.ended);
        let mut files: Vec<_> =
            std::fs::read_dir(&run).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        files.sort();
        (told.set_up, told.offered, files)
    });
    assert_eq!(runs[0], runs[1]);
    assert!(runs[0].1.len() > 250, "{} operations", runs[0].1.len());
    // Twenty registrations and sixteen images, without gaps.
    assert_eq!(runs[0].0.iter().map(|(op, _)| *op).collect::<Vec<_>>(), (0..36).collect::<Vec<_>>());
}

/// Process ids of what a run in this folder has started.
fn started(folder: &Path) -> Vec<i32> {
    // The run itself is not meant, although it is told where its reports go.
    processes(folder, |line| !line.contains("\0run\0"))
}

/// A load of ten minutes with three generators, which is under way.
fn endless(folder: &Path) -> Child {
    let child = start(folder, &SCENARIO.replace("for = \"4s\"", "for = \"10m\""), 3);
    let part = |generator: &str| run_folder(folder).map(|run| run.join("parts").join(generator));
    let begun = |generator: &str| part(generator).is_some_and(|part| part.join(file::HISTORY).exists());
    wait_until("the load has begun", || ["g1", "g2", "g3"].into_iter().all(begun));
    child
}

#[test]
fn a_generator_that_dies_makes_the_run_inconclusive() {
    let folder = tempfile::tempdir().unwrap();
    let child = endless(folder.path());
    let run = run_folder(folder.path()).unwrap();
    let second = started(&run.join("parts/g2"));
    assert_eq!(second.len(), 1);
    signal(second[0], Signal::KILL);
    let summary = summary(child, 3);
    assert_eq!(summary["verdict"], "inconclusive", "{summary:#}");
    let reason = "load generator g2 ended before it was done: signal: 9 (SIGKILL)";
    assert!(summary["reasons"].to_string().contains(reason), "{summary:#}");
    // What the others recorded is there.
    assert!(told(&run).set_up.iter().any(|(op, _)| op % 3 == 2));
    assert!(!run.join("parts").exists());
    assert_eq!(started(folder.path()), [0; 0]);
}

#[test]
fn ctrl_c_ends_all_generators_and_keeps_what_they_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let child = endless(folder.path());
    signal(child.id() as i32, Signal::INT);
    let summary = summary(child, 3);
    assert!(summary["reasons"].to_string().contains("stopped by the user"), "{summary:#}");
    let run = run_folder(folder.path()).unwrap();
    assert_eq!(told(&run).set_up.len(), 36);
    assert!(!run.join("parts").exists());
    assert_eq!(started(folder.path()), [0; 0]);
}

#[test]
fn a_killed_run_leaves_no_generator_behind_not_even_a_stopped_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = endless(folder.path());
    let generators = started(&run_folder(folder.path()).unwrap().join("parts"));
    assert_eq!(generators.len(), 3);
    signal(generators[0], Signal::STOP);
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("nothing runs", || started(folder.path()).is_empty());
}

#[test]
fn more_generators_than_the_users_need_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = start(folder.path(), SCENARIO, 11).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("--generators") && error.contains("at least two of the 20 clients"), "{error}");
    assert!(!folder.path().join("reports").exists());
}
