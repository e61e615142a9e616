//! Puts and linearizable gets a second.

use std::time::Duration;

use anyhow::Context;
use etcd_client::{Client, KvClient};
use serde::Serialize;
use tokio::{task::JoinSet, time::Instant};

use crate::cluster::{self, Cluster, Options, Timing};

/// What a put stores and a get gets, bytes.
const VALUE: usize = 100;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    cluster: Options,
    /// How long each row is measured, after a warm-up of a fifth of that.
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    time: Duration,
    /// Measures one kind of operation alone.
    #[arg(long)]
    only: Option<Kind>,
    /// How many clients there are, one row each.
    #[arg(long, value_delimiter = ',', default_value = "1,16,256,1000")]
    clients: Vec<usize>,
    /// How many gRPC channels to the leader the clients share, at most.
    #[arg(long, default_value_t = 8)]
    channels: usize,
    /// Prints one JSON document in place of the table.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Puts,
    Gets,
}

/// One line of the table.
#[derive(Serialize)]
struct Row {
    kind: Kind,
    clients: usize,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

#[derive(Serialize)]
struct Document {
    etcd: String,
    #[serde(flatten)]
    timing: Timing,
    channels: usize,
    seconds_a_row: f64,
    value_bytes: usize,
    rows: Vec<Row>,
}

pub async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let &Arguments { time, channels, json, .. } = arguments;
    let etcd = cluster::version().await?;
    let mut rows = Vec::new();
    if !json {
        println!("{:<34} {:>10} {:>10} {:>10}", format!("etcd {etcd}"), "a second", "p50 ms", "p99 ms");
    }
    for kind in
        [Kind::Puts, Kind::Gets].into_iter().filter(|kind| arguments.only.is_none_or(|only| only == *kind))
    {
        for &clients in &arguments.clients {
            let row = measure_row(arguments, kind, clients).await?;
            if !json {
                let Row { per_second, p50_ms, p99_ms, .. } = row;
                let name = match kind {
                    Kind::Puts => "puts",
                    Kind::Gets => "gets",
                };
                let what = format!("{name}, 3 nodes, {clients} clients");
                println!("{what:<34} {per_second:>10.0} {p50_ms:>10.2} {p99_ms:>10.2}");
            }
            rows.push(row);
        }
    }
    if json {
        let (timing, seconds_a_row) = (arguments.cluster.timing, time.as_secs_f64());
        let document = Document { etcd, timing, channels, seconds_a_row, value_bytes: VALUE, rows };
        println!("{}", serde_json::to_string_pretty(&document)?);
    }
    Ok(())
}

/// A cluster of its own, so that no row pays for what another has written.
async fn measure_row(arguments: &Arguments, kind: Kind, clients: usize) -> anyhow::Result<Row> {
    let &Arguments { time, channels, .. } = arguments;
    let mut cluster = Cluster::start(&arguments.cluster).await?;
    let leader = cluster.ready().await?;
    let mut shared: Vec<Client> = Vec::new();
    for _ in 0..channels.min(clients) {
        shared.push(cluster.connect(leader, PATIENCE).await?);
    }
    if kind == Kind::Gets {
        let mut channel = shared.first().context("no channel")?.kv_client();
        for client in 0..clients {
            put(&mut channel, client, 0).await?;
        }
    }

    let begin = Instant::now() + time / 5;
    let end = begin + time;
    let mut tasks = JoinSet::new();
    for client in 0..clients {
        let mut channel = shared[client % shared.len()].kv_client();
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            for number in 0.. {
                let sent = Instant::now();
                if sent >= end {
                    break;
                }
                match kind {
                    Kind::Puts => put(&mut channel, client, number).await?,
                    Kind::Gets => get(&mut channel, client).await?,
                }
                if sent >= begin && Instant::now() < end {
                    latencies.push(sent.elapsed());
                }
            }
            Ok::<_, anyhow::Error>(latencies)
        });
    }
    let mut latencies: Vec<Duration> = Vec::new();
    while let Some(done) = tasks.join_next().await {
        latencies.extend(done.context("a client panicked")??);
    }
    latencies.sort_unstable();
    let at = |share: f64| match latencies.len() {
        0 => f64::NAN,
        count => latencies[((count - 1) as f64 * share) as usize].as_secs_f64() * 1e3,
    };
    let per_second = latencies.len() as f64 / time.as_secs_f64();
    Ok(Row { kind, clients, per_second, p50_ms: at(0.5), p99_ms: at(0.99) })
}

fn key(client: usize) -> String {
    format!("client-{client:04}")
}

async fn put(channel: &mut KvClient, client: usize, number: u64) -> anyhow::Result<()> {
    channel.put(key(client), format!("{number:0VALUE$}"), None).await?;
    Ok(())
}

/// Linearizable, as gets are unless one asks for another kind.
async fn get(channel: &mut KvClient, client: usize) -> anyhow::Result<()> {
    let got = channel.get(key(client), None).await?;
    anyhow::ensure!(got.kvs().first().is_some_and(|found| found.value().len() == VALUE), "got {got:?}");
    Ok(())
}
