//! What `/metrics` shows. Every label has a small closed set of values: nothing that a client sends becomes one.

use std::{fmt, time::Duration};

use http::StatusCode;
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

use super::{mirrors::MirrorFamilies, webhooks};
use crate::{
    backend::{OriginMetrics, Outcome},
    mirror::{MirrorMetrics, ReadKind},
    server::DoorMetrics,
    webhooks::WebhookMetrics,
};

/// Seconds; a signed URL takes tens of microseconds, a slow provider seconds.
const DURATION_BUCKETS: [f64; 12] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0, 30.0];

/// Counters of the whole process; a reload does not reset them.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Histogram,
    errors: Family<ErrorLabels, Counter>,
    reloads: Family<ReloadLabels, Counter>,
    origins: OriginFamilies,
    mirrors: MirrorFamilies,
    /// Deliveries to webhooks.
    pub webhooks: WebhookMetrics,
    /// Requests that were admitted and whose reply has not been handed over.
    pub requests_in_flight: Gauge,
    /// The upload API's connections.
    pub api_door: DoorMetrics,
    /// The S3 endpoint's connections.
    pub s3_door: DoorMetrics,
    /// The admin listener's connections.
    pub admin_door: DoorMetrics,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DoorLabels {
    door: &'static str,
}

/// What is counted of each provider.
#[derive(Debug, Default)]
struct OriginFamilies {
    requests: Family<OriginRequestLabels, Counter>,
    retries: Family<OriginLabels, Counter>,
    breakers: Family<OriginLabels, Gauge>,
    in_flight_limits: Family<OriginLabels, Gauge>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OriginRequestLabels {
    provider: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OriginLabels {
    provider: String,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("wharf"),
            requests: Family::default(),
            durations: Histogram::new(DURATION_BUCKETS),
            errors: Family::default(),
            reloads: Family::default(),
            origins: OriginFamilies::default(),
            mirrors: MirrorFamilies::default(),
            webhooks: WebhookMetrics::default(),
            requests_in_flight: Gauge::default(),
            api_door: DoorMetrics::default(),
            s3_door: DoorMetrics::default(),
            admin_door: DoorMetrics::default(),
        };
        metrics.register();
        metrics.register_doors();
        metrics.register_origins();
        metrics.mirrors.register(&mut metrics.registry);
        metrics.webhooks = webhooks::register(&mut metrics.registry);
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("requests", "Requests by route and class of status", self.requests.clone());
        registry.register(
            "request_duration_seconds",
            "From the end of a request's head to the end of its reply",
            self.durations.clone(),
        );
        registry.register("errors", "Error replies by code", self.errors.clone());
        registry.register("config_reloads", "Reloads by outcome", self.reloads.clone());
        registry.register(
            "requests_in_flight",
            "Requests that are being answered",
            self.requests_in_flight.clone(),
        );
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "What is running", build);
    }

    fn register_doors(&mut self) {
        let open = Family::<DoorLabels, Gauge>::default();
        let refused = Family::<DoorLabels, Counter>::default();
        let timed_out = Family::<DoorLabels, Counter>::default();
        let door = |name| {
            let labels = DoorLabels { door: name };
            DoorMetrics {
                open: open.get_or_create_owned(&labels),
                refused_per_ip: refused.get_or_create_owned(&labels),
                timed_out: timed_out.get_or_create_owned(&labels),
            }
        };
        self.api_door = door("api");
        self.s3_door = door("s3");
        self.admin_door = door("admin");
        let registry = &mut self.registry;
        registry.register("connections", "Open connections", open);
        registry.register(
            "connections_refused",
            "Connections refused because their client had too many",
            refused,
        );
        registry.register("connections_timed_out", "Connections cut because they were overdue", timed_out);
    }

    fn register_origins(&mut self) {
        let (registry, origins) = (&mut self.registry, &self.origins);
        registry.register(
            "provider_requests",
            "Requests to providers by what they came to",
            origins.requests.clone(),
        );
        registry.register("provider_retries", "Requests that were sent again", origins.retries.clone());
        registry.register(
            "provider_breaker",
            "0: requests pass, 1: one is on trial, 2: none passes",
            origins.breakers.clone(),
        );
        registry.register(
            "provider_in_flight_limit",
            "Requests that a provider is sent at once",
            origins.in_flight_limits.clone(),
        );
    }

    /// The counters of the provider that the configuration calls `name`.
    pub fn origin(&self, name: &str) -> OriginMetrics {
        let labels = OriginLabels { provider: name.to_owned() };
        OriginMetrics {
            requests: Outcome::ALL.map(|outcome| {
                let labels = OriginRequestLabels { provider: name.to_owned(), outcome: outcome.as_str() };
                self.origins.requests.get_or_create_owned(&labels)
            }),
            retries: self.origins.retries.get_or_create_owned(&labels),
            breaker: self.origins.breakers.get_or_create_owned(&labels),
            in_flight_limit: self.origins.in_flight_limits.get_or_create_owned(&labels),
        }
    }

    /// The counters of a bucket's mirror, by their names in the configuration.
    pub fn mirror(&self, bucket: &str, mirror: &str) -> MirrorMetrics {
        self.mirrors.of(bucket, mirror)
    }

    /// Counts an upload that was sent to a mirror at the same time, by what came of it there.
    pub fn tee(&self, bucket: &str, mirror: &str, outcome: &'static str) {
        self.mirrors.tee(bucket, mirror, outcome);
    }

    /// Counts a read that a mirror has answered in the primary's place.
    pub fn mirror_read(&self, bucket: &str, mirror: &str, kind: ReadKind) {
        self.mirrors.read(bucket, mirror, kind);
    }

    /// Counts an object that was read where its bucket was before, or what came of keeping it.
    pub fn backfill(&self, bucket: &str, outcome: &'static str) {
        self.mirrors.backfill(bucket, outcome);
    }

    /// Counts one request that has ended; without a status its client left before the reply.
    pub fn request(&self, route: &'static str, status: Option<StatusCode>, duration: Duration) {
        self.requests.get_or_create(&RequestLabels { route, status: class(status) }).inc();
        self.durations.observe(duration.as_secs_f64());
    }

    /// Counts one error reply.
    pub fn error(&self, code: &'static str) {
        self.errors.get_or_create(&ErrorLabels { code }).inc();
    }

    /// Counts one reload.
    pub fn reload(&self, succeeded: bool) {
        let outcome = if succeeded { "ok" } else { "failed" };
        self.reloads.get_or_create(&ReloadLabels { outcome }).inc();
    }

    /// Everything, in the `OpenMetrics` text format.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}

