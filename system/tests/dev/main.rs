//! `veil dev`, as it is used: the real program, and what it prints typed into a shell.

#![expect(clippy::unwrap_used, reason = "a step that fails is the test's failure")]

mod nodes;

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

const VEIL: &str = env!("CARGO_BIN_EXE_veil");
/// How long anything may take, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(90);

/// A `veil dev` that serves.
struct Dev {
    child: Child,
    /// The first line to type, and the three after it.
    environment: String,
    commands: Vec<String>,
    folder: PathBuf,
    nodes: Vec<Pid>,
}

impl Dev {
    fn start(arguments: &[&str]) -> Self {
        let mut child = command(arguments).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let deadline = Instant::now() + PATIENCE;
        let mut lines: Vec<String> = Vec::new();
        // What may be typed is indented, and names this program as it was called.
        let commands = |lines: &[String]| {
            let named = lines.iter().filter(|line| line.starts_with(&format!("  {VEIL}")));
            named.map(|line| line.trim().to_owned()).collect::<Vec<_>>()
        };
        while commands(&lines).len() < 3 {
            let left = deadline.saturating_duration_since(Instant::now());
            lines.push(told.recv_timeout(left).unwrap_or_else(|_| panic!("it has said {lines:?}")));
        }
        let environment = lines.iter().find(|line| line.starts_with("  export ")).unwrap().trim().to_owned();
        let ca = environment.split("VEIL_CA=").nth(1).unwrap().split(" VEIL_HOME").next().unwrap();
        let ca = ca.trim_matches('\'');
        let folder = Path::new(ca).parent().unwrap().to_owned();
        let nodes = lines.iter().filter_map(|line| line.rsplit_once("  process "));
        let nodes = nodes.map(|(_, pid)| Pid::from_raw(pid.parse().unwrap()).unwrap()).collect::<Vec<_>>();
        assert_eq!(nodes.len(), 3, "{lines:?}");
        Self { child, commands: commands(&lines), environment, folder, nodes }
    }

