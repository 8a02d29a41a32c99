//! `wharf check`: every problem of the configuration at once, or what it amounts to and what may surprise in it.

use std::{io::Write, path::Path, process::ExitCode};

use crate::config::{self, Config, Environment, checked::Listener};

use super::CliError;

/// Writes a summary, or every problem. The exit code says which.
pub fn run(
    file: Option<&Path>,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<ExitCode, CliError> {
    match config::load(file, environment) {
        Ok(config) => {
            writeln!(out, "ok: {}: {}", source(file, environment), summary(&config))?;
            for note in config::notes(&config) {
                writeln!(out, "note: {note}")?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            writeln!(out, "{error}")?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Where it came from: another file than the one that was meant is found out here.
fn source(file: Option<&Path>, environment: &Environment) -> String {
    config::locate(file, environment)
        .map_or_else(|| "no configuration file".to_owned(), |file| file.display().to_string())
}

/// What was configured, in one line.
fn summary(config: &Config) -> String {
    let who = match (config.keys.len(), &config.jwt) {
        (0, None) => "no keys (this machine alone)".to_owned(),
        (keys, None) => counted(keys, "key"),
        (keys, Some(_)) => format!("{} and app tokens", counted(keys, "key")),
    };
    let s3 = config.server.s3.as_ref().map(|door| format!("S3 on {}, ", address(door)));
    format!(
        "{}, {}, {who}; serves the API on {}, {}health and metrics on {}",
        counted(config.providers.len(), "provider"),
        counted(config.buckets.len(), "bucket"),
        address(&config.server.api),
        s3.unwrap_or_default(),
        address(&config.server.admin),
    )
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

fn address(listener: &Listener) -> String {
    let scheme = if listener.tls.is_some() { "https" } else { "http" };
    format!("{scheme}://{}", listener.listen)
}
