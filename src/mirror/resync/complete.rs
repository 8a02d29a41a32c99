//! Making the target of a route complete through the journal's rows and the workers.
//!
//! ```text
//! walk ─ records of equal pairs, rows of the others, cursor ─ … ─ the end
//!   └─ deletions, if an operator asked: counted by this walk, and made by a second one, so that nothing has to be kept
//! wait until no row is older than the end ─ the mirror is complete, and the journal says so
//! ```
//!
//! The order is what makes it safe to be broken off at any point: rows are durable before the cursor passes them.

use std::{sync::Arc, time::Duration};

use thiserror::Error;
use tokio::time::sleep;

use crate::{
    clock::Clock,
    mirror::state::Change,
    store::{Backlog, Journal, JournalError, Mirrors, SyncState},
    transfer::{self, TransferError},
};

use super::{Batch, Pace, Rates, Route, Threshold, Totals, Walk, WalkError, What, place::look};

/// How often it looks whether the workers have come on.
const LOOK: Duration = Duration::from_millis(250);

/// How it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The caller's keys that begin with this; with all of them, the mirror is complete afterwards.
    pub prefix: String,
    /// How fast.
    pub rates: Rates,
    /// Rows of the mirror that may wait while more are made. A walk is faster than any copy, and a table of as many rows
    /// as the bucket has keys would slow everything else that uses it.
    pub waiting_max: u64,
    /// Whether what the target has alone is deleted, and how much of it at most.
    pub deletions: Option<Threshold>,
}

/// Why it ended before its end. What was done stays done, and the next one goes on from there.
#[derive(Debug, Error)]
pub enum CompleteError {
    /// The walk.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// More deletions than somebody said are meant.
    #[error(
        "{extra} of {all} objects are at the target alone, and at most {threshold} may be deleted; nothing was. If they are \
         meant to go, say how many: --delete-max"
    )]
    Threshold {
        /// What would be deleted.
        extra: u64,
        /// What the target has.
        all: u64,
        /// What may be.
        threshold: Threshold,
    },
}

impl From<JournalError> for CompleteError {
    fn from(error: JournalError) -> Self {
        Self::Walk(error.into())
    }
}

impl From<TransferError> for CompleteError {
    fn from(error: TransferError) -> Self {
        Self::Walk(error.into())
    }
}

/// What it is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Comparing.
    Walking,
    /// Marking what is to be deleted.
    Deleting,
    /// Waiting for the workers.
    Copying,
    /// Done.
    Complete,
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// What it is at.
    pub stage: Stage,
    /// The key that it has come to.
    pub key: String,
    /// What the walk has seen. One that was resumed has not seen what lies before.
    pub totals: Totals,
    /// Keys that were given to the workers to be deleted.
    pub deleted: u64,
    /// What the workers have still to do at this mirror, whoever gave it to them.
    pub backlog: Backlog,
    /// Requests of the walk.
    pub requests: u64,
}

impl Progress {
    /// Keys that the workers have given up at this mirror.
    pub fn dead(&self) -> u64 {
        self.backlog.dead.values().sum()
    }
}

/// Makes a target complete.
#[derive(Debug)]
pub struct Complete<'a> {
    route: &'a Route,
    journal: &'a Journal,
    clock: Clock,
    options: &'a Options,
    mirrors: Mirrors,
    progress: Progress,
}

impl<'a> Complete<'a> {
    /// Over `route`, as `options` say.
    pub fn new(route: &'a Route, journal: &'a Journal, clock: Clock, options: &'a Options) -> Self {
        let progress = Progress {
            stage: Stage::Walking,
            key: String::new(),
            totals: Totals::default(),
            deleted: 0,
            backlog: Backlog::default(),
            requests: 0,
        };
        let mirrors = Mirrors::from([Arc::clone(&route.mirror)]);
        Self { route, journal, clock, options, mirrors, progress }
    }

    /// Says what would be done, and does nothing. `observe` is told how far it is.
    pub async fn rehearse(mut self, mut observe: impl FnMut(&Progress)) -> Result<Progress, CompleteError> {
        let pace = Pace::new(self.options.rates);
        let mut walk = Walk::new(self.route, self.journal, &pace, &self.options.prefix, None);
        while let Some(batch) = walk.next().await? {
            self.note(&batch, &pace);
            observe(&self.progress);
        }
        self.check_threshold(self.progress.totals.extra)?;
        self.progress.stage = Stage::Complete;
        Ok(self.progress)
    }

    /// Does it, from where the last one was broken off.
    pub async fn run(mut self, mut observe: impl FnMut(&Progress)) -> Result<Progress, CompleteError> {
        let pace = Pace::new(self.options.rates);
        let cursor = self.begin().await?;
        let mut walk = Walk::new(self.route, self.journal, &pace, &self.options.prefix, cursor.as_deref());
        while let Some(batch) = walk.next().await? {
            self.take(&batch, &pace).await?;
            self.note(&batch, &pace);
            observe(&self.progress);
        }
        self.delete(&pace, &mut observe).await?;
        self.progress.stage = Stage::Copying;
        let end = self.clock.now();
        while self.look().await?.oldest.is_some_and(|oldest| oldest <= end) {
            observe(&self.progress);
            sleep(LOOK).await;
        }
        if self.is_of_all_keys() {
            self.journal.complete_sync(&self.route.bucket, &self.route.mirror).await?;
        }
        self.progress.stage = Stage::Complete;
        Ok(self.progress)
    }

