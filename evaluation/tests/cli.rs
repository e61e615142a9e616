//! The executable, from outside: exit codes and words.
#![allow(clippy::unwrap_used, reason = "a helper of tests is not a test to clippy")]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use loadgen::record::{
    Call, Event, EventKind, HistoryWriter, Machine, Manifest, Outcome, Record, Reply, file, write_events,
};

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

/// Writes the smallest run directory that can be read: ten answered operations.
fn write_run(root: &Path, driver: &str) -> PathBuf {
    let folder = root.join(format!("run-by-{driver}"));
    std::fs::create_dir(&folder).unwrap();
    let scenario = "version = 1\n[load]\nstages = [{ for = \"1s\", rate = 10 }]\n";
    std::fs::write(folder.join(file::SCENARIO), scenario).unwrap();
    let manifest = Manifest {
        format: 1,
        name: format!("run-by-{driver}"),
        scenario: "tiny".into(),
        seed: 1,
        driver: driver.into(),
        version: "0.1.0".into(),
        commit: None,
        build: "debug".into(),
        started: "2026-11-21T01:55:36Z".into(),
        load_s: 1.0,
        users: 10,
        interrupted: None,
        complete: true,
        machine: Machine {
            os: "Linux".into(),
            kernel: "6".into(),
            cpu: "a processor".into(),
            cores: 2,
            memory_bytes: 1 << 30,
        },
        generators: 1,
        history: None,
        nodes: vec![],
        containers: None,
        limits: None,
        links: None,
        first_request_s: None,
        stood_still_s: None,
    };
    manifest.write(&folder.join(file::MANIFEST)).unwrap();
    let leader = Event {
        event: EventKind::Leader,
        fault: None,
        node: 1,
        term: Some(1),
        invoked_s: 0.0,
        completed_s: 0.0,
        detail: String::new(),
    };
    write_events(&folder.join(file::EVENTS), &[leader]).unwrap();
    let mut history = HistoryWriter::create(&folder.join(file::HISTORY)).unwrap();
    for op in 0..10 {
        let due_ns = op as i64 * 100_000_000;
        let call = Call::Discover { user: "anna".into() };
        history.append(&Record::Invoke { op, due_ns, at_ns: due_ns, call }).unwrap();
        let outcome = Outcome::Ok(Reply::Listed { images: 0 });
        history.append(&Record::Complete { op, at_ns: due_ns + 2_000_000, outcome }).unwrap();
    }
    history.finish().unwrap();
    folder
}

#[test]
fn runs_are_laid_over_one_another_and_the_page_is_named() {
    let root = tempfile::tempdir().unwrap();
    let runs = ["process", "docker"].map(|driver| write_run(root.path(), driver));
    let [one, other] = runs.each_ref().map(|run| run.to_str().unwrap());
    let out = root.path().join("side/by/side");
    let output = evaluation(&["overlay", one, other, "--out", out.to_str().unwrap()]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let page = out.join("overlay.html");
    assert!(said.contains("run-by-docker, docker, seed 1") && said.contains("×1.00"), "{said}");
    assert!(said.trim_end().ends_with(page.to_str().unwrap()), "{said}");
    for name in ["overlay.html", "overlay.md", "overlay.csv", "figures/overlay-timeline.png"] {
        assert!(out.join(name).metadata().unwrap().len() > 100, "{name}");
    }

    // Without --out, beside the first run; and for scripts.
    let output = evaluation(&["overlay", one, other, "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let page = Path::new(json["html"].as_str().unwrap());
    assert_eq!(page.ancestors().nth(2).unwrap(), root.path().canonicalize().unwrap());
    assert!(page.exists());
    assert_eq!(json["runs"][1]["driver"], "docker");
    let p50 = json["figures"].as_array().unwrap().iter().find(|row| row["figure"] == "p50").unwrap();
    assert_eq!((&p50["values"][1], &p50["ratios"][1]), (&2.0.into(), &1.0.into()));
}

#[test]
fn fewer_than_two_runs_or_one_that_cannot_be_read_exit_2() {
    let root = tempfile::tempdir().unwrap();
    let run = write_run(root.path(), "process");
    let run = run.to_str().unwrap();
    assert_eq!(evaluation(&["overlay"]).status.code(), Some(2));
    let alone = evaluation(&["overlay", run]);
    assert_eq!(alone.status.code(), Some(2));
    assert!(String::from_utf8(alone.stderr).unwrap().contains("2 values required"));
    assert_eq!(evaluation(&[&["overlay"][..], &[run; 7]].concat()).status.code(), Some(2));
    let unreadable = evaluation(&["overlay", run, root.path().to_str().unwrap()]);
    assert_eq!(unreadable.status.code(), Some(2));
    let error = String::from_utf8(unreadable.stderr).unwrap();
    assert!(error.contains("is not a run directory"), "{error}");
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1, "nothing was made");
}
