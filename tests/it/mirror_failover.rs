//! Reads while the primary is down: what is known to be current is served from a mirror as the primary's, nothing else is
//! served unmarked, and no absence is told that nobody has made sure of.

use http::Method;
use wharf::store::Journal;
use wharf_wire::{checksum::Md5Hasher, date::Timestamp};

use crate::support::{
    copies::{MODIFIED, STORED, config, note_current, note_dirty, record},
    gateway::TestGateway,
    raw::Reply,
    recorder::{Answer, Recorder},
    s3_client::{Ask, Mode, S3_KEYS, in_front_of},
    store::Restartable,
};

const BODY: &[u8] = b"0123456789abcdef";

/// What the primary calls the object: no mirror calls it so.
const PRIMARY_ETAG: &str = "\"0123456789abcdef0123456789abcdef-2\"";
const DATE: &str = "Fri, 24 May 2013 00:00:00 GMT";
const DAY_BEFORE: &str = "Thu, 23 May 2013 00:00:00 GMT";

fn md5(body: &[u8]) -> String {
    let mut md5 = Md5Hasher::default();
    md5.update(body);
    md5.finish().to_etag()
}

/// A primary that is down, a mirror that has `BODY` under some keys, and a gateway before them.
struct Down {
    primary: Restartable,
    mirror: Restartable,
    gateway: TestGateway,
}

impl Down {
    async fn with(settings: &str, journal: impl AsyncFnOnce(&Journal)) -> Self {
        let (mut primary, mirror) = (Restartable::start(STORED).await, Restartable::start(STORED).await);
        for key in ["current", "dirty", "unknown", "at primary"] {
            put(&mirror, &format!("copy/{key}"), BODY).await;
        }
        put(&primary, "current", b"from the primary").await;
        primary.stop().await;
        let toml = [S3_KEYS, &config(&primary.endpoint(), &[&mirror.endpoint()], settings)].concat();
        let gateway = TestGateway::start_after(&toml, async |known| {
            note_current(known, "one", "current", record(PRIMARY_ETAG, &md5(BODY), BODY.len())).await;
            note_dirty(known, "one", "dirty").await;
            journal(known).await;
        })
        .await;
        Self { primary, mirror, gateway }
    }

    async fn get(&self, key: &str) -> Reply {
        Ask::get(&format!("/photos/{key}")).sign().send(&self.gateway).await
    }

    async fn ask(&self, ask: Ask<'_>) -> Reply {
        ask.sign().send(&self.gateway).await
    }

    async fn head(&self, key: &str, headers: &[(&str, &str)]) -> Reply {
        let mut ask = Ask::new(Method::HEAD, &format!("/photos/{key}"));
        for (name, value) in headers {
            ask = ask.header(name, value);
        }
        ask.sign().send_head(&self.gateway).await
    }
}

/// Writes an object behind Wharf's back.
async fn put(store: &Restartable, key: &str, body: &[u8]) {
    let gateway = TestGateway::start(&in_front_of(&store.endpoint(), S3_KEYS)).await;
    let path = format!("/photos/{}", key.replace(' ', "%20"));
    let put =
        Ask::put(&path, Mode::Hash, body).header("content-type", "text/plain").header("x-amz-meta-a", "b");
    assert_eq!(put.sign().send(&gateway).await.status, 200, "{key}");
}

#[track_caller]
fn assert_unserved(reply: &Reply) {
    assert_eq!((reply.status, reply.s3_code()), (503, "ServiceUnavailable"), "{reply:?}");
    assert_eq!(reply.header("x-wharf-served-from"), None, "{reply:?}");
    assert!(reply.header("retry-after").is_some(), "{reply:?}");
}

