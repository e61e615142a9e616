//! What nodes tell over HTTP, over in-memory pipes.

#![expect(clippy::unwrap_used, reason = "a step that fails is the test's failure")]

mod docker;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};
use veil::{
    client::{Client, ClientError, Credential, NewSession},
    consensus::Folder,
    directory::{Quota, Refusal, UserName},
    identity::{ClusterKeys, KeyPair},
    node::{
        Entropy, Environment, ExperimentConfig, LimitsConfig, Listen, Node, NodeConfig, RaftConfig,
        SealingConfig, SharedKeys, system_clock,
    },
    wire::{
        client::{Member, NodeStatus},
        transport::{Network, Pipes},
    },
};

/// A node with its own runtime for Raft, so that it can be ended as abruptly as by a power cut.
struct Running {
    node: Node,
    raft: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

impl Running {
    /// Starts one of the nodes of a cluster of `size`.
    async fn start(network: &Pipes, id: u64, size: u64) -> Self {
        let members = (1..=size)
            .map(|id| Member { id, client: format!("n{id}:client"), peer: format!("n{id}:peer") })
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let config = NodeConfig {
            id,
            data: folder.path().to_owned(),
            cluster_key: PathBuf::new(),
            bootstrap: id == 1,
            shared_port: false,
            plain: true,
            listen: Listen {
                client: format!("n{id}:client"),
                peer: format!("n{id}:peer"),
                http: Some(format!("n{id}:http")),
                http_hosts: Vec::new(),
            },
            members,
            tls: None,
            routes: Vec::new(),
            // Patient, so that a busy machine does not change the leader in the middle of a test.
            raft: RaftConfig { lease: Duration::from_millis(600), ..RaftConfig::default() },
            sealing: SealingConfig { threads: 1, queue: 8 },
            limits: LimitsConfig::default(),
            quotas: None,
            experiment: ExperimentConfig::default(),
        };
        let raft =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let environment = Environment {
            peers: Arc::new(network.clone()),
            clients: Arc::new(network.clone()),
            http: Arc::new(network.clone()),
            disk: Arc::new(Folder::create(folder.path()).unwrap()),
            clock: system_clock(),
            entropy: Arc::new(Entropy::from_seed(id)),
            keys: SharedKeys::new(ClusterKeys::from_secret([7; 32])),
            raft_runtime: raft.handle().clone(),
        };
        Self { node: Node::start(config, environment).await.unwrap(), raft, _folder: folder }
    }

