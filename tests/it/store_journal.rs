//! The journal, on SQLite always and on PostgreSQL where there is one: see `support::database`.

use std::time::Duration;

use wharf::{
    mirror::state::{Change, Class, Currency, Finish, Finished, Outcome, Record, RowState, Side},
    store::{CLAIM_LEASE_SECONDS, Claim, DeadFilter, Journal, JournalError, Mirrors, NewIntent},
};
use wharf_wire::date::Timestamp;

use crate::support::database::on_every_database;

const BUCKET: &str = "photos";

fn mirrors(names: &[&str]) -> Mirrors {
    names.iter().map(|name| (*name).into()).collect()
}

fn record() -> Record {
    Record {
        primary_etag: "\"p\"".to_owned(),
        mirror_etag: "\"m\"".to_owned(),
        bytes: 5,
        checksum: Some("CRC64NVME:AAAAAAAAAAA=".to_owned()),
        last_modified: Some(Timestamp::from_unix_millis(1_000)),
        metadata_digest: "d".to_owned(),
    }
}

async fn write(journal: &Journal, mirrors: &Mirrors, key: &str, outcome: Outcome) {
    change(journal, mirrors, (key, Change::Write), outcome).await;
}

async fn change(journal: &Journal, mirrors: &Mirrors, (key, change): (&str, Change), outcome: Outcome) {
    let new = NewIntent { bucket: BUCKET, key, change, mirrors, taken_by: None };
    for intent in journal.open_intents(&[new]).await.unwrap() {
        intent.settle(outcome);
    }
}

async fn claim_one(journal: &Journal, mirror: &str) -> Claim {
    let mut claims = journal.claim(BUCKET, mirror, 10).await.unwrap();
    assert_eq!(claims.len(), 1);
    claims.remove(0)
}

async fn currency(journal: &Journal, mirror: &str, key: &str) -> Currency {
    journal.currency(BUCKET, mirror, key).await.unwrap()
}

