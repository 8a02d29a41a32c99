//! Making a mirror complete: odd keys, odd stores, broken walks, deletions.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use bytes::Bytes;
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config as Runs, RngAlgorithm, TestRng, TestRunner},
};
use wharf::{
    clock::Clock,
    mirror::{
        resync::{Complete, CompleteError, Options, Progress, Rates, Stage, Threshold, WalkError},
        state::{Change, Currency, Side},
    },
};

use crate::support::{
    memory_store::{Habits, Stored},
    two_stores::{BUCKET, MIRROR, TwoStores, options},
};

/// Keys that others get wrong, and random ones.
fn odd_keys(count: usize) -> BTreeSet<String> {
    let mut keys: BTreeSet<String> = [
        "a+b",
        "a b",
        "a%20b",
        "a%2Bb",
        "%",
        "%%",
        "100%",
        "a/../b",
        "../b",
        "..",
        ".",
        "/",
        "//",
        "a//b",
        "a/",
        "\u{1}",
        "\t",
        "\r\n",
        "a\\b",
        "<&>\"'",
        "ü",
        "u\u{308}",
        "\u{1f600}",
        "\u{ff5e}",
        "~",
        "?",
        "#",
        "a?b=c&d",
        "+",
        " ",
        "  ",
        "\u{feff}a",
        "\u{202e}a",
        "copies/a",
        "copies/",
    ]
    .map(str::to_owned)
    .into();
    // As long as a key can be with what the mirror puts before it.
    keys.insert("x".repeat(1024 - "copies/".len()));
    keys.insert("ü".repeat((1024 - "copies/".len()) / 2));
    let random = "[a-c+ %/.~ü\u{1f600}<&\u{1}-\u{1f}]{1,12}|[a-z]{1,8}(/[a-zA-Z0-9 +]{1,6}){0,3}|\\PC{1,20}";
    let random = proptest::string::string_regex(random).unwrap();
    let seed = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Runs::default(), seed);
    while keys.len() < count {
        keys.insert(random.new_tree(&mut runner).unwrap().current());
    }
    keys
}

fn bytes_of(key: &str) -> Bytes {
    Bytes::copy_from_slice(key.as_bytes())
}

