//! Nodes that know one another by certificates, over TCP.

use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::sync::Notify;
use veil::{
    client::Client,
    consensus::Folder,
    identity::{Authority, ClusterKeys, Role, Validity},
    node::{
        Entropy, Environment, ExperimentConfig, LimitsConfig, Listen, Node, NodeConfig, RaftConfig,
        SealingConfig, SharedKeys, TlsFiles, system_clock,
    },
    wire::{
        client::Member,
        tls::{AuthorityCertificate, Certificate, NodeTls, Tls, Trust},
        transport::{Network, Tcp},
    },
};

const ANY: &str = "127.0.0.1:0";

/// A node, and the files that it takes its certificate from.
pub struct Secured {
    pub node: Node,
    pub tls: NodeTls,
    pub files: TlsFiles,
    pub told: Arc<Notify>,
    _folder: tempfile::TempDir,
}

pub fn issue(authority: &Authority, id: u64, files: &TlsFiles) {
    let validity = Validity { from: SystemTime::now(), length: Duration::from_secs(3600) };
    let entropy = Entropy::from_system();
    let issued = entropy.draw(|random| authority.issue(Role::Node(id), random, validity)).unwrap();
    fs::write(&files.key, issued.key).unwrap();
    fs::write(&files.certificate, issued.certificate).unwrap();
}

impl Secured {
    /// Starts a node on free ports. The last one to start founds the cluster, with those that are there.
    pub async fn start(id: u64, authority: &Authority, others: &[Member], bootstrap: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let files = TlsFiles { certificate: at("node.pem"), key: at("node.key"), authority: at("ca.pem") };
        fs::write(&files.authority, authority.to_pem().certificate).unwrap();
        issue(authority, id, &files);
        let own = Member { id, client: ANY.to_owned(), peer: ANY.to_owned() };
        let members = if bootstrap { [&[own], others].concat() } else { Vec::new() };
        let config = NodeConfig {
            id,
            data: at("data"),
            cluster_key: PathBuf::new(),
            bootstrap,
            shared_port: false,
            plain: false,
            listen: Listen {
                client: ANY.to_owned(),
                peer: ANY.to_owned(),
                http: None,
                http_hosts: Vec::new(),
            },
            tls: Some(files.clone()),
            members,
            routes: Vec::new(),
            raft: RaftConfig::default(),
            sealing: SealingConfig { threads: 1, queue: 8 },
            limits: LimitsConfig::default(),
            quotas: None,
            experiment: ExperimentConfig::default(),
        };
        let tls = files.load().unwrap();
        let tcp: Arc<dyn Network> = Arc::new(Tcp::default());
        let environment = Environment {
            peers: Arc::new(Tls::peers(tcp.clone(), &tls).unwrap()),
            clients: Arc::new(Tls::clients(tcp.clone(), &tls).unwrap()),
            http: tcp,
            disk: Arc::new(Folder::create(&config.data).unwrap()),
            clock: system_clock(),
            entropy: Arc::new(Entropy::from_seed(id)),
            keys: SharedKeys::new(ClusterKeys::from_secret([7; 32])),
            raft_runtime: tokio::runtime::Handle::current(),
        };
        let told = Arc::new(Notify::new());
        tokio::spawn(files.clone().keep_up(tls.clone(), told.clone()));
        let node = Node::start(config, environment).await.unwrap();
        Self { node, tls, files, told, _folder: folder }
    }
}

/// Three nodes that serve.
pub async fn three(authority: &Authority) -> Vec<Secured> {
    let mut nodes = Vec::new();
    for id in [3, 2, 1] {
        let others: Vec<_> = nodes.iter().map(|secured: &Secured| secured.node.member().clone()).collect();
        nodes.push(Secured::start(id, authority, &others, id == 1).await);
    }
    nodes
}

/// An authority that nobody else knows.
pub fn authority() -> Authority {
    let entropy = Entropy::from_system();
    entropy.draw(|random| Authority::generate(random, SystemTime::now())).unwrap()
}

/// The way to nodes of this authority, as somebody with such a certificate or none.
pub fn network(authority: &Authority, role: Option<Role>) -> Arc<dyn Network> {
    network_over(Arc::new(Tcp::default()), authority, role)
}

/// The same over such connections.
pub fn network_over(tcp: Arc<dyn Network>, authority: &Authority, role: Option<Role>) -> Arc<dyn Network> {
    let trusted = AuthorityCertificate::from_pem(authority.to_pem().certificate.as_bytes()).unwrap();
    let shown = role.map(|role| {
        let validity = Validity { from: SystemTime::now(), length: Duration::from_secs(3600) };
        let issued = Entropy::from_system().draw(|random| authority.issue(role, random, validity)).unwrap();
        Certificate::from_pem(issued.certificate.as_bytes(), issued.key.as_bytes()).unwrap()
    });
    Arc::new(Tls::client(tcp, Trust::Authority(trusted), shown).unwrap())
}

/// A client without a certificate.
pub fn client(authority: &Authority, nodes: &[Secured]) -> Client {
    client_over(network(authority, None), nodes)
}

/// A client with an operator's certificate.
pub fn operator(authority: &Authority, nodes: &[Secured]) -> Client {
    client_over(network(authority, Some(Role::Operator)), nodes)
}

fn client_over(network: Arc<dyn Network>, nodes: &[Secured]) -> Client {
    let addresses = nodes.iter().map(|secured| secured.node.member().client.clone()).collect();
    Client::new(network, addresses, 1).unwrap()
}
