//! Each limit, reached over a real socket while a neighbour is served.

use std::time::Duration;

use http::Method;
use tokio::time::sleep;

use crate::support::{
    gateway::{KEY_CONFIG, TestGateway},
    raw::{Raw, good_request, neighbour_is_served, post, post_head},
    recorder::{Answer, Recorder},
    s3_client::{Ask, Mode, S3_KEYS, in_front_of},
};

const SIGNED_URL: &str = "/api/v1/upload/s3/signed-url";

async fn gateway(limits: &str) -> TestGateway {
    TestGateway::start(&format!("[server.limits]\n{limits}\n{KEY_CONFIG}")).await
}

/// Connects and has one request answered: from then on the connection counts.
async fn settled(gateway: &TestGateway) -> Raw {
    let mut raw = Raw::connect(gateway.api()).await;
    assert_eq!(raw.ask(good_request()).await.status, 200);
    raw
}

#[tokio::test]
async fn a_full_door_serves_who_is_inside_and_lets_others_in_when_they_leave() {
    let gateway = gateway("connections_max = 2").await;
    let mut inside = settled(&gateway).await;
    let leaving = settled(&gateway).await;
    let mut outside = Raw::connect(gateway.api()).await;
    outside.send(good_request()).await;
    assert!(outside.is_quiet().await);
    assert_eq!(inside.ask(good_request()).await.status, 200);
    drop(leaving);
    assert_eq!(outside.reply().await.status, 200);
}

#[tokio::test]
async fn a_reload_that_widens_a_full_door_lets_those_in_who_wait() {
    let gateway = gateway("connections_max = 1").await;
    let mut inside = settled(&gateway).await;
    let mut outside = Raw::connect(gateway.api()).await;
    outside.send(good_request()).await;
    assert!(outside.is_quiet().await);
    gateway.reload_toml(&format!("[server.limits]\nconnections_max = 2\n{KEY_CONFIG}")).await;
    assert_eq!(outside.reply().await.status, 200);
    assert_eq!(inside.ask(good_request()).await.status, 200);
}

#[tokio::test]
async fn one_client_cannot_take_all_connections() {
    let gateway = gateway("connections_per_ip_max = 2").await;
    let mut first = settled(&gateway).await;
    let second = settled(&gateway).await;
    assert_eq!(Raw::connect(gateway.api()).await.closed().await, "");
    let mut neighbour = Raw::connect_from([127, 0, 0, 2], gateway.api()).await;
    assert_eq!(neighbour.ask(good_request()).await.status, 200);
    assert_eq!(first.ask(good_request()).await.status, 200);
    drop(second);
    let metrics = Raw::connect(gateway.admin()).await.ask("GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(metrics.body.contains("wharf_connections_refused_total{door=\"api\"} 1\n"), "{}", metrics.body);
}

#[tokio::test]
async fn a_trusted_proxy_is_many_clients() {
    let gateway = TestGateway::start(&format!(
        "[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\n[server.limits]\nconnections_per_ip_max = 1\n{KEY_CONFIG}"
    ))
    .await;
    let _first = settled(&gateway).await;
    neighbour_is_served(gateway.api()).await;
}

#[tokio::test]
async fn requests_in_flight_are_bounded_and_a_permit_comes_back() {
    let gateway = gateway("requests_in_flight_max = 1").await;
    let mut slow = Raw::connect(gateway.api()).await;
    slow.send(post_head("/api/v1/upload/validate-key", 2)).await;
    // Until the gateway has read that head, others are still served.
    let refused = loop {
        let reply = Raw::connect(gateway.api()).await.ask(good_request()).await;
        if reply.status == 503 {
            break reply;
        }
    };
    assert_eq!((refused.code().as_str(), refused.header("retry-after")), ("OVERLOADED", Some("1")));
    let health = Raw::connect(gateway.admin()).await.ask("GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(health.status, 200);
    assert_eq!(slow.ask("{}").await.status, 200);
    neighbour_is_served(gateway.api()).await;
}

#[tokio::test]
async fn a_head_has_a_size_and_a_number_of_lines() {
    let gateway = gateway("header_bytes_max = 8192\nheaders_max = 16").await;
    let long = good_request().replace("host:", &format!("x: {}\r\nhost:", "y".repeat(8192)));
    let many = good_request().replace("host:", &format!("{}host:", "x: y\r\n".repeat(13)));
    for request in [long, many] {
        let reply = Raw::connect(gateway.api()).await.ask(request).await;
        assert_eq!((reply.status, reply.code().as_str()), (431, "HEADERS_TOO_LARGE"));
    }
    let as_many_as_may_be = good_request().replace("host:", &format!("{}host:", "x: y\r\n".repeat(12)));
    assert_eq!(Raw::connect(gateway.api()).await.ask(as_many_as_may_be).await.status, 200);
}

#[tokio::test]
async fn a_head_of_a_mebibyte_is_not_kept() {
    let gateway = gateway("").await;
    for head in [
        format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(1 << 20)),
        format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "y".repeat(1 << 20)),
        format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(1 << 18)),
    ] {
        let mut raw = Raw::connect(gateway.api()).await;
        // The gateway answers before it has read everything.
        raw.try_send(head).await;
        let reply = raw.closed().await;
        assert!(reply.starts_with("HTTP/1.1 431 "), "{reply}");
    }
    neighbour_is_served(gateway.api()).await;
}

