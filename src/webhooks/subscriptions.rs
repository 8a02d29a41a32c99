//! Who wants to be told of what, in memory, so that a door asks no database.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;

use crate::store::{JournalError, Webhook, WebhookRows};

use super::{event::EventName, owner::Owner};

/// Subscriptions of the whole process: they are held in memory, and each event is held against those of its bucket.
pub(super) const SUBSCRIPTIONS_MAX: u64 = 1000;

/// What names of events stand between.
const SEPARATOR: &str = ",";

/// A subscription, as far as doors need it.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) id: String,
    pub(super) owner: Owner,
    prefix: String,
    events: Vec<EventName>,
}

impl Subscription {
    fn of(webhook: Webhook) -> Self {
        let events = webhook.events.split(SEPARATOR).filter_map(EventName::parse).collect();
        Self { id: webhook.id, owner: Owner::stored(webhook.owner), prefix: webhook.prefix, events }
    }

    fn is_for(&self, event: EventName, key: &str) -> bool {
        self.events.contains(&event) && key.starts_with(&self.prefix)
    }
}

/// Events as they are stored.
pub(super) fn written(events: &[EventName]) -> String {
    events.iter().map(|event| event.as_str()).collect::<Vec<_>>().join(SEPARATOR)
}

/// All subscriptions, by bucket.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(ArcSwap<HashMap<String, Vec<Arc<Subscription>>>>);

impl Subscriptions {
    /// Whether anybody wants to know what happens in `bucket`.
    pub(super) fn are_any(&self, bucket: &str) -> bool {
        self.0.load().contains_key(bucket)
    }

    /// Those that want to be told.
    pub(super) fn of(&self, bucket: &str, event: EventName, key: &str) -> Vec<Arc<Subscription>> {
        let all = self.0.load();
        let own = all.get(bucket).into_iter().flatten();
        own.filter(|subscription| subscription.is_for(event, key)).cloned().collect()
    }

    /// Reads them again.
    pub(super) async fn refresh(&self, rows: &WebhookRows) -> Result<(), JournalError> {
        self.replace(rows.subscriptions().await?);
        Ok(())
    }

    /// Tells doors that nobody wants anything.
    pub(super) fn clear(&self) {
        self.replace(Vec::new());
    }

    fn replace(&self, webhooks: Vec<Webhook>) {
        let mut all: HashMap<String, Vec<Arc<Subscription>>> = HashMap::new();
        for webhook in webhooks {
            all.entry(webhook.bucket.clone()).or_default().push(Arc::new(Subscription::of(webhook)));
        }
        self.0.store(Arc::new(all));
    }
}

#[cfg(test)]
mod tests {
    use wharf_wire::date::Timestamp;

    use super::*;
    use crate::store::WebhookKind;

    fn webhook(id: &str, prefix: &str, events: &[EventName]) -> Webhook {
        Webhook {
            id: id.to_owned(),
            owner: "loopback".to_owned(),
            kind: WebhookKind::Subscription,
            bucket: "photos".to_owned(),
            prefix: prefix.to_owned(),
            events: written(events),
            receiver: "https://a.example".to_owned(),
            sealed: String::new(),
            is_fired: false,
            looks: 0,
            due: None,
            created_at: Timestamp::from_unix_millis(0),
            ends_at: Timestamp::from_unix_millis(0),
        }
    }

    #[test]
    fn bucket_prefix_and_event_choose() {
        let subscriptions = Subscriptions::default();
        assert!(!subscriptions.are_any("photos"));
        subscriptions.replace(vec![
            webhook("all", "", &EventName::ALL),
            webhook("in", "in/", &[EventName::UploadCompleted]),
        ]);
        let ids = |event, key| {
            let found = subscriptions.of("photos", event, key);
            found.iter().map(|subscription| subscription.id.clone()).collect::<Vec<_>>()
        };
        assert!(subscriptions.are_any("photos") && !subscriptions.are_any("films"));
        assert_eq!(ids(EventName::UploadCompleted, "in/a"), ["all", "in"]);
        assert_eq!(ids(EventName::ObjectDeleted, "in/a"), ["all"]);
        assert_eq!(ids(EventName::UploadCompleted, "out/in/a"), ["all"]);
        assert!(subscriptions.of("films", EventName::UploadCompleted, "in/a").is_empty());
        subscriptions.clear();
        assert!(!subscriptions.are_any("photos"));
    }
}
