//! Signed URLs that point at Wharf's own S3 endpoint: a store that checks signatures stands behind it.

use serde_json::Value;
use wharf_demo::Store;

use crate::support::{
    gateway::{KEY_CONFIG, TestGateway},
    raw::{Raw, Reply, post},
    store,
};

/// What browsers are told; the tests connect to where Wharf really listens.
const PUBLIC: &str = "https://files.example";

fn config(store: &Store, keys: &str) -> String {
    format!(
        "{keys}
[s3]
public_endpoint = \"{PUBLIC}\"
{}
[buckets.photos]
provider = \"store\"
bucket = \"stored-photos\"
key_prefix = \"site/\"
direct_uploads = \"wharf\"
",
        store::provider("store", &store.endpoint())
    )
}

async fn ask(gateway: &TestGateway, path: &str, body: &str) -> Value {
    let reply = Raw::connect(gateway.api()).await.ask(post(&format!("/api/v1/upload/{path}"), body)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    serde_json::from_str(&reply.body).unwrap()
}

async fn send(gateway: &TestGateway, method: &str, url: &str, body: &str) -> Reply {
    let target = url.strip_prefix(PUBLIC).expect("a URL of Wharf's own");
    let wire = format!(
        "{method} {target} HTTP/1.1\r\nhost: files.example\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    Raw::connect(gateway.s3()).await.ask(wire).await
}

const UPLOAD: &str =
    r#"{"filename":"../my füle (1).txt","contentType":"text/plain","metadata":{"author":"Zoë"}}"#;

#[tokio::test]
async fn what_goes_up_through_wharf_comes_down_through_it() {
    let store = store::start("stored-photos").await;
    // A key with nothing but an id, and nobody but this machine: neither could sign for the S3 endpoint by itself.
    for keys in [KEY_CONFIG, ""] {
        let gateway = TestGateway::start(&config(&store, keys)).await;
        let signed = ask(&gateway, "photos/signed-url", UPLOAD).await;
        let stored = send(&gateway, "PUT", signed["uploadUrl"].as_str().unwrap(), "hello").await;
        assert_eq!(stored.status, 200, "{stored:?}");
        let key = signed["key"].as_str().unwrap();
        assert!(store.directory().join("stored-photos/site").join(key).is_file(), "{signed}");
        assert!(signed["publicUrl"].as_str().unwrap().starts_with(&store.endpoint()), "{signed}");

        let download = format!(r#"{{"key":{},"responseContentType":"text/csv"}}"#, signed["key"]);
        let signed = ask(&gateway, "download/photos/signed-url", &download).await;
        let read = send(&gateway, "GET", signed["downloadUrl"].as_str().unwrap(), "").await;
        assert_eq!((read.status, read.body.as_str()), (200, "hello"));
        assert_eq!(read.header("content-type"), Some("text/csv"));
    }
}

#[tokio::test]
async fn a_batch_goes_through_wharf_too() {
    let store = store::start("stored-photos").await;
    let gateway = TestGateway::start(&config(&store, KEY_CONFIG)).await;
    let body = r#"{"files":[{"filename":"a.txt","contentType":""},{"filename":"b.txt","contentType":""}]}"#;
    let signed = ask(&gateway, "photos/batch-signed-url", body).await;
    for file in signed["results"].as_array().unwrap() {
        let stored = send(&gateway, "PUT", file["uploadUrl"].as_str().unwrap(), "hello").await;
        assert_eq!(stored.status, 200, "{file}");
    }
}

#[tokio::test]
async fn a_url_is_good_for_one_key_and_one_method_while_its_callers_key_is() {
    let store = store::start("stored-photos").await;
    let gateway = TestGateway::start(&config(&store, KEY_CONFIG)).await;
    let signed = ask(&gateway, "photos/signed-url", UPLOAD).await;
    let url = signed["uploadUrl"].as_str().unwrap();
    for (method, changed) in [
        ("PUT", url.replace(".txt", ".tar")),
        ("PUT", url.replace("X-Amz-Expires=3600", "X-Amz-Expires=3601")),
        ("GET", url.to_owned()),
        ("DELETE", url.to_owned()),
    ] {
        let refused = send(&gateway, method, &changed, "hello").await;
        assert_eq!(refused.status, 403, "{method} {refused:?}");
    }
    let other_keys = KEY_CONFIG.replace("test-key-0123456789abcdef", "another-key-0123456789abcdef");
    gateway.reload_toml(&config(&store, &other_keys)).await;
    let revoked = send(&gateway, "PUT", url, "hello").await;
    assert_eq!((revoked.status, revoked.s3_code()), (403, "InvalidAccessKeyId"), "{revoked:?}");
    gateway.reload_toml(&config(&store, KEY_CONFIG)).await;
    assert_eq!(send(&gateway, "PUT", url, "hello").await.status, 200);
}
