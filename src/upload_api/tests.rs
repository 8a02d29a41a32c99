//! The API without a socket: every code that its routes can answer with, and the shape of every reply.

use std::{net::Ipv4Addr, sync::Arc};

use futures_util::FutureExt;
use http::Method;
use http_body_util::BodyExt;
use secrecy::SecretString;
use serde_json::Value;
use wharf_wire::date::Timestamp;

use super::*;
use crate::{
    backend::Shared,
    config::{Environment, checked::KeyConfig, from_toml_text},
    store::SharedStore,
    webhooks::WebhookMetrics,
};

mod batch;
mod bounds;
mod brought;
mod download;
mod hostile;
mod remote;
mod target;
mod upload;

const NOW: u64 = 1_795_307_826_434;

const CONFIG: &str = r#"
[upload.callers]
allowed = true
endpoints = ["https://store.example.com", "https://*.stores.example.com", "http://10.0.0.7:9000"]

[providers.main]
plugin = "s3"
region = "eu-west-1"
access_key_id = "AKIAIOSFODNN7EXAMPLE"
secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

[providers.spare]
plugin = "s3"
region = "us-east-1"
access_key_id = "AKIAIOSFODNN7EXAMPLE"
secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

[providers.local]
plugin = "minio"
endpoint = "http://127.0.0.1:9000"
access_key_id = "minio"
secret_access_key = "minio-secret"

[buckets.photos]
provider = "main"
bucket = "acme-photos"
key_prefix = "site/"
storage_class = "STANDARD_IA"
cdn = { domain = "cdn.example.com" }

[buckets.films]
provider = "spare"
bucket = "acme-films"
public = true
accept = { file_bytes_max = 1000, content_types = ["video/*"], extensions = ["mp4"] }

[buckets.notes]
provider = "local"
bucket = "notes"
encryption = { type = "SSE-S3" }

[[keys]]
id = "everything"
secret = "a secret of the tests, long enough"
allow = [{ bucket = "*", actions = ["read", "write", "delete", "list"] }]

[[keys]]
id = "inbox"
secret = "a secret of the tests, long enough"
allow = [{ bucket = "photos", prefix = "inbox/", actions = ["read", "write"] }]

[[keys]]
id = "reader"
secret = "a secret of the tests, long enough"
allow = [{ bucket = "photos", actions = ["read"] }]
"#;

/// Names and values for a body of the caller's own credentials.
const OWN: &str = r#""s3AccessKey":"AKIAIOSFODNN7EXAMPLE","s3SecretKey":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY","s3Bucket":"my-bucket","s3Region":"us-east-1""#;

const FILE: &str = r#""filename":"a.txt","contentType":"text/plain""#;

fn api(toml: &str) -> UploadApi {
    let config = from_toml_text(toml, &Environment::default()).unwrap_or_else(|error| panic!("{error}"));
    let clock = Clock::Fixed(Timestamp::from_unix_millis(NOW));
    let signing_keys = Arc::new(SigningKeys::new(64));
    let shared = Shared { signing_keys: Arc::clone(&signing_keys), clock, metrics: Arc::default() };
    UploadApi::new(Parts {
        rate_limits: Arc::new(RateLimits::new(&config, clock, None)),
        origins: Arc::new(Origins::new(&config, &shared, None).unwrap()),
        usage: Usage::new(crate::store::SharedStore::new(clock)),
        mirrors: Arc::new(Mirrors::new(SharedStore::new(clock))),
        webhooks: Webhooks::new(SharedStore::new(clock), clock, WebhookMetrics::default()),
        signing_keys,
        sealer: Arc::new(Sealer::new(&[SecretString::from("00".repeat(32))]).unwrap()),
        config: Arc::new(config),
        clock,
        drain: Drain::default(),
    })
}

impl UploadApi {
    fn key(&self, id: &str) -> Identity {
        let key: &Arc<KeyConfig> = self.parts.config.keys.iter().find(|key| key.id == id).unwrap();
        Identity::Key(Arc::clone(key))
    }

    fn ask_as(&self, identity: &Identity, path: &str, body: &str) -> Result<Value, Error> {
        self.ask_bytes(identity, path, body.as_bytes())
    }

    fn ask_bytes(&self, identity: &Identity, path: &str, body: &[u8]) -> Result<Value, Error> {
        let context = Context {
            request_id: "req-1".to_owned(),
            client_ip: Ipv4Addr::LOCALHOST.into(),
            is_loopback: true,
            received: Timestamp::from_unix_millis(NOW),
        };
        let route = route(&Method::POST, &format!("{BASE}{path}"))?;
        let call =
            Call { route: &route, identity, context: &context, method: &Method::POST, query: "", body };
        let mut standing = Standing::default();
        // These only sign: they answer at once.
        let response = self.handle(&call, &mut standing).now_or_never().expect("an answer at once")?;
        let frame = response.into_body().frame().now_or_never().flatten().expect("a whole body").unwrap();
        Ok(serde_json::from_slice(&frame.into_data().unwrap()).unwrap())
    }

    fn ask(&self, path: &str, body: &str) -> Value {
        self.ask_as(&self.key("everything"), path, body).unwrap_or_else(|error| panic!("{body}: {error:?}"))
    }

    fn refusal(&self, path: &str, body: &str) -> Error {
        self.ask_as(&self.key("everything"), path, body).expect_err(body)
    }
}

fn own(fields: &str) -> String {
    format!("{{{FILE},{OWN}{}{fields}}}", if fields.is_empty() { "" } else { "," })
}

/// The value of one query parameter of a URL, as it stands there.
fn parameter<'u>(url: &'u Value, name: &str) -> Option<&'u str> {
    let (_, query) = url.as_str().unwrap().split_once('?').unwrap();
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}
