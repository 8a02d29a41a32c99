//! URLs that the API signed, used against a store that checks signatures.

use serde_json::Value;
use wharf_demo::Store;

use crate::support::{
    gateway::{KEY_CONFIG, TestGateway},
    raw::{Raw, Reply, post},
    store,
};

/// A gateway in front of `store`, whose bucket `photos` is kept below a prefix.
async fn gateway(store: &Store) -> TestGateway {
    let endpoint = store.endpoint();
    TestGateway::start(&format!(
        "{KEY_CONFIG}
{}
{}
[buckets.photos]
provider = \"store\"
bucket = \"photos\"
key_prefix = \"site/\"
",
        store::callers(&endpoint),
        store::provider("store", &endpoint)
    ))
    .await
}

async fn ask(gateway: &TestGateway, path: &str, body: &str) -> Value {
    let reply = Raw::connect(gateway.api()).await.ask(post(&format!("/api/v1/upload/{path}"), body)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    serde_json::from_str(&reply.body).unwrap()
}

/// Sends `body` to a signed URL, with the one header that a plain client sends.
async fn send(store: &Store, method: &str, url: &Value, body: &str) -> Reply {
    let endpoint = store.endpoint();
    let target = url.as_str().unwrap().strip_prefix(&endpoint).expect("a URL of the store");
    let host = endpoint.strip_prefix("http://").unwrap();
    let wire = format!(
        "{method} {target} HTTP/1.1\r\nhost: {host}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    Raw::connect(host.parse().unwrap()).await.ask(wire).await
}

#[tokio::test]
async fn what_goes_up_comes_down() {
    let store = store::start("photos").await;
    let gateway = gateway(&store).await;
    let upload = r#"{"filename":"../my füle (1).txt","contentType":"text/plain","fileSize":5,"metadata":{"author":"Zoë"}}"#;
    let signed = ask(&gateway, "photos/signed-url", upload).await;
    let stored = send(&store, "PUT", &signed["uploadUrl"], "hello").await;
    assert_eq!(stored.status, 200, "{stored:?}");
    let key = signed["key"].as_str().unwrap();
    assert!(store.directory().join("photos/site").join(key).is_file(), "{signed}");

    let download = format!(r#"{{"key":{},"responseContentType":"text/csv"}}"#, signed["key"]);
    let signed = ask(&gateway, "download/photos/signed-url", &download).await;
    let read = send(&store, "GET", &signed["downloadUrl"], "").await;
    assert_eq!((read.status, read.body.as_str()), (200, "hello"));
    assert_eq!(read.header("content-type"), Some("text/csv"));
}

#[tokio::test]
async fn brought_credentials_reach_the_same_store() {
    let store = store::start("theirs").await;
    let gateway = gateway(&store).await;
    let own = store::brought(&store.endpoint(), "theirs");
    let body = format!(
        r#"{{"files":[{{"filename":"a.txt","contentType":""}},{{"filename":"b.txt","contentType":""}}],{own}}}"#
    );
    let signed = ask(&gateway, "minio/batch-signed-url", &body).await;
    for file in signed["results"].as_array().unwrap() {
        assert_eq!(send(&store, "PUT", &file["uploadUrl"], "hello").await.status, 200, "{file}");
        let body = format!(r#"{{"fileKey":{},{own}}}"#, file["key"]);
        let read = ask(&gateway, "minio/download", &body).await;
        assert_eq!(send(&store, "GET", &read["downloadUrl"], "").await.body, "hello");
    }
}

#[tokio::test]
async fn a_url_is_good_for_one_key_and_one_method() {
    let store = store::start("photos").await;
    let gateway = gateway(&store).await;
    let body = r#"{"filename":"a.txt","contentType":"text/plain"}"#;
    let url = ask(&gateway, "photos/signed-url", body).await["uploadUrl"].clone();
    let text = url.as_str().unwrap();
    for (method, changed) in [
        ("PUT", text.replace("a.txt", "b.txt")),
        ("PUT", text.replace("X-Amz-Expires=3600", "X-Amz-Expires=3601")),
        ("PUT", text.replace("/site/", "/other/")),
        ("GET", text.to_owned()),
        ("DELETE", text.to_owned()),
    ] {
        let refused = send(&store, method, &Value::String(changed), "hello").await;
        assert_eq!(refused.status, 403, "{method} {refused:?}");
    }
    assert_eq!(send(&store, "PUT", &url, "hello").await.status, 200);
}
