//! Clusters of containers for tests, and users who talk to them.

use std::{collections::BTreeMap, ops::Deref, path::PathBuf, time::Duration};

use loadgen::{
    cluster::{Cluster, DockerCluster, LinkNeeds, StartOptions},
    record::NodeLimits,
};
use tokio::{sync::MutexGuard, time::Instant};
use veil::{
    client::{Client, ClientError, Credential, NewSession},
    directory::UserName,
    identity::KeyPair,
    node::{RaftConfig, SealingConfig},
    wire::client::NodeId,
};

/// How long a node may take for one answer.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// How long something that has to come may take.
const SOON: Duration = Duration::from_secs(30);
/// The pause between looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Everybody's key pair.
pub fn key() -> KeyPair {
    KeyPair::from_seed([1; 32])
}

/// One cluster at a time: they share two processors.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A cluster of containers, and a client of it.
pub struct Containers {
    cluster: DockerCluster,
    pub client: Client,
    _folder: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Deref for Containers {
    type Target = DockerCluster;

    fn deref(&self) -> &DockerCluster {
        &self.cluster
    }
}

/// What is started when nothing else is said.
pub fn options() -> StartOptions {
    StartOptions {
        nodes: 3,
        founders: 3,
        folder: PathBuf::new(),
        program: env!("CARGO_BIN_EXE_loadgen").into(),
        raft: RaftConfig::default(),
        sealing: SealingConfig { threads: 1, queue: 16 },
        links: LinkNeeds::None,
        tls: true,
        seed: 1,
        limits: NodeLimits::default(),
        slow_disk: None,
        keep_data: false,
    }
}

impl Containers {
    /// Starts a cluster and waits until somebody leads it. `None`, loudly, where there is no engine; in CI that
    /// is a failure.
    pub async fn start(options: StartOptions) -> Option<Self> {
        let turn = TURN.lock().await;
        if let Err(error) = DockerCluster::engine_answers().await {
            assert!(std::env::var_os("CI").is_none(), "under CI there has to be an engine: {error}");
            eprintln!("\n*** SKIPPED, NOT TESTED: {error}\n");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let nodes = folder.path().join("test").join("nodes");
        let cluster = DockerCluster::start(StartOptions { folder: nodes, ..options }).await.unwrap();
        let addresses = cluster.members().iter().map(|member| member.client.clone()).collect();
        let client = Client::new(cluster.outside().network().unwrap(), addresses, 1).unwrap();
        let this = Self { cluster, client, _folder: folder, _turn: turn };
        this.leader_other_than(0).await;
        Some(this)
    }

    pub fn address(&self, node: NodeId) -> &str {
        &self.members().iter().find(|member| member.id == node).unwrap().client
    }

    /// Waits until somebody leads who is not `node`.
    pub async fn leader_other_than(&self, node: NodeId) -> NodeId {
        let mut leadership = self.client.leadership();
        let known = leadership.wait_for(|now| now.leader.as_ref().is_some_and(|leader| leader.id != node));
        let known = tokio::time::timeout(SOON, known).await.expect("nobody leads").unwrap().clone();
        known.leader.unwrap().id
    }

    /// Registers users with these numbers.
    pub async fn register(&self, numbers: std::ops::Range<u32>) -> Vec<UserName> {
        let mut names = Vec::new();
        for number in numbers {
            self.try_register(number, soon()).await.unwrap();
            names.push(name(number));
        }
        names
    }

    /// The cluster as a user sees it who is logged in.
    pub async fn log_in(&self, number: u32) -> Client {
        let token = self.client.draw_token();
        let session = NewSession { token: token.clone(), device: String::new(), lifetime_ms: 3_600_000 };
        let (request, credential) = (self.client.request_id(), Credential::Key(key()));
        self.client.log_in(request, name(number), &credential, &session, soon()).await.unwrap();
        self.client.in_session(token)
    }

    pub async fn try_register(&self, number: u32, deadline: Instant) -> Result<(), ClientError> {
        self.client.register(self.client.request_id(), name(number), key().public(), None, deadline).await
    }

    /// Waits until each of these nodes has applied what the furthest of them has applied by now. Holds under load
    /// too, where two nodes asked one after the other are hardly ever at the same index.
    pub async fn wait_until_caught_up(&self, nodes: &[NodeId]) {
        let deadline = soon();
        let mut goal = 0;
        for node in nodes {
            goal = goal.max(self.applied(*node).await.unwrap_or(0));
        }
        for node in nodes {
            while self.applied(*node).await.is_none_or(|applied| applied < goal) {
                assert!(Instant::now() < deadline, "n{node} does not get to {goal}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn applied(&self, node: NodeId) -> Option<u64> {
        self.client.hash_of(self.address(node), PATIENCE).await.ok().map(|(applied, _)| applied)
    }

    /// Waits until all these nodes hold the same directory, with all these users in it. Nobody may be writing.
    pub async fn wait_until_equal(&self, nodes: &[NodeId], users: &[UserName]) {
        let deadline = soon();
        loop {
            let mut states = BTreeMap::new();
            for node in nodes {
                if let Ok(state) = self.client.hash_of(self.address(*node), PATIENCE).await {
                    states.insert(*node, state);
                }
            }
            let all = states.len() == nodes.len();
            if all && states.values().all(|state| Some(state) == states.values().next()) {
                break;
            }
            assert!(Instant::now() < deadline, "they differ: {states:?}");
            tokio::time::sleep(PAUSE).await;
        }
        for node in nodes {
            let held = self.client.users_of(self.address(*node), PATIENCE).await.unwrap();
            let lost: Vec<_> = users.iter().filter(|user| !held.contains(user)).collect();
            assert!(lost.is_empty(), "n{node} has lost {lost:?}");
        }
    }
}

pub fn soon() -> Instant {
    Instant::now() + SOON
}

pub fn name(number: u32) -> UserName {
    format!("user-{number}").parse().unwrap()
}