/// Runs a sync beside a worker, to its end.
async fn sync(stores: &TwoStores, options: &Options) -> Result<Progress, CompleteError> {
    let route = stores.route(Side::Primary);
    let complete = Complete::new(&route, stores.journal(), Clock::System, options);
    let is_done = AtomicBool::new(false);
    let walking = async {
        let walked = complete.run(|_| {}).await;
        is_done.store(true, Ordering::Relaxed);
        walked
    };
    let working = async {
        while !is_done.load(Ordering::Relaxed) {
            stores.work().await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::join!(walking, working).0
}

#[tokio::test]
async fn every_odd_key_arrives_whatever_way_its_store_lists() {
    let keys = odd_keys(2000);
    let whole = Habits { page_keys: 300, ..Habits::default() };
    for habits in [
        whole,
        Habits { knows_version_two: false, ..whole },
        Habits { keeps_its_word: false, ..whole },
        Habits { keeps_its_word: false, knows_version_two: false, lists_etags: false, ..whole },
    ] {
        let stores = TwoStores::start().await;
        stores.primary.behave(habits);
        for key in &keys {
            stores.put_primary(key, bytes_of(key));
        }
        let done = sync(&stores, &options()).await.unwrap();
        assert_eq!(done.stage, Stage::Complete);
        assert_eq!(
            (done.totals.keys, done.totals.missing),
            (keys.len() as u64, keys.len() as u64),
            "{habits:?}"
        );
        assert!(stores.at_mirror() == stores.at_primary(), "{habits:?}");
        let state = stores.journal().sync_state(BUCKET, MIRROR).await.unwrap().unwrap();
        assert!(state.completed_at.is_some());
        let nowhere = stores.journal().currency(BUCKET, MIRROR, "nowhere").await.unwrap();
        assert_eq!(nowhere, Currency::Absent, "a complete mirror lacks what the primary lacks");
        for key in &keys {
            let currency = stores.journal().currency(BUCKET, MIRROR, key).await.unwrap();
            assert!(matches!(currency, Currency::Current(_)), "{key:?} {currency:?}");
        }
    }
}

#[tokio::test]
async fn what_is_equal_is_recorded_and_neither_asked_about_nor_copied() {
    let stores = TwoStores::start().await;
    let keys = odd_keys(500);
    for key in &keys {
        stores.put_primary(key, bytes_of(key));
        stores.put_mirror(key, bytes_of(key));
    }
    let done = sync(&stores, &options()).await.unwrap();
    assert_eq!((done.totals.equal, done.totals.bytes), (keys.len() as u64, 0));
    for key in &keys {
        let currency = stores.journal().currency(BUCKET, MIRROR, key).await.unwrap();
        assert!(matches!(currency, Currency::Current(_)), "{key:?}");
    }
    // But for whether `a+b` is a space or a plus.
    assert_eq!((stores.primary.looks(), stores.mirror.looks()), (2, 2), "the listings say enough");
}

#[tokio::test]
async fn what_no_listing_proves_is_asked_about_and_what_nothing_proves_is_copied() {
    let stores = TwoStores::start().await;
    stores.primary.behave(Habits { lists_etags: false, ..Habits::default() });
    stores.put_primary("same", "hello");
    stores.put_mirror("same", "hello");
    stores.put_primary("parts", "hello");
    let parts = Stored::new("hello").with_etag("\"5d41402abc4b2a76b9719d911017c592-3\"");
    stores.mirror.objects().insert("stored-photos/copies/parts".to_owned(), parts);
    stores.put_primary("other", "hello");
    stores.put_mirror("other", "jello");
    stores.put_primary("longer", "hello");
    stores.put_mirror("longer", "hello!");
    let done = sync(&stores, &options()).await.unwrap();
    assert_eq!((done.totals.equal, done.totals.different), (1, 3));
    assert_eq!(stores.at_mirror(), stores.at_primary());
    // From now on the records say it.
    stores.primary.behave(Habits::default());
    let looks = stores.primary.looks();
    let done = sync(&stores, &options()).await.unwrap();
    assert_eq!((done.totals.equal, stores.primary.looks()), (4, looks));
}

#[tokio::test]
async fn a_walk_that_is_broken_off_goes_on_where_it_was() {
    let stores = TwoStores::start().await;
    stores.primary.behave(Habits { page_keys: 100, ..Habits::default() });
    for index in 0..1000 {
        stores.put_primary(&format!("k{index:04}"), "x");
    }
    let (route, options) = (stores.route(Side::Primary), options());
    let (seen, mut reached) = tokio::sync::watch::channel(0);
    let complete = Complete::new(&route, stores.journal(), Clock::System, &options);
    let walking = complete.run(|progress| seen.send_modify(|keys| *keys = progress.totals.keys));
    tokio::select! {
        _ = walking => panic!("nobody works, so it cannot end"),
        reached = reached.wait_for(|keys| *keys >= 400) => drop(reached.unwrap()),
    }
    let state = stores.journal().sync_state(BUCKET, MIRROR).await.unwrap().unwrap();
    let cursor = state.cursor.clone().unwrap();
    assert!(state.is_under_way() && cursor.as_str() >= "k0399", "{state:?}");
    let done = sync(&stores, &options).await.unwrap();
    let behind = 999 - cursor[1..].parse::<u64>().unwrap();
    assert_eq!(done.totals.keys, behind, "only what lies behind {cursor}");
    assert_eq!(stores.at_mirror(), stores.at_primary());
}

#[tokio::test]
async fn a_rehearsal_changes_nothing() {
    let stores = TwoStores::start().await;
    for key in ["a", "b", "c"] {
        stores.put_primary(key, "12345");
    }
    stores.put_mirror("c", "12345");
    stores.put_mirror("d", "123");
    let (route, options) = (stores.route(Side::Primary), options());
    let complete = Complete::new(&route, stores.journal(), Clock::System, &options);
    let done = complete.rehearse(|_| {}).await.unwrap();
    let totals = done.totals;
    assert_eq!((totals.missing, totals.equal, totals.extra, totals.bytes), (2, 1, 1, 10));
    assert_eq!((totals.reads, totals.writes), (6, 2));
    assert_eq!((stores.primary.writes(), stores.mirror.writes()), (0, 0));
    assert!(stores.journal().backlog().await.unwrap().is_empty());
    assert_eq!(stores.journal().sync_state(BUCKET, MIRROR).await.unwrap(), None);
    let unknown = stores.journal().currency(BUCKET, MIRROR, "c").await.unwrap();
    assert_eq!(unknown, Currency::Unknown, "not even what it found out is kept");
}

#[tokio::test]
async fn nothing_is_deleted_above_the_threshold_and_nothing_unasked() {
    let stores = TwoStores::start().await;
    for index in 0..100 {
        stores.put_primary(&format!("k{index}"), "x");
        stores.put_mirror(&format!("k{index}"), "x");
    }
    for extra in ["old-1", "old-2", "old-3"] {
        stores.put_mirror(extra, "x");
    }
    assert_eq!(sync(&stores, &options()).await.unwrap().totals.extra, 3);
    assert_eq!(stores.at_mirror().len(), 103, "nobody asked");
    for threshold in [Threshold::Default, Threshold::Objects(2), Threshold::Percent(2)] {
        let refused = sync(&stores, &Options { deletions: Some(threshold), ..options() }).await;
        let Err(CompleteError::Threshold { extra: 3, all: 103, .. }) = refused else { panic!("{refused:?}") };
        stores.work().await;
        assert_eq!(stores.at_mirror().len(), 103);
    }
    let allowed = Options { deletions: Some(Threshold::Objects(3)), ..options() };
    let done = sync(&stores, &allowed).await.unwrap();
    assert_eq!(done.deleted, 3);
    assert_eq!(stores.at_mirror(), stores.at_primary());
}

#[tokio::test]
async fn an_empty_primary_empties_no_mirror() {
    let stores = TwoStores::start().await;
    for key in ["a", "b"] {
        stores.put_mirror(key, "x");
    }
    let options = Options { deletions: Some(Threshold::Default), ..options() };
    assert!(matches!(sync(&stores, &options).await, Err(CompleteError::Threshold { extra: 2, all: 2, .. })));
}

#[tokio::test]
async fn a_store_that_lists_in_another_order_is_refused() {
    let stores = TwoStores::start().await;
    stores.mirror.behave(Habits { orders_by_utf16: true, ..Habits::default() });
    for key in ["\u{1f600}", "\u{ff5e}"] {
        stores.put_primary(key, "x");
        stores.put_mirror(key, "x");
    }
    let refused = sync(&stores, &options()).await;
    let Err(CompleteError::Walk(WalkError::Order(disordered))) = refused else { panic!("{refused:?}") };
    assert!(disordered.to_string().starts_with("the target lists its keys in another order"), "{disordered}");
    assert_eq!(stores.journal().sync_state(BUCKET, MIRROR).await.unwrap().unwrap().completed_at, None);
}

#[tokio::test]
async fn a_prefix_is_a_part_and_completes_nothing() {
    let stores = TwoStores::start().await;
    for key in ["a/1", "a/2", "b/1"] {
        stores.put_primary(key, "x");
    }
    let some = Options { prefix: "a/".to_owned(), ..options() };
    assert_eq!(sync(&stores, &some).await.unwrap().totals.missing, 2);
    assert_eq!(stores.at_mirror().into_keys().collect::<Vec<_>>(), ["a/1", "a/2"]);
    assert_eq!(stores.journal().sync_state(BUCKET, MIRROR).await.unwrap(), None);
}

#[tokio::test]
async fn no_more_rows_wait_than_may() {
    let stores = TwoStores::start().await;
    stores.primary.behave(Habits { page_keys: 10, ..Habits::default() });
    for index in 0..200 {
        stores.put_primary(&format!("k{index:03}"), "x");
    }
    let few = Options { waiting_max: 15, ..options() };
    let route = stores.route(Side::Primary);
    let complete = Complete::new(&route, stores.journal(), Clock::System, &few);
    let walking = tokio::time::timeout(Duration::from_secs(1), complete.run(|_| {}));
    assert!(walking.await.is_err(), "nobody works, so it cannot end");
    // A page more than may wait, at most.
    assert_eq!(stores.journal().backlog().await.unwrap()[0].waiting, 20);
    assert_eq!(sync(&stores, &few).await.unwrap().stage, Stage::Complete);
    assert_eq!(stores.at_mirror(), stores.at_primary());
}

#[tokio::test]
async fn what_is_written_while_a_walk_passes_is_neither_lost_nor_undone() {
    let stores = TwoStores::start().await;
    stores.primary.behave(Habits { page_keys: 50, ..Habits::default() });
    stores.mirror.behave(Habits { page_keys: 70, ..Habits::default() });
    let key = |index: usize| format!("k{index:03}");
    for index in 0..400 {
        stores.put_primary(&key(index), "before");
        if index % 3 == 0 {
            stores.put_mirror(&key(index), "before");
        }
    }
    let writing = async {
        for round in 0..200_usize {
            // As a door does it: the change, and then the row.
            let key = key(round * 7919 % 500);
            let change = if round % 4 == 0 {
                stores.primary.objects().remove(&format!("stored-photos/{key}"));
                Change::Delete
            } else {
                stores.put_primary(&key, format!("round {round}"));
                Change::Write
            };
            let mirrors = [MIRROR.into()].into();
            stores.journal().mark_dirty(BUCKET, &mirrors, &[&key], change).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let slow =
        Options { rates: Rates { requests_per_second: Some(100), bytes_per_second: None }, ..options() };
    let (done, ()) = tokio::join!(sync(&stores, &slow), writing);
    assert_eq!(done.unwrap().stage, Stage::Complete);
    stores.work().await;
    let (primary, mirror): (BTreeMap<_, _>, BTreeMap<_, _>) = (stores.at_primary(), stores.at_mirror());
    assert!(
        mirror == primary,
        "{:?}",
        primary.keys().filter(|key| primary.get(*key) != mirror.get(*key)).collect::<Vec<_>>()
    );
    for key in primary.keys() {
        let currency = stores.journal().currency(BUCKET, MIRROR, key).await.unwrap();
        let Currency::Current(record) = currency else { panic!("{key} {currency:?}") };
        let copy = stores.mirror.objects()[&format!("stored-photos/copies/{key}")].clone();
        assert_eq!(record.mirror_etag, copy.etag, "{key}: what is on record is what is there");
    }
}
