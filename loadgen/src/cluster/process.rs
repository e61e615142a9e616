//! The `process` driver: every node is a process of this machine with a folder of its own.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use socket2::Socket;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdin, Command},
    sync::Mutex,
};
use veil::{
    node::{Listen, NodeConfig, RaftConfig, SealingConfig},
    wire::{
        client::{Member, NodeId},
        transport::{Tcp, bind},
    },
};

use super::{ClusterError, Detours, OUTSIDE};

/// How long a node may take from its start until it listens; it may have a long log to replay.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// How long a node may take to end when it is asked to.
const STOP_PATIENCE: Duration = Duration::from_secs(15);
/// How often, and how long apart, it is tried again to remove a folder.
const REMOVAL_TRIES: u32 = 20;
const REMOVAL_PAUSE: Duration = Duration::from_millis(10);
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What is started.
#[derive(Debug, Clone)]
pub struct StartOptions {
    /// How many nodes.
    pub nodes: u32,
    /// Where their folders are made.
    pub folder: PathBuf,
    /// The executable; it must understand `node --config FILE` as this one does.
    pub program: PathBuf,
    /// Raft's clockwork.
    pub raft: RaftConfig,
    /// The sealing threads of each node.
    pub sealing: SealingConfig,
    /// Lead every connection to a node through a proxy, so that links can be cut.
    pub detours: bool,
    /// Keep the nodes' data folders, which may be large. Configurations and logs are always kept.
    pub keep_data: bool,
}

/// A running cluster. Dropping it kills every node and, unless asked to keep it, removes their data.
#[derive(Debug)]
pub struct ProcessCluster {
    program: PathBuf,
    members: Vec<Member>,
    nodes: BTreeMap<NodeId, ProcessNode>,
    keep_data: bool,
    detours: Option<Detours>,
    /// Hold the ports for nodes that are down, so that nobody else is given them meanwhile.
    _reserved: Vec<Socket>,
}

#[derive(Debug)]
struct ProcessNode {
    config: PathBuf,
    log: PathBuf,
    data: PathBuf,
    child: Mutex<Option<Running>>,
}

/// A node's process. It ends by itself when its standard input closes.
#[derive(Debug)]
struct Running {
    child: Child,
    /// Held apart from the child, because waiting for a child closes the input that it holds.
    _lifeline: Option<ChildStdin>,
}

impl ProcessCluster {
    /// Writes the configurations, starts all nodes and waits until they listen.
    ///
    /// # Errors
    /// [`ClusterError`]; what was started is killed again.
    pub async fn start(options: StartOptions) -> Result<Self, ClusterError> {
        let StartOptions { nodes: count, folder, program, raft, sealing, detours, keep_data } = options;
        let mut reserved = Vec::new();
        let mut members = Vec::new();
        for id in 1..=NodeId::from(count) {
            let mut reserve = || {
                let (address, socket) = reserve_port()?;
                reserved.push(socket);
                Ok::<_, ClusterError>(address.to_string())
            };
            members.push(Member { id, client: reserve()?, peer: reserve()? });
        }
        let detours = match detours {
            true => Some(Detours::around(&members).await?),
            false => None,
        };
        let mut nodes = BTreeMap::new();
        for member in &members {
            let folder = folder.join(format!("n{}", member.id));
            let data = folder.join("data");
            let config = NodeConfig {
                id: member.id,
                data: data.clone(),
                bootstrap: member.id == 1,
                shared_port: true,
                listen: Listen { client: member.client.clone(), peer: member.peer.clone() },
                members: members.clone(),
                routes: detours.as_ref().map_or(&[][..], |detours| detours.routes(member.id)).to_vec(),
                raft: raft.clone(),
                sealing: sealing.clone(),
            };
            let path = folder.join("node.toml");
            let io = |source| ClusterError::Io { path: path.clone(), source };
            fs::create_dir_all(&folder).map_err(io)?;
            let text = toml::to_string(&config).map_err(|e| io(std::io::Error::other(e)))?;
            fs::write(&path, text).map_err(io)?;
            let log = folder.join("log.txt");
            nodes.insert(member.id, ProcessNode { config: path, log, data, child: Mutex::new(None) });
        }
        let cluster = Self { program, members, nodes, keep_data, detours, _reserved: reserved };
        // The founder last, so that the others are there to elect it at once.
        for id in cluster.nodes.keys().rev() {
            cluster.restart(*id).await?;
        }
        Ok(cluster)
    }

    /// All nodes, running or not.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The proxies that links are led through.
    ///
    /// # Errors
    /// [`ClusterError::NoDetours`], naming `node` as the one that was to be cut off.
    pub fn detours(&self, node: NodeId) -> Result<&Detours, ClusterError> {
        self.detours.as_ref().ok_or(ClusterError::NoDetours { node })
    }

    /// How the nodes are reached from outside.
    pub fn network(&self) -> Tcp {
        let routes = self.detours.as_ref().map_or(&[][..], |detours| detours.routes(OUTSIDE));
        Tcp { routes: routes.iter().map(|r| (r.to.clone(), r.via.clone())).collect(), ..Tcp::default() }
    }

    /// Kills a node with SIGKILL and waits until it is gone.
    ///
    /// # Errors
    /// [`ClusterError`], also when it is down already, or has ended by itself.
    pub async fn kill(&self, node: NodeId) -> Result<(), ClusterError> {
        let mut slot = self.node(node)?.child.lock().await;
        let failed = |reason: String| ClusterError::Signal { node, reason };
        let Running { mut child, _lifeline } =
            slot.take().ok_or_else(|| failed("it is not running".to_owned()))?;
        let ended = child.try_wait().map_err(|e| failed(e.to_string()))?;
        match ended {
            Some(status) => Err(failed(format!("it has ended by itself: {status}"))),
            None => child.kill().await.map_err(|e| failed(e.to_string())),
        }
    }

