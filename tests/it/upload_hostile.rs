//! What no honest client sends, over a socket: each gets its error, the next request is served, and no secret is logged.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use tracing::subscriber::NoSubscriber;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{
    gateway::{KEY_CONFIG, TestGateway},
    raw::{Raw, Reply, neighbour_is_served, post},
};

const CONFIG: &str = r#"
[upload.callers]
allowed = true
[providers.main]
plugin = "s3"
region = "eu-west-1"
access_key_id = "AKIAIOSFODNN7EXAMPLE"
secret_access_key = "configured-canary-0123456789abcdefghijk"
[buckets.photos]
provider = "main"
bucket = "acme-photos"
"#;

const FILE: &str = r#""filename":"a.txt","contentType":"text/plain""#;

const OWN: &str = r#""s3AccessKey":"AKIAIOSFODNN7EXAMPLE","s3SecretKey":"brought-canary-0123456789abcdefghijklm","s3SessionToken":"token-canary-0123456789","s3Bucket":"my-bucket""#;

/// What no log, no error and no header may hold.
const CANARIES: [&str; 3] = ["configured-canary", "brought-canary", "token-canary"];

async fn gateway() -> TestGateway {
    TestGateway::start(&format!("{CONFIG}{KEY_CONFIG}")).await
}

async fn ask(gateway: &TestGateway, path: &str, body: &str) -> Reply {
    Raw::connect(gateway.api()).await.ask(post(&format!("/api/v1/upload/{path}"), body)).await
}

/// Path, body and the code that they get.
fn hostile() -> Vec<(&'static str, String, &'static str)> {
    let own = |fields: &str| format!("{{{FILE},{OWN},{fields}}}");
    let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    vec![
        ("photos/signed-url", format!("{{{FILE}"), "INVALID_JSON"),
        ("photos/signed-url", "{\"filename\":\"a".to_owned(), "INVALID_JSON"),
        ("photos/signed-url", deep, "INVALID_JSON"),
        ("photos/signed-url", r#"{"filename":{},"contentType":[]}"#.to_owned(), "INVALID_JSON"),
        ("photos/signed-url", format!(r#"{{{FILE},"expiresIn":1e309}}"#), "INVALID_JSON"),
        ("photos/signed-url", format!(r#"{{{FILE},"expiresIn":1e308}}"#), "EXPIRY_TOO_LONG"),
        (
            "photos/signed-url",
            r#"{"filename":"a","contentType":"a\r\nset-cookie: x"}"#.to_owned(),
            "INVALID_FIELD",
        ),
        (
            "photos/signed-url",
            format!(r#"{{{FILE},"metadata":{{"a\r\nx-amz-acl":"public-read"}}}}"#),
            "INVALID_FIELD",
        ),
        ("download/photos/signed-url", r#"{"key":"../secret"}"#.to_owned(), "INVALID_FIELD"),
        ("download/photos/signed-url", r#"{"key":"a\r\nb"}"#.to_owned(), "INVALID_FIELD"),
        (
            "download/photos/signed-url",
            r#"{"key":"a","responseContentType":"a\r\nb"}"#.to_owned(),
            "INVALID_FIELD",
        ),
        ("s3/signed-url", own(r#""s3Region":"x@evil.example/#""#), "INVALID_REGION"),
        (
            "s3/signed-url",
            own(r#""s3Region":"us-east-1","s3Endpoint":"http://169.254.169.254""#),
            "ENDPOINT_NOT_ALLOWED",
        ),
        (
            "s3/signed-url",
            own(r#""s3Region":"us-east-1","s3Endpoint":"http://0xa9fea9fe""#),
            "ENDPOINT_NOT_ALLOWED",
        ),
        ("s3/signed-url", own(r#""s3Region":"us-east-1","s3SecretKey":"brought-canary""#), "INVALID_JSON"),
        ("s3/signed-url", own(r#""s3Region":["brought-canary"]"#), "INVALID_REGION"),
        (
            "r2/signed-url",
            r#"{"r2AccessKey":"a","r2SecretKey":"brought-canary","r2Bucket":"bucket","r2AccountId":"../x"}"#
                .to_owned(),
            "INVALID_CREDENTIALS",
        ),
        ("s3%2f..%2fphotos/signed-url", "{}".to_owned(), "NOT_FOUND"),
    ]
}

#[tokio::test]
async fn hostile_bodies_get_their_errors_and_the_next_request_is_served() {
    let gateway = gateway().await;
    for (path, body, code) in hostile() {
        let reply = ask(&gateway, path, &body).await;
        assert_eq!(reply.code(), code, "{path} {}", body.chars().take(200).collect::<String>());
        let envelope: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(envelope["requestId"].as_str(), reply.header("x-request-id"));
        assert_eq!(envelope["success"], false);
    }
    neighbour_is_served(gateway.api()).await;
}

#[tokio::test]
async fn a_hostile_file_name_reaches_no_key() {
    let gateway = gateway().await;
    let body = r#"{"filename":"..\\..//.ssh/\r\n\u202eid_rsa\u0000.pub","contentType":"text/plain"}"#;
    let reply = ask(&gateway, "photos/signed-url", body).await;
    let json: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    assert!(json["key"].as_str().unwrap().ends_with("_id_rsa.pub"), "{json}");
}

#[tokio::test]
async fn no_secret_and_no_signature_is_logged_or_told() {
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    let watching = tracing::subscriber::set_default(subscriber);
    // With one subscriber in the process, tracing asks whatever thread first meets a log line whether anyone listens, and
    // the threads of other tests say no for all. With two it asks the subscribers.
    let _second = tracing::Dispatch::new(NoSubscriber::new());
    let gateway = gateway().await;
    let mut signatures = Vec::new();
    let good = [
        ("s3/signed-url", format!(r#"{{{FILE},{OWN},"s3Region":"us-east-1"}}"#)),
        ("photos/signed-url", format!("{{{FILE}}}")),
        ("download/photos/signed-url", r#"{"key":"a.txt"}"#.to_owned()),
    ];
    for (path, body) in &good {
        let reply = ask(&gateway, path, body).await;
        let (_, signature) = reply.body.split_once("X-Amz-Signature=").expect("a signed URL");
        signatures.push(signature[..64].to_owned());
    }
    for (path, body, _) in hostile() {
        let reply = ask(&gateway, path, &body).await;
        assert!(!CANARIES.iter().any(|canary| format!("{reply:?}").contains(canary)), "{reply:?}");
    }
    drop(gateway);
    drop(watching);
    let log = log.text();
    assert!(
        log.contains("signed-url") && log.contains("a request was refused"),
        "the log was watched: {log}"
    );
    for secret in CANARIES.iter().copied().chain(signatures.iter().map(String::as_str)) {
        assert!(!log.contains(secret), "{secret} in the log");
    }
}

/// A log that a test can read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
