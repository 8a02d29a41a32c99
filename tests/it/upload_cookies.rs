//! `cdn/cookies`: what a browser needs to read from a private distribution.

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde_json::{Value, json};
use wharf_wire::date::Timestamp;

use crate::support::{
    gateway::TestGateway,
    raw::{Raw, post},
};

const NOW_SECONDS: u64 = 1_795_307_826;

/// A gateway whose bucket `films` has a private CDN, `bare` one that signs nothing, and `plain` none.
async fn gateway(cookies: &str) -> TestGateway {
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/provider/testdata/cdn/ecdsa.sec1.pem");
    let toml = format!(
        r#"
[providers.here]
plugin = "minio"
endpoint = "http://127.0.0.1:9000"
access_key_id = "id"
secret_access_key = "secret"
[buckets.films]
provider = "here"
bucket = "films"
key_prefix = "shared/"
cdn = {{ domain = "cdn.example.com", key_pair_id = "K2JCJMDEHXQW5F", private_key_file = "{key}", hash = "SHA256"{cookies} }}
[buckets.bare]
provider = "here"
bucket = "bare"
cdn = {{ domain = "cdn.example.com" }}
[buckets.plain]
provider = "here"
bucket = "plain"
[[keys]]
id = "test-key-0123456789abcdef"
allow = [{{ bucket = "*", actions = ["read"] }}]
[[keys]]
id = "anns-key-0123456789abcdef"
allow = [{{ bucket = "films", prefix = "ann/", actions = ["read"] }}]
"#
    );
    TestGateway::start_at(&toml, Timestamp::from_unix_millis(NOW_SECONDS * 1000)).await
}

async fn ask(gateway: &TestGateway, bucket: &str, body: &str) -> (u16, Value) {
    ask_as(gateway, "test-key-0123456789abcdef", bucket, body).await
}

async fn ask_as(gateway: &TestGateway, key: &str, bucket: &str, body: &str) -> (u16, Value) {
    let wire = post(&format!("/api/v1/upload/{bucket}/cdn/cookies"), body);
    let reply = Raw::connect(gateway.api()).await.ask(wire.replace("test-key-0123456789abcdef", key)).await;
    (reply.status, serde_json::from_str(&reply.body).unwrap())
}

fn cookie<'v>(reply: &'v Value, name: &str) -> &'v str {
    let cookies = reply["cookies"].as_array().unwrap().iter();
    let mut named = cookies.filter(|cookie| cookie["name"] == name);
    named.next().unwrap_or_else(|| panic!("{name} in {reply}"))["value"].as_str().unwrap()
}

fn decoded(text: &str) -> Vec<u8> {
    let base64: String = text
        .chars()
        .map(|character| match character {
            '-' => '+',
            '_' => '=',
            '~' => '/',
            other => other,
        })
        .collect();
    STANDARD.decode(base64).unwrap()
}

/// Whether the distribution's public key verifies `policy`, as CloudFront does.
fn is_signed(reply: &Value, policy: &[u8]) -> bool {
    let pem = include_str!("../../crates/provider/testdata/cdn/ecdsa.public.pem");
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(base64).unwrap();
    // The point stands at the end: a byte that says that it is not compressed, and two numbers of 32 bytes.
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &der[der.len() - 65..]);
    public.verify(policy, &decoded(cookie(reply, "CloudFront-Signature"))).is_ok()
}

