//! `wharf mirror`: how mirrors stand, which keys were given up and why, and another try for them.
//!
//! It looks into the database beside a running gateway.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    io::{self, Write},
};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{CliError, opened::Opened};
use crate::{
    clock::Clock,
    config::Config,
    mirror::{
        report::{self, DeadStatus, MirrorStatus, TroubleStatus},
        state::Class,
    },
    store::DeadFilter,
};

/// Dead letters that are read from the database at once.
const PAGE: u32 = 500;

/// What `wharf mirror` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: MirrorCommand,
}

#[derive(Debug, Subcommand)]
enum MirrorCommand {
    /// Show how each mirror stands: keys that it lacks, how old the oldest is, what was given up, how far it is complete.
    Status(StatusArguments),
    /// List the keys that were given up, with the cause.
    Dead(DeadArguments),
    /// Try keys again that were given up.
    Redrive(FilterArguments),
}

#[derive(Debug, Args)]
struct StatusArguments {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct DeadArguments {
    #[command(flatten)]
    filter: FilterArguments,
    /// Print JSON, one line for each key.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct FilterArguments {
    /// Only this bucket's, by its name in the configuration.
    #[arg(long, value_name = "NAME")]
    bucket: Option<String>,
    /// Only this mirror's.
    #[arg(long, value_name = "NAME")]
    mirror: Option<String>,
    /// Only this key.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Only keys that failed in this way: auth, permanent, absence, …
    #[arg(long, value_name = "CLASS", value_parser = class)]
    class: Option<Class>,
}

fn class(name: &str) -> Result<Class, String> {
    let known = Class::ALL.map(Class::as_str).join(", ");
    Class::parse(name).ok_or_else(|| format!("the classes are {known}"))
}

impl FilterArguments {
    fn filter(&self) -> DeadFilter {
        DeadFilter {
            bucket: self.bucket.clone(),
            mirror: self.mirror.clone(),
            key: self.key.clone(),
            class: self.class,
        }
    }

    /// Under a mistyped name nothing was ever given up, which would look as if all were well.
    fn refuse_unknown(&self, mirrors: &[MirrorStatus]) -> Result<(), CliError> {
        let buckets = mirrors.iter().map(|mirror| &mirror.bucket).collect();
        refuse_other_than(&buckets, "bucket with mirrors", self.bucket.as_ref())?;
        let of_bucket =
            |mirror: &&MirrorStatus| self.bucket.as_ref().is_none_or(|name| *name == mirror.bucket);
        let names = mirrors.iter().filter(of_bucket).map(|mirror| &mirror.mirror).collect();
        refuse_other_than(&names, "mirror", self.mirror.as_ref())
    }
}

fn refuse_other_than(
    known: &BTreeSet<&String>,
    what: &'static str,
    name: Option<&String>,
) -> Result<(), CliError> {
    match name {
        Some(name) if !known.contains(name) => {
            let known = known.iter().map(|name| (*name).clone()).collect();
            Err(CliError::Unknown { what, name: name.clone(), known })
        }
        Some(_) | None => Ok(()),
    }
}

/// Does what `arguments` say.
pub async fn run(
    arguments: &Arguments,
    config: &Config,
    clock: Clock,
    out: &mut impl Write,
) -> Result<(), CliError> {
    let opened = Opened::beside(config, clock).await?;
    let done = done(&arguments.command, config, &opened, out).await;
    opened.close().await;
    done
}

async fn done(
    command: &MirrorCommand,
    config: &Config,
    opened: &Opened,
    out: &mut impl Write,
) -> Result<(), CliError> {
    let mirrors = report::status(config, opened.journal(), opened.clock().now()).await?;
    match command {
        MirrorCommand::Status(arguments) => status(arguments, &mirrors, out),
        MirrorCommand::Dead(arguments) => {
            arguments.filter.refuse_unknown(&mirrors)?;
            dead(arguments, opened, out).await
        }
        MirrorCommand::Redrive(filter) => {
            filter.refuse_unknown(&mirrors)?;
            redrive(filter, opened, out).await
        }
    }
}

fn status(
    arguments: &StatusArguments,
    mirrors: &[MirrorStatus],
    out: &mut impl Write,
) -> Result<(), CliError> {
    if arguments.json {
        return Ok(writeln!(out, "{}", pretty(&mirrors)?)?);
    }
    if mirrors.is_empty() {
        return Ok(writeln!(out, "no bucket has mirrors")?);
    }
    Ok(out.write_all(table(mirrors).as_bytes())?)
}

async fn dead(arguments: &DeadArguments, opened: &Opened, out: &mut impl Write) -> Result<(), CliError> {
    let filter = arguments.filter.filter();
    let mut after = None;
    loop {
        let (letters, last) = report::dead(opened.journal(), &filter, after.as_ref(), PAGE).await?;
        if letters.is_empty() && after.is_none() && !arguments.json {
            return Ok(writeln!(out, "no key was given up")?);
        }
        for letter in &letters {
            let line = if arguments.json {
                serde_json::to_string(letter).map_err(|error| CliError::Output(error.into()))?
            } else {
                dead_line(letter)
            };
            writeln!(out, "{line}")?;
        }
        if last.is_none() {
            return Ok(());
        }
        after = last;
    }
}

async fn redrive(arguments: &FilterArguments, opened: &Opened, out: &mut impl Write) -> Result<(), CliError> {
    let redriven = opened.journal().redrive(&arguments.filter()).await?;
    Ok(writeln!(out, "keys that are due again: {redriven}")?)
}

fn pretty(answer: &impl Serialize) -> Result<String, CliError> {
    serde_json::to_string_pretty(answer).map_err(|error| CliError::Output(io::Error::from(error)))
}

/// A key may hold anything, and a terminal obeys some of it.
fn dead_line(letter: &DeadStatus) -> String {
    let DeadStatus { bucket, mirror, key, class, error, attempts, since } = letter;
    format!("{bucket} → {mirror}  {key:?}  {class}, tried {attempts} times since {since}: {error:?}")
}

fn table(status: &[MirrorStatus]) -> String {
    let mut text =
        format!("{:<28}{:>10}{:>10}{:>8}  {}\n", "bucket → mirror", "dirty", "lag", "dead", "complete");
    for mirror in status {
        let name = format!("{} → {}", mirror.bucket, mirror.mirror);
        let dead: u64 = mirror.dead.values().sum();
        let lag = duration(mirror.lag_seconds);
        // Writing to a String does not fail.
        let _ = writeln!(text, "{name:<28}{:>10}{lag:>10}{dead:>8}  {}", mirror.dirty, complete(mirror));
        if let Some(TroubleStatus { class, error, next_try }) = &mirror.trouble {
            let _ = writeln!(text, "{:<28}it is left alone until {next_try}: {class}, {error:?}", "");
        }
        for (class, count) in &mirror.dead {
            let _ = writeln!(text, "{:<28}{count:>28}  {class}", "");
        }
    }
    text
}

fn complete(mirror: &MirrorStatus) -> String {
    if mirror.provider.is_none() {
        return "not configured any more".to_owned();
    }
    let sync = &mirror.sync;
    let last = sync.completed_at.as_ref().map_or("never".to_owned(), |at| format!("since {at}"));
    match (&sync.under_way_since, &sync.key) {
        (Some(since), Some(key)) => format!("{last}; a sync of {since} has come to {key:?}"),
        (Some(since), None) => format!("{last}; a sync began {since}"),
        (None, _) => last,
    }
}

/// `3 s`, `12 min`, `5 h`, `2 d`
fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::mirror::report::SyncStatus;

