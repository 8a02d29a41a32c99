//! The command line: one module per subcommand, each with what it takes (`Arguments`) and a `run` that writes to whatever it
//! is given. What is written is made by functions without IO, so that tests read it as a person would.

pub mod check;
pub mod completions;
pub mod credentials;
pub mod demo;
pub mod mirror;
mod opened;
pub mod policy;
pub mod presign;
pub mod providers;
pub mod restore;
pub mod serve;
mod stop;
pub mod sync;
pub mod test;
#[cfg(test)]
mod tests;

use std::{io, path::PathBuf, process::ExitCode, sync::Arc};

use clap::{CommandFactory, Parser, Subcommand};
use thiserror::Error;

use crate::{
    clock::Clock,
    config::{
        self, Config, ConfigError, Environment,
        checked::{BucketConfig, MirrorConfig, ProviderConfig},
    },
    mirror::resync::{CompleteError, WalkError},
    store::{JournalError, StoreError},
    telemetry::{self, TelemetryError},
};

use self::stop::StopSignals;

/// A gateway for S3 storage: presigned uploads for any provider, from one configuration file.
#[derive(Debug, Parser)]
#[command(name = "wharf", version)]
pub struct Cli {
    /// The configuration file; without it, the one that `WHARF_CONFIG` names, or `config.toml` here.
    // Last, wherever a subcommand lists it.
    #[arg(long, global = true, value_name = "FILE", display_order = 900)]
    pub config: Option<PathBuf>,
    /// What to do; `serve` when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What Wharf can be told to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the upload API, and the S3 endpoint if there is one, until SIGTERM or SIGINT.
    Serve,
    /// Run two stores, Wharf and a page to drop a file on. It needs no account and no configuration.
    Demo(demo::Arguments),
    /// Check the configuration, and say everything that is wrong with it.
    Check,
    /// Sign a URL for one object of a configured bucket.
    ///
    /// The URL alone goes to standard output, so that `curl -T photo.jpg "$(wharf presign put photos photo.jpg)"` works.
    Presign(presign::Arguments),
    /// Print a short-lived key for the S3 endpoint, made for a configured key.
    ///
    /// The output is what SDKs take from a `credential_process`. Whoever has it can do until its end what the key may do, or
    /// less, if a bucket, a prefix or `--read-only` is given.
    Credentials(credentials::Arguments),
    /// Print the least policies that a configured bucket needs, ready to paste.
    Policy(policy::Arguments),
    /// Try a configured provider, from name service to an upload, and say what to change.
    ///
    /// It stores two small objects under `.wharf-test/` and deletes them again. Exits with an error when a check fails.
    Test(test::Arguments),
    /// Make the mirrors of a configured bucket complete, or say what that would take.
    ///
    /// Both sides are listed and compared; what a mirror lacks is copied. It can run beside a gateway, be stopped at any time,
    /// and goes on from there the next time.
    Sync(sync::Arguments),
    /// Make a configured bucket complete from one of its mirrors, or say what that would take.
    ///
    /// What the bucket lacks is copied back. What differs stays as it is, unless `--overwrite` is given.
    Restore(restore::Arguments),
    /// Show how mirrors stand, and what was given up; try that again.
    Mirror(mirror::Arguments),
    /// Show what each provider plugin can do.
    Providers(providers::Arguments),
    /// Print a completion script for a shell.
    Completions(completions::Arguments),
    /// Print a manual page.
    Man(completions::ManArguments),
}