    fn kill(self) {
        drop(self.node);
        self.raft.shutdown_background();
    }
}

fn name(text: &str) -> UserName {
    text.parse().unwrap()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// A small real PNG.
fn photo() -> bytes::Bytes {
    let mut file = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(64, 48).write_to(&mut file, image::ImageFormat::Png).unwrap();
    file.into_inner().into()
}

/// Head and body of the answer of a node.
async fn ask(network: &Pipes, id: u64, method: &str, path: &str) -> (String, String) {
    let mut stream = network.dial(&format!("n{id}:http")).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: n{id}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// Asks how a node is until it says what is expected.
async fn wait_for_health(network: &Pipes, id: u64, code: u16, sentence: &str) {
    let waiting = async {
        loop {
            let (head, body) = ask(network, id, "GET", "/healthz").await;
            if head.starts_with(&format!("HTTP/1.1 {code} ")) && body.contains(sentence) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    waited.unwrap_or_else(|_| panic!("n{id} never said {code}, {sentence}"));
}

/// The value of a metric with its labels.
fn value(metrics: &str, series: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{metrics}")).parse().unwrap()
}

/// A cluster of three, all healthy; who leads it; and what its nodes say before that.
async fn cluster(network: &Pipes) -> (BTreeMap<u64, Running>, u64) {
    let mut nodes = BTreeMap::from([(1, Running::start(network, 1, 3).await)]);
    wait_for_health(network, 1, 503, "nobody is known to lead\n").await;
    for id in [2, 3] {
        nodes.insert(id, Running::start(network, id, 3).await);
    }
    for id in [1, 2, 3] {
        wait_for_health(network, id, 200, "ok\n").await;
    }
    let (_, status) = ask(network, 1, "GET", "/status").await;
    let status: NodeStatus = serde_json::from_str(&status).unwrap();
    assert_eq!((status.node, status.members.len()), (1, 3));
    (nodes, status.leadership.leader.unwrap().id)
}

/// Kills all nodes but one, the leader last: so nobody has the time to follow it.
fn leave_alone(nodes: &mut BTreeMap<u64, Running>, leader: u64, left: u64) {
    let mut others: Vec<u64> = nodes.keys().copied().filter(|id| *id != left).collect();
    others.sort_by_key(|id| *id == leader);
    others.into_iter().filter_map(|id| nodes.remove(&id)).for_each(Running::kill);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_left_alone_is_not_healthy() {
    let network = Pipes::default();
    let (mut nodes, leader) = cluster(&network).await;
    leave_alone(&mut nodes, leader, leader);
    wait_for_health(&network, leader, 503, "this node led last, and no majority confirms it").await;
    nodes.into_values().for_each(Running::kill);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_is_left_alone_is_not_healthy_although_it_remembers_its_leader() {
    let network = Pipes::default();
    let (mut nodes, leader) = cluster(&network).await;
    let follower = if leader == 3 { 2 } else { 3 };
    leave_alone(&mut nodes, leader, follower);
    wait_for_health(&network, follower, 503, &format!("node {leader} led last, and has said nothing")).await;
    nodes.into_values().for_each(Running::kill);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_counted_by_kind_and_outcome() {
    let network = Pipes::default();
    let node = Running::start(&network, 1, 1).await;
    wait_for_health(&network, 1, 200, "ok\n").await;
    let client = Client::new(Arc::new(network.clone()), vec!["n1:client".to_owned()], 1).unwrap();
    let key = KeyPair::from_seed([1; 32]);
    let register = || client.register(client.request_id(), name("anna"), key.public(), None, soon());
    register().await.unwrap();
    let taken = register().await;
    assert_eq!(taken, Err(ClientError::Refused(Refusal::NameTaken { user: name("anna") })));
    let token = client.draw_token();
    let session = NewSession { token: token.clone(), device: String::new(), lifetime_ms: 60_000 };
    let credential = Credential::Key(key);
    client.log_in(client.request_id(), name("anna"), &credential, &session, soon()).await.unwrap();
    let anna = client.in_session(token);
    anna.seal(client.request_id(), name("anna"), BTreeMap::new(), photo(), soon()).await.unwrap();
    anna.keys(soon()).await.unwrap();

    let (head, metrics) = ask(&network, 1, "GET", "/metrics").await;
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
    for (series, expected) in [
        (r#"veil_requests_total{kind="register",outcome="ok"}"#, 1.0),
        (r#"veil_requests_total{kind="register",outcome="refused"}"#, 1.0),
        (r#"veil_requests_total{kind="grant",outcome="ok"}"#, 0.0),
        (r#"veil_requests_total{kind="keys",outcome="ok"}"#, 1.0),
        (r#"veil_request_duration_seconds_count{kind="register"}"#, 2.0),
        (r#"veil_request_duration_seconds_bucket{le="+Inf",kind="seal"}"#, 1.0),
        ("veil_seal_duration_seconds_count", 1.0),
        ("veil_is_leader", 1.0),
        ("veil_leader_id", 1.0),
        ("veil_leader_changes_total", 1.0),
        ("veil_members", 1.0),
        ("veil_users", 1.0),
        ("veil_images", 1.0),
        (&format!("veil_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1.0),
    ] {
        assert_eq!(value(&metrics, series), expected, "{series}");
    }
    for positive in [
        "veil_term",
        "veil_log_applied_index",
        "veil_client_connections",
        "veil_seal_threads",
        "veil_cpu_seconds_total",
    ] {
        assert!(value(&metrics, positive) > 0.0, "{positive}");
    }
    node.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_that_is_nearly_reached_is_in_the_metrics_and_the_status_until_it_is_raised() {
    let network = Pipes::default();
    let node = Running::start(&network, 1, 1).await;
    wait_for_health(&network, 1, 200, "ok\n").await;
    let client = Client::new(Arc::new(network.clone()), vec!["n1:client".to_owned()], 1).unwrap();
    let key = KeyPair::from_seed([1; 32]);
    client.register(client.request_id(), name("anna"), key.public(), None, soon()).await.unwrap();
    for (users, expected) in [(1, 1.0), (2, 0.0)] {
        client.set_quotas(client.request_id(), vec![(Quota::Users, users)], soon()).await.unwrap();
        let deadline = soon();
        while value(&ask(&network, 1, "GET", "/metrics").await.1, r#"veil_alarm{kind="quota"}"#) != expected {
            assert!(Instant::now() < deadline, "the alarm is not {expected}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let (_, status) = ask(&network, 1, "GET", "/status").await;
        let status: NodeStatus = serde_json::from_str(&status).unwrap();
        let reasons: Vec<_> = status.alarms.iter().map(|active| active.reason.as_str()).collect();
        let said = reasons.iter().any(|reason| reason.contains("1 of 1 (100 % of the quota users)"));
        assert_eq!(said, expected == 1.0, "{reasons:?}");
    }
    node.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_is_explained_and_documented() {
    let network = Pipes::default();
    let node = Running::start(&network, 1, 1).await;
    // Not told before the node knows who its cluster is, and so whose clocks count.
    let told = async {
        loop {
            let (_, metrics) = ask(&network, 1, "GET", "/metrics").await;
            if metrics.contains("veil_clock_offset_seconds") {
                return metrics;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let told = tokio::time::timeout(Duration::from_secs(20), told).await;
    let metrics = told.expect("it tells how far its clock is off");
    let lines = metrics.strip_suffix("# EOF\n").expect("it ends as OpenMetrics does").lines();
    let mut explained = BTreeSet::new();
    for line in lines {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').unwrap();
            assert!(name.starts_with("veil_") && text.len() > 8, "{line}");
            assert!(explained.insert(name), "{name} is explained twice");
        } else if !line.starts_with("# ") {
            let (series, number) = line.rsplit_once(' ').unwrap();
            number.parse::<f64>().unwrap();
            let name = series.split('{').next().unwrap();
            let mut suffixes = ["_total", "_bucket", "_count", "_sum", "_info"].iter();
            let family = suffixes.find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
            assert!(explained.contains(family), "{line}");
        }
    }
    node.kill();

    // The documentation has the names of the series, those of a histogram in short.
    let documentation = include_str!("../../../docs/architecture.md");
    let words = documentation.split(|c: char| !c.is_ascii_lowercase() && c != '_');
    let documented: BTreeSet<_> = words.filter(|word| word.starts_with("veil_")).collect();
    let series = metrics.lines().filter(|line| !line.starts_with('#'));
    let names = series.filter_map(|line| line.split(['{', ' ']).next()).map(|name| {
        ["_bucket", "_count", "_sum"].iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name)
    });
    assert_eq!(documented, names.collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_paths_and_methods_are_refused_with_a_sentence() {
    let network = Pipes::default();
    let node = Running::start(&network, 1, 1).await;
    let (head, body) = ask(&network, 1, "GET", "/admin").await;
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    assert_eq!(body, "There is /metrics, /healthz and /status.\n");
    let (head, body) = ask(&network, 1, "POST", "/status").await;
    assert!(head.starts_with("HTTP/1.1 405 ") && head.contains("\r\nallow: GET, HEAD\r\n"), "{head}");
    assert_eq!(body, "These pages can be read, with GET or HEAD.\n");
    let (head, body) = ask(&network, 1, "HEAD", "/status").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && body.is_empty(), "{head}\n{body}");
    node.kill();
}
