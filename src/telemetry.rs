//! Logs: one span and one access line per request, as text or JSON, on standard error.
//!
//! Access lines have the target `wharf::access` and a switch of their own: what is kept of requests and how much is told
//! of the inside are two questions.

use std::io::{self, IsTerminal};

use thiserror::Error;
use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter, Registry,
    filter::ParseError,
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    reload,
    util::{SubscriberInitExt, TryInitError},
};

use crate::config::checked::{Log, LogFormat};

/// Why there are no logs.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The filter is not one.
    #[error("log.filter: {0}")]
    Filter(#[from] ParseError),
    /// Something else in the process has taken the logs.
    #[error(transparent)]
    Taken(#[from] TryInitError),
    /// The subscriber is gone.
    #[error(transparent)]
    Gone(#[from] reload::Error),
}

/// Changes what is logged while the process runs.
#[derive(Debug, Clone)]
pub struct Telemetry {
    filter: reload::Handle<EnvFilter, Registry>,
}

/// Starts to log to standard error. Only once per process.
pub fn init(config: &Log) -> Result<Telemetry, TelemetryError> {
    let (subscriber, telemetry) = subscriber(config, io::stderr, io::stderr().is_terminal())?;
    subscriber.try_init()?;
    Ok(telemetry)
}

/// What logs as `config` says to `writer`, for [`init`] and for tests.
pub fn subscriber<W>(
    config: &Log,
    writer: W,
    in_colour: bool,
) -> Result<(impl Subscriber + Send + Sync + use<W>, Telemetry), TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(filter(config)?);
    let (text, json) = match config.format {
        LogFormat::Text => (Some(fmt::layer().with_ansi(in_colour).with_writer(writer)), None),
        LogFormat::Json => (None, Some(fmt::layer().json().flatten_event(true).with_writer(writer))),
    };
    let subscriber = Registry::default().with(filter).with(text).with(json);
    Ok((subscriber, Telemetry { filter: handle }))
}

impl Telemetry {
    /// Takes over the filter and the access switch of `config`; the format stays.
    pub fn reload(&self, config: &Log) -> Result<(), TelemetryError> {
        Ok(self.filter.reload(filter(config)?)?)
    }
}

/// The configured filter, and after it the access switch, which wins.
fn filter(config: &Log) -> Result<EnvFilter, ParseError> {
    let access = if config.access { "info" } else { "off" };
    EnvFilter::builder().parse(format!("{},wharf::access={access}", config.filter))
}
