//! A cluster to give commands to, and a folder to give them in.

use std::{
    ffi::OsStr,
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

pub const VEIL: &str = env!("CARGO_BIN_EXE_veil");
/// How long anything may take, on a machine that has other things to do.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// `veil dev`, with anna and ben registered.
pub struct Scene {
    dev: Child,
    /// Gone when this is dropped.
    folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

impl Scene {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cluster = folder.path().join("cluster");
        let said = fs::File::create(folder.path().join("dev.txt")).unwrap();
        let mut dev = Command::new(VEIL);
        let dev = dev.args(["dev", "--keep"]).arg(&cluster).stdin(Stdio::null()).stdout(said);
        let dev = dev.spawn().unwrap();
        let mut scene = Self { dev, folder, environment: Vec::new() };
        until("the cluster serves", || cluster.join("env").exists());
        let text = fs::read_to_string(cluster.join("env")).unwrap();
        let named = text.split_whitespace().filter_map(|word| word.split_once('='));
        scene.environment = named.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        assert_eq!(scene.environment.len(), 3, "{text}");
        fs::create_dir(scene.work()).unwrap();
        for name in ["ben", "anna"] {
            scene.done(["register", name, "--no-password"]);
        }
        fs::copy(cluster.join("photo.png"), scene.at("photo.png")).unwrap();
        scene
    }

    /// Where commands are given.
    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    pub fn at(&self, name: impl AsRef<Path>) -> PathBuf {
        self.work().join(name)
    }

    /// The keys and sessions.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("cluster/home")
    }

    pub fn veil<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(VEIL);
        command.args(arguments).current_dir(self.work()).stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// A script of the shell, in which `veil` is a command.
    pub fn bash(&self, script: &str) -> Output {
        let mut command = Command::new("bash");
        let path =
            format!("{}:{}", Path::new(VEIL).parent().unwrap().display(), std::env::var("PATH").unwrap());
        command.args(["-c", script]).current_dir(self.work()).stdin(Stdio::null()).env("PATH", path);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.output().unwrap()
    }

    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Ended {
        Ended::of(self.veil(arguments).output().unwrap())
    }

    /// Runs a command that has to succeed, and returns what it prints.
    pub fn done<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.out
    }

    /// Runs a command that has to be refused with these words.
    pub fn refused<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>, words: &str) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.err.contains(words), "{words:?} is not in {ended:?}");
        assert!(!ended.err.contains("/.veil-"), "{ended:?}");
        ended.err
    }

    /// The number of images that a user may see, and the views that are left of the last.
    pub fn images(&self, user: &str) -> Vec<Option<u64>> {
        let list: Value = serde_json::from_str(&self.done(["list", "--user", user, "--json"])).unwrap();
        list.as_array().unwrap().iter().map(|row| row["views_left"].as_u64()).collect()
    }

    /// The views that ben has left of the only image.
    pub fn left(&self) -> u64 {
        let images = self.images("ben");
        assert_eq!(images.len(), 1);
        images[0].unwrap()
    }

    /// The names in a folder, sorted.
    pub fn names(&self, folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The nodes that do not lead stand still: nothing is committed.
    pub fn stop_followers(&self) -> Vec<Pid> {
        let said = self.done(["leader", "--json"]);
        let leader: Value = serde_json::from_str(&said).unwrap();
        let leader = leader["leader"]["id"].as_u64().unwrap();
        let guide = fs::read_to_string(self.folder.path().join("dev.txt")).unwrap();
        let nodes = guide.lines().filter_map(|line| {
            let (node, pid) = line.trim().strip_prefix('n')?.split_once("  process ")?;
            let id: u64 = node.split(' ').next()?.parse().ok()?;
            Some((id, Pid::from_raw(pid.parse().ok()?)?))
        });
        let followers: Vec<_> = nodes.filter(|(id, _)| *id != leader).map(|(_, pid)| pid).collect();
        assert_eq!(followers.len(), 2, "{guide}");
        signal(&followers, Signal::STOP);
        followers
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // Its nodes end with it.
        let _ = self.dev.kill();
        let _ = self.dev.wait();
    }
}

pub fn signal(processes: &[Pid], signal: Signal) {
    for process in processes {
        kill_process(*process, signal).unwrap();
    }
}

/// How a command has ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ended {
    pub fn of(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: code(output.status), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

/// The exit code; `None` for a panic, and whatever a signal has ended.
pub fn code(status: ExitStatus) -> Option<i32> {
    assert_eq!(status.signal(), None, "{status}");
    status.code().filter(|code| *code != 101)
}

pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
