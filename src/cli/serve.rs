//! `wharf serve`: configuration → logs → gateway → reloads, until told to stop → drain.

use std::{io, path::Path, pin::pin, process::ExitCode};

use thiserror::Error;

use super::stop::StopSignals;
use crate::{
    clock::Clock,
    config::{Config, ConfigError, Environment, Watcher},
    gateway::{Gateway, StartError},
    telemetry::{self, Telemetry, TelemetryError},
};

/// Why Wharf does not serve.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The logs.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// A listener, a certificate or a key.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The signals that end or reload it.
    #[error("signals: {0}")]
    Signals(io::Error),
}

/// Serves until SIGTERM or SIGINT, then drains. A second signal ends the drain at once.
pub async fn run(path: Option<&Path>, environment: Environment) -> Result<ExitCode, ServeError> {
    let mut watcher = Watcher::new(path, environment).map_err(ServeError::Signals)?;
    let config = watcher.load()?;
    let telemetry = telemetry::init(&config.log)?;
    if let Some(file) = watcher.file() {
        tracing::info!(file = %file.display(), "the configuration was read");
    } else {
        tracing::info!("there is no configuration file: what the environment does not set has its default");
    }
    let mut stop = StopSignals::new().map_err(ServeError::Signals)?;
    let gateway = Gateway::start(config, Clock::System).await?;
    loop {
        tokio::select! {
            () = stop.next() => break,
            changed = watcher.changed() => reload(&gateway, &telemetry, changed).await,
        }
    }
    drain(&gateway, &mut stop).await;
    Ok(ExitCode::SUCCESS)
}

/// Puts the changed configuration in force, or says why the old one stays.
async fn reload(gateway: &Gateway, telemetry: &Telemetry, changed: Result<Config, ConfigError>) {
    let log = changed.as_ref().ok().map(|config| config.log.clone());
    match gateway.reload(changed).await {
        Ok(()) => {}
        Err(StartError::Config(ConfigError(problems))) => {
            for problem in problems {
                tracing::error!("the configuration stays as it was: {problem}");
            }
            return;
        }
        Err(error) => {
            tracing::error!("the configuration stays as it was: {error}");
            return;
        }
    }
    if let Some(Err(error)) = log.map(|log| telemetry.reload(&log)) {
        tracing::error!("the logs stay as they were: {error}");
    }
    tracing::info!("the configuration was reloaded");
}

async fn drain(gateway: &Gateway, stop: &mut StopSignals) {
    tracing::info!("finishing the requests in flight; a second signal aborts them");
    let mut finished = pin!(gateway.shutdown());
    let in_time = tokio::select! {
        in_time = finished.as_mut() => in_time,
        () = stop.next() => {
            gateway.abort();
            finished.await
        }
    };
    if in_time {
        tracing::info!("stopped");
    } else {
        tracing::warn!("stopped; some connections were aborted");
    }
}
