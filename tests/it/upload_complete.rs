//! Objects that go straight to the provider: taken note of, held against what was signed, mirrored; and deleted again.

use std::path::PathBuf;

use serde_json::{Value, json};
use wharf_demo::Store;

use crate::support::{
    gateway::{KEY_CONFIG, TestGateway},
    mirrored::{Beside, mirror_at},
    raw::{Raw, Reply, post},
    store,
};

/// A gateway between a store and its mirror, to which callers may bring their own credentials as well.
struct Mirrored {
    primary: Store,
    spare: Store,
    gateway: TestGateway,
    beside: Beside,
}

impl Mirrored {
    async fn start() -> Self {
        let (primary, spare) = (store::start("stored-photos").await, store::start("copied-photos").await);
        let endpoint = primary.endpoint();
        let toml = format!(
            "{KEY_CONFIG}
[[keys]]
id = \"reader-key-0123456789\"
allow = [{{ bucket = \"photos\", actions = [\"read\"] }}]
{}
{}
[buckets.photos]
provider = \"store\"
bucket = \"stored-photos\"
accept = {{ file_bytes_max = 1000 }}
{}",
            store::callers(&endpoint),
            store::provider("store", &endpoint),
            mirror_at(&spare.endpoint())
        );
        let gateway = TestGateway::start(&toml).await;
        let beside = Beside::of(&gateway).await;
        Self { primary, spare, gateway, beside }
    }

    async fn try_ask(&self, path: &str, body: &Value) -> Reply {
        let wire = post(&format!("/api/v1/upload/{path}"), &body.to_string());
        Raw::connect(self.gateway.api()).await.ask(wire).await
    }

    async fn ask(&self, path: &str, body: &Value) -> Value {
        let reply = self.try_ask(path, body).await;
        assert_eq!(reply.status, 200, "{path} {body} {reply:?}");
        serde_json::from_str(&reply.body).unwrap()
    }

    async fn refusal(&self, path: &str, body: &Value) -> (u16, String) {
        let reply = self.try_ask(path, body).await;
        (reply.status, reply.code())
    }

    /// Signs an upload of five bytes of text.
    async fn sign(&self, path: &str, more: &Value) -> Value {
        let mut body = json!({"filename": "my photo.txt", "contentType": "text/plain", "fileSize": 5});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.ask(&format!("{path}/signed-url"), &body).await
    }

    /// Sends `body` to where it was signed for, as a browser does.
    async fn upload(&self, signed: &Value, content_type: &str, body: &str) {
        let endpoint = self.primary.endpoint();
        let host = endpoint.strip_prefix("http://").unwrap();
        let target = signed["uploadUrl"].as_str().unwrap().strip_prefix(&endpoint).unwrap();
        let wire = format!(
            "PUT {target} HTTP/1.1\r\nhost: {host}\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let reply = Raw::connect(host.parse().unwrap()).await.ask(wire).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }

    /// Where both stores have the object called `key`.
    fn files(&self, key: &str) -> [PathBuf; 2] {
        [self.primary.directory().join("stored-photos"), self.spare.directory().join("copied-photos")]
            .map(|bucket| bucket.join(key))
    }

    async fn until_equal(&self, key: &str, body: Option<&str>) {
        self.beside.until_clean("spare", key).await;
        for file in self.files(key) {
            assert_eq!(std::fs::read_to_string(&file).ok().as_deref(), body, "{}", file.display());
        }
    }
}

fn token(signed: &Value) -> Value {
    json!({ "completeToken": signed["completeToken"] })
}

#[tokio::test]
async fn what_a_browser_uploaded_is_taken_note_of_and_mirrored_and_deleted_everywhere() {
    let mirrored = Mirrored::start().await;
    let signed = mirrored.sign("photos", &json!({})).await;
    let key = signed["key"].as_str().unwrap();
    assert_eq!(mirrored.refusal("complete", &token(&signed)).await, (404, "FILE_NOT_FOUND".to_owned()));
    mirrored.upload(&signed, "text/plain", "hello").await;
    for _ in 0..2 {
        let completed = mirrored.ask("complete", &token(&signed)).await;
        assert_eq!((&completed["key"], &completed["uploadId"]), (&signed["key"], &signed["uploadId"]));
        assert_eq!((&completed["bucket"], &completed["size"]), (&json!("photos"), &json!(5)));
        assert_eq!(
            (&completed["contentType"], &completed["publicUrl"]),
            (&json!("text/plain"), &signed["publicUrl"])
        );
        assert_eq!(
            (&completed["metadata"]["key"], &completed["provider"]),
            (&signed["key"], &json!("minio"))
        );
        mirrored.until_equal(key, Some("hello")).await;
    }
    let deleted = mirrored.ask("photos/delete", &json!({ "key": key })).await;
    assert_eq!(deleted["deleted"], signed["key"]);
    mirrored.until_equal(key, None).await;
}

#[tokio::test]
async fn a_batch_is_deleted_everywhere_and_so_is_what_the_primary_has_lost() {
    let mirrored = Mirrored::start().await;
    let mut keys = Vec::new();
    for _ in 0..3 {
        let signed = mirrored.sign("photos", &json!({})).await;
        mirrored.upload(&signed, "text/plain", "hello").await;
        mirrored.ask("complete", &json!({"key": signed["key"], "bucket": "photos"})).await;
        keys.push(signed["key"].as_str().unwrap().to_owned());
    }
    for key in &keys {
        mirrored.until_equal(key, Some("hello")).await;
    }
    let deleted = mirrored.ask("photos/batch-delete", &json!({ "keys": keys[..2] })).await;
    assert_eq!(deleted["deleted"], json!(keys[..2]));
    let [lost, copy] = mirrored.files(&keys[2]);
    std::fs::remove_file(lost).unwrap();
    let body = json!({ "key": keys[2] });
    assert_eq!(mirrored.refusal("photos/delete", &body).await, (404, "FILE_NOT_FOUND".to_owned()));
    for key in &keys {
        mirrored.until_equal(key, None).await;
    }
    assert!(!copy.exists());
}

#[tokio::test]
async fn what_is_not_as_it_was_signed_is_refused() {
    let mirrored = Mirrored::start().await;
    for (content_type, body, code) in [
        ("text/plain", "hell", "VALIDATION_FAILED"),
        ("text/html", "hello", "VALIDATION_FAILED"),
        ("text/plain; charset=utf-8", "hello", ""),
    ] {
        let signed = mirrored.sign("photos", &json!({})).await;
        mirrored.upload(&signed, content_type, body).await;
        let reply = mirrored.try_ask("complete", &token(&signed)).await;
        assert_eq!(reply.status, if code.is_empty() { 200 } else { 400 }, "{content_type} {body} {reply:?}");
        if !code.is_empty() {
            assert_eq!(reply.code(), code);
        }
    }
    let signed = mirrored.sign("photos", &json!({"fileSize": 1000})).await;
    mirrored.upload(&signed, "text/plain", &"x".repeat(1001)).await;
    assert_eq!(mirrored.refusal("complete", &token(&signed)).await, (400, "FILE_TOO_LARGE".to_owned()));
    let by_key = json!({"key": signed["key"], "bucket": "photos"});
    assert_eq!(mirrored.refusal("complete", &by_key).await, (400, "FILE_TOO_LARGE".to_owned()));

    let signed = mirrored.sign("photos", &json!({})).await;
    mirrored.upload(&signed, "text/plain", "hello").await;
    let mut body = token(&signed);
    for etag in ["\"5d41402abc4b2a76b9719d911017c592\"", "5d41402abc4b2a76b9719d911017c592"] {
        body["etag"] = json!(etag);
        mirrored.ask("complete", &body).await;
    }
    body["etag"] = json!("\"00000000000000000000000000000000\"");
    assert_eq!(mirrored.refusal("complete", &body).await, (400, "VALIDATION_FAILED".to_owned()));
}

#[tokio::test]
async fn a_token_is_good_for_what_it_was_made_for() {
    let mirrored = Mirrored::start().await;
    let signed = mirrored.sign("photos", &json!({})).await;
    mirrored.upload(&signed, "text/plain", "hello").await;
    let invalid = (400, "INVALID_COMPLETE_TOKEN".to_owned());
    let mut body = token(&signed);
    body["key"] = json!("another");
    assert_eq!(mirrored.refusal("complete", &body).await, invalid);
    assert_eq!(mirrored.refusal("complete", &json!({"completeToken": "made up"})).await, invalid);
    for (body, code) in [
        (json!({}), "MISSING_FIELDS"),
        (json!({"bucket": "photos"}), "MISSING_KEY"),
        (json!({"key": "a", "bucket": "elsewhere"}), "UNKNOWN_PROVIDER"),
    ] {
        assert_eq!(mirrored.refusal("complete", &body).await.1, code, "{body}");
    }
    let wire = post("/api/v1/upload/complete", &token(&signed).to_string());
    let wire = wire.replace("test-key-0123456789abcdef", "reader-key-0123456789");
    let reply = Raw::connect(mirrored.gateway.api()).await.ask(wire).await;
    assert_eq!((reply.status, reply.code().as_str()), (403, "ACCESS_DENIED"));
}

#[tokio::test]
async fn who_brought_credentials_to_sign_brings_them_to_complete() {
    let mirrored = Mirrored::start().await;
    let own = json!({
        "minioAccessKey": store::ACCESS_KEY,
        "minioSecretKey": store::SECRET_KEY,
        "minioBucket": "stored-photos",
        "minioEndpoint": mirrored.primary.endpoint(),
    });
    let signed = mirrored.sign("minio", &own).await;
    mirrored.upload(&signed, "text/plain", "hello").await;
    let mut body = own.clone();
    body["completeToken"] = signed["completeToken"].clone();
    let completed = mirrored.ask("complete", &body).await;
    assert_eq!((&completed["key"], &completed["bucket"]), (&signed["key"], &json!("stored-photos")));
    body["minioBucket"] = json!("another-bucket");
    assert_eq!(mirrored.refusal("complete", &body).await, (400, "INVALID_COMPLETE_TOKEN".to_owned()));
    let mut by_key = own;
    by_key["key"] = signed["key"].clone();
    assert_eq!(mirrored.ask("complete", &by_key).await["size"], 5);
}
