//! One execution of a scenario, from starting the cluster to reading it back.
//!
//! The run starts the cluster, breaks and observes it. The load comes from one [`generator`](crate::generator)
//! within this process, or from several that are started [in some way](Launcher); what these recorded is
//! merged, so that the run directory does not depend on their number.

mod folder;
mod gather;
mod machine;
mod manifest;
mod progress;
mod readback;
mod stages;
mod stillness;
mod team;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{sync::watch, time::Instant};
use veil::{
    client::{Client, ClientError},
    node::{RaftConfig, SealingConfig},
    wire::{tls::TlsError, transport::Network},
};

pub use folder::{is_under_way, make as make_folder};
use progress::Step;
use stillness::Stillness;
pub use team::{Finished, GeneratorError, Tally, Team};

use crate::{
    cluster::{self, Cluster, ClusterError, LinkNeeds, Outside, StartOptions},
    fault::{FaultLog, Progress, inject_all},
    generator::{CONNECTIONS, InProcess, Launcher, Processes, SetUpError, Task, wait_for_leader},
    observe::Observer,
    record::{Counted, Event, RecordError, file, write_events, write_node_samples, write_stage_samples},
    scenario::{Images, Origin, Scenario, ScenarioError},
    workload::{Names, Part},
};

/// The pause between set-up and the first stage, in which the generators hear of the start.
const BREATH: Duration = Duration::from_millis(500);

/// What to run, and where to.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The scenario.
    pub scenario: Scenario,
    /// Its file's name without folder and ending; run folders are named after it.
    pub name: String,
    /// Where the run's folder is made.
    pub out: PathBuf,
    /// Nodes of a cluster that is there already, and how they are spoken to; without them one is started.
    pub nodes: Option<(Vec<String>, Outside)>,
    /// The executable that acts as a node, see [`crate::cluster::child`], and as a generator, see
    /// [`crate::generator::child`].
    pub program: PathBuf,
    /// Keep the nodes' data folders.
    pub keep_data: bool,
}

/// Why a run could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The scenario cannot be carried out like this.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
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
    /// The nodes cannot be spoken to.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No address to connect to.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The cluster does not serve.
    #[error(transparent)]
    SetUp(#[from] SetUpError),
    /// A load generator does not get ready.
    #[error(transparent)]
    Generator(#[from] GeneratorError),
    /// Faults need nodes that the run has started itself.
    #[error(
        "the scenario has faults, and a cluster that is already there is not ours to break: leave out --nodes"
    )]
    NotOurs,
    /// The network of a cluster that is there already is not known.
    #[error("the load cannot come from inside of a cluster that is already there: leave out --nodes")]
    NoInside,
    /// The user gave up before the load began.
    #[error("interrupted before the load began")]
    Interrupted,
}

