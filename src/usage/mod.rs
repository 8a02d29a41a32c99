//! Usage: how often each caller did what, on which day and with which provider, and how many bytes it was about.
//!
//! ```text
//! request ─ count ─▶ sums in memory (bounded) ── every few seconds, and at the end ──▶ the store's writer ─▶ database
//! ```
//!
//! No request waits for the database: counting is an addition. A crash loses what was counted since the last write.

mod caller;
mod counts;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::sleep;
use wharf_wire::date::Timestamp;

use crate::{
    clock::Clock,
    config::Config,
    server::Drain,
    store::{JournalError, SharedStore, UsageRow},
};

pub use caller::Caller;
pub use counts::day;

use counts::{Counts, TOLD};

/// Between two writes. Harm of more: a crash loses as much.
const WRITE_EVERY: Duration = Duration::from_secs(10);
/// Rows that are written at once. Harm of more: mirrored writes wait for their transaction.
const ROWS_AT_ONCE: usize = 500;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// Wharf did it.
    Operation(&'static str),
    /// A client tells of it, under a name of its own.
    Told(&'a str),
}

/// Something that is to be counted.
#[derive(Debug)]
pub struct Use<'a> {
    /// Who.
    pub caller: Caller,
    /// With whom; empty if with nobody.
    pub provider: &'a str,
    /// What.
    pub event: Event<'a>,
    /// How often.
    pub times: u64,
    /// How many bytes it was about.
    pub bytes: u64,
    /// When.
    pub at: Timestamp,
}

/// The sums of the process, whatever the configuration becomes. Clones are handles of the same ones.
#[derive(Clone)]
pub struct Usage(Arc<Inner>);

struct Inner {
    store: SharedStore,
    counts: Mutex<Counts>,
}

impl Usage {
    /// Nothing so far; `store` is where it goes.
    pub fn new(store: SharedStore) -> Self {
        Self(Arc::new(Inner { store, counts: Mutex::default() }))
    }

    /// Counts.
    pub fn count(&self, used: Use<'_>) {
        self.counts().add(used);
    }

    /// Writes what was counted, until the drain begins. `config` says what is in force.
    pub async fn run(self, clock: Clock, drain: Drain, config: impl Fn() -> Arc<Config> + Send) {
        let mut is_failing = false;
        while !drain.has_begun() {
            tokio::select! {
                () = drain.begun() => {}
                () = sleep(WRITE_EVERY) => {
                    let written = self.write(&config(), clock.now()).await;
                    note(&written, &mut is_failing);
                }
            }
        }
    }

    /// Writes what was counted, and forgets old days. What cannot be written is kept for the next time.
    pub async fn write(&self, config: &Config, now: Timestamp) -> Result<(), JournalError> {
        let Some(store) = self.0.store.get().filter(|_| config.usage.enabled) else { return Ok(()) };
        let first_day = day(now).saturating_sub(config.usage.keep_days);
        let (mut taken, lost) = {
            let mut counts = self.counts();
            (counts.take(), std::mem::take(&mut counts.lost))
        };
        if lost > 0 {
            tracing::warn!(
                lost,
                "more callers and providers than are counted at once: some usage is missing"
            );
        }
        while let Some(piece) = taken.first(ROWS_AT_ONCE) {
            if let Err(error) = store.journal().add_usage(piece.rows(), first_day).await {
                let mut counts = self.counts();
                counts.put_back(piece);
                counts.put_back(taken);
                return Err(error);
            }
        }
        Ok(())
    }

    /// What `caller` did since `first_day`, with what was counted just now.
    pub async fn read(&self, caller: &Caller, first_day: u32) -> Result<Vec<UsageRow>, JournalError> {
        let store = self.0.store.get().ok_or(JournalError::Closed)?;
        store.journal().usage(&caller.stored(), first_day).await
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name of an event that a client has told of, if `event` is one.
pub fn told(event: &str) -> Option<&str> {
    event.strip_prefix(TOLD)
}

fn note(written: &Result<(), JournalError>, is_failing: &mut bool) {
    match written {
        Err(error) if !*is_failing => {
            tracing::warn!(%error, "usage cannot be written: it is kept in memory as far as it fits");
        }
        Ok(()) if *is_failing => tracing::info!("usage can be written again"),
        Ok(()) | Err(_) => {}
    }
    *is_failing = written.is_err();
}

impl fmt::Debug for Usage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Usage").field("store", &self.0.store).finish_non_exhaustive()
    }
}
