//! One execution of a scenario, from starting the cluster to reading it back.

mod fire;
mod machine;
mod progress;
mod readback;
mod recorder;
mod setup;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::{sync::watch, time::Instant};
use veil::{
    client::{Client, ClientError},
    node::{RaftConfig, SealingConfig},
    wire::{client::NodeId, transport::Tcp},
};

pub use fire::fire;
use progress::Step;
use recorder::Recorder;

use crate::{
    arrival::schedule,
    cluster::{ClusterError, ProcessCluster, StartOptions},
    fault::{FaultLog, inject_all},
    observe::Observer,
    photos::{PhotoError, Photos},
    record::{Event, Manifest, NodeManifest, RecordError, file, write_events, write_node_samples},
    scenario::{Images, Load, Scenario},
    workload::{Planned, Prepared, World},
};

/// Connections of the simulated users to each node.
const CONNECTIONS: usize = 2;
/// The pause between set-up and the first stage.
const BREATH: Duration = Duration::from_millis(300);

/// What to run, and where to.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The scenario.
    pub scenario: Scenario,
    /// Its file's name without folder and ending; run folders are named after it.
    pub name: String,
    /// Where the run's folder is made.
    pub out: PathBuf,
    /// Nodes of a cluster that is there already; without them one is started.
    pub nodes: Option<Vec<String>>,
    /// The executable that acts as a node, see [`crate::cluster::child`].
    pub program: PathBuf,
    /// Keep the nodes' data folders.
    pub keep_data: bool,
}

/// Why a run could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The run's folder cannot be made.
    #[error("{path}: {source}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The run's folder cannot be written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The cluster does not start.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The photos cannot be read.
    #[error(transparent)]
    Photos(#[from] PhotoError),
    /// No address to connect to.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The cluster does not serve.
    #[error("nobody leads the cluster after {waited:?}")]
    NobodyLeads {
        /// How long that was.
        waited: Duration,
    },
    /// Users cannot register or the first images cannot be sealed.
    #[error("set-up failed: {kind}: {reason}")]
    SetUp {
        /// What.
        kind: &'static str,
        /// Why.
        reason: String,
    },
    /// Faults need nodes that the run has started itself.
    #[error(
        "the scenario has faults, and a cluster that is already there is not ours to break: leave out --nodes"
    )]
    NotOurs,
    /// The user gave up before the load began.
    #[error("interrupted before the load began")]
    Interrupted,
}

