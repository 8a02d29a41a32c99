//! The mirrors' workers when a store does not do as it should: recorders stand in for one side or both.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use wharf::{clock::Clock, mirror::report};
use wharf_wire::checksum::{ChecksumAlgorithm, Md5Hasher};

use super::s3_copy_streamed::{LARGE, multipart, ranged};
use crate::support::{
    mirroring::{self, Mirroring},
    recorder::{Answer, Recorded, Recorder},
    s3_client::checksum,
    store,
};

/// A reply with a document.
fn xml(status: &str, headers: &str, body: &str) -> Answer {
    Answer::new(format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()))
}

fn error(status: &str, headers: &str, code: &str) -> Answer {
    xml(status, headers, &format!("<Error><Code>{code}</Code><Message>m</Message></Error>"))
}

/// What a store says of an object, to whoever reads it and to whoever only looks.
fn object(request: &Recorded, etag: &str, headers: &str, body: &str) -> Answer {
    let head = format!("HTTP/1.1 200 OK\r\netag: {etag}\r\n{headers}content-length: {}\r\n\r\n", body.len());
    Answer::new(if request.method() == "HEAD" { head } else { head + body })
}

/// A source that has `hello` under every key.
async fn source() -> Recorder {
    Recorder::answering(|request| request.is_complete.then(|| object(request, "\"one\"", "", "hello"))).await
}

/// What a store says that has stored the body: its MD5.
fn stored(request: &Recorded) -> Answer {
    let mut md5 = Md5Hasher::default();
    md5.update(&request.body);
    xml("200 OK", &format!("etag: {}\r\n", md5.finish().to_etag()), "")
}

fn writes(recorder: &Recorder) -> Vec<Recorded> {
    let requests = recorder.requests().into_iter();
    requests.filter(|request| request.method() == "PUT" && request.is_complete).collect()
}

fn counted(name: &str, class: &str, count: u32) -> String {
    format!("wharf_mirror_{name}{{bucket=\"photos\",mirror=\"spare\",class=\"{class}\"}} {count}")
}

#[tokio::test]
async fn a_mirror_that_asks_for_patience_gets_it() {
    let source = source().await;
    let refusals = AtomicUsize::new(1);
    let spare = Recorder::answering(move |request| {
        let refuses = request.is_complete
            && refusals
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                .is_ok();
        request.is_complete.then(|| {
            if refuses {
                error("503 Service Unavailable", "retry-after: 1\r\n", "SlowDown")
            } else {
                stored(request)
            }
        })
    })
    .await;
    let mirroring = Mirroring::start(&source.endpoint(), &spare.endpoint()).await;
    mirroring.changed("k").await;
    mirroring.settled().await;
    assert_eq!(writes(&spare).len(), 2);
    assert!(mirroring.shows(&counted("failures_total", "throttled", 1)));
    assert_eq!(mirroring.record("k").await.primary_etag, "\"one\"");
}

#[tokio::test]
async fn a_source_that_breaks_off_leaves_nothing_and_is_read_again() {
    let breaks = AtomicBool::new(true);
    let source = Recorder::answering(move |request| {
        let is_broken =
            request.is_complete && request.method() == "GET" && breaks.swap(false, Ordering::Relaxed);
        let half = "HTTP/1.1 200 OK\r\netag: \"one\"\r\ncontent-length: 5\r\n\r\nhel";
        request.is_complete.then(|| {
            if is_broken { Answer::and_reset(half) } else { object(request, "\"one\"", "", "hello") }
        })
    })
    .await;
    let spare = Recorder::answering(|request| request.is_complete.then(|| stored(request))).await;
    let mirroring = Mirroring::start(&source.endpoint(), &spare.endpoint()).await;
    mirroring.changed("k").await;
    mirroring.settled().await;
    let bodies: Vec<_> = writes(&spare).into_iter().map(|write| write.body).collect();
    assert_eq!(bodies, [b"hello"]);
}

