//! What the S3 endpoint tells the journal of the requests that it passes on to a mirrored bucket.

use http::Method;
use wharf::{
    clock::Clock,
    config::{Environment, from_toml_text},
    mirror::Mirrors,
    server::Drain,
    store::SharedStore,
};

use crate::support::{
    gateway::TestGateway,
    mirrored::{Beside, DEAD_MIRRORS, with_mirrors},
    raw::Raw,
    recorder::{Answer, Recorded, Recorder},
    s3_client::{Ask, Mode, S3_KEYS, Wire, in_front_of},
    s3_form::PostForm,
};

const COMPLETE: &[u8] = b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"a\"</ETag></Part>\
    </CompleteMultipartUpload>";
const TAGGING: &[u8] = b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";

/// An answer with a document.
pub(crate) fn document(status: &str, body: &str) -> Answer {
    Answer::new(format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
}

/// What a store says that does what it is asked.
pub(crate) fn obedient(request: &Recorded) -> Answer {
    let result = |root: &str| document("200 OK", &format!("<{root}><ETag>\"e\"</ETag></{root}>"));
    let (method, target) = (request.method(), request.target());
    match method {
        "PUT" if request.header("x-amz-copy-source").is_some() => result("CopyObjectResult"),
        "POST" if target.contains("uploadId") => result("CompleteMultipartUploadResult"),
        "POST" if target.contains("delete") => document("200 OK", "<DeleteResult></DeleteResult>"),
        "DELETE" => Answer::new("HTTP/1.1 204 No Content\r\n\r\n"),
        _ => Answer::stored(),
    }
}

/// A request of each kind that changes what mirrors have, and the keys that it changes.
pub(crate) fn changes() -> Vec<(Wire, &'static [&'static str])> {
    let delete = b"<Delete><Object><Key>gone/1</Key></Object><Object><Key>gone/2</Key></Object></Delete>";
    let ask = |method, target| Ask::new(method, target);
    let copy = ask(Method::PUT, "/photos/copied").header("x-amz-copy-source", "photos/put");
    let complete = ask(Method::POST, "/photos/completed?uploadId=u").body(Mode::Hash, COMPLETE);
    let tagging = ask(Method::PUT, "/photos/tagged?tagging").body(Mode::Hash, TAGGING);
    vec![
        (Ask::put("/photos/put", Mode::SignedTrailer, b"hello").sign(), &["put"]),
        (Ask::put("/photos/empty", Mode::Hash, b"").sign(), &["empty"]),
        (PostForm::new("posted", "hello").sign(), &["posted"]),
        (copy.sign(), &["copied"]),
        (complete.sign(), &["completed"]),
        (ask(Method::DELETE, "/photos/deleted").sign(), &["deleted"]),
        (ask(Method::DELETE, "/photos/version?versionId=v1").sign(), &["version"]),
        (ask(Method::POST, "/photos?delete").body(Mode::Hash, delete).sign(), &["gone/1", "gone/2"]),
        (tagging.sign(), &["tagged"]),
        (ask(Method::DELETE, "/photos/untagged?tagging").sign(), &["untagged"]),
    ]
}

/// Requests that change nothing that mirrors have.
fn others() -> Vec<Wire> {
    let acl = Ask::new(Method::PUT, "/photos/other?acl").header("x-amz-acl", "private");
    vec![
        Ask::get("/photos/other").sign(),
        Ask::new(Method::HEAD, "/photos/other").sign(),
        Ask::get("/photos/other?tagging").sign(),
        acl.sign(),
        Ask::put("/photos/other?partNumber=1&uploadId=u", Mode::Hash, b"hello").sign(),
        Ask::new(Method::DELETE, "/photos/other?uploadId=u").sign(),
        Ask::new(Method::POST, "/photos/other?restore").sign(),
    ]
}

#[tokio::test]
async fn every_change_leaves_a_row_for_each_key_and_mirror() {
    let recorder = Recorder::answering(|request| request.is_complete.then(|| obedient(request))).await;
    let gateway = TestGateway::start(&with_mirrors(&recorder.endpoint(), S3_KEYS, DEAD_MIRRORS)).await;
    let beside = Beside::of(&gateway).await;
    for other in others() {
        other.status(&gateway).await;
    }
    assert_eq!(recorder.complete(), others().len());
    let mut dirty = Vec::new();
    for (change, keys) in changes() {
        let reply = change.send(&gateway).await;
        assert!((200..300).contains(&reply.status), "{keys:?} {reply:?}");
        dirty.extend_from_slice(keys);
        for mirror in ["one", "two"] {
            beside.until_dirty(mirror, &dirty).await;
        }
    }
    assert!(!beside.is_dirty("one", "other").await);
}

