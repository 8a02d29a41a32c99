//! What doors see of mirroring: they say which keys they are about to change, and what came of it.
//!
//! ```text
//! intend ─ durable ─▶ request to the primary ─▶ settle ─▶ dirty rows, workers woken
//!    └─ the journal cannot take it: the write is refused, and nothing was forwarded
//! ```
//!
//! A bucket without mirrors pays for none of it, and a configuration without mirrors opens no database.

use std::{fmt, sync::Arc, time::Duration};

use tokio::sync::OnceCell;

use crate::{
    clock::Clock,
    config::{Config, checked::BucketConfig},
    server::Drain,
    store::{self, Intent, Journal, JournalError, NewIntent, Store, StoreError},
};

use super::{
    crash_point::{self, Point},
    moved::{self, MoveError},
    state::{Change, Outcome},
};

/// What is settled is written at the next commit. More waits only while the database does not answer, and what is lost
/// then is found at the next start.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The journal of all mirrored buckets. There is one for each process, whatever the configuration becomes.
pub struct Mirrors {
    clock: Clock,
    /// The store's own: it ends after whoever uses it.
    drain: Drain,
    store: OnceCell<Store>,
}

impl Mirrors {
    /// Without a database.
    pub fn new(clock: Clock) -> Self {
        Self { clock, drain: Drain::default(), store: OnceCell::new() }
    }

    /// Opens the database if `config` has a bucket with mirrors. Once open it stays so.
    pub async fn prepare(&self, config: &Config) -> Result<(), StoreError> {
        if config.buckets.values().all(|bucket| bucket.mirrors.is_empty()) {
            return Ok(());
        }
        let directory = &config.server.data_directory;
        let open = || Store::open(&config.store, directory, self.clock, &self.drain);
        self.store.get_or_try_init(open).await.map(drop)
    }

    /// Makes the journal fit `config`, which is about to be in force, or says why it does not.
    pub async fn settle(&self, config: &Config) -> Result<(), MoveError> {
        match self.journal() {
            Some(journal) => moved::settle(config, journal).await,
            None => Ok(()),
        }
    }

    /// The journal, if there is one.
    pub fn journal(&self) -> Option<&Journal> {
        self.store.get().map(Store::journal)
    }

    /// Notes that `keys` of `bucket` are about to change. It is durable when this returns; when it fails, nothing may be
    /// forwarded.
    pub async fn intend(
        &self,
        bucket: &BucketConfig,
        keys: impl Iterator<Item = &str>,
        change: Change,
    ) -> Result<Intents, JournalError> {
        if bucket.mirrors.is_empty() {
            return Ok(Intents::default());
        }
        let mirrors = names(bucket);
        let intent = |key| NewIntent { bucket: &bucket.name, key, change, mirrors: &mirrors, taken_by: None };
        self.open(keys.map(intent).collect()).await
    }

    /// Notes that `mirror` is about to take a new object in the primary's place, and has the truth about `key` then.
    pub async fn intend_at(
        &self,
        bucket: &BucketConfig,
        key: &str,
        mirror: &str,
    ) -> Result<Intents, JournalError> {
        let mirrors = names(bucket);
        let (bucket, change) = (&bucket.name, Change::Write);
        self.open(vec![NewIntent { bucket, key, change, mirrors: &mirrors, taken_by: Some(mirror) }]).await
    }

    /// Notes that `mirror` has taken what was intended. When this returns, every reader knows where the truth is.
    pub async fn note_taken(
        &self,
        intents: Intents,
        bucket: &BucketConfig,
        key: &str,
        mirror: &Arc<str>,
    ) -> Result<(), JournalError> {
        intents.settle(Outcome::Changed);
        // A commit has with it whatever was settled before it was asked for.
        let journal = self.journal().ok_or(JournalError::Closed)?;
        let own: store::Mirrors = [Arc::clone(mirror)].into();
        journal.mark_dirty(&bucket.name, &own, &[key], Change::Write).await
    }

    async fn open(&self, intents: Vec<NewIntent<'_>>) -> Result<Intents, JournalError> {
        if intents.is_empty() {
            return Ok(Intents::default());
        }
        crash_point::reached(Point::IntentWanted);
        let journal = self.journal().ok_or(JournalError::Closed)?;
        let opened = journal.open_intents(&intents).await?;
        crash_point::reached(Point::IntentDurable);
        Ok(Intents(opened))
    }

    /// Notes that `keys` of `bucket` were changed by somebody who did not come through a door: a browser that has sent an
    /// object straight to the provider. Their absence is not mirrored.
    pub async fn note_foreign(&self, bucket: &BucketConfig, keys: &[&str]) -> Result<(), JournalError> {
        if bucket.mirrors.is_empty() || keys.is_empty() {
            return Ok(());
        }
        let journal = self.journal().ok_or(JournalError::Closed)?;
        journal.mark_dirty(&bucket.name, &names(bucket), keys, Change::Write).await
    }

    /// Writes what has been settled, and closes the database. Doors and workers have ended before.
    pub async fn close(&self) {
        self.drain.finish(CLOSE_TIMEOUT).await;
    }
}

impl fmt::Debug for Mirrors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Mirrors").field("is_open", &self.store.initialized()).finish_non_exhaustive()
    }
}

fn names(bucket: &BucketConfig) -> store::Mirrors {
    bucket.mirrors.iter().map(|mirror| Arc::clone(&mirror.name)).collect()
}

/// The intents of one request, one for each key that it changes. A bucket without mirrors has none. Dropped, they count as
/// [`Outcome::Unknown`].
#[derive(Debug, Default)]
#[must_use = "dropped, they say that nobody knows what came of the request"]
pub struct Intents(Vec<Intent>);

impl Intents {
    /// Says the same of every key.
    pub fn settle(self, outcome: Outcome) {
        self.settle_each(std::iter::repeat(outcome));
    }

    /// Says of each key what came of it, in the order in which they were intended.
    pub fn settle_each(self, outcomes: impl IntoIterator<Item = Outcome>) {
        if self.0.is_empty() {
            return;
        }
        for (intent, outcome) in self.0.into_iter().zip(outcomes) {
            intent.settle(outcome);
        }
        crash_point::reached(Point::SettleQueued);
    }

    /// Whether there is nothing to settle.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes out those of the first `count` keys.
    pub fn take_first(&mut self, count: usize) -> Self {
        let rest = self.0.split_off(count.min(self.0.len()));
        Self(std::mem::replace(&mut self.0, rest))
    }
}
