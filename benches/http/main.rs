//! The signed-url route under load, beside a bare hyper echo of the same JSON, in one run on one machine.
//!
//! Each server is a process of its own, held to one core; the load comes from the other. A target and the echo take
//! turns, round by round, so that a noisy machine is noisy for both; the ratio printed is the median of the rounds.
//!
//! ```text
//! cargo bench --bench http              # the whole table, about two minutes
//! cargo bench --bench http -- --quick   # short rounds, to see that it runs
//! ```

#![expect(clippy::print_stdout, reason = "a bench's table is its result")]

mod bodies;
mod echo;
mod load;
mod process;

use std::{process::ExitCode, time::Duration};

use bodies::{BROUGHT, CONFIGURED};
use load::{Report, Target};
use process::Server;

/// How long things take in this run.
#[derive(Clone, Copy)]
struct Plan {
    rounds: usize,
    round: Duration,
    paced: Duration,
    connections: usize,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "--echo") {
        return echo::serve();
    }
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let plan = if quick {
        Plan { rounds: 1, round: Duration::from_secs(1), paced: Duration::from_secs(1), connections: 32 }
    } else {
        Plan { rounds: 5, round: Duration::from_secs(4), paced: Duration::from_secs(10), connections: 32 }
    };
    match run(plan) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            println!("bench failed: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(plan: Plan) -> Result<(), String> {
    process::hold_load_to_its_core()?;
    let wharf = Server::wharf()?;
    println!(
        "ready after {:.0} ms, {:.1} MiB resident when idle\n",
        wharf.ready_after_ms(),
        wharf.resident_mib()?
    );
    let echo = Server::echo()?;

    println!(
        "{:<34} {:>9} {:>9} {:>8} {:>8}",
        "one core each, saturated", "req/s", "of echo", "µs CPU", "p99 ms"
    );
    for (name, path, body) in [
        ("signed-url, brought credentials", "/api/v1/upload/s3/signed-url", BROUGHT),
        ("signed-url, configured bucket", "/api/v1/upload/photos/signed-url", CONFIGURED),
    ] {
        let rounds = compare(&wharf, &echo, &Target::new(path, body), plan)?;
        print_rounds(name, rounds);
    }

    println!(
        "\n{:<34} {:>9} {:>9} {:>8} {:>8}",
        "at 10,000 requests a second", "req/s", "p50 ms", "p99 ms", "p99.9"
    );
    for (name, server) in [("signed-url, brought credentials", &wharf), ("bare hyper echo", &echo)] {
        let target = Target::new("/api/v1/upload/s3/signed-url", BROUGHT);
        let report = load::paced(server.address(), &target, 10_000, plan.connections, plan.paced)?;
        println!(
            "{name:<34} {:>9.0} {:>9.2} {:>8.2} {:>8.2}",
            report.per_second(),
            report.latency_ms(0.5),
            report.latency_ms(0.99),
            report.latency_ms(0.999)
        );
    }
    println!("\n{:.1} MiB resident after the load", wharf.resident_mib()?);
    Ok(())
}

/// One round of a target and of the echo, with the CPU that each server burnt.
struct Round {
    wharf: Report,
    wharf_cpu: Duration,
    echo: Report,
    echo_cpu: Duration,
}

fn compare(wharf: &Server, echo: &Server, target: &Target, plan: Plan) -> Result<Vec<Round>, String> {
    // The first requests fill caches and pools on both sides.
    load::saturated(wharf.address(), target, plan.connections, plan.round / 4)?;
    load::saturated(echo.address(), target, plan.connections, plan.round / 4)?;
    let mut rounds = Vec::new();
    for _ in 0..plan.rounds {
        let (wharf, wharf_cpu) =
            wharf.cpu_during(|| load::saturated(wharf.address(), target, plan.connections, plan.round))?;
        let (echo, echo_cpu) =
            echo.cpu_during(|| load::saturated(echo.address(), target, plan.connections, plan.round))?;
        rounds.push(Round { wharf, wharf_cpu, echo, echo_cpu });
    }
    Ok(rounds)
}

fn print_rounds(name: &str, mut rounds: Vec<Round>) {
    let ratio = |round: &Round| round.wharf.per_second() / round.echo.per_second();
    rounds.sort_by(|a, b| ratio(a).total_cmp(&ratio(b)));
    let Some(median) = rounds.get(rounds.len() / 2) else { return };
    println!(
        "{name:<34} {:>9.0} {:>9.2} {:>8.1} {:>8.2}",
        median.wharf.per_second(),
        ratio(median),
        median.wharf.micros_each(median.wharf_cpu),
        median.wharf.latency_ms(0.99)
    );
    println!(
        "{:<34} {:>9.0} {:>9} {:>8.1} {:>8.2}",
        "  bare hyper echo, same JSON",
        median.echo.per_second(),
        "1.00",
        median.echo.micros_each(median.echo_cpu),
        median.echo.latency_ms(0.99)
    );
}
