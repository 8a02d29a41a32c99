//! Providers that tell of objects which came to them without Wharf.

use serde_json::json;

use crate::support::{
    gateway::{KEY_CONFIG, TestGateway},
    mirrored::{Beside, DEAD_MIRRORS, with_mirrors},
    raw::{Raw, Reply},
};

const TOKEN: &str = "a token that nobody guesses";

/// The bucket `photos`, which is called `stored-photos` at its provider and kept below `site/` there.
fn config(events: &str) -> String {
    let bucket = format!("key_prefix = \"site/\"\n{events}\n");
    with_mirrors("http://127.0.0.1:1", KEY_CONFIG, &[&bucket, DEAD_MIRRORS].concat())
}

async fn gateway() -> TestGateway {
    TestGateway::start(&config(&format!("events = {{ token = \"{TOKEN}\" }}"))).await
}

async fn tell(gateway: &TestGateway, path: &str, headers: &str, message: &str) -> Reply {
    let wire = format!(
        "POST /api/v1/events/{path} HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n{headers}\r\n{message}",
        message.len()
    );
    Raw::connect(gateway.api()).await.ask(wire).await
}

fn authorized() -> String {
    format!("authorization: Bearer {TOKEN}\r\n")
}

/// A notification of `records`: what happened, in which bucket, to which key as the message has it.
fn records(records: &[(&str, &str, &str)]) -> String {
    let record = |(name, bucket, key): &(&str, &str, &str)| json!({ "eventName": name, "s3": { "bucket": { "name": bucket }, "object": { "key": key } } });
    json!({ "Records": records.iter().map(record).collect::<Vec<_>>() }).to_string()
}

#[tokio::test]
async fn keys_that_were_written_are_dirty_when_the_message_is_answered() {
    let gateway = gateway().await;
    let beside = Beside::of(&gateway).await;
    let message = records(&[
        ("s3:ObjectCreated:Put", "stored-photos", "site%2Fa+b.png"),
        ("ObjectCreated:CompleteMultipartUpload", "stored-photos", "site/c"),
        ("ObjectCreated:Put", "stored-photos", "elsewhere/d"),
        ("ObjectCreated:Put", "stored-photos", "site/"),
        ("ObjectCreated:Put", "others", "site/e"),
        ("ObjectRemoved:Delete", "stored-photos", "site/f"),
    ]);
    let reply = tell(&gateway, "photos", &authorized(), &message).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    for mirror in ["one", "two"] {
        beside.until_dirty(mirror, &["a b.png", "c"]).await;
        assert!(!beside.is_dirty(mirror, "").await, "the prefix itself is no key");
    }
}

#[tokio::test]
async fn nobody_else_can_tell_anything() {
    let gateway = gateway().await;
    let beside = Beside::of(&gateway).await;
    let message = records(&[("ObjectCreated:Put", "stored-photos", "site/a")]);
    let key = "x-api-key: test-key-0123456789abcdef\r\n";
    let topic = format!("{}x-amz-sns-message-type: Notification\r\n", authorized());
    for (path, headers, code) in [
        ("photos", "", "INVALID_API_KEY"),
        ("photos", key, "INVALID_API_KEY"),
        ("photos", "authorization: Bearer a token that nobody\r\n", "INVALID_API_KEY"),
        ("photos", "authorization: Bearer \r\n", "INVALID_API_KEY"),
        ("photos", &topic, "INVALID_API_KEY"),
        ("films", &authorized(), "NOT_FOUND"),
    ] {
        let reply = tell(&gateway, path, headers, &message).await;
        assert_eq!(reply.code(), code, "{path} {headers} {reply:?}");
    }
    for nonsense in ["", "{}", "[1]", "<xml/>"] {
        let reply = tell(&gateway, "photos", &authorized(), nonsense).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "INVALID_JSON"), "{nonsense} {reply:?}");
    }
    assert_eq!(beside.backlog("one").await.waiting, 0);
    let get = "GET /api/v1/events/photos HTTP/1.1\r\nhost: a\r\n\r\n";
    assert_eq!(Raw::connect(gateway.api()).await.ask(get).await.status, 405);
}

#[tokio::test]
async fn a_bucket_without_events_takes_none() {
    let gateway = TestGateway::start(&config("")).await;
    let message = records(&[("ObjectCreated:Put", "stored-photos", "site/a")]);
    let reply = tell(&gateway, "photos", &authorized(), &message).await;
    assert_eq!((reply.status, reply.code().as_str()), (404, "NOT_FOUND"), "{reply:?}");
}
