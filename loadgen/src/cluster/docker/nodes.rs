//! The containers of a run: starting, ending, cutting off and putting away.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    io::Write,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bollard::models::ContainerStateStatusEnum;
use futures_util::future::join_all;
use tokio::{sync::Mutex, time::Instant};
use veil::{
    node::NodeConfig,
    wire::{
        client::{Member, NodeId},
        transport::Tcp,
    },
};

use super::{
    container::{PEER_PORT, Spec},
    disk,
    engine::{Engine, failed, how_it_ended},
    filter,
    image::Image,
    leading::Leading,
    namespace::Namespace,
    netem,
    subnet::Subnet,
};
use crate::cluster::{ClusterError, OUTSIDE, credentials::Credentials, detour::says_hello};

/// How long a node may take from its start until it listens; it may have a long log to replay.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// The pause between looks at a node that is starting.
const PAUSE: Duration = Duration::from_millis(5);
/// So much of a log's end tells why a node has not started, lines.
const LAST_WORDS: usize = 5;

/// All that a run has made.
#[derive(Debug)]
pub(super) struct Nodes {
    pub(super) engine: Engine,
    pub(super) image: Image,
    pub(super) network: String,
    /// In which every node has a folder.
    pub(super) folder: PathBuf,
    pub(super) subnet: Subnet,
    pub(super) members: Vec<Member>,
    pub(super) nodes: BTreeMap<NodeId, Node>,
    /// What everything is labelled with.
    pub(super) labels: HashMap<String, String>,
    /// The containers of load generators.
    pub(super) generators: parking_lot::Mutex<BTreeSet<String>>,
    pub(super) links: Leading,
    pub(super) credentials: Arc<Credentials>,
    pub(super) keep_data: bool,
    pub(super) ended: AtomicBool,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) spec: Spec,
    pub(super) config: NodeConfig,
    /// Whoever starts, ends or changes the container holds it.
    pub(super) turn: Arc<Mutex<()>>,
    /// Whoever changes its network holds it: from looking at what the links are like until that is done.
    pub(super) network: Mutex<()>,
}

impl Nodes {
    pub(super) fn node(&self, node: NodeId) -> Result<&Node, ClusterError> {
        self.nodes.get(&node).ok_or(ClusterError::Unknown { node })
    }

    /// Writes a node's configuration, and makes its volume and its container.
    pub(super) async fn create(&self, node: &Node) -> Result<(), ClusterError> {
        write_config(node, &node.config)?;
        node.spec.create(&self.engine).await
    }

    /// Ends a node with a signal, and returns when its process is gone. The engine takes a quarter of a second
    /// longer to notice; the node's turn ends only then.
    pub(super) async fn end_with(&self, id: NodeId, signal: &'static str) -> Result<(), ClusterError> {
        let node = self.node(id)?;
        let turn = node.turn.clone().lock_owned().await;
        let failed = |reason| ClusterError::Signal { node: id, reason };
        let pid = match self.engine.state(&node.spec.name).await? {
            Some(state) if state.running == Some(true) => state.pid,
            Some(state) => return Err(failed(how_it_ended(&state))),
            None => return Err(failed("its container is gone".to_owned())),
        };
        let (engine, name) = (self.engine.clone(), node.spec.name.clone());
        let noticed = tokio::spawn(async move {
            let ended = engine.end_with(&name, signal).await;
            drop(turn);
            ended
        });
        tokio::select! {
            () = process_end(pid) => Ok(()),
            ended = noticed => ended.unwrap_or_else(|panic| Err(failed(panic.to_string()))),
        }
    }

