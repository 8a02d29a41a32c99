//! The `wharf` binary: what the command line asks for, run to its end. `wharf` alone serves.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;
use mimalloc::MiMalloc;
use wharf::{
    cli::{self, Cli},
    config::Environment,
};

/// A request makes many small allocations: the system's allocator took about a twentieth of its time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli::run(cli, Environment::of_process()).await {
        Ok(code) => code,
        Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when standard error is closed.
            let _ = writeln!(io::stderr(), "wharf: {error}");
            ExitCode::FAILURE
        }
    }
}
