//! What operators and their machines see.

use crate::support::{
    gateway::{KEY_CONFIG, TestGateway},
    raw::{Raw, good_request, post},
};

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")
}

#[tokio::test]
async fn health_is_told_to_get_and_head_alone() {
    let gateway = TestGateway::start("").await;
    let mut raw = Raw::connect(gateway.admin()).await;
    for (request, status) in [
        (get("/healthz"), 200),
        (get("/readyz"), 200),
        (get("/metrics"), 200),
        (get("/"), 404),
        (get("/api/v1/upload/validate-key"), 404),
        (get("/healthz").replace("GET", "DELETE"), 405),
    ] {
        assert_eq!(raw.ask(&request).await.status, status, "{request}");
    }
}

#[tokio::test]
async fn what_was_served_and_refused_is_counted() {
    let gateway = TestGateway::start(KEY_CONFIG).await;
    let mut api = Raw::connect(gateway.api()).await;
    assert_eq!(api.ask(good_request()).await.status, 200);
    assert_eq!(api.ask(post("/nowhere", "")).await.status, 404);
    let unknown = good_request().replace("x-api-key: ", "x-api-key: un");
    assert_eq!(api.ask(unknown).await.status, 401);
    let metrics = Raw::connect(gateway.admin()).await.ask(get("/metrics")).await.body;
    for line in [
        "wharf_requests_total{route=\"validate_key\",status=\"2xx\"} 1",
        "wharf_requests_total{route=\"validate_key\",status=\"4xx\"} 1",
        "wharf_requests_total{route=\"none\",status=\"4xx\"} 1",
        "wharf_errors_total{code=\"NOT_FOUND\"} 1",
        "wharf_errors_total{code=\"INVALID_API_KEY\"} 1",
        "wharf_request_duration_seconds_count 3",
        "wharf_requests_in_flight 0",
        "wharf_connections{door=\"api\"} 1",
        "wharf_connections{door=\"admin\"} 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
    }
}