/// Carries out a scenario and records it. Gives the run's folder.
///
/// When `stop` says so, the load ends early; what was recorded is kept and marked as incomplete.
/// Dropping the future kills all nodes that were started.
///
/// # Errors
/// [`RunError`]; nothing that was started is left.
pub async fn run(options: RunOptions, stop: watch::Receiver<bool>) -> Result<PathBuf, RunError> {
    let RunOptions { scenario, name, out, nodes, program, keep_data } = options;
    if nodes.is_some() && !scenario.faults.is_empty() {
        return Err(RunError::NotOurs);
    }
    let began = SystemTime::now();
    let folder = make_folder(&out, &name, began)?;
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| RunError::Folder { path, source }
    };
    let scenario_path = folder.join(file::SCENARIO);
    fs::write(&scenario_path, scenario.to_toml()).map_err(io(&scenario_path))?;
    let mut rng = ChaCha8Rng::seed_from_u64(scenario.seed);
    let photos = match &scenario.load.images {
        Images::Photos => {
            // Generating them keeps a processor busy for a moment.
            let seed = scenario.seed;
            let drawing = tokio::task::spawn_blocking(move || Photos::built_in(seed)).await;
            drawing.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
        }
        Images::Folder(path) => Photos::from_folder(path)?,
    };
    let mut interrupted = stop.clone();
    let prepared = async {
        let step = Step::begin(if nodes.is_some() { "connecting" } else { "starting the cluster" });
        let cluster = match &nodes {
            Some(_) => None,
            None => {
                let started = ProcessCluster::start(StartOptions {
                    nodes: scenario.cluster.nodes,
                    folder: folder.join("nodes"),
                    program,
                    raft: RaftConfig::default(),
                    sealing: SealingConfig::default(),
                    detours: scenario.faults.iter().any(|fault| fault.kind.needs_links()),
                    keep_data,
                });
                Some(Arc::new(started.await?))
            }
        };
        let addresses = match (&cluster, nodes) {
            (Some(cluster), _) => cluster.members().iter().map(|member| member.client.clone()).collect(),
            (None, nodes) => nodes.unwrap_or_default(),
        };
        let network = Arc::new(cluster.as_ref().map_or_else(Tcp::default, |cluster| cluster.network()));
        let client = Client::new(network.clone(), addresses, CONNECTIONS)?;
        setup::wait_for_leader(&client).await?;
        drop(step);
        let step = Step::begin(format!("registering {} users", scenario.load.clients));
        let world = Arc::new(World::new(scenario.load.clients, photos));
        let before = setup::set_up(&client, &world, &mut rng).await?;
        drop(step);
        Ok::<_, RunError>((cluster, network, client, world, before))
    };
    let (cluster, network, client, world, before) = tokio::select! {
        prepared = prepared => prepared?,
        _ = interrupted.wait_for(|stop| *stop) => return Err(RunError::Interrupted),
    };

    let plan = plan(&scenario.load, before.len() as u64, &mut rng);
    let start = Instant::now() + BREATH;
    let (recorder, writing) = Recorder::create(&folder, SystemTime::now() + BREATH)?;
    let since_start = move |at: Instant| match at.checked_duration_since(start) {
        Some(after) => after.as_nanos() as i64,
        None => -((start - at).as_nanos() as i64),
    };
    for (op, done) in (0..).zip(before) {
        let sent_ns = since_start(done.sent);
        recorder.invoke(op, sent_ns, sent_ns, done.call);
        recorder.complete(op, done.kind, sent_ns, since_start(done.ended), done.outcome);
    }

    let observer = Observer::begin(network, client.nodes(), start)?;
    let (over_sender, over) = watch::channel(false);
    let faults = async {
        match &cluster {
            Some(cluster) => {
                let leadership = observer.leadership();
                inject_all(&scenario.faults, scenario.seed, cluster.clone(), leadership, start, over).await
            }
            None => FaultLog::default(),
        }
    };
    let showing = tokio::spawn(progress::show(
        scenario.load.clone(),
        start,
        recorder.counters(),
        observer.leadership(),
    ));
    let load = async {
        let timeout = scenario.load.timeout;
        let begin = |index: usize| {
            let planned = plan[index];
            let (client, world, recorder) = (client.clone(), world.clone(), recorder.clone());
            async move {
                let operation = Prepared::choose(planned, &world);
                let due_ns = planned.due_ns as i64;
                recorder.invoke(planned.op, due_ns, since_start(Instant::now()), operation.call());
                let deadline = start + Duration::from_nanos(planned.due_ns) + timeout;
                let done = operation.perform(&client, &world, deadline).await;
                recorder.complete(planned.op, planned.kind, due_ns, since_start(done.at), done.outcome);
            }
        };
        let shed = |index: usize| {
            let Planned { op, due_ns, kind, .. } = plan[index];
            recorder.shed(op, due_ns as i64, kind);
        };
        let due: Vec<u64> = plan.iter().map(|planned| planned.due_ns).collect();
        let limit = scenario.load.max_in_flight as usize;
        let firing = fire(&due, start, limit, stop.clone(), begin, shed);
        let mut stop = stop.clone();
        // Nobody is to wait for what a fault holds up when the user wants to end.
        let stopped = async {
            if stop.wait_for(|stop| *stop).await.is_ok() {
                over_sender.send_replace(true);
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = firing => {}
            () = stopped => {}
        }
        over_sender.send_replace(true);
    };
    let ((), fault_log) = tokio::join!(load, faults);
    showing.abort();

    let step = Step::begin("reading every node back");
    let ids = node_ids(&client, cluster.as_deref()).await;
    let readback = readback::read_back(&client, &ids).await;
    readback.write(&folder.join(file::READBACK))?;
    drop(step);

    let observed = observer.finish();
    write_node_samples(&folder.join(file::NODES), &observed.samples)?;
    let FaultLog { events, failures } = fault_log;
    let mut events: Vec<Event> = events.into_iter().chain(observed.leaders).collect();
    events.sort_by(|a, b| a.completed_s.total_cmp(&b.completed_s));
    write_events(&folder.join(file::EVENTS), &events)?;
    drop(recorder);
    writing.finish()?;

    let was_stopped = *stop.borrow();
    let interrupted = match (was_stopped, failures.is_empty()) {
        (true, _) => Some("stopped by the user".to_owned()),
        (false, true) => None,
        (false, false) => Some(failures.join("; ")),
    };
    let manifest = Manifest {
        format: 1,
        name: folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        scenario: name,
        seed: scenario.seed,
        driver: cluster.as_ref().map_or("existing", |_| scenario.cluster.driver.name()).to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: option_env!("VEIL_COMMIT").map(str::to_owned),
        build: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
        started: humantime::format_rfc3339_seconds(began).to_string(),
        load_s: scenario.load.length().as_secs_f64(),
        users: scenario.load.clients,
        complete: interrupted.is_none(),
        interrupted,
        machine: machine::describe(),
        nodes: node_manifests(&client, &ids, cluster.as_deref()),
    };
    if let Some(cluster) = &cluster {
        cluster.kill_all().await;
    }
    // Last, so that a folder with a manifest is whole.
    manifest.write(&folder.join(file::MANIFEST))?;
    Ok(folder)
}

