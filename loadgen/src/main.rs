//! The `loadgen` program.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    veil::cli::init_tracing();
    loadgen::cli::main(loadgen::cli::Cli::parse())
}
