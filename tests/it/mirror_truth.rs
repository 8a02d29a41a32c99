//! An object of which a mirror has the newest, as it took a write while the primary was down: whatever would be about the
//! primary's older object waits until that is copied back.

use http::Method;
use wharf::{
    mirror::state::{Change, Outcome},
    store::{Journal, Mirrors, NewIntent},
};

use crate::support::{
    gateway::{KEY_CONFIG, TestGateway},
    mirrored::DEAD_MIRRORS,
    raw::{Raw, Reply, post},
    recorder::{Recorded, Recorder},
    s3_client::{Ask, Mode, S3_KEYS, in_front_of},
    store,
};

const BUCKET: &str = "photos";
const TAGS: &[u8] = b"<Tagging><TagSet/></Tagging>";
const PARTS: &[u8] = b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"a\"</ETag></Part>\
    </CompleteMultipartUpload>";

/// Notes that the first mirror took a write of `key`. Nobody listens there, so it is not copied back.
async fn taken(journal: &Journal, key: &str) {
    let mirrors: Mirrors = ["one".into(), "two".into()].into();
    let intent =
        NewIntent { bucket: BUCKET, key, change: Change::Write, mirrors: &mirrors, taken_by: Some("one") };
    let mut intents = journal.open_intents(&[intent]).await.unwrap();
    intents.remove(0).settle(Outcome::Changed);
    // A commit has with it whatever was settled before it was asked for.
    journal.mark_dirty(BUCKET, &["two".into()].into(), &["other"], Change::Write).await.unwrap();
}

/// `photos` at a primary that does whatever it is asked, and `films` at another provider.
async fn behind() -> (TestGateway, Recorder, Recorder) {
    let (primary, elsewhere) = (Recorder::start().await, Recorder::start().await);
    let photos = in_front_of(&primary.endpoint(), S3_KEYS);
    let films = store::provider("elsewhere", &elsewhere.endpoint());
    let toml = format!(
        "{KEY_CONFIG}{photos}failover = {{ writes = \"accept\" }}\n{films}
[buckets.films]
provider = \"elsewhere\"
bucket = \"stored-films\"
[buckets.pictures]
provider = \"store\"
bucket = \"stored-pictures\"
{DEAD_MIRRORS}"
    );
    let gateway = TestGateway::start_after(&toml, async |journal| taken(journal, "a").await).await;
    (gateway, primary, elsewhere)
}

fn is_held_back(reply: &Reply) -> bool {
    (reply.status, reply.s3_code()) == (503, "ServiceUnavailable")
        && reply.body.contains("has not been copied back")
        && reply.header("retry-after").is_some()
}

/// Methods and targets of what `store` was asked, but for objects that are read: workers do that, too.
fn asked(store: &Recorder) -> Vec<String> {
    let is_read = |request: &Recorded| {
        request.method() == "HEAD" || (request.method() == "GET" && !request.target().contains('?'))
    };
    let requests = store.requests().into_iter().filter(|request| !is_read(request));
    requests.map(|request| format!("{} {}", request.method(), request.target())).collect()
}

/// Every request that the primary alone could answer, about `key`.
fn requests(key: &str) -> Vec<Ask<'static>> {
    let object = format!("/photos/{key}");
    let at = |query: &str| format!("{object}?{query}");
    let copy = |target: &str| Ask::new(Method::PUT, target).header("x-amz-copy-source", &object);
    vec![
        copy("/photos/b"),
        copy("/pictures/b"),
        copy("/films/b"),
        copy("/photos/b?partNumber=1&uploadId=u"),
        copy("/films/b?partNumber=1&uploadId=u"),
        Ask::get(&at("attributes")).header("x-amz-object-attributes", "ETag"),
        Ask::get(&at("tagging")),
        Ask::put(&at("tagging"), Mode::Hash, TAGS),
        Ask::new(Method::DELETE, &at("tagging")),
        Ask::get(&at("acl")),
        Ask::get(&at("retention")),
        Ask::get(&at("legal-hold")),
        Ask::new(Method::POST, &at("restore")),
        Ask::get(&at("partNumber=1")),
        Ask::put(&object, Mode::Hash, b"x").header("if-none-match", "*"),
        Ask::put(&object, Mode::Hash, b"x").header("if-match", "\"a\""),
        Ask::new(Method::POST, &at("uploadId=u")).body(Mode::Hash, PARTS).header("if-none-match", "*"),
        Ask::new(Method::DELETE, &object).header("if-match", "\"a\""),
        copy("/photos/b").header("if-none-match", "*"),
    ]
}

#[tokio::test]
async fn what_the_primary_alone_answers_waits() {
    let (gateway, primary, elsewhere) = behind().await;
    for request in requests("a") {
        let reply = request.sign().send(&gateway).await;
        assert!(is_held_back(&reply), "{reply:?}");
    }
    assert_eq!((asked(&primary), asked(&elsewhere)), (vec![], vec![]));
}

#[tokio::test]
async fn what_is_not_about_that_object_does_not() {
    let (gateway, primary, _elsewhere) = behind().await;
    let mut count = 0;
    let version = Ask::get("/photos/a?tagging&versionId=1");
    let of_a_version =
        Ask::new(Method::PUT, "/photos/b").header("x-amz-copy-source", "/photos/a?versionId=1");
    for request in requests("c").into_iter().chain([version, of_a_version]) {
        let reply = request.sign().send(&gateway).await;
        assert!(!reply.body.contains("has not been copied back"), "{reply:?}");
        count += 1;
    }
    assert!(
        asked(&primary).len() >= count - 2,
        "two copies go elsewhere, and are read here: {:?}",
        asked(&primary)
    );
}

#[tokio::test]
async fn a_delete_on_a_condition_is_an_error_among_the_results() {
    let (gateway, primary, _elsewhere) = behind().await;
    let delete = b"<Delete><Object><Key>a</Key><ETag>\"e\"</ETag></Object></Delete>";
    let reply = Ask::new(Method::POST, "/photos?delete").body(Mode::Hash, delete).sign().send(&gateway).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(reply.body.contains("<Key>a</Key><Code>ServiceUnavailable</Code>"), "{reply:?}");
    assert_eq!(asked(&primary), Vec::<String>::new());
}

#[tokio::test]
async fn the_upload_api_does_not_describe_an_older_object() {
    let (gateway, primary, _elsewhere) = behind().await;
    for route in ["photos/metadata", "complete"] {
        let ask = post(&format!("/api/v1/upload/{route}"), r#"{"key":"a","bucket":"photos"}"#);
        let reply = Raw::connect(gateway.api()).await.ask(ask).await;
        assert_eq!((reply.status, reply.code().as_str()), (503, "UPSTREAM_BUSY"), "{route} {reply:?}");
        assert!(reply.body.contains("has not been copied back"), "{route} {reply:?}");
    }
    let before = primary.requests().len();
    let ask = post("/api/v1/upload/photos/metadata", r#"{"key":"c"}"#);
    Raw::connect(gateway.api()).await.ask(ask).await;
    assert!(primary.requests().len() > before, "of others it is asked");
}
