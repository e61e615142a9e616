//! `veil node`: runs one server.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use tokio::{
    runtime::{Builder, Runtime},
    sync::Notify,
};

use super::{escape::shown, log, say, terminal::Terminal};
use crate::{
    consensus::{Disk, Folder, SlowDisk},
    node::{Entropy, Environment, Node, NodeConfig, SharedKeys, system_clock},
    wire::{
        client::Member,
        loopback::Loopback,
        tls::Tls,
        transport::{Network, Tcp},
    },
};

/// How often the cluster's key is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Run one node of a cluster.
///
/// Reads its configuration, prints one line of JSON with the addresses it really listens on, and
/// serves until SIGTERM or Ctrl-C, or until the terminal is closed that it was started from (unless by nohup). A renewed
/// certificate is noticed within seconds, and at SIGHUP at once.
#[derive(Debug, Args)]
pub struct NodeArgs {
    /// The configuration file; see docs/architecture.md for an example.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// Where a node really listens.
#[derive(Serialize)]
struct Listening<'a> {
    #[serde(flatten)]
    member: &'a Member,
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<&'a str>,
}

/// Runs a node until it is told to stop.
///
/// # Errors
/// When it cannot start.
pub fn run(args: &NodeArgs) -> anyhow::Result<()> {
    let terminal = Terminal::find();
    log::detach().context("cannot start a thread")?;
    let served = serve(args, terminal);
    log::settle();
    served
}

fn serve(args: &NodeArgs, terminal: Terminal) -> anyhow::Result<()> {
    let config = NodeConfig::load(&args.config)?;
    let keys = config.cluster_keys()?;
    // Raft has a thread of its own: nothing that clients ask for can keep its heartbeats waiting.
    let raft = runtime("veil-raft", 1)?;
    let serving = runtime("veil-serve", 2)?;
    let folder = Folder::create(&config.data).and_then(|folder| folder.of(config.id));
    let folder = folder.with_context(|| format!("data folder {}", shown(&config.data)))?;
    let disk: Arc<dyn Disk> = match config.experiment.sync_delay {
        Duration::ZERO => Arc::new(folder),
        delay => Arc::new(SlowDisk::new(Arc::new(folder), delay)),
    };
    let routes = config.routes.iter().map(|route| (route.to.clone(), route.via.clone())).collect();
    let tcp: Arc<dyn Network> = Arc::new(Tcp { shared_port: config.shared_port, routes });
    let files = config.tls.clone();
    let tls = files.as_ref().map(|files| files.load_for(config.id)).transpose()?;
    let (peers, clients): (Arc<dyn Network>, Arc<dyn Network>) = match &tls {
        Some(tls) => (Arc::new(Tls::peers(tcp.clone(), tls)?), Arc::new(Tls::clients(tcp.clone(), tls)?)),
        None => (Arc::new(Loopback(tcp.clone())), Arc::new(Loopback(tcp.clone()))),
    };
    let environment = Environment {
        peers,
        clients,
        http: tcp,
        disk,
        clock: system_clock(),
        entropy: Arc::new(Entropy::from_system()),
        keys: SharedKeys::new(keys),
        raft_runtime: raft.handle().clone(),
    };
    serving.block_on(async {
        let stop = stop_signal(terminal)?;
        if let (Some(files), Some(tls)) = (files, tls) {
            tokio::spawn(files.keep_up(tls, hang_ups()?));
        }
        let hung_up = hang_ups()?;
        let node = Node::start(config.clone(), environment).await?;
        let listening = serde_json::to_string(&Listening { member: node.member(), http: node.http() })?;
        if let Err(unsaid) = say(&listening) {
            // Nobody reads where it listens, and it serves all the same.
            tracing::warn!("{unsaid}; listening: {listening}");
        }
        let failed = tokio::select! {
            () = stop => None,
            reason = node.failed() => Some(reason),
            () = keep_keys(&node, &config, &hung_up) => None,
        };
        node.stop().await;
        match failed {
            Some(reason) => Err(anyhow::anyhow!("this node cannot go on: {reason}")),
            None => Ok(()),
        }
    })
}

fn runtime(name: &str, threads: usize) -> anyhow::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name(name)
        .enable_all()
        .build()
        .context("cannot start a runtime")
}

/// Reads the cluster's key again for ever, every few seconds and when told to.
async fn keep_keys(node: &Node, config: &NodeConfig, told: &Notify) {
    // What is wrong is said once, not every few seconds.
    let mut complaint = String::new();
    loop {
        let _ = tokio::time::timeout(LOOK, told.notified()).await;
        let taken = match config.cluster_keys() {
            Ok(keys) => node.take_keys(keys).map_err(|refused| refused.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match taken {
            Ok(changed) => {
                if changed {
                    tracing::warn!("other key-encryption keys are in use from now on");
                }
                complaint.clear();
            }
            Err(reason) if reason == complaint => {}
            Err(reason) => {
                tracing::warn!("{}: {reason}; the keys stay as they are", shown(&config.cluster_key));
                complaint = reason;
            }
        }
    }
}

/// Tells of every SIGHUP.
fn hang_ups() -> anyhow::Result<Arc<Notify>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (told, mut hang_up) = (Arc::new(Notify::new()), signal(SignalKind::hangup())?);
    let telling = told.clone();
    tokio::spawn(async move {
        while hang_up.recv().await.is_some() {
            telling.notify_one();
        }
    });
    Ok(told)
}

/// Ends with SIGTERM or SIGINT, and with the terminal.
fn stop_signal(terminal: Terminal) -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hang_up = signal(SignalKind::hangup())?;
    let closed = async move {
        while hang_up.recv().await.is_some() {
            if terminal.is_closed() {
                return;
            }
        }
        std::future::pending::<()>().await;
    };
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = closed => {}
        }
    })
}
