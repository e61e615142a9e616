//! `veil node` by itself, and what `veil cluster recover` makes of its folder.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{Dev, VEIL, bash, until, wait};

/// A cluster whose nodes are started one by one.
struct Nodes {
    _parent: tempfile::TempDir,
    folder: PathBuf,
    environment: String,
    running: Vec<(u64, Child)>,
}

impl Nodes {
    /// Made by `veil dev`, with two users and an image.
    fn make() -> Self {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("cluster");
        let mut dev = Dev::start(&["--keep", folder.to_str().unwrap()]);
        dev.type_in(&dev.commands);
        let environment = dev.environment.clone();
        dev.signal(Signal::TERM);
        assert_eq!(dev.wait().code(), Some(0));
        Self { _parent: parent, folder, environment, running: Vec::new() }
    }

    fn config(&self, id: u64) -> PathBuf {
        self.folder.join(format!("n{id}/node.toml"))
    }

    fn data(&self, id: u64) -> PathBuf {
        self.folder.join(format!("n{id}/data"))
    }

    fn command(&self, id: u64) -> Command {
        let mut command = Command::new(VEIL);
        command.args(["node", "--config"]).arg(self.config(id)).stdin(Stdio::null());
        command
    }

    fn start(&mut self, id: u64) {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.join(format!("n{id}.said")))
            .unwrap();
        let child = self.command(id).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        self.running.push((id, child));
    }

    /// Starts one that says so much there.
    fn start_saying(&mut self, id: u64, there: Stdio, what: &str) {
        let child =
            self.command(id).stdout(Stdio::null()).stderr(there).env("RUST_LOG", what).spawn().unwrap();
        self.running.push((id, child));
    }

    /// What one says that does not start, or not for long.
    fn refused(&mut self, id: u64) -> String {
        let before = self.said(id).len();
        self.start(id);
        let mut ended = None;
        until("it is refused", || {
            ended = self.running.last_mut().and_then(|(_, child)| child.try_wait().unwrap());
            ended.is_some()
        });
        self.running.pop();
        assert_eq!(ended.unwrap().code(), Some(1));
        self.said(id).split_off(before)
    }

    fn said(&self, id: u64) -> String {
        fs::read_to_string(self.folder.join(format!("n{id}.said"))).unwrap_or_default()
    }

    fn end(&mut self, id: u64, signal: Signal) -> Option<i32> {
        let at = self.running.iter().position(|(running, _)| *running == id).unwrap();
        let (_, mut child) = self.running.remove(at);
        kill_process(Pid::from_child(&child), signal).unwrap();
        wait(&mut child).code()
    }

    /// What a command line prints, and whether it succeeds.
    fn try_type(&self, line: &str) -> Output {
        bash(&format!("{}\n{VEIL} {line}", self.environment), &self.folder)
    }

    /// Types a command until it succeeds.
    fn type_in(&self, line: &str) -> String {
        let mut said = String::new();
        until(line, || {
            let output = self.try_type(line);
            said = String::from_utf8_lossy(&output.stdout).into_owned();
            output.status.success()
        });
        said
    }

    fn recover(&self, id: u64, more: &str) -> (Option<i32>, String) {
        let output =
            self.try_type(&format!("cluster recover --config '{}' {more}", self.config(id).display()));
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for (_, child) in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-r").args([from, to]).status().unwrap();
    assert!(done.success());
}

