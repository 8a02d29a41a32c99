//! What becomes of deliveries: retries, dead letters, receivers that misbehave, and what doors tell subscribers.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use http::Method;
use serde_json::{Value, json};
use sqlx::{Connection, Executor};
use tokio::sync::Semaphore;

use crate::{
    mirror_doors::obedient,
    support::{
        gateway::KEY,
        raw::{Raw, post},
        recorder::{Answer, Recorded, Recorder},
        s3_client::{Ask, Mode},
        webhooks::{Hooked, SECRET, config, reply, success},
    },
};

const ALL: &str = r#""upload.completed","object.deleted""#;

/// Answers request after request with the next of `statuses`, and then with success.
fn in_turn(statuses: &'static [&str]) -> impl Fn(&Recorded) -> Option<Answer> + Send + Sync + 'static {
    let turn = AtomicUsize::new(0);
    move |request| {
        request.is_complete.then(|| {
            let turn = turn.fetch_add(1, Ordering::Relaxed);
            reply(statuses.get(turn).unwrap_or(&"200 OK"))
        })
    }
}

async fn put(hooked: &Hooked, key: &str) {
    let status =
        Ask::put(&format!("/photos/{key}"), Mode::Signed, b"hello").sign().status(&hooked.gateway).await;
    assert_eq!(status, 200, "{key}");
}

/// The only delivery of a webhook, when it stands so.
async fn only(hooked: &Hooked, webhook: &str, status: &str) -> Value {
    loop {
        let found = hooked.status(webhook).await;
        let deliveries = found["deliveries"].as_array().unwrap();
        if let [delivery] = deliveries.as_slice()
            && delivery["status"] == status
        {
            return delivery.clone();
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn keys(told: &[Value], event: &str) -> Vec<String> {
    let own = told.iter().filter(|told| told["event"] == event);
    let mut keys: Vec<_> = own.map(|told| told["file"]["key"].as_str().unwrap().to_owned()).collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn subscribers_are_told_what_doors_change_below_their_prefix() {
    let hooked = Hooked::start().await;
    let webhook = hooked.subscribe("in/", ALL).await;
    put(&hooked, "in/a").await;
    put(&hooked, "out/b").await;
    put(&hooked, "in/c").await;
    let copy = Ask::new(Method::PUT, "/photos/in/d").header("x-amz-copy-source", "/photos/out/b").sign();
    assert_eq!(copy.status(&hooked.gateway).await, 200);
    let gone = Ask::new(Method::DELETE, "/photos/in/a").sign();
    assert_eq!(gone.status(&hooked.gateway).await, 204);
    let many = b"<Delete><Object><Key>in/c</Key></Object><Object><Key>out/b</Key></Object></Delete>";
    let many = Ask::new(Method::POST, "/photos?delete").body(Mode::Hash, many).sign();
    assert_eq!(many.status(&hooked.gateway).await, 200);
    let told = hooked.until_delivered(5).await;
    assert_eq!(keys(&told, "upload.completed"), ["in/a", "in/c", "in/d"]);
    assert_eq!(keys(&told, "object.deleted"), ["in/a", "in/c"]);
    assert!(told.iter().all(|told| told["webhookId"] == json!(webhook) && told["bucket"] == "photos"));
    let first = told.iter().find(|told| told["file"]["key"] == "in/a" && told["event"] == "upload.completed");
    assert_eq!(first.unwrap()["file"]["etag"], "\"5d41402abc4b2a76b9719d911017c592\"");
    let refused =
        Ask::put("/photos/in/e", Mode::Signed, b"hello").secret("another secret of this length").sign();
    assert_eq!(refused.status(&hooked.gateway).await, 403);
    let shown = hooked.status(&webhook).await;
    assert_eq!(
        (&shown["status"], &shown["prefix"], shown["deliveries"].as_array().unwrap().len()),
        (&json!("active"), &json!("in/"), 5)
    );
}

/// Holds the database of `hooked`, as a disk does that hangs, until it is dropped.
async fn held(hooked: &Hooked) -> sqlx::AnyConnection {
    let url = format!("sqlite://{}/wharf.db", hooked.gateway.data().display());
    let mut holder = sqlx::AnyConnection::connect(&url).await.unwrap();
    holder.execute("BEGIN EXCLUSIVE").await.unwrap();
    holder
}

#[tokio::test]
async fn a_change_is_acknowledged_when_its_event_is_recorded() {
    let hooked = Hooked::start().await;
    hooked.subscribe("in/", ALL).await;
    put(&hooked, "in/old").await;
    hooked.until_delivered(1).await;
    let mut holder = held(&hooked).await;
    // Nobody has subscribed to that: it waits for nothing.
    put(&hooked, "out/a").await;
    let new = Ask::put("/photos/in/new", Mode::Signed, b"hello").sign().send(&hooked.gateway).await;
    assert_eq!((new.status, new.s3_code()), (503, "ServiceUnavailable"));
    assert!(new.body.contains("The change was made") && new.header("retry-after").is_some(), "{new:?}");
    let gone = json!({ "key": "in/old" }).to_string();
    hooked.refused("/api/v1/upload/photos/delete", &gone, "JOURNAL_UNAVAILABLE").await;
    assert_eq!(hooked.delivered().len(), 1);
    holder.execute("ROLLBACK").await.unwrap();
    // The process still has both, though nobody waits any more.
    let told = hooked.until_delivered(3).await;
    assert_eq!(keys(&told, "upload.completed"), ["in/new", "in/old"]);
    assert_eq!(keys(&told, "object.deleted"), ["in/old"]);
    let again = Ask::put("/photos/in/new", Mode::Signed, b"hello").sign();
    assert_eq!(again.status(&hooked.gateway).await, 200);
    assert_eq!(keys(&hooked.until_delivered(4).await, "upload.completed"), ["in/new", "in/new", "in/old"]);
}

#[tokio::test]
async fn a_late_success_ends_when_its_event_is_recorded() {
    let hooked = Hooked::start().await;
    hooked.subscribe("", ALL).await;
    put(&hooked, "a").await;
    hooked.until_delivered(1).await;
    let mut holder = held(&hooked).await;
    let copy = Ask::new(Method::PUT, "/photos/b").header("x-amz-copy-source", "/photos/a").sign();
    let mut raw = Raw::connect(hooked.gateway.s3()).await;
    raw.send(copy.head()).await;
    assert_eq!(raw.head().await.status, 200);
    let cut = raw.closed().await;
    assert!(cut.contains("<CopyObjectResult") && !cut.ends_with("0\r\n\r\n"), "{cut}");
    holder.execute("ROLLBACK").await.unwrap();
    assert_eq!(keys(&hooked.until_delivered(2).await, "upload.completed"), ["a", "b"]);
}

#[tokio::test]
async fn new_tags_are_no_upload() {
    let store = Recorder::answering(|request| request.is_complete.then(|| obedient(request))).await;
    let hooked = Hooked::start().await;
    let toml = config(&store.endpoint(), &hooked.receiver.endpoint(), "");
    hooked.gateway.reload_toml(&toml).await;
    hooked.subscribe("", ALL).await;
    let tags = b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";
    let tagging = Ask::new(Method::PUT, "/photos/a?tagging").body(Mode::Hash, tags).sign();
    assert_eq!(tagging.status(&hooked.gateway).await, 200);
    let gone = Ask::new(Method::DELETE, "/photos/a").sign();
    assert_eq!(gone.status(&hooked.gateway).await, 204);
    let told = hooked.until_delivered(1).await;
    assert_eq!(told[0]["event"], "object.deleted");
}

#[tokio::test]
async fn a_receiver_that_fails_gets_it_again_and_the_same() {
    let hooked = Hooked::with("", in_turn(&["500 Internal Server Error", "503 Service Unavailable"])).await;
    let webhook = hooked.subscribe("", ALL).await;
    put(&hooked, "a").await;
    let told = hooked.until_delivered(3).await;
    assert!(told.iter().all(|again| *again == told[0]), "{told:?}");
    let tries: Vec<_> = hooked
        .receiver
        .requests()
        .iter()
        .map(|request| request.header("x-webhook-attempt").unwrap().to_owned())
        .collect();
    assert_eq!(tries, ["1", "2", "3"]);
    let done = only(&hooked, &webhook, "completed").await;
    assert_eq!((&done["attemptCount"], &done["errorMessage"]), (&json!(3), &Value::Null));
    let metrics = hooked.metrics().await;
    for line in [
        "wharf_webhook_tries_total{outcome=\"delivered\"} 1",
        "wharf_webhook_tries_total{outcome=\"failed\"} 2",
        "wharf_webhook_tries_total{outcome=\"dead\"} 0",
        "wharf_webhook_events_lost_total 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let hooked = Hooked::with("attempts_max = 1", |request| {
        let redirect = "HTTP/1.1 307 Temporary Redirect\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n";
        request.is_complete.then(|| Answer::new(redirect))
    })
    .await;
    let webhook = hooked.subscribe("", ALL).await;
    put(&hooked, "a").await;
    let dead = only(&hooked, &webhook, "dead_letter").await;
    assert_eq!(dead["responseStatus"], 307);
    assert!(dead["errorMessage"].as_str().unwrap().contains("redirect"), "{dead}");
    assert!(hooked.receiver.requests().iter().all(|request| request.target() == "/hook?token=1"));
}

#[tokio::test]
async fn a_receiver_that_never_answers_is_not_waited_for() {
    let never = Arc::new(Semaphore::new(0));
    let hooked = Hooked::with("attempts_max = 1\ndelivery_timeout_seconds = 1", move |request| {
        request.is_complete.then(|| reply("200 OK").after(&never))
    })
    .await;
    let webhook = hooked.subscribe("", ALL).await;
    put(&hooked, "a").await;
    let dead = only(&hooked, &webhook, "dead_letter").await;
    assert_eq!(
        (&dead["errorMessage"], &dead["responseStatus"]),
        (&json!("no answer within 1 seconds"), &Value::Null)
    );
}

#[tokio::test]
async fn a_name_that_leads_into_a_private_network_is_not_connected_to() {
    let hooked = Hooked::with("attempts_max = 1", in_turn(&[])).await;
    let url = hooked.url().replace("127.0.0.1", "localhost");
    let body = format!(r#"{{"url":"{url}","bucket":"photos"}}"#);
    let made = hooked.ask("/api/v1/webhooks/create", &body).await;
    let webhook = made["webhookId"].as_str().unwrap();
    put(&hooked, "a").await;
    let dead = only(&hooked, webhook, "dead_letter").await;
    assert!(dead["errorMessage"].as_str().unwrap().contains("public Internet"), "{dead}");
    assert!(hooked.receiver.requests().is_empty());
    let body = r#"{"url":"http://127.0.0.1:1/","bucket":"photos"}"#;
    hooked.refused("/api/v1/webhooks/create", body, "ENDPOINT_NOT_ALLOWED").await;
}

#[tokio::test]
async fn what_was_given_up_can_be_retried() {
    let hooked = Hooked::with("attempts_max = 2", in_turn(&["500 No", "500 No"])).await;
    let webhook = hooked.subscribe("", ALL).await;
    put(&hooked, "a").await;
    let dead = only(&hooked, &webhook, "dead_letter").await;
    assert_eq!((&dead["attemptCount"], &dead["errorMessage"]), (&json!(2), &json!("answered 500")));
    let listed = success(&hooked.send("GET", "/api/v1/webhooks/list").await);
    assert_eq!(listed["webhooks"][0]["deadLetters"], 1);
    let path = format!("/api/v1/webhooks/status/{webhook}");
    let letters = success(&hooked.send("GET", &format!("{path}?status=dead_letter&limit=1")).await);
    assert_eq!(letters["deliveries"][0]["id"], dead["id"]);
    let done = success(&hooked.send("GET", &format!("{path}?status=completed")).await);
    assert_eq!(done["deliveries"], json!([]));
    let retried = success(
        &hooked.send("POST", &format!("/api/v1/webhooks/{}/retry", dead["id"].as_str().unwrap())).await,
    );
    assert_eq!(retried["retried"], 1);
    let delivered = only(&hooked, &webhook, "completed").await;
    assert_eq!((&delivered["id"], &delivered["attemptCount"]), (&dead["id"], &json!(1)));
    let none = success(&hooked.send("POST", &format!("/api/v1/webhooks/{webhook}/retry")).await);
    assert_eq!(none["retried"], 0);
}

#[tokio::test]
async fn a_deleted_webhook_is_told_nothing_more() {
    let hooked = Hooked::start().await;
    let (gone, kept) = (hooked.subscribe("", ALL).await, hooked.subscribe("", ALL).await);
    assert_eq!(hooked.send("DELETE", &format!("/api/v1/webhooks/{gone}")).await.status, 200);
    assert_eq!(hooked.send("DELETE", &format!("/api/v1/webhooks/{gone}")).await.code(), "WEBHOOK_NOT_FOUND");
    put(&hooked, "a").await;
    only(&hooked, &kept, "completed").await;
    let told = hooked.delivered();
    assert_eq!(told.iter().map(|told| &told["webhookId"]).collect::<Vec<_>>(), [&json!(kept)]);
}

#[tokio::test]
async fn one_receiver_that_hangs_does_not_hold_up_another() {
    let never = Arc::new(Semaphore::new(0));
    let hooked =
        Hooked::with("delivery_timeout_seconds = 120\ndeliveries_in_flight_max = 16", in_turn(&[])).await;
    let hanging =
        Recorder::answering(move |request| request.is_complete.then(|| reply("200 OK").after(&never))).await;
    let toml = config(
        &hooked.store.endpoint(),
        &hooked.receiver.endpoint(),
        "delivery_timeout_seconds = 120\ndeliveries_in_flight_max = 16",
    );
    let both = format!("endpoints = [\"{}\", \"{}\"]", hooked.receiver.endpoint(), hanging.endpoint());
    let one = format!("endpoints = [\"{}\"]\nretry", hooked.receiver.endpoint());
    hooked.gateway.reload_toml(&toml.replace(&one, &format!("{both}\nretry"))).await;
    let body = format!(r#"{{"url":"{}/","bucket":"photos"}}"#, hanging.endpoint());
    hooked.ask("/api/v1/webhooks/create", &body).await;
    hooked.subscribe("", ALL).await;
    for number in 0..30 {
        put(&hooked, &format!("k{number}")).await;
    }
    assert_eq!(hooked.until_delivered(30).await.len(), 30);
    assert!(hanging.requests().len() <= 8, "it has no more than its share");
}

#[tokio::test]
async fn a_subscription_is_what_it_can_be() {
    let hooked = Hooked::start().await;
    for (body, code) in [
        (r#"{"url":"https://a.example"}"#, "MISSING_FIELDS"),
        (r#"{"bucket":"photos"}"#, "MISSING_FIELDS"),
        (r#"{"url":"https://a.example","bucket":"films"}"#, "UNKNOWN_PROVIDER"),
        (r#"{"url":"https://a.example","bucket":"photos","events":["object.read"]}"#, "INVALID_FIELD"),
        (r#"{"url":"https://a.example","bucket":"photos","events":[]}"#, "INVALID_FIELD"),
        (r#"{"url":"nowhere","bucket":"photos"}"#, "INVALID_FIELD"),
    ] {
        hooked.refused("/api/v1/webhooks/create", body, code).await;
    }
    let id = hooked.subscribe("", r#""object.deleted""#).await;
    let confirm = format!(r#"{{"webhookId":"{id}"}}"#);
    hooked.refused("/api/v1/webhooks/confirm", &confirm, "INVALID_FIELD").await;
    for query in ["limit=0", "limit=201", "limit=x", "status=lost"] {
        let reply = hooked.send("GET", &format!("/api/v1/webhooks/list?{query}")).await;
        assert_eq!(reply.code(), "INVALID_FIELD", "{query}");
    }
}

#[tokio::test]
async fn whoever_may_list_no_more_is_told_no_more() {
    let other =
        "[[keys]]\nid = \"other-key-0123456789abcdef\"\nallow = [{ bucket = \"*\", actions = [\"list\"] }]\n";
    let hooked = Hooked::start().await;
    let config = config(&hooked.store.endpoint(), &hooked.receiver.endpoint(), "");
    let toml = format!("{config}{other}");
    hooked.gateway.reload_toml(&toml).await;
    let blinded = hooked.subscribe("", ALL).await;
    // What the other one is told was recorded when this one's turn was over.
    let body = format!(r#"{{"url":"{}","bucket":"photos","secret":"{SECRET}"}}"#, hooked.url());
    let wire = post("/api/v1/webhooks/create", &body).replace(KEY, "other-key-0123456789abcdef");
    success(&Raw::connect(hooked.gateway.api()).await.ask(wire).await);
    put(&hooked, "a").await;
    hooked.until_delivered(2).await;
    let blind = toml.replacen(r#""delete", "list"]"#, r#""delete"]"#, 1);
    assert_ne!(blind, toml);
    hooked.gateway.reload_toml(&blind).await;
    put(&hooked, "b").await;
    hooked.until_delivered(3).await;
    hooked.gateway.reload_toml(&toml).await;
    put(&hooked, "c").await;
    let mut told = hooked.until_delivered(5).await;
    told.retain(|told| told["webhookId"] == json!(blinded));
    assert_eq!(keys(&told, "upload.completed"), ["a", "c"]);
}
