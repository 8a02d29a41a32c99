//! An open intent: the promise that nothing about this key is taken for current until its outcome is known.
//!
//! Settling costs the request nothing. The outcome is queued in memory and committed with the writer's next batch; until
//! then the intent's row says what a crash would leave behind: this key may have changed. So the queue is bounded by the
//! intents that are open, and losing it loses nothing.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;
use wharf_wire::date::Timestamp;

use crate::mirror::state::{Change, Outcome, Record};

use super::change::Mirrors;

/// An intent that stands in the database.
#[derive(Debug)]
pub(super) struct OpenIntent {
    /// Counts the intents of this run.
    pub(super) id: i64,
    pub(super) bucket: Arc<str>,
    pub(super) key: Arc<str>,
    pub(super) change: Change,
    pub(super) mirrors: Mirrors,
    pub(super) taken_by: Option<Arc<str>>,
    pub(super) opened_at: Timestamp,
}

/// What came of an intent.
#[derive(Debug, Clone)]
pub(super) struct Settlement {
    pub(super) intent: Arc<OpenIntent>,
    pub(super) outcome: Outcome,
    pub(super) teed: Option<Teed>,
}

/// What came of it at its only mirror, which was sent the same bytes.
#[derive(Debug, Clone)]
pub(super) enum Teed {
    /// The mirror has them.
    Copied(Record),
    /// It may still store them.
    Unsure,
}

/// Outcomes that wait for the writer.
#[derive(Debug, Default)]
pub(super) struct Settlements {
    queue: Mutex<Vec<Settlement>>,
    arrived: Notify,
}

impl Settlements {
    fn push(&self, settled: Settlement) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push(settled);
        self.arrived.notify_one();
    }

    /// Takes all of them.
    pub(super) fn take(&self) -> Vec<Settlement> {
        mem::take(&mut self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts back what could not be committed.
    pub(super) fn put_back(&self, mut settled: Vec<Settlement>) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        settled.append(&mut queue);
        *queue = settled;
    }

    /// Resolves when one has arrived.
    pub(super) async fn arrived(&self) {
        self.arrived.notified().await;
    }
}

/// A durable intent. Settle it with what came of the request; dropped, it counts as [`Outcome::Unknown`].
#[derive(Debug)]
pub struct Intent {
    open: Option<Arc<OpenIntent>>,
    settlements: Arc<Settlements>,
}

impl Intent {
    pub(super) fn new(open: Arc<OpenIntent>, settlements: Arc<Settlements>) -> Self {
        Self { open: Some(open), settlements }
    }

    /// The configured bucket that it is about.
    pub fn bucket(&self) -> &str {
        self.open.as_ref().map_or("", |open| &open.bucket)
    }

    /// Says what came of the request. Never waits.
    pub fn settle(mut self, outcome: Outcome) {
        self.hand_over(outcome, None);
    }

    /// The same of an intent for one mirror, which was sent the same bytes and has them, as `record` says. The two are
    /// committed together.
    pub fn settle_copied(mut self, outcome: Outcome, record: Record) {
        self.hand_over(outcome, Some(Teed::Copied(record)));
    }

    /// The primary has changed, and the intent's one mirror, which was sent the same bytes, may still do so: nobody waits for
    /// its answer any more.
    pub fn settle_unsure(mut self) {
        self.hand_over(Outcome::Changed, Some(Teed::Unsure));
    }

    fn hand_over(&mut self, outcome: Outcome, teed: Option<Teed>) {
        if let Some(intent) = self.open.take() {
            self.settlements.push(Settlement { intent, outcome, teed });
        }
    }
}

impl Drop for Intent {
    /// Whoever gave up on a request does not know how far it came.
    fn drop(&mut self) {
        self.hand_over(Outcome::Unknown, None);
    }
}
