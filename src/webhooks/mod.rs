//! Webhooks: apps are told what happened to objects, by a signed POST to an address of theirs.
//!
//! ```text
//! signed-url with `webhook` ─ register ─▶ (upload) ─▶ confirm, complete, or a look: is it there? ─ fire ─┐
//! create ─ subscribe ─▶ doors: tell ─▶ queue (bounded) ─▶ recorder ──────────────────────────────────────┴─▶ delivery
//!                          └─ reply ◀─ durable ─────────────┘
//!                                                                                                           │ durable
//!                             delivered ◀─ 2xx ─ POST, signed ◀─ claim: due, receiver not busy ◀────────────┘
//!                             later, or dead ◀─ anything else
//! ```
//!
//! What is registered, fired or recorded is durable, and delivered at least once. A change is acknowledged when what its
//! subscribers are to be told of it is durable. Who waits for the database is a request that asks for a `webhook`, and one
//! that somebody has subscribed to; no other one does.

mod deliver;
mod event;
mod id;
mod look;
mod metrics;
mod owner;
mod receiver;
mod recorder;
mod register;
mod sealed;
mod show;
mod subscriptions;
mod watch;

use std::{
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use crate::{
    backend::{
        Origins,
        upstream::{Upstream, UpstreamError},
    },
    clock::Clock,
    config::{Config, checked::Timeouts},
    error::{Code, Error},
    seal::Sealer,
    server::Drain,
    store::{JournalError, SharedStore, Store, WebhookRows},
};

pub use event::{EventName, Facts};
pub use metrics::WebhookMetrics;
pub use recorder::{NotRecorded, Telling};
pub use register::{Address, NewSubscription, NewUpload, Registered, Trigger};
pub use sealed::{Head, Upload};
pub use show::Shown;
pub use watch::Watch;

use deliver::Deliverer;
use recorder::{Event, Recorder, Told};
use subscriptions::Subscriptions;

/// Requests whose events wait to be recorded: more than are served at once, but for clients that have left. Harm: memory, some
/// hundred bytes for each event. What comes when it is full is not acknowledged.
const TOLD_MAX: usize = 4096;
/// What was told last is recorded when the process ends, if the database answers.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The bounds on the parts of a try; its whole is bounded by the configuration.
const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(30),
    first_byte: Duration::from_mins(2),
    stall: Duration::from_mins(2),
};