#[test]
fn two_of_three_disks_are_lost_and_the_cluster_goes_on_with_the_third() {
    let mut nodes = Nodes::make();
    (1..=3).for_each(|id| nodes.start(id));
    nodes.type_in("register zoe --no-password");
    let operator = format!("--operator '{}'", nodes.folder.join("operator").display());
    // With two others alive nothing is lost.
    nodes.end(1, Signal::TERM);
    let (code, said) = nodes.recover(1, "--yes");
    assert!(code == Some(1) && said.contains("answers at") && said.contains("is not lost"), "{said}");
    let (code, said) = nodes.recover(2, "--yes");
    assert!(code == Some(1) && said.contains("the data folder is in use: stop the node first"), "{said}");

    nodes.start(1);
    nodes.type_in("leader");
    for id in [2, 3] {
        nodes.end(id, Signal::KILL);
        fs::rename(nodes.data(id), nodes.folder.join(format!("lost-{id}"))).unwrap();
    }
    let alone = nodes.try_type("register yan --no-password --timeout 1s");
    assert_eq!(alone.status.code(), Some(1), "one of three serves: {alone:?}");
    nodes.end(1, Signal::TERM);
    let (code, said) = nodes.recover(1, "");
    assert!(code == Some(1) && said.contains("nothing was changed: say --yes"), "{said}");
    assert!(said.contains("3 users and 1 images") && said.contains("node 3 ("), "{said}");
    let (code, said) = nodes.recover(1, "--yes");
    assert!(code == Some(0) && said.contains("node 1 is the only member now"), "{said}");

    nodes.start(1);
    nodes.type_in("register xia --no-password");
    let said = nodes.type_in("list --user ben");
    assert!(said.contains("1  anna"), "what was acknowledged is gone: {said}");
    for id in [2, 3] {
        nodes.start(id);
        let toml = fs::read_to_string(nodes.config(id)).unwrap();
        let listen = toml.lines().find(|line| line.starts_with("listen")).unwrap();
        let address: Vec<_> = listen.split('"').skip(1).step_by(2).collect();
        let said = nodes
            .type_in(&format!("member add {id} --client {} --peer {} {operator}", address[0], address[1]));
        assert_eq!(said, format!("node {id} is a member\n"));
    }
    nodes.end(1, Signal::KILL);
    let said = nodes.type_in("list --user ben");
    assert!(said.contains("1  anna"), "{said}");

    // One that was given up comes back with what it had.
    nodes.start(1);
    nodes.end(3, Signal::TERM);
    fs::remove_dir_all(nodes.data(3)).unwrap();
    fs::rename(nodes.folder.join("lost-3"), nodes.data(3)).unwrap();
    nodes.start(3);
    until("it is told that it is no member", || nodes.said(3).contains("was recovered from node 1 alone"));
    until("it has ended", || {
        nodes.running.iter_mut().any(|(id, child)| *id == 3 && child.try_wait().unwrap().is_some())
    });
    nodes.type_in("register wes --no-password");
}

#[test]
fn a_folder_a_certificate_or_a_copy_of_another_node_is_refused_in_words() {
    let mut nodes = Nodes::make();
    fs::rename(nodes.data(1), nodes.folder.join("own")).unwrap();
    copy(&nodes.data(2), &nodes.data(1));
    let said = nodes.refused(1);
    assert!(said.contains("it is the folder of node 2, and this is node 1"), "{said}");
    fs::remove_dir_all(nodes.data(1)).unwrap();
    fs::rename(nodes.folder.join("own"), nodes.data(1)).unwrap();

    for file in ["node.pem", "node.key"] {
        let own = nodes.folder.join("n1").join(file);
        fs::rename(&own, nodes.folder.join(file)).unwrap();
        fs::copy(nodes.folder.join("n2").join(file), &own).unwrap();
    }
    let said = nodes.refused(1);
    assert!(said.contains("n1/node.pem: the certificate is not that of node 1"), "{said}");
    for file in ["node.pem", "node.key"] {
        fs::rename(nodes.folder.join(file), nodes.folder.join("n1").join(file)).unwrap();
    }

    // A copy that listens elsewhere, while the node runs.
    (1..=3).for_each(|id| nodes.start(id));
    nodes.type_in("leader");
    let taken = nodes.refused(1);
    assert!(taken.contains("another program, or another node, listens there already"), "{taken}");
    copy(&nodes.folder.join("n1"), &nodes.folder.join("n9"));
    let toml = fs::read_to_string(nodes.config(1)).unwrap();
    let listen = toml.lines().find(|line| line.starts_with("listen")).unwrap();
    let elsewhere = "listen = { client = \"127.0.0.1:0\", peer = \"127.0.0.1:0\" }";
    fs::write(nodes.config(9), toml.replace(listen, elsewhere)).unwrap();
    let said = nodes.refused(9);
    assert!(said.contains("another process runs as node 1, from a copy of this folder"), "{said}");
}

#[test]
fn a_log_that_cannot_be_written_ends_no_node() {
    let mut nodes = Nodes::make();
    // One whose log has no room, one whose log nobody reads, and one whose log nobody can read any more.
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    nodes.start_saying(1, full.into(), "warn");
    nodes.start_saying(2, Stdio::piped(), "trace");
    nodes.start_saying(3, Stdio::piped(), "warn");
    drop(nodes.running[2].1.stderr.take());
    nodes.type_in("leader");
    for id in [1, 3] {
        fs::write(nodes.folder.join(format!("n{id}/cluster.key")), "no key\n").unwrap();
    }
    for _ in 0..3 {
        for (id, child) in &nodes.running {
            if *id != 2 {
                kill_process(Pid::from_child(child), Signal::HUP).unwrap();
            }
        }
        nodes.type_in("leader");
    }
    nodes.type_in("register zoe --no-password");
    for id in 1..=3 {
        assert_eq!(nodes.end(id, Signal::TERM), Some(0), "n{id}");
    }
}
