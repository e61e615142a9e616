//! What a large directory costs: memory, snapshots, restart, and writes while a snapshot is made.
//!
//!     cargo bench -p loadgen --bench scale
//!     cargo bench -p loadgen --bench scale -- --nodes 1 --images 5000000 --users 500000
//!
//! Real node processes over TLS with real fsync. The directory comes in as `veil directory load` would bring it. Each node is
//! started again. Then users register at a steady rate while snapshots are made every few thousand changes; and, of three
//! nodes, while one that was away for longer than the log goes back gets a snapshot.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::{Args, Parser};
use futures_util::{StreamExt, stream};
use loadgen::{
    cluster::{
        Cluster, LinkNeeds, ProcessCluster, StartOptions,
        child::{self, NodeCommand},
    },
    record::NodeLimits,
};
use parking_lot::Mutex;
use tokio::sync::watch;
use veil::{
    client::Client,
    directory::{GrantRecord, Hex, ImageId, ImageRecord, Record, Restore, UserName, UserRecord},
    identity::{ClusterKeys, FIRST_KEY, KeyRing, PublicKey},
    node::{RaftConfig, SealingConfig},
    seal::{ContentKey, Media},
    wire::client::NodeStatus,
};

/// Grants of an image.
const GRANTS: u32 = 3;
/// A snapshot is made every so many changes.
const SNAPSHOT_EVERY: u64 = 3_000;
/// How many batches are under way while the directory is filled.
const AT_A_TIME: usize = 4;
/// How often the nodes are asked how far they are.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Parser)]
#[command(about = "Measures nodes that hold a large directory: memory, snapshots, restarts")]
struct Arguments {
    #[command(subcommand)]
    command: Option<NodeCommand>,
    #[command(flatten)]
    sizes: Sizes,
    /// What `cargo bench` says to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Args)]
struct Sizes {
    /// How many nodes: 1 or 3.
    #[arg(long, default_value_t = 3)]
    nodes: u32,
    /// How many users.
    #[arg(long, default_value_t = 100_000)]
    users: u32,
    /// How many images, with three grants each.
    #[arg(long, default_value_t = 1_000_000)]
    images: u32,
    /// Registrations a second while snapshots are made.
    #[arg(long, default_value_t = 300)]
    rate: u32,
    /// For how long.
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration)]
    time: Duration,
}

// As in the executables.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<std::process::ExitCode> {
    let Arguments { command, sizes, bench: _ } = Arguments::parse();
    if let Some(command) = command {
        return Ok(child::main(&command));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure(sizes))?;
    Ok(std::process::ExitCode::SUCCESS)
}

async fn measure(Sizes { nodes, users, images, rate, time }: Sizes) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let cluster = ProcessCluster::start(StartOptions {
        links: LinkNeeds::None,
        tls: true,
        seed: 1,
        limits: NodeLimits::default(),
        slow_disk: None,
        keep_data: false,
        nodes,
        founders: nodes,
        folder: folder.path().to_owned(),
        program: std::env::current_exe()?,
        raft: RaftConfig { snapshot_every: SNAPSHOT_EVERY, ..RaftConfig::default() },
        sealing: SealingConfig::default(),
    })
    .await?;
    let addresses = cluster.members().iter().map(|member| member.client.clone()).collect();
    let client = Client::new(cluster.outside().network()?, addresses, 2)?;
    client.leadership().wait_for(|known| known.leader.is_some()).await?;
    let empty = memory(&client).await?;

    let began = Instant::now();
    let keys = ClusterKeys::from_text(&std::fs::read_to_string(cluster.cluster_key())?)?;
    fill(&client, keys.ring(), users, images).await?;
    println!(
        "{nodes} nodes, {users} users, {images} images, {} grants: brought in within {:.1?}",
        u64::from(images) * u64::from(GRANTS),
        began.elapsed()
    );
    settle(&client).await?;
    report_memory("memory of a node", &empty, &client, users, images).await?;

    // Each in turn, as an operator would.
    for member in cluster.members().to_vec() {
        let goal = furthest(&client).await;
        let began = Instant::now();
        cluster.stop(member.id).await?;
        let stopped = began.elapsed();
        let serving = start_again(&cluster, &client, member.id, goal).await?;
        println!("n{}: stopped within {stopped:.1?}, serving {serving:.1?} after its start", member.id);
    }
    report_memory("memory of a node, started again", &empty, &client, users, images).await?;

    let writes = write_through_snapshots(&client, rate, time).await?;
    for (name, during) in [("between snapshots", false), ("while one is made", true)] {
        let latencies = writes.iter().filter(|write| write.during == during).map(|write| write.took);
        report_latencies(name, latencies.collect());
    }
    println!("a snapshot: {:.0} MB", snapshot_bytes(folder.path()) as f64 / 1e6);
    if nodes > 1 {
        come_back(&cluster, &client, rate).await?;
    }
    report_memory("memory of a node after all of that", &empty, &client, users, images).await?;
    cluster.end().await;
    Ok(())
}

