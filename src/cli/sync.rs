//! `wharf sync`: makes the mirrors of a bucket complete, or says what that would take.

use std::{
    fmt::Write as _,
    io::{IsTerminal, Write},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use clap::Args;
use serde::Serialize;
use tokio::time::Instant;

use super::{
    CliError, one_mirror,
    opened::{Opened, no_provider, origins},
};
use crate::{
    clock::{self, Clock},
    config::{
        Config,
        checked::{BucketConfig, MirrorConfig},
    },
    mirror::{
        resync::{Complete, Options, Progress, Rates, Route, Stage, Threshold, Totals},
        state::Side,
    },
};

/// Rows that may wait for the workers while more are made.
const WAITING_MAX: u64 = 5000;
/// Bytes of a gigabyte, as providers bill them.
const GIGABYTE: f64 = 1e9;

/// What `wharf sync` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The bucket's name in the configuration.
    bucket: String,
    /// One of its mirrors; all of them when nothing is said.
    #[arg(long, value_name = "NAME")]
    mirror: Option<String>,
    /// Only keys that begin with this. The mirror is not taken for complete afterwards.
    #[arg(long, value_name = "PREFIX", default_value = "")]
    prefix: String,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Delete what a mirror has alone.
    #[arg(long)]
    delete: bool,
    /// The most objects to delete: a number, or a part of what the mirror has (`5%`). Without it 100 objects, and 1 %.
    #[arg(long, value_name = "N|N%", requires = "delete")]
    delete_max: Option<Threshold>,
    #[command(flatten)]
    pace: PaceArguments,
    /// What a gigabyte costs that leaves the primary, for an estimate. Look it up in your contract: it depends on where
    /// the bytes go, on how many there are a month, and on the year.
    #[arg(long, value_name = "PRICE")]
    egress_price: Option<f64>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// How fast a walk may go.
#[derive(Debug, Args)]
pub(super) struct PaceArguments {
    /// Requests a second of the walk itself: listings, and questions about single objects.
    #[arg(long, value_name = "N")]
    requests_per_second: Option<NonZeroU32>,
    /// Bytes a second of the objects that are copied, on the average.
    #[arg(long, value_name = "BYTES")]
    bytes_per_second: Option<u64>,
}

impl PaceArguments {
    pub(super) fn rates(&self) -> Rates {
        Rates {
            requests_per_second: self.requests_per_second.map(NonZeroU32::get),
            bytes_per_second: self.bytes_per_second,
        }
    }
}

/// What is printed of a mirror.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    bucket: &'a str,
    mirror: &'a str,
    dry_run: bool,
    /// What the walk has seen.
    #[serde(flatten)]
    totals: Totals,
    /// What was given to the workers to be deleted.
    deleted: u64,
    /// What the workers have given up, whenever that was.
    dead: u64,
    egress_cost: Option<f64>,
}

/// Walks each mirror in turn. What comes before the end goes to `notes`; some keys that were given up are an error.
pub async fn run(
    arguments: &Arguments,
    config: &Arc<Config>,
    clock: Clock,
    (out, notes): (&mut impl Write, &mut impl Write),
    stop: impl Future<Output = ()>,
) -> Result<(), CliError> {
    let bucket = super::configured(config, &arguments.bucket)?.0;
    let mirrors = chosen(bucket, arguments.mirror.as_deref())?;
    let mut opened = Opened::beside(config, clock).await?;
    let walked = async {
        let origins = Arc::new(origins(config, clock)?);
        if !arguments.dry_run {
            opened.start_workers(config, &origins, &bucket.name);
        }
        let mut dead = 0;
        for mirror in mirrors {
            let route = Route::new(bucket, mirror, &origins, Side::Primary).ok_or_else(no_provider)?;
            let progress = walk(arguments, &route, &opened, notes).await?;
            dead += progress.dead();
            let text = if arguments.json {
                json(arguments, &route, &progress)?
            } else {
                report(arguments, &route, &progress)
            };
            out.write_all(text.as_bytes())?;
        }
        Ok(dead)
    };
    let ended = tokio::select! {
        walked = walked => walked,
        () = stop => Err(CliError::Refused("stopped; the next sync goes on from here".to_owned())),
    };
    opened.close().await;
    match ended? {
        0 => Ok(()),
        dead => {
            Err(CliError::Refused(format!("keys that were given up: {dead}; `wharf mirror dead` says why")))
        }
    }
}

fn chosen<'a>(bucket: &'a BucketConfig, name: Option<&str>) -> Result<Vec<&'a MirrorConfig>, CliError> {
    if let Some(name) = name {
        return Ok(vec![one_mirror(bucket, name)?]);
    }
    if bucket.mirrors.is_empty() {
        let name = &bucket.name;
        let advice = format!("the bucket `{name}` has no mirrors; add [[buckets.{name}.mirrors]]");
        return Err(CliError::Refused(advice));
    }
    Ok(bucket.mirrors.iter().collect())
}

