//! The database, as a command uses it beside a running gateway.

use std::time::Duration;

use crate::{
    clock::Clock,
    config::Config,
    server::Drain,
    store::{Journal, Store},
};

use super::CliError;

/// What the writer has taken is committed within this.
const PATIENCE: Duration = Duration::from_secs(10);

/// The open database.
#[derive(Debug)]
pub(super) struct Opened {
    store: Store,
    clock: Clock,
    drain: Drain,
}

impl Opened {
    /// Opens the configured one, whether or not a gateway uses it.
    pub(super) async fn beside(config: &Config, clock: Clock) -> Result<Self, CliError> {
        let drain = Drain::default();
        let store = Store::open_beside(&config.store, &config.server.data_directory, clock, &drain).await?;
        Ok(Self { store, clock, drain })
    }

    pub(super) fn journal(&self) -> &Journal {
        self.store.journal()
    }

    pub(super) fn clock(&self) -> Clock {
        self.clock
    }

    /// Commits what was given to it, and closes it.
    pub(super) async fn close(self) {
        self.drain.finish(PATIENCE).await;
    }
}