/// Starts a node that was stopped, and waits until it has applied as much as `goal`.
async fn start_again(
    cluster: &ProcessCluster,
    client: &Client,
    id: u64,
    goal: u64,
) -> anyhow::Result<Duration> {
    let members = cluster.members();
    let address = members.iter().find(|member| member.id == id).context("no such node")?.client.clone();
    let began = Instant::now();
    cluster.restart(id).await?;
    let mut status = None;
    while status.as_ref().is_none_or(|status: &NodeStatus| status.applied < goal) {
        status = client.status(&address, Duration::from_secs(1)).await.ok();
        tokio::time::sleep(LOOK).await;
    }
    Ok(began.elapsed())
}

/// The largest snapshot of a node, bytes.
fn snapshot_bytes(folder: &Path) -> u64 {
    let size = |id| std::fs::metadata(folder.join(format!("n{id}/data/snapshot"))).map(|file| file.len());
    (1..=3).filter_map(|id| size(id).ok()).max().unwrap_or(0)
}

/// A follower is away for longer than the log goes back: it gets a snapshot while others write.
async fn come_back(cluster: &ProcessCluster, client: &Client, rate: u32) -> anyhow::Result<()> {
    let leader = client.leadership().borrow().leader.clone().context("nobody leads")?.id;
    let members = cluster.members().to_vec();
    let follower = members.iter().find(|member| member.id != leader).context("no follower")?.id;
    cluster.stop(follower).await?;
    for round in 0..3 * SNAPSHOT_EVERY / 500 {
        register_at_once(client, &format!("away-{round:03}")).await?;
    }
    let goal = furthest(client).await;
    let (stop, writing) = watch::channel(false);
    let writer = client.clone();
    let writing = tokio::spawn(async move { write_steadily(&writer, "back", rate, writing).await });
    let caught_up = start_again(cluster, client, follower, goal).await?;
    stop.send_replace(true);
    let writes = writing.await??;
    println!(
        "n{follower}: back after {} changes, caught up {caught_up:.1?} after its start",
        3 * SNAPSHOT_EVERY
    );
    report_latencies("meanwhile", writes.into_iter().map(|(due, ended)| ended - due).collect());
    Ok(())
}