#[tokio::test]
async fn a_source_that_is_not_what_its_checksum_says_is_given_up_and_never_written() {
    let wrong = format!("x-amz-checksum-crc32: {}\r\n", checksum(ChecksumAlgorithm::Crc32, b"other"));
    let source = Recorder::answering(move |request| {
        request.is_complete.then(|| object(request, "\"one\"", &wrong, "hello"))
    })
    .await;
    let spare = Recorder::answering(|request| request.is_complete.then(|| stored(request))).await;
    let mirroring = Mirroring::start(&source.endpoint(), &spare.endpoint()).await;
    mirroring.changed("k").await;
    let dead = mirroring.one_dead().await;
    assert_eq!(dead.row.class.unwrap().as_str(), "permanent");
    assert!(dead.error.contains("checksum"), "{dead:?}");
    assert_eq!(writes(&spare).len(), 0);
}

#[tokio::test]
async fn what_a_mirror_wrote_is_asked_for_where_its_etag_proves_nothing() {
    let right = format!("x-amz-checksum-crc64nvme: {}\r\n", checksum(ChecksumAlgorithm::Crc64Nvme, b"hello"));
    let wrong = format!("x-amz-checksum-crc64nvme: {}\r\n", checksum(ChecksumAlgorithm::Crc64Nvme, b"other"));
    for (headers, body, is_right) in
        [(right, "hello", true), (wrong, "hello", false), (String::new(), "hell", false)]
    {
        let source = source().await;
        let spare = Recorder::answering(move |request| {
            request.is_complete.then(|| match request.method() {
                "PUT" => xml("200 OK", "etag: \"theirs\"\r\n", ""),
                _ => object(request, "\"theirs\"", &headers, body),
            })
        })
        .await;
        let mirroring = Mirroring::start(&source.endpoint(), &spare.endpoint()).await;
        mirroring.changed("k").await;
        if is_right {
            mirroring.settled().await;
            assert_eq!(mirroring.record("k").await.mirror_etag, "\"theirs\"");
        } else {
            let dead = mirroring.one_dead().await;
            assert!(dead.error.contains("the target is damaged"), "{dead:?}");
        }
    }
}

#[tokio::test]
async fn an_error_below_a_200_is_an_error() {
    let source =
        Recorder::answering(|request| request.is_complete.then(|| Answer::new(looked(request)))).await;
    let fails = AtomicBool::new(true);
    let spare = Recorder::answering(move |request| {
        let completes =
            request.is_complete && request.method() == "POST" && !request.target().ends_with("?uploads=");
        if completes && fails.swap(false, Ordering::Relaxed) {
            return Some(error("200 OK", "", "InternalError"));
        }
        if request.is_complete && request.method() == "HEAD" {
            let head = format!("HTTP/1.1 200 OK\r\netag: \"whole-2\"\r\ncontent-length: {LARGE}\r\n\r\n");
            return Some(Answer::new(head));
        }
        multipart(request)
    })
    .await;
    let mirroring = Mirroring::start(&source.endpoint(), &spare.endpoint()).await;
    mirroring.changed("k").await;
    mirroring.settled().await;
    // What was answered so may still happen: the key is looked at once more before it counts as equal.
    assert_eq!(mirroring.backlog("spare").await.held, 1);
    let begun =
        spare.requests().into_iter().filter(|request| request.target().ends_with("?uploads=")).count();
    assert_eq!(begun, 2);
}

/// A large source, also for who only looks.
fn looked(request: &Recorded) -> Vec<u8> {
    let mut answer = ranged(request, LARGE, "\"one\"");
    if request.method() == "HEAD" {
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        answer.truncate(end + 4);
    }
    answer
}

#[tokio::test]
async fn a_poison_object_is_given_up_and_its_neighbours_arrive() {
    let one = store::start(mirroring::BUCKET).await;
    let spare = Recorder::answering(|request| {
        let is_poison = request.target().ends_with("/poison");
        request
            .is_complete
            .then(|| if is_poison { error("400 Bad Request", "", "EntityTooLarge") } else { stored(request) })
    })
    .await;
    let mirroring = Mirroring::start(&one.endpoint(), &spare.endpoint()).await;
    let keys = ["poison", "a", "b", "c", "d"];
    for key in keys {
        mirroring.at("primary", key).put(key, &[]).await;
        mirroring.changed(key).await;
    }
    let dead = mirroring.one_dead().await;
    mirroring.settled().await;
    assert_eq!((&*dead.key, dead.row.class.unwrap().as_str()), ("poison", "permanent"));
    assert!(dead.error.contains("EntityTooLarge"), "{dead:?}");
    for key in &keys[1..] {
        mirroring.record(key).await;
    }
    // Redriven once it can work, it does.
    assert_eq!(mirroring.journal.journal().redrive(&wharf::store::DeadFilter::default()).await.unwrap(), 1);
    assert_eq!(mirroring.one_dead().await.row.attempts, dead.row.attempts, "it began anew");
}

