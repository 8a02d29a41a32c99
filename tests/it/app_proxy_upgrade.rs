//! Connections that leave HTTP on their way to the app behind Wharf, for a WebSocket or whatever else an app agrees to.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::support::{
    app::App,
    gateway::TestGateway,
    raw::{Raw, good_request},
};

const UPGRADE: &str = "GET /socket HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
                       sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// An app that tells when a tunnel has ended, and whether the client ended it.
async fn echo() -> (App, mpsc::UnboundedReceiver<bool>) {
    let (sender, ended) = mpsc::unbounded_channel();
    (App::echo_telling(Some(sender)).await, ended)
}

async fn upgraded(gateway: &TestGateway) -> Raw {
    let mut raw = Raw::connect(gateway.api()).await;
    raw.send(UPGRADE).await;
    assert_eq!(raw.head().await.status, 101);
    raw
}

#[tokio::test]
async fn a_websocket_passes_and_either_end_can_close_it() {
    let (app, mut ended) = echo().await;
    let gateway = app.behind_wharf().await;
    let mut raw = Raw::connect(gateway.api()).await;
    // What comes with the head is not lost.
    raw.send(format!("{UPGRADE}early")).await;
    let head = raw.head().await;
    assert_eq!(
        (head.status, head.header("upgrade"), head.header("connection")),
        (101, Some("websocket"), Some("upgrade"))
    );
    assert_eq!(head.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(raw.bytes(5).await, b"early");
    let seen = app.last();
    assert_eq!((seen.all("connection"), seen.all("upgrade")), (vec!["upgrade"], vec!["websocket"]));
    assert_eq!(seen.all("sec-websocket-key"), ["dGhlIHNhbXBsZSBub25jZQ=="]);
    // Nothing that is said is taken for HTTP.
    for said in ["\u{81}\u{2}hi", "HTTP/1.1 400 Bad Request\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"] {
        raw.send(said).await;
        assert_eq!(raw.bytes(said.len()).await, said.as_bytes());
    }
    drop(raw);
    assert_eq!(ended.recv().await, Some(true), "the app is told that the client has left");

    let mut raw = upgraded(&gateway).await;
    raw.send("bye").await;
    assert_eq!(raw.closed().await, "");
    assert_eq!(ended.recv().await, Some(false));
}

#[tokio::test]
async fn other_protocols_pass_but_http_in_a_tunnel_does_not() {
    let (app, _ended) = echo().await;
    let gateway = app.behind_wharf().await;
    let mut raw = Raw::connect(gateway.api()).await;
    raw.send(UPGRADE.replace("websocket\r\n", "raw/1\r\n")).await;
    let head = raw.head().await;
    assert_eq!((head.status, head.header("upgrade")), (101, Some("raw/1")));

    let refused =
        Raw::connect(gateway.api()).await.ask(UPGRADE.replace("websocket\r\n", "refused\r\n")).await;
    assert_eq!((refused.status, refused.body.as_str()), (403, "no"));

    for request in [
        UPGRADE.replace("upgrade: websocket", "upgrade: h2c\r\nhttp2-settings: AAMAAABk"),
        UPGRADE.replace("upgrade: websocket", "upgrade: websocket, H2C"),
        UPGRADE.replace("upgrade: websocket", "upgrade: HTTP/2.0"),
        UPGRADE.replace("upgrade: websocket", "upgrade: TLS/1.0"),
        // Not asked for of this connection.
        UPGRADE.replace("keep-alive, Upgrade", "keep-alive"),
        UPGRADE.replace("HTTP/1.1", "HTTP/1.0"),
    ] {
        let reply = Raw::connect(gateway.api()).await.ask(request.as_str()).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, "plain"), "{request}");
        assert!(!app.last().headers.contains_key("http2-settings"));
    }
}

async fn metric(gateway: &TestGateway, name: &str) -> String {
    let page = Raw::connect(gateway.admin()).await.ask("GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let line = page.body.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_default().trim().to_owned()
}

#[tokio::test]
async fn a_quiet_websocket_outlives_http_s_timeouts_but_keeps_its_slot() {
    let (app, _ended) = echo().await;
    let limits =
        "[server.limits]\nheader_timeout_seconds = 1\nidle_timeout_seconds = 1\nwrite_timeout_seconds = 1\n";
    let gateway = TestGateway::start(&format!("{limits}{}", app.config())).await;
    let mut raw = upgraded(&gateway).await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    raw.send("still there?").await;
    assert_eq!(raw.bytes(12).await, b"still there?");
    assert_eq!(metric(&gateway, "wharf_connections{door=\"api\"}").await, "1");
    assert_eq!(metric(&gateway, "wharf_requests_total{route=\"app\",status=\"1xx\"}").await, "1");
    raw.send("bye").await;
    raw.closed().await;
    while metric(&gateway, "wharf_connections{door=\"api\"}").await != "0" {}
}

#[tokio::test]
async fn a_websocket_on_which_nothing_moves_ends() {
    let (app, mut ended) = echo().await;
    let config = format!("{}timeouts = {{ tunnel_idle_seconds = 1 }}\n", app.config());
    let gateway = TestGateway::start(&config).await;
    let mut raw = upgraded(&gateway).await;
    assert_eq!(raw.closed().await, "");
    assert_eq!(ended.recv().await, Some(true));
    assert_eq!(metric(&gateway, "wharf_connections_timed_out_total{door=\"api\"}").await, "1");
}

#[tokio::test]
async fn a_drain_waits_for_websockets_until_its_deadline() {
    let (app, mut ended) = echo().await;
    let gateway =
        TestGateway::start(&format!("[server]\ndrain_timeout_seconds = 3600\n{}", app.config())).await;
    let mut raw = upgraded(&gateway).await;
    let client = async {
        // New requests are no longer served, and this connection still is.
        let readiness = "GET /readyz HTTP/1.1\r\nhost: a\r\n\r\n";
        while Raw::connect(gateway.admin()).await.ask(readiness).await.status == 200 {}
        raw.send("hello").await;
        assert_eq!(raw.bytes(5).await, b"hello");
        raw.send("bye").await;
        assert_eq!(raw.closed().await, "");
    };
    let (in_time, ()) = tokio::join!(gateway.shutdown(), client);
    assert!(in_time);
    assert_eq!(ended.recv().await, Some(false));

    let gateway = TestGateway::start(&format!("[server]\ndrain_timeout_seconds = 1\n{}", app.config())).await;
    let mut raw = upgraded(&gateway).await;
    assert!(!gateway.shutdown().await, "nobody hung up");
    assert_eq!(raw.closed().await, "");
    assert_eq!(ended.recv().await, Some(true));
}

#[tokio::test]
async fn a_connection_that_may_be_upgraded_is_an_ordinary_one_until_then() {
    let (app, _ended) = echo().await;
    let gateway = app.behind_wharf().await;
    let mut raw = Raw::connect(gateway.api()).await;
    assert_eq!(raw.ask(good_request()).await.status, 200);
    assert_eq!(raw.ask("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.body, "plain");
    raw.send(UPGRADE).await;
    assert_eq!(raw.head().await.status, 101);
    raw.send("hi").await;
    assert_eq!(raw.bytes(2).await, b"hi");
}
