//! The `loadgen` program, and what the `evaluation` program shares with it.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
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
        OperatorFiles, Outside, Security,
        child::{self, NodeCommand},
    },
    fault::table,
    generator::child::{self as generate, GenerateArgs},
    run::{RunError, RunOptions, run},
    say,
    scenario::{Driver, Origin, Scenario},
    signals::Stops,
};

/// How long what was called off may take to end.
const ENDING: Duration = Duration::from_secs(2);
/// A file's name has 255 bytes; time and number come behind it.
const MAX_RUN_NAME: usize = 200;

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
/// recorded, the second ends everything at once; neither leaves a process behind. So does whatever else ends a terminal
/// or a session.
///
/// # Errors
/// [`Failure`]
pub fn run_scenario(args: RunArgs) -> Result<PathBuf, Failure> {
    let RunArgs { scenario: path, driver, out, seed, generators, load_from, nodes, trust, keep_data } = args;
    let unusable = |error: anyhow::Error| Failure::Unusable(error);
    if path.as_os_str() == "-" {
        let reason = "-: a scenario is a file; standard input is one by the name of /dev/stdin";
        return Err(unusable(anyhow::Error::msg(reason)));
    }
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
    let program = std::env::current_exe().context("cannot find this executable").map_err(unusable)?;
    let options = RunOptions { scenario, name: run_name(&path), out, nodes, program, keep_data };
    let runtime = runtime().map_err(unusable)?;
    let result = runtime.block_on(async {
        let mut stops = Stops::listen().context("cannot wait for signals").map_err(unusable)?;
        let (sender, stop) = watch::channel(false);
        let interrupts = async {
            stops.next().await;
            say::aside("stopping: no further operations; once more ends at once");
            // The run listens as long as this future is polled.
            let _ = sender.send(true);
            stops.next().await;
        };
        tokio::select! {
            done = run(options, stop) => match done {
                Ok(folder) => Ok(folder),
                Err(RunError::Interrupted) => Err(Failure::Interrupted),
                Err(error) => Err(unusable(error.into())),
            },
            // Dropping the run kills its nodes.
            () = interrupts => Err(Failure::Interrupted),
        }
    });
    // Nobody waits for what cannot be called off, such as a disk.
    runtime.shutdown_timeout(ENDING);
    result
}

/// A run's folder is named after its scenario's file, as far as a name of a folder can be so long and is to be read.
fn run_name(scenario: &Path) -> String {
    let stem = scenario.file_stem().unwrap_or_default().to_string_lossy();
    let shown = stem.chars().map(|c| if c.is_control() { '-' } else { c });
    let mut name = String::new();
    for c in shown {
        if name.len() + c.len_utf8() > MAX_RUN_NAME {
            break;
        }
        name.push(c);
    }
    if name.is_empty() { "run".to_owned() } else { name }
}

/// From now on whatever ends a session ends this program with exit code 3, after it has said `what` is not there.
pub fn end_on_signals(what: String) {
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            let Ok(mut stops) = Stops::listen() else { return };
            stops.next().await;
            say::aside(what);
            std::process::exit(3);
        });
    });
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
    let registrar = trust.operator.as_deref().filter(|_| !trust.plain).map(operator_files).transpose()?;
    Ok(Outside { security, operator, registrar, ..Outside::plain() })
}

/// What lies in an operator's folder. It can be used, as it was read before.
fn operator_files(folder: &Path) -> anyhow::Result<OperatorFiles> {
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read_to_string(&path).with_context(|| path.display().to_string())
    };
    Ok(OperatorFiles { certificate: read("operator.pem")?, key: read("operator.key")? })
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

/// Runs a parsed command line.
pub fn main(cli: Cli) -> ExitCode {
    match cli.command {
        Command::Node(command) => child::main(&command),
        Command::Faults { json } => list_faults(json),
        Command::Generate(args) => generate::main(&args),
        Command::Run(args) => match run_scenario(args) {
            Ok(folder) => finish(&folder),
            Err(Failure::Interrupted) => ExitCode::from(3),
            Err(Failure::Unusable(error)) => unusable(&error),
        },
    }
}

/// Says why nothing came of it.
fn unusable(error: &anyhow::Error) -> ExitCode {
    say::aside(format_args!("loadgen: {}", say::sentence(error)));
    ExitCode::from(2)
}

fn list_faults(json: bool) -> ExitCode {
    let text = match json.then(|| serde_json::to_string_pretty(&table::table())) {
        None => Ok(table::text()),
        Some(text) => text.map(|text| text + "\n"),
    };
    let printed = text.map_err(anyhow::Error::from).and_then(|text| Ok(say::print(&text)?));
    printed.map_or_else(|error| unusable(&error), |()| ExitCode::SUCCESS)
}

fn finish(folder: &Path) -> ExitCode {
    if let Err(error) = say::print(&format!("{}\n", folder.display())) {
        let recorded =
            anyhow::Error::from(error).context(format!("the run is recorded in {}", folder.display()));
        return unusable(&recorded);
    }
    let manifest = crate::record::Manifest::read(&folder.join(crate::record::file::MANIFEST));
    match manifest {
        Ok(manifest) if manifest.complete => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(3),
        Err(error) => unusable(&error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

    use super::*;

    #[test]
    fn a_scenario_of_any_name_has_a_folder_that_can_be_made_and_read() {
        let of = |name: &[u8]| run_name(&Path::new("some folder").join(OsStr::from_bytes(name)));
        assert_eq!(of(b"leader-kill.toml"), "leader-kill");
        assert_eq!(of(b"a:b, c"), "a:b, c");
        assert_eq!(of(b"a\x1b[2J\nb.toml"), "a-[2J-b");
        assert_eq!(of(b"\xff\xfe.toml"), "\u{fffd}\u{fffd}");
        assert_eq!(run_name(Path::new("..")), "run");
        let long = of("ä".repeat(125).as_bytes());
        assert!(long.len() <= MAX_RUN_NAME && long.chars().all(|c| c == 'ä'), "{long}");
    }
}
