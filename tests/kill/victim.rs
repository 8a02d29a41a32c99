//! The process that is killed: `wharf serve` with a hook at the crash points. It kills itself, so that nothing happens
//! between the point and its end; what it passed stands in a file, as nothing in it survives.

use std::{
    fs::File,
    io::Write,
    path::PathBuf,
    process::ExitCode,
    sync::{
        OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use rustix::process::{Signal, getpid, kill_process};
use wharf::{
    cli::{self, Cli, Command},
    config::Environment,
    mirror::crash_point::{self, Point},
};

/// The first argument of the process to be killed: `victim CONFIG PASSED [POINT PASS]`.
pub(crate) const COMMAND: &str = "victim";

static PASSED: OnceLock<File> = OnceLock::new();
static POINT: AtomicUsize = AtomicUsize::new(usize::MAX);
static PASSES_LEFT: AtomicU64 = AtomicU64::new(0);

/// Serves, until it is told to stop or comes to its end.
pub(crate) async fn serve(arguments: &[String]) -> ExitCode {
    let [config, passed, end @ ..] = arguments else { return ExitCode::from(2) };
    let file = File::options().append(true).create(true).open(passed).expect("a file for what was passed");
    PASSED.set(file).expect("it is set once");
    if let [point, pass] = end {
        let point = Point::parse(point).expect("a crash point");
        PASSES_LEFT.store(pass.parse().expect("a number"), Ordering::SeqCst);
        POINT.store(point as usize, Ordering::SeqCst);
    }
    crash_point::install(pass);
    let cli = Cli { config: Some(PathBuf::from(config)), command: Some(Command::Serve) };
    match cli::run(cli, Environment::of_process()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("victim: {error}");
            ExitCode::FAILURE
        }
    }
}

fn pass(point: Point) {
    let index = u8::try_from(point as usize).expect("few points");
    if let Some(mut file) = PASSED.get() {
        file.write_all(&[index]).expect("what was passed can be written");
    }
    let is_end =
        POINT.load(Ordering::SeqCst) == usize::from(index) && PASSES_LEFT.fetch_sub(1, Ordering::SeqCst) == 1;
    if is_end {
        kill_process(getpid(), Signal::KILL).expect("a process may kill itself");
    }
}
