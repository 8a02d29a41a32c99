//! Changes of a mirrored bucket that come to nothing, or of which nobody knows what they came to; and changes that are not
//! passed on at all.

use http::Method;
use sqlx::{Connection, Executor};

use crate::{
    mirror_doors::{changes, document, obedient},
    support::{
        gateway::TestGateway,
        mirrored::{Beside, DEAD_MIRRORS, with_mirrors},
        raw::Raw,
        recorder::{Answer, Recorded, Recorder},
        s3_client::{Ask, Mode, S3_KEYS},
    },
};

const REFUSED: &str = "<Error><Code>AccessDenied</Code></Error>";

/// Sends every change to a primary that answers so, each through a gateway of its own: one that saw several failures would
/// leave the primary alone. Gives the keys that are dirty then.
async fn dirty_after(script: impl Fn(&Recorded) -> Answer + Send + Sync + 'static) -> Vec<&'static str> {
    let recorder = Recorder::answering(move |request| request.is_complete.then(|| script(request))).await;
    let config = with_mirrors(&recorder.endpoint(), S3_KEYS, DEAD_MIRRORS);
    let mut found = Vec::new();
    for (change, keys) in changes() {
        let gateway = TestGateway::start(&config).await;
        let status = change.status(&gateway).await;
        assert!(status >= 400, "{keys:?} {status}");
        found.extend(dirty(&gateway).await);
    }
    found
}

/// The keys that are dirty when the gateway has ended.
async fn dirty(gateway: &TestGateway) -> Vec<&'static str> {
    assert!(gateway.shutdown().await);
    let beside = Beside::of(gateway).await;
    let mut dirty = Vec::new();
    for key in changes().iter().flat_map(|(_, keys)| *keys) {
        let is_dirty = beside.is_dirty("one", key).await;
        assert_eq!(beside.is_dirty("two", key).await, is_dirty);
        dirty.extend(is_dirty.then_some(*key));
    }
    dirty
}

fn all() -> Vec<&'static str> {
    changes().iter().flat_map(|(_, keys)| keys.to_vec()).collect()
}

/// Tags may be sent twice: what the second time is refused may have been done the first time.
const TAGS: [&str; 2] = ["tagged", "untagged"];

#[tokio::test]
async fn a_refusal_changes_nothing() {
    assert_eq!(dirty_after(|_| document("403 Forbidden", REFUSED)).await, TAGS);
    assert_eq!(dirty_after(|_| document("412 Precondition Failed", "")).await, TAGS);
}

#[tokio::test]
async fn a_failure_may_have_changed_everything() {
    assert_eq!(dirty_after(|_| document("500 Internal Server Error", "")).await, all());
    assert_eq!(dirty_after(|_| Answer::and_close("")).await, all());
    assert_eq!(dirty_after(|_| document("307 Temporary Redirect", "")).await, all());
}

#[tokio::test]
async fn what_reaches_no_provider_changes_nothing() {
    let gateway = TestGateway::start(&with_mirrors("http://127.0.0.1:2", S3_KEYS, DEAD_MIRRORS)).await;
    for (change, keys) in changes() {
        assert_eq!(change.status(&gateway).await, 503, "{keys:?}");
    }
    assert_eq!(dirty(&gateway).await, TAGS);
}

#[tokio::test]
async fn a_success_that_ends_in_an_error_is_none() {
    for answer in ["<Error><Code>InternalError</Code></Error>", "<CopyObjectResult>", "<html></html>", ""] {
        let recorder =
            Recorder::answering(move |request| request.is_complete.then(|| document("200 OK", answer))).await;
        let gateway = TestGateway::start(&with_mirrors(&recorder.endpoint(), S3_KEYS, DEAD_MIRRORS)).await;
        let late = ["copied", "completed"];
        let mut clients = Vec::new();
        for (change, _) in changes().into_iter().filter(|(_, keys)| late.contains(&keys[0])) {
            let mut raw = Raw::connect(gateway.s3()).await;
            raw.send(change.head()).await;
            raw.send(change.body()).await;
            clients.push(raw);
        }
        // Workers may have begun to look.
        let is_change = |request: &&Recorded| ["PUT", "POST"].contains(&request.method());
        recorder.until(|record| record.iter().filter(is_change).count() == late.len()).await;
        assert_eq!(dirty(&gateway).await, late, "{answer}");
    }
}

