//! The one that delivers: it claims what is due, and has as many tries under way as the configuration allows.
//!
//! Several nodes share one database, and each claims what the others have not. A try that nobody ends (its process was
//! killed) is due again when its lease ends; in a database of its own a process takes it up when it starts.

mod attempt;
mod pace;

use std::{sync::Arc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use wharf_wire::date::Timestamp;

use crate::{
    backend::{Jitter, upstream::Upstream},
    config::checked::WebhooksConfig,
    server::Drain,
    store::{ClaimedDelivery, DeliveryEnd, DeliveryState, JournalError, Webhook, WebhookRows},
};

use self::{
    attempt::Outcome,
    pace::{Receivers, pause},
};
use super::{Current, Webhooks};

/// It looks by itself this often: other nodes record, too, and a woken one may have been missed.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Between two counts of what there is.
const COUNT_EVERY: Duration = Duration::from_secs(15);
/// Between two times that what is old is forgotten.
const PRUNE_EVERY: Duration = Duration::from_hours(1);
/// The database is asked again this long after it failed.
const ROWS_PAUSE: Duration = Duration::from_secs(1);
/// A lease outlives its try by this: what came of it has to be written down as well.
const LEASE_MARGIN: Duration = Duration::from_secs(30);
/// Uploads that are looked for at once.
const LOOKS_MAX: u32 = 8;

/// Claims deliveries, and has them tried.
pub(super) struct Deliverer {
    shared: Arc<Shared>,
    receivers: Receivers,
    jobs: JoinSet<Ended>,
    /// When the rows may have something, since some start; and the same of what is done now and then.
    look_at: Duration,
    count_at: Duration,
    prune_at: Duration,
}

/// What tries need.
struct Shared {
    webhooks: Webhooks,
    rows: WebhookRows,
    client: Upstream,
    jitter: Jitter,
    drain: Drain,
}

/// What has ended.
enum Ended {
    Delivery { receiver: Arc<str>, is_delivered: bool },
    Look,
}

impl Deliverer {
    pub(super) fn new(webhooks: Webhooks, rows: WebhookRows, client: Upstream, drain: Drain) -> Self {
        let shared = Shared { webhooks, rows, client, jitter: Jitter::default(), drain };
        Self {
            shared: Arc::new(shared),
            receivers: Receivers::default(),
            jobs: JoinSet::new(),
            look_at: Duration::ZERO,
            count_at: Duration::ZERO,
            prune_at: Duration::ZERO,
        }
    }

    /// Delivers until the drain begins; then finishes what is under way.
    pub(super) async fn run(mut self, current: impl Fn() -> Current + Send) {
        while !self.shared.drain.has_begun() {
            let current = current();
            let pause = if current.config.webhooks.enabled { self.work(current).await } else { LOOK_EVERY };
            self.wait(pause).await;
        }
        while self.jobs.join_next().await.is_some() {}
    }

    /// Does what is due. Returns how long nothing more needs to be done, if nothing happens before.
    async fn work(&mut self, current: Current) -> Duration {
        let current = Arc::new(current);
        self.keep_house(&current.config.webhooks).await;
        let now = self.now();
        if now < self.look_at {
            return self.look_at.saturating_sub(now);
        }
        let pause = match self.claim(&current).await {
            Ok(pause) => pause,
            Err(error) => {
                tracing::warn!(%error, "nothing is delivered to webhooks: the database fails");
                ROWS_PAUSE
            }
        };
        self.look_at = self.now() + pause;
        pause
    }

    /// Claims what there is room for, and begins. Returns when there may be more.
    async fn claim(&mut self, current: &Arc<Current>) -> Result<Duration, JournalError> {
        let settings = &current.config.webhooks;
        let now = self.now();
        let slots = settings.deliveries_in_flight_max.saturating_sub(self.jobs.len());
        let (room, busy) = (slots.min(self.receivers.room(now)), self.receivers.busy(now));
        if room == 0 {
            return Ok(LOOK_EVERY);
        }
        let lease = settings.timeout + LEASE_MARGIN;
        let count_max = u32::try_from(room).unwrap_or(u32::MAX);
        let claimed = self.shared.rows.claim(count_max, lease, busy).await?;
        let is_all = claimed.len() < room;
        for delivery in claimed {
            self.receivers.begin(&delivery.receiver);
            self.jobs.spawn(Arc::clone(&self.shared).deliver(Arc::clone(current), delivery));
        }
        if !is_all {
            return Ok(Duration::ZERO);
        }
        for webhook in self.shared.rows.claim_looks(LOOKS_MAX).await? {
            self.jobs.spawn(Arc::clone(&self.shared).look(Arc::clone(current), webhook));
        }
        self.next().await
    }

    /// How long until something is due, or a receiver has rested.
    async fn next(&self) -> Result<Duration, JournalError> {
        let now = self.now();
        let busy = self.receivers.busy(now);
        let due = [self.shared.rows.next_due(&busy).await?, self.shared.rows.next_look().await?];
        let due = due.into_iter().flatten().map(|due| self.until(due));
        let trial = self.receivers.next_trial(now).map(|at| at.saturating_sub(now));
        Ok(due.chain(trial).min().unwrap_or(LOOK_EVERY).min(LOOK_EVERY))
    }

    /// Waits for `pause`, or until something happens.
    async fn wait(&mut self, pause: Duration) {
        let woken = self.shared.rows.woken();
        tokio::select! {
            () = self.shared.drain.begun() => {}
            () = woken => self.look_at = Duration::ZERO,
            Some(ended) = self.jobs.join_next() => self.ended(ended.ok()),
            () = sleep(pause) => {}
        }
    }

    fn ended(&mut self, ended: Option<Ended>) {
        if let Some(Ended::Delivery { receiver, is_delivered }) = ended {
            let now = self.now();
            self.receivers.ended(&receiver, is_delivered, now);
        }
        // There is room now, and a failure may be due again soon.
        self.look_at = Duration::ZERO;
    }

    /// Counts what there is, hears of other nodes' subscriptions, and forgets what is old.
    async fn keep_house(&mut self, settings: &WebhooksConfig) {
        let now = self.now();
        let Shared { webhooks, rows, .. } = &*self.shared;
        if now >= self.count_at {
            self.count_at = now + COUNT_EVERY;
            let clock = webhooks.0.clock;
            if let Ok(backlog) = rows.backlog().await {
                let oldest = backlog
                    .oldest
                    .map_or(0, |oldest| clock.now().unix_seconds().saturating_sub(oldest.unix_seconds()));
                webhooks.0.metrics.dead_letters.set(number(backlog.dead));
                webhooks.0.metrics.oldest_pending_seconds.set(number(oldest));
            }
            if let Err(error) = webhooks.0.subscriptions.refresh(rows).await {
                tracing::debug!(%error, "subscriptions are those of before: the database fails");
            }
        }
        if now >= self.prune_at {
            self.prune_at = now + PRUNE_EVERY;
            let history = u64::try_from(settings.history.as_millis()).unwrap_or(u64::MAX);
            let before = webhooks.0.clock.now().unix_millis().saturating_sub(history);
            if let Err(error) = rows.prune(Timestamp::from_unix_millis(before)).await {
                tracing::debug!(%error, "old deliveries are not forgotten yet: the database fails");
            }
        }
    }

    fn now(&self) -> Duration {
        self.shared.webhooks.0.clock.elapsed()
    }

    fn until(&self, due: Timestamp) -> Duration {
        let now = self.shared.webhooks.0.clock.now().unix_millis();
        Duration::from_millis(due.unix_millis().saturating_sub(now))
    }
}

impl Shared {
    /// One try, and what came of it.
    async fn deliver(self: Arc<Self>, current: Arc<Current>, delivery: ClaimedDelivery) -> Ended {
        let settings = &current.config.webhooks;
        let now = self.webhooks.0.clock.now();
        let attempt = attempt::attempt(&current, &self.client, &delivery, now);
        let outcome = timeout(settings.timeout, attempt).await.unwrap_or_else(|_| {
            Outcome::failed(format!("no answer within {} seconds", settings.timeout.as_secs()))
        });
        let end = self.end(settings, &delivery, outcome);
        let is_delivered = end.state == DeliveryState::Delivered;
        self.count(&delivery, &end);
        if let Err(error) = self.rows.end(&delivery, end).await {
            tracing::warn!(%error, delivery = delivery.id, "what came of a delivery is not written: it is made again");
        }
        Ended::Delivery { receiver: delivery.receiver, is_delivered }
    }

    fn end(&self, settings: &WebhooksConfig, delivery: &ClaimedDelivery, outcome: Outcome) -> DeliveryEnd {
        let Outcome { status, error } = outcome;
        let now = self.webhooks.0.clock.now();
        let attempts = delivery.attempts.saturating_add(1);
        let (state, wait) = if error.is_empty() {
            (DeliveryState::Delivered, Duration::ZERO)
        } else if attempts >= settings.attempts_max {
            (DeliveryState::Dead, Duration::ZERO)
        } else {
            let bounds = (settings.retry_pause, settings.retry_pause_max);
            (DeliveryState::Waiting, pause(attempts, bounds, self.jitter.next()))
        };
        let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let due = Timestamp::from_unix_millis(now.unix_millis().saturating_add(wait));
        DeliveryEnd { state, status, error, due }
    }

    fn count(&self, delivery: &ClaimedDelivery, end: &DeliveryEnd) {
        let (metrics, id, webhook) = (&self.webhooks.0.metrics, &delivery.id, &delivery.webhook);
        let (event, error) = (&delivery.event, &end.error);
        match end.state {
            DeliveryState::Delivered => {
                metrics.delivered.inc();
                tracing::debug!(id, webhook, event, "delivered");
            }
            DeliveryState::Waiting => {
                metrics.failed.inc();
                tracing::debug!(id, webhook, event, error, "a delivery failed, and is tried again");
            }
            DeliveryState::Dead => {
                metrics.given_up.inc();
                tracing::warn!(id, webhook, event, error, "a delivery was given up");
            }
        }
    }

    /// Looks for an upload, and tells of it if it is there. If not, it is looked for again.
    async fn look(self: Arc<Self>, current: Arc<Current>, webhook: Webhook) -> Ended {
        if let Err(error) = self.webhooks.look_for(&current, &webhook).await {
            tracing::debug!(webhook = webhook.id, cause = error.cause, "an upload could not be looked for");
        }
        Ended::Look
    }
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
