//! The program, and a cluster to use it with.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

/// The program, as somebody types it who has set nothing.
pub fn veil(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_veil"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("VEIL_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What it prints, and its exit code.
pub fn said(output: &Output) -> (String, String, Option<i32>) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

/// A cluster of three nodes with users anna and ben.
pub struct Cluster {
    dev: Child,
    parent: tempfile::TempDir,
    pub nodes: Vec<Pid>,
    environment: Vec<(String, String)>,
}

impl Cluster {
    pub fn start() -> Self {
        let parent = tempfile::tempdir().unwrap();
        let keep = parent.path().join("cluster");
        let mut dev = veil(&["dev", "--keep", keep.to_str().unwrap()]).spawn().unwrap();
        let mut lines = BufReader::new(dev.stdout.take().unwrap()).lines();
        let (mut nodes, mut exported) = (Vec::new(), String::new());
        while nodes.len() < 3 || exported.is_empty() {
            let line = lines.next().expect("veil dev has ended").unwrap();
            if let Some((_, process)) = line.rsplit_once("  process ") {
                nodes.push(Pid::from_raw(process.parse().unwrap()).unwrap());
            }
            if let Some(rest) = line.trim().strip_prefix("export ") {
                exported = rest.to_owned();
            }
        }
        // Whoever stops listening must not make it stop.
        std::thread::spawn(move || lines.for_each(drop));
        let pairs = exported.split(' ').map(|pair| pair.split_once('=').unwrap());
        let environment = pairs.map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()));
        let cluster = Self { dev, nodes, environment: environment.collect(), parent };
        for user in ["ben", "anna"] {
            cluster.does(&["register", user, "--no-password"]);
        }
        cluster
    }

    /// A folder for the files of users.
    pub fn folder(&self) -> &Path {
        self.parent.path()
    }

    /// The photo that came with it.
    pub fn photo(&self) -> PathBuf {
        self.parent.path().join("cluster/photo.png")
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = veil(arguments);
        command.envs(self.environment.iter().cloned()).current_dir(self.folder());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> (String, String, Option<i32>) {
        said(&self.command(arguments).output().unwrap())
    }

    /// What a command prints that has to succeed.
    pub fn does(&self, arguments: &[&str]) -> String {
        let (out, complaint, code) = self.run(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {out}{complaint}");
        out
    }

    /// Views that ben has left of his only image.
    pub fn views_left(&self) -> u64 {
        let lines = self.does(&["list", "--user", "ben", "--json"]);
        let (_, rest) = lines.split_once("\"views_left\":").unwrap();
        rest.split(['}', ',']).next().unwrap().parse().unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in &self.nodes {
            let _ = kill_process(*node, Signal::CONT);
        }
        let _ = kill_process(Pid::from_child(&self.dev), Signal::TERM);
        let _ = self.dev.wait();
    }
}

/// A file in a folder that is gone when the test is.
pub fn file(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}
