//! What a walk says of pairs that it found equal, on every database.

use wharf::{
    mirror::state::{Change, Currency, Finish, Outcome, Record},
    store::{Equal, Journal, Mirrors, NewIntent},
};

use crate::support::database::on_every_database;

const BUCKET: &str = "photos";

fn one() -> Mirrors {
    Mirrors::from(["one".into()])
}

fn record(etag: &str) -> Record {
    Record {
        primary_etag: format!("\"{etag}\""),
        mirror_etag: "\"m\"".to_owned(),
        bytes: 5,
        checksum: None,
        last_modified: None,
        metadata_digest: String::new(),
    }
}

async fn say(journal: &Journal, key: &str, was: Option<&Record>, record: &Record) {
    let equal = Equal { key: key.to_owned(), was: was.cloned(), record: record.clone() };
    journal.record_equal(BUCKET, "one", vec![equal]).await.unwrap();
}

async fn on_record(journal: &Journal, keys: &[&str]) -> Vec<(String, Record)> {
    let mut records = journal.records(BUCKET, "one", keys).await.unwrap();
    records.sort_by(|one, other| one.0.cmp(&other.0));
    records
}

on_every_database! {
    async fn an_equal_pair_is_current_from_then_on(database) {
        let store = database.open().await;
        let journal = store.journal();
        let equal: Vec<_> = (0..1200)
            .map(|index| Equal { key: format!("k{index}\0\\"), was: None, record: record("p") })
            .collect();
        journal.record_equal(BUCKET, "one", equal).await.unwrap();
        let current = journal.currency(BUCKET, "one", "k1199\0\\").await.unwrap();
        assert_eq!(current, Currency::Current(record("p")));
        let keys: Vec<_> = (0..1300).map(|index| format!("k{index}\0\\")).collect();
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        assert_eq!(on_record(journal, &keys).await.len(), 1200);
        assert!(journal.records(BUCKET, "two", &keys).await.unwrap().is_empty());
        assert!(journal.records(BUCKET, "one", &[]).await.unwrap().is_empty());
    }

    async fn nothing_is_said_of_a_key_that_changed_meanwhile(database) {
        let store = database.open().await;
        let journal = store.journal();
        journal.mark_dirty(BUCKET, &one(), &["dirty"], Change::Write).await.unwrap();
        let mirrors = one();
        let new =
            NewIntent { bucket: BUCKET, key: "open", change: Change::Write, mirrors: &mirrors, taken_by: None };
        let intents = journal.open_intents(&[new]).await.unwrap();
        for key in ["dirty", "open", "clean"] {
            say(journal, key, None, &record("p")).await;
        }
        let clean = ("clean".to_owned(), record("p"));
        assert_eq!(on_record(journal, &["dirty", "open", "clean"]).await, [clean]);
        for intent in intents {
            intent.settle(Outcome::Unchanged);
        }
    }

    async fn a_record_gives_way_only_to_who_has_seen_it(database) {
        let store = database.open().await;
        let journal = store.journal();
        let (old, new, late) = (record("old"), record("new"), record("late"));
        say(journal, "a", Some(&old), &new).await;
        assert!(on_record(journal, &["a"]).await.is_empty(), "what was seen is gone: the object was deleted");
        say(journal, "a", None, &old).await;
        say(journal, "a", Some(&old), &new).await;
        say(journal, "a", Some(&old), &late).await;
        say(journal, "a", None, &late).await;
        assert_eq!(on_record(journal, &["a"]).await, [("a".to_owned(), new)]);
    }

    async fn a_walk_goes_on_where_it_was_and_ends(database) {
        let store = database.open().await;
        let journal = store.journal();
        assert_eq!(journal.sync_state(BUCKET, "one").await.unwrap(), None);
        journal.start_sync(BUCKET, "one").await.unwrap();
        journal.set_sync_cursor(BUCKET, "one", "k\0").await.unwrap();
        let state = journal.sync_state(BUCKET, "one").await.unwrap().unwrap();
        assert_eq!((state.cursor.as_deref(), state.is_under_way()), (Some("k\0"), true));
        database.pass(std::time::Duration::from_secs(1));
        journal.complete_sync(BUCKET, "one").await.unwrap();
        assert!(!journal.sync_state(BUCKET, "one").await.unwrap().unwrap().is_under_way());
        database.pass(std::time::Duration::from_secs(1));
        journal.start_sync(BUCKET, "one").await.unwrap();
        let state = journal.sync_state(BUCKET, "one").await.unwrap().unwrap();
        assert_eq!((state.cursor.as_deref(), state.is_under_way()), (None, true));
        assert!(state.completed_at.is_some(), "the last one still counts");
    }

    async fn a_finished_copy_takes_the_place_of_a_walks_word(database) {
        let store = database.open().await;
        let journal = store.journal();
        say(journal, "a", None, &record("walked")).await;
        journal.mark_dirty(BUCKET, &one(), &["a"], Change::Write).await.unwrap();
        let claim = journal.claim(BUCKET, "one", 1).await.unwrap().remove(0);
        assert_eq!(claim.record, Some(record("walked")));
        journal.finish(claim, Finish::Clean(Some(record("copied"))), "").await.unwrap();
        assert_eq!(on_record(journal, &["a"]).await, [("a".to_owned(), record("copied"))]);
    }
}