    /// Asks a node with SIGTERM to end, and waits until it has.
    ///
    /// # Errors
    /// [`ClusterError`], also when it is down already, or does not end.
    pub async fn stop(&self, node: NodeId) -> Result<(), ClusterError> {
        let mut slot = self.node(node)?.child.lock().await;
        signal(node, slot.as_ref(), Signal::TERM)?;
        let failed = |reason: String| ClusterError::Signal { node, reason };
        let running = slot.as_mut().ok_or_else(|| failed("it is not running".to_owned()))?;
        match tokio::time::timeout(STOP_PATIENCE, running.child.wait()).await {
            Ok(ended) => ended.map_err(|e| failed(e.to_string()))?,
            Err(_) => return Err(failed(format!("it has not ended {STOP_PATIENCE:?} after SIGTERM"))),
        };
        *slot = None;
        Ok(())
    }

    /// Starts a node that is down, from its folder as it is, and waits until it listens.
    ///
    /// # Errors
    /// [`ClusterError`]
    pub async fn restart(&self, node: NodeId) -> Result<(), ClusterError> {
        let process = self.node(node)?;
        let mut slot = process.child.lock().await;
        if slot.is_none() {
            *slot = Some(spawn(&self.program, node, process).await?);
        }
        Ok(())
    }

    /// Stops a node with SIGSTOP and waits until it stands still.
    ///
    /// # Errors
    /// [`ClusterError`]
    pub async fn pause(&self, node: NodeId) -> Result<(), ClusterError> {
        let slot = self.node(node)?.child.lock().await;
        let pid = signal(node, slot.as_ref(), Signal::STOP)?;
        while !is_stopped(pid) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    /// Lets a stopped node go on.
    ///
    /// # Errors
    /// [`ClusterError`]
    pub async fn resume(&self, node: NodeId) -> Result<(), ClusterError> {
        let slot = self.node(node)?.child.lock().await;
        signal(node, slot.as_ref(), Signal::CONT).map(drop)
    }

    /// Kills every node that is not down.
    pub async fn kill_all(&self) {
        for (id, process) in &self.nodes {
            let Some(mut running) = process.child.lock().await.take() else { continue };
            if let Err(error) = running.child.kill().await {
                tracing::warn!(node = id, %error, "a node may be left");
            }
        }
    }

    /// Whether a node was killed and not started again.
    #[cfg(test)]
    pub(crate) fn is_down(&self, node: NodeId) -> bool {
        self.nodes[&node].child.try_lock().is_ok_and(|child| child.is_none())
    }

    fn node(&self, node: NodeId) -> Result<&ProcessNode, ClusterError> {
        self.nodes.get(&node).ok_or(ClusterError::Unknown { node })
    }
}

impl Drop for ProcessCluster {
    fn drop(&mut self) {
        for node in self.nodes.values_mut() {
            // What cannot be killed has ended. Nobody waits for the others: a signal is enough.
            if let Some(mut running) = node.child.get_mut().take() {
                let _ = running.child.start_kill();
            }
        }
        for node in self.nodes.values().filter(|_| !self.keep_data) {
            if let Err(error) = remove_folder(&node.data) {
                tracing::warn!(%error, path = %node.data.display(), "data folder left behind");
            }
        }
    }
}

/// Removes a folder, although somebody who was killed a moment ago may yet finish making a file in it.
fn remove_folder(path: &Path) -> std::io::Result<()> {
    let mut tries = 0;
    loop {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(_) if tries < REMOVAL_TRIES => std::thread::sleep(REMOVAL_PAUSE),
            done => return done,
        }
        tries += 1;
    }
}

fn reserve_port() -> Result<(SocketAddr, Socket), ClusterError> {
    let reserve = || {
        let socket = bind(SocketAddr::new(LOOPBACK, 0), true)?;
        let address = socket.local_addr()?.as_socket();
        Ok((address.ok_or_else(|| std::io::Error::other("not an IP address"))?, socket))
    };
    reserve().map_err(|source| ClusterError::Port { address: LOOPBACK, source })
}

async fn spawn(program: &Path, node: NodeId, process: &ProcessNode) -> Result<Running, ClusterError> {
    let io = |source| ClusterError::Io { path: process.log.clone(), source };
    let log = File::options().create(true).append(true).open(&process.log).map_err(io)?;
    let failed = |reason: String| ClusterError::Start { node, reason };
    let mut command = Command::new(program);
    command
        .args(["node", "--config"])
        .arg(&process.config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true)
        // A Ctrl-C at the terminal is for the load generator, which then ends its nodes in order.
        .process_group(0);
    let mut child = command.spawn().map_err(|e| failed(format!("{}: {e}", program.display())))?;
    let stdout = child.stdout.take().ok_or_else(|| failed("no standard output".to_owned()))?;
    let mut lines = BufReader::new(stdout).lines();
    match tokio::time::timeout(START_PATIENCE, lines.next_line()).await {
        Ok(Ok(Some(_addresses))) => Ok(Running { _lifeline: child.stdin.take(), child }),
        Ok(_) => Err(failed(last_words(&process.log))),
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

fn signal(node: NodeId, running: Option<&Running>, signal: Signal) -> Result<Pid, ClusterError> {
    let failed = |reason: String| ClusterError::Signal { node, reason };
    let pid = running
        .and_then(|running| running.child.id())
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| failed("it is not running".to_owned()))?;
    kill_process(pid, signal).map_err(|e| failed(e.to_string()))?;
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