/// Why there are no webhooks, though the configuration wants some.
#[derive(Debug, Error)]
pub enum WebhookError {
    /// The database does not tell who wants to be told.
    #[error(transparent)]
    Rows(#[from] JournalError),
    /// Nobody could be reached.
    #[error("the client for webhooks: {0}")]
    Client(#[from] UpstreamError),
}

/// All webhooks. Clones are handles of the same ones.
#[derive(Clone)]
pub struct Webhooks(Arc<Inner>);

struct Inner {
    store: SharedStore,
    clock: Clock,
    metrics: WebhookMetrics,
    /// Of the recorder, which outlives whoever tells it something.
    drain: Drain,
    is_enabled: AtomicBool,
    subscriptions: Subscriptions,
    /// Known with the first configuration that has webhooks.
    open: OnceLock<Open>,
}

struct Open {
    rows: WebhookRows,
    /// Reaches receivers, and the providers of callers who brought their own.
    client: Upstream,
    events: mpsc::Sender<Told>,
    /// The other end, until somebody reads it.
    recorded: Mutex<Option<mpsc::Receiver<Told>>>,
}

/// What is in force: a delivery goes by what holds when it is tried.
#[derive(Debug, Clone)]
pub struct Current {
    /// The configuration.
    pub config: Arc<Config>,
    /// Its providers.
    pub origins: Arc<Origins>,
    /// What seals.
    pub sealer: Arc<Sealer>,
}

impl Webhooks {
    /// Over a database that need not be open yet.
    pub fn new(store: SharedStore, clock: Clock, metrics: WebhookMetrics) -> Self {
        Self(Arc::new(Inner {
            store,
            clock,
            metrics,
            drain: Drain::default(),
            is_enabled: AtomicBool::new(false),
            subscriptions: Subscriptions::default(),
            open: OnceLock::new(),
        }))
    }

    /// Does as `config` says, which is about to be in force. The database is open if that needs it.
    pub async fn prepare(&self, config: &Config) -> Result<(), WebhookError> {
        let Inner { store, is_enabled, subscriptions, open, .. } = &*self.0;
        let rows = store.get().filter(|_| config.webhooks.enabled).map(Store::webhooks);
        let Some(rows) = rows else {
            is_enabled.store(false, Ordering::Relaxed);
            subscriptions.clear();
            return Ok(());
        };
        subscriptions.refresh(rows).await?;
        if open.get().is_none() {
            let client = Upstream::for_app(TIMEOUTS)?;
            let (events, recorded) = mpsc::channel(TOLD_MAX);
            open.get_or_init(|| Open {
                rows: rows.clone(),
                client,
                events,
                recorded: Mutex::new(Some(recorded)),
            });
        }
        is_enabled.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Records and delivers from now on, if there is anything to do and nobody does it yet. `drain` ends deliveries.
    pub fn start<F>(&self, drain: &Drain, current: F)
    where
        F: Fn() -> Current + Clone + Send + Sync + 'static,
    {
        let Some(open) = self.0.open.get() else { return };
        let unread = open.recorded.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(told) = unread else { return };
        let recorder = Recorder::new(self.clone(), open.rows.clone(), told);
        self.0.drain.spawn(recorder.run(current.clone()));
        let deliverer = Deliverer::new(self.clone(), open.rows.clone(), open.client.clone(), drain.clone());
        drain.spawn(deliverer.run(current));
    }

    /// Whether anybody wants to know what happens in the configured `bucket`.
    pub fn are_watching(&self, bucket: &str) -> bool {
        self.0.subscriptions.are_any(bucket)
    }

    /// Tells subscribers what happened to `keys` of the configured `bucket`. Costs a look in memory where nobody wants to know.
    /// Whoever acknowledges what happened waits for what this returns.
    pub fn tell<'k>(
        &self,
        bucket: &str,
        name: EventName,
        keys: impl Iterator<Item = &'k str>,
        facts: &Facts,
    ) -> Telling {
        let Inner { subscriptions, open, metrics, clock, .. } = &*self.0;
        let Some(open) = open.get().filter(|_| subscriptions.are_any(bucket)) else {
            return Telling::default();
        };
        let (at, named): (_, Arc<str>) = (clock.now(), bucket.into());
        let mut events = Vec::new();
        for key in keys {
            events.extend(subscriptions.of(bucket, name, key).into_iter().map(|subscription| {
                let (bucket, key, facts) = (Arc::clone(&named), key.to_owned(), facts.clone());
                Event { subscription, bucket, name, key, facts, at }
            }));
        }
        if events.is_empty() {
            return Telling::default();
        }
        let (count, (recorded, telling)) = (events.len() as u64, oneshot::channel());
        if open.events.try_send(Told { events, recorded }).is_err() {
            metrics.events_lost.inc_by(count);
            tracing::warn!(count, "events are not told: more wait to be recorded than there is room for");
        }
        Telling::of(telling)
    }

    /// Records what was told. Doors have ended before.
    pub async fn close(&self) {
        self.0.drain.finish(CLOSE_TIMEOUT).await;
    }

    /// The rows, where there are webhooks.
    fn rows(&self) -> Result<&WebhookRows, Error> {
        let is_enabled = self.0.is_enabled.load(Ordering::Relaxed);
        self.0.open.get().filter(|_| is_enabled).map(|open| &open.rows).ok_or_else(|| {
            Error::new(Code::WebhooksDisabled, "This server has no webhooks.")
                .hint("The operator can set `webhooks.enabled` in the configuration.")
        })
    }

    fn client(&self) -> Result<&Upstream, Error> {
        self.rows()?;
        self.0
            .open
            .get()
            .map(|open| &open.client)
            .ok_or_else(|| Error::new(Code::Internal, "There is no client."))
    }

    /// Refuses whoever asks for webhooks where there are none.
    pub fn check_enabled(&self) -> Result<(), Error> {
        self.rows().map(drop)
    }

    /// Whether there are any by now.
    pub fn are_enabled(&self) -> bool {
        self.0.is_enabled.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Webhooks").field("are_enabled", &self.are_enabled()).finish_non_exhaustive()
    }
}

/// The database did not take or tell something.
fn unavailable(error: &JournalError) -> Error {
    Error::new(Code::JournalUnavailable, "The database of webhooks cannot be used now.")
        .hint("Try again later.")
        .cause(error.to_string())
}
