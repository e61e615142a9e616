//! The main job, small: real processes, real signals, the verdict and the exit code.
#![expect(clippy::unwrap_used, reason = "a step that fails is the test's failure")]

#[cfg(target_os = "linux")]
mod running;

use std::{
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

/// A load that any machine carries, and `faults` and `limits` to go with it.
fn scenario(faults: &str, limits: &str) -> String {
    format!(
        r#"version = 1
seed = 7
[cluster]
nodes = 3
[load]
clients = 16
timeout = "10s"
stages = [{{ for = "12s", rate = 60 }}]
mix = {{ view = 50, discover = 20, seal = 10, grant = 10, register = 10 }}
{faults}
[pass]
history = ["no_lost_ack", "quota", "converged", "linearizable"]
limits = [{limits}]
"#
    )
}

fn run(folder: &Path, scenario: &str) -> Output {
    let path = folder.join("scenario.toml");
    std::fs::write(&path, scenario).unwrap();
    Command::new(env!("CARGO_BIN_EXE_evaluation"))
        .args(["run", path.to_str().unwrap(), "--json", "--out"])
        .arg(folder.join("reports"))
        .output()
        .unwrap()
}

fn summary(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn check<'a>(summary: &'a Value, name: &str) -> &'a Value {
    summary["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap()
}

/// Invariant 1, the hard way: kill -9 of every node at once in the middle of a load, then a restart
/// from the folders as they are.
#[test]
fn all_nodes_killed_at_once_lose_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let faults = "[[fault]]\nat = \"3s\"\ndo = \"kill\"\ntarget = \"all\"\nheal = \"500ms\"";
    let output = run(folder.path(), &scenario(faults, ""));
    let summary = summary(&output);
    assert_eq!(output.status.code(), Some(0), "{summary:#}");
    for name in ["no_lost_ack", "quota", "converged", "linearizable"] {
        let check = check(&summary, name);
        assert_eq!(check["result"], "pass", "{check:#}");
        assert!(check["operations"].as_u64().unwrap() > 20, "{check:#}");
    }
    let fault = &summary["faults"][0];
    assert_eq!(fault["kind"], "kill");
    assert!(fault["unavailable"]["at_least_ms"].as_f64().unwrap() >= 400.0, "{fault:#}");
    // Whoever leads in the end tells where writes spent their time.
    let stages = summary["stages"].as_array().unwrap();
    let fsync: u64 =
        stages.iter().filter(|s| s["stage"] == "fsync").map(|s| s["count"].as_u64().unwrap()).sum();
    assert!(stages.len() == 3 * 8 && fsync > 20, "{stages:#?}");
    // Something was acknowledged before and after.
    assert!(summary["operations"]["ok"].as_u64().unwrap() > 200, "{summary:#}");
}

/// The leader is cut off from the others, and later a node from everybody. The cuts are probed while they
/// last, and the run is only conclusive when nothing came through.
#[test]
fn nodes_that_were_cut_off_fall_in_line_again() {
    let folder = tempfile::tempdir().unwrap();
    let faults = r#"
[[fault]]
at = "500ms"
do = "partition"
target = "leader"
heal = "2s"
[[fault]]
at = "3s"
do = "ignore"
target = "random"
heal = "2s"
"#;
    let output = run(folder.path(), &scenario(faults, ""));
    let summary = summary(&output);
    assert_eq!(output.status.code(), Some(0), "{summary:#}");
    let faults = summary["faults"].as_array().unwrap();
    assert_eq!(faults.len(), 2, "{summary:#}");
    // The majority went on without the leader that was cut off.
    assert!(faults[0]["elect_ms"].as_f64().is_some(), "{summary:#}");
    assert_eq!(check(&summary, "converged")["result"], "pass");
}

/// Three faults that are due at nearly the same time, and strike one after the other, each when all nodes are
/// back from the one before.
#[test]
fn faults_that_wait_for_a_whole_cluster_do_not_overlap() {
    let folder = tempfile::tempdir().unwrap();
    let faults = r#"
[[fault]]
every = "10ms"
between = ["500ms", "530ms"]
spread = "10ms"
when = "whole"
do = "kill"
heal = "300ms"
"#;
    let limits = r#""fault[*].elect.max <= 1m", "fault[*].unavailable.p50 <= 1m""#;
    let scenario = scenario(faults, limits).replace("for = \"12s\"", "for = \"15s\"");
    let output = run(folder.path(), &scenario);
    let summary = summary(&output);
    let faults = summary["faults"].as_array().unwrap();
    assert_eq!(faults.len(), 3, "{summary:#}");
    for pair in faults.windows(2) {
        let healed = pair[0]["healed_at_s"].as_f64().unwrap();
        assert!(healed < pair[1]["injected_at_s"].as_f64().unwrap(), "{summary:#}");
    }
    for fault in faults {
        assert_eq!(fault["struck_leader"], true, "{fault:#}");
        let stood = fault["healed_at_s"].as_f64().unwrap() - fault["injected_at_s"].as_f64().unwrap();
        assert!(stood > 0.25, "it is healed 300 ms after it struck, not after it was due: {fault:#}");
    }
    let kind = &summary["fault_kinds"][0];
    assert_eq!(
        (&kind["kind"], &kind["unavailable_at_least_ms"]["n"]),
        (&"kill".into(), &3.into()),
        "{kind:#}"
    );
    let limits = summary["limits"].as_array().unwrap();
    let written: Vec<_> = limits.iter().filter(|limit| limit["implied"].is_null()).collect();
    assert_eq!(written.iter().map(|limit| &limit["samples"]).collect::<Vec<_>>(), [3, 3], "{limits:#?}");
    assert_eq!((&limits[0]["holds"], &limits[1]["holds"]), (&true.into(), &true.into()), "{limits:#?}");
}