#[tokio::test]
async fn of_many_deletes_each_is_settled_by_itself() {
    let answer = "<DeleteResult><Deleted><Key>a</Key></Deleted>\
        <Error><Key>b</Key><Code>AccessDenied</Code></Error>\
        <Error><Key>c</Key><Code>InternalError</Code></Error>\
        <Error><Key>d</Key><Code>VendorsOwn</Code></Error>\
        <Error><Key>e</Key><VersionId>v1</VersionId><Code>NoSuchVersion</Code></Error></DeleteResult>";
    let recorder =
        Recorder::answering(move |request| request.is_complete.then(|| document("200 OK", answer))).await;
    let gateway = TestGateway::start(&with_mirrors(&recorder.endpoint(), S3_KEYS, DEAD_MIRRORS)).await;
    let objects = [
        "<Key>a</Key>",
        "<Key>b</Key>",
        "<Key>c</Key>",
        "<Key>d</Key>",
        "<Key>e</Key><VersionId>v1</VersionId>",
    ]
    .map(|object| format!("<Object>{object}</Object>"));
    let body = format!("<Delete>{}</Delete>", objects.concat());
    let delete = Ask::new(Method::POST, "/photos?delete").body(Mode::Hash, body.as_bytes());
    let reply = delete.sign().send(&gateway).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    Beside::of(&gateway).await.until_dirty("one", &["a", "c", "d"]).await;
    assert!(gateway.shutdown().await);
    let beside = Beside::of(&gateway).await;
    assert!(!beside.is_dirty("one", "b").await && !beside.is_dirty("one", "e").await);
}

#[tokio::test]
async fn a_key_that_may_not_be_deleted_is_not_intended() {
    let keys = S3_KEYS.replace("bucket = \"*\"", "bucket = \"photos\", prefix = \"mine/\"");
    let recorder = Recorder::answering(|request| request.is_complete.then(|| obedient(request))).await;
    let gateway = TestGateway::start(&with_mirrors(&recorder.endpoint(), &keys, DEAD_MIRRORS)).await;
    let body = b"<Delete><Object><Key>mine/a</Key></Object><Object><Key>others/b</Key></Object></Delete>";
    let delete = Ask::new(Method::POST, "/photos?delete").body(Mode::Hash, body).sign();
    assert!(delete.send(&gateway).await.body.contains("AccessDenied"));
    Beside::of(&gateway).await.until_dirty("one", &["mine/a"]).await;
}

#[tokio::test]
async fn without_a_journal_nothing_is_forwarded_and_reads_go_on() {
    let recorder = Recorder::answering(|request| request.is_complete.then(|| obedient(request))).await;
    let config = with_mirrors(&recorder.endpoint(), S3_KEYS, DEAD_MIRRORS);
    let gateway = TestGateway::start(&[&config, "[store]\ntimeout_seconds = 1\n"].concat()).await;
    let url = format!("sqlite://{}/wharf.db", gateway.data().display());
    let mut blocker = sqlx::AnyConnection::connect(&url).await.unwrap();
    blocker.execute("BEGIN EXCLUSIVE").await.unwrap();
    for (change, keys) in changes() {
        let reply = change.send(&gateway).await;
        assert_eq!((reply.status, reply.s3_code()), (503, "ServiceUnavailable"), "{keys:?} {reply:?}");
        assert_eq!(reply.header("retry-after"), Some("5"));
        assert!(reply.body.contains("journal") && !reply.body.contains("wharf.db"), "{reply:?}");
    }
    assert_eq!(recorder.requests().len(), 0);
    assert_eq!(Ask::get("/photos/a").sign().status(&gateway).await, 200);
    blocker.execute("ROLLBACK").await.unwrap();
    assert_eq!(Ask::put("/photos/put", Mode::Hash, b"hello").sign().status(&gateway).await, 200);
    Beside::of(&gateway).await.until_dirty("one", &["put"]).await;
}

#[tokio::test]
async fn what_no_worker_could_read_is_refused() {
    let locked = |ask: Ask<'static>| {
        ask.header("x-amz-server-side-encryption-customer-algorithm", "AES256")
            .header("x-amz-server-side-encryption-customer-key", "a2V5")
            .sign()
    };
    let asks = || {
        [
            locked(Ask::put("/photos/a", Mode::Hash, b"hello")),
            locked(Ask::new(Method::POST, "/photos/a?uploads")),
            locked(Ask::new(Method::PUT, "/photos/a").header("x-amz-copy-source", "photos/b")),
        ]
    };
    let mixed = DEAD_MIRRORS.replacen("name = \"one\"", "name = \"one\"\nmode = \"tee\"", 1);
    let teed = mixed.replacen("name = \"two\"", "name = \"two\"\nmode = \"tee\"", 1);
    for mirrors in [DEAD_MIRRORS, &mixed, &teed] {
        let recorder = Recorder::start().await;
        let gateway = TestGateway::start(&with_mirrors(&recorder.endpoint(), S3_KEYS, mirrors)).await;
        for ask in asks() {
            let reply = ask.send(&gateway).await;
            assert_eq!((reply.status, reply.s3_code()), (400, "InvalidRequest"), "{reply:?}");
            assert!(reply.body.contains("SSE-C"), "{reply:?}");
        }
        assert_eq!(recorder.requests().len(), 0);
    }
    // Over TLS a tee can take the key along, with bytes that come in one request.
    for (mirrors, passed) in [("", 3), (teed.replace("http://", "https://").as_str(), 1)] {
        let recorder = Recorder::start().await;
        let gateway = TestGateway::start(&with_mirrors(&recorder.endpoint(), S3_KEYS, mirrors)).await;
        for ask in asks() {
            ask.status(&gateway).await;
        }
        // Workers only read.
        let requests = recorder.requests();
        let changes = requests.iter().filter(|request| request.method() != "GET").count();
        assert_eq!(changes, passed, "{mirrors}");
    }
}