fn class(status: Option<StatusCode>) -> &'static str {
    match status.map(|status| status.as_u16() / 100) {
        Some(1) => "1xx",
        Some(2) => "2xx",
        Some(3) => "3xx",
        Some(4) => "4xx",
        Some(5) => "5xx",
        _ => "none",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_documented() {
        let metrics = Metrics::default();
        metrics.request("list", None, Duration::ZERO);
        metrics.error("NOT_FOUND");
        metrics.reload(true);
        let _ = (metrics.origin("aws"), metrics.mirror("photos", "spare"));
        metrics.tee("photos", "spare", "copied");
        metrics.mirror_read("photos", "spare", ReadKind::Current);
        metrics.backfill("photos", "served");
        let documents = concat!(
            include_str!("../../docs/operations.md"),
            include_str!("../../docs/mirrors.md"),
            include_str!("../../docs/webhooks.md"),
        );
        let text = metrics.encode().unwrap();
        let names: Vec<_> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        assert!(names.len() > 20, "{names:?}");
        for name in names {
            assert!(documents.contains(name), "{name} is in no document");
        }
    }

    #[test]
    fn what_happened_can_be_read() {
        let metrics = Metrics::default();
        metrics.request("signed_url", Some(StatusCode::OK), Duration::from_micros(80));
        metrics.request("none", None, Duration::ZERO);
        metrics.error("RATE_LIMITED");
        metrics.reload(true);
        metrics.requests_in_flight.inc();
        metrics.api_door.open.inc();
        let text = metrics.encode().unwrap();
        for line in [
            "wharf_requests_total{route=\"signed_url\",status=\"2xx\"} 1",
            "wharf_requests_total{route=\"none\",status=\"none\"} 1",
            "wharf_errors_total{code=\"RATE_LIMITED\"} 1",
            "wharf_config_reloads_total{outcome=\"ok\"} 1",
            "wharf_requests_in_flight 1",
            "wharf_connections{door=\"api\"} 1",
            "wharf_connections_refused_total{door=\"admin\"} 0",
            "wharf_request_duration_seconds_bucket{le=\"0.0001\"} 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(text.contains(concat!("wharf_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}")));
    }
}