#[tokio::test]
async fn a_key_that_is_refused_alone_holds_up_nobody() {
    let one = store::start(mirroring::BUCKET).await;
    let spare = Recorder::answering(|request| {
        let is_poison = request.target().ends_with("/poison");
        request
            .is_complete
            .then(|| if is_poison { error("403 Forbidden", "", "AccessDenied") } else { stored(request) })
    })
    .await;
    let mirroring = Mirroring::start(&one.endpoint(), &spare.endpoint()).await;
    mirroring.at("primary", "poison").put("p", &[]).await;
    mirroring.changed("poison").await;
    spare.until(|record| !record.is_empty()).await;
    for key in ["a", "b", "c"] {
        mirroring.at("primary", key).put(key, &[]).await;
        mirroring.changed(key).await;
        mirroring
            .until("the only one that waits", || async { mirroring.backlog("spare").await.waiting == 1 })
            .await;
        mirroring.record(key).await;
    }
    assert!(mirroring.dead().await.is_empty());
}

#[tokio::test]
async fn a_mirror_that_refuses_everything_is_left_alone_until_it_is_mended() {
    let one = store::start(mirroring::BUCKET).await;
    let is_mended = Arc::new(AtomicBool::new(false));
    let mended = Arc::clone(&is_mended);
    let spare = Recorder::answering(move |request| {
        let is_mended = mended.load(Ordering::Relaxed);
        request.is_complete.then(|| {
            if is_mended { stored(request) } else { error("403 Forbidden", "", "InvalidAccessKeyId") }
        })
    })
    .await;
    let config = || mirroring::config(&one.endpoint(), &[("spare", &spare.endpoint())], "");
    let mirroring = Mirroring::start_with(config()).await;
    for number in 0..100 {
        let key = format!("k{number}");
        mirroring.at("primary", &key).put("hello", &[]).await;
        mirroring.changed(&key).await;
    }
    let resting = "wharf_mirror_resting{bucket=\"photos\",mirror=\"spare\"} 1";
    mirroring.until("a rest", || async { mirroring.shows(resting) }).await;
    spare.settled().await;
    assert!(spare.requests().len() < 100, "it was asked {} times", spare.requests().len());
    assert!(mirroring.dead().await.is_empty());
    let status = report::status(&config(), mirroring.journal.journal(), Clock::System.now()).await.unwrap();
    let trouble = status[0].trouble.as_ref().unwrap();
    assert_eq!(trouble.class, "auth");
    assert!(trouble.error.contains("InvalidAccessKeyId"), "{trouble:?}");
    assert!(trouble.next_try > Clock::System.now().rfc3339(), "{trouble:?}");
    is_mended.store(true, Ordering::Relaxed);
    mirroring.reload(config());
    mirroring.settled().await;
    assert_eq!(
        writes(&spare).iter().filter(|write| write.body == b"hello").count() % 100,
        spare.requests().len() % 100
    );
    assert!(!mirroring.shows(resting));
    let status = report::status(&config(), mirroring.journal.journal(), Clock::System.now()).await.unwrap();
    assert_eq!(status[0].trouble, None);
}

