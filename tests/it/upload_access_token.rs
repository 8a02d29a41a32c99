//! Access tokens: what their bearers may do, and that one that was taken back opens nothing, whatever restarts meanwhile.

use std::path::Path;

use serde_json::{Value, json};
use wharf::{
    clock::Clock,
    config::{Environment, from_toml_text},
    gateway::Gateway,
};

use crate::support::raw::{Raw, Reply};

const TOML: &str = r#"
[upload]
access_tokens = true
[upload.callers]
allowed = true
[providers.main]
plugin = "s3"
region = "eu-west-1"
access_key_id = "AKIAIOSFODNN7EXAMPLE"
secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
[buckets.photos]
provider = "main"
bucket = "acme-photos"
[buckets.films]
provider = "main"
bucket = "acme-films"
[[keys]]
id = "test-key-0123456789abcdef"
allow = [{ bucket = "*", actions = ["read", "write", "delete"] }]
[[keys]]
id = "anns-key-0123456789abcdef"
allow = [{ bucket = "photos", prefix = "ann/", actions = ["read"] }]
"#;

const KEY: &str = "test-key-0123456789abcdef";
const ANN: &str = "anns-key-0123456789abcdef";
const OWN: &str = r#""r2AccessKeyId":"r2access0123456789abcd","r2SecretAccessKey":"r2secret0123456789abcdefr2secret0123456789abcdef",
    "r2AccountId":"0123456789abcdef0123456789abcdef","r2Bucket":"r2-bucket""#;

async fn gateway(toml: &str, data: &Path) -> Gateway {
    let environment: Environment = [
        ("WHARF_SERVER__API_LISTEN", "127.0.0.1:0"),
        ("WHARF_SERVER__ADMIN_LISTEN", "127.0.0.1:0"),
        ("WHARF_SERVER__DATA_DIRECTORY", data.to_str().unwrap()),
    ]
    .into_iter()
    .collect();
    Gateway::start(from_toml_text(toml, &environment).unwrap(), Clock::System)
        .await
        .expect("the gateway starts")
}

