//! `wharf test`: whether a configured provider can be used, one row per check. The checks are made in
//! [`crate::backend::probe`]; here they are chosen and shown.

use std::{
    fmt::Write as _,
    io::{self, Write},
    time::Duration,
};

use clap::Args;
use serde::Serialize;
use uuid::{NoContext, Uuid};
use wharf_wire::names::BucketName;

use super::{CliError, configured_provider};
use crate::{
    backend::{
        probe::{Outcome, Probe, ProbeBucket, Report, Row},
        upstream::{Reach, Upstream},
    },
    clock::Clock,
    config::{
        Config,
        checked::{BucketConfig, Origins, ProviderConfig},
    },
};

/// For all checks together. Each has a bound of its own, by the provider's timeouts.
const PATIENCE: Duration = Duration::from_mins(10);

/// What `wharf test` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The provider's name in the configuration.
    provider: String,
    /// A bucket's name in the configuration, or else at the provider. With one configured bucket, that is meant.
    #[arg(long, value_name = "NAME")]
    bucket: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The bucket that is tried.
struct Chosen {
    bucket: BucketName,
    key_prefix: String,
}

/// What is printed.
#[derive(Serialize)]
struct Answer<'a> {
    provider: &'a str,
    bucket: Option<&'a str>,
    checks: &'a Report,
}

/// Makes the checks and writes what they came to; some that failed are an error. What is worth saying besides goes to `notes`.
pub async fn run(
    arguments: &Arguments,
    config: &Config,
    clock: Clock,
    out: &mut impl Write,
    notes: &mut impl Write,
) -> Result<(), CliError> {
    let provider = configured_provider(config, &arguments.provider)?;
    let chosen = chosen(config, provider, arguments.bucket.as_deref(), notes)?;
    let report = probe(config, provider, chosen.as_ref(), clock).await?;
    let text = if arguments.json {
        let bucket = chosen.as_ref().map(|chosen| chosen.bucket.as_str());
        let answer = Answer { provider: &provider.name, bucket, checks: &report };
        serde_json::to_string_pretty(&answer).map_err(|error| CliError::Output(error.into()))? + "\n"
    } else {
        table(&report)
    };
    out.write_all(text.as_bytes())?;
    match report.failed() {
        0 => Ok(()),
        failed => Err(CliError::Checks(failed)),
    }
}

async fn probe(
    config: &Config,
    provider: &ProviderConfig,
    chosen: Option<&Chosen>,
    clock: Clock,
) -> Result<Report, CliError> {
    let upstream =
        Upstream::new(provider.timeouts, &[]).map_err(|error| CliError::Refused(error.to_string()))?;
    let time = uuid::Timestamp::from_unix(NoContext, clock.now().unix_seconds(), 0);
    let probe = Probe {
        upstream: &upstream,
        reach: Reach::Anywhere,
        account: &provider.account,
        bucket: chosen.map(|chosen| ProbeBucket { name: &chosen.bucket, key_prefix: &chosen.key_prefix }),
        origins: origins(config),
        id: &Uuid::new_v7(time).simple().to_string(),
        clock,
        patience: PATIENCE,
    };
    Ok(probe.run().await)
}

fn chosen(
    config: &Config,
    provider: &ProviderConfig,
    wanted: Option<&str>,
    notes: &mut impl Write,
) -> Result<Option<Chosen>, CliError> {
    let configured: Vec<_> =
        config.buckets.values().filter(|bucket| bucket.provider == provider.name).collect();
    match (wanted, configured.as_slice()) {
        (Some(wanted), _) => named(config, provider, wanted).map(Some),
        (None, [only]) => Ok(Some(Chosen::from(*only))),
        (None, others) => note_choice(others, notes).map(|()| None).map_err(CliError::from),
    }
}

fn named(config: &Config, provider: &ProviderConfig, wanted: &str) -> Result<Chosen, CliError> {
    match config.buckets.get(wanted) {
        Some(bucket) if bucket.provider == provider.name => Ok(bucket.into()),
        Some(bucket) => Err(CliError::Refused(format!(
            "the bucket `{wanted}` belongs to the provider `{}`",
            bucket.provider
        ))),
        None => {
            let bucket = BucketName::parse(wanted).map_err(|error| CliError::Refused(error.to_string()))?;
            Ok(Chosen { bucket, key_prefix: String::new() })
        }
    }
}

fn note_choice(configured: &[&BucketConfig], notes: &mut impl Write) -> io::Result<()> {
    let names: Vec<_> = configured.iter().map(|bucket| bucket.name.as_str()).collect();
    match names.as_slice() {
        [] => writeln!(notes, "no bucket is configured here: name one with --bucket to try it"),
        names => writeln!(notes, "name one of the buckets with --bucket to try it: {}", names.join(", ")),
    }
}

fn origins(config: &Config) -> &[String] {
    match &config.upload.cors.origins {
        Origins::Listed(origins) => origins,
        Origins::Any => &[],
    }
}

impl From<&BucketConfig> for Chosen {
    fn from(bucket: &BucketConfig) -> Self {
        Self { bucket: bucket.bucket.clone(), key_prefix: bucket.key_prefix.clone() }
    }
}

/// One line per check, and below one that failed, what to change.
fn table(report: &Report) -> String {
    let mut text = String::new();
    for Row { check, outcome } in &report.rows {
        let (word, says, fix) = match outcome {
            Outcome::Passed { detail } => ("passed", detail, None),
            Outcome::Failed { reason, fix, .. } => ("FAILED", reason, Some(fix)),
            Outcome::Skipped { reason } => ("skipped", reason, None),
        };
        // Writing to a String does not fail.
        let _ = writeln!(text, "{:<19}{word:<9}{says}", check.title());
        if let Some(fix) = fix {
            let _ = writeln!(text, "{:<28}→ {fix}", "");
        }
        if let Outcome::Failed { cors_rules: Some(rules), .. } = outcome
            && let Ok(json) = serde_json::to_string_pretty(rules)
        {
            text.push_str(&json);
            text.push('\n');
        }
    }
    text
}
