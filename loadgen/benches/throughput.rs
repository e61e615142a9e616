//! How much a cluster on this machine can do: durable directory writes and linearizable reads a second with
//! three nodes, and seals a second with one node and with three.
//!
//!     cargo bench -p loadgen --bench throughput
//!
//! Closed loop: so many clients, each with one request outstanding. Real node processes, real fsync.
//! `comparison/etcd` measures etcd in the same way.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::{Parser, ValueEnum};
use futures_util::{StreamExt, TryStreamExt, stream};
use loadgen::{
    cluster::{
        Cluster, LinkNeeds, ProcessCluster, StartOptions,
        child::{self, NodeCommand},
    },
    photos::Photos,
    record::NodeLimits,
};
use serde::Serialize;
use veil::{
    client::{Client, Credential, NewSession},
    directory::{Describe, ImageId, UserName},
    identity::KeyPair,
    node::{RaftConfig, SealingConfig},
    wire::client::StageTimes,
};

/// What a write stores and a read gets, bytes.
const VALUE: usize = 100;
/// Connections to each node that all clients share. More are no faster.
const CONNECTIONS: usize = 2;
/// How many images are described and read, at most; clients take turns.
const IMAGES: u64 = 64;
/// How many of them are sealed at a time, beforehand.
const SEALED_AT_A_TIME: usize = 8;

/// How long a node may take to tell of the stages.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Parser)]
#[command(
    about = "Measures durable writes, linearizable reads and seals a second of clusters on this machine"
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<NodeCommand>,
    /// How long each row is measured, after a warm-up of a fifth of that.
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    time: Duration,
    /// Measures one kind of operation alone.
    #[arg(long)]
    only: Option<Kind>,
    /// How many clients there are, one row each; seals have 1 and 16.
    #[arg(long, value_delimiter = ',', default_value = "1,16,256,1000")]
    clients: Vec<u64>,
    /// Without TLS.
    #[arg(long)]
    plain: bool,
    /// Under each row of writes, says where they spent their time on the leader.
    #[arg(long)]
    stages: bool,
    /// Prints one JSON document in place of the table.
    #[arg(long)]
    json: bool,
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Writes,
    Reads,
    Seals,
}

/// One line of the table.
#[derive(Serialize)]
struct Row {
    kind: Kind,
    nodes: u32,
    clients: u64,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// Of writes, if they are asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stages: Vec<StageTimes>,
}

#[derive(Serialize)]
struct Document {
    tls: bool,
    seconds_a_row: f64,
    value_bytes: usize,
    rows: Vec<Row>,
}

// As in the executables.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<std::process::ExitCode> {
    let arguments = Arguments::parse();
    if let Some(command) = &arguments.command {
        return Ok(child::main(command));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure_all(&arguments))?;
    Ok(std::process::ExitCode::SUCCESS)
}

async fn measure_all(arguments: &Arguments) -> anyhow::Result<()> {
    let each = |kind, nodes, clients: &[u64]| clients.iter().map(|&c| (kind, nodes, c)).collect::<Vec<_>>();
    let all = [
        each(Kind::Writes, 3, &arguments.clients),
        each(Kind::Reads, 3, &arguments.clients),
        each(Kind::Seals, 1, &[1, 16]),
        each(Kind::Seals, 3, &[1, 16]),
    ];
    let mut rows = Vec::new();
    let wanted =
        all.into_iter().flatten().filter(|(kind, ..)| arguments.only.is_none_or(|only| only == *kind));
    if !arguments.json {
        println!("{:<34} {:>10} {:>10} {:>10}", "", "a second", "p50 ms", "p99 ms");
    }
    for (kind, nodes, clients) in wanted {
        let measured = match kind {
            Kind::Writes => measure(nodes, clients, arguments, write).await,
            Kind::Reads => measure(nodes, clients, arguments, read).await,
            Kind::Seals => measure(nodes, clients, arguments, seal).await,
        };
        let Measured { latencies, mut stages } = measured?;
        if kind != Kind::Writes {
            stages.clear();
        }
        let row = Row::new(kind, nodes, clients, &latencies, arguments.time, stages);
        if !arguments.json {
            let what = kind.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned());
            let Row { per_second, p50_ms, p99_ms, .. } = row;
            let what = format!("{what}, {nodes} nodes, {clients} clients");
            println!("{what:<34} {per_second:>10.0} {p50_ms:>10.2} {p99_ms:>10.2}");
            for StageTimes { stage, p50_us, p99_us, .. } in &row.stages {
                println!("  {stage:<43} {:>10.2} {:>10.2}", *p50_us as f64 / 1e3, *p99_us as f64 / 1e3);
            }
        }
        rows.push(row);
    }
    if arguments.json {
        let seconds_a_row = arguments.time.as_secs_f64();
        let document = Document { tls: !arguments.plain, seconds_a_row, value_bytes: VALUE, rows };
        println!("{}", serde_json::to_string_pretty(&document)?);
    }
    Ok(())
}

impl Row {
    /// `latencies` are sorted.
    fn new(
        kind: Kind,
        nodes: u32,
        clients: u64,
        latencies: &[Duration],
        time: Duration,
        stages: Vec<StageTimes>,
    ) -> Self {
        let at = |share: f64| match latencies.len() {
            0 => f64::NAN,
            count => latencies[((count - 1) as f64 * share) as usize].as_secs_f64() * 1e3,
        };
        let per_second = latencies.len() as f64 / time.as_secs_f64();
        Self { kind, nodes, clients, per_second, p50_ms: at(0.5), p99_ms: at(0.99), stages }
    }
}