#[tokio::test]
async fn a_head_that_comes_too_slowly_is_cut() {
    let gateway = gateway("header_timeout_seconds = 1").await;
    let mut silent = Raw::connect(gateway.api()).await;
    let mut partial = Raw::connect(gateway.api()).await;
    partial.send("GET / HTTP/1.1\r\nhost:").await;
    let mut preface = Raw::connect(gateway.api()).await;
    preface.send("PRI * HTTP/2.0\r\n").await;
    let mut second_request = settled(&gateway).await;
    second_request.send("GET / HTTP/1.1\r\n").await;
    for slow in [&mut silent, &mut partial, &mut preface, &mut second_request] {
        neighbour_is_served(gateway.api()).await;
        assert_eq!(slow.closed().await, "");
    }
}

#[tokio::test]
async fn a_connection_without_requests_is_closed() {
    let gateway = gateway("idle_timeout_seconds = 1").await;
    let mut idle = settled(&gateway).await;
    neighbour_is_served(gateway.api()).await;
    assert_eq!(idle.closed().await, "");
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_answered_and_cut() {
    let gateway = gateway("body_timeout_seconds = 1").await;
    let mut slow = Raw::connect(gateway.api()).await;
    slow.send(post_head(SIGNED_URL, 10)).await;
    slow.send("{").await;
    neighbour_is_served(gateway.api()).await;
    let reply = slow.reply().await;
    assert_eq!((reply.status, reply.code().as_str()), (408, "REQUEST_TIMEOUT"));
    assert_eq!(slow.closed().await, "");
}

#[tokio::test]
async fn a_body_has_a_least_rate() {
    let gateway = gateway("body_bytes_per_second_min = 1048576").await;
    let mut slow = Raw::connect(gateway.api()).await;
    slow.send(post_head(SIGNED_URL, 1000)).await;
    slow.send("{").await;
    neighbour_is_served(gateway.api()).await;
    let reply = slow.reply().await;
    assert_eq!((reply.status, reply.code().as_str()), (408, "REQUEST_TIMEOUT"));
}

#[tokio::test]
async fn a_reply_that_nobody_takes_is_given_up() {
    let gateway = gateway("write_timeout_seconds = 1").await;
    let mut deaf = Raw::connect(gateway.api()).await;
    // Replies fill the sockets' buffers until the gateway can neither write nor, therefore, read.
    let requests = good_request().repeat(1000);
    while deaf.try_send(&requests).await {}
    neighbour_is_served(gateway.api()).await;
}

/// More than the sockets' buffers hold.
const DOWNLOAD_BYTES: usize = 64 << 20;

/// What a slow reader takes at a time.
const PIECE_BYTES: usize = 128 << 10;

/// Takes a little of a reply at a time, so that no write is stuck for long, until the gateway has had enough of it.
/// Returns how much came.
async fn take_slowly(raw: &mut Raw) -> usize {
    let mut taken = 0;
    while let Some(bytes) = raw.some_bytes(PIECE_BYTES).await {
        taken += bytes;
        sleep(Duration::from_millis(50)).await;
    }
    taken
}

async fn with_download() -> Recorder {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {DOWNLOAD_BYTES}\r\n\r\n");
    let reply = [head.into_bytes(), vec![b'a'; DOWNLOAD_BYTES]].concat();
    Recorder::answering(move |_| Some(Answer::new(reply.clone()))).await
}

const REPLY_RATE: &str =
    "[server.limits]\nreply_bytes_per_second_min = 67108864\nwrite_timeout_seconds = 3600\n";

#[tokio::test]
async fn an_objects_reader_has_a_least_rate() {
    let store = with_download().await;
    let gateway = TestGateway::start(&[REPLY_RATE, &in_front_of(&store.endpoint(), S3_KEYS)].concat()).await;
    let mut slow = Raw::connect(gateway.s3()).await;
    slow.send(Ask::get("/photos/large").sign().head()).await;
    let slow = async {
        assert!(take_slowly(&mut slow).await < DOWNLOAD_BYTES);
        // Its place at the provider is free.
        store.until(|record| record.iter().any(|request| request.is_closed)).await;
    };
    let neighbour = async {
        let mut neighbour = Raw::connect(gateway.s3()).await;
        neighbour.send(Ask::get("/photos/large").sign().head()).await;
        assert_eq!(neighbour.head().await.status, 200);
        assert_eq!(neighbour.bytes(DOWNLOAD_BYTES).await.len(), DOWNLOAD_BYTES);
    };
    tokio::join!(slow, neighbour);
}

#[tokio::test]
async fn a_reader_of_the_apps_replies_has_a_least_rate() {
    let app = with_download().await;
    let config = format!("{REPLY_RATE}{KEY_CONFIG}[upstream]\nendpoint = \"{}\"\n", app.endpoint());
    let gateway = TestGateway::start(&config).await;
    let mut slow = Raw::connect(gateway.api()).await;
    slow.send("GET /large HTTP/1.1\r\nhost: wharf.test\r\n\r\n").await;
    let slow = async {
        assert!(take_slowly(&mut slow).await < DOWNLOAD_BYTES);
        app.until(|record| record.iter().any(|request| request.is_closed)).await;
    };
    tokio::join!(slow, neighbour_is_served(gateway.api()));
}

/// Each is read whole before anything in it is believed, so all of them together have a bound.
#[tokio::test]
async fn documents_that_are_being_read_are_bounded_in_all() {
    let store = Recorder::answering(|_| Some(Answer::stored())).await;
    let limits = "[server.limits]\ndocuments_bytes_max = 4194304\n";
    let gateway = TestGateway::start(&[limits, &in_front_of(&store.endpoint(), S3_KEYS)].concat()).await;
    let (large, small) = (vec![b' '; 2 << 20], b"<Delete><Object><Key>a</Key></Object></Delete>");
    let delete = |body| Ask::new(Method::POST, "/photos?delete").body(Mode::Hash, body).sign();
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut raw = Raw::connect(gateway.s3()).await;
        raw.send(delete(&large).head()).await;
        held.push(raw);
    }
    // Until the gateway has read those heads, there is room.
    let refused = loop {
        let reply = delete(small).send(&gateway).await;
        if reply.status == 503 {
            break reply;
        }
    };
    assert_eq!((refused.s3_code(), refused.header("retry-after")), ("SlowDown", Some("1")));
    gateway.reload_toml(&[limits, &in_front_of(&store.endpoint(), S3_KEYS)].concat()).await;
    assert_eq!(delete(small).send(&gateway).await.status, 503, "a reload frees nothing");
    assert_eq!(Ask::put("/photos/a", Mode::Hash, b"hello").sign().send(&gateway).await.status, 200);
    drop(held.pop());
    while delete(small).send(&gateway).await.status == 503 {}
}

