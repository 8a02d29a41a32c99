//! What is counted of a provider.

use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

use super::outcome::Outcome;

/// A provider's counters; a reload does not reset them.
#[derive(Debug, Clone, Default)]
pub struct OriginMetrics {
    /// Requests, in the order of [`Outcome::ALL`].
    pub requests: [Counter; Outcome::ALL.len()],
    /// Requests that were sent again.
    pub retries: Counter,
    /// 0 where requests pass, 1 where one is on trial, 2 where none passes.
    pub breaker: Gauge,
    /// Requests that may be in flight now.
    pub in_flight_limit: Gauge,
}

impl OriginMetrics {
    pub(super) fn count(&self, outcome: Outcome) {
        if let Some(counter) = self.requests.get(outcome as usize) {
            counter.inc();
        }
    }
}