fn report_latencies(name: &str, mut latencies: Vec<Duration>) {
    latencies.sort_unstable();
    let at = |share: f64| match latencies.len() {
        0 => f64::NAN,
        count => latencies[((count - 1) as f64 * share) as usize].as_secs_f64() * 1e3,
    };
    println!(
        "writes {name}: {}, p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms",
        latencies.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

fn deadline() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_secs(60)
}

fn user(number: u32) -> anyhow::Result<UserName> {
    Ok(UserName::try_from(format!("user-{number:07}"))?)
}

/// Brings everything in, in batches.
async fn fill(client: &Client, keys: &KeyRing, users: u32, images: u32) -> anyhow::Result<()> {
    let batches = |records: Vec<Record>| async move {
        let (request, restore) = (client.request_id(), Restore { records });
        client.restore(request, restore, deadline()).await.context("a batch")
    };
    let user_batches = (0..users).step_by(500).map(|first| {
        let records = (first..users.min(first + 500)).map(user_record).collect::<anyhow::Result<Vec<_>>>();
        async { batches(records?).await }
    });
    let mut done = stream::iter(user_batches).buffer_unordered(AT_A_TIME);
    while let Some(count) = done.next().await {
        count?;
    }
    let image_batches = (0..images).step_by(400).map(|first| {
        let last = images.min(first + 400);
        let records =
            (first..last).map(|image| image_record(keys, image, users)).collect::<anyhow::Result<Vec<_>>>();
        async { batches(records?).await }
    });
    let mut done = stream::iter(image_batches).buffer_unordered(AT_A_TIME);
    while let Some(count) = done.next().await {
        count?;
    }
    Ok(())
}

/// Registers users until every node has made a snapshot of all that was brought in, as it would have in time.
async fn settle(client: &Client) -> anyhow::Result<()> {
    let goal = furthest(client).await;
    for round in 0.. {
        let settled = |status: &NodeStatus| status.snapshot >= goal;
        let now = statuses(client).await;
        if now.len() == client.nodes().len() && now.iter().all(settled) {
            break;
        }
        register_at_once(client, &format!("later-{round:04}")).await?;
    }
    Ok(())
}

/// Registers 500 users as fast as it goes.
async fn register_at_once(client: &Client, prefix: &str) -> anyhow::Result<()> {
    let registering = (0..500u32).map(|number| async move {
        let name = UserName::try_from(format!("{prefix}-{number:03}"))?;
        let (request, key) = (client.request_id(), PublicKey::from_bytes([1; 32]));
        client.register(request, name, key, None, deadline()).await.context("a registration")
    });
    let mut done = stream::iter(registering).buffer_unordered(32);
    while let Some(registered) = done.next().await {
        registered?;
    }
    Ok(())
}

fn user_record(number: u32) -> anyhow::Result<Record> {
    let key = Hex(blake3::hash(&number.to_be_bytes()).as_bytes().to_vec());
    let (user, password_hash) = (user(number)?, None);
    Ok(Record::User(UserRecord {
        user,
        registered_ms: 0,
        key,
        password_hash,
        credentials: 0,
        blocked: Vec::new(),
    }))
}

fn image_record(keys: &KeyRing, number: u32, users: u32) -> anyhow::Result<Record> {
    // Spread over the users, and the ids over time, as in life.
    let owner = number.wrapping_mul(2_654_435_761) % users;
    let grants = (1..=GRANTS).map(|step| {
        let to = user((owner + step * 17) % users)?;
        Ok(GrantRecord { to, left: 5, used: 0 })
    });
    let mut grants = grants.collect::<anyhow::Result<Vec<_>>>()?;
    grants.sort_by(|a, b| a.to.cmp(&b.to));
    grants.dedup_by(|a, b| a.to == b.to);
    let digest = blake3::hash(&number.to_be_bytes());
    let image = ImageId((u128::from(1_700_000_000_000 + u64::from(number)) << 80) | u128::from(number));
    let key = keys.wrap(FIRST_KEY, image, &ContentKey::from_bytes(*digest.as_bytes()), [7; 12])?;
    Ok(Record::Image(ImageRecord {
        image,
        owner: user(owner)?,
        owner_key: Hex(blake3::hash(&owner.to_be_bytes()).as_bytes().to_vec()),
        title: String::new(),
        description: String::new(),
        media: Media::Jpeg,
        length: 46_000,
        digest: Hex(digest.as_bytes().to_vec()),
        wrapped_under: FIRST_KEY,
        wrapped_key: Hex(key.to_bytes()),
        revision: 0,
        grants,
        group_grants: Vec::new(),
        views: Vec::new(),
        requests: Vec::new(),
    }))
}

async fn statuses(client: &Client) -> Vec<NodeStatus> {
    let asking = client.nodes().iter().map(|address| client.status(address, Duration::from_secs(5)));
    futures_util::future::join_all(asking).await.into_iter().flatten().collect()
}

async fn furthest(client: &Client) -> u64 {
    statuses(client).await.iter().map(|status| status.applied).max().unwrap_or(0)
}

/// Of each node, bytes.
async fn memory(client: &Client) -> anyhow::Result<Vec<u64>> {
    // A node samples itself four times a second.
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(statuses(client).await.iter().map(|status| status.health.memory_bytes).collect())
}

async fn report_memory(
    what: &str,
    empty: &[u64],
    client: &Client,
    users: u32,
    images: u32,
) -> anyhow::Result<()> {
    let now = memory(client).await?;
    let megabytes = |bytes: &[u64]| {
        bytes.iter().map(|bytes| format!("{:.0}", *bytes as f64 / 1e6)).collect::<Vec<_>>().join(", ")
    };
    let (most, least) = (now.iter().max().copied().unwrap_or(0), empty.iter().min().copied().unwrap_or(0));
    let items = u64::from(users) + u64::from(images) * u64::from(1 + GRANTS);
    println!(
        "{what}: {} MB ({} MB empty), at most {} bytes for each user, image and grant",
        megabytes(&now),
        megabytes(empty),
        most.saturating_sub(least) / items.max(1)
    );
    Ok(())
}

/// A registration.
struct Written {
    took: Duration,
    /// Whether any node was making a snapshot at some time meanwhile.
    during: bool,
}

/// Registers users at a steady rate until it is told to stop; each from when it was due to when it was answered.
async fn write_steadily(
    client: &Client,
    prefix: &str,
    rate: u32,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<Vec<(Instant, Instant)>> {
    let begin = Instant::now();
    let mut writing = tokio::task::JoinSet::new();
    for number in 0u32.. {
        let due = begin + Duration::from_secs_f64(f64::from(number) / f64::from(rate));
        tokio::time::sleep_until(due.into()).await;
        if *stop.borrow() {
            break;
        }
        let (client, name) = (client.clone(), UserName::try_from(format!("{prefix}-{number:07}"))?);
        writing.spawn(async move {
            let request = client.request_id();
            client.register(request, name, PublicKey::from_bytes([1; 32]), None, deadline()).await?;
            Ok::<_, anyhow::Error>((due, Instant::now()))
        });
    }
    let mut done = Vec::new();
    while let Some(written) = writing.join_next().await {
        done.push(written.context("a write panicked")??);
    }
    Ok(done)
}

/// Writes while snapshots are made.
async fn write_through_snapshots(client: &Client, rate: u32, time: Duration) -> anyhow::Result<Vec<Written>> {
    // When nodes were seen to be at a snapshot: the log has outgrown the last one by what one is made after.
    let snapshots: Arc<Mutex<Vec<(Instant, bool)>>> = Arc::default();
    let (watched, watching) = (snapshots.clone(), client.clone());
    let watch = tokio::spawn(async move {
        loop {
            let busy =
                statuses(&watching).await.iter().any(|now| now.last_log >= now.snapshot + SNAPSHOT_EVERY);
            watched.lock().push((Instant::now(), busy));
            tokio::time::sleep(LOOK).await;
        }
    });
    let (stop, writing) = watch::channel(false);
    let timed = tokio::spawn(async move {
        tokio::time::sleep(time).await;
        stop.send_replace(true);
    });
    let done = write_steadily(client, "new", rate, writing).await?;
    timed.await?;
    watch.abort();
    let snapshots = snapshots.lock();
    let made = snapshots.windows(2).filter(|pair| pair[0].1 && !pair[1].1).count();
    let busy: Duration =
        snapshots.windows(2).filter(|pair| pair[0].1).map(|pair| pair[1].0 - pair[0].0).sum();
    println!("{made} times nodes made a snapshot, {:.1?} each, all three at once", busy / made.max(1) as u32);
    let during = |from: Instant, to: Instant| {
        let slack = 2 * LOOK;
        snapshots.iter().any(|(at, busy)| *busy && *at + slack >= from && *at <= to + slack)
    };
    Ok(done
        .into_iter()
        .map(|(due, ended)| Written { took: ended - due, during: during(due, ended) })
        .collect())
}
