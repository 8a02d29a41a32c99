//! Browsers' forms of which nobody says how long they are, or with a file that is too long for one request: they go on in
//! parts, and no part stays anywhere of one that comes to nothing.

use serde_json::json;
use wharf_demo::Store;

use crate::support::{
    gateway::TestGateway,
    mirrored::{Beside, DEAD_MIRRORS, mirror_at, with_mirrors},
    raw::Raw,
    recorder::{Answer, Recorded, Recorder},
    s3_client::{S3_KEYS, Wire, in_front_of},
    s3_form::PostForm,
    store,
};

const MEBIBYTE: usize = 1 << 20;

/// As small as a part may be.
const PART_BYTES: usize = 5 * MEBIBYTE;

/// Two parts and a half, each of other bytes, with beginnings of the boundary in it.
fn long() -> Vec<u8> {
    let line = |number: usize| format!("{number}\r\n------WharfFormBoundary\r\n--");
    let mut file: Vec<u8> = (0..500_000).map(line).collect::<String>().into_bytes();
    file.truncate(PART_BYTES * 5 / 2);
    file
}

/// A file that fills its parts.
fn even() -> Vec<u8> {
    vec![b'x'; 2 * PART_BYTES]
}

async fn stored(configuration: &str) -> (Store, TestGateway) {
    let store = store::start("stored-photos").await;
    let gateway = TestGateway::start(&in_front_of(&store.endpoint(), configuration)).await;
    (store, gateway)
}

fn object(store: &Store, key: &str) -> Vec<u8> {
    std::fs::read(store.directory().join("stored-photos").join(key)).expect("an object")
}

