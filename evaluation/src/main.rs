//! The `evaluation` program.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use evaluation::{
    foreign_text,
    overlay::{self, MAX_RUNS, MIN_RUNS},
    report::{self, Made, summary::Summary, terminal},
    verdict::{EXIT_UNUSABLE, Verdict},
};
use indicatif::ProgressBar;
use loadgen::{
    cli::{Failure, RunArgs, end_on_signals, run_scenario},
    cluster::child::{self, NodeCommand},
    generator::child::{self as generate, GenerateArgs},
    say,
};

/// Turns runs into figures, tables, reports and verdicts.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  all checks and limits hold
  1  one does not
  2  bad usage, scenario or environment, or a run directory that cannot be read or written
  3  inconclusive: nothing failed, but the run does not show what it was to show";

const OVERLAY_EXIT_CODES: &str = "\
Exit codes:
  0  the overlay was made
  2  fewer than two runs, a run directory that cannot be read, or a folder that cannot be written";

#[derive(Debug, Subcommand)]
enum Command {
    /// Carry out a scenario and judge it.
    ///
    /// Starts a cluster on this machine, loads it, breaks it as the scenario says, reads every node
    /// back, and makes the report. Neither Docker nor root is needed. Ctrl-C ends the load early and
    /// judges what there is; a second one ends everything at once.
    #[command(after_help = EXIT_CODES)]
    Run {
        #[command(flatten)]
        run: RunArgs,
        /// Print summary.json instead of a few lines for people.
        #[arg(long)]
        json: bool,
    },
    /// Make every derived file of a run directory again: report, figures, tables, summary.
    ///
    /// Reads nothing but the directory, and replaces report.html, report.md, summary.json,
    /// failover.csv, timeseries.csv and the figures in it.
    #[command(after_help = EXIT_CODES)]
    Report {
        /// The run directory, as a run left it.
        run: PathBuf,
        /// Print summary.json instead of a few lines for people.
        #[arg(long)]
        json: bool,
    },
    /// Lay runs of one scenario over one another, for instance one by process and one by Docker.
    ///
    /// Makes one page, overlay.html, with goodput, latency and faults of all runs on one time axis,
    /// aligned at the start of the first stage; latency by percentile, a line a run; and a table side
    /// by side, with the ratio to the first run. Beside it the figures as PNG and SVG, overlay.md, and
    /// overlay.csv. Runs whose scenarios differ (seed, load, faults) are laid over one another too,
    /// and the page says that it is not like with like. Nothing is judged.
    #[command(after_help = OVERLAY_EXIT_CODES)]
    Overlay {
        /// Run directories; the others are compared with the first.
        #[arg(value_name = "RUN", required = true, num_args = MIN_RUNS..=MAX_RUNS)]
        runs: Vec<PathBuf>,
        /// The folder to write; made if missing. Without it a new one is made beside the first run,
        /// overlay-<UTC time>.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Print the table as JSON instead of a few lines for people.
        #[arg(long)]
        json: bool,
    },
    #[command(flatten)]
    Node(NodeCommand),
    Generate(GenerateArgs),
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    say::init_tracing();
    let arguments: Arguments = match say::parse() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let result = match arguments.command {
        Command::Run { run, json } => match run_scenario(run) {
            Ok(folder) => {
                let folder_name = foreign_text::line(&folder.display().to_string());
                end_on_signals(format!("no report was made; `evaluation report {folder_name}` makes it"));
                report(&folder, json)
            }
            Err(Failure::Interrupted) => Ok(Verdict::Inconclusive.into()),
            Err(Failure::Unusable(error)) => Err(error),
        },
        Command::Overlay { runs, out, json } => overlay(&runs, out.as_deref(), json),
        Command::Report { run, json } => report(&run, json),
        Command::Node(node) => return child::main(&node),
        Command::Generate(generator) => return generate::main(&generator),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            say::aside(format_args!("error: {}", foreign_text::lines(&say::sentence(&error))));
            EXIT_UNUSABLE.into()
        }
    }
}

/// Makes the report of a run directory, and prints it in short or as JSON.
fn report(run: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let Made { run, assessment, html } = show("making the report", || report::make(run))?;

    let text =
        if json { Summary::of(&run, &assessment).to_json() } else { terminal::render(&assessment, &html) };
    say::print(&text).with_context(|| format!("the report is {}", html.display()))?;
    Ok(assessment.judgement.verdict.into())
}

/// Lays runs over one another, and prints the table in short or as JSON.
fn overlay(runs: &[PathBuf], out: Option<&Path>, json: bool) -> anyhow::Result<ExitCode> {
    let overlay::Made { overlay, html } = show("making the overlay", || overlay::make(runs, out))?;
    let text = if json {
        overlay::json::render(&overlay, &html)
    } else {
        overlay::terminal::render(&overlay, &html)
    };
    say::print(&text).with_context(|| format!("the overlay is {}", html.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Does something, and shows on a terminal that it does.
fn show<T>(message: &'static str, work: impl FnOnce() -> T) -> T {
    // Draws itself on a terminal only.
    let progress = ProgressBar::new_spinner().with_message(message);
    progress.enable_steady_tick(Duration::from_millis(100));
    let done = work();
    progress.finish_and_clear();
    done
}
