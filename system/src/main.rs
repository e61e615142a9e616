//! The `veil` program.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    veil::cli::environment::forget_empty_variables();
    veil::cli::init_tracing();
    veil::cli::main(std::env::args_os())
}