#[test]
fn an_impossible_limit_exits_1_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &scenario("", "\"ok_ratio > 1\", \"shed == 0\""));
    let summary = summary(&output);
    assert_eq!(output.status.code(), Some(1), "{summary:#}");
    let broken: Vec<_> =
        summary["limits"].as_array().unwrap().iter().filter(|limit| limit["holds"] == false).collect();
    assert_eq!(broken.len(), 1);
    assert_eq!(broken[0]["text"], "ok_ratio > 1");
}

#[test]
fn a_typo_exits_2_and_its_line_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &scenario("", "").replace("clients = 16", "client = 16"));
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("scenario.toml:6") && error.contains("clients"), "{error}");
    assert!(!folder.path().join("reports").exists());
}

#[cfg(target_os = "linux")]
mod processes {
    use std::{
        process::Stdio,
        time::{Duration, Instant},
    };

    use rustix::process::Signal;

    use super::{
        running::{processes, signal, wait_until},
        *,
    };

    /// Process ids of all nodes whose configuration lies in `folder`.
    fn nodes_of(folder: &Path) -> Vec<i32> {
        processes(folder, |line| line.contains("node.toml"))
    }

    fn start(folder: &Path, scenario: &str) -> std::process::Child {
        let path = folder.join("scenario.toml");
        std::fs::write(&path, scenario).unwrap();
        Command::new(env!("CARGO_BIN_EXE_evaluation"))
            .args(["run", path.to_str().unwrap(), "--out"])
            .arg(folder.join("reports"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    #[test]
    fn a_killed_run_leaves_no_node_behind_not_even_a_stopped_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = start(folder.path(), &scenario("", ""));
        wait_until("three nodes run", || nodes_of(folder.path()).len() == 3);
        signal(nodes_of(folder.path())[0], Signal::STOP);
        child.kill().unwrap();
        child.wait().unwrap();
        wait_until("no node runs", || nodes_of(folder.path()).is_empty());
    }

    /// Whoever measures is suspended now and then, and so finds that everybody waited for more than a second.
    #[test]
    fn a_generator_that_was_suspended_makes_the_run_inconclusive_and_no_failure() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = start(folder.path(), &scenario("", "\"max < 1s\""));
        let suspended = Duration::from_millis(1_500);
        while child.try_wait().unwrap().is_none() {
            signal(child.id() as i32, Signal::STOP);
            std::thread::sleep(suspended);
            signal(child.id() as i32, Signal::CONT);
            std::thread::sleep(suspended);
        }
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(3), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("the load generator was in time"), "{said}");
        assert!(
            said.contains("limit \"max < 1s\" could not be seen") && said.contains(" late itself"),
            "{said}"
        );
    }

    #[test]
    fn ctrl_c_ends_the_load_judges_what_there_is_and_leaves_no_node_behind() {
        let folder = tempfile::tempdir().unwrap();
        // Neither the fault, which is due in five minutes, nor its limit has a say in a run that ends before.
        let fault = "[[fault]]\nat = \"5m\"\ndo = \"kill\"\ntarget = \"leader\"\nheal = \"1s\"";
        let scenario = scenario(fault, "\"fault[*].unavailable <= 1s\"");
        let scenario = scenario.replace("for = \"12s\"", "for = \"10m\"");
        let began = Instant::now();
        let child = start(folder.path(), &scenario);
        let history = || {
            let runs = std::fs::read_dir(folder.path().join("reports")).ok()?;
            let run = runs.flatten().next()?.path();
            run.join("history.bin").exists().then_some(run)
        };
        wait_until("the load has begun", || history().is_some());
        signal(child.id() as i32, Signal::INT);
        let output = child.wait_with_output().unwrap();
        assert!(began.elapsed() < Duration::from_secs(300), "it waited for the fault");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(3), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("stopped by the user"), "{said}");
        let run = history().unwrap();
        assert!(run.join("report.html").exists());
        assert!(!run.join("nodes/n1/data").exists() && !run.join("nodes/key").exists());
        let events = std::fs::read_to_string(run.join("events.csv")).unwrap();
        assert!(!events.lines().any(|line| line.starts_with("fault")), "{events}");
        assert!(nodes_of(folder.path()).is_empty());
    }
}