/// Why a subcommand could not do what it was asked.
#[derive(Debug, Error)]
pub enum CliError {
    /// A name that nothing bears; the text lists those that are there.
    #[error("there is no {what} `{name}`{}", listed(known))]
    Unknown {
        /// What was looked for.
        what: &'static str,
        /// The name that was given.
        name: String,
        /// The names that would do.
        known: Vec<String>,
    },
    /// What was asked cannot be; the text says what can.
    #[error("{0}")]
    Refused(String),
    /// Some of `wharf test`'s checks failed; they were shown.
    #[error("{0} of the checks failed")]
    Checks(usize),
    /// The demo did not start.
    #[error(transparent)]
    Demo(#[from] demo::DemoError),
    /// The output could not be written.
    #[error("the output could not be written: {0}")]
    Output(#[from] io::Error),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// `wharf serve`.
    #[error(transparent)]
    Serve(#[from] serve::ServeError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The journal in it.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A walk through a bucket.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// Making a mirror complete.
    #[error(transparent)]
    Sync(#[from] CompleteError),
    /// The log.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The signals that end a demo.
    #[error("signals: {0}")]
    Signals(io::Error),
}

impl CliError {
    /// Whether the reader of the output went away before its end, as `head` does: nothing is wrong then.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return ", and no other; `wharf check` says which file was read".to_owned();
    }
    format!("; there is {}", names.join(", "))
}

/// Does what the command line says.
pub async fn run(cli: Cli, environment: Environment) -> Result<ExitCode, CliError> {
    let load = || config::load(cli.config.as_deref(), &environment);
    let (mut out, mut notes) = (io::stdout(), io::stderr());
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => return Ok(serve::run(cli.config.as_deref(), environment.clone()).await?),
        Command::Demo(arguments) => {
            let mut stop = StopSignals::new().map_err(CliError::Signals)?;
            demo::run(&arguments, &mut out, stop.next()).await?;
        }
        Command::Check => return check::run(cli.config.as_deref(), &environment, &mut out),
        Command::Presign(arguments) => {
            presign::run(&arguments, &load()?, Clock::System.now(), &mut out, &mut notes)?;
        }
        Command::Credentials(arguments) => {
            credentials::run(&arguments, &load()?, Clock::System.now(), &mut out)?;
        }
        Command::Policy(arguments) => policy::run(&arguments, &load()?, &mut out)?,
        Command::Test(arguments) => {
            test::run(&arguments, &load()?, Clock::System, &mut out, &mut notes).await?;
        }
        Command::Sync(arguments) => {
            let mut stop = StopSignals::new().map_err(CliError::Signals)?;
            let config = Arc::new(load()?);
            telemetry::init(&config.log)?;
            sync::run(&arguments, &config, Clock::System, (&mut out, &mut notes), stop.next()).await?;
        }
        Command::Restore(arguments) => {
            let mut stop = StopSignals::new().map_err(CliError::Signals)?;
            let config = load()?;
            telemetry::init(&config.log)?;
            restore::run(&arguments, &config, Clock::System, (&mut out, &mut notes), stop.next()).await?;
        }
        Command::Mirror(arguments) => mirror::run(&arguments, &load()?, Clock::System, &mut out).await?,
        Command::Providers(arguments) => providers::run(&arguments, wharf_plugins::PROVIDERS, &mut out)?,
        Command::Completions(arguments) => completions::run(&arguments, &mut Cli::command(), &mut out)?,
        Command::Man(arguments) => completions::run_man(&arguments, Cli::command(), &mut out)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A configured bucket and the account that it belongs to.
fn configured<'a>(
    config: &'a Config,
    name: &str,
) -> Result<(&'a BucketConfig, &'a ProviderConfig), CliError> {
    let bucket = config.buckets.get(name).ok_or_else(|| CliError::Unknown {
        what: "configured bucket",
        name: name.to_owned(),
        known: config.buckets.keys().cloned().collect(),
    })?;
    Ok((bucket, configured_provider(config, &bucket.provider)?))
}

/// A configured account.
fn configured_provider<'a>(config: &'a Config, name: &str) -> Result<&'a ProviderConfig, CliError> {
    config.providers.get(name).ok_or_else(|| CliError::Unknown {
        what: "configured provider",
        name: name.to_owned(),
        known: config.providers.keys().cloned().collect(),
    })
}

/// The mirror of `bucket` that bears this name.
fn one_mirror<'a>(bucket: &'a BucketConfig, name: &str) -> Result<&'a MirrorConfig, CliError> {
    bucket.mirrors.iter().find(|mirror| *mirror.name == *name).ok_or_else(|| CliError::Unknown {
        what: "configured mirror",
        name: name.to_owned(),
        known: bucket.mirrors.iter().map(|mirror| mirror.name.to_string()).collect(),
    })
}
