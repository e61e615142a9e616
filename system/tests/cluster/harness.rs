//! A cluster inside this process, its disks and its network of pipes.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use tokio::{task::JoinHandle, time::Instant};
use veil::{
    client::{Client, ClientError, Credential, NewSession},
    consensus::{Disk, Folder},
    directory::{Quotas, UserName},
    identity::{ClusterKeys, KeyPair},
    node::{
        Entropy, Environment, ExperimentConfig, LimitsConfig, Listen, Node, NodeConfig, NodeError,
        RaftConfig, SealingConfig, SharedKeys, UnixClock, system_clock,
    },
    wire::{client::Member, transport::Pipes},
};

use super::wires::Wires;

/// How long one node may take to answer a question about itself.
pub const PATIENCE: Duration = Duration::from_secs(5);

pub struct Cluster {
    pub network: Pipes,
    /// Between the nodes.
    pub wires: Wires,
    pub nodes: BTreeMap<u64, Node>,
    /// All nodes that there ever were, members or not.
    pub members: BTreeMap<u64, Member>,
    founders: Vec<Member>,
    pub keys: ClusterKeys,
    /// What each running node has of them.
    pub shared: BTreeMap<u64, SharedKeys>,
    raft: RaftConfig,
    /// What the founder's configuration says.
    quotas: Option<Quotas>,
    /// How far each node's clock is ahead, milliseconds.
    clocks: BTreeMap<u64, Arc<AtomicI64>>,
    pub disks: BTreeMap<u64, tempfile::TempDir>,
}

impl Cluster {
    /// Nodes `1..=size`, of which the first founds the cluster.
    pub async fn start(size: u64, raft: RaftConfig) -> Self {
        Self::start_with(size, raft, None).await
    }

    pub async fn start_with(size: u64, raft: RaftConfig, quotas: Option<Quotas>) -> Self {
        let founders: Vec<_> = (1..=size).map(member).collect();
        let network = Pipes::default();
        let mut cluster = Self {
            wires: Wires::new(network.clone()),
            network,
            nodes: BTreeMap::new(),
            members: BTreeMap::new(),
            founders,
            keys: Entropy::from_system().draw(ClusterKeys::generate),
            shared: BTreeMap::new(),
            raft,
            quotas,
            clocks: BTreeMap::new(),
            disks: BTreeMap::new(),
        };
        for id in 1..=size {
            cluster.start_node(id).await;
        }
        cluster
    }

    /// Starts a node from whatever its folder holds.
    pub async fn start_node(&mut self, id: u64) {
        let folder = self.disks.entry(id).or_insert_with(|| tempfile::tempdir().unwrap());
        let disk = Folder::create(folder.path()).unwrap();
        self.start_node_on(id, Arc::new(disk)).await;
    }

    pub async fn start_node_on(&mut self, id: u64, disk: Arc<dyn Disk>) {
        self.try_start_node_on(id, disk).await.unwrap();
    }

    /// Starts a node from whatever its folder holds, if it starts.
    pub async fn try_start_node(&mut self, id: u64) -> Result<(), NodeError> {
        let disk = Folder::create(self.disks[&id].path()).unwrap();
        self.try_start_node_on(id, Arc::new(disk)).await
    }

    async fn try_start_node_on(&mut self, id: u64, disk: Arc<dyn Disk>) -> Result<(), NodeError> {
        let member = self.members.entry(id).or_insert_with(|| member(id));
        let founder = self.founders.contains(member);
        let config = NodeConfig {
            id,
            data: self.disks[&id].path().to_owned(),
            cluster_key: PathBuf::new(),
            bootstrap: id == 1,
            shared_port: false,
            plain: true,
            listen: Listen {
                client: member.client.clone(),
                peer: member.peer.clone(),
                http: None,
                http_hosts: Vec::new(),
            },
            members: if founder { self.founders.clone() } else { Vec::new() },
            tls: None,
            routes: Vec::new(),
            raft: self.raft.clone(),
            sealing: SealingConfig { threads: 1, queue: 8 },
            limits: LimitsConfig::default(),
            quotas: self.quotas,
            experiment: ExperimentConfig::default(),
        };
        let shared = SharedKeys::new(self.keys.clone());
        self.shared.insert(id, shared.clone());
        let environment = Environment {
            peers: self.wires.of(id),
            clients: Arc::new(self.network.clone()),
            http: Arc::new(self.network.clone()),
            disk,
            clock: self.clock(id),
            entropy: Arc::new(Entropy::from_seed(id)),
            keys: shared,
            raft_runtime: tokio::runtime::Handle::current(),
        };
        self.nodes.insert(id, Node::start(config, environment).await?);
        Ok(())
    }

    /// A node's clock.
    fn clock(&mut self, id: u64) -> UnixClock {
        let ahead = self.clocks.entry(id).or_default().clone();
        let right = system_clock();
        Arc::new(move || right().saturating_add_signed(ahead.load(Ordering::SeqCst)))
    }

