//! One cluster that is there already, and the same scenario again and again.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a step that fails is the test's failure")]

use std::{
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use loadgen::{
    cluster::{Cluster as _, LinkNeeds, ProcessCluster, StartOptions},
    record::NodeLimits,
};
use veil::node::{RaftConfig, SealingConfig};

const SCENARIO: &str = r#"version = 1
[load]
clients = 8
stages = [{ for = "2s", rate = 40 }]
mix = { register = 1, seal = 1, view = 2 }
[pass]
limits = ["ok_ratio >= 0.99", "failed == 0"]
"#;

fn start(folder: &Path, nodes: &str) -> Child {
    let path = folder.join("again.toml");
    std::fs::write(&path, SCENARIO).unwrap();
    Command::new(env!("CARGO_BIN_EXE_evaluation"))
        .args([Path::new("run"), &path, Path::new("--plain"), Path::new("--nodes"), Path::new(nodes)])
        .arg("--out")
        .arg(folder.join("reports"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn check(child: Child, which: &str) {
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert_eq!(status.code(), Some(0), "{which}: {stdout}\n{stderr}");
}

#[test]
fn a_scenario_is_run_three_times_against_one_cluster_and_then_twice_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let options = StartOptions {
        nodes: 3,
        founders: 3,
        folder: folder.path().join("nodes"),
        program: env!("CARGO_BIN_EXE_evaluation").into(),
        raft: RaftConfig::default(),
        sealing: SealingConfig::default(),
        links: LinkNeeds::None,
        tls: false,
        seed: 1,
        limits: NodeLimits::default(),
        slow_disk: None,
        keep_data: false,
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let cluster = runtime.block_on(ProcessCluster::start(options)).unwrap();
    let nodes: Vec<&str> = cluster.members().iter().map(|member| member.client.as_str()).collect();
    let nodes = nodes.join(",");
    for which in ["the first", "the second", "the third"] {
        check(start(folder.path(), &nodes), which);
    }
    let both = [start(folder.path(), &nodes), start(folder.path(), &nodes)];
    both.into_iter().for_each(|child| check(child, "one of two"));
    assert_eq!(std::fs::read_dir(folder.path().join("reports")).unwrap().count(), 5);
    drop(cluster);
}
