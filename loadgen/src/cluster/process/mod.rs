//! The `process` driver: every node is a process of this machine with a folder of its own.

mod duty;
mod running;

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use rustix::process::Signal;
use socket2::Socket;
use tokio::sync::Mutex;
use veil::{
    node::{Listen, NodeConfig},
    wire::{
        client::{Member, NodeId},
        transport::{Tcp, bind},
    },
};

use super::{
    Cluster, ClusterError, Description, Detours, Doing, LinkNeeds, OUTSIDE, Outside, StartOptions,
    credentials::Credentials, everybody_may_register, experiment, founding, key::ClusterKey,
};
use crate::{
    generator::Launcher,
    link::{DirectedLink, Shape},
};
use duty::Duty;
use running::{Running, signal, stand_still};

/// How long a node may take to end when it is asked to.
const STOP_PATIENCE: Duration = Duration::from_secs(15);
/// How often, and how long apart, it is tried again to remove a folder.
const REMOVAL_TRIES: u32 = 20;
const REMOVAL_PAUSE: Duration = Duration::from_millis(10);
/// A node's data, in the folder of the node.
const DATA: &str = "data";
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Nodes as processes. Dropping it kills every node and, unless asked to keep it, removes their data.
#[derive(Debug)]
pub struct ProcessCluster {
    program: PathBuf,
    members: Vec<Member>,
    nodes: BTreeMap<NodeId, ProcessNode>,
    keep_data: bool,
    detours: Option<Detours>,
    /// As long as there are nodes that may be started again.
    credentials: Credentials,
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

impl ProcessCluster {
    /// Writes the configurations, starts all nodes and waits until they listen.
    ///
    /// # Errors
    /// [`ClusterError`]; what was started is killed again.
    pub async fn start(options: StartOptions) -> Result<Self, ClusterError> {
        let StartOptions {
            nodes: count,
            founders,
            folder,
            program,
            raft,
            sealing,
            links,
            tls,
            seed,
            limits: _,
            slow_disk,
            keep_data,
        } = options;
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
        let detours = match links {
            LinkNeeds::None => None,
            LinkNeeds::Cuts | LinkNeeds::Shapes | LinkNeeds::Breaks => {
                Some(Detours::around(&members, LOOPBACK, seed).await?)
            }
        };
        let ids = members.iter().map(|member| member.id);
        let credentials = Credentials::create(&folder, ids, tls, keep_data)?;
        let mut nodes = BTreeMap::new();
        for member in &members {
            let folder = folder.join(format!("n{}", member.id));
            let data = folder.join(DATA);
            let config = NodeConfig {
                id: member.id,
                data: DATA.into(),
                cluster_key: ClusterKey::from_node(),
                bootstrap: member.id == 1,
                shared_port: true,
                plain: !tls,
                listen: Listen {
                    client: member.client.clone(),
                    peer: member.peer.clone(),
                    http: None,
                    http_hosts: Vec::new(),
                },
                tls: credentials.for_config(member.id),
                members: founding(&members, founders, member.id),
                routes: detours.as_ref().map_or(&[][..], |detours| detours.routes(member.id)).to_vec(),
                raft: raft.clone(),
                sealing: sealing.clone(),
                limits: everybody_may_register(),
                quotas: None,
                experiment: experiment(slow_disk, member.id),
            };
            let path = folder.join("node.toml");
            let io = |source| ClusterError::Io { path: path.clone(), source };
            fs::create_dir_all(&folder).map_err(io)?;
            let text = toml::to_string(&config).map_err(|e| io(std::io::Error::other(e)))?;
            fs::write(&path, text).map_err(io)?;
            let log = folder.join("log.txt");
            nodes.insert(member.id, ProcessNode { config: path, log, data, child: Mutex::new(None) });
        }
        let cluster = Self { program, members, nodes, keep_data, detours, credentials, _reserved: reserved };
        // The founder last, so that the others are there to elect it at once.
        for id in cluster.nodes.keys().rev() {
            cluster.restart(*id).await?;
        }
        Ok(cluster)
    }

    /// Where the cluster's keys lie, as long as it is there.
    pub fn cluster_key(&self) -> PathBuf {
        self.credentials.cluster_key()
    }

    /// Whether a node was killed and not started again.
    #[cfg(test)]
    pub(crate) fn is_down(&self, node: NodeId) -> bool {
        self.nodes[&node].child.try_lock().is_ok_and(|child| child.is_none())
    }

    /// The number of a node's process.
    #[cfg(test)]
    pub(crate) fn pid(&self, node: NodeId) -> Option<u32> {
        self.nodes[&node].child.try_lock().ok()?.as_ref()?.child.id()
    }

    fn node(&self, node: NodeId) -> Result<&ProcessNode, ClusterError> {
        self.nodes.get(&node).ok_or(ClusterError::Unknown { node })
    }
}

impl Cluster for ProcessCluster {
    fn members(&self) -> &[Member] {
        &self.members
    }

    fn outside(&self) -> Outside {
        let routes = self.detours.as_ref().map_or(&[][..], |detours| detours.routes(OUTSIDE));
        self.credentials.outside(routes.iter().map(|r| (r.to.clone(), r.via.clone())))
    }

    fn kill(&self, node: NodeId) -> Doing<'_> {
        Box::pin(async move {
            let mut slot = self.node(node)?.child.lock().await;
            let failed = |reason: String| ClusterError::Signal { node, reason };
            let mut running = slot.take().ok_or_else(|| failed("it is not running".to_owned()))?;
            // Before anybody learns that it has ended, and its number is given to another process.
            running.release().await;
            let ended = running.child.try_wait().map_err(|e| failed(e.to_string()))?;
            match ended {
                Some(status) => Err(failed(format!("it has ended by itself: {status}"))),
                None => running.child.kill().await.map_err(|e| failed(e.to_string())),
            }
        })
    }