#[tokio::test]
async fn what_is_current_is_served_as_the_primarys() {
    let mut down = Down::with("", async |_| {}).await;
    let reply = down.get("current").await;
    assert_eq!((reply.status, reply.body.as_bytes()), (200, BODY), "{reply:?}");
    for (name, value) in [
        ("etag", PRIMARY_ETAG),
        ("last-modified", DATE),
        ("content-type", "text/plain"),
        ("x-amz-meta-a", "b"),
        ("content-length", "16"),
        ("x-wharf-served-from", "one"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{reply:?}");
    }
    assert_eq!(reply.header("x-wharf-stale"), None, "{reply:?}");
    let head = down.head("current", &[]).await;
    assert_eq!(
        (head.status, head.header("etag"), head.header("content-length")),
        (200, Some(PRIMARY_ETAG), Some("16"))
    );
    let served = "wharf_mirror_reads_total{bucket=\"photos\",mirror=\"one\",kind=\"current\"} 2";
    assert!(down.gateway.shows(served).await);
    down.primary.restart().await;
    let reply = loop {
        // Its breaker may still be open.
        let reply = down.get("current").await;
        if reply.header("x-wharf-served-from").is_none() {
            break reply;
        }
    };
    assert_eq!((reply.status, reply.body.as_str()), (200, "from the primary"), "{reply:?}");
}

#[tokio::test]
async fn ranges_hold() {
    let down = Down::with("", async |_| {}).await;
    for (range, status, content_range, body) in [
        ("bytes=2-5", 206, Some("bytes 2-5/16"), "2345"),
        ("bytes=-3", 206, Some("bytes 13-15/16"), "def"),
        ("bytes=14-99", 206, Some("bytes 14-15/16"), "ef"),
    ] {
        let reply = down.ask(Ask::get("/photos/current").header("range", range)).await;
        let got = (reply.status, reply.header("content-range"), reply.body.as_str());
        assert_eq!(got, (status, content_range, body), "{range} {reply:?}");
        assert_eq!(reply.header("etag"), Some(PRIMARY_ETAG));
    }
    let beyond = down.ask(Ask::get("/photos/current").header("range", "bytes=16-")).await;
    assert_eq!((beyond.status, beyond.s3_code()), (416, "InvalidRange"), "{beyond:?}");
    assert_eq!(beyond.header("x-wharf-served-from"), Some("one"), "{beyond:?}");
}

#[tokio::test]
async fn conditions_are_about_the_primarys_object() {
    let down = Down::with("", async |_| {}).await;
    let mirror_etag = md5(BODY);
    for (name, value, status) in [
        ("if-match", PRIMARY_ETAG, 200),
        ("if-match", mirror_etag.as_str(), 412),
        ("if-none-match", PRIMARY_ETAG, 304),
        ("if-none-match", mirror_etag.as_str(), 200),
        ("if-modified-since", DATE, 304),
        ("if-modified-since", DAY_BEFORE, 200),
        ("if-unmodified-since", DATE, 200),
        ("if-unmodified-since", DAY_BEFORE, 412),
    ] {
        let reply = down.head("current", &[(name, value)]).await;
        assert_eq!(reply.status, status, "{name}: {value} {reply:?}");
        assert_eq!(reply.header("x-wharf-served-from"), Some("one"), "{reply:?}");
        if status != 412 {
            assert_eq!(reply.header("etag"), Some(PRIMARY_ETAG), "{reply:?}");
        }
    }
}

#[tokio::test]
async fn what_may_be_older_is_not_served() {
    let down = Down::with("", async |_| {}).await;
    for key in ["dirty", "unknown", "missing"] {
        assert_unserved(&down.get(key).await);
    }
    assert_eq!(down.head("dirty", &[]).await.status, 503);
}

#[tokio::test]
async fn what_may_be_older_is_marked_where_the_bucket_wants_it() {
    let down = Down::with("failover = { reads = \"stale\" }", async |_| {}).await;
    for key in ["dirty", "unknown"] {
        let reply = down.get(key).await;
        assert_eq!((reply.status, reply.body.as_bytes()), (200, BODY), "{reply:?}");
        let marks = (reply.header("x-wharf-served-from"), reply.header("x-wharf-stale"));
        assert_eq!(marks, (Some("one"), Some("true")), "{reply:?}");
    }
    let current = down.get("current").await;
    assert_eq!((current.header("etag"), current.header("x-wharf-stale")), (Some(PRIMARY_ETAG), None));
    assert_unserved(&down.get("missing").await);
    // Whoever wants a certain object is not given another one, nor told that there is none.
    let certain = Ask::get("/photos/dirty").header("if-match", PRIMARY_ETAG);
    assert_unserved(&down.ask(certain).await);
}

#[tokio::test]
async fn a_bucket_can_do_without() {
    let down = Down::with("failover = { reads = \"off\" }", async |_| {}).await;
    assert_unserved(&down.get("current").await);
}

#[tokio::test]
async fn an_absence_is_told_only_after_a_complete_synchronisation() {
    let down = Down::with("", async |journal| {
        journal.start_sync("photos", "one").await.unwrap();
    })
    .await;
    assert_unserved(&down.get("missing").await);
    let down = Down::with("", async |journal| {
        journal.start_sync("photos", "one").await.unwrap();
        journal.complete_sync("photos", "one").await.unwrap();
    })
    .await;
    let reply = down.get("missing").await;
    assert_eq!((reply.status, reply.s3_code()), (404, "NoSuchKey"), "{reply:?}");
    assert_eq!(reply.header("x-wharf-served-from"), Some("one"), "{reply:?}");
    // Nobody has recorded this one, so what it is worth is unknown.
    assert_unserved(&down.get("unknown").await);
    assert_unserved(&down.get("dirty").await);
}

#[tokio::test]
async fn another_object_than_the_recorded_one_is_not_served() {
    let down = Down::with("", async |_| {}).await;
    put(&down.mirror, "copy/current", b"FEDCBA9876543210").await;
    assert_unserved(&down.get("current").await);
    assert_eq!(down.head("current", &[]).await.status, 503);
}

#[tokio::test]
async fn what_mirrors_have_nothing_of_waits_for_the_primary() {
    let down = Down::with("failover = { reads = \"stale\" }", async |_| {}).await;
    for target in [
        "/photos/current?versionId=1",
        "/photos/current?partNumber=1",
        "/photos/current?tagging",
        "/photos/current?attributes",
        "/photos?list-type=2",
    ] {
        let ask = Ask::get(target).header("x-amz-object-attributes", "ETag");
        let reply = down.ask(ask).await;
        assert_eq!((reply.status, reply.header("x-wharf-served-from")), (503, None), "{target} {reply:?}");
    }
    let write = Ask::put("/photos/current", Mode::Hash, b"new").sign().send(&down.gateway).await;
    assert_eq!(write.status, 503, "{write:?}");
}

#[tokio::test]
async fn the_next_mirror_answers_when_the_first_cannot() {
    let (mut primary, mirror) = (Restartable::start(STORED).await, Restartable::start(STORED).await);
    put(&mirror, "copy/a", BODY).await;
    let mut first = Restartable::start(STORED).await;
    let endpoints = [first.endpoint(), mirror.endpoint()];
    let endpoints = endpoints.each_ref().map(String::as_str);
    let toml = [S3_KEYS, &config(&primary.endpoint(), &endpoints, "")].concat();
    primary.stop().await;
    first.stop().await;
    let gateway = TestGateway::start_after(&toml, async |journal| {
        for mirror in ["one", "two"] {
            note_current(journal, mirror, "a", record(PRIMARY_ETAG, &md5(BODY), BODY.len())).await;
        }
    })
    .await;
    let reply = Ask::get("/photos/a").sign().send(&gateway).await;
    assert_eq!((reply.status, reply.header("x-wharf-served-from")), (200, Some("two")), "{reply:?}");
}

/// A primary that says `answer` to everything, and a mirror that is current.
async fn failing(answer: &'static str) -> (Recorder, Restartable, TestGateway) {
    let primary = Recorder::answering(move |_| Some(Answer::new(answer))).await;
    let mirror = Restartable::start(STORED).await;
    put(&mirror, "copy/current", BODY).await;
    let toml = [S3_KEYS, &config(&primary.endpoint(), &[&mirror.endpoint()], "")].concat();
    let gateway = TestGateway::start_after(&toml, async |journal| {
        note_current(journal, "one", "current", record(PRIMARY_ETAG, &md5(BODY), BODY.len())).await;
    })
    .await;
    (primary, mirror, gateway)
}

#[tokio::test]
async fn a_primary_that_says_it_cannot_is_down_and_one_that_refuses_is_not() {
    for answer in [
        "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 3\r\n\r\nbad",
        "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 504 Gateway Timeout\r\ncontent-length: 0\r\n\r\n",
        "no HTTP at all\r\n\r\n",
    ] {
        let (_primary, _mirror, gateway) = failing(answer).await;
        let reply = Ask::get("/photos/current").sign().send(&gateway).await;
        assert_eq!((reply.status, reply.body.as_bytes()), (200, BODY), "{answer} {reply:?}");
    }
    for (answer, status) in [
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", 404),
        ("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", 403),
        ("HTTP/1.1 412 Precondition Failed\r\ncontent-length: 0\r\n\r\n", 412),
        ("HTTP/1.1 501 Not Implemented\r\ncontent-length: 0\r\n\r\n", 501),
    ] {
        let (_primary, _mirror, gateway) = failing(answer).await;
        let reply = Ask::get("/photos/current").sign().send(&gateway).await;
        assert_eq!((reply.status, reply.header("x-wharf-served-from")), (status, None), "{reply:?}");
    }
}

#[tokio::test]
async fn a_primary_that_is_left_alone_is_not_asked() {
    let (primary, _mirror, gateway) =
        failing("HTTP/1.1 504 Gateway Timeout\r\ncontent-length: 0\r\n\r\n").await;
    let asked = || primary.requests().len();
    let mut before = usize::MAX;
    // Until its breaker opens, each read asks it first.
    while asked() != before {
        before = asked();
        let reply = Ask::get("/photos/current").sign().send(&gateway).await;
        assert_eq!((reply.status, reply.header("etag")), (200, Some(PRIMARY_ETAG)), "{reply:?}");
    }
}

#[test]
fn the_recorded_date_is_that_of_the_tests() {
    assert_eq!(Timestamp::from_http_date(DATE).unwrap().unix_seconds(), MODIFIED.unix_seconds());
}
