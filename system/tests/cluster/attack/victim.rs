//! A node in a process of its own, and an honest user who is served by it while it is attacked.

use std::{
    fs,
    io::{self, BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{
    net::{TcpSocket, TcpStream},
    task::JoinHandle,
    time::Instant,
};
use veil::{
    client::Client,
    identity::{Authority, ClusterKeys, Role, SessionToken},
    node::{
        Entropy, ExperimentConfig, LimitsConfig, Listen, NodeConfig, RaftConfig, SealingConfig, TlsFiles,
    },
    wire::{
        client::Member,
        frame::{FrameStream, Link, handshake},
        transport::{BoxedStream, Listener, Network, Tcp},
    },
};

use crate::{
    harness::{PATIENCE, key, log_in, name, register, soon},
    secured::{authority, issue, network, network_over},
};

const ANY: &str = "127.0.0.1:0";

/// No attack takes the node beyond that, MiB: what requests and answers may take, and as much again for all the rest.
pub const MEMORY_MAX_MIB: u64 = 1_024;

/// The node, which is a cluster by itself.
pub struct Victim {
    process: Child,
    pub member: Member,
    pub http: String,
    pub authority: Authority,
    pub keys: ClusterKeys,
    _folder: tempfile::TempDir,
}

impl Drop for Victim {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Victim {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let authority = authority();
        let files = TlsFiles { certificate: at("node.pem"), key: at("node.key"), authority: at("ca.pem") };
        fs::write(&files.authority, authority.to_pem().certificate).unwrap();
        issue(&authority, 1, &files);
        let keys = Entropy::from_system().draw(ClusterKeys::generate);
        fs::write(at("cluster.key"), keys.to_text()).unwrap();
        let config = NodeConfig {
            id: 1,
            data: PathBuf::from("data"),
            cluster_key: PathBuf::from("cluster.key"),
            bootstrap: true,
            shared_port: false,
            plain: false,
            listen: Listen {
                client: ANY.to_owned(),
                peer: ANY.to_owned(),
                http: Some(ANY.to_owned()),
                http_hosts: Vec::new(),
            },
            tls: Some(files),
            members: vec![Member { id: 1, client: ANY.to_owned(), peer: ANY.to_owned() }],
            routes: Vec::new(),
            raft: RaftConfig::default(),
            sealing: SealingConfig { threads: 1, queue: 64 },
            limits: LimitsConfig::default(),
            quotas: None,
            experiment: ExperimentConfig::default(),
        };
        // As little as can be said, so that other builds understand it, too.
        let mut said = toml::Table::try_from(&config).unwrap();
        said.remove("raft");
        fs::write(at("node.toml"), said.to_string()).unwrap();
        // Another build, to see what has become better.
        let program = std::env::var_os("VEIL_UNDER_ATTACK");
        let program = program.unwrap_or_else(|| env!("CARGO_BIN_EXE_veil").into());
        let mut process = Command::new(program)
            .args(["node", "--config"])
            .arg(at("node.toml"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let listening: serde_json::Value = serde_json::from_str(&line).unwrap();
        let address = |of: &str| listening[of].as_str().unwrap().to_owned();
        let member = Member { id: 1, client: address("client"), peer: address("peer") };
        Self { http: address("http"), process, member, authority, keys, _folder: folder }
    }

    /// The way to it, as somebody with such a certificate or none.
    pub fn network(&self, role: Option<Role>) -> Arc<dyn Network> {
        network(&self.authority, role)
    }

    pub fn client(&self, role: Option<Role>) -> Client {
        Client::new(self.network(role), vec![self.member.client.clone()], 1).unwrap()
    }

    /// A client without a certificate, whose connections come from another address of loopback.
    pub fn client_from(&self, address: Ipv4Addr) -> Client {
        let network = network_over(Arc::new(From(address)), &self.authority, None);
        Client::new(network, vec![self.member.client.clone()], 1).unwrap()
    }

    /// A connection on which a client has said hello.
    pub async fn greeted(&self) -> FrameStream {
        let stream = self.network(None).dial(&self.member.client).await.unwrap();
        handshake(stream, Link::Client).await.unwrap()
    }

    /// A connection to one of its ports, on which nothing has been said.
    pub async fn connected(&self, address: &str) -> TcpStream {
        TcpStream::connect(address).await.unwrap()
    }

    /// A user, and the token of their session.
    pub async fn user(&self, user: &str) -> (Client, SessionToken) {
        let operator = self.client(Some(Role::Operator));
        register(&operator, user, soon()).await.unwrap();
        let client = self.client(None);
        let token = client.draw_token();
        let session = veil::client::NewSession {
            token: token.clone(),
            device: "test".to_owned(),
            lifetime_ms: 3_600_000,
        };
        let credential = veil::client::Credential::Key(key(user));
        client.log_in(client.request_id(), name(user), &credential, &session, soon()).await.unwrap();
        (client.in_session(token.clone()), token)
    }

    /// The most memory that it has taken so far, MiB.
    fn peak_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() / 1_024
    }

    /// How long its threads of this name have been at work, in ticks of the system.
    pub fn processor_time(&self, name: &str) -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.process.id())).unwrap();
        let of_task = |task: PathBuf| {
            // A thread may end meanwhile.
            let comm = fs::read_to_string(task.join("comm")).ok()?;
            let stat = fs::read_to_string(task.join("stat")).ok()?;
            let (_, fields) = stat.rsplit_once(')')?;
            // Of user and system: the 14th and the 15th field, of which two come before the bracket.
            let times = fields.split_whitespace().skip(11).take(2).map(|time| time.parse::<u64>().unwrap());
            Some(if comm.trim() == name { times.sum() } else { 0 })
        };
        tasks.filter_map(|task| of_task(task.unwrap().path())).sum()
    }

    async fn term(&self) -> u64 {
        self.client(None).status(&self.member.client, PATIENCE).await.unwrap().leadership.term
    }

    /// Attacks it. Whoever is honest is answered all the time, nobody else comes to lead, and its memory stays within bounds.
    pub async fn withstands(what: &str, attack: impl AsyncFnOnce(&Self)) {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let room = rustix::process::Rlimit { current: limit.maximum, ..limit };
        rustix::process::setrlimit(rustix::process::Resource::Nofile, room).unwrap();
        let victim = Self::start().await;
        let anna = {
            let operator = victim.client(Some(Role::Operator));
            register(&operator, "anna", soon()).await.unwrap();
            log_in(&victim.client(None), "anna").await
        };
        let (term, honest) = (victim.term().await, Honest::start(anna));
        honest.wait_for(20).await;
        attack(&victim).await;
        let answered = honest.answered.load(Ordering::Relaxed);
        honest.wait_for(answered + 20).await;
        let mut times = honest.finish().await;
        times.sort();
        let percentile =
            |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)].as_secs_f64() * 1e3;
        let peak = victim.peak_mib();
        println!(
            "| {what} | {} | {:.1} | {:.1} | {:.0} | {peak} |",
            times.len(),
            percentile(50),
            percentile(99),
            percentile(100)
        );
        assert_eq!(victim.term().await, term, "somebody else came to lead");
        assert!(peak < MEMORY_MAX_MIB, "{what}: {peak} MiB");
        // And whoever comes now is served, too.
        let newcomer = victim.client(Some(Role::Operator));
        register(&newcomer, "newcomer", soon()).await.unwrap();
    }
}

