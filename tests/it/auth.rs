//! Who may come in, over a socket: every code of the contract's table, and that what headers can tell costs no body.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;
use sha2::Sha256;
use wharf_wire::date::Timestamp;

use crate::support::{gateway::TestGateway, raw::Raw};

const NOW: u64 = 1_795_307_826_434;
const PATH: &str = "/api/v1/upload/validate-key";
const SIGNED: &str = "ox_test_0123456789abcdef";
const SECRET: &str = "sk_test_secret_0123456789abcdef";
const PLAIN: &str = "plain-key-0123456789abcdef";
const JWT_SECRET: &str = "an app's secret that has 32 bytes and more";

const CONFIG: &str = r#"
[[keys]]
id = "ox_test_0123456789abcdef"
secret = "sk_test_secret_0123456789abcdef"

[[keys]]
id = "plain-key-0123456789abcdef"

[[keys]]
id = "ended-key-0123456789abcdef"
expires_at = "2026-11-22T00:00:00Z"

[jwt]
secret = "an app's secret that has 32 bytes and more"
"#;

async fn gateway() -> TestGateway {
    TestGateway::start_at(CONFIG, Timestamp::from_unix_millis(NOW)).await
}

type Headers = BTreeMap<&'static str, String>;

/// A signed request, before a test spoils it.
fn signed(timestamp: u64) -> Headers {
    let text = format!("POST|{PATH}|{timestamp}|");
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap().chain_update(text);
    [
        ("x-api-key", SIGNED.to_owned()),
        ("x-timestamp", timestamp.to_string()),
        ("x-signature", hex::encode(mac.finalize().into_bytes())),
    ]
    .into()
}

fn with(mut headers: Headers, name: &'static str, value: &str) -> Headers {
    headers.insert(name, value.to_owned());
    headers
}

fn without(mut headers: Headers, name: &str) -> Headers {
    headers.remove(name);
    headers
}

fn only(name: &'static str, value: &str) -> Headers {
    with(Headers::new(), name, value)
}

fn request(headers: &Headers) -> String {
    let lines: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let lines = lines.concat();
    format!(
        "POST {PATH} HTTP/1.1\r\nhost: wharf.test\r\ncontent-type: application/json\r\n{lines}content-length: 0\r\n\r\n"
    )
}

fn token(exp: u64) -> String {
    let key = EncodingKey::from_secret(JWT_SECRET.as_bytes());
    encode(&Header::default(), &json!({ "sub": "ada", "exp": exp }), &key).unwrap()
}

#[tokio::test]
async fn every_refusal_has_its_code() {
    let gateway = gateway().await;
    let refused = [
        (Headers::new(), "MISSING_API_KEY"),
        (only("x-api-key", "nobody-0123456789abcdef"), "INVALID_API_KEY"),
        (only("x-api-key", "ended-key-0123456789abcdef"), "EXPIRED_API_KEY"),
        (only("x-api-key", SIGNED), "MISSING_SIGNATURE"),
        (without(signed(NOW), "x-timestamp"), "MISSING_TIMESTAMP"),
        (with(signed(NOW), "x-timestamp", "now"), "INVALID_TIMESTAMP"),
        (signed(NOW + 30_001), "INVALID_TIMESTAMP"),
        (signed(NOW - 300_001), "EXPIRED_TIMESTAMP"),
        (with(signed(NOW), "x-api-secret", "sk_wrong"), "INVALID_SECRET"),
        (with(signed(NOW), "x-signature", &"0".repeat(64)), "INVALID_SIGNATURE"),
        (only("authorization", &format!("Bearer {}", token(NOW / 1000 - 61))), "EXPIRED_API_KEY"),
        (only("authorization", &format!("Bearer {}x", token(NOW / 1000))), "INVALID_API_KEY"),
    ];
    let mut connection = Raw::connect(gateway.api()).await;
    for (headers, code) in refused {
        let reply = connection.ask(request(&headers)).await;
        assert_eq!((reply.status, reply.code().as_str()), (401, code), "{headers:?}");
        assert!(reply.header("www-authenticate").is_some(), "{reply:?}");
        assert!(!reply.body.contains("sk_"), "{reply:?}");
    }
}

#[tokio::test]
async fn each_kind_of_caller_comes_in() {
    let gateway = gateway().await;
    let bearer = |text: &str| only("authorization", &format!("Bearer {text}"));
    let mut connection = Raw::connect(gateway.api()).await;
    for headers in [
        signed(NOW),
        with(signed(NOW), "x-api-secret", SECRET),
        only("x-api-key", PLAIN),
        bearer(PLAIN),
        bearer(&token(NOW / 1000)),
    ] {
        let reply = connection.ask(request(&headers)).await;
        assert_eq!(reply.status, 200, "{headers:?}: {reply:?}");
    }
}

#[tokio::test]
async fn a_refusal_does_not_wait_for_the_body() {
    let gateway = gateway().await;
    let mut connection = Raw::connect(gateway.api()).await;
    let head = request(&only("x-api-key", "nobody-0123456789abcdef"))
        .replace("content-length: 0", "content-length: 1000");
    // Not a byte of the body is sent.
    let reply = connection.ask(head).await;
    assert_eq!((reply.status, reply.code().as_str()), (401, "INVALID_API_KEY"));
}
