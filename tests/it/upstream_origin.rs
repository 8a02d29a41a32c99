//! A configured provider in good days and bad: what is sent again, what is not sent at all, and what is learned.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use wharf::{
    admin::Metrics,
    backend::{
        Origin, Origins, Outgoing, Shared, SigningKeys,
        upstream::{ReplyStream, SendBody, UpstreamError},
    },
    clock::Clock,
    config::{Config, Environment, from_toml_text},
};
use wharf_wire::{
    date::Timestamp,
    names::{BucketName, ObjectKey},
};

/// 2013-05-24T00:00:00Z
const NOW: Timestamp = Timestamp::from_unix_millis(1_369_353_600_000);

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const FAILED: &str = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n";
const DOWN: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
const SLOW_DOWN: &str =
    "HTTP/1.1 503 Slow Down\r\ncontent-length: 38\r\n\r\n<Error><Code>SlowDown</Code>  </Error>";
/// Hangs up without a word.
const RESET: &str = "";

/// A provider that reads requests, notes them, and answers as it is told; when it was told nothing more, with 200.
struct Store {
    endpoint: String,
    replies: Arc<Mutex<VecDeque<String>>>,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Store {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Store {
    async fn start(replies: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let replies: VecDeque<_> = replies.iter().map(|reply| (*reply).to_owned()).collect();
        let (replies, requests) = (Arc::new(Mutex::new(replies)), Arc::<Mutex<Vec<_>>>::default());
        let shared = (Arc::clone(&replies), Arc::clone(&requests));
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (replies, requests) = shared.clone();
                connections.spawn(serve(stream, replies, requests));
            }
        });
        Self { endpoint, replies, requests, task }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    fn tell(&self, reply: &str) {
        self.replies.lock().unwrap().push_back(reply.to_owned());
    }
}

async fn serve(
    mut stream: TcpStream,
    replies: Arc<Mutex<VecDeque<String>>>,
    requests: Arc<Mutex<Vec<String>>>,
) {
    while let Some(request) = read(&mut stream).await {
        requests.lock().unwrap().push(request);
        let reply = replies.lock().unwrap().pop_front().unwrap_or_else(|| OK.to_owned());
        if reply == RESET || stream.write_all(reply.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// One request with its body.
async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut received = String::new();
    loop {
        if let Some((head, body)) = received.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Some(received);
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(bytes @ 1..) => received.push_str(std::str::from_utf8(&buffer[..bytes]).unwrap()),
            Ok(0) | Err(_) => return None,
        }
    }
}

fn config(endpoint: &str, more: &str) -> Config {
    let text = format!(
        "[providers.store]\nplugin = \"minio\"\nendpoint = \"{endpoint}\"\naccess_key_id = \"AKIDEXAMPLE\"\n\
         secret_access_key = \"wJalrXUtnFEMI\"\n{more}\n"
    );
    from_toml_text(&text, &Environment::default()).unwrap()
}

fn shared(clock: Clock) -> Shared {
    Shared { signing_keys: Arc::new(SigningKeys::new(10)), clock, metrics: Arc::new(Metrics::default()) }
}

/// The only provider of a configuration, and where it is counted.
fn origin(endpoint: &str, more: &str, clock: Clock) -> (Arc<Origin>, Arc<Metrics>) {
    let shared = shared(clock);
    let origins = Origins::new(&config(endpoint, more), &shared, None).unwrap();
    (Arc::clone(origins.get("store").unwrap()), shared.metrics)
}

fn get() -> Outgoing<'static> {
    Outgoing { may_repeat: true, ..Outgoing::new(Method::GET) }
}

fn post(body: impl Into<SendBody>) -> Outgoing<'static> {
    Outgoing { body: body.into(), ..Outgoing::new(Method::POST) }
}

