//! What a request costs before its handler: who it is, how often it came, and what it is handed to carry.
//! `cargo bench --bench request`

use std::{net::IpAddr, sync::Arc};

use divan::{Bencher, black_box};
use hmac::{Hmac, KeyInit, Mac};
use http::{Request, request::Parts};
use serde::Serialize;
use sha2::Sha256;
use wharf::{
    backend::SigningKeys,
    clock::Clock,
    config::{
        Config, Environment,
        checked::{KeyConfig, Origins},
        from_toml_text,
    },
    request::{Context, authenticate::Authenticator, rate_limit::RateLimits},
    seal::{Purpose, Sealer, make_key},
};
use wharf_provider::Account;
use wharf_wire::date::Timestamp;

const NOW: Timestamp = Timestamp::from_unix_millis(1_795_307_826_434);
const PATH: &str = "/api/v1/upload/s3/signed-url";
const KEY: &str = "ox_test_0123456789abcdef";
const SECRET: &str = "sk_test_secret_0123456789abcdef";
/// As long as a body with the caller's own credentials.
const BODY: [u8; 330] = [b'x'; 330];

fn main() {
    divan::main();
}

fn config(limits: &str) -> Config {
    let text = format!(
        "[upload]\n{limits}\n[providers.s3]\nplugin = \"s3\"\nregion = \"eu-west-1\"\n\
         access_key_id = \"AKIAIOSFODNN7EXAMPLE\"\nsecret_access_key = \"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\"\n"
    );
    from_toml_text(&text, &Environment::default()).expect("a sound configuration")
}

fn context() -> Context {
    let client_ip = IpAddr::from([192, 0, 2, 7]);
    Context { request_id: "bench".to_owned(), client_ip, is_loopback: false, received: NOW }
}

fn authenticator(secret: Option<&str>) -> Authenticator {
    let key = KeyConfig {
        id: KEY.to_owned(),
        secret: secret.map(Into::into),
        expires_at: None,
        allow: Vec::new(),
        rate_limit: None,
    };
    Authenticator::new(&[Arc::new(key)], None, &Origins::Listed(Vec::new())).expect("a sound key")
}

fn head(signed: bool) -> Parts {
    let request = Request::post(PATH).header("x-api-key", KEY).header("content-type", "application/json");
    let timestamp = NOW.unix_millis().to_string();
    let text = [b"POST|", PATH.as_bytes(), b"|", timestamp.as_bytes(), b"|", &BODY].concat();
    let mac =
        Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("HMAC takes any key").chain_update(text);
    let request = if signed {
        let signature = hex::encode(mac.finalize().into_bytes());
        request
            .header("x-timestamp", timestamp)
            .header("x-signature", signature)
            .header("x-api-secret", SECRET)
    } else {
        request
    };
    request.body(()).expect("a sound request").into_parts().0
}

#[divan::bench(args = [false, true])]
fn authenticate(bencher: Bencher<'_, '_>, signed: bool) {
    let authenticator = authenticator(signed.then_some(SECRET));
    let (head, context) = (head(signed), context());
    bencher.bench(|| {
        authenticator.begin(black_box(&head), &context).and_then(|pending| pending.finish(&BODY)).is_ok()
    });
}

#[divan::bench(args = ["", "rate_limit_per_ip = { requests_per_second = 1000000, burst = 1000000 }"])]
fn rate_limit(bencher: Bencher<'_, '_>, limits: &str) {
    let limits = RateLimits::new(&config(limits), Clock::System, None);
    let client = IpAddr::from([192, 0, 2, 7]);
    bencher.bench(|| limits.client(black_box(client)).is_ok());
}

fn account(config: &Config) -> &Account {
    config
        .providers
        .values()
        .map(|provider| &provider.account)
        .next()
        .expect("the configuration has a provider")
}

#[divan::bench]
fn warm_signing_key(bencher: Bencher<'_, '_>) {
    let (config, keys) = (config(""), SigningKeys::new(1000));
    let account = account(&config);
    bencher.bench(|| keys.key(black_box(account), NOW));
}

#[divan::bench]
fn cold_signing_key(bencher: Bencher<'_, '_>) {
    let config = config("");
    let account = account(&config);
    bencher.bench(|| SigningKeys::new(1).key(black_box(account), NOW));
}

/// What a token for completing an upload holds, more or less.
#[derive(Serialize)]
struct Ticket {
    bucket: &'static str,
    key: &'static str,
    size: u64,
    content_type: &'static str,
    expires: u64,
}

const TICKET: Ticket = Ticket {
    bucket: "photos",
    key: "uploads/upl01JD8ZK3M4N5P6Q7R8S9T0V1W2_summer holiday-007.jpg",
    size: 1_234_567,
    content_type: "image/jpeg",
    expires: 1_795_311_426,
};

#[divan::bench]
fn seal(bencher: Bencher<'_, '_>) {
    let sealer = Sealer::new(&[make_key().expect("randomness")]).expect("a sound key");
    bencher.bench(|| sealer.seal(Purpose::Complete, black_box(&TICKET)));
}

#[divan::bench]
fn open(bencher: Bencher<'_, '_>) {
    let sealer = Sealer::new(&[make_key().expect("randomness")]).expect("a sound key");
    let token = sealer.seal(Purpose::Complete, &TICKET).expect("a value that serialises");
    bencher.bench(|| sealer.open::<serde_json::Value>(Purpose::Complete, black_box(&token)).is_ok());
}
