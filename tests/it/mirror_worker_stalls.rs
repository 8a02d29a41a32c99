//! Stores that stand still, and clocks that jump.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use wharf::{clock::Clock, mirror::report};
use wharf_wire::checksum::Md5Hasher;

use crate::support::{
    mirroring::{self, Mirroring},
    recorder::{Answer, Recorded, Recorder},
};

/// A provider that is waited for no longer than this.
fn impatient(provider: &str) -> String {
    format!("[providers.{provider}.timeouts]\nfirst_byte_seconds = 1\nstall_seconds = 1\n")
}

fn object(request: &Recorded) -> Answer {
    let head = "HTTP/1.1 200 OK\r\netag: \"one\"\r\ncontent-length: 5\r\n\r\n";
    Answer::new(if request.method() == "HEAD" { head.to_owned() } else { format!("{head}hello") })
}

/// A source that has `hello` under every key.
async fn source() -> Recorder {
    Recorder::answering(|request| request.is_complete.then(|| object(request))).await
}

/// What a store says that has stored the body: its MD5.
fn stored(request: &Recorded) -> Answer {
    let mut md5 = Md5Hasher::default();
    md5.update(&request.body);
    Answer::new(format!("HTTP/1.1 200 OK\r\netag: {}\r\ncontent-length: 0\r\n\r\n", md5.finish().to_etag()))
}

#[tokio::test]
async fn a_mirror_that_stands_still_holds_up_no_other_and_catches_up() {
    const KEYS: usize = 20;
    let source = source().await;
    let is_stuck = Arc::new(AtomicBool::new(true));
    let stuck = Arc::clone(&is_stuck);
    // It takes a request, and says nothing for ever.
    let slow = Recorder::answering(move |request| {
        (request.is_complete && !stuck.load(Ordering::Relaxed)).then(|| stored(request))
    })
    .await;
    let spare = Recorder::answering(|request| request.is_complete.then(|| stored(request))).await;
    let mirrors = [("slow", &*slow.endpoint()), ("spare", &*spare.endpoint())];
    let config = mirroring::config(&source.endpoint(), &mirrors, &impatient("slow"));
    let mirroring = Mirroring::start_with(config).await;
    for index in 0..KEYS {
        mirroring.changed(&format!("k{index}")).await;
    }
    mirroring.settled_at("spare").await;
    assert_eq!(mirroring.backlog("slow").await.waiting, KEYS as u64, "nothing is forgotten, or given up");
    let resting = "wharf_mirror_resting{bucket=\"photos\",mirror=\"slow\"} 1";
    mirroring.until("a rest", || async { mirroring.shows(resting) }).await;
    is_stuck.store(false, Ordering::Relaxed);
    mirroring.settled_at("slow").await;
    let backlog = mirroring.backlog("slow").await;
    assert!(backlog.held > 0, "what got no answer may come yet, and is looked at again: {backlog:?}");
    assert!(backlog.dead.is_empty(), "{backlog:?}");
}

#[tokio::test]
async fn a_source_that_stands_still_in_the_middle_is_read_again() {
    let is_stuck = AtomicBool::new(true);
    let source = Recorder::answering(move |request| {
        let half = "HTTP/1.1 200 OK\r\netag: \"one\"\r\ncontent-length: 5\r\n\r\nhel";
        request.is_complete.then(|| {
            let is_first = request.method() == "GET" && is_stuck.swap(false, Ordering::Relaxed);
            if is_first { Answer::new(half) } else { object(request) }
        })
    })
    .await;
    let spare = Recorder::answering(|request| request.is_complete.then(|| stored(request))).await;
    let mirrors = [("spare", &*spare.endpoint())];
    let mirroring =
        Mirroring::start_with(mirroring::config(&source.endpoint(), &mirrors, &impatient("primary"))).await;
    mirroring.changed("k").await;
    mirroring.settled().await;
    spare.settled().await;
    let puts =
        spare.requests().into_iter().filter(|request| request.method() == "PUT" && request.is_complete);
    assert_eq!(puts.map(|put| put.body).collect::<Vec<_>>(), [b"hello"], "half an object is none");
    assert_eq!(mirroring.record("k").await.primary_etag, "\"one\"");
}

#[tokio::test]
async fn a_clock_that_jumps_loses_nothing_and_holds_up_nothing_new() {
    const HOUR: u64 = 3_600_000;
    let source = source().await;
    let fails = Arc::new(AtomicBool::new(true));
    let own = Arc::clone(&fails);
    let spare = Recorder::answering(move |request| {
        let is_refused = request.target().ends_with("/refused") && own.load(Ordering::Relaxed);
        let refusal = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
        request.is_complete.then(|| if is_refused { Answer::new(refusal) } else { stored(request) })
    })
    .await;
    let millis: &'static AtomicU64 = Box::leak(Box::new(AtomicU64::new(1_800_000_000_000)));
    let clock = Clock::Moved(millis);
    let config = || mirroring::config(&source.endpoint(), &[("spare", &spare.endpoint())], "");
    let mirroring = Mirroring::start_at(config(), clock).await;
    mirroring.changed("refused").await;
    let failed = "wharf_mirror_failures_total{bucket=\"photos\",mirror=\"spare\",class=\"transient\"} 1";
    mirroring.until("a failure", || async { mirroring.shows(failed) }).await;
    fails.store(false, Ordering::Relaxed);
    // Back: what was to be tried again in a second is now an hour away, and everybody else is not.
    millis.fetch_sub(HOUR, Ordering::Relaxed);
    mirroring.changed("back").await;
    mirroring.until("the new one", || async { mirroring.backlog("spare").await.waiting == 1 }).await;
    mirroring.record("back").await;
    let status = report::status(&config(), mirroring.journal.journal(), clock.now()).await.unwrap();
    assert_eq!(status[0].lag_seconds, 0, "a change that is yet to come has no age");
    // Forth again, and further.
    millis.fetch_add(2 * HOUR, Ordering::Relaxed);
    mirroring.changed("forth").await;
    mirroring.settled().await;
    mirroring.record("forth").await;
    mirroring
        .until("all of them", || async {
            millis.fetch_add(60_000, Ordering::Relaxed);
            let backlog = mirroring.backlog("spare").await;
            (backlog.waiting, backlog.held, backlog.dead.len()) == (0, 0, 0)
        })
        .await;
    mirroring.record("refused").await;
}
