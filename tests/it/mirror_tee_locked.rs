//! Objects that are encrypted with a customer's own key, at a mirror with `mode = "tee"`: nobody can compare them later,
//! so what the tee sees is all that the journal will ever know.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use tempfile::TempDir;
use wharf::{
    backend::{Origins, Payload, Shared, SigningKeys},
    clock::Clock,
    config::{Environment, from_toml_text},
    mirror::{
        state::{Change, Currency},
        tee::{Memory, Target, Tee, Teeing, Verdict},
    },
    server::Drain,
    store::{NewIntent, Store},
    transfer::Object,
};
use wharf_wire::names::{BucketName, ObjectKey};

use crate::support::{
    gateway::TestGateway,
    s3_client::{Ask, Mode},
    shelf::Shelf,
    tee::{COPIES, PATIENCE, PHOTOS, config},
};

const KEY: [(&str, &str); 3] = [
    ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
    ("x-amz-server-side-encryption-customer-key", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="),
    ("x-amz-server-side-encryption-customer-key-md5", "pSLf4fTHhgyIVHpvUqM/6w=="),
];

/// What the journal knows when such an object was teed. Meanwhile `meanwhile` is stored at the primary.
async fn known(meanwhile: Option<&[u8]>) -> Currency {
    let ((photos, primary), (copies, mirror)) = (Shelf::start("photos").await, Shelf::start("copies").await);
    let text = config(&primary.endpoint(), &mirror.endpoint(), "");
    let config = Arc::new(from_toml_text(&text, &Environment::default()).unwrap());
    let shared = Shared {
        signing_keys: Arc::new(SigningKeys::new(10)),
        clock: Clock::System,
        metrics: Arc::default(),
    };
    let origins = Origins::new(&config, &shared, None).unwrap();
    let (data, drain, requests) = (TempDir::new().unwrap(), Drain::default(), Drain::default());
    let store = Store::open(&config.store, data.path(), Clock::System, &drain).await.unwrap();
    let journal = store.journal();
    let tee = Tee::new(journal.clone(), 1 << 20, Memory::new(1 << 20), requests.clone());
    let (bucket, key) = (&config.buckets["photos"], ObjectKey::parse("a").unwrap());
    let mirrors = Arc::from([Arc::clone(&bucket.mirrors[0].name)]);
    let intent =
        NewIntent { bucket: "photos", key: "a", change: Change::Write, mirrors: &mirrors, taken_by: None };
    let intents = journal.open_intents(&[intent]).await.unwrap();

    let mut described = HeaderMap::new();
    described
        .extend(KEY.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))));
    let origin = Arc::clone(origins.get("store").unwrap());
    let at = || Object::new(origin, BucketName::parse("stored-photos").unwrap(), key.clone());
    let mut teeing = Teeing::of_object(&tee, Target::all(bucket, &origins, &key), &described, at);
    let mut fork = teeing.fork(5);
    let judge = teeing.begin(Payload::Unsigned, intents);
    fork.feed(&Bytes::from_static(b"hello"));
    let etag = photos.keep(&format!("{PHOTOS}a"), b"hello");
    if let Some(other) = meanwhile {
        photos.keep(&format!("{PHOTOS}a"), other);
    }
    judge.pass(Verdict::Stored { etag });
    requests.finish(PATIENCE).await;
    let put = mirror.requests().into_iter().find(|request| request.method() == "PUT").unwrap();
    assert!(KEY.iter().all(|(name, value)| put.header(name) == Some(value)), "{put:?}");
    assert_eq!(copies.object(&format!("{COPIES}a")).unwrap(), b"hello");
    let looks = primary.requests();
    assert!(looks.iter().all(|look| KEY.iter().all(|(name, value)| look.header(name) == Some(value))));
    // What was settled is written with the next commit.
    journal.mark_dirty("photos", &mirrors, &["fence"], Change::Write).await.unwrap();
    let known = journal.currency("photos", "spare", "a").await.unwrap();
    drain.finish(PATIENCE).await;
    known
}

#[tokio::test]
async fn the_mirror_has_what_the_primary_has() {
    let Currency::Current(record) = known(None).await else { panic!("not current") };
    assert_eq!(record.bytes, 5);
}

#[tokio::test]
async fn the_primary_has_another_one_by_now() {
    assert!(matches!(known(Some(b"other")).await, Currency::Dirty { .. }));
}

#[tokio::test]
async fn a_key_is_sent_to_nobody_without_tls() {
    let ((_, primary), (_, mirror)) = (Shelf::start("photos").await, Shelf::start("copies").await);
    let gateway = TestGateway::start(&config(&primary.endpoint(), &mirror.endpoint(), "")).await;
    let ask = KEY
        .iter()
        .fold(Ask::put("/photos/a", Mode::Hash, b"hello"), |ask, (name, value)| ask.header(name, value));
    let reply = ask.sign().send(&gateway).await;
    assert_eq!((reply.status, reply.s3_code()), (400, "InvalidRequest"), "{reply:?}");
    assert_eq!(primary.requests().len() + mirror.requests().len(), 0);
}
