//! One node's process: started, signalled, and watched.

use std::{
    fs::{self, File},
    path::Path,
    process::Stdio,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdin, Command},
};
use veil::wire::client::NodeId;

use super::duty::Duty;
use crate::cluster::ClusterError;

/// How long a node may take from its start until it listens; it may have a long log to replay.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// A node's process. It ends by itself when its standard input closes.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) child: Child,
    /// Held apart from the child, because waiting for a child closes the input that it holds.
    _lifeline: Option<ChildStdin>,
    /// While it is throttled.
    pub(super) duty: Option<Duty>,
}

impl Running {
    /// Nobody lets it run or stand still any more but who says so next.
    pub(super) async fn release(&mut self) {
        if let Some(duty) = self.duty.take() {
            duty.end().await;
        }
    }
}

/// Starts a node and waits until it listens.
pub(super) async fn start(
    program: &Path,
    node: NodeId,
    config: &Path,
    log: &Path,
) -> Result<Running, ClusterError> {
    let io = |source| ClusterError::Io { path: log.to_owned(), source };
    let errors = File::options().create(true).append(true).open(log).map_err(io)?;
    let failed = |reason: String| ClusterError::Start { node, reason };
    let mut command = Command::new(program);
    command
        .args(["child", "--config"])
        .arg(config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(errors)
        .kill_on_drop(true)
        // A Ctrl-C at the terminal is for the load generator, which then ends its nodes in order.
        .process_group(0);
    let mut child = command.spawn().map_err(|e| failed(format!("{}: {e}", program.display())))?;
    let stdout = child.stdout.take().ok_or_else(|| failed("no standard output".to_owned()))?;
    let mut lines = BufReader::new(stdout).lines();
    match tokio::time::timeout(START_PATIENCE, lines.next_line()).await {
        Ok(Ok(Some(_addresses))) => Ok(Running { _lifeline: child.stdin.take(), child, duty: None }),
        Ok(_) => Err(failed(last_words(log))),
        Err(_) => Err(failed(format!("it does not listen after {START_PATIENCE:?}"))),
    }
}

/// The last lines of a node's log.
fn last_words(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().rev().take(5).collect();
    let said = lines.into_iter().rev().collect::<Vec<_>>().join("\n");
    format!("{said}\n(its log: {})", log.display())
}

/// Sends a signal to a node that is running.
pub(super) fn signal(node: NodeId, running: Option<&Running>, signal: Signal) -> Result<Pid, ClusterError> {
    let failed = |reason: String| ClusterError::Signal { node, reason };
    let pid = running
        .and_then(|running| running.child.id())
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| failed("it is not running".to_owned()))?;
    kill_process(pid, signal).map_err(|e| failed(e.to_string()))?;
    Ok(pid)
}

/// Makes a node stand still, and waits until it does.
pub(super) async fn stand_still(
    node: NodeId,
    mut running: Option<&mut Running>,
) -> Result<Pid, ClusterError> {
    if let Some(running) = running.as_mut() {
        running.release().await;
    }
    let pid = signal(node, running.as_deref(), Signal::STOP)?;
    while !is_stopped(pid) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(pid)
}

/// Whether a process stands still. Where the kernel does not tell, a signal sent counts as taken.
fn is_stopped(pid: Pid) -> bool {
    if cfg!(not(target_os = "linux")) {
        return true;
    }
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    // The state follows the command's name, which stands in parentheses and may contain anything.
    let state = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next());
    // A process that is gone does not move either.
    !matches!(state, Some("R" | "S" | "D"))
}
