//! The hidden `node` subcommand: this executable as a node, so that a run needs no other program.
//!
//! A node started this way ends with its parent, however the parent ends: it watches its standard
//! input, which the parent holds open, and on Linux the kernel kills it even while it is stopped.

use std::{io::Read, process::ExitCode};

use clap::Args;
use veil::cli::node::{NodeArgs, run};

/// Act as a node of the cluster (used by the process driver).
#[derive(Debug, Args)]
#[command(hide = true)]
pub struct ChildArgs {
    #[command(flatten)]
    node: NodeArgs,
}

/// Runs the node until it is told to stop or its parent is gone.
pub fn main(args: &ChildArgs) -> ExitCode {
    match end_with_parent().map_err(anyhow::Error::from).and_then(|()| run(&args.node)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", veil::cli::describe(&error));
            ExitCode::FAILURE
        }
    }
}

fn end_with_parent() -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    std::thread::Builder::new().name("parent-watch".to_owned()).spawn(|| {
        // Nothing is ever sent: reading ends when the parent does, even if that was long ago.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    })?;
    Ok(())
}