/// TCP from a certain address.
struct From(Ipv4Addr);

impl Network for From {
    fn dial(&self, address: &str) -> BoxFuture<'static, io::Result<BoxedStream>> {
        let (from, to) = (SocketAddr::from((self.0, 0)), address.parse());
        Box::pin(async move {
            let socket = TcpSocket::new_v4()?;
            socket.bind(from)?;
            let stream = socket.connect(to.map_err(io::Error::other)?).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as BoxedStream)
        })
    }

    fn listen(&self, address: &str) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
        Tcp::default().listen(address)
    }
}

/// Somebody who asks all the time, and is answered each time.
struct Honest {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    task: JoinHandle<Vec<Duration>>,
}

impl Honest {
    fn start(client: Client) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::<AtomicUsize>::default());
        let task = tokio::spawn({
            let (stop, answered) = (stop.clone(), Arc::clone(&answered));
            async move {
                let mut times = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    client.list(name("anna"), None, soon()).await.unwrap();
                    times.push(began.elapsed());
                    answered.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                times
            }
        });
        Self { stop, answered, task }
    }

    async fn wait_for(&self, answered: usize) {
        while self.answered.load(Ordering::Relaxed) < answered && !self.task.is_finished() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn finish(self) -> Vec<Duration> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("somebody honest was not answered")
    }
}
