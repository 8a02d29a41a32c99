//! What a process still sends when it stood still for so long that others have taken over: nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use secrecy::ExposeSecret;
use tokio::sync::Semaphore;
use wharf::{
    clock::Clock,
    mirror::state::{Change, Currency, Outcome},
    store::{CLAIM_LEASE_SECONDS, NewIntent},
    tenure::TenureOver,
};

use super::s3_copy_streamed::{LARGE, multipart, ranged};
use crate::support::{
    database::{Database, LEASE, on_every_database},
    gateway::TestGateway,
    mirrored::{DEAD_MIRRORS, with_mirrors},
    mirroring::{self, Mirroring},
    raw::Raw,
    recorder::{Answer, Recorded, Recorder},
    s3_client::{Ask, Mode, S3_KEYS},
};

/// A little longer than a run lasts.
const TOO_LONG: Duration = LEASE.saturating_add(Duration::from_secs(1));

on_every_database! {
    async fn a_run_is_held_from_its_last_commit_until_shortly_before_others_end_it(database) {
        let is_shared = database.config().url.is_some();
        let store = database.open().await;
        let journal = store.journal();
        let Some(tenure) = journal.tenure() else {
            assert!(!is_shared);
            return;
        };
        assert!(is_shared, "nobody takes over a directory that is locked");
        let mirrors = [Arc::from("one")].into();
        let new =
            NewIntent { bucket: "photos", key: "a", change: Change::Write, mirrors: &mirrors, taken_by: None };
        let intents = journal.open_intents(&[new]).await.unwrap();
        assert_eq!(tenure.check(), Ok(()));
        database.pass(LEASE.saturating_sub(Duration::from_secs(1)));
        assert_eq!(tenure.check(), Err(TenureOver), "what leaves now may arrive when it is over");
        let other = database.open_node().await;
        assert!(other.journal().claim("photos", "one", 10).await.unwrap().is_empty(), "it is not over yet");
        database.pass(Duration::from_secs(2));
        let next = database.open_node().await;
        assert_eq!(next.journal().claim("photos", "one", 10).await.unwrap().len(), 1, "the intent is a change");
        assert_eq!(tenure.check(), Err(TenureOver));
        // What is asked for next begins a run with what is still open.
        assert!(journal.claim("photos", "two", 1).await.unwrap().is_empty());
        assert_eq!(tenure.check(), Ok(()));
        let currency = next.journal().currency("photos", "three", "a").await.unwrap();
        assert!(matches!(currency, Currency::Dirty { .. }), "{currency:?}");
        for intent in intents {
            intent.settle(Outcome::Unchanged);
        }
    }
}

#[tokio::test]
async fn the_last_byte_of_a_write_stays_here_when_another_node_may_have_taken_over() {
    let Some(mut database) = Database::postgres().await else { return };
    let recorder = Recorder::start().await;
    let url = database.config().url.clone().unwrap();
    let shared = format!("[store]\nurl = \"{}\"\n", url.expose_secret());
    let toml = with_mirrors(&recorder.endpoint(), S3_KEYS, DEAD_MIRRORS) + &shared;
    let gateway = TestGateway::start_with(&toml, database.clock()).await;
    let wire = Ask::put("/photos/a", Mode::Hash, b"hello").at(database.now()).sign();
    let mut raw = Raw::connect(gateway.s3()).await;
    raw.send(wire.head()).await;
    raw.send(b"hell").await;
    recorder.until(|record| record.iter().any(|request| request.body == b"hell")).await;
    database.pass(TOO_LONG);
    let other = database.open_node().await;
    let currency = other.journal().currency("photos", "one", "a").await.unwrap();
    assert!(matches!(currency, Currency::Dirty { .. }), "{currency:?}");
    raw.send(b"o").await;
    let reply = raw.reply().await;
    assert_eq!(reply.status, 503, "{reply:?}");
    assert!(reply.body.contains("ServiceUnavailable") && reply.header("retry-after").is_some(), "{reply:?}");
    recorder.settled().await;
    assert!(!recorder.requests().iter().any(|request| request.method() == "PUT" && request.is_complete));
    let again = Ask::put("/photos/a", Mode::Hash, b"hello").at(database.now()).sign();
    assert_eq!(again.status(&gateway).await, 200, "a new write begins a new run");
}

/// A clock that a test moves.
fn moved() -> (&'static AtomicU64, Clock) {
    let millis: &'static AtomicU64 = Box::leak(Box::new(AtomicU64::new(1_800_000_000_000)));
    (millis, Clock::Moved(millis))
}