/// What there is of uploads and objects.
fn kept(store: &Store) -> Vec<String> {
    let names = |folder: &std::path::Path| {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    let root = names(store.directory()).into_iter().filter(|name| name.starts_with(".upload"));
    root.chain(names(&store.directory().join("stored-photos"))).collect()
}

/// Says what a store says that takes everything.
fn obedient(request: &Recorded) -> Answer {
    let document =
        |body: &str| Answer::new(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
    match (request.method(), request.target()) {
        ("POST", target) if target.contains("uploads") => {
            document("<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
        }
        ("POST", _) => {
            document("<CompleteMultipartUploadResult><ETag>e-3</ETag></CompleteMultipartUploadResult>")
        }
        ("DELETE", _) => Answer::new("HTTP/1.1 204 No Content\r\n\r\n"),
        _ => Answer::stored(),
    }
}

async fn recorded(configuration: &str) -> (Recorder, TestGateway) {
    let recorder = Recorder::answering(|request| request.is_complete.then(|| obedient(request))).await;
    let gateway = TestGateway::start(&in_front_of(&recorder.endpoint(), configuration)).await;
    (recorder, gateway)
}

/// What was asked, without the names.
fn asked(recorder: &Recorder) -> Vec<String> {
    let asked = |request: &Recorded| {
        let query = request.target().split_once('?').map_or("", |(_, query)| query);
        [request.method(), " ", query].concat()
    };
    recorder.requests().iter().map(asked).collect()
}

#[tokio::test]
async fn a_form_without_a_length_is_stored_to_the_byte() {
    let (store, gateway) = stored(S3_KEYS).await;
    for (key, file) in [
        ("empty", Vec::new()),
        ("one", b"1".to_vec()),
        ("even", even()),
        ("long", long()),
        ("part", even()[1..].to_vec()),
    ] {
        let reply = PostForm::new(key, file.clone()).sign().in_chunks().send(&gateway).await;
        assert_eq!(reply.status, 204, "{key} {reply:?}");
        assert!(object(&store, key) == file, "{key}");
    }
    assert_eq!(
        kept(&store).iter().filter(|name| name.starts_with(".upload")).count(),
        0,
        "{:?}",
        kept(&store)
    );
}

#[tokio::test]
async fn what_fits_into_one_part_is_one_request() {
    let (recorder, gateway) = recorded(S3_KEYS).await;
    // Nothing depends on where the file stands, as its length is known before anything is sent.
    let form = PostForm::new("up/${filename}", "file")
        .field("x-amz-meta-who", "ada")
        .field_behind("submit", "Upload");
    assert_eq!(form.sign().in_chunks().send(&gateway).await.status, 204);
    let requests = recorder.requests();
    let [put] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!((put.method(), put.target()), ("PUT", "/stored-photos/up/cat.jpg"));
    assert_eq!((put.body.as_slice(), put.header("content-length")), (b"file".as_slice(), Some("4")));
    assert_eq!(put.header("x-amz-meta-who"), Some("ada"));
}

#[tokio::test]
async fn what_does_not_is_an_upload_of_its_parts() {
    let (recorder, gateway) = recorded(S3_KEYS).await;
    let form = PostForm::new("a b", long())
        .field("content-type", "video/mp4")
        .field("acl", "public-read")
        .field("content-md5", &md5_of(&long()))
        .field("success_action_status", "201")
        .condition(json!(["content-length-range", 1, 13 * MEBIBYTE]))
        .field_behind("submit", "Upload");
    let reply = form.sign().in_chunks().send(&gateway).await;
    assert_eq!((reply.status, reply.header("etag")), (201, Some("\"e-3\"")), "{reply:?}");
    assert!(reply.body.contains("<Key>a b</Key><ETag>&quot;e-3&quot;</ETag>"), "{reply:?}");
    assert_eq!(
        asked(&recorder),
        [
            "POST uploads=",
            "PUT uploadId=u&partNumber=1",
            "PUT uploadId=u&partNumber=2",
            "PUT uploadId=u&partNumber=3",
            "POST uploadId=u"
        ]
    );
    let requests = recorder.requests();
    let begun = |name| requests[0].header(name);
    assert_eq!((begun("content-type"), begun("x-amz-acl")), (Some("video/mp4"), Some("public-read")));
    let parts: Vec<_> = requests[1..4].iter().map(|part| part.body.len()).collect();
    assert_eq!(parts, [PART_BYTES, PART_BYTES, PART_BYTES / 2]);
    assert!(requests[1..4].iter().all(|part| part.header("content-md5").is_none()), "it is the whole's");
}

fn md5_of(file: &[u8]) -> String {
    let mut hasher = wharf_wire::checksum::Md5Hasher::default();
    hasher.update(file);
    hasher.finish().to_base64()
}

/// AWS takes 5 GiB at once.
#[tokio::test]
async fn a_file_that_is_too_long_for_one_request_goes_in_parts() {
    let recorder = Recorder::answering(|request| request.is_complete.then(|| obedient(request))).await;
    let toml = in_front_of(&recorder.endpoint(), S3_KEYS)
        .replace("plugin = \"minio\"", "plugin = \"s3\"\nregion = \"us-east-1\"");
    let gateway = TestGateway::start(&toml).await;
    let wire = PostForm::new("k", long()).sign();
    let body = wire.body();
    let mut raw = Raw::connect(gateway.s3()).await;
    raw.send(wire.content_length(6 << 30).head()).await;
    raw.send(&body[..body.len() - 100]).await;
    let is_second = |request: &Recorded| request.target().contains("partNumber=2");
    recorder.until(|record| record.iter().any(|request| is_second(request) && request.is_complete)).await;
    drop(raw);
    recorder.until(|record| record.last().is_some_and(|request| request.method() == "DELETE")).await;
    assert_eq!(
        asked(&recorder),
        ["POST uploads=", "PUT uploadId=u&partNumber=1", "PUT uploadId=u&partNumber=2", "DELETE uploadId=u"]
    );
    // More than ten thousand of the smallest parts.
    let reply = PostForm::new("k", "f").sign().content_length(60 << 30).send(&gateway).await;
    assert_eq!((reply.status, reply.s3_code()), (400, "EntityTooLarge"), "{reply:?}");
    assert_eq!(recorder.requests().len(), 4);
}

/// A form that comes to nothing, and why.
fn wrong() -> Vec<(Wire, u16, &'static str)> {
    let form = || PostForm::new("k", long());
    let range = |min: usize, max: usize| form().condition(json!(["content-length-range", min, max]));
    let bytes = long().len();
    vec![
        (range(0, PART_BYTES - 1).sign().in_chunks(), 400, "EntityTooLarge"),
        (range(0, bytes - 1).sign().in_chunks(), 400, "EntityTooLarge"),
        (range(bytes + 1, 2 * bytes).sign().in_chunks(), 400, "EntityTooSmall"),
        (form().without_end().sign().in_chunks(), 400, "IncompleteBody"),
        (form().field("content-md5", &md5_of(b"other")).sign().in_chunks(), 400, "BadDigest"),
        (form().field("x-amz-checksum-crc32", "AAAAAA==").sign().in_chunks(), 400, "BadDigest"),
        (PostForm::new("k", "f").without_end().sign().in_chunks(), 400, "IncompleteBody"),
        (
            PostForm::new("k", "f").condition(json!(["content-length-range", 2, 3])).sign().in_chunks(),
            400,
            "EntityTooSmall",
        ),
        (PostForm::new("k", "f").field("content-md5", &md5_of(b"g")).sign().in_chunks(), 400, "BadDigest"),
    ]
}

#[tokio::test]
async fn nothing_is_kept_of_a_form_that_is_not_as_it_should_be() {
    let (store, gateway) = stored(S3_KEYS).await;
    for (wire, status, code) in wrong() {
        let reply = wire.send(&gateway).await;
        assert_eq!((reply.status, reply.s3_code()), (status, code), "{reply:?}");
    }
    // What is cleaned up behind a reply is joined.
    assert!(gateway.shutdown().await);
    assert_eq!(kept(&store), Vec::<String>::new());
}

#[tokio::test]
async fn what_the_bucket_accepts_is_counted_while_it_streams() {
    let accept = format!("accept = {{ file_bytes_max = {} }}", PART_BYTES * 2);
    let store = store::start("stored-photos").await;
    let gateway =
        TestGateway::start(&[&in_front_of(&store.endpoint(), S3_KEYS), accept.as_str()].concat()).await;
    let reply = PostForm::new("long", long()).sign().in_chunks().send(&gateway).await;
    assert_eq!((reply.status, reply.s3_code()), (400, "EntityTooLarge"), "{reply:?}");
    assert_eq!(PostForm::new("even", even()).sign().in_chunks().send(&gateway).await.status, 204);
    assert!(gateway.shutdown().await);
    assert_eq!(kept(&store), ["even"]);
}

#[tokio::test]
async fn a_client_that_leaves_after_a_part_leaves_nothing() {
    let (recorder, gateway) = recorded(S3_KEYS).await;
    let wire = PostForm::new("k", long()).sign().in_chunks();
    let body = wire.body();
    let mut raw = Raw::connect(gateway.s3()).await;
    raw.send(wire.head()).await;
    raw.send(&body[..body.len() - 200]).await;
    let is_part = |request: &Recorded| request.target().contains("partNumber=2") && request.is_complete;
    recorder.until(|record| record.iter().any(is_part)).await;
    drop(raw);
    recorder.until(|record| record.last().is_some_and(|request| request.method() == "DELETE")).await;
    assert_eq!(asked(&recorder).last().map(String::as_str), Some("DELETE uploadId=u"));
}

#[tokio::test]
async fn what_is_held_of_forms_is_bounded_in_all() {
    let limits = "[server.limits]\ndocuments_bytes_max = 8388608\n";
    let (_store, gateway) = stored(&[limits, S3_KEYS].concat()).await;
    let wire = PostForm::new("k", "file").sign().in_chunks();
    let body = wire.body();
    let mut holding = Raw::connect(gateway.s3()).await;
    holding.send(wire.head()).await;
    holding.send(&body[..body.len() - 5]).await;
    // Until the gateway has read that head, there is room.
    let refused = loop {
        let reply = wire.send(&gateway).await;
        if reply.status == 503 {
            break reply;
        }
    };
    assert_eq!(refused.s3_code(), "SlowDown");
    assert_eq!(PostForm::new("k", "file").sign().send(&gateway).await.status, 204, "nothing is held of it");
    holding.send(&body[body.len() - 5..]).await;
    assert_eq!(holding.reply().await.status, 204);
    while wire.send(&gateway).await.status == 503 {}
}

#[tokio::test]
async fn a_mirrored_bucket_knows_of_it_before_it_is_made() {
    // The store makes the object when it is let.
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let made = std::sync::Arc::clone(&gate);
    let recorder = Recorder::answering(move |request| {
        let is_last = request.method() == "POST" && request.target().contains("uploadId");
        let answer = || if is_last { obedient(request).after(&made) } else { obedient(request) };
        request.is_complete.then(answer)
    })
    .await;
    let gateway = TestGateway::start(&with_mirrors(&recorder.endpoint(), S3_KEYS, DEAD_MIRRORS)).await;
    let beside = Beside::of(&gateway).await;
    let wire = PostForm::new("long", long()).sign().in_chunks();
    let posted = async { wire.send(&gateway).await };
    let looked = async {
        let is_last =
            |request: &Recorded| request.method() == "POST" && request.target().contains("uploadId");
        recorder.until(|record| record.iter().any(is_last)).await;
        assert!(beside.is_dirty("one", "long").await, "the provider knows before the journal");
        assert_eq!(beside.backlog("one").await.waiting, 0, "nobody knows yet what comes of it");
        gate.add_permits(1);
    };
    let (reply, ()) = tokio::join!(posted, looked);
    assert_eq!(reply.status, 204, "{reply:?}");
    beside.until_dirty("one", &["long"]).await;
    // One that is refused before it is made changes nothing.
    let short = PostForm::new("other", long()).without_end().sign().in_chunks().send(&gateway).await;
    assert_eq!(short.status, 400, "{short:?}");
    assert!(!beside.is_dirty("one", "other").await);
    // And what no mirror could read is refused at once.
    let secret = PostForm::new("secret", "file")
        .field("x-amz-server-side-encryption-customer-algorithm", "AES256")
        .sign()
        .in_chunks()
        .send(&gateway)
        .await;
    assert_eq!((secret.status, secret.s3_code()), (400, "InvalidRequest"), "{secret:?}");
}

#[tokio::test]
async fn it_reaches_its_mirrors() {
    let (primary, mirror) = (store::start("stored-photos").await, store::start("copied-photos").await);
    for mode in ["async", "tee"] {
        let mirrors = [&mirror_at(&mirror.endpoint()), "mode = \"", mode, "\"\n"].concat();
        let gateway = TestGateway::start(&with_mirrors(&primary.endpoint(), S3_KEYS, &mirrors)).await;
        for (key, file) in [("short", b"file".to_vec()), ("long", long())] {
            let key = [mode, key].concat();
            let reply = PostForm::new(&key, file.clone()).sign().in_chunks().send(&gateway).await;
            assert_eq!(reply.status, 204, "{reply:?}");
            Beside::of(&gateway).await.until_clean("spare", &key).await;
            let copy = std::fs::read(mirror.directory().join("copied-photos").join(&key));
            assert!(copy.expect("a copy") == file, "{key}");
        }
    }
}