async fn walk(
    arguments: &Arguments,
    route: &Route,
    opened: &Opened,
    notes: &mut impl Write,
) -> Result<Progress, CliError> {
    let options = Options {
        prefix: arguments.prefix.clone(),
        rates: arguments.pace.rates(),
        waiting_max: WAITING_MAX,
        deletions: arguments.delete.then_some(arguments.delete_max.unwrap_or(Threshold::Default)),
    };
    let complete = Complete::new(route, opened.journal(), opened.clock(), &options);
    let mut ticker = Ticker::new();
    let observe = |progress: &Progress| ticker.tell(&line(route, progress), notes);
    let ended =
        if arguments.dry_run { complete.rehearse(observe).await } else { complete.run(observe).await };
    ticker.end(notes);
    Ok(ended?)
}

/// Tells how far something is: on a terminal in one line that is written anew, else in a line now and then. A walk does not
/// know how much there is, so there is no bar that could fill.
#[derive(Debug)]
pub(super) struct Ticker {
    is_terminal: bool,
    next: Instant,
    has_told: bool,
}

impl Ticker {
    pub(super) fn new() -> Self {
        Self { is_terminal: std::io::stderr().is_terminal(), next: clock::instant(), has_told: false }
    }

    pub(super) fn tell(&mut self, line: &str, notes: &mut impl Write) {
        let now = clock::instant();
        if now < self.next {
            return;
        }
        self.next = now + Duration::from_millis(if self.is_terminal { 200 } else { 10_000 });
        self.has_told = true;
        // Whoever does not read it misses nothing that matters.
        let _ = if self.is_terminal { write!(notes, "\r\u{1b}[K{line}") } else { writeln!(notes, "{line}") };
        let _ = notes.flush();
    }

    pub(super) fn end(&mut self, notes: &mut impl Write) {
        if self.is_terminal && self.has_told {
            let _ = writeln!(notes);
        }
    }
}

fn line(route: &Route, progress: &Progress) -> String {
    let Progress { stage, key, totals, backlog, requests, .. } = progress;
    let mirror = &route.mirror;
    match stage {
        Stage::Copying => {
            format!("{mirror}: compared {} keys; {} wait to be copied", totals.keys, backlog.waiting)
        }
        Stage::Walking | Stage::Deleting | Stage::Complete => {
            let key: String = key.escape_default().take(60).collect();
            format!(
                "{mirror}: compared {} keys up to {key}; {} missing, {} different; {} wait to be copied; {requests} requests",
                totals.keys, totals.missing, totals.different, backlog.waiting,
            )
        }
    }
}

fn json(arguments: &Arguments, route: &Route, progress: &Progress) -> Result<String, CliError> {
    let answer = Answer {
        bucket: &route.bucket,
        mirror: &route.mirror,
        dry_run: arguments.dry_run,
        totals: progress.totals,
        deleted: progress.deleted,
        dead: progress.dead(),
        egress_cost: arguments.egress_price.map(|price| cost(progress.totals.bytes, price)),
    };
    let text = serde_json::to_string(&answer).map_err(|error| CliError::Output(error.into()))?;
    Ok(text + "\n")
}

#[expect(clippy::cast_precision_loss, reason = "an estimate in money, of a number far below 2^53")]
fn cost(bytes: u64, price: f64) -> f64 {
    bytes as f64 / GIGABYTE * price
}

fn report(arguments: &Arguments, route: &Route, progress: &Progress) -> String {
    let Progress { totals, deleted, .. } = progress;
    let differ = totals.missing + totals.different;
    let mut text = format!(
        "{} → {}: {} keys compared, {} equal, {} missing, {} different, {} at the mirror alone\n",
        route.bucket, route.mirror, totals.keys, totals.equal, totals.missing, totals.different, totals.extra,
    );
    let verb = if arguments.dry_run { "would be copied" } else { "copied" };
    // Writing to a String does not fail.
    let _ = writeln!(
        text,
        "{differ} objects of {} bytes {verb}; about {} requests that read and {} that write",
        totals.bytes, totals.reads, totals.writes
    );
    match arguments.egress_price {
        Some(price) => {
            let _ = writeln!(text, "egress at {price} a gigabyte: about {:.2}", cost(totals.bytes, price));
        }
        None if arguments.dry_run && totals.bytes > 0 => {
            text.push_str("what leaves the primary is billed as egress: --egress-price makes an estimate\n");
        }
        None => {}
    }
    let _ = match (totals.extra, arguments.delete, arguments.dry_run) {
        (0, ..) => Ok(()),
        (_, false, _) => writeln!(text, "what the mirror has alone stays: --delete deletes it"),
        (extra, true, true) => writeln!(text, "{extra} would be deleted at the mirror"),
        (_, true, false) => writeln!(text, "{deleted} deleted at the mirror"),
    };
    text
}