#[tokio::test]
async fn the_lag_of_a_mirror_is_the_age_of_the_oldest_change_that_it_lacks() {
    let source = source().await;
    let spare = Recorder::answering(|request| {
        let is_slow = request.target().ends_with("/slow");
        request
            .is_complete
            .then(|| if is_slow { error("503 Service Unavailable", "", "SlowDown") } else { stored(request) })
    })
    .await;
    let millis: &'static AtomicU64 = Box::leak(Box::new(AtomicU64::new(1_800_000_000_000)));
    let clock = Clock::Moved(millis);
    let config = || mirroring::config(&source.endpoint(), &[("spare", &spare.endpoint())], "");
    let mirroring = Mirroring::start_at(config(), clock).await;
    let lag = async || {
        let status = report::status(&config(), mirroring.journal.journal(), clock.now()).await.unwrap();
        status[0].lag_seconds
    };
    mirroring.changed("quick").await;
    mirroring.settled().await;
    assert_eq!(lag().await, 0, "it lacks nothing");
    mirroring.changed("slow").await;
    millis.fetch_add(75_000, Ordering::Relaxed);
    assert_eq!(lag().await, 75);
    mirroring.changed("slow").await;
    mirroring.changed("young").await;
    millis.fetch_add(10_000, Ordering::Relaxed);
    assert_eq!(lag().await, 85, "a newer change makes an older one no younger");
    let shown = "wharf_mirror_lag_seconds{bucket=\"photos\",mirror=\"spare\"} 85";
    mirroring.until("the gauge", || async { mirroring.shows(shown) }).await;
}

#[tokio::test]
async fn a_source_that_somebody_changes_meanwhile_is_copied_again() {
    let looks = AtomicUsize::new(0);
    let source = Recorder::answering(move |request| {
        request.is_complete.then(|| {
            // The first GET still gets the old one; whoever comes later, the new.
            match looks.fetch_add(1, Ordering::Relaxed) {
                0 => object(request, "\"one\"", "", "old"),
                _ => object(request, "\"two\"", "", "new"),
            }
        })
    })
    .await;
    let spare = Recorder::answering(|request| request.is_complete.then(|| stored(request))).await;
    let mirroring = Mirroring::start(&source.endpoint(), &spare.endpoint()).await;
    mirroring.changed("k").await;
    mirroring.settled().await;
    let bodies: Vec<_> = writes(&spare).into_iter().map(|write| write.body).collect();
    assert_eq!(bodies, [b"old", b"new"]);
    assert_eq!(mirroring.record("k").await.primary_etag, "\"two\"");
}

/// A store that keeps one object and its tags.
async fn tagged(tags: Arc<Mutex<String>>) -> Recorder {
    Recorder::answering(move |request| {
        if !request.is_complete {
            return None;
        }
        let mut tags = tags.lock().unwrap();
        Some(match (request.method(), request.target().ends_with("?tagging=")) {
            ("GET", true) => xml("200 OK", "", &tags),
            ("PUT", true) => {
                *tags = String::from_utf8(request.body.clone()).unwrap();
                xml("200 OK", "", "")
            }
            ("PUT", false) => stored(request),
            _ if request.header("if-none-match").is_some() => {
                Answer::new("HTTP/1.1 304 Not Modified\r\n\r\n")
            }
            _ => {
                object(request, "\"5d41402abc4b2a76b9719d911017c592\"", "x-amz-tagging-count: 1\r\n", "hello")
            }
        })
    })
    .await
}

fn tagging(value: &str) -> String {
    format!("<Tagging><TagSet><Tag><Key>a</Key><Value>{value}</Value></Tag></TagSet></Tagging>")
}

#[tokio::test]
async fn tags_go_along_and_alone() {
    let [one_tags, two_tags] = [tagging("1"), tagging("1")].map(|tags| Arc::new(Mutex::new(tags)));
    let (one, two) = (tagged(Arc::clone(&one_tags)).await, tagged(Arc::clone(&two_tags)).await);
    let mirroring = Mirroring::start(&one.endpoint(), &two.endpoint()).await;
    mirroring.changed("k").await;
    mirroring.settled().await;
    assert_eq!(writes(&two)[0].header("x-amz-tagging"), Some("a=1"));
    *one_tags.lock().unwrap() = tagging("2");
    mirroring.changed("k").await;
    mirroring.settled().await;
    let writes = writes(&two);
    assert_eq!(writes.len(), 2, "the object was not written again");
    assert_eq!(writes[1].target(), "/photos/k?tagging=");
    assert!(two_tags.lock().unwrap().contains("<Value>2</Value>"));
    mirroring.changed("k").await;
    mirroring.settled().await;
    assert_eq!(two.requests().iter().filter(|request| request.method() == "PUT").count(), 2, "all is equal");
}

