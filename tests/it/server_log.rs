//! What is written of requests, and what never is.

use std::{
    io::{self, Write},
    sync::{Arc, LazyLock, Mutex},
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tracing::{Dispatch, subscriber::DefaultGuard};
use wharf::{
    config::checked::{Log, LogFormat},
    telemetry::{self, Telemetry},
};

use crate::support::{
    gateway::{KEY, KEY_CONFIG, TestGateway},
    raw::{Raw, good_request, post},
};

/// Where a test's logs go.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn of_requests(&self) -> Vec<String> {
        self.text().lines().filter(|line| line.contains("wharf::access")).map(str::to_owned).collect()
    }
}

/// The tests' key has no secret, so its id opens the door and is not for the log.
fn log_name() -> String {
    format!("sha256:{}", &hex::encode(Sha256::digest(KEY))[..8])
}

fn log(filter: &str, format: LogFormat, access: bool) -> Log {
    Log { filter: filter.to_owned(), format, access }
}

/// A second subscriber, which wants nothing. Where there is but one, tracing asks the thread that reaches a line first
/// whether anybody wants it, and remembers the answer: and that may be the thread of a test that has no subscriber.
static OTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(tracing_subscriber::registry()));

/// Logs everything that this thread does; the test's runtime has no other.
fn capture(config: &Log) -> (Lines, Telemetry, DefaultGuard) {
    LazyLock::force(&OTHER);
    let lines = Lines::default();
    let writer = lines.clone();
    let (subscriber, telemetry) = telemetry::subscriber(config, move || writer.clone(), false).unwrap();
    (lines, telemetry, tracing::subscriber::set_default(subscriber))
}

#[tokio::test]
async fn a_request_is_one_line_without_its_query() {
    let (lines, _telemetry, _guard) = capture(&log("error", LogFormat::Text, true));
    let gateway = TestGateway::start(KEY_CONFIG).await;
    let mut raw = Raw::connect(gateway.api()).await;
    let reply = raw.ask(good_request().replace("validate-key", "validate-key?X-Amz-Signature=canary")).await;
    assert_eq!(reply.status, 200);
    assert_eq!(raw.ask(post("/nowhere", "")).await.status, 404);

    let requests = lines.of_requests();
    assert_eq!(requests.len(), 2, "{}", lines.text());
    for part in [
        "method=\"POST\"",
        "path=\"/api/v1/upload/validate-key\"",
        "route=\"validate_key\"",
        "status=200",
        "client=127.0.0.1",
        &format!("key=\"{}\"", log_name()),
        &format!("id=\"{}\"", reply.header("x-request-id").unwrap()),
        &format!("bytes={}", reply.body.len()),
    ] {
        assert!(requests[0].contains(part), "{part} is not in {}", requests[0]);
    }
    assert!(requests[1].contains("status=404"), "{}", requests[1]);
    assert!(!lines.text().contains("canary"));
}

#[tokio::test]
async fn a_line_can_be_json() {
    let (lines, _telemetry, _guard) = capture(&log("error", LogFormat::Json, true));
    let gateway = TestGateway::start(KEY_CONFIG).await;
    assert_eq!(Raw::connect(gateway.api()).await.ask(good_request()).await.status, 200);
    let line: Value = serde_json::from_str(&lines.of_requests()[0]).unwrap();
    assert_eq!(line["status"], 200);
    assert_eq!(line["key"], log_name());
    assert!(!lines.text().contains(KEY), "without a secret, the id is one");
    assert_eq!(line["span"]["path"], "/api/v1/upload/validate-key");
}

#[tokio::test]
async fn access_lines_and_the_filter_can_change_while_it_runs() {
    let (lines, telemetry, _guard) = capture(&log("debug", LogFormat::Text, false));
    let gateway = TestGateway::start(KEY_CONFIG).await;
    let mut raw = Raw::connect(gateway.api()).await;
    assert_eq!(raw.ask(good_request()).await.status, 200);
    assert_eq!(lines.of_requests().len(), 0, "{}", lines.text());
    telemetry.reload(&log("error", LogFormat::Text, true)).unwrap();
    assert_eq!(raw.ask(good_request()).await.status, 200);
    assert_eq!(lines.of_requests().len(), 1, "{}", lines.text());
}

