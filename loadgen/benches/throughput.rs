//! How much a cluster on this machine can do: durable directory writes a second with three nodes, and
//! seals a second with one node and with three.
//!
//!     cargo bench -p loadgen --bench throughput
//!
//! Closed loop: so many clients, each with one request outstanding. Real node processes, real fsync.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::Parser;
use loadgen::{
    cluster::{
        Cluster, LinkNeeds, ProcessCluster, StartOptions,
        child::{self, NodeCommand},
    },
    photos::Photos,
    record::NodeLimits,
};
use veil::{
    client::{Client, Credential, NewSession},
    directory::UserName,
    identity::{KeyPair, PublicKey},
    node::{RaftConfig, SealingConfig},
};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<NodeCommand>,
    /// How long each row is measured, after a warm-up of a fifth of that.
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    time: Duration,
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<std::process::ExitCode> {
    let Arguments { command, time, bench: _ } = Arguments::parse();
    if let Some(command) = command {
        return Ok(child::main(&command));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        println!("{:<34} {:>10} {:>10} {:>10}", "", "a second", "p50 ms", "p99 ms");
        for clients in [1, 16, 256, 1_000] {
            let row = measure(3, clients, time, write).await?;
            println!("{:<34} {row}", format!("writes, 3 nodes, {clients} clients"));
        }
        for nodes in [1, 3] {
            for clients in [1, 16] {
                let row = measure(nodes, clients, time, seal).await?;
                println!("{:<34} {row}", format!("seals, {nodes} nodes, {clients} clients"));
            }
        }
        Ok(std::process::ExitCode::SUCCESS)
    })
}

struct World {
    /// Asks in the session of the owner.
    client: Client,
    key: PublicKey,
    photos: Photos,
}

/// Everybody's key pair.
fn key() -> KeyPair {
    KeyPair::from_seed([1; 32])
}

/// One durable write: a user registers.
async fn write(world: Arc<World>, number: u64) -> anyhow::Result<()> {
    let user = UserName::try_from(format!("w{number:09}"))?;
    let request = world.client.request_id();
    Ok(world.client.register(request, user, world.key, None, deadline()).await?)
}

/// One sealing of a photo, recorded in the directory.
async fn seal(world: Arc<World>, number: u64) -> anyhow::Result<()> {
    let photo = world.photos.pick(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).clone();
    let (request, owner) = (world.client.request_id(), UserName::try_from("owner".to_owned())?);
    let original = bytes::Bytes::from_owner(photo.bytes);
    world.client.seal(request, owner, BTreeMap::new(), original, deadline()).await?;
    Ok(())
}

fn deadline() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_secs(20)
}

async fn measure<F>(
    nodes: u32,
    clients: u64,
    time: Duration,
    operation: impl Fn(Arc<World>, u64) -> F + Copy + Send + 'static,
) -> anyhow::Result<String>
where
    F: Future<Output = anyhow::Result<()>> + Send,
{
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
        raft: RaftConfig::default(),
        sealing: SealingConfig::default(),
    })
    .await?;
    let addresses = cluster.members().iter().map(|member| member.client.clone()).collect();
    let client = Client::new(cluster.outside().network()?, addresses, 2)?;
    let owner = UserName::try_from("owner".to_owned())?;
    let key = key().public();
    client.register(client.request_id(), owner.clone(), key, None, deadline()).await?;
    let token = client.draw_token();
    let session = NewSession { token: token.clone(), device: String::new(), lifetime_ms: 3_600_000 };
    let credential = Credential::Key(self::key());
    client.log_in(client.request_id(), owner, &credential, &session, deadline()).await?;
    let world = Arc::new(World { client: client.in_session(token), key, photos: Photos::built_in(1) });

    let begin = Instant::now() + time / 5;
    let end = begin + time;
    let mut tasks = tokio::task::JoinSet::new();
    for client in 0..clients {
        let world = world.clone();
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            for number in (client * 1_000_000).. {
                let sent = Instant::now();
                if sent >= end {
                    break;
                }
                operation(world.clone(), number).await?;
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
    cluster.end().await;
    latencies.sort_unstable();
    let at = |share: f64| match latencies.len() {
        0 => f64::NAN,
        count => latencies[((count - 1) as f64 * share) as usize].as_secs_f64() * 1e3,
    };
    let rate = latencies.len() as f64 / time.as_secs_f64();
    Ok(format!("{rate:>10.0} {:>10.2} {:>10.2}", at(0.5), at(0.99)))
}