    /// Sets a node's clock so far ahead of the right time, milliseconds.
    pub fn set_clock(&mut self, id: u64, ahead_ms: i64) {
        self.clocks.entry(id).or_default().store(ahead_ms, Ordering::SeqCst);
    }

    pub async fn stop_node(&mut self, id: u64) {
        self.nodes.remove(&id).unwrap().stop().await;
    }

    /// Ends a node abruptly.
    pub fn crash_node(&mut self, id: u64) {
        drop(self.nodes.remove(&id).unwrap());
    }

    /// Starts a node that is down on an empty disk.
    pub async fn start_empty(&mut self, id: u64) {
        self.disks.remove(&id);
        self.start_node(id).await;
    }

    /// Starts a node that is new, and makes it a member.
    pub async fn grow(&mut self, client: &Client, id: u64) {
        self.start_node(id).await;
        client.add_member(member(id), soon()).await.unwrap();
    }

    /// A client that was given the addresses of the founders.
    pub fn client(&self) -> Client {
        let addresses = self.founders.iter().map(|member| member.client.clone()).collect();
        Client::new(Arc::new(self.network.clone()), addresses, 1).unwrap()
    }

    /// Waits until a node holds what another one holds, and has applied at least `index`.
    pub async fn wait_until_equal(&self, client: &Client, ids: [u64; 2], index: u64) {
        let address = |id: u64| &self.members[&id].client;
        loop {
            let (left, right) = tokio::join!(
                client.hash_of(address(ids[0]), PATIENCE),
                client.hash_of(address(ids[1]), PATIENCE)
            );
            match (left, right) {
                (Ok(left), Ok(right)) if left == right && left.0 >= index => return,
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

/// Where node `id` is reached.
pub fn member(id: u64) -> Member {
    Member { id, client: format!("n{id}:client"), peer: format!("n{id}:peer") }
}

pub fn name(text: &str) -> UserName {
    text.parse().unwrap()
}

/// Makes a user known.
pub async fn register(client: &Client, user: &str, deadline: Instant) -> Result<(), ClientError> {
    client.register(client.request_id(), name(user), key(user).public(), None, deadline).await
}

/// Makes a user known and logs them in; the client that comes back asks in their name.
pub async fn join(client: &Client, user: &str) -> Client {
    register(client, user, soon()).await.unwrap();
    log_in(client, user).await
}

/// Begins a session of a user who is known.
pub async fn log_in(client: &Client, user: &str) -> Client {
    let token = client.draw_token();
    let session = NewSession { token: token.clone(), device: "test".to_owned(), lifetime_ms: 3_600_000 };
    let credential = Credential::Key(key(user));
    client.log_in(client.request_id(), name(user), &credential, &session, soon()).await.unwrap();
    client.in_session(token)
}

/// A user's key pair.
pub fn key(user: &str) -> KeyPair {
    KeyPair::from_seed(*blake3::hash(user.as_bytes()).as_bytes())
}

pub fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// Registers users and gives back the log index after which all of them are known.
pub async fn register_many(cluster: &Cluster, client: &Client, users: Range<u32>) -> u64 {
    for number in users {
        register(client, &format!("user-{number}"), soon()).await.unwrap();
    }
    let leader = client.leadership().borrow().leader.clone().unwrap();
    assert!(cluster.nodes.contains_key(&leader.id));
    client.status(&leader.client, PATIENCE).await.unwrap().applied
}

/// The node that leads.
pub async fn leader(client: &Client) -> u64 {
    let mut leadership = client.leadership();
    let known = leadership.wait_for(|now| now.leader.is_some()).await.unwrap();
    known.leader.as_ref().unwrap().id
}

/// The numbers of the voters.
pub async fn voters(client: &Client) -> Vec<u64> {
    let members = client.members(soon()).await.unwrap();
    assert!(members.iter().all(|role| role.voter), "a learner is left: {members:?}");
    members.into_iter().map(|role| role.member.id).collect()
}

/// Registers users one after the other, none of which may fail, until it is stopped.
pub struct Writer {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Vec<UserName>>,
}

impl Writer {
    pub fn start(client: &Client) -> Self {
        Self::start_as(client, "written")
    }

    /// Registers users whose names begin with `prefix`.
    pub fn start_as(client: &Client, prefix: &str) -> Self {
        let (stop, client, prefix) = (Arc::new(AtomicBool::new(false)), client.clone(), prefix.to_owned());
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let user = format!("{prefix}-{:06}", acknowledged.len());
                register(&client, &user, soon()).await.unwrap();
                acknowledged.push(name(&user));
            }
            acknowledged
        });
        Self { stop, task }
    }

    /// Everybody who was registered.
    pub async fn finish(self) -> Vec<UserName> {
        self.stop.store(true, Ordering::Relaxed);
        let acknowledged = self.task.await.unwrap();
        assert!(!acknowledged.is_empty());
        acknowledged
    }
}