struct World {
    /// Asks in the session of the owner.
    client: Client,
    owner: UserName,
    images: Vec<ImageId>,
    photos: Photos,
}

impl World {
    fn image(&self, client: u64) -> ImageId {
        self.images[client as usize % self.images.len()]
    }

    /// Says something new of an image, of [`VALUE`] bytes.
    async fn describe(&self, image: ImageId, number: u64) -> anyhow::Result<()> {
        let description = format!("{number:0VALUE$}");
        let describe = Describe { owner: self.owner.clone(), image, title: String::new(), description };
        Ok(self.client.describe(self.client.request_id(), describe, deadline()).await?)
    }
}

/// One durable write: an owner describes an image.
async fn write(world: Arc<World>, client: u64, number: u64) -> anyhow::Result<()> {
    world.describe(world.image(client), number).await
}

/// One linearizable read: what [`write`] writes.
async fn read(world: Arc<World>, client: u64, _number: u64) -> anyhow::Result<()> {
    let details = world.client.image(world.owner.clone(), world.image(client), deadline()).await?;
    anyhow::ensure!(details.description.len() == VALUE, "the image was described otherwise: {details:?}");
    Ok(())
}

/// One sealing of a photo, recorded in the directory.
async fn seal(world: Arc<World>, client: u64, number: u64) -> anyhow::Result<()> {
    let number = (client * 1_000_000 + number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let original = bytes::Bytes::from_owner(world.photos.pick(number).clone().bytes);
    let request = world.client.request_id();
    world.client.seal(request, world.owner.clone(), BTreeMap::new(), original, deadline()).await?;
    Ok(())
}

fn deadline() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_secs(20)
}

/// A user who is logged in, with images that are described.
async fn populate(client: Client, images: u64) -> anyhow::Result<World> {
    let owner = UserName::try_from("owner".to_owned())?;
    let key = KeyPair::from_seed([1; 32]);
    client.register(client.request_id(), owner.clone(), key.public(), None, deadline()).await?;
    let token = client.draw_token();
    let session = NewSession { token: token.clone(), device: String::new(), lifetime_ms: 3_600_000 };
    client.log_in(client.request_id(), owner.clone(), &Credential::Key(key), &session, deadline()).await?;
    let client = client.in_session(token);
    let photos = Photos::built_in(1);
    let original = bytes::Bytes::from_owner(photos.pick(0).clone().bytes);
    let seals = (0..images).map(|_| {
        let (client, owner, original) = (client.clone(), owner.clone(), original.clone());
        async move { client.seal(client.request_id(), owner, BTreeMap::new(), original, deadline()).await }
    });
    let sealed = stream::iter(seals).buffer_unordered(SEALED_AT_A_TIME);
    let images = sealed.map_ok(|sealed| sealed.image).try_collect().await?;
    let world = World { client, owner, images, photos };
    for image in &world.images {
        world.describe(*image, 0).await?;
    }
    Ok(world)
}

struct Measured {
    /// Of all operations that began and ended within the time, sorted.
    latencies: Vec<Duration>,
    /// Where writes spent their time on the leader, if that was asked for.
    stages: Vec<StageTimes>,
}

/// Measures one operation with so many clients at a cluster of its own.
async fn measure<F>(
    nodes: u32,
    clients: u64,
    &Arguments { time, plain, stages, .. }: &Arguments,
    operation: impl Fn(Arc<World>, u64, u64) -> F + Copy + Send + 'static,
) -> anyhow::Result<Measured>
where
    F: Future<Output = anyhow::Result<()>> + Send,
{
    let folder = tempfile::tempdir()?;
    let cluster = ProcessCluster::start(StartOptions {
        links: LinkNeeds::None,
        tls: !plain,
        seed: 1,
        limits: NodeLimits::default(),
        slow_disk: None,
        keep_data: false,
        nodes,
        founders: nodes,
        folder: folder.path().to_owned(),
        program: std::env::current_exe()?,
        raft: RaftConfig::default(),
        sealing: SealingConfig::default(),
    })
    .await?;
    let addresses = cluster.members().iter().map(|member| member.client.clone()).collect();
    let client = Client::new(cluster.outside().network()?, addresses, CONNECTIONS)?;
    let world = Arc::new(populate(client, clients.min(IMAGES)).await?);

    let begin = Instant::now() + time / 5;
    let end = begin + time;
    let mut tasks = tokio::task::JoinSet::new();
    for client in 0..clients {
        let world = world.clone();
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            for number in 0.. {
                let sent = Instant::now();
                if sent >= end {
                    break;
                }
                operation(world.clone(), client, number).await?;
                if sent >= begin && Instant::now() < end {
                    latencies.push(sent.elapsed());
                }
            }
            Ok::<_, anyhow::Error>(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(done) = tasks.join_next().await {
        latencies.extend(done.context("a client panicked")??);
    }
    latencies.sort_unstable();
    let stages = match stages {
        true => {
            let (_, leader) = world.client.leader(deadline()).await?;
            world.client.write_stages(&leader.client, PATIENCE).await?
        }
        false => Vec::new(),
    };
    cluster.end().await;
    Ok(Measured { latencies, stages })
}
