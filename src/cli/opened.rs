//! The database and the providers, as a command uses them beside a running gateway.

use std::{sync::Arc, time::Duration};

use crate::{
    admin::Metrics,
    backend::{Origins, Shared, SigningKeys},
    clock::Clock,
    config::Config,
    mirror::worker::{Current, Parts, Workers},
    server::Drain,
    store::{Journal, Store},
};

use super::CliError;

/// A command talks to a handful of accounts.
const SIGNING_KEYS_MAX: usize = 100;
/// Copies that are under way are finished within this, or begun anew the next time; and what the writer has taken is
/// committed.
const PATIENCE: Duration = Duration::from_secs(10);

/// The open database.
#[derive(Debug)]
pub(super) struct Opened {
    store: Store,
    clock: Clock,
    /// The store's own.
    drain: Drain,
    /// Of the workers, and of what the command itself has begun: it ends before the store's.
    work: Drain,
    workers: Option<Workers>,
}

/// A mirror's provider, or its bucket's, is nowhere.
pub(super) fn no_provider() -> CliError {
    CliError::Refused("a provider is not configured".to_owned())
}

impl Opened {
    /// Opens the configured one, whether or not a gateway uses it.
    pub(super) async fn beside(config: &Config, clock: Clock) -> Result<Self, CliError> {
        let drain = Drain::default();
        let store = Store::open_beside(&config.store, &config.server.data_directory, clock, &drain).await?;
        Ok(Self { store, clock, drain, work: Drain::default(), workers: None })
    }

    pub(super) fn journal(&self) -> &Journal {
        self.store.journal()
    }

    pub(super) fn clock(&self) -> Clock {
        self.clock
    }

    /// Of what the command itself has begun.
    pub(super) fn work(&self) -> &Drain {
        &self.work
    }

    /// Copies what is dirty of `bucket`, side by side with whoever does, until it is closed.
    pub(super) fn start_workers(&mut self, config: &Arc<Config>, origins: &Arc<Origins>, bucket: &str) {
        let parts = Parts {
            journal: self.journal().clone(),
            metrics: Arc::new(Metrics::default()),
            clock: self.clock,
            drain: self.work.clone(),
        };
        let current = Current { config: Arc::clone(config), origins: Arc::clone(origins) };
        self.workers = Some(Workers::beside(parts, current, bucket));
    }

    /// Commits what was given to it, and closes it.
    pub(super) async fn close(self) {
        self.work.finish(PATIENCE).await;
        self.drain.finish(PATIENCE).await;
    }
}

/// The configured providers.
pub(super) fn origins(config: &Config, clock: Clock) -> Result<Origins, CliError> {
    let signing_keys = Arc::new(SigningKeys::new(SIGNING_KEYS_MAX));
    let shared = Shared { signing_keys, clock, metrics: Arc::new(Metrics::default()) };
    Origins::new(config, &shared, None).map_err(|error| CliError::Refused(error.to_string()))
}
