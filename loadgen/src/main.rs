//! The `loadgen` program.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    veil::cli::environment::forget_empty_variables();
    loadgen::say::init_tracing();
    match loadgen::say::parse() {
        Ok(cli) => loadgen::cli::main(cli),
        Err(code) => code,
    }
}
