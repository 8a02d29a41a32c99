//! Who is told of uploads, and how hard it is tried.

use std::time::Duration;

use wharf_wire::endpoint::Endpoint;

/// `[webhooks]`
#[derive(Debug, Clone)]
pub struct WebhooksConfig {
    /// Whether there are any; only then the database is opened for them.
    pub enabled: bool,
    /// Receivers that may be reached wherever they are. All others must be in the public Internet.
    pub endpoints: Vec<Endpoint>,
    /// How often a delivery is tried before it is given up.
    pub attempts_max: u32,
    /// Before the second try; it doubles with each.
    pub retry_pause: Duration,
    /// The longest pause.
    pub retry_pause_max: Duration,
    /// For one try, all in all.
    pub timeout: Duration,
    /// Deliveries that are tried at once.
    pub deliveries_in_flight_max: usize,
    /// How long a delivery is kept that was made or given up.
    pub history: Duration,
}