#[tokio::test]
async fn an_early_answer_arrives_though_the_body_was_not_read() {
    let gateway = gateway("").await;
    let mut raw = Raw::connect(gateway.api()).await;
    let body = "x".repeat(1 << 20);
    let request = post("/nowhere", &body);
    // A connection that was reset would lose the answer.
    assert!(raw.try_send(&request).await);
    let reply = raw.reply().await;
    assert_eq!((reply.status, reply.code().as_str()), (404, "NOT_FOUND"));
}

/// 5,000 where the process may open that many files; both ends are in this process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_slow_connections_do_not_slow_a_neighbour() {
    let files: usize = std::fs::read_to_string("/proc/self/limits")
        .expect("the limits of this process")
        .lines()
        .find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next()?.parse().ok())
        .expect("a limit of open files");
    let slow_max = 5000.min(files / 4);
    let gateway = gateway("connections_max = 100000\nconnections_per_ip_max = 100000").await;
    let mut slow = Vec::new();
    for index in 0..slow_max {
        let client = [127, 0, 1, u8::try_from(index % 250).unwrap() + 1];
        let mut raw = Raw::connect_from(client, gateway.api()).await;
        raw.send("POST /api/v1/upload/validate-key HTTP/1.1\r\nhost: a\r\nx-slow: ").await;
        slow.push(raw);
    }
    neighbour_is_served(gateway.api()).await;
    let last = slow.last_mut().expect("a slow connection");
    let rest = good_request();
    let (_, headers) = rest.split_once("\r\n").expect("a head");
    assert_eq!(last.ask(format!("y\r\n{}", headers.replace("host: wharf.test\r\n", ""))).await.status, 200);
}
