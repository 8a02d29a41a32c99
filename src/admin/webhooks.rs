//! What `/metrics` shows of webhooks: no label says whose they are.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use crate::webhooks::WebhookMetrics;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

/// Registers the counters.
pub(super) fn register(registry: &mut Registry) -> WebhookMetrics {
    let tries = Family::<OutcomeLabels, Counter>::default();
    let tries_of = |outcome| tries.get_or_create_owned(&OutcomeLabels { outcome });
    let metrics = WebhookMetrics {
        delivered: tries_of("delivered"),
        failed: tries_of("failed"),
        given_up: tries_of("dead"),
        ..WebhookMetrics::default()
    };
    registry.register("webhook_tries", "Tries to deliver to a webhook, by what they came to", tries);
    registry.register(
        "webhook_events_lost",
        "Events that could not be recorded",
        metrics.events_lost.clone(),
    );
    registry.register(
        "webhook_dead_letters",
        "Deliveries that were given up and can be retried",
        metrics.dead_letters.clone(),
    );
    registry.register(
        "webhook_oldest_pending_seconds",
        "The age of the oldest event that was not delivered",
        metrics.oldest_pending_seconds.clone(),
    );
    metrics
}
