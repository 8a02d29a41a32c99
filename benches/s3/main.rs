//! What the S3 endpoint costs: CPU time for small objects and for big ones, beside nginx's plain `proxy_pass` and beside
//! other S3 gateways, in one run on one machine.
//!
//! Each server is a process of its own, held to one core. Load and origin share the other: the origin throws away
//! what is put and makes up what is got. The servers take turns, round by round, so that a noisy machine is noisy for all;
//! a figure is the median of the rounds. What is counted is the CPU time of the server's process, not the throughput,
//! which the load bounds as well.
//!
//! nginx forwards and does no more: it verifies nothing, and signs nothing anew. Of the other gateways `s3s-proxy` stands
//! before the same origin; `rclone serve s3` serves a folder in memory and asks nobody behind it; that of
//! `SeaweedFS` (`weed s3`) asks its own store, whose time is not counted. Whatever is not on the path is skipped.
//!
//! ```text
//! cargo bench --bench s3              # the whole table, some ten minutes
//! cargo bench --bench s3 -- --quick   # small objects in place of big ones, one round
//! cargo bench --bench s3 -- --memory  # 64 uploads and 64 downloads of 1 GiB at once: what Wharf holds
//! ```

#![expect(clippy::print_stdout, reason = "a bench's table is its result")]

mod load;
mod origin;
#[path = "../support/process.rs"]
mod process;
mod request;
mod servers;
mod table;

use std::{process::ExitCode, sync::Arc};

use tokio::runtime::Runtime;

use load::Peer;
use request::{Mode, Object, Prepared};
use servers::{Cores, Server, signer};
use table::{Contender, Measure, Work};

const MIB: u64 = 1024 * 1024;

/// How much is done in this run.
#[derive(Debug, Clone, Copy)]
struct Plan {
    rounds: usize,
    small_requests: usize,
    big_bytes: u64,
}

/// Streams of the run that measures memory, in each direction.
const STREAMS: usize = 64;

fn main() -> ExitCode {
    let has = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    let plan = if has("--quick") {
        Plan { rounds: 1, small_requests: 4000, big_bytes: 64 * MIB }
    } else {
        Plan { rounds: 3, small_requests: 10_000, big_bytes: 1024 * MIB }
    };
    let result = if has("--memory") { memory(plan) } else { cost(plan) };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            println!("bench failed: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn runtime() -> Result<Runtime, String> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())
}

fn cost(plan: Plan) -> Result<(), String> {
    process::hold_load_to_its_core()?;
    let runtime = runtime()?;
    let origin = runtime.block_on(origin::start())?;
    let wharf = Server::wharf(origin, false, Cores::One)?;
    let wharf_tls = Server::wharf(origin, true, Cores::One)?;
    let mut contenders = Vec::new();
    let nginx = table::unless_absent("nginx", Server::nginx(origin));
    if let Some(nginx) = &nginx {
        contenders.extend(Contender::of("nginx proxy_pass", nginx, nginx.plain.as_ref(), Mode::Plain));
    }
    for (name, mode) in [
        ("Wharf, presigned", Mode::Presigned),
        ("Wharf, signed hash", Mode::Hashed),
        ("Wharf, chunks with a CRC-32", Mode::Trailer),
    ] {
        contenders.extend(Contender::of(name, &wharf, wharf.plain.as_ref(), mode));
    }
    if let Some(nginx) = &nginx {
        contenders.extend(Contender::of("nginx proxy_pass, TLS", nginx, nginx.tls.as_ref(), Mode::Plain));
    }
    contenders.extend(Contender::of(
        "Wharf, TLS, presigned",
        &wharf_tls,
        wharf_tls.tls.as_ref(),
        Mode::Presigned,
    ));
    let others = [
        ("s3s-proxy, presigned", Server::s3s_proxy(origin)),
        ("rclone serve s3, presigned", Server::rclone()),
        ("weed s3, presigned", Server::seaweedfs()),
    ]
    .map(|(name, server)| (name, table::unless_absent(name, server)));
    for (name, server) in &others {
        let Some(server) = server else { continue };
        contenders.extend(Contender::of(name, server, server.plain.as_ref(), Mode::Presigned));
    }
    make_buckets(&runtime, &contenders);
    let works = [
        Work { measure: Measure::SmallPut, streams: 32, requests: plan.small_requests, bytes: 4096 },
        Work { measure: Measure::SmallGet, streams: 32, requests: plan.small_requests, bytes: 4096 },
        Work { measure: Measure::BigPut, streams: 2, requests: 2, bytes: plan.big_bytes },
        Work { measure: Measure::BigGet, streams: 2, requests: 2, bytes: plan.big_bytes },
    ];
    for work in works {
        table::measure(&runtime, &mut contenders, work, plan.rounds)?;
    }
    table::print(&contenders);
    println!("\nWharf held {:.1} MiB at most.", wharf.process.resident_peak_mib()?);
    Ok(())
}

/// Whoever has a store of their own wants a bucket; the others may say what they like.
fn make_buckets(runtime: &Runtime, contenders: &[Contender<'_>]) {
    for contender in contenders {
        let make = || {
            let request: Arc<[Prepared]> = Arc::new([signer(contender.peer)?.make_bucket()?]);
            runtime.block_on(load::run(contender.peer, vec![request], 1))
        };
        make().unwrap_or_default();
    }
}

/// 64 uploads and 64 downloads at once, with all cores, as in real life.
fn memory(plan: Plan) -> Result<(), String> {
    let runtime = runtime()?;
    let origin = runtime.block_on(origin::start())?;
    let wharf = Server::wharf(origin, false, Cores::All)?;
    let peer = wharf.plain.clone().ok_or("no plain door")?;
    let idle = wharf.process.resident_mib()?;
    let lists = memory_lists(&peer, plan.big_bytes)?;
    let ((), cpu) = wharf.process.cpu_during(|| runtime.block_on(load::run(&peer, lists, 1)))?;
    println!(
        "{STREAMS} uploads and {STREAMS} downloads of {} MiB at once: {:.1} MiB resident at most, {idle:.1} MiB when idle; {:.1} s of CPU",
        plan.big_bytes / MIB,
        wharf.process.resident_peak_mib()?,
        cpu.as_secs_f64(),
    );
    Ok(())
}

fn memory_lists(peer: &Peer, bytes: u64) -> Result<Vec<Arc<[Prepared]>>, String> {
    let signer = signer(peer)?;
    let list = |index| {
        let object = Object { bytes, index };
        let puts = index % 2 == 0;
        let request =
            if puts { signer.put(Mode::Presigned, object) } else { signer.get(Mode::Presigned, object) };
        request.map(|request| Arc::from([request]))
    };
    (0..STREAMS * 2).map(list).collect()
}