    fn is_of_all_keys(&self) -> bool {
        self.options.prefix.is_empty()
    }

    /// Where the walk begins. One that is to delete has to have counted everything, so it begins with the first key; one of
    /// some keys leaves no trace in the journal.
    async fn begin(&self) -> Result<Option<String>, JournalError> {
        if !self.is_of_all_keys() {
            return Ok(None);
        }
        let (bucket, mirror) = (&self.route.bucket, &self.route.mirror);
        let state = self.journal.sync_state(bucket, mirror).await?;
        let cursor = state.filter(SyncState::is_under_way).and_then(|state| state.cursor);
        if cursor.is_none() || self.options.deletions.is_some() {
            self.journal.start_sync(bucket, mirror).await?;
            return Ok(None);
        }
        Ok(cursor)
    }

    /// Gives a batch to the journal.
    async fn take(&mut self, batch: &Batch, pace: &Pace) -> Result<(), JournalError> {
        let (bucket, mirror) = (&self.route.bucket, &self.route.mirror);
        let differ = |what: &What| matches!(what, What::Missing | What::Different);
        let bytes = batch.found.iter().filter(|found| differ(&found.what)).map(|found| found.bytes).sum();
        pace.copy(bytes).await;
        let equal = batch.newly_equal();
        if !equal.is_empty() {
            self.journal.record_equal(bucket, mirror, equal).await?;
        }
        self.mark(&batch.keys(differ), Change::Write).await?;
        if let Some(cursor) = batch.cursor().filter(|_| self.is_of_all_keys()) {
            self.journal.set_sync_cursor(bucket, mirror, cursor).await?;
        }
        Ok(())
    }

    /// Makes keys dirty, as soon as few enough are.
    async fn mark(&mut self, keys: &[&str], change: Change) -> Result<(), JournalError> {
        if keys.is_empty() {
            return Ok(());
        }
        while self.look().await?.waiting >= self.options.waiting_max {
            sleep(LOOK).await;
        }
        self.journal.mark_dirty(&self.route.bucket, &self.mirrors, keys, change).await
    }

    /// Deletes what the target has alone: the workers do, who look once more whether the source has it.
    async fn delete(
        &mut self,
        pace: &Pace,
        observe: &mut impl FnMut(&Progress),
    ) -> Result<(), CompleteError> {
        if self.options.deletions.is_none() || self.progress.totals.extra == 0 {
            return Ok(());
        }
        self.check_threshold(self.progress.totals.extra)?;
        self.progress.stage = Stage::Deleting;
        let mut walk = Walk::new(self.route, self.journal, pace, &self.options.prefix, None);
        while let Some(batch) = walk.next().await? {
            let extra = self.certainly_extra(&batch, pace).await?;
            let deleted = self.progress.deleted + extra.len() as u64;
            // More than were counted came since.
            self.check_threshold(deleted)?;
            self.mark(&extra, Change::Delete).await?;
            self.progress.deleted = deleted;
            batch.cursor().unwrap_or_default().clone_into(&mut self.progress.key);
            observe(&self.progress);
        }
        Ok(())
    }

    /// The keys of `batch` that the source does not have when it is asked for each. A listing may lag behind.
    async fn certainly_extra<'b>(
        &self,
        batch: &'b Batch,
        pace: &Pace,
    ) -> Result<Vec<&'b str>, TransferError> {
        let mut extra = Vec::new();
        for key in batch.keys(|what| *what == What::Extra) {
            // A key that cannot be one there is certainly none.
            let is_there = match self.route.source.object(transfer::Side::Source, key) {
                Ok(source) => look(transfer::Side::Source, source, pace).await?.is_some(),
                Err(_) => false,
            };
            if !is_there {
                extra.push(key);
            }
        }
        Ok(extra)
    }

    fn check_threshold(&self, extra: u64) -> Result<(), CompleteError> {
        let all = self.progress.totals.of_target();
        match self.options.deletions {
            Some(threshold) if !threshold.allows(extra, all) => {
                Err(CompleteError::Threshold { extra, all, threshold })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn note(&mut self, batch: &Batch, pace: &Pace) {
        self.progress.totals.add(batch);
        self.progress.requests = pace.requests();
        batch.cursor().unwrap_or_default().clone_into(&mut self.progress.key);
    }

    /// What the workers have to do.
    async fn look(&mut self) -> Result<&Backlog, JournalError> {
        let is_ours =
            |backlog: &Backlog| backlog.bucket == self.route.bucket && *backlog.mirror == *self.route.mirror;
        let backlog = self.journal.backlog().await?.into_iter().find(is_ours);
        self.progress.backlog = backlog.unwrap_or_default();
        Ok(&self.progress.backlog)
    }
}
