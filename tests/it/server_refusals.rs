//! Heads that hyper cannot read: the refusal still has the door's shape, and takes nothing from the replies before it.

use serde_json::Value;

use crate::support::{
    gateway::{KEY_CONFIG, TestGateway},
    raw::{Raw, Reply, good_request, neighbour_is_served, post_head},
};

/// Heads that are no HTTP, and the code that they get.
fn unreadable() -> Vec<(&'static str, String, &'static str)> {
    let get = |lines: &str| format!("GET / HTTP/1.1\r\nhost: a\r\n{lines}\r\n");
    vec![
        ("no request line", "GARBAGE\r\n\r\n".to_owned(), "INVALID_REQUEST"),
        ("no version of HTTP", "GET / HTTP/9.9\r\n\r\n".to_owned(), "INVALID_REQUEST"),
        ("a space in the path", "GET /a b HTTP/1.1\r\n\r\n".to_owned(), "INVALID_REQUEST"),
        ("two spaces before the path", "GET  / HTTP/1.1\r\n\r\n".to_owned(), "INVALID_REQUEST"),
        ("a TLS handshake", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\r\n\r\n".to_owned(), "INVALID_REQUEST"),
        ("a folded line", get(" folded: b\r\n"), "INVALID_REQUEST"),
        ("a space before the colon", get("x : y\r\n"), "INVALID_REQUEST"),
        ("a NUL", get("x: \0\r\n"), "INVALID_REQUEST"),
        ("a signed length", get("content-length: +1\r\n"), "INVALID_REQUEST"),
        ("two lengths", get("content-length: 1\r\ncontent-length: 2\r\n"), "INVALID_REQUEST"),
        ("an unknown coding", get("transfer-encoding: identity\r\n"), "INVALID_REQUEST"),
        (
            "chunks in HTTP/1.0",
            "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(),
            "INVALID_REQUEST",
        ),
        ("10,000 lines", get(&"x: y\r\n".repeat(10_000)), "HEADERS_TOO_LARGE"),
        ("a line of 1 MiB", get(&format!("x: {}\r\n", "y".repeat(1 << 20))), "HEADERS_TOO_LARGE"),
        ("a path of 1 MiB", format!("GET /{} HTTP/1.1\r\n\r\n", "y".repeat(1 << 20)), "HEADERS_TOO_LARGE"),
    ]
}

fn assert_refused(what: &str, reply: &Reply, code: &str) {
    let status = if code == "HEADERS_TOO_LARGE" { 431 } else { 400 };
    assert_eq!((reply.status, reply.code().as_str()), (status, code), "{what}: {reply:?}");
    let envelope: Value = serde_json::from_str(&reply.body).unwrap();
    let id = reply.header("x-request-id").unwrap_or_else(|| panic!("{what}: {reply:?}"));
    assert_eq!((id.len(), &envelope["requestId"]), (36, &Value::from(id)), "{what}");
    for field in ["message", "docs"] {
        assert!(envelope[field].as_str().is_some_and(|text| !text.is_empty()), "{what}: {reply:?}");
    }
    assert_eq!(reply.header("content-type"), Some("application/json"), "{what}");
    assert_eq!(reply.header("connection"), Some("close"), "{what}");
    assert!(reply.header("date").is_some_and(|date| date.ends_with(" GMT")), "{what}: {reply:?}");
}

#[tokio::test]
async fn a_head_that_cannot_be_read_is_refused_in_the_api_s_shape() {
    let gateway = TestGateway::start(KEY_CONFIG).await;
    for (what, head, code) in unreadable() {
        let mut raw = Raw::connect(gateway.api()).await;
        // The gateway answers before it has read everything.
        raw.try_send(head).await;
        assert_refused(what, &raw.reply().await, code);
        assert_eq!(raw.closed().await, "", "{what}");
        neighbour_is_served(gateway.api()).await;
    }
}

#[tokio::test]
async fn replies_before_an_unreadable_head_arrive_whole() {
    let gateway = TestGateway::start(KEY_CONFIG).await;
    for (what, head, code) in unreadable() {
        let mut raw = Raw::connect(gateway.api()).await;
        // In one piece: the first bytes of the head are read together with the requests before it.
        raw.try_send(good_request().repeat(3) + &head).await;
        for _ in 0..3 {
            assert_eq!(raw.reply().await.status, 200, "{what}");
        }
        assert_refused(what, &raw.reply().await, code);
        assert_eq!(raw.closed().await, "", "{what}");
    }
}

/// A reply without a body looks just as a refusal of hyper's does, and is the door's own.
#[tokio::test]
async fn a_reply_that_looks_like_a_refusal_is_left_alone() {
    let gateway = TestGateway::start(KEY_CONFIG).await;
    let mut raw = Raw::connect(gateway.api()).await;
    let head = post_head("/nowhere", 0).replace("POST", "HEAD");
    raw.send(head.repeat(2) + &head.replace("host:", "connection: close\r\nhost:")).await;
    let replies = raw.closed().await;
    assert_eq!(replies.matches("HTTP/1.1 404 ").count(), 3, "{replies}");
    assert!(replies.ends_with("\r\n\r\n") && !replies.contains("INVALID_REQUEST"), "{replies}");
}

#[tokio::test]
async fn the_admin_door_says_it_in_a_line() {
    let gateway = TestGateway::start(KEY_CONFIG).await;
    let mut raw = Raw::connect(gateway.admin()).await;
    let reply = raw.ask("GARBAGE\r\n\r\n").await;
    assert_eq!((reply.status, reply.header("content-type")), (400, Some("text/plain; charset=utf-8")));
    assert_eq!(reply.body, "this is not a request that can be read\n");
    assert_eq!(raw.closed().await, "");
}

#[tokio::test]
async fn a_refusal_is_counted() {
    let gateway = TestGateway::start(KEY_CONFIG).await;
    assert_eq!(Raw::connect(gateway.api()).await.ask("GARBAGE\r\n\r\n").await.status, 400);
    let metrics =
        Raw::connect(gateway.admin()).await.ask("GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n").await.body;
    let counted = metrics.lines().find(|line| line.contains("INVALID_REQUEST"));
    assert!(counted.is_some_and(|line| line.ends_with(" 1")), "{counted:?}");
}