fn pass(millis: &AtomicU64, time: Duration) {
    millis.fetch_add(u64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
}

/// What a store says of an object, to whoever reads it and to whoever only looks.
fn object(request: &Recorded, etag: &str, body: &str) -> Answer {
    let head = format!("HTTP/1.1 200 OK\r\netag: {etag}\r\ncontent-length: {}\r\n\r\n", body.len());
    Answer::new(if request.method() == "HEAD" { head } else { head + body })
}

#[tokio::test]
async fn a_copy_whose_lease_ran_out_never_arrives() {
    let gate = Arc::new(Semaphore::new(0));
    let (held, looks) = (Arc::clone(&gate), AtomicUsize::new(0));
    let source = Recorder::answering(move |request| {
        request.is_complete.then(|| match looks.fetch_add(1, Ordering::Relaxed) {
            0 => object(request, "\"one\"", "old").after(&held),
            _ => object(request, "\"two\"", "new"),
        })
    })
    .await;
    let spare = Recorder::answering(|request| {
        request.is_complete.then(|| match request.method() {
            "PUT" => Answer::stored(),
            _ => object(request, "\"0123456789abcdef0123456789abcdef\"", "new"),
        })
    })
    .await;
    let (millis, clock) = moved();
    let config = mirroring::config(&source.endpoint(), &[("spare", &spare.endpoint())], "");
    let mirroring = Mirroring::start_at(config, clock).await;
    mirroring.changed("k").await;
    source.until(|record| record.iter().any(|request| request.is_complete)).await;
    pass(millis, Duration::from_secs(CLAIM_LEASE_SECONDS + 1));
    gate.add_permits(1);
    let is_there = || async {
        pass(millis, Duration::from_secs(1));
        mirroring.backlog("spare").await.waiting == 0
    };
    mirroring.until("the next copy", is_there).await;
    let written = spare.requests().into_iter().filter(|request| request.method() == "PUT");
    let written: Vec<_> = written.filter(|request| request.is_complete).map(|request| request.body).collect();
    assert_eq!(written, [b"new"]);
}

/// What a store says of a large object.
fn large(request: &Recorded, etag: &str) -> Answer {
    let head = format!("HTTP/1.1 200 OK\r\netag: {etag}\r\ncontent-length: {LARGE}\r\n\r\n");
    Answer::new(if request.method() == "HEAD" { head.into_bytes() } else { ranged(request, LARGE, etag) })
}

#[tokio::test]
async fn a_long_copy_that_loses_its_lease_is_not_put_together() {
    let source = Recorder::answering(|request| request.is_complete.then(|| large(request, "\"one\""))).await;
    let gate = Arc::new(Semaphore::new(0));
    let (held, parts) = (Arc::clone(&gate), AtomicUsize::new(0));
    let spare = Recorder::answering(move |request| match request.method() {
        "PUT" if request.is_complete && parts.fetch_add(1, Ordering::Relaxed) == 0 => {
            Some(Answer::stored().after(&held))
        }
        "HEAD" if request.is_complete => Some(large(request, "\"whole-2\"")),
        _ => multipart(request),
    })
    .await;
    let (millis, clock) = moved();
    let config = mirroring::config(&source.endpoint(), &[("spare", &spare.endpoint())], "");
    let mirroring = Mirroring::start_at(config, clock).await;
    mirroring.changed("k").await;
    spare.until(|record| record.iter().any(|it| it.method() == "PUT" && it.is_complete)).await;
    pass(millis, Duration::from_secs(CLAIM_LEASE_SECONDS + 1));
    gate.add_permits(1);
    let posts = || {
        let posts = spare.requests().into_iter().filter(|it| it.method() == "POST" && it.is_complete);
        posts
            .map(|it| if it.target().ends_with("?uploads=") { "begin" } else { "complete" })
            .collect::<Vec<_>>()
    };
    let is_there = || async {
        if posts().len() < 2 {
            pass(millis, Duration::from_secs(1));
        }
        mirroring.backlog("spare").await.waiting == 0
    };
    mirroring.until("the next copy", is_there).await;
    assert_eq!(posts(), ["begin", "begin", "complete"]);
    let aborted = spare.requests().into_iter().filter(|it| it.method() == "DELETE").count();
    assert_eq!(aborted, 1, "the parts of the first do not stay");
}
