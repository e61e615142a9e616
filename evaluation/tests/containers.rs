//! The main job in containers: the verdict, and that nothing is left however a run ends.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a step that fails is the test's failure")]

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// How long something that has to come may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder of any name can be seen from within a container.
const REPORTS: &str = "re:ports, -a b";

/// Two load generators in the network of the nodes.
const INSIDE: &[&str] = &["--load-from", "inside", "--generators", "2"];

const SCENARIO: &str = r#"version = 1
seed = 7
[cluster]
nodes = 3
cpus = 1.0
memory = "512MiB"
[load]
clients = 16
timeout = "10s"
stages = [{ for = "8s", rate = 40 }]
[[fault]]
at = "2s"
do = "kill"
target = "leader"
heal = "2s"
[pass]
limits = ["ok_ratio == 1"]
"#;

/// What an engine lists of the run in this folder: its containers, networks or volumes.
fn left(folder: &Path, what: &[&str]) -> Vec<String> {
    let runs = std::fs::read_dir(folder.join(REPORTS)).into_iter().flatten();
    let runs: Vec<_> = runs.map(|run| run.unwrap().file_name().into_string().unwrap()).collect();
    let listed = Command::new("docker").args(what).args(["--filter", "label=veil.run"]).output().unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let listed = String::from_utf8(listed.stdout).unwrap();
    listed.lines().filter(|line| runs.iter().any(|run| line.contains(run))).map(str::to_owned).collect()
}

const CONTAINERS: &[&str] = &["ps", "--all", "--format", "{{.Names}}"];
const NETWORKS: &[&str] = &["network", "ls", "--format", "{{.Name}}"];
const VOLUMES: &[&str] = &["volume", "ls", "--format", "{{.Name}}"];

/// Volumes without a name that no container uses; nobody can tell whose they are.
fn nameless() -> usize {
    let args = ["volume", "ls", "--quiet", "--filter", "dangling=true"];
    let listed = Command::new("docker").args(args).output().unwrap();
    String::from_utf8(listed.stdout).unwrap().lines().filter(|name| name.len() == 64).count()
}

fn assert_nothing_is_left(folder: &Path) {
    for what in [CONTAINERS, NETWORKS, VOLUMES] {
        assert_eq!(left(folder, what), Vec::<String>::new(), "{what:?}");
    }
}

/// Whether there is an engine. In CI there has to be one.
fn engine_answers() -> bool {
    let asked = Command::new("docker").arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let answers = asked.is_ok_and(|status| status.success());
    if !answers {
        assert!(std::env::var_os("CI").is_none(), "under CI there has to be a Docker engine");
        eprintln!("\n*** SKIPPED, NOT TESTED: no Docker engine answers\n");
    }
    answers
}

fn start(folder: &Path, args: &[&str]) -> Child {
    let path = folder.join("scenario.toml");
    std::fs::write(&path, SCENARIO).unwrap();
    Command::new(env!("CARGO_BIN_EXE_evaluation"))
        .args(["run", path.to_str().unwrap(), "--driver", "docker", "--json", "--out"])
        .arg(folder.join(REPORTS))
        .args(args)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn wait_for_containers(folder: &Path) {
    let deadline = Instant::now() + PATIENCE;
    while left(folder, CONTAINERS).len() < 3 {
        assert!(Instant::now() < deadline, "no containers appear");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id() as i32).unwrap(), signal).unwrap();
}

/// Nobody uses up the machine: each container has so much memory, no swap, and so many processes and threads.
fn assert_limited(folder: &Path) {
    let containers = left(folder, CONTAINERS);
    let limits = "{{.Name}} {{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.PidsLimit}}";
    let told =
        Command::new("docker").args(["inspect", "--format", limits]).args(&containers).output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    for line in told.lines() {
        let (name, limits) = line.split_once(' ').unwrap();
        // As the scenario says, and what a generator may.
        let memory = if name.contains("-g") { 4_u64 << 30 } else { 512 << 20 };
        assert_eq!(limits, format!("{memory} {memory} 2048"), "{name}");
    }
    assert!(told.lines().count() >= 3, "{told}");
}

/// One test, because one run sweeps what the other has left.
#[test]
fn a_run_is_judged_and_leaves_nothing_however_it_ends() {
    if !engine_answers() {
        return;
    }
    let nameless_before = nameless();
    let killed = tempfile::tempdir().unwrap();
    let mut child = start(killed.path(), INSIDE);
    wait_for_containers(killed.path());
    assert_limited(killed.path());
    signal(&child, Signal::KILL);
    child.wait().unwrap();
    assert!(!left(killed.path(), CONTAINERS).is_empty(), "who has cleared up?");

    let ended = tempfile::tempdir().unwrap();
    let mut child = start(ended.path(), &[]);
    wait_for_containers(ended.path());
    assert_nothing_is_left(killed.path());
    let confined = left(ended.path(), CONTAINERS);
    let asked =
        ["inspect", "--format", "{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}}"];
    let told = Command::new("docker").args(asked).args(&confined).output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.lines().count() >= 3 && told.lines().all(|line| line == "65532:65532 true [ALL]"), "{told}");
    signal(&child, Signal::HUP);
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert_nothing_is_left(ended.path());

    let whole = tempfile::tempdir().unwrap();
    let output = start(whole.path(), INSIDE).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = summary.to_string();
    for part in ["sha256:", "API 1.", "10.213.", "536870912", "-g1", "-g2"] {
        assert!(text.contains(part), "{part} is not in {summary:#}");
    }
    let run = std::fs::read_dir(whole.path().join(REPORTS)).unwrap().next().unwrap().unwrap().path();
    let manifest = loadgen::record::Manifest::read(&run.join(loadgen::record::file::MANIFEST)).unwrap();
    let bytes = manifest.containers.unwrap().image_bytes;
    // One executable without debug information, unoptimised here: about 34 MB.
    assert!(bytes < 45_000_000, "the image has {bytes} bytes");
    assert!(run.join("nodes/g1.txt").exists() && run.join("nodes/g2.txt").exists());
    assert!(!run.join("nodes/key").exists(), "the cluster's key is left");
    assert_nothing_is_left(whole.path());
    assert_eq!(nameless(), nameless_before, "volumes without a name are left");
}