/// Carries out a scenario and records it. Gives the run's folder.
///
/// When `stop` says so, the load ends early; what was recorded is kept and marked as incomplete.
/// Dropping the future kills all nodes and generators that were started.
///
/// # Errors
/// [`RunError`]; nothing that was started is left.
pub async fn run(mut options: RunOptions, stop: watch::Receiver<bool>) -> Result<PathBuf, RunError> {
    options.scenario = options.scenario.settle()?;
    if options.nodes.is_some() && !options.scenario.faults.is_empty() {
        return Err(RunError::NotOurs);
    }
    if options.nodes.is_some() && options.scenario.load.from == Origin::Inside {
        return Err(RunError::NoInside);
    }
    let (began, began_at) = (SystemTime::now(), Instant::now());
    let folder = folder::make(&options.out, &options.name, began)?;
    let scenario = &options.scenario;
    let _under_way = folder::begin(&folder, &scenario.to_toml()).inspect_err(|_| folder::discard(&folder))?;
    let mut interrupted = stop.clone();
    let ready = tokio::select! {
        ready = get_ready(&options, &folder) => ready,
        _ = interrupted.wait_for(|stop| *stop) => Err(RunError::Interrupted),
    };
    let Ready { cluster, network, client, mut team, parts } =
        ready.inspect_err(|_| folder::discard(&folder))?;

    let (start, started) = (Instant::now() + BREATH, SystemTime::now() + BREATH);
    team.start(start.into_std()).await?;
    let observer = Observer::begin(network, client.nodes(), start)?;
    let stillness = Stillness::watch();
    let mut ended = load(scenario, cluster.as_ref(), team, &observer, start, &stop).await;
    let stood_still = stillness.longest();
    if let Some(cluster) = &cluster {
        let killed = cluster.out_of_memory().await.into_iter();
        ended.failures.extend(killed.map(|id| format!("n{id} was killed by the kernel: out of memory")));
    }

    let step = Step::begin("reading every node back");
    let ids = manifest::node_ids(&client, cluster.as_deref()).await;
    let readback = readback::read_back(&client, &ids).await;
    let stages = stages::ask(&client, &ids).await;
    drop(step);
    let observed = observer.finish();
    let nodes = manifest::nodes(&client, &ids, cluster.as_deref());
    let description = cluster.as_ref().map(|cluster| cluster.describe());
    // Before anything is written: with the nodes goes what they have stored, and there may be no other room left.
    if let Some(cluster) = cluster {
        cluster.end().await;
    }

    readback.write(&folder.join(file::READBACK))?;
    write_stage_samples(&folder.join(file::STAGES), &stages)?;
    write_node_samples(&folder.join(file::NODES), &observed.samples)?;
    let mut events: Vec<Event> = ended.events.into_iter().chain(observed.leaders).collect();
    events.sort_by(|a, b| a.completed_s.total_cmp(&b.completed_s));
    write_events(&folder.join(file::EVENTS), &events)?;
    let gathered = gather::gather(&folder, &parts, ended.counted, started)?;
    ended.failures.extend(gathered.flaws);

    let was_stopped = *stop.borrow();
    let interrupted = match (was_stopped, ended.failures.is_empty()) {
        (true, _) => Some("stopped by the user".to_owned()),
        (false, true) => None,
        (false, false) => Some(manifest::in_short(&ended.failures)),
    };
    let made = manifest::Made {
        began,
        first_request_s: manifest::first_request_s(&folder.join(file::HISTORY), start - began_at),
        description,
        nodes,
        history: gathered.history,
        stood_still,
    };
    let manifest = manifest::describe(&options, &folder, made, interrupted);
    // Last, so that a folder with a manifest is whole.
    manifest.write(&folder.join(file::MANIFEST))?;
    Ok(folder)
}

/// All is there that the load needs.
struct Ready {
    /// Unless it was there before.
    cluster: Option<Arc<dyn Cluster>>,
    network: Arc<dyn Network>,
    client: Client,
    team: Team,
    /// Where each generator records; none, if the only one records in the run's folder.
    parts: Vec<PathBuf>,
}

/// Starts cluster and generators, and waits until the users are registered.
async fn get_ready(options: &RunOptions, folder: &Path) -> Result<Ready, RunError> {
    let RunOptions { scenario, nodes, program, keep_data, .. } = options;
    let step = Step::begin(if nodes.is_some() { "connecting" } else { "starting the cluster" });
    let cluster = match nodes {
        Some(_) => None,
        None => {
            let needs = scenario.faults.iter().map(|fault| fault.kind.link_needs());
            let options = StartOptions {
                nodes: scenario.cluster.nodes,
                founders: scenario.cluster.nodes,
                folder: folder.join("nodes"),
                program: program.clone(),
                raft: RaftConfig::default(),
                sealing: SealingConfig::default(),
                seed: scenario.seed,
                links: needs.max().unwrap_or(LinkNeeds::None),
                tls: scenario.cluster.tls,
                limits: scenario.cluster.limits,
                slow_disk: scenario.cluster.slow_disk,
                keep_data: *keep_data,
            };
            Some(cluster::start(scenario.cluster.driver, options).await?)
        }
    };
    let (addresses, outside) = match (&cluster, nodes) {
        (Some(cluster), _) => {
            (cluster.members().iter().map(|member| member.client.clone()).collect(), cluster.outside())
        }
        (None, nodes) => nodes.clone().unwrap_or_else(|| (Vec::new(), Outside::plain())),
    };
    let network = outside.network()?;
    let client = Client::new(network.clone(), addresses, CONNECTIONS)?;
    wait_for_leader(&client).await?;
    drop(step);
    if cluster.is_some() {
        let _step = Step::begin("letting the disk come to rest");
        machine::flush().await;
    }

    // Of a cluster that was there before others may make use too, before, after and meanwhile.
    let names = if cluster.is_some() { Names::default() } else { Names::of_this_run() };
    let _step = Step::begin(format!("registering {} users", scenario.load.clients));
    let task = |part| Task {
        part,
        scenario: scenario.to_toml(),
        nodes: client.nodes().to_vec(),
        routes: outside.routes.clone().into_iter().collect(),
        security: outside.security.clone(),
        names,
        registrar: outside.registrar.clone(),
    };
    let (team, parts) = match launcher(options, cluster.as_deref()) {
        // It shares this process, and needs no folder of its own.
        None => {
            let alone = vec![(task(Part::WHOLE), folder.to_owned())];
            (Team::assemble(&InProcess, alone).await?, Vec::new())
        }
        Some(launcher) => {
            let make = |part: Part| Ok((task(part), folder::make_part(folder, &part.to_string())?));
            let tasks =
                Part::all(scenario.load.generators).map(make).collect::<Result<Vec<_>, RunError>>()?;
            let parts = tasks.iter().map(|(_, folder)| folder.clone()).collect();
            (Team::assemble(&*launcher, tasks).await?, parts)
        }
    };
    Ok(Ready { cluster, network, client, team, parts })
}

