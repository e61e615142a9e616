//! How long nobody is served when the leader is killed.
//!
//! One put is due every 2 ms, whatever becomes of those before it, at the two members that will survive, in turn. A
//! third of a second later the leader is killed as `kill -9` does. What counts is the longest gap between two puts that
//! succeeded, one after the other, of those gaps that did not end before the kill. Once puts that were sent after
//! the kill have succeeded for half a second, the load ends and the member is started again.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use etcd_client::KvClient;
use indicatif::ProgressBar;
use serde::Serialize;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use crate::cluster::{self, Cluster, Options, Timing};

/// A put is due so often.
const EVERY: Duration = Duration::from_millis(2);
/// What a put stores, bytes.
const VALUE: usize = 100;
/// So many succeed before the kill.
const BEFORE: usize = 150;
/// So many that were sent after the kill succeed before the member is started again.
const AFTER: usize = 250;
/// How long a put may take. One that was lost with the leader takes that long; others are sent meanwhile.
const PATIENCE: Duration = Duration::from_secs(10);
/// Without a success for so long, something is wrong that is not measured here.
const OUTAGE_MAX: Duration = Duration::from_secs(30);

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    cluster: Options,
    /// How many times the leader is killed.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    kills: u64,
    /// Prints one JSON document in place of the table.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document {
    etcd: String,
    #[serde(flatten)]
    timing: Timing,
    kills: u64,
    resolution_ms: f64,
    median_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    worst_ms: f64,
    /// In the order of the kills.
    gaps_ms: Vec<f64>,
}

pub async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let &Arguments { kills, json, .. } = arguments;
    let etcd = cluster::version().await?;
    let mut cluster = Cluster::start(&arguments.cluster).await?;
    // Draws nothing where there is no terminal.
    let progress = ProgressBar::new(kills);
    progress.tick();
    let mut gaps = Vec::new();
    for kill in 1..=kills {
        gaps.push(kill_leader(&mut cluster).await.with_context(|| format!("kill {kill} of {kills}"))?);
        progress.inc(1);
    }
    progress.finish_and_clear();
    let gaps_ms: Vec<_> = gaps.iter().map(|gap| gap.as_secs_f64() * 1e3).collect();
    gaps.sort_unstable();
    let at = |share: f64| {
        let rank = (gaps.len() as f64 * share).ceil() as usize;
        gaps[rank.clamp(1, gaps.len()) - 1].as_secs_f64() * 1e3
    };
    let (timing, resolution_ms) = (arguments.cluster.timing, EVERY.as_secs_f64() * 1e3);
    let (median_ms, p90_ms, p99_ms, worst_ms) = (at(0.5), at(0.9), at(0.99), at(1.0));
    if json {
        let document =
            Document { etcd, timing, kills, resolution_ms, median_ms, p90_ms, p99_ms, worst_ms, gaps_ms };
        println!("{}", serde_json::to_string_pretty(&document)?);
    } else {
        let Timing { heartbeat_ms, election_ms } = timing;
        println!(
            "etcd {etcd}, heartbeat {heartbeat_ms} ms, election {election_ms} ms: without a success, ms"
        );
        println!("{:>8} {:>8} {:>8} {:>8} {:>8}", "kills", "median", "p90", "p99", "worst");
        println!("{kills:>8} {median_ms:>8.0} {p90_ms:>8.0} {p99_ms:>8.0} {worst_ms:>8.0}");
    }
    Ok(())
}

/// A put that has succeeded.
#[derive(Clone, Copy)]
struct Success {
    sent: Instant,
    done: Instant,
}

/// Kills the leader under load, and leaves all members up to date.
async fn kill_leader(cluster: &mut Cluster) -> anyhow::Result<Duration> {
    let leader = cluster.ready().await?;
    let mut survivors = Vec::new();
    for member in Cluster::others(leader) {
        survivors.push(cluster.connect(member, PATIENCE).await?.kv_client());
    }
    let (report, mut successes) = mpsc::unbounded_channel();
    let mut load = JoinSet::new();
    load.spawn(put_for_ever(survivors, report));
    let mut seen = Vec::new();
    while seen.len() < BEFORE {
        seen.push(next(&mut successes).await?);
    }
    let killed = Instant::now();
    cluster.kill(leader).await?;
    let mut after = 0;
    while after < AFTER {
        let success = next(&mut successes).await?;
        after += usize::from(success.sent > killed);
        seen.push(success);
    }
    load.shutdown().await;
    cluster.restart(leader).await?;
    let done = seen.iter().map(|success| success.done).collect();
    longest_gap(done, killed).context("nothing succeeded after the kill")
}

async fn next(successes: &mut mpsc::UnboundedReceiver<Success>) -> anyhow::Result<Success> {
    let next = timeout(OUTAGE_MAX, successes.recv()).await;
    next.with_context(|| format!("no put has succeeded for {OUTAGE_MAX:?}"))?.context("the load has ended")
}

async fn put_for_ever(survivors: Vec<KvClient>, report: mpsc::UnboundedSender<Success>) {
    let value: Arc<str> = "v".repeat(VALUE).into();
    let mut due = interval(EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut under_way = JoinSet::new();
    for survivor in survivors.iter().cycle() {
        due.tick().await;
        let (mut survivor, value, report) = (survivor.clone(), value.clone(), report.clone());
        under_way.spawn(async move {
            let sent = Instant::now();
            // One that fails is no success; that it is not is all that counts.
            if survivor.put("key", value.as_bytes(), None).await.is_ok() {
                let _ = report.send(Success { sent, done: Instant::now() });
            }
        });
        while under_way.try_join_next().is_some() {}
    }
}

/// The longest of the gaps between two successes, one after the other, that end after the kill.
fn longest_gap(mut done: Vec<Instant>, killed: Instant) -> Option<Duration> {
    done.sort_unstable();
    let gaps = done.windows(2).filter(|pair| pair[1] > killed).map(|pair| pair[1] - pair[0]);
    gaps.max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_over_before_the_kill_is_not_its_doing() {
        let begin = Instant::now();
        let at = |ms: &[u64]| ms.iter().map(|ms| begin + Duration::from_millis(*ms)).collect::<Vec<_>>();
        let gap = |done: &[u64]| longest_gap(at(done), begin + Duration::from_millis(100));
        assert_eq!(gap(&[0, 90, 92, 122, 124]), Some(Duration::from_millis(30)));
        // One that was answered just after the kill does not hide what follows it.
        assert_eq!(gap(&[99, 180, 101]), Some(Duration::from_millis(79)));
        assert_eq!(gap(&[0, 50]), None);
    }
}
