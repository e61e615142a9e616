//! The hidden `generate` subcommand: this executable as one load generator of a run.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::{GenerateError, runtime, serve};
use crate::{record::Counted, say};

/// Act as one load generator of a run, which speaks over standard input and output (used by `run`).
#[derive(Debug, Args)]
#[command(hide = true)]
pub struct GenerateArgs {
    /// The folder that history and latencies are recorded in.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Runs the generator until it is done or the run is gone.
pub fn main(args: &GenerateArgs) -> ExitCode {
    match generate(args) {
        // What went wrong was reported, and the run says it.
        Ok(served) => served.map_or(ExitCode::FAILURE, |_| ExitCode::SUCCESS),
        Err(error) => {
            say::aside(format_args!("generator: {}", say::sentence(&error)));
            ExitCode::FAILURE
        }
    }
}

fn generate(args: &GenerateArgs) -> anyhow::Result<Result<Counted, GenerateError>> {
    // It ends when its standard input closes, and at once with its parent where the kernel sees to that.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let runtime = runtime()?;
    let served = runtime.block_on(serve(args.out.clone(), tokio::io::stdin(), tokio::io::stdout()));
    // The thread that reads standard input cannot be called off.
    runtime.shutdown_background();
    Ok(served)
}
