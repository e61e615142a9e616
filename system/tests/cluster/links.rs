//! A cluster whose nodes know one another by certificates, over TCP.

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
        Entropy, Environment, Listen, Node, NodeConfig, RaftConfig, SealingConfig, SharedKeys, TlsFiles,
        system_clock,
    },
    wire::{
        client::Member,
        tls::{AuthorityCertificate, NodeTls, Tls, Trust},
        transport::{Network, Tcp},
    },
};

use super::harness::{PATIENCE, name, register, soon};

const ANY: &str = "127.0.0.1:0";

/// A node, and the files that it takes its certificate from.
struct Secured {
    node: Node,
    tls: NodeTls,
    files: TlsFiles,
    told: Arc<Notify>,
    _folder: tempfile::TempDir,
}

fn issue(authority: &Authority, id: u64, files: &TlsFiles) {
    let validity = Validity { from: SystemTime::now(), length: Duration::from_secs(3600) };
    let entropy = Entropy::from_system();
    let issued = entropy.draw(|random| authority.issue(Role::Node(id), random, validity)).unwrap();
    fs::write(&files.key, issued.key).unwrap();
    fs::write(&files.certificate, issued.certificate).unwrap();
}

impl Secured {
    /// Starts a node on free ports. The last one to start founds the cluster, with those that are there.
    async fn start(id: u64, authority: &Authority, others: &[Member], bootstrap: bool) -> Self {
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
            listen: Listen { client: ANY.to_owned(), peer: ANY.to_owned(), http: None },
            tls: Some(files.clone()),
            members,
            routes: Vec::new(),
            raft: RaftConfig::default(),
            sealing: SealingConfig { threads: 1, queue: 8 },
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

fn client(authority: &Authority, nodes: &[Secured]) -> Client {
    let trusted = AuthorityCertificate::from_pem(authority.to_pem().certificate.as_bytes()).unwrap();
    let network = Tls::client(Arc::new(Tcp::default()), Trust::Authority(trusted), None).unwrap();
    let addresses = nodes.iter().map(|secured| secured.node.member().client.clone()).collect();
    Client::new(Arc::new(network), addresses, 1).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_renewed_under_a_cluster_that_goes_on() {
    let entropy = Entropy::from_system();
    let make = || entropy.draw(|random| Authority::generate(random, SystemTime::now())).unwrap();
    let authority = make();
    let mut nodes = Vec::new();
    for id in [3, 2, 1] {
        let others: Vec<_> = nodes.iter().map(|secured: &Secured| secured.node.member().clone()).collect();
        nodes.push(Secured::start(id, &authority, &others, id == 1).await);
    }
    let before = client(&authority, &nodes);
    register(&before, "anna", soon()).await.unwrap();

    let shown: Vec<_> = nodes.iter().map(|secured| secured.tls.shown()).collect();
    for (id, secured) in [3, 2, 1].into_iter().zip(&nodes) {
        issue(&authority, id, &secured.files);
        secured.told.notify_one();
    }
    for (secured, old) in nodes.iter().zip(&shown) {
        while secured.tls.shown() == *old {
            tokio::time::sleep(Duration::from_millis(10)).await;
            secured.told.notify_one();
        }
    }
    // Old connections go on, and new ones are made.
    register(&before, "ben", soon()).await.unwrap();
    let after = client(&authority, &nodes);
    register(&after, "cora", soon()).await.unwrap();

    // A leader that ends is followed by another one, over connections that are opened now.
    let leader = after.leadership().borrow().leader.clone().unwrap().id;
    let at = nodes.iter().position(|secured| secured.node.member().id == leader).unwrap();
    nodes.remove(at).node.stop().await;
    register(&after, "dora", soon()).await.unwrap();
    let held = after.users_of(&nodes[0].node.member().client, PATIENCE).await.unwrap();
    assert!(held.contains(&name("anna")) && held.contains(&name("ben")), "{held:?}");

    // Whoever trusts another authority does not speak to these nodes at all.
    let stranger = client(&make(), &nodes);
    let refused = stranger.status(&nodes[0].node.member().client, PATIENCE).await.unwrap_err().to_string();
    assert!(refused.contains("not of this cluster's authority"), "{refused}");
}