async fn ask(gateway: &Gateway, bearer: &str, (method, path): (&str, &str), body: &str) -> (Reply, Value) {
    let base = if path.starts_with("webhooks/") { "/api/v1" } else { "/api/v1/upload" };
    let wire = format!(
        "{method} {base}/{path} HTTP/1.1\r\nhost: wharf.test\r\nauthorization: Bearer {bearer}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let reply = Raw::connect(gateway.api_address()).await.ask(wire).await;
    let json = serde_json::from_str(&reply.body).unwrap();
    (reply, json)
}

async fn issue(gateway: &Gateway, key: &str, path: &str, body: &str) -> Value {
    let (reply, json) = ask(gateway, key, ("POST", path), body).await;
    assert_eq!((reply.status, &json["success"]), (200, &json!(true)), "{json}");
    json
}

fn token(issued: &Value) -> &str {
    issued["token"].as_str().unwrap()
}

#[tokio::test]
async fn a_bearer_may_do_what_the_token_says_and_no_more() {
    let data = tempfile::tempdir().unwrap();
    let gateway = gateway(TOML, data.path()).await;
    let body = r#"{"fileKey":"a.txt","permissions":["read","write"],"expiresIn":600}"#;
    let issued = issue(&gateway, KEY, "photos/access-token", body).await;
    assert_eq!(
        (&issued["expiresIn"], &issued["bucket"], &issued["fileKey"]),
        (&json!(600), &json!("photos"), &json!("a.txt"))
    );
    assert_eq!(issued["permissions"], json!(["read", "write"]));
    for (path, body, status) in [
        ("photos/download-url", r#"{"key":"a.txt"}"#, 200),
        ("photos/download-url", r#"{"key":"a.txt.bak"}"#, 403),
        ("photos/download-url", r#"{"key":"b.txt"}"#, 403),
        ("films/download-url", r#"{"key":"a.txt"}"#, 404),
        ("photos/delete", r#"{"key":"a.txt"}"#, 403),
        ("photos/signed-url", r#"{"filename":"a.txt","contentType":""}"#, 403),
        ("photos/access-token", r#"{"permissions":["read"]}"#, 403),
        ("photos/list", r#"{"prefix":"a.txt"}"#, 403),
        ("photos/test-connection", "{}", 403),
        ("photos/cdn/cookies", r#"{"key":"a.txt"}"#, 403),
        ("uppy-token", r#"{"bucket":"photos","prefix":"a.txt"}"#, 403),
        ("track", "{}", 403),
        ("webhooks/create", r#"{"bucket":"photos","url":"https://example.com/"}"#, 403),
        ("webhooks/list", "{}", 403),
        ("validate-key", "", 200),
    ] {
        let (reply, json) = ask(&gateway, token(&issued), ("POST", path), body).await;
        assert_eq!(reply.status, status, "{path} {body} {json}");
        assert!(
            !reply.body.contains(KEY),
            "nothing tells a bearer of the key behind the token: {path} {json}"
        );
    }
    let folder =
        issue(&gateway, KEY, "photos/access-token", r#"{"fileKey":"in/","permissions":["write"]}"#).await;
    let (_, signed) = ask(
        &gateway,
        token(&folder),
        ("POST", "photos/signed-url"),
        r#"{"filename":"a.txt","contentType":""}"#,
    )
    .await;
    assert!(signed["key"].as_str().unwrap().starts_with("in/upl"), "{signed}");
    gateway.shutdown().await;
}

#[tokio::test]
async fn a_bearer_leaves_nothing_behind_that_outlives_the_token() {
    let data = tempfile::tempdir().unwrap();
    let gateway = gateway(&format!("[webhooks]\nenabled = true\n{TOML}"), data.path()).await;
    let body = r#"{"permissions":["read","write"],"expiresIn":600}"#;
    let issued = issue(&gateway, KEY, "photos/access-token", body).await;
    let hook = r#"{"filename":"a.txt","contentType":"","webhook":{"url":"https://hooks.example/a"}}"#;
    for (bearer, status) in [(KEY, 200), (token(&issued), 403)] {
        let (reply, json) = ask(&gateway, bearer, ("POST", "photos/signed-url"), hook).await;
        assert_eq!(reply.status, status, "{json}");
    }
    let url = ("POST", "photos/download-url");
    let (_, signed) = ask(&gateway, token(&issued), url, r#"{"key":"a.txt"}"#).await;
    assert!(signed["expiresIn"].as_u64().unwrap() <= 600, "{signed}");
    let long = r#"{"key":"a.txt","expiresIn":601}"#;
    let (reply, _) = ask(&gateway, token(&issued), url, long).await;
    assert_eq!(reply.code(), "EXPIRY_TOO_LONG");
    let (reply, _) = ask(&gateway, KEY, url, long).await;
    assert_eq!(reply.status, 200);
    gateway.shutdown().await;
}

#[tokio::test]
async fn a_token_goes_no_further_than_its_maker() {
    let data = tempfile::tempdir().unwrap();
    let gateway = gateway(TOML, data.path()).await;
    let whole = issue(&gateway, ANN, "photos/access-token", r#"{"permissions":["read"]}"#).await;
    for (key, status) in [("ann/a.txt", 200), ("bob/a.txt", 403)] {
        let body = json!({"key": key}).to_string();
        let (reply, json) = ask(&gateway, token(&whole), ("POST", "photos/download-url"), &body).await;
        assert_eq!(reply.status, status, "{key} {json}");
    }
    for (body, code) in [
        (r#"{"permissions":["write"]}"#, "ACCESS_DENIED"),
        (r#"{"fileKey":"bob/a.txt","permissions":["read"]}"#, "ACCESS_DENIED"),
        (r#"{"permissions":["admin"]}"#, "INVALID_PERMISSIONS"),
        (r#"{"permissions":[]}"#, "INVALID_PERMISSIONS"),
        ("{}", "INVALID_PERMISSIONS"),
        (r#"{"permissions":["read"],"expiresIn":59}"#, "EXPIRY_TOO_SHORT"),
    ] {
        let (reply, _) = ask(&gateway, ANN, ("POST", "photos/access-token"), body).await;
        assert_eq!(reply.code(), code, "{body}");
    }
    let without =
        r#"{"r2AccessKeyId":"r2access0123456789abcd","r2SecretAccessKey":"x","permissions":["read"]}"#;
    let (reply, _) = ask(&gateway, ANN, ("POST", "r2/access-token"), without).await;
    assert_eq!(reply.code(), "MISSING_BUCKET");
    gateway.shutdown().await;
}

#[tokio::test]
async fn a_token_that_was_taken_back_opens_nothing_not_even_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let first = gateway(TOML, data.path()).await;
    let body = r#"{"permissions":["read"]}"#;
    let [kept, lost] = [
        issue(&first, KEY, "photos/access-token", body).await,
        issue(&first, KEY, "photos/access-token", body).await,
    ];
    let revoke = json!({"token": lost["token"]}).to_string();
    let path = "photos/access-token/revoke";
    let (reply, _) = ask(&first, ANN, ("DELETE", path), &revoke).await;
    assert_eq!(reply.code(), "ACCESS_DENIED", "another's token");
    let (reply, _) = ask(&first, KEY, ("DELETE", path), r#"{"token":"wharf_access_AAAA"}"#).await;
    assert_eq!(reply.code(), "INVALID_FIELD");
    for _ in 0..2 {
        let (reply, json) = ask(&first, KEY, ("DELETE", path), &revoke).await;
        assert_eq!((reply.status, &json["tokenId"]), (200, &lost["tokenId"]), "{json}");
    }
    let opens = async |gateway: &Gateway, issued: &Value| {
        let (reply, _) = ask(gateway, token(issued), ("POST", "photos/download-url"), r#"{"key":"a"}"#).await;
        reply.status
    };
    assert_eq!((opens(&first, &kept).await, opens(&first, &lost).await), (200, 401));
    first.shutdown().await;
    let second = gateway(TOML, data.path()).await;
    assert_eq!((opens(&second, &kept).await, opens(&second, &lost).await), (200, 401));
    let own = json!({"token": kept["token"]}).to_string();
    let (reply, _) = ask(&second, token(&kept), ("POST", path), &own).await;
    assert_eq!((reply.status, opens(&second, &kept).await), (200, 401), "its bearer takes it back");
    second.shutdown().await;
}

#[tokio::test]
async fn a_token_for_a_brought_bucket_bounds_what_is_done_with_brought_credentials() {
    let data = tempfile::tempdir().unwrap();
    let gateway = gateway(TOML, data.path()).await;
    let body = format!(r#"{{{OWN},"fileKey":"a.txt","permissions":["read"]}}"#);
    let issued = issue(&gateway, KEY, "r2/access-token", &body).await;
    assert!(issued["hint"].as_str().unwrap().contains("holds no credentials"), "{issued}");
    assert!(!issued.to_string().contains("r2secret"), "{issued}");
    for (key, bucket, status) in
        [("a.txt", "r2-bucket", 200), ("b.txt", "r2-bucket", 403), ("a.txt", "other-bucket", 403)]
    {
        let body = format!(r#"{{{},"fileKey":"{key}"}}"#, OWN.replace("r2-bucket", bucket));
        let (reply, json) = ask(&gateway, token(&issued), ("POST", "r2/download-url"), &body).await;
        assert_eq!(reply.status, status, "{key} {bucket} {json}");
    }
    let (reply, _) =
        ask(&gateway, token(&issued), ("POST", "photos/download-url"), r#"{"key":"a.txt"}"#).await;
    assert_eq!(reply.status, 404, "it says nothing of configured buckets");
    gateway.shutdown().await;
}

#[tokio::test]
async fn tokens_are_switched_on_knowingly() {
    let data = tempfile::tempdir().unwrap();
    let gateway = gateway(&TOML.replace("access_tokens = true", "access_tokens = false"), data.path()).await;
    let (reply, _) = ask(&gateway, KEY, ("POST", "photos/access-token"), r#"{"permissions":["read"]}"#).await;
    assert_eq!((reply.status, reply.code().as_str()), (404, "NOT_FOUND"));
    assert!(reply.body.contains("upload.access_tokens"), "{reply:?}");
    assert!(!data.path().join("wharf.db").exists(), "no database is opened for nothing");
    gateway.shutdown().await;
}