/// How the generators are started; `None`, if there is one, which shares this process.
fn launcher(options: &RunOptions, cluster: Option<&dyn Cluster>) -> Option<Box<dyn Launcher>> {
    let load = &options.scenario.load;
    match load.from {
        // Only a scenario whose cluster has an inside says so.
        Origin::Inside => {
            let folders = match &load.images {
                Images::Folder(folder) => vec![folder.clone()],
                Images::Photos => Vec::new(),
            };
            cluster.and_then(|cluster| cluster.inside(folders))
        }
        Origin::Outside if load.generators > 1 => {
            Some(Box::new(Processes { program: options.program.clone() }))
        }
        Origin::Outside => None,
    }
}

/// What there is to tell of a load that is over.
struct Ended {
    /// Faults and heals.
    events: Vec<Event>,
    /// What was not done as the scenario says.
    failures: Vec<String>,
    /// How much each generator has recorded.
    counted: Vec<Option<Counted>>,
}

/// Lets the generators load the cluster while faults strike it, until both are over.
async fn load(
    scenario: &Scenario,
    cluster: Option<&Arc<dyn Cluster>>,
    team: Team,
    observer: &Observer,
    start: Instant,
    stop: &watch::Receiver<bool>,
) -> Ended {
    let (progress, seen) = watch::channel(Progress::UnderWay);
    let faults = async {
        match cluster {
            Some(cluster) => {
                let leadership = observer.leadership();
                inject_all(&scenario.faults, scenario.seed, cluster.clone(), leadership, start, seen).await
            }
            None => FaultLog::default(),
        }
    };
    let leadership = observer.leadership();
    let showing = tokio::spawn(progress::show(scenario.load.clone(), start, team.tally(), leadership));
    let loading = async {
        let end = start + scenario.load.length();
        let mut stopped = stop.clone();
        let over = async {
            tokio::select! {
                // Nobody is to wait for what a fault holds up when the user wants to end,
                Ok(_) = stopped.wait_for(|stop| *stop) => progress.send_replace(Progress::CutShort),
                // nor when there is no more load: what is unanswered then may be so because of the fault.
                () = tokio::time::sleep_until(end) => progress.send_replace(Progress::Over),
            };
            std::future::pending().await
        };
        let finished = tokio::select! {
            finished = team.finish(stop.clone()) => finished,
            never = over => never,
        };
        // Where no generator is left there is no load, even if there was to be more.
        progress.send_if_modified(|now| {
            let is_early = *now == Progress::UnderWay;
            *now = if is_early { Progress::CutShort } else { *now };
            is_early
        });
        finished
    };
    let (Finished { wrong, counted }, FaultLog { events, failures }) = tokio::join!(loading, faults);
    showing.abort();
    let generators = wrong.into_iter().map(|failure| failure.to_string());
    Ended { events, failures: generators.chain(failures).collect(), counted }
}