#[tokio::test]
async fn a_client_that_leaves_is_logged_too() {
    let (lines, _telemetry, _guard) = capture(&log("error", LogFormat::Text, true));
    let gateway = TestGateway::start(KEY_CONFIG).await;
    let mut raw = Raw::connect(gateway.api()).await;
    let head = post("/api/v1/upload/validate-key", "");
    raw.send(head.replace("content-length: 0", "expect: 100-continue\r\ncontent-length: 9")).await;
    assert_eq!(raw.reply().await.status, 100);
    drop(raw);
    assert!(gateway.shutdown().await);
    assert_eq!(lines.of_requests().len(), 1, "{}", lines.text());
}

/// A bucket whose provider's credentials are for no log, and callers that may bring theirs.
const SECRETS_CONFIG: &str = r#"
[upload.callers]
allowed = true

[providers.main]
plugin = "s3"
region = "eu-west-1"
access_key_id = "AKIACANARYCONFIGURED"
secret_access_key = "canary-configured-0123456789abcdefghijklm"

[buckets.photos]
provider = "main"
bucket = "acme-photos"
"#;

/// What a caller brings.
const BROUGHT: &str = r#""s3AccessKey":"AKIACANARY0123456789","s3SecretKey":"canary-brought-0123456789abcdefghijklmnop",
    "s3SessionToken":"canary-token","s3Bucket":"my-bucket","s3Region":"eu-west-1""#;

/// Headers that a client might send, in which nothing is for a log.
const SECRET_HEADERS: [(&str, &str); 3] =
    [("x-api-secret", "canary-secret"), ("x-signature", "canary-signature"), ("cookie", "canary-cookie")];