    pub(super) async fn start(&self, id: NodeId, node: &Node) -> Result<(), ClusterError> {
        let name = &node.spec.name;
        let started = self.engine.docker.start_container(name, None).await;
        started.map_err(failed(format!("start {name}")))?;
        // The namespace is a new one; what was cut is cut still.
        self.bring_in_line(id).await?;
        let peer = format!("{}:{PEER_PORT}", node.spec.address);
        let deadline = Instant::now() + START_PATIENCE;
        let network = self.credentials.as_a_node(Arc::new(Tcp::default()));
        while says_hello(&*network, &peer).await.is_none() {
            if !self.engine.is_up(name).await? {
                return Err(ClusterError::Start { node: id, reason: self.last_words(node).await });
            }
            if Instant::now() >= deadline {
                let reason = format!("it does not listen after {START_PATIENCE:?}");
                return Err(ClusterError::Start { node: id, reason });
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    pub(super) async fn last_words(&self, node: &Node) -> String {
        let log = self.engine.log(&node.spec.name).await.unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().rev().take(LAST_WORDS).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    pub(super) async fn namespace(&self, node: &Node) -> Result<Option<Namespace>, ClusterError> {
        let state = self.engine.state(&node.spec.name).await?;
        Ok(state.and_then(|state| state.pid).filter(|pid| *pid > 0).map(Namespace::of))
    }

    /// Brings a node's network in line with what its links are like. One that is down has none; it is set when it
    /// starts.
    pub(super) async fn bring_in_line(&self, id: NodeId) -> Result<(), ClusterError> {
        let Leading::ByKernel { links, emulator } = &self.links else { return Ok(()) };
        let node = self.node(id)?;
        let _changing = node.network.lock().await;
        let Some(namespace) = self.namespace(node).await? else { return Ok(()) };
        let addresses = |node| match node {
            OUTSIDE => self.subnet.outside().to_vec(),
            node => vec![self.subnet.node(node).to_string()],
        };
        let rules = filter::rules(id, links.all(), addresses);
        let failed =
            |what: &str, error| ClusterError::Signal { node: id, reason: format!("its {what}: {error}") };
        let mut done = namespace.set_filter(rules).await.map_err(|e| failed("packet filter", e));
        if done.is_ok() && *emulator {
            let emulated = netem::emulate(id, namespace, links.all(), addresses).await;
            done = emulated.map_err(|e| failed("network emulator", e));
        }
        match done {
            // It ended meanwhile; the engine takes a moment to say so.
            Err(_) if !namespace.is_there() => Ok(()),
            done => done,
        }
    }

    /// Writes every log to its node's folder and removes all that was made. What cannot be done is logged.
    pub(super) async fn end(&self) {
        if self.ended.load(Ordering::SeqCst) {
            return;
        }
        let ending = self.nodes.iter().map(|(id, node)| async move {
            let Node { spec, .. } = node;
            let log = self.keep_log(node).await;
            let data = match self.keep_data {
                true => disk::copy(&self.engine, spec, &spec.folder).await,
                false => Ok(()),
            };
            let removed = spec.remove(&self.engine).await;
            for error in [log, data, removed].into_iter().filter_map(Result::err) {
                tracing::warn!(node = id, %error, "not all of a node could be put away");
            }
        });
        join_all(ending).await;
        let generators = self.generators.lock().clone();
        let ending = generators.iter().map(|name| async move {
            let log = self.keep_complaints(name).await;
            for error in [log, self.engine.remove_container(name).await].into_iter().filter_map(Result::err) {
                tracing::warn!(%error, "not all of a load generator could be put away");
            }
        });
        join_all(ending).await;
        if let Err(error) = self.engine.remove_network(&self.network).await {
            tracing::warn!(%error, "a network is left");
        }
        // Only now: whoever is interrupted in the middle of this does it again.
        self.ended.store(true, Ordering::SeqCst);
    }

    /// Keeps what a load generator has complained of, beside the folders of the nodes. What it has said is for the
    /// run alone.
    async fn keep_complaints(&self, generator: &str) -> Result<(), ClusterError> {
        if self.engine.state(generator).await?.is_none() {
            return Ok(());
        }
        let complaints = self.engine.complaints(generator).await?;
        let short = generator.rsplit('-').next().unwrap_or(generator);
        let path = self.folder.join(format!("{short}.txt"));
        fs::write(&path, complaints).map_err(|source| ClusterError::Io { path, source })
    }

    pub(super) async fn keep_log(&self, node: &Node) -> Result<(), ClusterError> {
        let name = &node.spec.name;
        match self.engine.state(name).await?.and_then(|state| state.status) {
            // Whoever began to remove it has kept its log.
            None | Some(ContainerStateStatusEnum::REMOVING) => return Ok(()),
            Some(_) => {}
        }
        let (path, log) = (node.spec.folder.join("log.txt"), self.engine.log(name).await?);
        // A node that was wiped has had a container before this one.
        let file = fs::File::options().create(true).append(true).open(&path);
        file.and_then(|mut file| file.write_all(&log)).map_err(|source| ClusterError::Io { path, source })
    }
}

pub(super) fn write_config(node: &Node, config: &NodeConfig) -> Result<(), ClusterError> {
    let path: PathBuf = node.spec.folder.join("node.toml");
    let io = |source| ClusterError::Io { path: path.clone(), source };
    fs::create_dir_all(&node.spec.folder).map_err(io)?;
    let text = toml::to_string(config).map_err(|e| io(std::io::Error::other(e)))?;
    fs::write(&path, text).map_err(io)
}

/// Waits until a process is gone, if this machine's process table tells.
async fn process_end(pid: Option<i64>) {
    let Some(process) = pid.map(|pid| PathBuf::from(format!("/proc/{pid}"))).filter(|path| path.exists())
    else {
        return std::future::pending().await;
    };
    while process.exists() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