    use super::*;

    #[test]
    fn the_table_shows_what_lacks_and_why() {
        let status = [
            MirrorStatus {
                bucket: "photos".to_owned(),
                mirror: "spare".to_owned(),
                provider: Some("wasabi".to_owned()),
                dirty: 12,
                lag_seconds: 7300,
                held: 0,
                dead: BTreeMap::from([("permanent".to_owned(), 3)]),
                trouble: Some(TroubleStatus {
                    class: "auth",
                    error: "the target answered 403".to_owned(),
                    next_try: "2013-05-24T00:05:00.000Z".to_owned(),
                }),
                sync: SyncStatus {
                    completed_at: None,
                    under_way_since: Some("2013-05-24T00:00:00.000Z".to_owned()),
                    key: Some("a\u{1b}[2J".to_owned()),
                },
            },
            MirrorStatus {
                bucket: "photos".to_owned(),
                mirror: "old".to_owned(),
                provider: None,
                dirty: 0,
                lag_seconds: 0,
                held: 0,
                dead: BTreeMap::new(),
                trouble: None,
                sync: SyncStatus::default(),
            },
        ];
        assert_eq!(
            table(&status),
            "bucket → mirror                  dirty       lag    dead  complete\n\
             photos → spare                      12       2 h       3  never; a sync of 2013-05-24T00:00:00.000Z has \
             come to \"a\\u{1b}[2J\"\n\
             \x20                           it is left alone until 2013-05-24T00:05:00.000Z: auth, \"the target \
             answered 403\"\n\
             \x20                                                      3  permanent\n\
             photos → old                         0       0 s       0  not configured any more\n"
        );
    }

    #[test]
    fn a_name_that_no_mirror_bears_is_refused() {
        let mirror = |bucket: &str, mirror: &str| MirrorStatus {
            bucket: bucket.to_owned(),
            mirror: mirror.to_owned(),
            provider: None,
            dirty: 0,
            lag_seconds: 0,
            held: 0,
            dead: BTreeMap::new(),
            trouble: None,
            sync: SyncStatus::default(),
        };
        let mirrors = [mirror("photos", "spare"), mirror("films", "attic")];
        let refusal = |bucket: Option<&str>, mirror: Option<&str>| {
            let (bucket, mirror) = (bucket.map(str::to_owned), mirror.map(str::to_owned));
            let filter = FilterArguments { bucket, mirror, key: None, class: None };
            filter.refuse_unknown(&mirrors).err().map(|error| error.to_string())
        };
        assert_eq!(refusal(None, None), None);
        assert_eq!(refusal(Some("films"), Some("attic")), None);
        let typo = refusal(Some("phtos"), None);
        assert_eq!(typo.as_deref(), Some("there is no bucket with mirrors `phtos`; there is films, photos"));
        let elsewhere = refusal(Some("films"), Some("spare"));
        assert_eq!(elsewhere.as_deref(), Some("there is no mirror `spare`; there is attic"));
    }

    #[test]
    fn a_class_is_one_of_the_journals() {
        assert_eq!(class("auth"), Ok(Class::Auth));
        assert!(class("nonsense").is_err_and(|error| error.contains("permanent")));
    }
}
