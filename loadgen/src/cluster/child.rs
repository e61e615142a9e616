//! The hidden subcommands that make this executable a node, so that neither a run nor a container needs
//! another program.

use std::process::ExitCode;

use clap::Subcommand;
use veil::cli::{
    cluster::{self, ClusterCommand},
    health::{self, HealthArgs},
    lifeline::end_with_parent,
    node::{self, NodeArgs},
};

use crate::say;

/// What this executable does as a node of a cluster. `loadgen` and `evaluation` both understand it.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// As `veil node`: serves until it is told to stop (used in containers).
    #[command(hide = true)]
    Node(NodeArgs),
    /// As `veil health` (used in containers).
    #[command(hide = true)]
    Health(HealthArgs),
    /// As `veil cluster` (used in containers).
    #[command(hide = true, subcommand)]
    Cluster(ClusterCommand),
    /// A node that ends with its parent, however the parent ends (used by the process driver).
    ///
    /// It watches its standard input, which the parent holds open, and on Linux the kernel kills it
    /// even while it is stopped.
    #[command(hide = true)]
    Child(NodeArgs),
    /// Does nothing until it is told to stop: it keeps a volume that lives in memory (used in containers).
    #[command(hide = true)]
    Hold,
}

/// Does what was asked: 0 done, 1 failed.
pub fn main(command: &NodeCommand) -> ExitCode {
    let done = match command {
        NodeCommand::Node(args) => node::run(args),
        NodeCommand::Health(args) => health::run(args),
        NodeCommand::Cluster(command) => cluster::run(command),
        NodeCommand::Child(args) => {
            end_with_parent().map_err(anyhow::Error::from).and_then(|()| node::run(args))
        }
        NodeCommand::Hold => hold(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::aside(say::sentence(&error));
            ExitCode::FAILURE
        }
    }
}

/// Waits for a signal: as the first process of a container, this one gets none that it does not ask for.
fn hold() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::terminate()).map(|mut terminate| async move { terminate.recv().await })?.await;
        Ok::<_, std::io::Error>(())
    })?)
}