on_every_database! {
    async fn a_write_is_dirty_from_its_intent_to_its_copy(database) {
        let store = database.open().await;
        let journal = store.journal();
        let both = mirrors(&["one", "two"]);
        assert_eq!(currency(journal, "one", "a").await, Currency::Unknown);
        let new = NewIntent { bucket: BUCKET, key: "a", change: Change::Write, mirrors: &both, taken_by: None };
        let [intent] = <[_; 1]>::try_from(journal.open_intents(&[new]).await.unwrap()).unwrap();
        assert!(matches!(currency(journal, "one", "a").await, Currency::Dirty { truth: Side::Primary, .. }));
        assert!(journal.claim(BUCKET, "one", 10).await.unwrap().is_empty(), "nothing is settled");
        intent.settle(Outcome::Changed);
        let claim = claim_one(journal, "one").await;
        assert_eq!((claim.row.generation, claim.row.may_delete(), &claim.record), (1, false, &None));
        let end = journal.finish(claim, Finish::Clean(Some(record())), "").await.unwrap();
        assert_eq!(end, Finished::Cleared);
        assert_eq!(currency(journal, "one", "a").await, Currency::Current(record()));
        assert!(matches!(currency(journal, "two", "a").await, Currency::Dirty { .. }), "the other mirror");
        let backlog = journal.backlog().await.unwrap();
        assert_eq!(backlog.len(), 1);
        assert_eq!((backlog[0].mirror.as_str(), backlog[0].waiting), ("two", 1));
        assert_eq!(backlog[0].oldest, Some(database.now()));
    }

    async fn a_claim_is_the_newest_until_the_key_changes(database) {
        let store = database.open().await;
        let journal = store.journal();
        let both = mirrors(&["one", "two"]);
        change(journal, &both, ("a", Change::Delete), Outcome::Changed).await;
        let claim = claim_one(journal, "one").await;
        let place = (BUCKET, "one");
        assert!(journal.is_newest(place, "a", claim.row.generation).await.unwrap());
        assert!(!journal.is_newest(place, "b", claim.row.generation).await.unwrap());
        write(journal, &both, "a", Outcome::Unknown).await;
        // What is asked next is answered behind what was settled before.
        claim_one(journal, "two").await;
        assert!(!journal.is_newest(place, "a", claim.row.generation).await.unwrap());
    }

    async fn what_came_to_nothing_leaves_nothing(database) {
        let store = database.open().await;
        let journal = store.journal();
        let one = mirrors(&["one"]);
        write(journal, &one, "a", Outcome::Unchanged).await;
        assert!(journal.claim(BUCKET, "one", 10).await.unwrap().is_empty());
        assert_eq!(currency(journal, "one", "a").await, Currency::Unknown);
        assert!(journal.backlog().await.unwrap().is_empty());
    }

    async fn an_intent_that_is_dropped_counts_as_unknown(database) {
        let store = database.open().await;
        let journal = store.journal();
        let one = mirrors(&["one"]);
        let new = NewIntent { bucket: BUCKET, key: "a", change: Change::Write, mirrors: &one, taken_by: None };
        drop(journal.open_intents(&[new]).await.unwrap());
        let claim = claim_one(journal, "one").await;
        assert!(claim.row.unsure_until > database.now());
        let Finished::Kept(row) = journal.finish(claim, Finish::Clean(Some(record())), "").await.unwrap() else {
            panic!("it may still change");
        };
        assert_eq!(row.state, RowState::Held);
        let backlog = journal.backlog().await.unwrap();
        assert_eq!((backlog[0].waiting, backlog[0].held, backlog[0].oldest), (0, 1, None));
    }

    async fn a_change_while_a_worker_copies_makes_the_row_due_again(database) {
        let store = database.open().await;
        let journal = store.journal();
        let one = mirrors(&["one"]);
        write(journal, &one, "a", Outcome::Changed).await;
        let claim = claim_one(journal, "one").await;
        change(journal, &one, ("a", Change::Delete), Outcome::Changed).await;
        assert!(journal.claim(BUCKET, "one", 10).await.unwrap().is_empty(), "it is held");
        let end = journal.finish(claim, Finish::Clean(Some(record())), "").await.unwrap();
        assert!(matches!(end, Finished::Kept(row) if row.state == RowState::Waiting));
        let claim = claim_one(journal, "one").await;
        assert_eq!((claim.row.generation, claim.row.may_delete()), (2, true));
        assert_eq!(claim.record, Some(record()));
        assert_eq!(journal.finish(claim, Finish::Clean(None), "").await.unwrap(), Finished::Cleared);
        assert_eq!(currency(journal, "one", "a").await, Currency::Unknown, "the record is gone with the object");
    }

    async fn who_comes_late_changes_nothing(database) {
        let store = database.open().await;
        let journal = store.journal();
        write(journal, &mirrors(&["one"]), "a", Outcome::Changed).await;
        let mut late = claim_one(journal, "one").await;
        database.pass(Duration::from_secs(CLAIM_LEASE_SECONDS + 1));
        let next = claim_one(journal, "one").await;
        assert_ne!(late.claimed.token, next.claimed.token);
        assert!(!journal.renew(&mut late).await.unwrap());
        let end = journal.finish(late, Finish::Clean(Some(record())), "").await.unwrap();
        assert_eq!(end, Finished::LeaseLost);
        assert!(matches!(currency(journal, "one", "a").await, Currency::Dirty { .. }));
        journal.release(next).await.unwrap();
        claim_one(journal, "one").await;
    }

    async fn a_lease_that_is_renewed_holds(database) {
        let store = database.open().await;
        let journal = store.journal();
        write(journal, &mirrors(&["one"]), "a", Outcome::Changed).await;
        let mut claim = claim_one(journal, "one").await;
        for _ in 0..3 {
            database.pass(Duration::from_secs(CLAIM_LEASE_SECONDS - 1));
            assert!(journal.renew(&mut claim).await.unwrap());
            assert!(journal.claim(BUCKET, "one", 10).await.unwrap().is_empty());
        }
        let end = journal.finish(claim, Finish::Clean(Some(record())), "").await.unwrap();
        assert_eq!(end, Finished::Cleared);
    }

    async fn failures_are_tried_again_listed_and_redriven(database) {
        let store = database.open().await;
        let journal = store.journal();
        let one = mirrors(&["one"]);
        for key in ["a", "b", "c"] {
            write(journal, &one, key, Outcome::Changed).await;
        }
        for claim in journal.claim(BUCKET, "one", 10).await.unwrap() {
            let class = if &*claim.key == "c" { Class::Archived } else { Class::Permanent };
            journal.finish(claim, Finish::Dead { class, is_unsure: false }, "no\0 way").await.unwrap();
        }
        let backlog = journal.backlog().await.unwrap().remove(0);
        assert_eq!((backlog.waiting, backlog.oldest), (0, None));
        assert_eq!(backlog.dead, [("archived".to_owned(), 1), ("permanent".to_owned(), 2)].into());
        let all = DeadFilter::default();
        let first = journal.dead(&all, None, 2).await.unwrap();
        assert_eq!(first.iter().map(|letter| &*letter.key).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((first[0].error.as_str(), first[0].row.attempts), ("no way", 1));
        let rest = journal.dead(&all, first.last(), 2).await.unwrap();
        assert_eq!(rest.iter().map(|letter| &*letter.key).collect::<Vec<_>>(), ["c"]);
        let archived = DeadFilter { class: Some(Class::Archived), ..DeadFilter::default() };
        assert_eq!(journal.redrive(&archived).await.unwrap(), 1);
        let claim = claim_one(journal, "one").await;
        assert_eq!((&*claim.key, claim.row.attempts), ("c", 0));
        // A new change revives a dead row by itself.
        write(journal, &one, "a", Outcome::Changed).await;
        assert_eq!(&*claim_one(journal, "one").await.key, "a");
        let backlog = journal.backlog().await.unwrap().remove(0);
        assert_eq!((backlog.waiting, backlog.dead), (2, [("permanent".to_owned(), 1)].into()));
    }

    async fn a_retry_waits_until_it_is_due(database) {
        let store = database.open().await;
        let journal = store.journal();
        write(journal, &mirrors(&["one"]), "a", Outcome::Changed).await;
        let claim = claim_one(journal, "one").await;
        let pause = Duration::from_secs(30);
        let retry = Finish::Retry { class: Class::Transient, pause, is_unsure: false };
        journal.finish(claim, retry, "503").await.unwrap();
        assert!(journal.claim(BUCKET, "one", 10).await.unwrap().is_empty());
        let due = journal.next_due(BUCKET, "one").await.unwrap().unwrap();
        assert_eq!(due, database.now().plus_seconds(30));
        database.pass(pause);
        assert_eq!(claim_one(journal, "one").await.row.attempts, 1);
    }

    async fn what_a_crash_leaves_is_dirty_at_the_next_start(database) {
        let store = database.open().await;
        let one = mirrors(&["one", "two"]);
        let new = NewIntent { bucket: BUCKET, key: "a", change: Change::Delete, mirrors: &one, taken_by: Some("two") };
        let intents = store.journal().open_intents(&[new]).await.unwrap();
        database.kill().await;
        let store = database.open().await;
        let claim = claim_one(store.journal(), "one").await;
        assert!(claim.row.may_delete() && claim.row.unsure_until > database.now());
        assert_eq!(claim.row.truth, Side::Primary);
        claim_one(store.journal(), "two").await;
        drop(intents);
    }

    async fn an_orderly_end_leaves_nothing_to_promote(database) {
        let store = database.open().await;
        write(store.journal(), &mirrors(&["one"]), "a", Outcome::Unchanged).await;
        write(store.journal(), &mirrors(&["one"]), "b", Outcome::Changed).await;
        drop(store);
        database.close().await;
        let store = database.open().await;
        assert_eq!(&*claim_one(store.journal(), "one").await.key, "b");
    }

    async fn a_look_in_sees_and_writes_the_same_and_opens_no_intents(database) {
        let store = database.open().await;
        let one = mirrors(&["one"]);
        write(store.journal(), &one, "a", Outcome::Changed).await;
        let beside = database.open_beside().await;
        assert!(matches!(currency(beside.journal(), "one", "a").await, Currency::Dirty { .. }));
        beside.journal().mark_dirty(BUCKET, &one, &["b", "c"], Change::Write).await.unwrap();
        let claims = store.journal().claim(BUCKET, "one", 10).await.unwrap();
        assert_eq!(claims.len(), 3);
        assert_eq!(beside.journal().backlog().await.unwrap()[0].waiting, 3);
        let new = NewIntent { bucket: BUCKET, key: "a", change: Change::Write, mirrors: &one, taken_by: None };
        assert!(matches!(beside.journal().open_intents(&[new]).await, Err(JournalError::NotServing)));
    }

    async fn workers_are_woken_by_what_becomes_due(database) {
        let store = database.open().await;
        let journal = store.journal();
        let woken = journal.woken(BUCKET, "one");
        write(journal, &mirrors(&["one"]), "a", Outcome::Changed).await;
        woken.await;
        let claim = claim_one(journal, "one").await;
        let again = journal.woken(BUCKET, "one");
        journal.finish(claim, Finish::Again, "").await.unwrap();
        again.await;
    }

    async fn claims_are_bounded_and_the_longest_due_come_first(database) {
        let store = database.open().await;
        let journal = store.journal();
        let one = mirrors(&["one"]);
        for key in ["z", "y", "x"] {
            write(journal, &one, key, Outcome::Changed).await;
            journal.backlog().await.unwrap();
            database.pass(Duration::from_secs(1));
        }
        let claims = journal.claim(BUCKET, "one", 2).await.unwrap();
        assert_eq!(claims.iter().map(|claim| &*claim.key).collect::<Vec<_>>(), ["z", "y"]);
    }

    async fn keys_are_any_text(database) {
        let store = database.open().await;
        let journal = store.journal();
        let keys = ["a\0b", r"a\0b", "ü/'; DROP TABLE dirty --", "\n", &"k".repeat(1024)];
        journal.mark_dirty(BUCKET, &mirrors(&["one"]), &keys, Change::Write).await.unwrap();
        let mut claimed = Vec::new();
        for claim in journal.claim(BUCKET, "one", 10).await.unwrap() {
            claimed.push(claim.key.to_string());
            journal.finish(claim, Finish::Clean(Some(record())), "").await.unwrap();
        }
        claimed.sort();
        let mut keys = keys.map(str::to_owned);
        keys.sort();
        assert_eq!(claimed, keys);
        for key in &keys {
            assert_eq!(currency(journal, "one", key).await, Currency::Current(record()), "{key:?}");
        }
    }

    async fn a_truth_that_a_mirror_holds_is_known_to_the_others(database) {
        let store = database.open().await;
        let journal = store.journal();
        let both = mirrors(&["one", "two"]);
        let new = NewIntent { bucket: BUCKET, key: "a", change: Change::Write, mirrors: &both, taken_by: Some("one") };
        for intent in journal.open_intents(&[new]).await.unwrap() {
            intent.settle(Outcome::Changed);
        }
        let ahead = claim_one(journal, "one").await;
        let other = claim_one(journal, "two").await;
        assert_eq!((ahead.row.truth, other.row.truth), (Side::Mirror, Side::Primary));
        let end = journal.finish(other, Finish::Clean(Some(record())), "").await.unwrap();
        assert!(matches!(end, Finished::Kept(row) if row.state == RowState::Held), "the primary is about to change");
        assert_eq!(journal.finish(ahead, Finish::Clean(Some(record())), "").await.unwrap(), Finished::Cleared);
        // A sweep does not know who holds the truth, and leaves it where it is.
        journal.mark_dirty(BUCKET, &both, &["a"], Change::Write).await.unwrap();
        assert_eq!(claim_one(journal, "one").await.row.truth, Side::Primary);
    }

    async fn a_sync_is_kept_and_makes_absences_known(database) {
        let store = database.open().await;
        let journal = store.journal();
        assert_eq!(journal.sync_state(BUCKET, "one").await.unwrap(), None);
        journal.start_sync(BUCKET, "one").await.unwrap();
        journal.set_sync_cursor(BUCKET, "one", "k\0").await.unwrap();
        let state = journal.sync_state(BUCKET, "one").await.unwrap().unwrap();
        assert_eq!((state.cursor.as_deref(), state.completed_at), (Some("k\0"), None));
        assert_eq!(currency(journal, "one", "a").await, Currency::Unknown);
        journal.complete_sync(BUCKET, "one").await.unwrap();
        assert_eq!(currency(journal, "one", "a").await, Currency::Absent);
        journal.start_sync(BUCKET, "one").await.unwrap();
        let state = journal.sync_state(BUCKET, "one").await.unwrap().unwrap();
        assert_eq!((state.cursor, state.completed_at), (None, Some(database.now())));
    }
}
