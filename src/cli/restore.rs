//! `wharf restore`: makes a bucket complete from one of its mirrors, or says what that would take.

use std::{fmt::Write as _, io::Write, sync::Arc};

use clap::Args;

use super::{
    CliError, one_mirror,
    opened::{Opened, no_provider, origins},
    sync::{PaceArguments, Ticker},
};
use crate::{
    clock::Clock,
    config::{Config, checked::BucketConfig},
    mirror::{
        resync::{Restore, RestoreOptions, Restored, Route, other_mirrors},
        state::Side,
    },
};

/// What `wharf restore` takes.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line do not depend on one another")]
pub struct Arguments {
    /// The bucket's name in the configuration.
    bucket: String,
    /// The mirror that objects come from.
    #[arg(long, value_name = "NAME")]
    from: String,
    /// Only keys that begin with this.
    #[arg(long, value_name = "PREFIX", default_value = "")]
    prefix: String,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Replace objects that differ, and keep the bucket's own as `KEY.conflict-TIME`. Without it they are only counted.
    #[arg(long)]
    overwrite: bool,
    /// Restore also what has changed through Wharf since it was mirrored. It may have been deleted.
    #[arg(long)]
    stale: bool,
    #[command(flatten)]
    pace: PaceArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Walks and restores. What comes before the end goes to `notes`.
pub async fn run(
    arguments: &Arguments,
    config: &Config,
    clock: Clock,
    (out, notes): (&mut impl Write, &mut impl Write),
    stop: impl Future<Output = ()>,
) -> Result<(), CliError> {
    let bucket = super::configured(config, &arguments.bucket)?.0;
    let mirror = one_mirror(bucket, &arguments.from)?;
    let origins = origins(config, clock)?;
    let route = Route::new(bucket, mirror, &origins, Side::Mirror).ok_or_else(no_provider)?;
    let opened = Opened::beside(config, clock).await?;
    let restored = tokio::select! {
        restored = restore(arguments, bucket, &route, &opened, notes) => restored,
        () = stop => Err(CliError::Refused("stopped; what was restored stays, and the next one passes over it".to_owned())),
    };
    opened.close().await;
    let restored = restored?;
    let text = if arguments.json {
        serde_json::to_string(&restored).map_err(|error| CliError::Output(error.into()))? + "\n"
    } else {
        report(arguments, &restored)
    };
    Ok(out.write_all(text.as_bytes())?)
}

async fn restore(
    arguments: &Arguments,
    bucket: &BucketConfig,
    route: &Route,
    opened: &Opened,
    notes: &mut impl Write,
) -> Result<Restored, CliError> {
    let names = bucket.mirrors.iter().map(|mirror| Arc::clone(&mirror.name));
    let options = RestoreOptions {
        prefix: arguments.prefix.clone(),
        rates: arguments.pace.rates(),
        overwrites: arguments.overwrite,
        takes_stale: arguments.stale,
        other_mirrors: other_mirrors(names, &route.mirror),
    };
    let restore = Restore {
        route,
        journal: opened.journal(),
        clock: opened.clock(),
        drain: opened.work(),
        options: &options,
    };
    let mut ticker = Ticker::new();
    let observe = |done: &Restored, key: &str| ticker.tell(&line(done, key), notes);
    let ended = restore.run(arguments.dry_run, observe).await;
    ticker.end(notes);
    Ok(ended?)
}

fn line(done: &Restored, key: &str) -> String {
    let key: String = key.escape_default().take(60).collect();
    format!("compared {} keys up to {key}; {} restored", done.totals.keys, done.restored + done.replaced)
}

fn report(arguments: &Arguments, done: &Restored) -> String {
    let Restored { totals, restored, replaced, kept, stale, overtaken, failed } = done;
    let mut text = format!(
        "{} keys compared, {} equal, {} missing, {} different, {} in the bucket alone\n",
        totals.keys, totals.equal, totals.missing, totals.different, totals.extra
    );
    // Writing to a String does not fail.
    let _ = if arguments.dry_run {
        writeln!(text, "{} bytes would be restored or replaced", totals.bytes)
    } else {
        writeln!(text, "{restored} restored, {replaced} replaced")
    };
    let mut note = |count: u64, what: &str| {
        let _ = if count > 0 { writeln!(text, "{count} {what}") } else { Ok(()) };
    };
    note(*kept, "differ and stayed as they are: --overwrite replaces them, and keeps what was there");
    note(
        *stale,
        "have changed since they were mirrored, and were not restored: --stale restores them as they were",
    );
    note(*failed, "cannot be restored; the log says why");
    note(*overtaken, "were written to the bucket meanwhile, and stayed so");
    text
}
