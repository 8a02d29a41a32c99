//! `[webhooks]`: who is told of uploads, and how hard it is tried.

use std::time::Duration;

use wharf_wire::endpoint::Endpoint;

use super::{checked::WebhooksConfig, raw::Table};

const ENDPOINT_HINT: &str = "write `https://host[:port]`";

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// Reads `[webhooks]`.
pub(super) fn read(table: &mut Table<'_>) -> WebhooksConfig {
    let retry_pause = table.seconds("retry_seconds", 5, 1..=3600);
    let retry_pause_max = table.seconds("retry_seconds_max", 3600, 1..=86_400);
    if retry_pause > retry_pause_max {
        table.problem("retry_seconds_max", "is less than `retry_seconds`", "write as much, or more");
    }
    WebhooksConfig {
        enabled: table.boolean("enabled", false),
        endpoints: table.list("endpoints", |entry| entry.parsed(ENDPOINT_HINT, Endpoint::parse)),
        attempts_max: table.number_u32("attempts_max", 24, 1..=100),
        retry_pause,
        retry_pause_max,
        timeout: table.seconds("delivery_timeout_seconds", 10, 1..=120),
        deliveries_in_flight_max: table.count("deliveries_in_flight_max", 32, 1..=1000),
        history: Duration::from_secs(table.number("history_days", 7, 1..=365).saturating_mul(DAY_SECONDS)),
    }
}
