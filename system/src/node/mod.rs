//! One server: it keeps its part of the directory, seals images, and answers clients and nodes.

mod admission;
mod attempts;
mod buffers;
mod certificates;
mod clock;
mod config;
mod environment;
mod forward;
mod health;
mod http;
mod keys;
mod label;
mod liveness;
mod loading;
mod metrics;
mod newcomer;
mod pool;
mod presence;
mod quotas;
mod rate;
mod registrations;
mod rewrap;
mod sealing;
mod service;
mod size;
mod under_way;

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{sync::Semaphore, task::JoinHandle, time::Instant};

use self::{
    admission::Admission,
    buffers::Buffers,
    forward::Forwarder,
    health::Health,
    http::{Hosts, Pages},
    liveness::Liveness,
    metrics::Metrics,
    newcomer::Newcomers,
    pool::Pool,
    registrations::Registrations,
    rewrap::Rewrapper,
    sealing::Sealing,
    service::{ClientService, PeerService},
    under_way::UnderWay,
};
pub use self::{
    certificates::{TlsFileError, TlsFiles},
    config::{
        ConfigError, ExperimentConfig, LimitsConfig, Listen, NodeConfig, RaftConfig, Route, SealingConfig,
    },
    environment::{Entropy, Environment},
    keys::{KeysRefused, SharedKeys},
};
pub use crate::clock::{UnixClock, system_clock};
use crate::{
    consensus::{Consensus, DiskId, StartError},
    identity::ClusterKeys,
    stego::Cover,
    wire::{
        client::Member,
        connections::Connections,
        frame::Link,
        limits::Limits,
        links::Links,
        server::{serve, serve_on},
    },
};

/// How long a node that stops may be at what it was asked before.
const ANSWER_PATIENCE: Duration = Duration::from_secs(2);
/// How long the last answers have to leave.
const FAREWELL: Duration = Duration::from_millis(5);

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The configuration makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address} for {whom}: {}", in_words(source))]
    Listen {
        /// The address.
        address: String,
        /// For whom.
        whom: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// Raft does not start.
    #[error(transparent)]
    Raft(#[from] StartError),
    /// No threads for sealing.
    #[error("cannot start the sealing threads: {0}")]
    Threads(std::io::Error),
}

/// Why an address cannot be listened on.
fn in_words(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::AddrInUse => "another program, or another node, listens there already".to_owned(),
        ErrorKind::AddrNotAvailable => "it is no address of this machine".to_owned(),
        ErrorKind::PermissionDenied => error.get_ref().map_or_else(
            || "the system does not allow it: ports below 1024 are for root alone".to_owned(),
            ToString::to_string,
        ),
        _ => error.to_string(),
    }
}

/// A running node. Dropping it ends it abruptly; [`stop`](Self::stop) ends it in order.
pub struct Node {
    member: Member,
    http: Option<String>,
    consensus: Consensus,
    keys: SharedKeys,
    under_way: Arc<UnderWay>,
    tasks: Vec<JoinHandle<()>>,
}

impl Node {
    /// Starts a node on the current runtime, its Raft part on the environment's.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn start(config: NodeConfig, environment: Environment) -> Result<Self, NodeError> {
        config.check()?;
        let Environment {
            peers: peer_network,
            clients: client_network,
            http,
            disk,
            clock,
            entropy,
            keys,
            raft_runtime,
        } = environment;
        let failed = |address: &str, whom| {
            let address = address.to_owned();
            move |source| NodeError::Listen { address, whom, source }
        };
        let clients = client_network.listen(&config.listen.client).await;
        let clients = clients.map_err(failed(&config.listen.client, "clients"))?;
        let http = match &config.listen.http {
            Some(address) => Some(http.listen(address).await.map_err(failed(address, "HTTP"))?),
            None => None,
        };
        let peers = peer_network.listen(&config.listen.peer).await;
        let peers = peers.map_err(failed(&config.listen.peer, "other nodes"))?;
        let member = Member { id: config.id, client: clients.local_address(), peer: peers.local_address() };
        let consensus = {
            let fresh = DiskId::new(clock(), entropy.bits());
            let timing = config.raft.timing();
            let start = Consensus::start(config.id, timing, disk, peer_network.clone(), fresh, clock);
            let started = raft_runtime.spawn(start).await;
            started.unwrap_or_else(|panic| Err(StartError::Stopped(panic.to_string())))?
        };
        let mut tasks = Vec::new();
        let peer_service = PeerService { consensus: consensus.clone() };
        let connections = Connections::within(Limits::of_nodes());
        // Whoever connects is a stranger until the handshake is over, and has no business where Raft runs.
        let serving = serve_on(raft_runtime.clone(), peers, Link::Peer, Arc::new(peer_service), connections);
        tasks.push(tokio::spawn(serving));

