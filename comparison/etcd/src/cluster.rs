//! Three etcd processes on loopback, each with a folder of its own.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use etcd_client::{Client, ConnectOptions, StatusResponse};
use serde::Serialize;
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use crate::member::PROGRAM;

const MEMBERS: usize = 3;
/// How long a member may take to be up to date after its start.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// How long a member that is asked how it is may take to answer.
const STATUS_PATIENCE: Duration = Duration::from_millis(500);
/// How often it is asked.
const POLL: Duration = Duration::from_millis(10);
/// The number by which the kernel knows file systems in memory (`TMPFS_MAGIC`).
const TMPFS: i64 = 0x0102_1994;
/// Where the search for free ports begins, and how far apart it begins in two processes of this program. They
/// stay below those that the kernel gives to outgoing connections (from 32768): nobody takes the port of a
/// member that is down.
const PORTS_FROM: u16 = 10_000;
const PORTS_SPREAD: u32 = 20_000;

/// Where and how the members run.
#[derive(clap::Args)]
pub struct Options {
    /// Where the members' data goes, in a folder that is removed at the end: a real disk.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    data: PathBuf,
    #[command(flatten)]
    pub timing: Timing,
}

/// etcd's clockwork.
#[derive(clap::Args, Clone, Copy, Serialize)]
pub struct Timing {
    /// How often the leader says that it is there, ms.
    #[arg(long = "heartbeat", default_value_t = 100)]
    pub heartbeat_ms: u64,
    /// A follower that has heard nothing for so long stands for election, ms.
    #[arg(long = "election", default_value_t = 1_000)]
    pub election_ms: u64,
}

/// Dropping it kills all members and removes their data.
pub struct Cluster {
    members: Vec<Member>,
    initial: String,
    timing: Timing,
    folder: TempDir,
}

struct Member {
    name: String,
    client: String,
    peer: String,
    child: Option<Child>,
    /// Asks how the member is.
    control: Client,
}

impl Cluster {
    /// Starts the members and waits until they have elected a leader.
    pub async fn start(options: &Options) -> anyhow::Result<Self> {
        let Timing { heartbeat_ms, election_ms } = options.timing;
        ensure!(
            election_ms >= 5 * heartbeat_ms,
            "etcd wants an election timeout of at least five heartbeats, not {election_ms} ms with {heartbeat_ms} ms"
        );
        let folder = TempDir::with_prefix_in("etcd-comparison-", &options.data)
            .with_context(|| format!("no folder can be made in {}", options.data.display()))?;
        ensure!(
            rustix::fs::statfs(folder.path())?.f_type != TMPFS,
            "{} is in memory, where no write is durable: name a folder on a disk with --data",
            options.data.display()
        );
        let mut members = Vec::new();
        for (name, ports) in ["n1", "n2", "n3"].iter().zip(free_ports(2 * MEMBERS)?.chunks(2)) {
            let url = |port: u16| format!("http://{}:{port}", Ipv4Addr::LOCALHOST);
            let (client, peer) = (url(ports[0]), url(ports[1]));
            let control = connect(&client, STATUS_PATIENCE).await?;
            members.push(Member { name: (*name).to_owned(), client, peer, child: None, control });
        }
        let initial: Vec<_> =
            members.iter().map(|member| format!("{}={}", member.name, member.peer)).collect();
        let (initial, timing) = (initial.join(","), options.timing);
        let mut cluster = Self { members, initial, timing, folder };
        for member in 0..MEMBERS {
            cluster.spawn(member)?;
        }
        cluster.ready().await?;
        Ok(cluster)
    }

    /// The members' numbers that are not this one's.
    pub fn others(member: usize) -> impl Iterator<Item = usize> {
        (0..MEMBERS).filter(move |other| *other != member)
    }

    /// A connection of its own to one member, on which an answer may take so long.
    pub async fn connect(&self, member: usize, patience: Duration) -> anyhow::Result<Client> {
        connect(&self.members[member].client, patience).await
    }

    /// Kills a member as `kill -9` does.
    pub async fn kill(&mut self, member: usize) -> anyhow::Result<()> {
        let mut child = self.members[member].child.take().context("it is not running")?;
        Ok(child.kill().await?)
    }

    /// Starts a member that was killed, from its folder, and waits until all are up to date.
    pub async fn restart(&mut self, member: usize) -> anyhow::Result<()> {
        self.spawn(member)?;
        self.ready().await?;
        Ok(())
    }