/// Draws everything about the load that can be drawn before it begins.
fn plan(load: &Load, first_op: u64, rng: &mut ChaCha8Rng) -> Vec<Planned> {
    let due = schedule(load, rng);
    let total: u32 = load.mix.values().sum();
    let kind = |rng: &mut ChaCha8Rng| {
        let mut left = rng.random_range(0..total);
        let chosen = load.mix.iter().find(|(_, weight)| match left.checked_sub(**weight) {
            Some(rest) => {
                left = rest;
                false
            }
            None => true,
        });
        // A number below the sum of the weights falls on one of them.
        *chosen.expect("the weights add up to their sum").0
    };
    (first_op..)
        .zip(due)
        .map(|(op, due_ns)| Planned { op, due_ns, kind: kind(rng), draw: rng.next_u64() })
        .collect()
}

fn make_folder(out: &Path, name: &str, began: SystemTime) -> Result<PathBuf, RunError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| RunError::Folder { path, source }
    };
    fs::create_dir_all(out).map_err(io(out))?;
    // Absolute, because nodes are told paths inside it.
    let out = out.canonicalize().map_err(io(out))?;
    let stamp: String = humantime::format_rfc3339_seconds(began)
        .to_string()
        .chars()
        .filter(|c| c.is_ascii_digit() || *c == 'T')
        .collect();
    let mut number = 1;
    loop {
        let suffix = if number == 1 { String::new() } else { format!("-{number}") };
        let folder = out.join(format!("{name}-{stamp}{suffix}"));
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            Err(e) => return Err(io(&folder)(e)),
        }
    }
}

async fn node_ids(client: &Client, cluster: Option<&ProcessCluster>) -> BTreeMap<String, NodeId> {
    if let Some(cluster) = cluster {
        return cluster.members().iter().map(|member| (member.client.clone(), member.id)).collect();
    }
    let mut ids = BTreeMap::new();
    for address in client.nodes() {
        if let Ok(status) = client.status(address, Duration::from_secs(2)).await {
            ids.insert(address.clone(), status.node);
        }
    }
    ids
}

fn node_manifests(
    client: &Client,
    ids: &BTreeMap<String, NodeId>,
    cluster: Option<&ProcessCluster>,
) -> Vec<NodeManifest> {
    let members = cluster.map(ProcessCluster::members).unwrap_or_default();
    let describe = |address: &String| NodeManifest {
        id: ids.get(address).copied().unwrap_or_default(),
        client_address: address.clone(),
        peer_address: members.iter().find(|member| &member.client == address).map(|m| m.peer.clone()),
    };
    client.nodes().iter().map(describe).collect()
}