#[tokio::test]
async fn one_object_is_opened_by_a_canned_policy() {
    let gateway = gateway("").await;
    let (status, reply) = ask(&gateway, "films", r#"{"key":"a b.mp4","expiresIn":600}"#).await;
    assert_eq!((status, &reply["expiresIn"]), (200, &json!(600)), "{reply}");
    assert_eq!(reply["resource"], "https://cdn.example.com/shared/a%20b.mp4");
    let ends = NOW_SECONDS + 600;
    assert_eq!(cookie(&reply, "CloudFront-Expires"), ends.to_string());
    assert_eq!(cookie(&reply, "CloudFront-Key-Pair-Id"), "K2JCJMDEHXQW5F");
    assert_eq!(cookie(&reply, "CloudFront-Hash-Algorithm"), "SHA256");
    let policy = format!(
        r#"{{"Statement":[{{"Resource":"https://cdn.example.com/shared/a%20b.mp4","Condition":{{"DateLessThan":{{"AWS:EpochTime":{ends}}}}}}}]}}"#
    );
    assert!(is_signed(&reply, policy.as_bytes()));
    assert!(!is_signed(&reply, policy.replace("mp4", "mp3").as_bytes()));
}

#[tokio::test]
async fn all_below_a_prefix_is_opened_by_a_custom_policy() {
    let gateway =
        gateway(r#", cookies = { domain = "example.com", path = "/films/", expires_seconds = 7200 }"#).await;
    let body = r#"{"prefix":"season 1/","sourceIp":"192.0.2.7","startsAt":"2026-11-22T00:00:00Z"}"#;
    let (status, reply) = ask(&gateway, "films", body).await;
    assert_eq!((status, &reply["expiresIn"]), (200, &json!(7200)), "{reply}");
    let policy = decoded(cookie(&reply, "CloudFront-Policy"));
    assert!(is_signed(&reply, &policy));
    let policy: Value = serde_json::from_slice(&policy).unwrap();
    assert_eq!(
        policy["Statement"],
        json!([{
            "Resource": "https://cdn.example.com/shared/season%201/*",
            "Condition": {
                "DateLessThan": {"AWS:EpochTime": NOW_SECONDS + 7200},
                "IpAddress": {"AWS:SourceIp": "192.0.2.7/32"},
                "DateGreaterThan": {"AWS:EpochTime": 1_795_305_600},
            },
        }])
    );
    let first = &reply["cookies"][0];
    assert_eq!(
        (&first["domain"], &first["path"], &first["secure"], &first["httpOnly"], &first["sameSite"]),
        (&json!("example.com"), &json!("/films/"), &json!(true), &json!(true), &json!("Lax"))
    );
    let header = reply["setCookie"][0].as_str().unwrap();
    let expected = format!(
        "CloudFront-Policy={}; Domain=example.com; Path=/films/; Secure; HttpOnly; SameSite=Lax",
        cookie(&reply, "CloudFront-Policy")
    );
    assert_eq!(header, expected);
    assert_eq!(reply["setCookie"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn nobody_opens_more_than_they_may_read() {
    let gateway = gateway("").await;
    let ann = "anns-key-0123456789abcdef";
    for (body, status) in [
        (r#"{"prefix":"ann/"}"#, 200),
        (r#"{"prefix":"ann/films/"}"#, 200),
        (r#"{"key":"ann/a.mp4"}"#, 200),
        (r#"{"prefix":""}"#, 403),
        (r#"{"prefix":"ann"}"#, 403),
        (r#"{"prefix":"anna/"}"#, 403),
        (r#"{"key":"bob/a.mp4"}"#, 403),
    ] {
        let (found, reply) = ask_as(&gateway, ann, "films", body).await;
        assert_eq!(found, status, "{body} {reply}");
    }
}

#[tokio::test]
async fn what_cannot_be_signed_is_refused_by_its_field() {
    let gateway = gateway("").await;
    for (bucket, body, code) in [
        ("bare", r#"{"prefix":""}"#, "CDN_NOT_CONFIGURED"),
        ("plain", r#"{"prefix":""}"#, "CDN_NOT_CONFIGURED"),
        ("films", "{}", "MISSING_KEY"),
        ("films", r#"{"key":"a","prefix":""}"#, "INVALID_FIELD"),
        ("films", r#"{"prefix":"a/../b/"}"#, "INVALID_FIELD"),
        ("films", r#"{"prefix":"a","sourceIp":"::1"}"#, "INVALID_FIELD"),
        ("films", r#"{"prefix":"a","startsAt":"soon"}"#, "INVALID_FIELD"),
        ("films", r#"{"prefix":"a","startsAt":"2030-01-01T00:00:00Z"}"#, "INVALID_FIELD"),
        ("films", r#"{"prefix":"a","expiresIn":59}"#, "EXPIRY_TOO_SHORT"),
        ("films", r#"{"prefix":"a","expiresIn":604801}"#, "EXPIRY_TOO_LONG"),
    ] {
        let (status, reply) = ask(&gateway, bucket, body).await;
        assert_eq!((status, &reply["error"]), (400, &json!(code)), "{bucket} {body} {reply}");
    }
}