/// Every route, with configured and with brought credentials: paths and bodies.
fn requests_of_all_routes() -> Vec<(String, String)> {
    let file = r#""filename":"a.txt","contentType":"text/plain""#;
    let routes = [
        ("{}/signed-url", file.to_owned()),
        ("{}/batch-signed-url", format!(r#""files":[{{{file}}},{{{file}}}]"#)),
        ("download/{}/signed-url", r#""key":"a.txt""#.to_owned()),
        ("validate-key", String::new()),
    ];
    let mut requests = Vec::new();
    for (route, fields) in routes {
        for (provider, brought) in [("photos", ""), ("s3", BROUGHT)] {
            let path = format!("/api/v1/upload/{}?token=canary-query", route.replace("{}", provider));
            let fields: Vec<&str> =
                [fields.as_str(), brought].into_iter().filter(|part| !part.is_empty()).collect();
            requests.push((path, format!("{{{}}}", fields.join(","))));
        }
    }
    requests
}

async fn ask_http_1(gateway: &TestGateway, path: &str, body: &str) -> Value {
    let mut request = post(path, body);
    for (name, value) in SECRET_HEADERS {
        request = request.replacen("content-type", &format!("{name}: {value}\r\ncontent-type"), 1);
    }
    let mut raw = Raw::connect(gateway.api()).await;
    let refused = raw.ask(request.replace(KEY, "canary-key-0123456789")).await;
    assert_eq!(refused.status, 401, "{path}: {refused:?}");
    let reply = raw.ask(&request).await;
    assert_eq!(reply.status, 200, "{path}: {reply:?}");
    serde_json::from_str(&reply.body).unwrap()
}

async fn ask_http_2(gateway: &TestGateway, path: &str, body: &str) -> Value {
    let stream = TcpStream::connect(gateway.api()).await.unwrap();
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut request = Request::post(format!("http://wharf.test{path}"))
        .header("x-api-key", KEY)
        .header("content-type", "application/json");
    for (name, value) in SECRET_HEADERS {
        request = request.header(name, value);
    }
    let body = Full::<Bytes>::from(body.to_owned());
    let reply = sender.send_request(request.body(body).unwrap()).await.unwrap();
    assert_eq!(reply.status(), 200, "{path}");
    #[expect(clippy::disallowed_methods, reason = "this one has a bound")]
    let answer = Limited::new(reply.into_body(), 1 << 20).collect().await.unwrap().to_bytes();
    connection.abort();
    serde_json::from_slice(&answer).unwrap()
}

/// The credentials in a reply: the signatures of its URLs, and the tokens.
fn credentials(reply: &Value, found: &mut Vec<String>) {
    match reply {
        Value::String(text) => {
            let signature =
                text.split_once("X-Amz-Signature=").map(|(_, rest)| rest.split('&').next().unwrap());
            found.extend(signature.map(str::to_owned));
        }
        Value::Array(values) => values.iter().for_each(|value| credentials(value, found)),
        Value::Object(fields) => {
            found.extend(fields.get("completeToken").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| credentials(value, found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[tokio::test]
async fn no_secret_of_any_route_is_logged_at_trace() {
    let (lines, _telemetry, _guard) = capture(&log("trace", LogFormat::Text, true));
    let gateway = TestGateway::start(&format!("{SECRETS_CONFIG}{KEY_CONFIG}")).await;
    let mut secrets = Vec::new();
    for (path, body) in requests_of_all_routes() {
        let before = secrets.len();
        for reply in [ask_http_1(&gateway, &path, &body).await, ask_http_2(&gateway, &path, &body).await] {
            credentials(&reply, &mut secrets);
        }
        assert_eq!(
            secrets.len() > before,
            !path.contains("validate-key"),
            "{path} signs, or is no longer here"
        );
    }
    let unread = Raw::connect(gateway.api()).await.ask("canary\r\n\r\n").await;
    assert_eq!(unread.status, 400, "{unread:?}");

    let text = lines.text();
    assert!(text.contains("TRACE"), "nothing was logged at TRACE");
    secrets.extend(["canary", "CANARY", KEY].map(str::to_owned));
    for secret in secrets {
        assert!(!text.contains(&secret), "{}", around(&text, &secret));
    }
}

#[tokio::test]
async fn no_token_of_a_page_is_logged_at_trace() {
    let (lines, _telemetry, _guard) = capture(&log("trace", LogFormat::Text, true));
    let gateway = TestGateway::start(&format!("{SECRETS_CONFIG}{KEY_CONFIG}")).await;
    let minted = ask_http_2(&gateway, "/api/v1/upload/uppy-token", r#"{"bucket":"photos"}"#).await;
    let token = minted["token"].as_str().unwrap();
    let path = minted["path"].as_str().unwrap();
    let good = format!("{path}/s3/params?filename=a.txt");
    let escaped = good.replacen("/t/A", "/t/%41", 1);
    for (path, status) in [
        (good.as_str(), 200),
        (&escaped, 401),
        (&good.replace("/photos/", "/nowhere/"), 404),
        (&good.replace("params", "nothing"), 404),
        // What a client makes of an endpoint with a slash too many, or with a piece too few.
        (&format!("/{good}"), 404),
        (&format!("/companion/t/{token}"), 404),
        (&format!("/api/v1/upload/{token}/signed-url"), 405),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: wharf.test\r\nx-api-key: {KEY}\r\n\r\n");
        let reply = Raw::connect(gateway.api()).await.ask(request).await;
        assert_eq!(reply.status, status, "{path} {reply:?}");
    }
    let upload = format!("{path}/s3/multipart");
    let body = r#"{"method":"PUT","key":"a.txt"}"#;
    ask_http_2(&gateway, &upload.replace("/multipart", "/sign"), body).await;

    let text = lines.text();
    assert!(text.contains("TRACE") && text.contains("/companion/t/(sealed)/photos/s3/params"), "{text}");
    for secret in [token, &token[2..]] {
        assert!(!text.contains(secret), "{}", around(&text, secret));
    }
}

/// The line that holds `needle`.
fn around<'a>(text: &'a str, needle: &str) -> &'a str {
    text.lines().find(|line| line.contains(needle)).unwrap_or_default()
}