#[tokio::test]
async fn the_intent_stands_before_the_provider_has_a_byte_of_the_request() {
    let recorder = Recorder::start().await;
    let gateway = TestGateway::start(&with_mirrors(&recorder.endpoint(), S3_KEYS, DEAD_MIRRORS)).await;
    let beside = Beside::of(&gateway).await;
    let wire = Ask::put("/photos/a", Mode::Hash, b"hello").sign();
    let mut raw = Raw::connect(gateway.s3()).await;
    raw.send(wire.head()).await;
    raw.send(b"hell").await;
    recorder.until(|record| !record.is_empty()).await;
    assert!(beside.is_dirty("one", "a").await, "the provider knows before the journal");
    assert_eq!(beside.backlog("one").await.waiting, 0, "nobody knows yet what comes of it");
    raw.send(b"o").await;
    assert_eq!(raw.reply().await.status, 200);
    beside.until_dirty("one", &["a"]).await;
}

#[tokio::test]
async fn an_intent_ends_with_the_client_that_leaves() {
    let recorder = Recorder::start().await;
    let gateway = TestGateway::start(&with_mirrors(&recorder.endpoint(), S3_KEYS, DEAD_MIRRORS)).await;
    let beside = Beside::of(&gateway).await;
    let mut raw = Raw::connect(gateway.s3()).await;
    raw.send(Ask::put("/photos/a", Mode::Hash, b"hello").sign().head()).await;
    raw.send(b"hell").await;
    recorder.until(|record| !record.is_empty()).await;
    raw.reset();
    // What came of it nobody knows, so workers will have a look.
    beside.until_dirty("one", &["a"]).await;
    let is_stored = |request: &Recorded| request.method() == "PUT" && request.is_complete;
    assert!(!recorder.requests().iter().any(is_stored));
}

#[tokio::test]
async fn what_was_settled_is_written_before_the_process_ends() {
    let recorder = Recorder::start().await;
    let gateway = TestGateway::start(&with_mirrors(&recorder.endpoint(), S3_KEYS, DEAD_MIRRORS)).await;
    for number in 0..20 {
        let put = Ask::put(&format!("/photos/{number}"), Mode::Hash, b"hello");
        assert_eq!(put.sign().status(&gateway).await, 200);
    }
    assert!(gateway.shutdown().await);
    assert_eq!(Beside::of(&gateway).await.backlog("two").await.waiting, 20);
}

#[tokio::test]
async fn only_a_mirror_opens_the_database() {
    let recorder = Recorder::answering(|request| request.is_complete.then(|| obedient(request))).await;
    let gateway = TestGateway::start(&in_front_of(&recorder.endpoint(), S3_KEYS)).await;
    for (change, keys) in changes() {
        let reply = change.send(&gateway).await;
        assert!((200..300).contains(&reply.status), "{keys:?} {reply:?}");
    }
    assert!(!gateway.data().join("wharf.db").exists());
    gateway.reload_toml(&with_mirrors(&recorder.endpoint(), S3_KEYS, DEAD_MIRRORS)).await;
    assert_eq!(Ask::put("/photos/a", Mode::Hash, b"hello").sign().status(&gateway).await, 200);
    let beside = Beside::of(&gateway).await;
    beside.until_dirty("one", &["a"]).await;
    // Without mirrors again, nothing more is noted.
    gateway.reload_toml(&in_front_of(&recorder.endpoint(), S3_KEYS)).await;
    assert_eq!(Ask::put("/photos/b", Mode::Hash, b"hello").sign().status(&gateway).await, 200);
    assert!(gateway.shutdown().await);
    assert!(!Beside::of(&gateway).await.is_dirty("one", "b").await);
}

#[tokio::test]
async fn what_others_changed_is_noted_on_request() {
    let directory = tempfile::tempdir().unwrap();
    let data = [("WHARF_SERVER__DATA_DIRECTORY", directory.path().to_str().unwrap())];
    let text = with_mirrors("http://127.0.0.1:1", S3_KEYS, DEAD_MIRRORS);
    let config = from_toml_text(&text, &data.into_iter().collect::<Environment>()).unwrap();
    let store = SharedStore::new(Clock::System);
    store.prepare(&config).await.unwrap();
    let mirrors = Mirrors::new(store.clone());
    mirrors.prepare(&config, &Drain::default());
    mirrors.note_foreign(&config.buckets["photos"], &["a", "b"]).await.unwrap();
    let backlog = mirrors.journal().unwrap().backlog().await.unwrap();
    assert_eq!(backlog.iter().map(|backlog| backlog.waiting).collect::<Vec<_>>(), [2, 2]);
    store.close().await;
    assert!(mirrors.note_foreign(&config.buckets["photos"], &["c"]).await.is_err());
}
