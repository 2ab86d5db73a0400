//! The `daybook` command: reads the arguments, builds the runtime, runs, exits. Names no crate but those that the tests
//! depend on too: they build this file again, with their own features.

use std::process::ExitCode;

/// Posting makes and frees many small values, many of them made by one thread and freed by another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let command = match applier::cli::parse(std::env::args_os()) {
        Ok(command) => command,
        Err(exit) => return exit,
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error D0101: start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(applier::cli::run(command))
}
