//! The `loadgen` program, and what the `evaluation` program shares with it.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use tokio::sync::watch;
use veil::{
    cli::trust::{Access, TrustArgs},
    wire::address::AddressList,
};

use crate::{
    cluster::{
        Outside, Security,
        child::{self, NodeCommand},
    },
    fault::table,
    generator::child::{self as generate, GenerateArgs},
    run::{RunError, RunOptions, run},
    scenario::{Driver, Origin, Scenario},
};

/// Load a Veil cluster at a set rate while its nodes are broken on a schedule, and record what happens.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Carry out a scenario and record it in a run directory.
    ///
    /// Starts a cluster on this machine, or loads the one named by --nodes. The run directory is then
    /// judged by `evaluation report`. Exits with 0 when the run is complete, 3 when it was cut short, 2
    /// when it could not begin.
    Run(RunArgs),
    /// List the faults: what each does, and with which drivers.
    Faults {
        /// As JSON, with the keys that each takes in a scenario.
        #[arg(long)]
        json: bool,
    },
    #[command(flatten)]
    Node(NodeCommand),
    Generate(GenerateArgs),
}

/// What to run.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The scenario file.
    pub scenario: PathBuf,
    /// How nodes are started; overrides the scenario.
    #[arg(long, value_name = "DRIVER")]
    pub driver: Option<Driver>,
    /// Where the run's folder is made.
    #[arg(long, default_value = "reports", value_name = "DIR")]
    pub out: PathBuf,
    /// Another seed than the scenario's.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// So many load generators, each with its part of the users; overrides the scenario.
    #[arg(long, value_name = "N")]
    pub generators: Option<u32>,
    /// Whether they run on this machine or in containers inside of the nodes' network; overrides the
    /// scenario.
    #[arg(long, value_name = "ORIGIN")]
    pub load_from: Option<Origin>,
    /// Load the cluster that these nodes belong to instead of starting one. Its scenario can have no
    /// faults.
    #[arg(long, value_name = "HOST:PORT")]
    pub nodes: Option<AddressList>,
    /// By what the nodes of --nodes are known.
    #[command(flatten)]
    pub trust: TrustArgs,
    /// Keep the data folders of the nodes.
    #[arg(long)]
    pub keep_data: bool,
}

/// Why a run has no run directory to judge.
#[derive(Debug)]
pub enum Failure {
    /// Bad usage, scenario or environment: exit code 2.
    Unusable(anyhow::Error),
    /// Stopped by the user before there was anything to record: exit code 3.
    Interrupted,
}

/// Carries out the scenario named on the command line. The first Ctrl-C ends the load and keeps what was
/// recorded, the second ends everything at once; neither leaves a process behind.
///
/// # Errors
/// [`Failure`]
pub fn run_scenario(args: RunArgs) -> Result<PathBuf, Failure> {
    let RunArgs { scenario: path, driver, out, seed, generators, load_from, nodes, trust, keep_data } = args;
    let unusable = |error: anyhow::Error| Failure::Unusable(error);
    let mut scenario = Scenario::load(&path).map_err(|e| unusable(e.into()))?;
    if let Some(driver) = driver {
        scenario.cluster.driver = driver;
    }
    if let Some(seed) = seed {
        scenario.seed = seed;
    }
    if let Some(generators) = generators {
        let split = scenario.load.can_be_split(generators).context("--generators");
        split.map_err(unusable)?;
        scenario.load.generators = generators;
    }
    if let Some(from) = load_from {
        scenario.load.from = from;
    }
    let nodes = nodes.map(AddressList::into_vec);
    let nodes = nodes.map(|nodes| Ok((outside(&nodes, &trust)?, nodes))).transpose().map_err(unusable)?;
    let nodes = nodes.map(|(outside, nodes)| (nodes, outside));
    let name = path.file_stem().map_or("run".to_owned(), |stem| stem.to_string_lossy().into_owned());
    let program = std::env::current_exe().context("cannot find this executable").map_err(unusable)?;
    let options = RunOptions { scenario, name, out, nodes, program, keep_data };
    runtime().map_err(unusable)?.block_on(async {
        let (sender, stop) = watch::channel(false);
        let interrupts = async {
            stop_signal().await?;
            eprintln!("stopping: no further operations; once more ends at once");
            // The run listens as long as this future is polled.
            let _ = sender.send(true);
            stop_signal().await
        };
        tokio::select! {
            done = run(options, stop) => match done {
                Ok(folder) => Ok(folder),
                Err(RunError::Interrupted) => Err(Failure::Interrupted),
                Err(error) => Err(unusable(error.into())),
            },
            // Dropping the run kills its nodes.
            failed = interrupts => match failed {
                Ok(()) => Err(Failure::Interrupted),
                Err(error) => Err(unusable(anyhow::Error::from(error).context("cannot wait for signals"))),
            },
        }
    })
}

/// How the nodes of a cluster that is there already are spoken to.
fn outside(nodes: &[String], trust: &TrustArgs) -> anyhow::Result<Outside> {
    let security = match (trust.authority_file(), trust.fingerprint) {
        _ if trust.plain => Security::Plain,
        (Some(path), _) => {
            Security::Authority(std::fs::read_to_string(&path).with_context(|| path.display().to_string())?)
        }
        (None, Some(fingerprint)) => Security::Fingerprint(fingerprint),
        (None, None) => anyhow::bail!(
            "--nodes: say by what they are known, with --ca, --fingerprint or --operator; or, on loopback, --plain"
        ),
    };
    let operator = match trust.read(nodes)? {
        Access::Plain => None,
        Access::Tls { operator, .. } => operator,
    };
    Ok(Outside { security, operator, ..Outside::plain() })
}

/// What a run, or one of its generators, runs on.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("load")
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

/// Waits for SIGINT or SIGTERM.
async fn stop_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Runs a parsed command line.
pub fn main(cli: Cli) -> ExitCode {
    match cli.command {
        Command::Node(command) => child::main(&command),
        Command::Faults { json } => list_faults(json),
        Command::Generate(args) => generate::main(&args),
        Command::Run(args) => match run_scenario(args) {
            Ok(folder) => finish(&folder),
            Err(Failure::Interrupted) => ExitCode::from(3),
            Err(Failure::Unusable(error)) => {
                eprintln!("loadgen: {}", veil::cli::describe(&error));
                ExitCode::from(2)
            }
        },
    }
}

fn list_faults(json: bool) -> ExitCode {
    match json.then(|| serde_json::to_string_pretty(&table::table())) {
        None => print!("{}", table::text()),
        Some(Ok(text)) => println!("{text}"),
        Some(Err(error)) => {
            eprintln!("loadgen: {error}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn finish(folder: &Path) -> ExitCode {
    println!("{}", folder.display());
    let manifest = crate::record::Manifest::read(&folder.join(crate::record::file::MANIFEST));
    match manifest {
        Ok(manifest) if manifest.complete => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(3),
        Err(error) => {
            eprintln!("loadgen: {error}");
            ExitCode::from(2)
        }
    }
}
