//! The signed-url route without HTTP: read the body, find the bucket, presign, seal, write the reply.
//! `cargo bench --bench route`

#![expect(clippy::unwrap_used, reason = "a bench that cannot start has no figures")]

#[path = "http/bodies.rs"]
mod bodies;

use std::{net::Ipv4Addr, sync::Arc};

use divan::{Bencher, black_box};
use futures_util::FutureExt;
use http::Method;
use secrecy::SecretString;
use wharf::{
    backend::{Origins, Shared, SigningKeys},
    clock::Clock,
    config::{Environment, from_toml_text},
    mirror::Mirrors,
    request::{
        Context,
        authenticate::Identity,
        rate_limit::{RateLimits, Standing},
    },
    seal::Sealer,
    server::Drain,
    store::SharedStore,
    upload_api::{Call, Parts, UploadApi, route},
    usage::Usage,
    webhooks::{WebhookMetrics, Webhooks},
};

use bodies::{BROUGHT, CONFIGURED};

const CONFIG: &str = r#"
[upload.callers]
allowed = true
[providers.main]
plugin = "s3"
region = "us-east-1"
access_key_id = "AKIAIOSFODNN7EXAMPLE"
secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
[buckets.photos]
provider = "main"
bucket = "my-bucket"
"#;

fn main() {
    divan::main();
}

#[divan::bench]
fn signed_url_brought(bencher: Bencher<'_, '_>) {
    answer(bencher, "/api/v1/upload/s3/signed-url", BROUGHT);
}

#[divan::bench]
fn signed_url_configured(bencher: Bencher<'_, '_>) {
    answer(bencher, "/api/v1/upload/photos/signed-url", CONFIGURED);
}

#[divan::bench]
fn download_configured(bencher: Bencher<'_, '_>) {
    answer(
        bencher,
        "/api/v1/upload/download/photos/signed-url",
        r#"{"key":"folder/a b.txt","expiresIn":3600}"#,
    );
}

#[divan::bench]
fn batch_of_100_brought(bencher: Bencher<'_, '_>) {
    let file = r#"{"filename":"my photo (1).jpg","contentType":"image/jpeg","fileSize":11}"#;
    let own = BROUGHT.split_once(r#""fileSize":11,"#).unwrap().1;
    let body = format!(r#"{{"files":[{}],{own}"#, vec![file; 100].join(","));
    answer(bencher, "/api/v1/upload/s3/batch-signed-url", &body);
}

fn answer(bencher: Bencher<'_, '_>, path: &str, body: &str) {
    let api = api();
    let clock = Clock::System;
    let context = Context {
        request_id: "req-0123456789abcdef".to_owned(),
        client_ip: Ipv4Addr::LOCALHOST.into(),
        is_loopback: true,
        received: clock.now(),
    };
    bencher.bench_local(|| {
        let route = route(&Method::POST, black_box(path)).unwrap();
        let (identity, body) = (&Identity::Loopback, body.as_bytes());
        let call =
            Call { route: &route, identity, context: &context, method: &Method::POST, query: "", body };
        api.handle(&call, &mut Standing::default()).now_or_never().expect("an answer at once").unwrap()
    });
}

fn api() -> UploadApi {
    let config = from_toml_text(CONFIG, &Environment::default()).unwrap();
    let signing_keys = Arc::new(SigningKeys::new(64));
    let shared =
        Shared { signing_keys: Arc::clone(&signing_keys), clock: Clock::System, metrics: Arc::default() };
    UploadApi::new(Parts {
        rate_limits: Arc::new(RateLimits::new(&config, Clock::System, None)),
        origins: Arc::new(Origins::new(&config, &shared, None).unwrap()),
        usage: Usage::new(SharedStore::new(Clock::System)),
        mirrors: Arc::new(Mirrors::new(SharedStore::new(Clock::System))),
        webhooks: Webhooks::new(SharedStore::new(Clock::System), Clock::System, WebhookMetrics::default()),
        signing_keys,
        sealer: Arc::new(Sealer::new(&[SecretString::from("00".repeat(32))]).unwrap()),
        config: Arc::new(config),
        clock: Clock::System,
        drain: Drain::default(),
    })
}
