//! `kill -9`, again and again: Wharf as a process of its own between real stores, under load, killed at a named point.
//!
//! ```text
//! writers (8, overlapping keys) ──▶ wharf serve ──▶ primary ◀── where the bucket was before
//!                                      │ killed at its N-th pass of a crash point, started again
//!                                      └── workers ──▶ mirrors
//! ```
//!
//! The writers go on whatever happens, and note what was acknowledged. Some of their keys are still where the bucket was
//! before, and are read, deleted and written over. After the last cycle Wharf may drain; then the
//! stores are held against each other, key by key and byte by byte, and against what was acknowledged. Of writes that
//! overlapped, or whose outcome their client never learned, any may have won; but the stores have to agree.
//!
//! `just kill` runs it. It prints its seed, and how often each point was passed and was the end of a process.

#![expect(clippy::print_stdout, reason = "it is run by hand and by scripts, which read what it prints")]
#![expect(clippy::print_stderr, reason = "so does it say what went wrong")]

mod arguments;
mod check;
mod client;
mod content;
mod cycle;
mod history;
mod process;
mod random;
mod victim;
mod writer;

use std::{env, process::ExitCode};

use self::arguments::Arguments;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if let Some((first, rest)) = arguments.split_first()
        && first == victim::COMMAND
    {
        return runtime.block_on(victim::serve(rest));
    }
    if !Arguments::have_stores(&arguments) {
        println!("not run: it needs stores, which `just kill` starts\n\n{}", arguments::USAGE);
        return ExitCode::SUCCESS;
    }
    let arguments = match Arguments::parse(&arguments) {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!("{problem}\n\n{}", arguments::USAGE);
            return ExitCode::from(2);
        }
    };
    match runtime.block_on(cycle::run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("seed {}: {problem}", arguments.seed);
            ExitCode::FAILURE
        }
    }
}
