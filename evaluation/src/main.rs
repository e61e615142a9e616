//! The `evaluation` program.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use evaluation::{
    report::{self, Made, summary::Summary, terminal},
    verdict::{EXIT_UNUSABLE, Verdict},
};
use indicatif::ProgressBar;
use loadgen::{
    cli::{Failure, RunArgs, run_scenario},
    cluster::child::{self, ChildArgs},
};

/// Turns a run into figures, tables, a report and a verdict.
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
    Node(ChildArgs),
}

fn main() -> ExitCode {
    veil::cli::init_tracing();
    let result = match Arguments::parse().command {
        Command::Run { run, json } => match run_scenario(run) {
            Ok(folder) => report(&folder, json),
            Err(Failure::Interrupted) => Ok(Verdict::Inconclusive),
            Err(Failure::Unusable(error)) => Err(error),
        },
        Command::Report { run, json } => report(&run, json),
        Command::Node(node) => return child::main(&node),
    };
    match result {
        Ok(verdict) => verdict.into(),
        Err(error) => {
            eprintln!("error: {}", veil::cli::describe(&error));
            EXIT_UNUSABLE.into()
        }
    }
}

/// Makes the report of a run directory, and prints it in short or as JSON.
fn report(run: &Path, json: bool) -> anyhow::Result<Verdict> {
    // Draws itself on a terminal only.
    let progress = ProgressBar::new_spinner().with_message("making the report");
    progress.enable_steady_tick(Duration::from_millis(100));
    let made = report::make(run);
    progress.finish_and_clear();
    let Made { run, assessment, html } = made?;

    let text =
        if json { Summary::of(&run, &assessment).to_json() } else { terminal::render(&assessment, &html) };
    std::io::stdout().write_all(text.as_bytes()).context("printing the summary")?;
    Ok(assessment.judgement.verdict)
}
