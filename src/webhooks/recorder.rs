//! From what doors tell to rows: many at a time, and a door answers its client when the rows are there.
//!
//! The rows are written by a task of their own, since a client may leave while its events are on their way: then nobody
//! waits for them, and they are recorded all the same. What the database does not take is kept and tried again, while those
//! who wait for it are told at once.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use thiserror::Error;
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};
use wharf_wire::date::Timestamp;

use crate::{
    config::Config,
    store::{JournalError, NewDelivery, WebhookRows},
};

use super::{
    Current, Webhooks,
    event::{Document, EventName, Facts, File, shown},
    id,
    subscriptions::Subscription,
};

/// Requests whose events are recorded together.
const REQUESTS_MAX: usize = 256;
/// Rows that are asked for at once. Harm: everybody waits for the end of a long transaction.
const ROWS_MAX: usize = 500;
/// Events that are kept while the database fails. Harm: memory, some hundred bytes for each. None of them was acknowledged.
const UNRECORDED_MAX: usize = 4096;
/// The database is asked again this long after it failed.
const PAUSE: Duration = Duration::from_secs(1);

/// What one subscription is to be told.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) subscription: Arc<Subscription>,
    /// The configured bucket.
    pub(super) bucket: Arc<str>,
    pub(super) name: EventName,
    pub(super) key: String,
    pub(super) facts: Facts,
    pub(super) at: Timestamp,
}

/// What one request has caused, and who waits for it.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) events: Vec<Event>,
    pub(super) recorded: oneshot::Sender<Result<(), NotRecorded>>,
}

/// Why a change that was made is not acknowledged: a crash would lose what subscribers are to be told of it.
#[derive(Debug, Clone, Error)]
#[error("what subscribers are to be told of a change is not recorded: {0}")]
pub struct NotRecorded(#[from] JournalError);

/// Events on their way to the database: it resolves when they are durable, at once if there are none. Dropped, they are
/// recorded all the same, and nobody knows when.
#[derive(Debug, Default)]
#[must_use = "a change is acknowledged when subscribers are certain to be told of it"]
pub struct Telling(Option<oneshot::Receiver<Result<(), NotRecorded>>>);

impl Telling {
    pub(super) fn of(recorded: oneshot::Receiver<Result<(), NotRecorded>>) -> Self {
        Self(Some(recorded))
    }
}

impl Future for Telling {
    type Output = Result<(), NotRecorded>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(recorded) = &mut self.0 else { return Poll::Ready(Ok(())) };
        let closed = |_| Err(NotRecorded(JournalError::Closed));
        Pin::new(recorded).poll(context).map(|recorded| recorded.unwrap_or_else(closed))
    }
}

/// Records what is told.
pub(super) struct Recorder {
    webhooks: Webhooks,
    rows: WebhookRows,
    told: mpsc::Receiver<Told>,
    /// What the database has not taken yet.
    unrecorded: Vec<NewDelivery>,
}

impl Recorder {
    pub(super) fn new(webhooks: Webhooks, rows: WebhookRows, told: mpsc::Receiver<Told>) -> Self {
        Self { webhooks, rows, told, unrecorded: Vec::new() }
    }

    /// Records until the drain begins, and then what was told before.
    pub(super) async fn run(mut self, current: impl Fn() -> Current + Send) {
        let drain = self.webhooks.0.drain.clone();
        let mut told = Vec::with_capacity(REQUESTS_MAX);
        loop {
            let is_over = tokio::select! {
                biased;
                () = drain.begun(), if !self.told.is_closed() => {
                    self.told.close();
                    continue;
                }
                count = self.told.recv_many(&mut told, REQUESTS_MAX) => count == 0,
                () = sleep(PAUSE), if !self.unrecorded.is_empty() => false,
            };
            let config = current().config;
            let mut waiting = Vec::with_capacity(told.len());
            for Told { events, recorded } in told.drain(..) {
                self.unrecorded.extend(events.iter().filter_map(|event| delivery(&config, event)));
                waiting.push(recorded);
            }
            let outcome = self.record().await;
            for recorded in waiting {
                // A client that has left waits no more.
                let _gone = recorded.send(outcome.clone().map_err(NotRecorded));
            }
            if is_over {
                return self.forget(0);
            }
        }
    }

    /// Records what there is, in its order.
    async fn record(&mut self) -> Result<(), JournalError> {
        while !self.unrecorded.is_empty() {
            let count = self.unrecorded.len().min(ROWS_MAX);
            let rows = self.unrecorded.iter().take(count).cloned().collect();
            if let Err(error) = self.rows.record(rows).await {
                let count = self.unrecorded.len();
                tracing::warn!(%error, count, "events are not recorded yet: the database fails");
                self.forget(UNRECORDED_MAX);
                return Err(error);
            }
            self.unrecorded.drain(..count);
        }
        Ok(())
    }

    /// Keeps no more than `count_max` events.
    fn forget(&mut self, count_max: usize) {
        let count = self.unrecorded.len().saturating_sub(count_max);
        self.unrecorded.truncate(count_max);
        self.webhooks.0.metrics.events_lost.inc_by(count as u64);
    }
}

/// What is to be delivered; nothing, if the subscription's owner may not know of the key by now.
fn delivery(config: &Config, event: &Event) -> Option<NewDelivery> {
    let Event { subscription, bucket, name, key, facts, at } = event;
    if !subscription.owner.may_know(config, *at, (bucket, key)) {
        return None;
    }
    let provider = config.buckets.get(&**bucket).and_then(|bucket| config.providers.get(&bucket.provider));
    let id = id::new(*at);
    let document = Document {
        id: &id,
        event: name.as_str(),
        webhook_id: &subscription.id,
        timestamp: shown(*at),
        file: File::new(key, facts),
        provider: provider?.plugin.profile().kind,
        bucket,
        metadata: None,
    };
    let body = document.to_text();
    let (webhook, event, key) = (subscription.id.clone(), name.as_str().to_owned(), key.clone());
    Some(NewDelivery { id, webhook, event, key, body })
}
