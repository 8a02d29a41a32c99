//! Deletes and copies of keys that may still be where their bucket was before: whoever comes first, nothing comes back.

use std::time::Duration;

use wharf::store::FILL_LEASE_SECONDS;

use crate::support::database::{Database, LATE_EFFECT, on_every_database};

const BUCKET: &str = "photos";

on_every_database! {
    async fn what_was_deleted_is_filled_no_more(database) {
        let store = database.open().await;
        let journal = store.journal();
        assert!(!journal.is_buried(BUCKET, "a").await.unwrap());
        assert!(!journal.bury(BUCKET, &["a", "b\0c", "a"]).await.unwrap(), "nobody fills them");
        for key in ["a", "b\0c"] {
            assert!(journal.is_buried(BUCKET, key).await.unwrap());
            assert!(journal.begin_fill(BUCKET, key).await.unwrap().is_none());
        }
        assert!(!journal.is_buried(BUCKET, "c").await.unwrap());
        assert!(!journal.is_buried("others", "a").await.unwrap());
        database.close().await;
        let again = database.open().await;
        assert!(again.journal().is_buried(BUCKET, "a").await.unwrap(), "it is remembered");
    }

    async fn a_delete_sees_a_fill_until_it_has_ended(database) {
        let store = database.open().await;
        let journal = store.journal();
        let mut fill = journal.begin_fill(BUCKET, "a").await.unwrap().unwrap();
        assert!(journal.begin_fill(BUCKET, "a").await.unwrap().is_none(), "one is enough");
        assert!(journal.renew_fill(&mut fill).await.unwrap());
        assert!(!journal.is_buried(BUCKET, "a").await.unwrap());
        assert!(journal.bury(BUCKET, &["z", "a"]).await.unwrap());
        assert!(!journal.renew_fill(&mut fill).await.unwrap(), "it learns of the delete");
        assert!(journal.is_filling(BUCKET, &["a", "z"]).await.unwrap());
        journal.end_fill(fill, false).await.unwrap();
        assert!(!journal.is_filling(BUCKET, &["a", "z"]).await.unwrap());
        assert!(journal.is_buried(BUCKET, "a").await.unwrap());
    }

    async fn what_was_not_deleted_after_all_is_filled_again(database) {
        let store = database.open().await;
        let journal = store.journal();
        journal.bury(BUCKET, &["a", "b", "c", "b"]).await.unwrap();
        journal.bury(BUCKET, &["c"]).await.unwrap();
        for (key, is_buried) in [("a", false), ("b", true), ("c", true)] {
            journal.exhume(BUCKET, key, 1).await.unwrap();
            assert_eq!(journal.is_buried(BUCKET, key).await.unwrap(), is_buried, "{key}: another delete counts");
        }
        journal.exhume(BUCKET, "b", 1).await.unwrap();
        journal.exhume(BUCKET, "d", 1).await.unwrap();
        assert!(!journal.is_buried(BUCKET, "b").await.unwrap());
        assert!(journal.begin_fill(BUCKET, "a").await.unwrap().is_some());
        assert!(journal.begin_fill(BUCKET, "d").await.unwrap().is_some(), "there was none to take back");
    }

    async fn a_delete_that_waits_for_a_fill_in_vain_leaves_nothing(database) {
        let store = database.open().await;
        let journal = store.journal();
        let mut fill = journal.begin_fill(BUCKET, "a").await.unwrap().unwrap();
        assert!(journal.bury(BUCKET, &["a"]).await.unwrap() && journal.bury(BUCKET, &["a"]).await.unwrap());
        journal.exhume(BUCKET, "a", 1).await.unwrap();
        assert!(journal.is_buried(BUCKET, "a").await.unwrap(), "one of them still waits");
        assert!(!journal.renew_fill(&mut fill).await.unwrap());
        journal.exhume(BUCKET, "a", 1).await.unwrap();
        assert!(!journal.is_buried(BUCKET, "a").await.unwrap());
        assert!(journal.is_filling(BUCKET, &["a"]).await.unwrap(), "the copy may still come");
        assert!(journal.begin_fill(BUCKET, "a").await.unwrap().is_none());
        assert!(journal.renew_fill(&mut fill).await.unwrap());
        journal.end_fill(fill, false).await.unwrap();
        assert!(!journal.is_filling(BUCKET, &["a"]).await.unwrap());
        assert!(journal.begin_fill(BUCKET, "a").await.unwrap().is_some());
    }

    async fn a_fill_of_which_nobody_knows_may_come_for_a_while(database) {
        let store = database.open().await;
        let journal = store.journal();
        let unsure = journal.begin_fill(BUCKET, "unsure").await.unwrap().unwrap();
        journal.end_fill(unsure, true).await.unwrap();
        let lost = journal.begin_fill(BUCKET, "lost").await.unwrap().unwrap();
        database.pass(LATE_EFFECT.saturating_sub(Duration::from_secs(1)));
        assert!(journal.bury(BUCKET, &["unsure"]).await.unwrap());
        database.pass(Duration::from_secs(1));
        assert!(!journal.is_filling(BUCKET, &["unsure"]).await.unwrap());
        assert!(journal.is_filling(BUCKET, &["lost"]).await.unwrap(), "its lease, and the time after it");
        database.pass(Duration::from_secs(FILL_LEASE_SECONDS));
        assert!(!journal.is_filling(BUCKET, &["lost"]).await.unwrap());
        let next = journal.begin_fill(BUCKET, "lost").await.unwrap().unwrap();
        journal.end_fill(lost, false).await.unwrap();
        assert!(journal.is_filling(BUCKET, &["lost"]).await.unwrap(), "who comes late ends nothing of others");
        journal.end_fill(next, false).await.unwrap();
        assert!(journal.begin_fill(BUCKET, "lost").await.unwrap().is_some(), "nothing is left of it");
    }
}

#[tokio::test]
async fn a_delete_at_one_node_and_a_fill_at_another_meet() {
    let Some(mut database) = Database::postgres().await else { return };
    let (one, two) = (database.open().await, database.open_node().await);
    let mut fills = 0;
    for index in 0..200 {
        let key = format!("k{index}");
        let keys = [key.as_str()];
        let (buried, begun) =
            tokio::join!(one.journal().bury(BUCKET, &keys), two.journal().begin_fill(BUCKET, &key));
        let (is_filling, has_begun) = (buried.unwrap(), begun.unwrap().is_some());
        assert_eq!(is_filling, has_begun, "{key}: whoever comes second knows of the first");
        fills += u32::from(has_begun);
    }
    println!("{fills} of 200 fills came first");
}
