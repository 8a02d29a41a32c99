//! A gateway with webhooks, a store behind it, and a receiver that trusts nothing that is not signed.

use std::{net::SocketAddr, time::Duration};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use tokio::time::sleep;
use wharf_demo::Store;

use super::{
    gateway::{KEY, KEY_CONFIG, TestGateway},
    raw::{Raw, Reply, post},
    recorder::{Answer, Recorded, Recorder},
    s3_client::{S3_KEYS, in_front_of},
    store,
};

/// The secret of webhooks that choose one.
pub(crate) const SECRET: &str = "a secret of this test";

const PAUSE: Duration = Duration::from_millis(20);

/// A reply without a body.
pub(crate) fn reply(status: &str) -> Answer {
    Answer::new(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n"))
}

/// All of it.
pub(crate) struct Hooked {
    pub(crate) store: Store,
    pub(crate) receiver: Recorder,
    pub(crate) gateway: TestGateway,
}

impl Hooked {
    /// With a receiver that takes everything.
    pub(crate) async fn start() -> Self {
        Self::with("", |request| request.is_complete.then(|| reply("204 No Content"))).await
    }

    /// With more settings of `[webhooks]`, and a receiver that answers as `script` says.
    pub(crate) async fn with(
        settings: &str,
        script: impl Fn(&Recorded) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        let store = store::start("stored-photos").await;
        let receiver = Recorder::answering(script).await;
        let toml = config(&store.endpoint(), &receiver.endpoint(), settings);
        let gateway = TestGateway::start(&toml).await;
        Self { store, receiver, gateway }
    }

    /// Where the receiver is.
    pub(crate) fn url(&self) -> String {
        format!("{}/hook?token=1", self.receiver.endpoint())
    }

    /// Asks the API with POST for what must succeed.
    pub(crate) async fn ask(&self, path: &str, body: &str) -> Value {
        success(&Raw::connect(self.gateway.api()).await.ask(post(path, body)).await)
    }

    /// The same for what must fail with `code`.
    pub(crate) async fn refused(&self, path: &str, body: &str, code: &str) {
        let reply = Raw::connect(self.gateway.api()).await.ask(post(path, body)).await;
        assert_eq!(reply.code(), code, "{path} {body}");
    }

    /// Asks with another method, without a body.
    pub(crate) async fn send(&self, method: &str, path: &str) -> Reply {
        send(self.gateway.api(), method, path).await
    }

    /// How a webhook or a delivery stands.
    pub(crate) async fn status(&self, id: &str) -> Value {
        success(&self.send("GET", &format!("/api/v1/webhooks/status/{id}")).await)
    }

    /// Waits until it stands so.
    pub(crate) async fn until(&self, id: &str, status: &str) -> Value {
        loop {
            let found = self.status(id).await;
            if found["status"] == status {
                return found;
            }
            sleep(PAUSE).await;
        }
    }

    /// Subscribes to `events` below `prefix`; the webhook's id.
    pub(crate) async fn subscribe(&self, prefix: &str, events: &str) -> String {
        let body = format!(
            r#"{{"url":"{}","bucket":"photos","prefix":"{prefix}","events":[{events}],"secret":"{SECRET}"}}"#,
            self.url()
        );
        text(&self.ask("/api/v1/webhooks/create", &body).await["webhookId"])
    }

    /// What was delivered so far, in any order; every signature held.
    pub(crate) fn delivered(&self) -> Vec<Value> {
        self.receiver
            .requests()
            .iter()
            .filter(|request| request.is_complete)
            .map(|request| opened(request, SECRET))
            .collect()
    }

    /// Waits for so many deliveries.
    pub(crate) async fn until_delivered(&self, count: usize) -> Vec<Value> {
        self.receiver
            .until(|record| record.iter().filter(|request| request.is_complete).count() >= count)
            .await;
        self.delivered()
    }

    pub(crate) async fn metrics(&self) -> String {
        let request = "GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n";
        Raw::connect(self.gateway.admin()).await.ask(request).await.body
    }
}

/// The configuration of one.
pub(crate) fn config(store: &str, receiver: &str, settings: &str) -> String {
    let webhooks =
        format!("[webhooks]\nenabled = true\nendpoints = [\"{receiver}\"]\nretry_seconds = 1\n{settings}\n");
    // So long does a request wait for a database that hangs.
    let database = "[store]\ntimeout_seconds = 2\n";
    [KEY_CONFIG, &in_front_of(store, S3_KEYS), &webhooks, database, &store::callers(store)].concat()
}

pub(crate) async fn send(address: SocketAddr, method: &str, path: &str) -> Reply {
    let wire = format!(
        "{method} {path} HTTP/1.1\r\nhost: wharf.test\r\nx-api-key: {KEY}\r\ncontent-length: 0\r\n\r\n"
    );
    Raw::connect(address).await.ask(wire).await
}

pub(crate) fn success(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{reply:?}");
    serde_json::from_str(&reply.body).unwrap()
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// A delivery's document, if its signature is the one of `secret` over the very bytes.
pub(crate) fn opened(request: &Recorded, secret: &str) -> Value {
    let signature = request.header("x-webhook-signature").expect("a signature");
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(&request.body);
    let expected = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    assert_eq!(signature, expected, "the signature does not hold");
    assert_eq!(request.method(), "POST");
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert!(request.header("x-webhook-timestamp").unwrap().parse::<u64>().unwrap() > 1_700_000_000);
    let document: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(request.header("x-webhook-id"), document["id"].as_str());
    assert_eq!(request.header("x-webhook-event"), document["event"].as_str());
    document
}

/// Sends `body`, a picture, to a signed URL of a store.
pub(crate) async fn upload(url: &Value, body: &str) -> Reply {
    let rest = url.as_str().unwrap().strip_prefix("http://").expect("a URL of the store");
    let (host, target) = rest.split_once('/').expect("a path");
    let wire = format!(
        "PUT /{target} HTTP/1.1\r\nhost: {host}\r\ncontent-type: image/png\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    Raw::connect(host.parse().unwrap()).await.ask(wire).await
}