    fn stop(&self, node: NodeId) -> Doing<'_> {
        Box::pin(async move {
            let mut slot = self.node(node)?.child.lock().await;
            if let Some(running) = slot.as_mut().filter(|running| running.duty.is_some()) {
                running.release().await;
                signal(node, slot.as_ref(), Signal::CONT)?;
            }
            signal(node, slot.as_ref(), Signal::TERM)?;
            let failed = |reason: String| ClusterError::Signal { node, reason };
            let running = slot.as_mut().ok_or_else(|| failed("it is not running".to_owned()))?;
            match tokio::time::timeout(STOP_PATIENCE, running.child.wait()).await {
                Ok(ended) => ended.map_err(|e| failed(e.to_string()))?,
                Err(_) => return Err(failed(format!("it has not ended {STOP_PATIENCE:?} after SIGTERM"))),
            };
            *slot = None;
            Ok(())
        })
    }

    fn restart(&self, node: NodeId) -> Doing<'_> {
        Box::pin(async move {
            let process = self.node(node)?;
            let mut slot = process.child.lock().await;
            if slot.is_none() {
                *slot = Some(running::start(&self.program, node, &process.config, &process.log).await?);
            }
            Ok(())
        })
    }

    fn pause(&self, node: NodeId) -> Doing<'_> {
        Box::pin(async move {
            let mut slot = self.node(node)?.child.lock().await;
            stand_still(node, slot.as_mut()).await.map(drop)
        })
    }

    fn resume(&self, node: NodeId) -> Doing<'_> {
        Box::pin(async move {
            let slot = self.node(node)?.child.lock().await;
            signal(node, slot.as_ref(), Signal::CONT).map(drop)
        })
    }

    fn wipe(&self, node: NodeId) -> Doing<'_> {
        Box::pin(async move {
            let process = self.node(node)?;
            let slot = process.child.lock().await;
            if slot.is_some() {
                return Err(ClusterError::StillRunning { node });
            }
            let io = |path: &Path| {
                let path = path.to_owned();
                move |source| ClusterError::Io { path, source }
            };
            let data = process.data.clone();
            let removed = tokio::task::spawn_blocking(move || remove_folder(&data)).await;
            removed.map_err(std::io::Error::other).flatten().map_err(io(&process.data))?;
            let join = |text: String| {
                let founder: NodeConfig = toml::from_str(&text).map_err(std::io::Error::other)?;
                let config = NodeConfig { bootstrap: false, ..founder };
                fs::write(&process.config, toml::to_string(&config).map_err(std::io::Error::other)?)
            };
            fs::read_to_string(&process.config).and_then(join).map_err(io(&process.config))
        })
    }

    /// It runs for that share of its time, on as many processors as it likes: what a node with one thread
    /// at work gets is the share, and never more than the share of each.
    fn throttle(&self, node: NodeId, share: Option<f64>) -> Doing<'_> {
        Box::pin(async move {
            let mut slot = self.node(node)?.child.lock().await;
            let pid = stand_still(node, slot.as_mut()).await?;
            match (slot.as_mut(), share) {
                (Some(running), Some(share)) => running.duty = Some(Duty::begin(pid, share)),
                _ => drop(signal(node, slot.as_ref(), Signal::CONT)?),
            }
            Ok(())
        })
    }

    fn fill_disk(&self, node: NodeId) -> Doing<'_> {
        unsupported(node, "fill a node's disk: that takes a volume of limited size")
    }

    fn free_disk(&self, node: NodeId) -> Doing<'_> {
        unsupported(node, "fill a node's disk: that takes a volume of limited size")
    }

    fn change_links<'a>(
        &'a self,
        links: &'a [DirectedLink],
        change: &'a (dyn Fn(&mut Shape) + Sync),
    ) -> Doing<'a> {
        Box::pin(async move {
            match (&self.detours, links.first()) {
                (Some(detours), _) => detours.links().change(links, change),
                (None, Some((from, to))) => return Err(ClusterError::NoDetours { from: *from, to: *to }),
                (None, None) => {}
            }
            Ok(())
        })
    }

    fn shape(&self, link: DirectedLink) -> Shape {
        self.detours.as_ref().map(|detours| detours.links().shape(link)).unwrap_or_default()
    }

    fn comes_through(
        &self,
        from: NodeId,
        to: NodeId,
    ) -> BoxFuture<'_, Result<Option<Duration>, ClusterError>> {
        Box::pin(async move {
            let detours = self.detours.as_ref().ok_or(ClusterError::NoDetours { from, to })?;
            let network = self.credentials.as_a_node(Arc::new(Tcp::default()));
            Ok(detours.comes_through(&*network, from, to).await)
        })
    }

    fn inside(&self, _folders: Vec<PathBuf>) -> Option<Box<dyn Launcher>> {
        None
    }

    fn describe(&self) -> Description {
        let links = match self.detours {
            Some(_) => "every link through the link proxy",
            None => "direct",
        };
        Description { containers: None, limits: None, links, container_names: BTreeMap::new() }
    }

    fn end(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            for (id, process) in &self.nodes {
                let Some(mut running) = process.child.lock().await.take() else { continue };
                if let Err(error) = running.child.kill().await {
                    tracing::warn!(node = id, %error, "a node may be left");
                }
            }
        })
    }
}

fn unsupported(node: NodeId, what: &'static str) -> Doing<'static> {
    Box::pin(async move { Err(ClusterError::Unsupported { node, driver: "process", what }) })
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