async fn text(reply: Response<ReplyStream>) -> String {
    let mut body = reply.into_body();
    let mut text = String::new();
    while let Some(frame) = body.frame().await {
        if let Ok(piece) = frame.unwrap().into_data() {
            text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }
    text
}

async fn status(origin: &Origin, outgoing: Outgoing<'_>) -> StatusCode {
    let reply = origin.send(outgoing).await.unwrap();
    let status = reply.status();
    text(reply).await;
    status
}

fn assert_counted(metrics: &Metrics, lines: &[&str]) {
    let text = metrics.encode().unwrap();
    for line in lines {
        assert!(text.lines().any(|found| found == *line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn a_signed_request_is_sent_with_its_body_and_the_reply_comes_back() {
    let store = Store::start(&[]).await;
    let (origin, metrics) = origin(&store.endpoint, "", Clock::Fixed(NOW));
    let (bucket, key) = (BucketName::parse("photos").unwrap(), ObjectKey::parse("a b/ü").unwrap());
    let outgoing = Outgoing {
        bucket: Some(&bucket),
        key: Some(&key),
        headers: [(http::header::CONTENT_TYPE, "text/plain".parse().unwrap())]
            .into_iter()
            .collect::<HeaderMap>(),
        body: Bytes::from_static(b"hello").into(),
        ..Outgoing::new(Method::PUT)
    };
    assert_eq!(text(origin.send(outgoing).await.unwrap()).await, "ok");
    let request = &store.requests()[0];
    assert!(request.starts_with("PUT /photos/a%20b/%C3%BC HTTP/1.1\r\n"), "{request}");
    for line in [
        "content-type: text/plain",
        "content-length: 5",
        "x-amz-content-sha256: UNSIGNED-PAYLOAD",
        "x-amz-date: 20130524T000000Z",
    ] {
        assert!(request.lines().any(|found| found == line), "{line} is not in {request}");
    }
    assert!(request.ends_with("\r\n\r\nhello"), "{request}");
    assert_counted(&metrics, &["wharf_provider_requests_total{provider=\"store\",outcome=\"answered\"} 1"]);
}

#[tokio::test]
async fn what_may_be_repeated_is_and_nothing_else() {
    for reply in [FAILED, DOWN, SLOW_DOWN, RESET] {
        let store = Store::start(&[reply, reply]).await;
        let (origin, metrics) = origin(&store.endpoint, "", Clock::System);
        assert_eq!(status(&origin, get()).await, StatusCode::OK, "{reply}");
        assert_eq!(store.requests().len(), 3);
        assert_counted(&metrics, &["wharf_provider_retries_total{provider=\"store\"} 2"]);
    }
    for reply in [FAILED, DOWN, SLOW_DOWN, RESET] {
        let store = Store::start(&[reply]).await;
        let (origin, _) = origin(&store.endpoint, "", Clock::System);
        let once = origin.send(post(Bytes::from_static(b"once"))).await;
        assert!(once.is_err() || once.is_ok_and(|reply| reply.status().is_server_error()), "{reply}");
        assert_eq!(store.requests().len(), 1, "{reply}");
    }
    let store = Store::start(&["HTTP/1.1 501 Not Implemented\r\ncontent-length: 0\r\n\r\n"]).await;
    let (origin, _) = origin(&store.endpoint, "", Clock::System);
    assert_eq!(status(&origin, get()).await, StatusCode::NOT_IMPLEMENTED);
    assert_eq!(store.requests().len(), 1);
}

#[tokio::test]
async fn a_body_that_streams_is_sent_once_whatever_happens() {
    let store = Store::start(&[DOWN]).await;
    let (origin, _) = origin(&store.endpoint, "", Clock::System);
    let stream = http_body_util::Full::new(Bytes::from_static(b"once")).map_err(|never| match never {});
    let outgoing =
        Outgoing { may_repeat: true, body: SendBody::stream(stream), ..Outgoing::new(Method::PUT) };
    assert_eq!(status(&origin, outgoing).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(store.requests().len(), 1);
}

#[tokio::test]
async fn after_three_tries_the_last_reply_is_the_caller_s_whole() {
    let store = Store::start(&[SLOW_DOWN; 3]).await;
    let (origin, _) = origin(&store.endpoint, "", Clock::System);
    let reply = origin.send(get()).await.unwrap();
    assert_eq!(reply.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text(reply).await, "<Error><Code>SlowDown</Code>  </Error>", "although it was looked into");
    assert_eq!(store.requests().len(), 3);
}

#[tokio::test]
async fn a_long_retry_after_is_the_caller_s_to_wait_for() {
    let store =
        Store::start(&["HTTP/1.1 503 Slow Down\r\nretry-after: 60\r\ncontent-length: 0\r\n\r\n"]).await;
    let (origin, _) = origin(&store.endpoint, "", Clock::System);
    assert_eq!(status(&origin, get()).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(store.requests().len(), 1);
}

#[tokio::test]
async fn retries_have_a_budget() {
    // Never enough failures in one window to be left alone.
    static TIME: AtomicU64 = AtomicU64::new(1_369_353_600_000);
    let store = Store::start(&[FAILED; 200]).await;
    let (origin, metrics) = origin(&store.endpoint, "", Clock::Moved(&TIME));
    for _ in 0..30 {
        TIME.fetch_add(20_000, Ordering::Relaxed);
        status(&origin, get()).await;
    }
    // Ten to begin with, and one for each ten requests.
    assert_counted(&metrics, &["wharf_provider_retries_total{provider=\"store\"} 12"]);
    assert_eq!(store.requests().len(), 42);
}

/// A store whose clock is an hour ahead refuses what is signed with ours.
#[tokio::test]
async fn the_provider_s_clock_is_learned_from_a_refusal_and_kept() {
    let date = "date: Fri, 24 May 2013 01:00:00 GMT";
    let skewed = format!("HTTP/1.1 403 Forbidden\r\n{date}\r\ncontent-length: 0\r\n\r\n");
    let good = format!("HTTP/1.1 200 OK\r\n{date}\r\ncontent-length: 0\r\n\r\n");
    let store = Store::start(&[&skewed, &good, &skewed, &good]).await;
    let (origin, _) = origin(&store.endpoint, "", Clock::Fixed(NOW));
    // Refused before anything was done: even what may not be repeated is sent again.
    assert_eq!(status(&origin, post(Bytes::from_static(b"x"))).await, StatusCode::OK);
    assert_eq!(
        status(&origin, post(Bytes::from_static(b"y"))).await,
        StatusCode::FORBIDDEN,
        "for another reason"
    );
    let dates: Vec<_> = store
        .requests()
        .iter()
        .map(|request| request.lines().find(|line| line.starts_with("x-amz-date")).unwrap().to_owned())
        .collect();
    let corrected = "x-amz-date: 20130524T010000Z";
    assert_eq!(dates, ["x-amz-date: 20130524T000000Z", corrected, corrected]);
}

#[tokio::test]
async fn a_provider_that_fails_is_left_alone_and_tried_again() {
    static TIME: AtomicU64 = AtomicU64::new(1_369_353_600_000);
    let store = Store::start(&[FAILED; 20]).await;
    let (origin, metrics) = origin(&store.endpoint, "", Clock::Moved(&TIME));
    for _ in 0..20 {
        status(&origin, post(SendBody::Empty)).await;
    }
    let open = origin.send(get()).await.unwrap_err();
    assert_eq!(open, UpstreamError::Open(Duration::from_secs(1)));
    assert_eq!(store.requests().len(), 20, "nothing was sent");
    let open_lines = [
        "wharf_provider_requests_total{provider=\"store\",outcome=\"failed\"} 20",
        "wharf_provider_requests_total{provider=\"store\",outcome=\"open\"} 1",
        "wharf_provider_breaker{provider=\"store\"} 2",
    ];
    assert_counted(&metrics, &open_lines);
    TIME.fetch_add(1000, Ordering::Relaxed);
    assert_eq!(status(&origin, get()).await, StatusCode::OK);
    assert_counted(&metrics, &["wharf_provider_breaker{provider=\"store\"} 0"]);
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_is_left_alone() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (origin, _) = origin(&format!("http://{nobody}"), "", Clock::Fixed(NOW));
    for _ in 0..20 {
        let error = origin.send(post(SendBody::Empty)).await.unwrap_err();
        assert!(matches!(error, UpstreamError::Connect(_)), "{error:?}");
    }
    let error = origin.send(post(SendBody::Empty)).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Open(_)), "{error:?}");
}

#[tokio::test]
async fn a_reply_holds_its_place_until_it_is_read_or_dropped() {
    let store = Store::start(&[]).await;
    let (origin, _) = origin(&store.endpoint, "requests_in_flight_max = 1", Clock::System);
    let first = origin.send(get()).await.unwrap();
    let order = Arc::new(AtomicUsize::new(0));
    let second = tokio::spawn({
        let (origin, order) = (Arc::clone(&origin), Arc::clone(&order));
        async move {
            let reply = origin.send(get()).await.unwrap();
            (reply.status(), order.load(Ordering::SeqCst))
        }
    });
    // One thread: the second has come as far as the queue.
    tokio::task::yield_now().await;
    // The queue is as long as the limit: the next is told to come back.
    let third = origin.send(get()).await;
    assert!(matches!(third, Err(UpstreamError::Busy(_))), "{third:?}");
    order.store(1, Ordering::SeqCst);
    drop(first);
    assert_eq!(second.await.unwrap(), (StatusCode::OK, 1), "after the first was dropped");
}

#[tokio::test]
async fn a_provider_that_says_slow_down_is_sent_fewer_at_once() {
    let store = Store::start(&[]).await;
    let (origin, metrics) = origin(&store.endpoint, "requests_in_flight_max = 64", Clock::Fixed(NOW));
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(origin.send(get()).await.unwrap());
    }
    store.tell(SLOW_DOWN);
    assert_eq!(status(&origin, post(SendBody::Empty)).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_counted(
        &metrics,
        &[
            "wharf_provider_in_flight_limit{provider=\"store\"} 4",
            "wharf_provider_requests_total{provider=\"store\",outcome=\"too_fast\"} 1",
            "wharf_provider_breaker{provider=\"store\"} 0",
        ],
    );
    held.clear();
    assert_eq!(status(&origin, get()).await, StatusCode::OK);
}

#[tokio::test]
async fn what_was_learned_outlives_a_reload_that_leaves_the_place_as_it_was() {
    let store = Store::start(&[FAILED; 20]).await;
    let shared = shared(Clock::Fixed(NOW));
    let first = Origins::new(&config(&store.endpoint, ""), &shared, None).unwrap();
    for _ in 0..20 {
        status(first.get("store").unwrap(), post(SendBody::Empty)).await;
    }
    let rotated = config(&store.endpoint, "session_token = \"new\"");
    let second = Origins::new(&rotated, &shared, Some(&first)).unwrap();
    let error = second.get("store").unwrap().send(get()).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Open(_)), "{error:?}");
    let moved = config(&store.endpoint, "requests_in_flight_max = 7");
    let third = Origins::new(&moved, &shared, Some(&second)).unwrap();
    assert_eq!(status(third.get("store").unwrap(), get()).await, StatusCode::OK);
}
