//! The signed-url route under load, beside a bare hyper echo of the same JSON, in one run on one machine.
//!
//! Each server is a process of its own, held to one core; the load comes from the other. A target and the echo take
//! turns, round by round, so that a noisy machine is noisy for both; the ratio printed is the median of the rounds.
//!
//! The route's reply is four times as long as its request, so there is a second measure: hyper that reads the same request
//! and answers with the same reply, made beforehand.
//!
//! ```text
//! cargo bench --bench http              # the whole table, about two minutes
//! cargo bench --bench http -- --quick   # short rounds, to see that it runs
//! cargo bench --bench http -- --beside-parts   # how long another client waits while uploads of 10,000 parts are served
//! ```

#![expect(clippy::print_stdout, reason = "a bench's table is its result")]

mod beside;
mod bodies;
mod echo;
mod load;
#[path = "../support/process.rs"]
mod process;
mod server;

use std::{process::ExitCode, time::Duration};

use bytes::Bytes;

use bodies::{BROUGHT, CONFIGURED};
use load::{Report, Target};
use server::Server;

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
    if let Some(echo) = arguments.iter().position(|argument| argument == "--echo") {
        let answer = arguments.into_iter().nth(echo + 1).map(Bytes::from);
        return echo::serve(answer.as_ref());
    }
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let plan = if quick {
        Plan { rounds: 1, round: Duration::from_secs(1), paced: Duration::from_secs(1), connections: 32 }
    } else {
        Plan { rounds: 5, round: Duration::from_secs(4), paced: Duration::from_secs(10), connections: 32 }
    };
    let is_beside_parts = arguments.iter().any(|argument| argument == "--beside-parts");
    match if is_beside_parts { beside::run(plan.paced) } else { run(plan) } {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            println!("bench failed: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(plan: Plan) -> Result<(), String> {
    process::hold_load_to_its_core()?;
    let wharf = Server::wharf(None)?;
    println!(
        "ready after {:.0} ms, {:.1} MiB resident when idle\n",
        wharf.ready_after_ms(),
        wharf.process.resident_mib()?
    );
    let echo = Server::echo(None)?;

    println!(
        "{:<36} {:>9} {:>9} {:>8} {:>8}",
        "one core each, saturated", "req/s", "of it", "µs CPU", "p99 ms"
    );
    for (name, path, body) in [
        ("signed-url, brought credentials", "/api/v1/upload/s3/signed-url", BROUGHT),
        ("signed-url, configured bucket", "/api/v1/upload/photos/signed-url", CONFIGURED),
    ] {
        let target = Target::new(path, body);
        let reply = load::reply(wharf.address(), &target)?;
        let same_reply = Server::echo(Some(&reply))?;
        let runs = compare([&wharf, &echo, &same_reply], &target, plan)?;
        print_runs([name, "  bare hyper echo, same JSON", "  bare hyper, same request and reply"], &runs);
    }

    println!(
        "\n{:<36} {:>9} {:>9} {:>8} {:>8}",
        "at 10,000 requests a second", "req/s", "p50 ms", "p99 ms", "p99.9"
    );
    for (name, server) in [("signed-url, brought credentials", &wharf), ("bare hyper echo", &echo)] {
        let target = Target::new("/api/v1/upload/s3/signed-url", BROUGHT);
        let report = load::paced(server.address(), &target, 10_000, plan.connections, plan.paced)?;
        println!(
            "{name:<36} {:>9.0} {:>9.2} {:>8.2} {:>8.2}",
            report.per_second(),
            report.latency_ms(0.5),
            report.latency_ms(0.99),
            report.latency_ms(0.999)
        );
    }
    println!("\n{:.1} MiB resident after the load", wharf.process.resident_mib()?);
    Ok(())
}

/// What one server did in each round, with the CPU that it burnt.
type Runs = Vec<(Report, Duration)>;

fn compare(servers: [&Server; 3], target: &Target, plan: Plan) -> Result<[Runs; 3], String> {
    // The first requests fill caches and pools on all sides.
    for server in servers {
        load::saturated(server.address(), target, plan.connections, plan.round / 4)?;
    }
    let mut runs = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..plan.rounds {
        for (server, runs) in servers.iter().zip(&mut runs) {
            let load = || load::saturated(server.address(), target, plan.connections, plan.round);
            runs.push(server.process.cpu_during(load)?);
        }
    }
    Ok(runs)
}

/// One line for each server; "of it" is the first server's share of this one's requests per second.
fn print_runs(names: [&str; 3], runs: &[Runs; 3]) {
    let [first, ..] = runs;
    for (name, own) in names.into_iter().zip(runs) {
        let share = first.iter().zip(own).map(|((first, _), (own, _))| first.per_second() / own.per_second());
        let of_runs = |figure: fn(&(Report, Duration)) -> f64| median(own.iter().map(figure));
        println!(
            "{name:<36} {:>9.0} {:>9.2} {:>8.1} {:>8.2}",
            of_runs(|(report, _)| report.per_second()),
            median(share),
            of_runs(|(report, cpu)| report.micros_each(*cpu)),
            of_runs(|(report, _)| report.latency_ms(0.99)),
        );
    }
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}
