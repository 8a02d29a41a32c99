//! From what doors tell to rows: off the way of their requests, many at a time.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::sleep};
use wharf_wire::date::Timestamp;

use crate::{
    config::Config,
    store::{NewDelivery, WebhookRows},
};

use super::{
    Current, Webhooks,
    event::{Document, EventName, Facts, File, shown},
    id,
    subscriptions::Subscription,
};

/// Events that are recorded at once.
const RECORDED_MAX: usize = 256;
/// The database is asked again this long after it failed.
const PAUSE: Duration = Duration::from_secs(1);

/// What one subscription is to be told.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) subscription: Arc<Subscription>,
    /// The configured bucket.
    pub(super) bucket: String,
    pub(super) event: EventName,
    pub(super) key: String,
    pub(super) facts: Facts,
    pub(super) at: Timestamp,
}

/// Records what is told.
pub(super) struct Recorder {
    pub(super) webhooks: Webhooks,
    pub(super) rows: WebhookRows,
    pub(super) told: mpsc::Receiver<Told>,
}

impl Recorder {
    /// Records until the drain begins, and then what was told before.
    pub(super) async fn run(mut self, current: impl Fn() -> Current + Send) {
        let drain = self.webhooks.0.drain.clone();
        let mut told = Vec::with_capacity(RECORDED_MAX);
        loop {
            let count = tokio::select! {
                biased;
                count = self.told.recv_many(&mut told, RECORDED_MAX) => count,
                () = drain.begun(), if !self.told.is_closed() => {
                    self.told.close();
                    continue;
                }
            };
            if count == 0 {
                return;
            }
            let config = current().config;
            let deliveries = told.drain(..).filter_map(|told| delivery(&config, &told)).collect();
            self.record(deliveries).await;
        }
    }

    /// Tries until it is done, or nobody can wait any longer. Doors fill the queue meanwhile.
    async fn record(&self, deliveries: Vec<NewDelivery>) {
        if deliveries.is_empty() {
            return;
        }
        while let Err(error) = self.rows.record(deliveries.clone()).await {
            tracing::warn!(%error, count = deliveries.len(), "events are not recorded yet: the database fails");
            if self.webhooks.0.drain.has_begun() {
                self.webhooks.0.metrics.events_lost.inc_by(deliveries.len() as u64);
                return;
            }
            sleep(PAUSE).await;
        }
    }
}

/// What is to be delivered; nothing, if the subscription's owner may not know of the key by now.
fn delivery(config: &Config, told: &Told) -> Option<NewDelivery> {
    let Told { subscription, bucket, event, key, facts, at } = told;
    if !subscription.owner.may_know(config, *at, (bucket, key)) {
        return None;
    }
    let provider = config.buckets.get(bucket).and_then(|bucket| config.providers.get(&bucket.provider));
    let id = id::new(*at);
    let document = Document {
        id: &id,
        event: event.as_str(),
        webhook_id: &subscription.id,
        timestamp: shown(*at),
        file: File::new(key, facts),
        provider: provider?.plugin.profile().kind,
        bucket,
        metadata: None,
    };
    let body = document.to_text();
    let (webhook, event, key) = (subscription.id.clone(), event.as_str().to_owned(), key.clone());
    Some(NewDelivery { id, webhook, event, key, body })
}
