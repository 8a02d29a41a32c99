//! What is counted of deliveries.

use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

/// Counters of all webhooks together; a reload does not reset them.
#[derive(Debug, Clone, Default)]
pub struct WebhookMetrics {
    /// Tries that the receiver took.
    pub delivered: Counter,
    /// Tries that failed, and are made again.
    pub failed: Counter,
    /// Deliveries that were given up.
    pub given_up: Counter,
    /// Events that were not recorded, as too many waited.
    pub events_lost: Counter,
    /// Deliveries that were given up and can be retried.
    pub dead_letters: Gauge,
    /// Seconds since the oldest event that was not delivered.
    pub oldest_pending_seconds: Gauge,
}
