//! What etcd does on this machine, measured as Veil is: see `README.md`.

mod cluster;
mod failover;
mod member;
mod throughput;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

/// Measures a cluster of three etcd processes on this machine.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Puts and linearizable gets a second: closed loop, each client with one request outstanding.
    Throughput(throughput::Arguments),
    /// How long nobody is served when the leader is killed: open loop, longest gap between successes.
    Failover(failover::Arguments),
    /// Becomes an etcd process that ends with its parent.
    #[command(hide = true)]
    Member(member::Arguments),
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    if let Command::Member(arguments) = &command {
        return Err(member::become_etcd(arguments));
    }
    // As many threads as the clients of Veil's bench have.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let mut terminated = signal(SignalKind::terminate())?;
        // What is dropped half-way takes its processes and its folder along.
        tokio::select! {
            measured = measure(&command) => measured.map(|()| ExitCode::SUCCESS),
            _ = tokio::signal::ctrl_c() => Ok(ExitCode::from(130)),
            _ = terminated.recv() => Ok(ExitCode::from(143)),
        }
    })
}

async fn measure(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Throughput(arguments) => throughput::measure(arguments).await,
        Command::Failover(arguments) => failover::measure(arguments).await,
        Command::Member(_) => Ok(()),
    }
}
