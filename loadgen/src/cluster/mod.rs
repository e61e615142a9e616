//! Starts and stops the nodes of a run, and disturbs what is between them.
//!
//! What can be done to a cluster is [`Cluster`]; a driver is a way of doing it.

pub mod child;
mod credentials;
mod detour;
mod docker;
mod key;
mod outside;
mod process;

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use veil::{
    client::ClientError,
    node::{ExperimentConfig, LimitsConfig, RaftConfig, SealingConfig},
    wire::{
        client::{Member, NodeId},
        tls::TlsError,
    },
};

pub use detour::{Detours, OUTSIDE};
pub use docker::DockerCluster;
pub use outside::{OperatorFiles, Outside, Security};
pub use process::ProcessCluster;

use crate::{
    generator::Launcher,
    link::{DirectedLink, Shape},
    record::{Containers, NodeLimits},
    scenario::{Driver, SlowDisk},
};

/// Something that is being done to a cluster.
pub type Doing<'a> = BoxFuture<'a, Result<(), ClusterError>>;

/// A cluster that a run has started. Each of these returns when it has happened.
///
/// Dropping it ends every node and leaves nothing behind but configurations and logs, and, if they are kept, the
/// nodes' data and keys.
pub trait Cluster: fmt::Debug + Send + Sync {
    /// All nodes, running or not, under the addresses by which they know one another.
    fn members(&self) -> &[Member];

    /// How the nodes are reached from outside.
    fn outside(&self) -> Outside;

    /// Ends a node as a power cut would. It is an error if it is down already, or has ended by itself.
    fn kill(&self, node: NodeId) -> Doing<'_>;

    /// Asks a node to end, and waits until it has. It is an error if it is down already.
    fn stop(&self, node: NodeId) -> Doing<'_>;

    /// Starts a node that is down, from its folder as it is, and waits until it listens.
    fn restart(&self, node: NodeId) -> Doing<'_>;

    /// Makes a node stand still.
    fn pause(&self, node: NodeId) -> Doing<'_>;

    /// Lets it go on.
    fn resume(&self, node: NodeId) -> Doing<'_>;

    /// Removes all that a node that is down has stored. It will not found a cluster when it is started.
    fn wipe(&self, node: NodeId) -> Doing<'_>;

    /// Gives a node that share of one processor, or, with `None`, what it had at first.
    fn throttle(&self, node: NodeId, share: Option<f64>) -> Doing<'_>;

    /// Fills what is left of a node's disk.
    fn fill_disk(&self, node: NodeId) -> Doing<'_>;

    /// Gives it back. The node may have ended meanwhile; it is started again.
    fn free_disk(&self, node: NodeId) -> Doing<'_>;

    /// Changes what these links do to what travels along them.
    fn change_links<'a>(
        &'a self,
        links: &'a [DirectedLink],
        change: &'a (dyn Fn(&mut Shape) + Sync),
    ) -> Doing<'a>;

    /// What a link is like now, as [`Cluster::change_links`] has left it.
    fn shape(&self, link: DirectedLink) -> Shape;

    /// How long a connection from one node to the peer port of another takes to come about now, up to the hello
    /// of the node itself; `None` if it does not.
    fn comes_through(
        &self,
        from: NodeId,
        to: NodeId,
    ) -> BoxFuture<'_, Result<Option<Duration>, ClusterError>>;

    /// A way of starting load generators inside of the nodes' network, if they have one of their own. They see
    /// these folders where they are.
    fn inside(&self, folders: Vec<PathBuf>) -> Option<Box<dyn Launcher>>;

    /// Nodes that the kernel has killed for want of memory, and that are down since.
    fn out_of_memory(&self) -> BoxFuture<'_, Vec<NodeId>> {
        Box::pin(std::future::ready(Vec::new()))
    }

    /// What it is made of, for the record.
    fn describe(&self) -> Description;

    /// Ends every node that is not down, and collects what is to be kept of it.
    fn end(&self) -> BoxFuture<'_, ()>;
}

/// What a cluster is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// Engine, image and network, if nodes are containers.
    pub containers: Option<Containers>,
    /// What each node may use, if that is limited.
    pub limits: Option<NodeLimits>,
    /// How links are led, cut and shaped, in words.
    pub links: &'static str,
    /// The names of the nodes' containers.
    pub container_names: BTreeMap<NodeId, String>,
}

/// What is started.
#[derive(Debug, Clone)]
pub struct StartOptions {
    /// How many nodes.
    pub nodes: u32,
    /// So many of them, the first, found the cluster; the others start empty, and wait to be added.
    pub founders: u32,
    /// Where their folders are made.
    pub folder: PathBuf,
    /// The executable; it must understand `node --config FILE` as this one does.
    pub program: PathBuf,
    /// Raft's clockwork.
    pub raft: RaftConfig,
    /// The sealing threads of each node.
    pub sealing: SealingConfig,
    /// What faults will do to links.
    pub links: LinkNeeds,
    /// Whether links are TLS; plain TCP without. Containers, which are not on loopback, take TLS.
    pub tls: bool,
    /// Decides jitter, loss and resets of the link proxy.
    pub seed: u64,
    /// What each node may use. Processes are not limited.
    pub limits: NodeLimits,
    /// A node whose disk is slow, if one is.
    pub slow_disk: Option<SlowDisk>,
    /// Keep the nodes' data folders, which may be large, and the cluster's keys. Configurations and logs are always kept.
    pub keep_data: bool,
}

/// What a node is told of the members: a founder all founders, one that joins nothing.
fn founding(members: &[Member], founders: u32, node: NodeId) -> Vec<Member> {
    let is_founder = |id: NodeId| id <= NodeId::from(founders);
    members.iter().filter(|member| is_founder(node) && is_founder(member.id)).cloned().collect()
}

