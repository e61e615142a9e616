//! The `veil` program.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    veil::cli::init_tracing();
    veil::cli::run(veil::cli::Cli::parse())
}
