//! What the journal costs a write: an intent that is durable, with 1 and with 64 callers, as fast as they can and at paces
//! that leave the machine air; and what a million dirty keys do to that, to a claim and to a look at the backlog.
//! `cargo bench --bench journal [-- million]`
//!
//! The database is SQLite in the working directory's target folder, or in `$TMPDIR` when that is set: what is measured is
//! largely the disk, so each figure stands beside that of a bare write and fdatasync in the same place.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench that cannot start has no figures, and says them on the terminal"
)]

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::time::{sleep, sleep_until};
use wharf::{
    clock::Clock,
    config::checked::StoreConfig,
    mirror::state::{Change, Finish, Outcome},
    server::Drain,
    store::{Journal, Mirrors, NewIntent, Store},
};

const BUCKET: &str = "photos";
const MIRROR: &str = "spare";
const DIRTY_KEYS: usize = 1_000_000;
const KEYS_AT_ONCE: usize = 1_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let folder = tempfile::tempdir_in(place()).unwrap();
    let drain = Drain::default();
    let config = StoreConfig {
        url: None,
        timeout: Duration::from_secs(10),
        lease: Duration::from_secs(30),
        late_effect: Duration::from_mins(5),
    };
    let store = Store::open(&config, folder.path(), Clock::System, &drain).await.unwrap();
    println!("{:46} {:>9} {:>9} {:>9} {:>11}", "", "p50 µs", "p99 µs", "max µs", "per second");
    show("write and fdatasync of 4 KiB, alone", &bare_writes(folder.path()));
    show("intent, 1 caller", &intents(store.journal(), 1, Pace::Saturated, 500).await);
    show("intent, 64 callers", &intents(store.journal(), 64, Pace::Saturated, 200).await);
    for per_second in [500.0, 1000.0, 2000.0, 4000.0] {
        let measured = intents(store.journal(), 64, Pace::Each(64.0 / per_second), 100).await;
        show(&format!("intent, 64 callers, {per_second} a second in all"), &measured);
    }
    clear(store.journal()).await;
    if env::args().any(|argument| argument == "million") {
        million(store.journal()).await;
    }
    drain.finish(Duration::from_secs(30)).await;
}

fn place() -> PathBuf {
    let place = env::temp_dir();
    if place == Path::new("/tmp") { Path::new(env!("CARGO_MANIFEST_DIR")).join("target") } else { place }
}

/// What was measured: each call, and all of them together.
struct Measured {
    calls: Histogram<u64>,
    took: Duration,
}

fn show(what: &str, measured: &Measured) {
    let Measured { calls, took } = measured;
    let [middle, high] = [0.5, 0.99].map(|quantile| calls.value_at_quantile(quantile));
    let rate = calls.len() as f64 / took.as_secs_f64();
    println!("{what:46} {middle:>9} {high:>9} {:>9} {rate:>11.0}", calls.max());
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

fn bare_writes(folder: &Path) -> Measured {
    let mut file = fs::File::create(folder.join("bare")).unwrap();
    let (mut calls, began) = (Histogram::new(3).unwrap(), Instant::now());
    for _ in 0..500 {
        let asked = Instant::now();
        file.write_all(&[1; 4096]).unwrap();
        file.sync_data().unwrap();
        calls.record(micros(asked)).unwrap();
    }
    Measured { calls, took: began.elapsed() }
}

/// When a caller asks again.
#[derive(Clone, Copy)]
enum Pace {
    /// At once.
    Saturated,
    /// So many seconds after it asked last.
    Each(f64),
}

async fn intents(journal: &Journal, callers: usize, pace: Pace, each: usize) -> Measured {
    let began = Instant::now();
    let task = |caller| tokio::spawn(open_and_settle(journal.clone(), caller, pace, each));
    let tasks: Vec<_> = (0..callers).map(task).collect();
    let mut calls = Histogram::new(3).unwrap();
    for task in tasks {
        calls.add(task.await.unwrap()).unwrap();
    }
    Measured { calls, took: began.elapsed() }
}

async fn open_and_settle(journal: Journal, caller: usize, pace: Pace, each: usize) -> Histogram<u64> {
    let mirrors: Mirrors = Arc::from([Arc::from(MIRROR)]);
    let mut calls = Histogram::new(3).unwrap();
    if let Pace::Each(seconds) = pace {
        // Callers do not ask all at once.
        sleep(Duration::from_secs_f64(seconds * caller as f64 / 64.0)).await;
    }
    let mut due = tokio::time::Instant::now();
    for count in 0..each {
        if let Pace::Each(seconds) = pace {
            sleep_until(due).await;
            due += Duration::from_secs_f64(seconds);
        }
        let key = format!("uploads/{caller}/{count}.jpg");
        let new =
            NewIntent { bucket: BUCKET, key: &key, change: Change::Write, mirrors: &mirrors, taken_by: None };
        let asked = Instant::now();
        let intents = journal.open_intents(&[new]).await.unwrap();
        calls.record(micros(asked)).unwrap();
        for intent in intents {
            intent.settle(Outcome::Changed);
        }
    }
    calls
}

/// As the workers of a mirror would.
async fn clear(journal: &Journal) {
    let (mut keys, began) = (0_usize, Instant::now());
    loop {
        let claims = journal.claim(BUCKET, MIRROR, 256).await.unwrap();
        if claims.is_empty() {
            break;
        }
        keys += claims.len();
        let ends = claims.into_iter().map(|claim| journal.finish(claim, Finish::Clean(None), ""));
        futures_util::future::try_join_all(ends).await.unwrap();
    }
    println!("claimed and cleared {:.0} keys a second", keys as f64 / began.elapsed().as_secs_f64());
}

async fn million(journal: &Journal) {
    let mirrors: Mirrors = Arc::from([Arc::from(MIRROR)]);
    let before = resident_mebibytes();
    let began = Instant::now();
    for chunk in 0..DIRTY_KEYS / KEYS_AT_ONCE {
        let keys: Vec<_> = (0..KEYS_AT_ONCE).map(|key| format!("archive/{chunk:06}/{key:06}.jpg")).collect();
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        journal.mark_dirty(BUCKET, &mirrors, &keys, Change::Write).await.unwrap();
    }
    println!("{DIRTY_KEYS} keys made dirty in {:.0} s", began.elapsed().as_secs_f64());
    show("intent, 64 callers, a million dirty keys", &intents(journal, 64, Pace::Saturated, 200).await);
    let (mut backlogs, mut claims) = (Histogram::new(3).unwrap(), Histogram::new(3).unwrap());
    let began = Instant::now();
    for _ in 0..50 {
        let asked = Instant::now();
        assert_eq!(journal.backlog().await.unwrap().len(), 1);
        backlogs.record(micros(asked)).unwrap();
        let asked = Instant::now();
        assert_eq!(journal.claim(BUCKET, MIRROR, 64).await.unwrap().len(), 64);
        claims.record(micros(asked)).unwrap();
    }
    let took = began.elapsed();
    show("backlog", &Measured { calls: backlogs, took });
    show("claim of 64", &Measured { calls: claims, took });
    println!("memory: {before} MiB before, {} MiB after", resident_mebibytes());
}

fn resident_mebibytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
}
