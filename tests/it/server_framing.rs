//! Requests that one server reads one way and another server another way, over real sockets.

use crate::support::{
    gateway::{KEY_CONFIG, TestGateway},
    raw::{Raw, good_request, neighbour_is_served},
};

#[tokio::test]
async fn ambiguous_heads_are_refused_in_the_api_s_shape() {
    let gateway = TestGateway::start(KEY_CONFIG).await;
    for (head, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: user@a\r\n\r\n", 400),
        ("GET http://a/ HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        ("OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        ("GET /%zz HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        ("TRACE / HTTP/1.1\r\nhost: a\r\n\r\n", 501),
        ("CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n", 501),
        ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    ] {
        let reply = Raw::connect(gateway.api()).await.ask(head).await;
        assert_eq!(reply.status, status, "{head:?} got {reply:?}");
        let code = if status == 400 { "INVALID_REQUEST" } else { "NOT_IMPLEMENTED" };
        assert_eq!(reply.code(), code, "{head:?}");
        assert_eq!(reply.header("x-request-id").map(str::len), Some(36), "{head:?}");
        assert!(reply.body.contains(reply.header("x-request-id").unwrap()), "{head:?}");
    }
    neighbour_is_served(gateway.api()).await;
}

/// A proxy in front that believes the Content-Length would have let this client append a request of its own.
#[tokio::test]
async fn nothing_behind_a_chunked_request_is_taken_for_a_request() {
    let gateway = TestGateway::start(KEY_CONFIG).await;
    for framing in [
        "content-length: 6\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 6\r\n",
        "transfer-encoding: chunked\r\n",
    ] {
        let mut raw = Raw::connect(gateway.api()).await;
        let smuggler = format!("POST / HTTP/1.1\r\nhost: a\r\n{framing}\r\n0\r\n\r\n{}", good_request());
        let reply = raw.ask(&smuggler).await;
        assert_eq!((reply.status, reply.header("connection")), (404, Some("close")), "{framing:?}");
        assert_eq!(raw.closed().await, "", "{framing:?}");
    }
}

#[tokio::test]
async fn a_connection_serves_many_requests_one_after_another() {
    let gateway = TestGateway::start(KEY_CONFIG).await;
    let mut raw = Raw::connect(gateway.api()).await;
    let mut ids = Vec::new();
    raw.send(good_request().repeat(3)).await;
    for _ in 0..3 {
        let reply = raw.reply().await;
        assert_eq!(reply.status, 200, "{reply:?}");
        ids.push(reply.header("x-request-id").unwrap().to_owned());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn an_inbound_request_id_is_not_trusted() {
    let gateway = TestGateway::start(KEY_CONFIG).await;
    let request = good_request().replace("host:", "x-request-id: forged\r\nhost:");
    let reply = Raw::connect(gateway.api()).await.ask(request).await;
    assert_ne!(reply.header("x-request-id"), Some("forged"));
}

#[tokio::test]
async fn browsers_may_call_and_read_errors_too() {
    let gateway =
        TestGateway::start(&format!("[upload.cors]\norigins = [\"https://app.example\"]\n{KEY_CONFIG}"))
            .await;
    let mut raw = Raw::connect(gateway.api()).await;
    let preflight = "OPTIONS /api/v1/upload/photos/signed-url HTTP/1.1\r\nhost: a\r\norigin: https://app.example\r\n\
                     access-control-request-method: POST\r\naccess-control-request-headers: x-api-key\r\n\r\n";
    let reply = raw.ask(preflight).await;
    assert_eq!(reply.status, 204, "{reply:?}");
    assert_eq!(reply.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(reply.header("access-control-allow-methods"), Some("POST"));
    assert!(reply.header("access-control-allow-headers").unwrap().contains("x-signature"));
    let reply = raw.ask(preflight.replace("/photos/signed-url", "/nowhere")).await;
    assert_eq!((reply.status, reply.header("access-control-allow-methods")), (204, None));

    let mistaken =
        "POST /nowhere HTTP/1.1\r\nhost: a\r\norigin: https://app.example\r\ncontent-length: 0\r\n\r\n";
    let reply = raw.ask(mistaken).await;
    assert_eq!((reply.status, reply.code().as_str()), (404, "NOT_FOUND"));
    assert_eq!(reply.header("access-control-allow-origin"), Some("https://app.example"));
    assert!(reply.header("access-control-expose-headers").unwrap().contains("x-request-id"));

    let reply = raw.ask(mistaken.replace("app.example", "evil.example")).await;
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (404, None));
}

#[tokio::test]
async fn a_body_must_be_json_and_small() {
    let gateway = TestGateway::start(&format!("[server.limits]\nbody_bytes_max = 1024\n{KEY_CONFIG}")).await;
    let path = "/api/v1/upload/s3/signed-url";
    let head = |lines: &str| {
        format!("POST {path} HTTP/1.1\r\nhost: a\r\nx-api-key: test-key-0123456789abcdef\r\n{lines}\r\n")
    };
    let json = "content-type: application/json\r\n";
    for (request, status, code) in [
        (head("content-length: 2\r\n") + "{}", 415, "UNSUPPORTED_MEDIA_TYPE"),
        (head("content-type: text/plain\r\ncontent-length: 2\r\n") + "{}", 415, "UNSUPPORTED_MEDIA_TYPE"),
        (
            head(&format!("{json}content-encoding: gzip\r\ncontent-length: 2\r\n")) + "{}",
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
        (head(&format!("{json}content-length: 1025\r\n")) + &"x".repeat(1025), 413, "PAYLOAD_TOO_LARGE"),
        (
            head(&format!("{json}transfer-encoding: chunked\r\n"))
                + "401\r\n"
                + &"x".repeat(1025)
                + "\r\n0\r\n\r\n",
            413,
            "PAYLOAD_TOO_LARGE",
        ),
        (head(&format!("{json}content-length: 1024\r\n")) + &"x".repeat(1024), 400, "INVALID_JSON"),
        (
            head("Content-Type: Application/JSON; charset=utf-8\r\ncontent-length: 1\r\n") + "{",
            400,
            "INVALID_JSON",
        ),
    ] {
        let reply = Raw::connect(gateway.api()).await.ask(&request).await;
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{request}");
    }
    neighbour_is_served(gateway.api()).await;
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_body() {
    let gateway = TestGateway::start(KEY_CONFIG).await;
    let path = "/api/v1/upload/photos/signed-url";
    let chunked = format!(
        "POST {path} HTTP/1.1\r\nhost: a\r\nx-api-key: test-key-0123456789abcdef\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\n\r\nzz\r\n"
    );
    let reply = Raw::connect(gateway.api()).await.ask(chunked).await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "INVALID_REQUEST"));
    neighbour_is_served(gateway.api()).await;
}