        let metrics = Arc::new(Metrics::new());
        tasks.push(tokio::spawn(metrics::count_leaders(consensus.leadership(), metrics.clone())));
        let (part, founding) = (consensus.clone(), config.founding_members(&member));
        tasks.push(raft_runtime.spawn(async move { part.take_part(founding).await }));

        tasks.push(tokio::spawn(clock::watch(consensus.clone())));
        tasks.push(tokio::spawn(quotas::watch(consensus.clone())));
        let health = Arc::new(Health::new());
        let pool = Pool::start(config.sealing.threads, config.sealing.queue).map_err(NodeError::Threads)?;
        let pool = Arc::new(pool);
        tasks.push(tokio::spawn(health::sample_own(config.id, health.clone(), pool.clone())));
        let newcomers = Newcomers { consensus: consensus.clone(), network: client_network.clone() };
        let status_links = Arc::new(Links::new(client_network, Link::Client, 1));
        tasks.push(tokio::spawn(health::ask_others(
            config.id,
            health.clone(),
            consensus.clone(),
            status_links.clone(),
        )));
        let forwarder = Forwarder {
            id: config.id,
            consensus: consensus.clone(),
            links: Arc::new(Links::new(peer_network, Link::Peer, 1)),
        };
        if let Some(quotas) = config.quotas.filter(|_| config.bootstrap) {
            tasks.push(tokio::spawn(quotas::found(forwarder.clone(), entropy.clone(), quotas)));
        }
        let rewrapper = Rewrapper {
            consensus: consensus.clone(),
            keys: keys.clone(),
            entropy: entropy.clone(),
            forwarder: forwarder.clone(),
            nodes: status_links,
        };
        let limit = config.sealing.threads + config.sealing.queue;
        let places = Semaphore::new(limit);
        let cover = Arc::new(Cover::standard());
        let durations = metrics.sealing.clone();
        let registrations = Registrations::up_to(
            config.limits.registrations_per_minute_per_address,
            config.limits.registrations_per_minute,
        );
        let admission =
            Admission::new(pool.clone(), entropy.clone(), keys.clone(), consensus.clone(), registrations);
        let sealing = Sealing {
            pool,
            places,
            limit,
            cover,
            buffers: Buffers::new(limit),
            keys: keys.clone(),
            consensus: consensus.clone(),
            entropy,
            forwarder,
            durations,
        };
        let (shared_keys, under_way) = (keys.clone(), Arc::new(UnderWay::default()));
        let service = ClientService {
            id: config.id,
            consensus: consensus.clone(),
            keys,
            admission,
            presence: Mutex::default(),
            rewrapper,
            newcomers,
            began: Instant::now(),
            health,
            sealing,
            metrics: metrics.clone(),
            under_way: under_way.clone(),
        };
        let service = Arc::new(service);
        let connections = Connections::within(config.limits.of_clients());
        tasks.push(tokio::spawn(serve(clients, Link::Client, service.clone(), connections.clone())));
        let address = http.as_ref().map(|listener| listener.local_address());
        if let Some(listener) = http {
            let liveness = Liveness::new(config.id, consensus.clone(), config.raft.lease);
            let pages = Arc::new(Pages { service, metrics, liveness, clients: connections });
            let answer = move |method, path| pages.clone().answer(method, path);
            tasks.push(tokio::spawn(http::serve(listener, Hosts::new(config.http_hosts()), answer)));
        }
        Ok(Self { member, http: address, consensus, keys: shared_keys, under_way, tasks })
    }

    /// The node's number and the addresses it really listens on.
    pub fn member(&self) -> &Member {
        &self.member
    }

    /// The address at which it really answers HTTP, if it does.
    pub fn http(&self) -> Option<&str> {
        self.http.as_deref()
    }

    /// Takes other key-encryption keys than it has, and says whether anything has changed.
    ///
    /// # Errors
    /// [`KeysRefused`]; then it keeps what it has.
    pub fn take_keys(&self, keys: ClusterKeys) -> Result<bool, KeysRefused> {
        let directory = self.consensus.directory().0;
        self.keys.replace(keys, |number| directory.is_wrapped_under(number))
    }

    /// Waits until the node can no longer be a member of the cluster, because its disk failed, and says
    /// why.
    pub async fn failed(&self) -> String {
        self.consensus.failed().await
    }

    /// Hands the leadership over, answers what it has been asked, stops serving, then Raft. What was acknowledged is on
    /// disk already.
    pub async fn stop(mut self) {
        // First: what waits for its commit then gets it from the next leader.
        self.consensus.hand_over().await;
        let unanswered = self.under_way.end(ANSWER_PATIENCE).await;
        if unanswered > 0 {
            tracing::warn!(unanswered, "stopping before everything is answered");
        }
        tokio::time::sleep(FAREWELL).await;
        self.tasks.iter().for_each(JoinHandle::abort);
        for task in self.tasks.drain(..) {
            // What it held, a port for instance, is free then. That it was aborted is no news.
            let _ = task.await;
        }
        self.consensus.stop().await;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}
