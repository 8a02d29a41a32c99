//! A bucket that moves to another provider: its primary and its mirror change places.

use std::sync::Arc;

use wharf::{
    config::{Config, Environment, from_toml_text},
    gateway::StartError,
    mirror::{
        moved::{MoveError, settle},
        state::{Change, Currency, Record},
    },
    store::{Equal, Journal},
};

use crate::support::{
    gateway::TestGateway,
    memory_store::MemoryStore,
    mirrored::{Beside, DEAD_MIRRORS, with_mirrors},
    raw::Raw,
    recorder::Recorder,
    s3_client::{Ask, Mode, S3_KEYS},
    two_stores::{BUCKET, MIRROR, TwoStores, toml},
};

/// The configuration with primary and mirror in each other's place; the mirror is called `name`.
fn swapped(stores: &TwoStores, name: &str) -> Config {
    let toml = toml(&stores.primary, &stores.mirror);
    let (accounts, _) = toml.split_once("[buckets.photos]").unwrap();
    let buckets = format!(
        r#"
[buckets.photos]
provider = "spare"
bucket = "stored-photos"
key_prefix = "copies/"
[[buckets.photos.mirrors]]
name = "{name}"
provider = "main"
bucket = "stored-photos"
"#
    );
    let none: [(&str, &str); 0] = [];
    let environment: Environment = none.into_iter().collect();
    from_toml_text(&[accounts, &buckets].concat(), &environment).unwrap_or_else(|error| panic!("{error}"))
}

async fn record(journal: &Journal, key: &str) {
    let record = Record {
        primary_etag: "\"p\"".to_owned(),
        mirror_etag: "\"m\"".to_owned(),
        bytes: 1,
        checksum: None,
        last_modified: None,
        metadata_digest: String::new(),
    };
    journal
        .record_equal(BUCKET, MIRROR, vec![Equal { key: key.to_owned(), was: None, record }])
        .await
        .unwrap();
}

async fn currency(journal: &Journal, key: &str) -> Currency {
    journal.currency(BUCKET, MIRROR, key).await.unwrap()
}

async fn complete(journal: &Journal) {
    journal.start_sync(BUCKET, MIRROR).await.unwrap();
    journal.complete_sync(BUCKET, MIRROR).await.unwrap();
}

#[tokio::test]
async fn what_stays_where_it_was_keeps_its_records() {
    let stores = TwoStores::start().await;
    let journal = stores.journal();
    for _ in 0..2 {
        settle(&stores.config, journal).await.unwrap();
        complete(journal).await;
        record(journal, "a").await;
        settle(&stores.config, journal).await.unwrap();
        assert!(matches!(currency(journal, "a").await, Currency::Current(_)));
        assert_eq!(currency(journal, "nowhere").await, Currency::Absent);
    }
}

#[tokio::test]
async fn records_of_another_place_are_forgotten() {
    let stores = TwoStores::start().await;
    let journal = stores.journal();
    settle(&stores.config, journal).await.unwrap();
    complete(journal).await;
    for index in 0..3 {
        record(journal, &format!("k{index}")).await;
    }
    settle(&swapped(&stores, MIRROR), journal).await.unwrap();
    for key in ["k0", "k2", "nowhere"] {
        assert_eq!(currency(journal, key).await, Currency::Unknown, "{key}");
    }
    settle(&swapped(&stores, MIRROR), journal).await.unwrap();
}

#[tokio::test]
async fn nothing_moves_while_the_journal_has_rows_for_it() {
    let stores = TwoStores::start().await;
    let journal = stores.journal();
    settle(&stores.config, journal).await.unwrap();
    complete(journal).await;
    let mirrors = [Arc::from(MIRROR)].into();
    journal.mark_dirty(BUCKET, &mirrors, &["a"], Change::Delete).await.unwrap();
    let refused = settle(&swapped(&stores, MIRROR), journal).await.unwrap_err();
    let MoveError::Undone { rows: 1, .. } = &refused else { panic!("{refused}") };
    assert!(refused.to_string().contains("still has 1 keys for its mirror `spare`"), "{refused}");
    let renamed = settle(&swapped(&stores, "main"), journal).await;
    assert!(matches!(renamed, Err(MoveError::Undone { .. })), "{renamed:?}");
    stores.work().await;
    settle(&swapped(&stores, MIRROR), journal).await.unwrap();
}

#[tokio::test]
async fn a_mirror_that_was_never_complete_becomes_no_primary() {
    let stores = TwoStores::start().await;
    let journal = stores.journal();
    settle(&stores.config, journal).await.unwrap();
    for name in [MIRROR, "main"] {
        let refused = settle(&swapped(&stores, name), journal).await.unwrap_err();
        assert!(matches!(refused, MoveError::Incomplete { .. }), "{refused}");
    }
    complete(journal).await;
    settle(&swapped(&stores, "main"), journal).await.unwrap();
    // The way back is one like it.
    let back = settle(&stores.config, journal).await;
    assert!(matches!(back, Err(MoveError::Incomplete { ref mirror, .. }) if mirror == "main"), "{back:?}");
    journal.start_sync(BUCKET, "main").await.unwrap();
    journal.complete_sync(BUCKET, "main").await.unwrap();
    settle(&stores.config, journal).await.unwrap();
}

#[tokio::test]
async fn a_gateway_keeps_its_configuration_while_a_mirror_lacks_something() {
    let store = MemoryStore::start().await;
    let before = with_mirrors(&store.endpoint(), S3_KEYS, DEAD_MIRRORS);
    let gateway = TestGateway::start(&before).await;
    let reply = Ask::put("/photos/a", Mode::Unsigned, b"x").sign().send(&gateway).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    Beside::of(&gateway).await.until_dirty("one", &["a"]).await;
    let moved = before.replace("bucket = \"stored-photos\"", "bucket = \"moved-photos\"");
    let refused = gateway.try_reload(&moved, gateway.data()).await;
    assert!(matches!(refused, Err(StartError::Move(MoveError::Undone { .. }))), "{refused:?}");
    assert_eq!(Ask::get("/photos/a").sign().status(&gateway).await, 200, "the old one is in force");
    gateway.reload_toml(&before).await;
}

#[tokio::test]
async fn nothing_moves_while_an_upload_is_under_way() {
    let recorder = Recorder::start().await;
    let before = with_mirrors(&recorder.endpoint(), S3_KEYS, DEAD_MIRRORS);
    let gateway = TestGateway::start(&before).await;
    let mut raw = Raw::connect(gateway.s3()).await;
    raw.send(Ask::put("/photos/a", Mode::Hash, b"hello").sign().head()).await;
    raw.send(b"hell").await;
    recorder.until(|record| !record.is_empty()).await;
    let moved = before.replace("bucket = \"stored-photos\"", "bucket = \"moved-photos\"");
    let refused = gateway.try_reload(&moved, gateway.data()).await;
    let is_refused = matches!(refused, Err(StartError::Move(MoveError::UnderWay { changes: 1, .. })));
    assert!(is_refused, "{refused:?}");
    raw.send(b"o").await;
    assert_eq!(raw.reply().await.status, 200);
    assert!(recorder.requests()[0].target().starts_with("/stored-photos/"));
}