    /// Types commands, as it says, and returns what they print.
    fn type_in(&self, commands: &[String]) -> String {
        let script = format!("{}\n{}", self.environment, commands.join("\n"));
        let output = bash(&script, &self.folder);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{script}\n{text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn wait(&mut self) -> ExitStatus {
        wait(&mut self.child)
    }

    /// What it complained of.
    fn complaint(&mut self) -> String {
        let mut text = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    fn is_gone(&self) -> bool {
        self.nodes.iter().all(|node| has_ended(*node))
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // A test that fails leaves nothing behind either.
        if let Ok(None) = self.child.try_wait() {
            self.signal(Signal::TERM);
            wait(&mut self.child);
        }
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(VEIL);
    command.arg("dev").args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn bash(script: &str, folder: &Path) -> Output {
    Command::new("bash").args(["-euo", "pipefail", "-c", script]).current_dir(folder).output().unwrap()
}

fn wait(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match child.try_wait().unwrap() {
            Some(status) => return status,
            None if Instant::now() > deadline => panic!("it has not ended within {PATIENCE:?}"),
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Whether a process has ended, if only nobody has noticed yet.
fn has_ended(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    // The state follows the command's name, which stands in parentheses.
    let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
    state == Some('Z') || test_kill_process(pid).is_err()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_it_prints_works_when_typed_and_ctrl_c_leaves_nothing() {
    let mut dev = Dev::start(&[]);
    let said = dev.type_in(&dev.commands);
    assert!(said.contains("ben is registered") && said.contains("sealed in"), "{said}");
    assert!(said.contains("(1 view left)"), "{said}");
    let read = |name: &str| fs::read(dev.folder.join(name)).unwrap();
    assert_eq!(read("photo.sealed.opened.png"), read("photo.png"));
    // What is empty is as good as unset.
    let empty = "export VEIL_FINGERPRINT= VEIL_OPERATOR= VEIL_USER= VEIL_PLAIN=";
    let status = bash(&format!("{}; {empty}; {VEIL} status --json", dev.environment), &dev.folder);
    assert!(status.status.success(), "{status:?}");
    // Over TLS, and only so.
    let plain = bash(&format!("{}; unset VEIL_CA; {VEIL} status --plain", dev.environment), &dev.folder);
    assert!(!plain.status.success());

    dev.signal(Signal::INT);
    assert_eq!(dev.wait().code(), Some(0));
    assert!(dev.is_gone() && !dev.folder.exists());
    assert_eq!(dev.complaint(), "");
}

/// The number behind `name` in a line of JSON.
fn number(json: &str, name: &str) -> u64 {
    let (_, rest) = json.split_once(&format!("\"{name}\":")).unwrap_or_else(|| panic!("{name} in {json}"));
    rest.split([',', '}']).next().unwrap().parse().unwrap()
}

#[test]
fn the_leadership_is_moved_and_a_stale_list_says_how_old_it_is() {
    let dev = Dev::start(&[]);
    dev.type_in(&dev.commands);
    let type_in = |command: &str| dev.type_in(&[format!("{VEIL} {command}")]);
    let before = type_in("leader --json");
    let (leader, term) = (number(&before, "id"), number(&before, "term"));
    let other = leader % 3 + 1;

    let operator = dev.folder.join("operator");
    let said = type_in(&format!("leader transfer --to {other} --operator {}", operator.display()));
    assert_eq!(said, format!("node {other} leads, after node {leader}\n"));
    let after = type_in("leader --json");
    assert_eq!(number(&after, "id"), other);
    assert!(number(&after, "term") > term, "{before}{after}");

    // Nobody but an operator.
    let script = format!("{}\n{VEIL} leader transfer --to {leader}", dev.environment);
    let refused = bash(&script, &dev.folder);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");

    // A node that has just changed its leader has to hear of it first.
    until("a node knows the age of what it holds", || {
        let said = type_in("list --user ben --stale");
        assert!(said.contains("1  anna"), "{said}");
        said.starts_with("as it was at most ")
    });
    let json = type_in("list --user ben --stale --json");
    assert!(number(&json, "age_ms") < 10_000, "{json}");
}

#[test]
fn a_user_sees_what_they_have_and_an_operator_that_the_cluster_is_nearly_full() {
    let dev = Dev::start(&[]);
    dev.type_in(&dev.commands);
    let type_in = |command: &str| dev.type_in(&[format!("{VEIL} {command}")]);
    let said = type_in("usage --user anna");
    let rows: Vec<Vec<&str>> = said.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["QUOTA", "USED", "LIMIT", "USED", "%"]);
    assert_eq!(rows[1], ["images-per-user", "1", "100000", "0.0"]);
    assert_eq!((rows[4][0], rows[4][2], rows.len()), ("bytes-per-user", "67108864", 5), "{said}");

    // The quotas are those that an operator sets.
    let operator = dev.folder.join("operator");
    let set =
        |quota: &str| type_in(&format!("cluster limits --set {quota} --operator {}", operator.display()));
    set("images-per-user=4");
    let json = type_in("usage --user anna --json");
    let images = r#"{"limit":4,"percent":25.0,"quota":"images-per-user","used":1}"#;
    assert!(json.starts_with(&format!(r#"{{"quotas":[{images},"#)), "{json}");
    assert!(json.ends_with("\"user\":\"anna\"}\n"), "{json}");

    let alarm = |status: &str| status.matches("alarm quota of node ").count();
    assert_eq!(alarm(&type_in("status")), 0);
    set("users=2");
    until("all nodes say that there are nearly too many users", || alarm(&type_in("status")) == 3);
    assert!(
        type_in("status")
            .contains(": the number of users of the cluster is 2 of 2 (100 % of the quota users): ")
    );
    set("users=3");
    until("no node says so any more", || alarm(&type_in("status")) == 0);
}

#[test]
fn a_cluster_that_is_kept_goes_on_with_the_same_users() {
    let parent = tempfile::tempdir().unwrap();
    let keep = parent.path().join("a cluster");
    let arguments = ["--keep", keep.to_str().unwrap()];
    let mut dev = Dev::start(&arguments);
    dev.type_in(&dev.commands);
    // One that stands still ends all the same.
    kill_process(dev.nodes[1], Signal::STOP).unwrap();
    dev.signal(Signal::TERM);
    assert_eq!(dev.wait().code(), Some(0));
    assert!(dev.is_gone() && keep.join("n1/data").exists() && !keep.join("env").exists());

    let mut dev = Dev::start(&arguments);
    let said = dev.type_in(&dev.commands);
    assert!(said.contains("own  anna"), "{said}");
    until("the file for shells is there", || keep.join("env").exists());
    let more = bash(&format!(". '{}/env'; {VEIL} list --user ben", keep.display()), parent.path());
    assert!(String::from_utf8_lossy(&more.stdout).contains("1  anna"), "{more:?}");
    // The terminal is closed.
    dev.signal(Signal::HUP);
    assert_eq!(dev.wait().code(), Some(0));
    assert!(dev.is_gone());
}

#[test]
fn ctrl_backslash_leaves_nothing_either() {
    let mut dev = Dev::start(&[]);
    dev.signal(Signal::QUIT);
    assert_eq!(dev.wait().code(), Some(0));
    assert!(dev.is_gone() && !dev.folder.exists());
}

#[test]
fn a_node_that_ends_is_told_of_and_takes_the_others_with_it() {
    let mut dev = Dev::start(&[]);
    kill_process(dev.nodes[2], Signal::KILL).unwrap();
    assert_eq!(dev.wait().code(), Some(1));
    let complaint = dev.complaint();
    assert!(complaint.starts_with("veil: n3 has ended by itself (signal 9), and the last"), "{complaint}");
    assert!(dev.is_gone() && !dev.folder.exists());
}

#[test]
fn a_node_that_cannot_start_says_why() {
    let parent = tempfile::tempdir().unwrap();
    let keep = parent.path().join("cluster");
    let arguments = ["--keep", keep.to_str().unwrap()];
    let mut dev = Dev::start(&arguments);
    dev.signal(Signal::INT);
    assert_eq!(dev.wait().code(), Some(0));
    fs::write(keep.join("n2/cluster.key"), "no key").unwrap();
    let mut child = command(&arguments).spawn().unwrap();
    assert_eq!(wait(&mut child).code(), Some(1));
    let mut complaint = String::new();
    child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
    assert!(complaint.contains("n2 has ended by itself (exit code 1)"), "{complaint}");
    assert!(complaint.contains("n2/cluster.key"), "{complaint}");
}

#[cfg(target_os = "linux")]
#[test]
fn nodes_end_with_it_even_if_it_is_killed() {
    let mut dev = Dev::start(&[]);
    // Standing still, it reads no end of its input: the kernel has to see to it.
    kill_process(dev.nodes[0], Signal::STOP).unwrap();
    dev.signal(Signal::KILL);
    dev.wait();
    until("all nodes are gone", || dev.is_gone());
    fs::remove_dir_all(&dev.folder).unwrap();
}
