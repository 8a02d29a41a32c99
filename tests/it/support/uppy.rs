//! A client of Uppy's routes, and a browser that posts a form.

use std::net::SocketAddr;

use serde_json::{Value, json};
use wharf_demo::Store;

use super::{
    gateway::{KEY, TestGateway},
    raw::{Raw, Reply, post},
    store,
};

const BOUNDARY: &str = "----WharfUppyBoundary7MA4YWxkTrZu0gW";

/// `photos`, a part of `store`; `more` is said of its provider, and what follows of the rest.
pub(crate) fn config(store: &Store, more: &str, rest: &str) -> String {
    format!(
        "{rest}
{}
{more}
[buckets.photos]
provider = \"store\"
bucket = \"stored-photos\"
key_prefix = \"site/\"
",
        store::provider("store", &store.endpoint()),
    )
}

/// What the store has under the caller's `key`.
pub(crate) fn stored(store: &Store, key: &Value) -> Option<Vec<u8>> {
    std::fs::read(store.directory().join("stored-photos/site").join(key.as_str().unwrap())).ok()
}

/// A page below one base.
pub(crate) struct Page<'a> {
    pub(crate) gateway: &'a TestGateway,
    /// `/companion/photos/s3`, with a token or without.
    pub(crate) base: String,
    /// Headers of every request.
    pub(crate) headers: String,
}

impl<'a> Page<'a> {
    /// One that comes with the key of `KEY_CONFIG`.
    pub(crate) fn with_key(gateway: &'a TestGateway) -> Self {
        Self { gateway, base: "/companion/photos/s3".to_owned(), headers: format!("x-api-key: {KEY}\r\n") }
    }

    /// One that was given a token for `fields`.
    pub(crate) async fn with_token(gateway: &'a TestGateway, fields: Value) -> Self {
        let minted = mint(gateway, fields).await;
        assert_eq!(minted.status, 200, "{minted:?}");
        let minted: Value = serde_json::from_str(&minted.body).unwrap();
        let base = format!("{}/s3", minted["path"].as_str().unwrap());
        Self { gateway, base, headers: String::new() }
    }

    /// As version 5 of the plugin asks.
    pub(crate) fn version_5(mut self) -> Self {
        self.headers.push_str("accept: application/json\r\n");
        self
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Reply {
        let (base, headers) = (&self.base, &self.headers);
        let (kind, body) = body.map_or((String::new(), String::new()), |body| {
            let body = body.to_string();
            (format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()), body)
        });
        let request =
            format!("{method} {base}/{path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{headers}{kind}\r\n{body}");
        Raw::connect(self.gateway.api()).await.ask(request).await
    }

    /// The reply to a GET that succeeds.
    pub(crate) async fn get(&self, path: &str) -> Value {
        succeeded(&self.ask("GET", path, None).await)
    }

    /// The reply to a POST that succeeds.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        succeeded(&self.ask("POST", path, Some(body)).await)
    }

    /// The status and body of a refusal.
    pub(crate) async fn refusal(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let reply = self.ask(method, path, body).await;
        (reply.status, serde_json::from_str(&reply.body).unwrap_or(Value::Null))
    }
}

fn succeeded(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{reply:?}");
    serde_json::from_str(&reply.body).unwrap()
}

/// Asks for a token.
pub(crate) async fn mint(gateway: &TestGateway, fields: Value) -> Reply {
    Raw::connect(gateway.api()).await.ask(post("/api/v1/upload/uppy-token", &fields.to_string())).await
}

/// A key's place in a query.
pub(crate) fn named(created: &Value) -> (String, String) {
    let text = |field: &str| created[field].as_str().unwrap().to_owned();
    let mut key = String::new();
    wharf_wire::encode::query(&text("key"), &mut key);
    (text("uploadId"), key)
}

/// Sends bytes to a signed URL, at `address` unless the URL itself has one.
pub(crate) async fn send(address: Option<SocketAddr>, method: &str, url: &str, body: &[u8]) -> Reply {
    let (host, target) = split(url);
    let head =
        format!("{method} {target} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {}\r\n\r\n", body.len());
    let address = address.unwrap_or_else(|| host.parse().expect("an address"));
    Raw::connect(address).await.ask([head.as_bytes(), body].concat()).await
}

/// Posts a file in a form, as a browser does.
pub(crate) async fn post_form(address: Option<SocketAddr>, form: &Value, file: &[u8]) -> Reply {
    let (host, target) = split(form["url"].as_str().unwrap());
    let fields = form["fields"].as_object().unwrap();
    let part = |(name, value): (&String, &Value)| {
        let value = value.as_str().unwrap();
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let mut parts: Vec<String> = fields.iter().map(part).collect();
    parts.push(format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"kai.png\"\r\n\
         Content-Type: image/png\r\n\r\n"
    ));
    let body = parts.concat();
    let body = [body.as_bytes(), file, format!("\r\n--{BOUNDARY}--\r\n").as_bytes()].concat();
    let head = format!(
        "POST {target} HTTP/1.1\r\nhost: {host}\r\norigin: https://app.example\r\n\
         content-type: multipart/form-data; boundary={BOUNDARY}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let address = address.unwrap_or_else(|| host.parse().expect("an address"));
    Raw::connect(address).await.ask([head.as_bytes(), &body].concat()).await
}

/// The same form with one field changed or added.
pub(crate) fn with_field(form: &Value, name: &str, value: &str) -> Value {
    let mut form = form.clone();
    form["fields"][name] = json!(value);
    form
}

/// Host, and what follows it.
fn split(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").expect("a whole URL").1;
    rest.split_at(rest.find('/').expect("a path"))
}
