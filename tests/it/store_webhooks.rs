//! Webhooks and deliveries in the database, on SQLite always and on PostgreSQL where there is one.

use std::time::Duration;

use wharf::store::{
    ClaimedDelivery, DeliveryEnd, DeliveryState, JournalError, NewDelivery, Webhook, WebhookKind, WebhookRows,
};
use wharf_wire::date::Timestamp;

use crate::support::database::on_every_database;

const LEASE: Duration = Duration::from_secs(40);
const OWNER: &str = "key:one";

fn upload(id: &str, now: Timestamp) -> Webhook {
    Webhook {
        id: id.to_owned(),
        owner: OWNER.to_owned(),
        kind: WebhookKind::Upload,
        bucket: "photos".to_owned(),
        prefix: "in/a\0\\.png".to_owned(),
        events: "upload.completed".to_owned(),
        receiver: "https://a.example".to_owned(),
        sealed: format!("sealed {id}"),
        is_fired: false,
        looks: 0,
        due: None,
        created_at: now,
        ends_at: now.plus_seconds(3600),
    }
}

fn subscription(id: &str, now: Timestamp) -> Webhook {
    let kind = WebhookKind::Subscription;
    Webhook { kind, prefix: "in/".to_owned(), ends_at: Timestamp::from_unix_millis(0), ..upload(id, now) }
}

fn delivery(id: &str, webhook: &str) -> NewDelivery {
    NewDelivery {
        id: id.to_owned(),
        webhook: webhook.to_owned(),
        event: "upload.completed".to_owned(),
        key: "in/\0a".to_owned(),
        body: format!("{{\"id\":\"{id}\"}}"),
    }
}

fn ended(state: DeliveryState, due: Timestamp) -> DeliveryEnd {
    let error = if state == DeliveryState::Delivered { "" } else { "answered 500" };
    DeliveryEnd { state, status: Some(500), error: error.to_owned(), due }
}

async fn claim(rows: &WebhookRows) -> Vec<ClaimedDelivery> {
    rows.claim(10, LEASE, Vec::new()).await.unwrap()
}

fn ids(claimed: &[ClaimedDelivery]) -> Vec<&str> {
    let mut ids: Vec<_> = claimed.iter().map(|delivery| delivery.id.as_str()).collect();
    ids.sort_unstable();
    ids
}

