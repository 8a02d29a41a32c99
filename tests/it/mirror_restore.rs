//! Making a primary complete from its mirror.

use http::HeaderValue;
use wharf::{
    clock::Clock,
    mirror::{
        resync::{Complete, Rates, Restore, RestoreOptions, Restored},
        state::{Change, Currency, Side},
    },
};
use wharf_wire::date::Timestamp;

use crate::support::{
    memory_store::Stored,
    two_stores::{BUCKET, MIRROR, TwoStores, options},
};

const NOW: Timestamp = Timestamp::from_unix_millis(1_369_353_600_000);

fn restoring() -> RestoreOptions {
    RestoreOptions {
        prefix: String::new(),
        rates: Rates::default(),
        overwrites: false,
        takes_stale: false,
        other_mirrors: [].into(),
    }
}

async fn restore(stores: &TwoStores, options: &RestoreOptions, is_rehearsal: bool) -> Restored {
    let route = stores.route(Side::Mirror);
    let restore = Restore {
        route: &route,
        journal: stores.journal(),
        clock: Clock::Fixed(NOW),
        drain: &stores.drain,
        options,
    };
    restore.run(is_rehearsal, |_, _| {}).await.unwrap()
}

#[tokio::test]
async fn what_the_primary_lacks_comes_back_with_what_its_writer_said_of_it() {
    let stores = TwoStores::start().await;
    let mut described = Stored::new("hello");
    described.headers.insert("content-type", HeaderValue::from_static("text/plain"));
    described.headers.insert("x-amz-meta-colour", HeaderValue::from_static("blue"));
    stores.mirror.objects().insert("stored-photos/copies/a/ü+ b".to_owned(), described.clone());
    stores.put_mirror("empty", "");
    stores.put_mirror("both", "same");
    stores.put_primary("both", "same");
    stores.put_primary("own", "own");
    let done = restore(&stores, &restoring(), false).await;
    assert_eq!((done.restored, done.totals.equal, done.totals.extra), (2, 1, 1));
    assert_eq!(stores.primary.objects()["stored-photos/a/ü+ b"], described);
    assert_eq!(stores.at_primary().len(), 4);
    for key in ["a/ü+ b", "empty", "both"] {
        let currency = stores.journal().currency(BUCKET, MIRROR, key).await.unwrap();
        assert!(matches!(currency, Currency::Current(_)), "{key} {currency:?}");
    }
    // What came from the mirror is not sent back to it.
    let (route, options) = (stores.route(Side::Primary), options());
    let complete = Complete::new(&route, stores.journal(), Clock::System, &options);
    let totals = complete.rehearse(|_| {}).await.unwrap().totals;
    assert_eq!((totals.equal, totals.missing, totals.different), (3, 1, 0));
}

#[tokio::test]
async fn what_differs_stays_unless_it_is_to_be_replaced_and_then_it_is_kept() {
    let stores = TwoStores::start().await;
    stores.put_primary("a", "the primary's");
    stores.put_mirror("a", "the mirror's");
    let done = restore(&stores, &restoring(), false).await;
    assert_eq!((done.kept, done.restored, done.replaced), (1, 0, 0));
    assert_eq!(stores.at_primary()["a"], "the primary's");
    let done = restore(&stores, &RestoreOptions { overwrites: true, ..restoring() }, false).await;
    assert_eq!((done.kept, done.replaced), (0, 1));
    assert_eq!(stores.at_primary()["a"], "the mirror's");
    assert_eq!(stores.at_primary()["a.conflict-20130524T000000Z"], "the primary's");
    let currency = stores.journal().currency(BUCKET, MIRROR, "a").await.unwrap();
    assert!(matches!(currency, Currency::Current(_)), "{currency:?}");
}

#[tokio::test]
async fn what_was_deleted_through_wharf_does_not_come_back_unasked() {
    let stores = TwoStores::start().await;
    stores.put_mirror("deleted", "x");
    stores.put_mirror("lost", "x");
    let mirrors = [MIRROR.into()].into();
    stores.journal().mark_dirty(BUCKET, &mirrors, &["deleted"], Change::Delete).await.unwrap();
    let done = restore(&stores, &restoring(), false).await;
    assert_eq!((done.stale, done.restored), (1, 1));
    assert_eq!(stores.at_primary().into_keys().collect::<Vec<_>>(), ["lost"]);
    let done = restore(&stores, &RestoreOptions { takes_stale: true, ..restoring() }, false).await;
    assert_eq!((done.stale, done.restored), (0, 1));
    assert_eq!(stores.at_primary().len(), 2);
}

#[tokio::test]
async fn the_other_mirrors_follow() {
    let stores = TwoStores::start().await;
    stores.put_mirror("a", "x");
    let options = RestoreOptions { other_mirrors: ["second".into()].into(), ..restoring() };
    restore(&stores, &options, false).await;
    let backlog = stores.journal().backlog().await.unwrap();
    let waiting: Vec<_> = backlog.iter().map(|one| (one.mirror.as_str(), one.waiting)).collect();
    assert_eq!(waiting, [("second", 1)]);
}

#[tokio::test]
async fn a_rehearsal_changes_nothing() {
    let stores = TwoStores::start().await;
    stores.put_mirror("a", "12345");
    stores.put_primary("b", "1");
    stores.put_mirror("b", "22");
    let done = restore(&stores, &RestoreOptions { overwrites: true, ..restoring() }, true).await;
    let expected = (1, 1, 7, 0);
    assert_eq!((done.totals.missing, done.totals.different, done.totals.bytes, done.restored), expected);
    assert_eq!((stores.primary.writes(), stores.mirror.writes()), (0, 0));
    assert!(stores.journal().backlog().await.unwrap().is_empty());
}
