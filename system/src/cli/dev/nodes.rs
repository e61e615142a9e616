//! The nodes, each a process.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::Context;
use futures_util::future::select_all;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, ChildStdin, Command};

use super::place::Place;
use crate::{cli::escape::shown, wire::client::NodeId};

/// How long a node may take to end when it is asked to.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// So many lines of a log are shown.
const LAST_LINES: usize = 10;

/// The nodes. However this process ends, they end with it.
pub(super) struct Nodes(Vec<Node>);

struct Node {
    id: NodeId,
    log: PathBuf,
    child: Child,
    /// Held apart from the child, because waiting for a child closes the input that it holds.
    _lifeline: Option<ChildStdin>,
}

impl Nodes {
    /// Starts all nodes.
    pub(super) fn start(place: &Place) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let start = |id| Node::start(&program, id, place).with_context(|| format!("cannot start n{id}"));
        place.members().iter().map(|member| start(member.id)).collect::<Result<_, _>>().map(Self)
    }

    /// The numbers of their processes.
    pub(super) fn pids(&self) -> Vec<u32> {
        self.0.iter().filter_map(|node| node.child.id()).collect()
    }

    /// Waits until a node ends, and tells why it did.
    pub(super) async fn first_to_end(&mut self) -> anyhow::Error {
        let waiting = self.0.iter_mut().map(|node| {
            let Node { id, log, child, .. } = node;
            Box::pin(async move { (id, log, child.wait().await) })
        });
        let ((id, log, status), ..) = select_all(waiting).await;
        match status {
            Ok(status) => {
                anyhow::anyhow!("n{id} has ended by itself ({}), {}", manner(status), last_words(log))
            }
            Err(error) => anyhow::anyhow!("n{id} cannot be watched: {error}"),
        }
    }

    /// Ends all nodes, in order if what they have is kept, and returns when none is left.
    pub(super) async fn end(mut self, in_order: bool) {
        if in_order {
            for node in &self.0 {
                node.ask_to_end();
            }
            let ends = self.0.iter_mut().map(|node| node.child.wait());
            // Whoever takes longer is killed, which loses nothing.
            let _ = tokio::time::timeout(STOP_PATIENCE, futures_util::future::join_all(ends)).await;
        }
        for node in &mut self.0 {
            // That fails only if it has ended.
            let _ = node.child.kill().await;
        }
    }
}

impl Node {
    fn start(program: &Path, id: NodeId, place: &Place) -> anyhow::Result<Self> {
        let log = place.log(id);
        let out = File::options().create(true).append(true).open(&log);
        let out = out.with_context(|| shown(&log))?;
        let mut command = Command::new(program);
        command
            .args(["child", "--config"])
            .arg(place.config(id))
            .stdin(Stdio::piped())
            .stderr(out.try_clone()?)
            .stdout(out)
            .kill_on_drop(true)
            // A Ctrl-C at the terminal is for this process, which then ends its nodes.
            .process_group(0);
        let mut child = command.spawn().with_context(|| shown(program))?;
        Ok(Self { id, log, _lifeline: child.stdin.take(), child })
    }

    fn ask_to_end(&self) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        for signal in [Signal::TERM, Signal::CONT] {
            // It may have ended, or stand still until it is told to go on.
            let _ = pid.map(|pid| kill_process(pid, signal));
        }
    }
}

/// How a process has ended.
fn manner(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

/// The last lines of a node's log.
fn last_words(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let mut lines: Vec<_> = text.lines().rev().take(LAST_LINES).collect();
    if lines.is_empty() {
        return "and has said nothing".to_owned();
    }
    lines.reverse();
    format!("and the last it said was:\n  {}", lines.join("\n  "))
}
