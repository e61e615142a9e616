//! The `loadgen` program.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    loadgen::say::init_tracing();
    match loadgen::say::parse() {
        Ok(cli) => loadgen::cli::main(cli),
        Err(code) => code,
    }
}