/// What makes a node worse than the others.
fn experiment(slow_disk: Option<SlowDisk>, node: NodeId) -> ExperimentConfig {
    let slow = slow_disk.filter(|slow| NodeId::from(slow.node) == node);
    ExperimentConfig { sync_delay: slow.map_or(Duration::ZERO, |slow| slow.sync) }
}

/// Simulated users are strangers until they have registered, and all of them come from a few addresses.
fn everybody_may_register() -> LimitsConfig {
    LimitsConfig {
        registrations_per_minute: 0,
        registrations_per_minute_per_address: 0,
        ..LimitsConfig::default()
    }
}

/// What faults will do to the links of a cluster; the driver prepares for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkNeeds {
    /// Nothing: connections are direct.
    None,
    /// They are cut.
    Cuts,
    /// They are slowed and lose packets, and are perhaps cut.
    Shapes,
    /// Connections along them are broken, and all of that.
    Breaks,
}

/// Starts a cluster and waits until its nodes listen.
///
/// # Errors
/// [`ClusterError`]; nothing that was started is left.
pub async fn start(driver: Driver, options: StartOptions) -> Result<Arc<dyn Cluster>, ClusterError> {
    Ok(match driver {
        Driver::Process => Arc::new(ProcessCluster::start(options).await?),
        Driver::Docker => Arc::new(DockerCluster::start(options).await?),
    })
}

/// Something could not be done to a node.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A file or folder of the run cannot be written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// No certificates for the nodes.
    #[error("cannot make certificates for the nodes: {reason}")]
    Certificates {
        /// Why not.
        reason: String,
    },
    /// The authority's certificate is of no use.
    #[error("cannot speak TLS to the nodes: {0}")]
    Tls(#[from] TlsError),
    /// No container engine.
    #[error("no Docker engine answers ({reason}); start one, or run with --driver process")]
    NoEngine {
        /// Why not.
        reason: String,
    },
    /// The container engine does not do what it is asked.
    #[error("cannot {what}: {source}")]
    Engine {
        /// What.
        what: String,
        /// Why not.
        source: Box<bollard::errors::Error>,
    },
    /// The executable cannot run in an empty container.
    #[error(
        "{path} is linked dynamically and cannot run in an empty container: build it with -C target-feature=+crt-static, as .cargo/config.toml does unless RUSTFLAGS is set"
    )]
    NotStatic {
        /// Which.
        path: PathBuf,
    },
    /// The container engine is told of folders in text.
    #[error(
        "{path}: the name is not UTF-8, and no container can be given it; use another folder, or --driver process"
    )]
    Unnameable {
        /// Which folder or file.
        path: PathBuf,
    },
    /// No free port.
    #[error("cannot reserve a port on {address}: {source}")]
    Port {
        /// Where.
        address: std::net::IpAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// A node does not start.
    #[error("node n{node} does not start: {reason}")]
    Start {
        /// Which.
        node: NodeId,
        /// Why not; the end of its log.
        reason: String,
    },
    /// What is only done to a node that is down.
    #[error("node n{node}: its storage cannot be removed while it is running")]
    StillRunning {
        /// Which.
        node: NodeId,
    },
    /// A signal cannot be sent.
    #[error("node n{node}: {reason}")]
    Signal {
        /// To which.
        node: NodeId,
        /// Why not.
        reason: String,
    },
    /// The cluster's links are not led through proxies, so they cannot be cut.
    #[error("the link from n{from} to n{to} cannot be disturbed: it is not led through the link proxy")]
    NoDetours {
        /// Who dials.
        from: NodeId,
        /// Whom.
        to: NodeId,
    },
    /// The driver has no means for it.
    #[error("node n{node}: the {driver} driver cannot {what}")]
    Unsupported {
        /// Which node.
        node: NodeId,
        /// Which driver.
        driver: &'static str,
        /// What was asked.
        what: &'static str,
    },
    /// There is nobody to ask.
    #[error("the nodes cannot be asked whether they are whole: {0}")]
    NoAddress(#[source] ClientError),
    /// The others do not change who is a member.
    #[error("node n{node} cannot be replaced: cannot {what}: {source}")]
    Membership {
        /// Whose place it is.
        node: NodeId,
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: ClientError,
    },
    /// A link that should be cut is not.
    #[error("the link from n{from} to n{to} is cut, and a connection came through all the same")]
    NotCut {
        /// Who dialled.
        from: NodeId,
        /// Whom.
        to: NodeId,
    },
    /// A link that should be mended is not.
    #[error("the link from n{from} to n{to} is mended, and no connection comes through")]
    StillCut {
        /// Who dialled.
        from: NodeId,
        /// Whom.
        to: NodeId,
    },
    /// A link that should be slow is not.
    #[error(
        "the link from n{from} to n{to} delays by {delay:?}, and a connection came through after {took:?}"
    )]
    NotSlow {
        /// Who dialled.
        from: NodeId,
        /// Whom.
        to: NodeId,
        /// How late everything should arrive.
        delay: Duration,
        /// How late it did.
        took: Duration,
    },
    /// A link that should be quick again is not.
    #[error("the link from n{from} to n{to} delays no more, and a connection still takes {took:?}")]
    StillSlow {
        /// Who dialled.
        from: NodeId,
        /// Whom.
        to: NodeId,
        /// How long it took.
        took: Duration,
    },
    /// There is no such node.
    #[error("there is no node n{node}")]
    Unknown {
        /// Which.
        node: NodeId,
    },
}