#[tokio::test]
async fn a_mirror_that_has_no_tags_gets_the_object() {
    let one = tagged(Arc::new(Mutex::new(tagging("1")))).await;
    let spare = Recorder::answering(|request| {
        let is_about_tags =
            request.header("x-amz-tagging").is_some() || request.target().ends_with("?tagging=");
        request.is_complete.then(|| match request.method() {
            _ if is_about_tags => error("501 Not Implemented", "", "NotImplemented"),
            "PUT" => stored(request),
            _ => object(request, "\"5d41402abc4b2a76b9719d911017c592\"", "", "hello"),
        })
    })
    .await;
    let mirroring = Mirroring::start(&one.endpoint(), &spare.endpoint()).await;
    for _ in 0..2 {
        mirroring.changed("k").await;
        mirroring.settled().await;
        mirroring.record("k").await;
    }
    let tagged: Vec<_> = writes(&spare).iter().map(|write| write.header("x-amz-tagging").is_some()).collect();
    assert_eq!(tagged, [true, false]);
}

#[tokio::test]
async fn what_nobody_can_read_is_said_so() {
    for (status, code, class) in [
        ("400 Bad Request", "InvalidRequest", "customer-key"),
        ("403 Forbidden", "InvalidObjectState", "archived"),
    ] {
        let source =
            Recorder::answering(move |request| request.is_complete.then(|| error(status, "", code))).await;
        let spare = Recorder::start().await;
        let mirroring = Mirroring::start(&source.endpoint(), &spare.endpoint()).await;
        mirroring.changed("k").await;
        assert_eq!(mirroring.one_dead().await.row.class.unwrap().as_str(), class);
        assert!(spare.requests().is_empty());
        mirroring.until("the gauge", || async { mirroring.shows(&counted("dead_keys", class, 1)) }).await;
    }
}

#[tokio::test]
async fn a_bucket_that_is_gone_is_no_deleted_object() {
    let source = Recorder::answering(|request| {
        request.is_complete.then(|| error("404 Not Found", "", "NoSuchBucket"))
    })
    .await;
    let spare = Recorder::start().await;
    let mirroring = Mirroring::start(&source.endpoint(), &spare.endpoint()).await;
    mirroring.deleted("k").await;
    mirroring.until("a failure", || async { mirroring.shows(&counted("failures_total", "config", 1)) }).await;
    assert!(spare.requests().is_empty());
    assert_eq!(mirroring.backlog("spare").await.waiting, 1);
}

#[tokio::test]
async fn a_mirror_that_falls_behind_is_an_event_and_so_is_its_return() {
    let one = store::start(mirroring::BUCKET).await;
    let is_well = Arc::new(AtomicBool::new(false));
    let well = Arc::clone(&is_well);
    let spare = Recorder::answering(move |request| {
        let is_well = well.load(Ordering::Relaxed);
        request.is_complete.then(|| {
            if is_well { stored(request) } else { error("503 Service Unavailable", "", "ServiceUnavailable") }
        })
    })
    .await;
    let webhook = Recorder::start().await;
    let more = format!(
        "[mirroring]\nlag_alert_seconds = 1\nalert_webhook = \"{}/hook?secret=s\"",
        webhook.endpoint()
    );
    let config = mirroring::config(&one.endpoint(), &[("spare", &spare.endpoint())], &more);
    let mirroring = Mirroring::start_with(config).await;
    mirroring.at("primary", "k").put("hello", &[]).await;
    mirroring.changed("k").await;
    webhook.until(|record| record.iter().any(|event| event.is_complete)).await;
    is_well.store(true, Ordering::Relaxed);
    webhook.until(|record| record.iter().filter(|event| event.is_complete).count() == 2).await;
    let events: Vec<String> =
        webhook.requests().into_iter().map(|event| String::from_utf8(event.body).unwrap()).collect();
    assert!(
        events[0].contains("\"event\":\"mirror_fell_behind\"") && events[0].contains("\"mirror\":\"spare\"")
    );
    assert!(events[1].contains("\"event\":\"mirror_caught_up\""), "{events:?}");
    assert_eq!(webhook.requests()[0].target(), "/hook?secret=s");
}