    /// Waits until all members answer, agree on the leader and have applied what it has; says which one leads.
    pub async fn ready(&mut self) -> anyhow::Result<usize> {
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            self.all_run()?;
            if let Some(leader) = self.agreed_leader().await {
                return Ok(leader);
            }
            if Instant::now() > deadline {
                bail!("not all members are up to date after {START_PATIENCE:?}\n{}", self.last_words());
            }
            sleep(POLL).await;
        }
    }

    async fn agreed_leader(&mut self) -> Option<usize> {
        // The leader is asked first of all how far it is, so that the others cannot be ahead of the question.
        let first = self.status(0).await?;
        let mut leader = None;
        for member in 0..MEMBERS {
            let status = self.status(member).await?;
            let id = status.header()?.member_id();
            if status.leader() == id {
                leader = Some((member, id, status.raft_index()));
            }
        }
        let (leader, id, index) = leader?;
        for member in 0..MEMBERS {
            let status = self.status(member).await?;
            let agrees = status.leader() == id && status.raft_term() == first.raft_term();
            if !agrees || status.raft_applied_index() < index {
                return None;
            }
        }
        Some(leader)
    }

    async fn status(&mut self, member: usize) -> Option<StatusResponse> {
        let asked = self.members[member].control.status();
        timeout(STATUS_PATIENCE, asked).await.ok()?.ok()
    }

    fn spawn(&mut self, member: usize) -> anyhow::Result<()> {
        let Self { initial, timing, folder, members } = self;
        let member = &mut members[member];
        let log = File::options().create(true).append(true).open(log_of(folder.path(), &member.name))?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["member", "--parent", &std::process::id().to_string(), "--"])
            .args(["--name", &member.name])
            .arg("--data-dir")
            .arg(folder.path().join(&member.name))
            .args(["--listen-client-urls", &member.client, "--advertise-client-urls", &member.client])
            .args(["--listen-peer-urls", &member.peer, "--initial-advertise-peer-urls", &member.peer])
            .args(["--initial-cluster", initial.as_str(), "--initial-cluster-state", "new"])
            .args(["--heartbeat-interval", &timing.heartbeat_ms.to_string()])
            .args(["--election-timeout", &timing.election_ms.to_string()])
            .args(["--logger", "zap", "--log-level", "error"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // A Ctrl-C at the terminal is for this program, which then ends its members in order.
            .process_group(0);
        member.child = Some(command.spawn()?);
        Ok(())
    }

    /// One that has ended will not become ready.
    fn all_run(&mut self) -> anyhow::Result<()> {
        for member in &mut self.members {
            if let Some(ended) = member.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
                let name = member.name.clone();
                bail!("{name} has ended by itself: {ended}\n{}", self.last_words());
            }
        }
        Ok(())
    }

    /// The last lines of every member's log.
    fn last_words(&self) -> String {
        let mut words = Vec::new();
        for Member { name, .. } in &self.members {
            let log = fs::read_to_string(log_of(self.folder.path(), name)).unwrap_or_default();
            let skipped = log.lines().count().saturating_sub(3);
            words.extend(log.lines().skip(skipped).map(|line| format!("{name}: {line}")));
        }
        words.join("\n")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in self.members.iter_mut().filter_map(|member| member.child.as_mut()) {
            // What cannot be killed has ended.
            let _ = child.start_kill();
        }
        for child in self.members.iter_mut().filter_map(|member| member.child.as_mut()) {
            // Else it might yet write into the folder that is removed next.
            while let Ok(None) = child.try_wait() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

fn log_of(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.log"))
}

async fn connect(url: &str, patience: Duration) -> anyhow::Result<Client> {
    let options = ConnectOptions::new().with_timeout(patience).with_connect_timeout(STATUS_PATIENCE);
    Ok(Client::connect([url], Some(options)).await?)
}

fn free_ports(count: usize) -> anyhow::Result<Vec<u16>> {
    let from = PORTS_FROM + (std::process::id() % PORTS_SPREAD) as u16;
    let free: Vec<_> =
        (from..).filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()).take(count).collect();
    ensure!(free.len() == count, "only {} ports are free from {from} on", free.len());
    Ok(free)
}

/// What the program says of its version: `3.4.23`.
pub async fn version() -> anyhow::Result<String> {
    let asked = Command::new(PROGRAM).arg("--version").output().await;
    let said = asked.with_context(|| format!("cannot start `{PROGRAM}`: is it installed?"))?;
    let said = String::from_utf8_lossy(&said.stdout);
    let first = said.lines().next().and_then(|line| line.strip_prefix("etcd Version: "));
    Ok(first.context("`etcd --version` does not say its version")?.to_owned())
}
