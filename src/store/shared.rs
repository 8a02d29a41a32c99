//! The database of a process that serves: opened by the first configuration that needs one, and closed last.
//!
//! Most gateways keep nothing, and open none.

use std::{fmt, sync::Arc, time::Duration};

use tokio::sync::OnceCell;

use crate::{clock::Clock, config::Config, server::Drain};

use super::{Store, error::StoreError};

/// What is settled is written at the next commit. More waits only while the database does not answer, and what is lost
/// then is found at the next start.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The one database of the process, whatever the configuration becomes. Clones are handles of the same one.
#[derive(Clone)]
pub struct SharedStore(Arc<Inner>);

struct Inner {
    clock: Clock,
    /// The store's own: it ends after whoever uses it.
    drain: Drain,
    store: OnceCell<Store>,
}

impl SharedStore {
    /// Without a database.
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Inner { clock, drain: Drain::default(), store: OnceCell::new() }))
    }

    /// Opens the database if `config` has something to keep there. Once open it stays so.
    pub async fn prepare(&self, config: &Config) -> Result<(), StoreError> {
        if !config.needs_database() {
            return Ok(());
        }
        let Inner { clock, drain, store } = &*self.0;
        let open = || Store::open(&config.store, &config.server.data_directory, *clock, drain);
        store.get_or_try_init(open).await?;
        Ok(())
    }

    /// The database, once it is open.
    pub fn get(&self) -> Option<&Store> {
        self.0.store.get()
    }

    /// Writes what has been settled, and closes the database. Doors and workers have ended before.
    pub async fn close(&self) {
        self.0.drain.finish(CLOSE_TIMEOUT).await;
    }
}

impl fmt::Debug for SharedStore {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SharedStore").field("is_open", &self.0.store.initialized()).finish_non_exhaustive()
    }
}