on_every_database! {
    async fn a_webhook_is_kept_as_it_was_made(database) {
        let store = database.open().await;
        let rows = store.webhooks();
        let made = Webhook { due: Some(database.now()), ..upload("w", database.now()) };
        assert!(rows.register(made.clone(), 0).await.unwrap());
        assert_eq!(rows.find("w", OWNER).await.unwrap(), Some(made.clone()));
        assert_eq!(rows.find("w", "key:two").await.unwrap(), None);
        assert_eq!(rows.waiting("photos", &made.prefix).await.unwrap(), std::slice::from_ref(&made));
        assert!(rows.waiting("films", &made.prefix).await.unwrap().is_empty());
        assert!(rows.subscriptions().await.unwrap().is_empty());
        database.close().await;
        let store = database.open().await;
        assert_eq!(store.webhooks().list(OWNER, None, 10).await.unwrap(), [made]);
    }

    async fn there_are_only_so_many_subscriptions(database) {
        let store = database.open().await;
        let rows = store.webhooks();
        for (id, is_kept) in [("a", true), ("b", true), ("c", false)] {
            assert_eq!(rows.register(subscription(id, database.now()), 2).await.unwrap(), is_kept, "{id}");
        }
        assert_eq!(rows.subscriptions().await.unwrap().len(), 2);
        let listed = rows.list(OWNER, None, 1).await.unwrap();
        assert_eq!(listed[0].id, "b", "the newest first");
        assert_eq!(rows.list(OWNER, Some("b"), 5).await.unwrap()[0].id, "a");
    }

    async fn an_upload_is_told_of_once(database) {
        let store = database.open().await;
        let rows = store.webhooks();
        rows.register(upload("w", database.now()), 0).await.unwrap();
        assert!(rows.fire(delivery("d", "w")).await.unwrap());
        assert!(!rows.fire(delivery("again", "w")).await.unwrap());
        assert!(!rows.fire(delivery("d2", "nobody")).await.unwrap());
        let claimed = claim(rows).await;
        assert_eq!(ids(&claimed), ["d"]);
        let one = &claimed[0];
        assert_eq!(
            (one.webhook.as_str(), &*one.receiver, one.sealed.as_str(), one.body.as_str(), one.attempts),
            ("w", "https://a.example", "sealed w", "{\"id\":\"d\"}", 0)
        );
        assert!(rows.find("w", OWNER).await.unwrap().unwrap().is_fired);
        assert!(rows.waiting("photos", "in/a\0\\.png").await.unwrap().is_empty());
    }

    async fn a_delivery_goes_to_one_until_its_lease_ends(database) {
        let store = database.open().await;
        let rows = store.webhooks();
        rows.register(subscription("w", database.now()), 10).await.unwrap();
        rows.record(vec![delivery("a", "w"), delivery("b", "w"), delivery("c", "gone")]).await.unwrap();
        let first = claim(rows).await;
        assert_eq!(ids(&first), ["a", "b"], "a webhook that is gone gets nothing");
        assert!(claim(rows).await.is_empty());
        assert_eq!(rows.next_due(&[]).await.unwrap(), Some(database.now().plus_seconds(LEASE.as_secs())));
        database.pass(LEASE);
        let second = claim(rows).await;
        assert_eq!(ids(&second), ["a", "b"]);
        // Who comes late says nothing.
        rows.end(&first[0], ended(DeliveryState::Dead, database.now())).await.unwrap();
        let late = rows.find_delivery(&first[0].id, OWNER).await.unwrap().unwrap();
        assert_eq!((late.state, late.attempts), (DeliveryState::Waiting, 0));
        rows.end(&second[0], ended(DeliveryState::Delivered, database.now())).await.unwrap();
        let done = rows.find_delivery(&second[0].id, OWNER).await.unwrap().unwrap();
        assert_eq!((done.state, done.attempts, done.error), (DeliveryState::Delivered, 1, None));
        assert_eq!((done.ended_at, done.key.as_str()), (Some(database.now()), "in/\0a"));
    }

    async fn one_that_failed_is_due_later(database) {
        let store = database.open().await;
        let rows = store.webhooks();
        rows.register(subscription("w", database.now()), 10).await.unwrap();
        rows.record(vec![delivery("a", "w")]).await.unwrap();
        let due = database.now().plus_seconds(7);
        rows.end(&claim(rows).await[0], ended(DeliveryState::Waiting, due)).await.unwrap();
        assert!(claim(rows).await.is_empty());
        assert_eq!(rows.next_due(&[]).await.unwrap(), Some(due));
        assert_eq!(rows.next_due(&["https://a.example".into()]).await.unwrap(), None);
        database.pass(Duration::from_secs(7));
        assert!(rows.claim(10, LEASE, vec!["https://a.example".into()]).await.unwrap().is_empty());
        let claimed = claim(rows).await;
        assert_eq!((ids(&claimed), claimed[0].attempts), (vec!["a"], 1));
        let failed = rows.find_delivery("a", OWNER).await.unwrap().unwrap();
        assert_eq!((failed.status, failed.error.as_deref()), (Some(500), Some("answered 500")));
    }

    async fn dead_letters_are_listed_and_retried_by_their_owner(database) {
        let store = database.open().await;
        let rows = store.webhooks();
        rows.register(subscription("w", database.now()), 10).await.unwrap();
        rows.record(vec![delivery("a", "w"), delivery("b", "w")]).await.unwrap();
        for claimed in &claim(rows).await {
            rows.end(claimed, ended(DeliveryState::Dead, database.now())).await.unwrap();
        }
        assert!(claim(rows).await.is_empty());
        assert_eq!(rows.dead_letters(&["w", "x"]).await.unwrap().get("w"), Some(&2));
        assert_eq!(rows.backlog().await.unwrap().dead, 2);
        let dead = rows.deliveries("w", Some(DeliveryState::Dead), None, 10).await.unwrap();
        assert_eq!(dead.iter().map(|letter| letter.id.as_str()).collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!(rows.deliveries("w", None, Some("b"), 10).await.unwrap().len(), 1);
        assert_eq!(rows.retry("w", "key:two").await.unwrap(), 0);
        assert_eq!(rows.retry("a", OWNER).await.unwrap(), 1);
        assert_eq!(ids(&claim(rows).await), ["a"]);
        assert_eq!(rows.retry("w", OWNER).await.unwrap(), 1);
        let claimed = claim(rows).await;
        assert_eq!((ids(&claimed), claimed[0].attempts), (vec!["b"], 0), "as if it had never failed");
    }

    async fn a_webhook_goes_with_its_deliveries(database) {
        let store = database.open().await;
        let rows = store.webhooks();
        rows.register(subscription("w", database.now()), 10).await.unwrap();
        let many: Vec<_> = (0..1200).map(|number| delivery(&format!("{number:04}"), "w")).collect();
        rows.record(many).await.unwrap();
        assert!(!rows.remove("w", "key:two").await.unwrap());
        assert_eq!(rows.deliveries("w", None, None, 2000).await.unwrap().len(), 1200);
        assert!(rows.remove("w", OWNER).await.unwrap());
        assert!(rows.deliveries("w", None, None, 10).await.unwrap().is_empty());
        assert_eq!(rows.find("w", OWNER).await.unwrap(), None);
        assert!(!rows.remove("w", OWNER).await.unwrap());
    }

    async fn what_is_long_over_is_forgotten(database) {
        let store = database.open().await;
        let rows = store.webhooks();
        for id in ["told", "never", "waiting"] {
            rows.register(upload(id, database.now()), 0).await.unwrap();
        }
        rows.register(subscription("kept", database.now()), 10).await.unwrap();
        rows.fire(delivery("a", "told")).await.unwrap();
        for claimed in &claim(rows).await {
            rows.end(claimed, ended(DeliveryState::Delivered, database.now())).await.unwrap();
        }
        rows.fire(delivery("b", "waiting")).await.unwrap();
        database.pass(Duration::from_hours(2));
        assert_eq!(rows.prune(database.now()).await.unwrap(), 3, "a delivery and two uploads");
        let left: Vec<_> = rows.list(OWNER, None, 10).await.unwrap().into_iter().map(|left| left.id).collect();
        assert_eq!(left, ["waiting", "kept"]);
    }

    async fn uploads_are_looked_for_until_they_end(database) {
        let store = database.open().await;
        let rows = store.webhooks();
        let due = database.now().plus_seconds(5);
        rows.register(Webhook { due: Some(due), ..upload("w", database.now()) }, 0).await.unwrap();
        assert!(rows.claim_looks(10).await.unwrap().is_empty());
        assert_eq!(rows.next_look().await.unwrap(), Some(due));
        database.pass(Duration::from_secs(5));
        assert_eq!(rows.claim_looks(10).await.unwrap()[0].looks, 0);
        assert!(rows.claim_looks(10).await.unwrap().is_empty(), "it is put off");
        database.pass(Duration::from_secs(5));
        assert_eq!(rows.claim_looks(10).await.unwrap()[0].looks, 1);
        database.pass(Duration::from_hours(1));
        assert_eq!(rows.claim_looks(10).await.unwrap().len(), 1, "once more at the end");
        assert_eq!(rows.next_look().await.unwrap(), None);
    }

    async fn whoever_delivers_is_woken(database) {
        let store = database.open().await;
        let rows = store.webhooks();
        rows.register(subscription("w", database.now()), 10).await.unwrap();
        let woken = rows.woken();
        rows.record(vec![delivery("a", "w")]).await.unwrap();
        tokio::time::timeout(Duration::from_secs(30), woken).await.unwrap();
        assert_eq!(rows.backlog().await.unwrap().oldest, Some(database.now()));
    }
}

#[tokio::test]
async fn what_a_killed_process_held_is_due_at_the_next_start() {
    let mut database = crate::support::database::Database::sqlite();
    let store = database.open().await;
    store.webhooks().register(subscription("w", database.now()), 10).await.unwrap();
    store.webhooks().record(vec![delivery("a", "w")]).await.unwrap();
    assert_eq!(claim(store.webhooks()).await.len(), 1);
    database.kill().await;
    assert!(matches!(store.webhooks().prune(database.now()).await, Err(JournalError::Closed)));
    let store = database.open().await;
    assert_eq!(ids(&claim(store.webhooks()).await), ["a"]);
}
