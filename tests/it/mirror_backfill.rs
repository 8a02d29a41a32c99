//! A bucket that moves here from somewhere else: what it has not is read there and kept here, what was deleted does not come
//! back, and nothing that a client wrote is overwritten.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Waker},
    time::Duration,
};

use http::Method;
use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};
use wharf::{
    clock::Clock,
    config::{Environment, from_toml_text},
    mirror::{Mirrors, state::Change},
    server::Drain,
    store::SharedStore,
};

use crate::support::{
    gateway::{KEY_CONFIG, TestGateway},
    memory_store::MemoryStore,
    mirrored::{Beside, DEAD_MIRRORS},
    raw::{Raw, Reply, post},
    recorder::{Answer, Recorded, Recorder},
    s3_client::{Ask, Mode, S3_KEYS, in_front_of},
    store,
};

const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// `photos` at `primary`, which was below `then/` at `old` before.
pub(crate) fn config(primary: &str, old: &str, more: &str) -> String {
    let here = in_front_of(primary, S3_KEYS);
    let here = here.replace("[providers.store]\n", "[providers.store]\nconditional_writes = true\n");
    let old = store::provider("old", old);
    format!(
        "{here}backfill = {{ provider = \"old\", bucket = \"old-photos\", key_prefix = \"then/\" }}
{old}
{more}"
    )
}

pub(crate) async fn get(gateway: &TestGateway, key: &str) -> Reply {
    Ask::get(&format!("/photos/{key}")).sign().send(gateway).await
}

pub(crate) fn is_from_old(reply: &Reply) -> bool {
    reply.header("x-wharf-served-from") == Some("old")
}

pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let wait = async {
        while !is_so().await {
            sleep(PAUSE).await;
        }
    };
    assert!(timeout(PATIENCE, wait).await.is_ok(), "never came: {what}");
}

pub(crate) fn counted(outcome: &str, count: u32) -> String {
    format!("wharf_backfills_total{{bucket=\"photos\",outcome=\"{outcome}\"}} {count}")
}

/// Two embedded stores: nothing here, and an object there.
pub(crate) async fn moved() -> (TestGateway, wharf_demo::Store, wharf_demo::Store) {
    let (here, old) = (store::start("stored-photos").await, store::start("old-photos").await);
    let before = in_front_of(&old.endpoint(), S3_KEYS).replace("stored-photos", "old-photos");
    let before = TestGateway::start(&before).await;
    let put = Ask::put("/photos/then/cat", Mode::Hash, b"0123456789")
        .header("content-type", "image/png")
        .header("x-amz-meta-colour", "red");
    assert_eq!(put.sign().send(&before).await.status, 200);
    let gateway = TestGateway::start(&config(&here.endpoint(), &old.endpoint(), "")).await;
    (gateway, here, old)
}

#[tokio::test]
async fn what_is_not_here_is_read_at_the_old_place_and_kept() {
    let (gateway, _here, _old) = moved().await;
    let head = Ask::new(Method::HEAD, "/photos/cat").sign().send_head(&gateway).await;
    assert_eq!((head.status, head.header("content-length")), (200, Some("10")), "{head:?}");
    assert!(is_from_old(&head) && gateway.shows(&counted("served", 1)).await);
    let range = Ask::get("/photos/cat").header("range", "bytes=2-4").sign().send(&gateway).await;
    assert_eq!((range.status, range.body.as_str()), (206, "234"), "{range:?}");
    assert!(is_from_old(&range));
    until("the object is here", async || !is_from_old(&get(&gateway, "cat").await)).await;
    let reply = get(&gateway, "cat").await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "0123456789"), "{reply:?}");
    assert_eq!(
        (reply.header("content-type"), reply.header("x-amz-meta-colour")),
        (Some("image/png"), Some("red"))
    );
    assert!(gateway.shows(&counted("kept", 1)).await);
    let missing = get(&gateway, "dog").await;
    assert_eq!((missing.status, missing.s3_code()), (404, "NoSuchKey"), "{missing:?}");
}

#[tokio::test]
async fn conditions_are_judged_by_the_old_place() {
    let primary = MemoryStore::start().await;
    let old = Recorder::answering(|request| {
        let answer = match (request.header("if-none-match"), request.header("if-match")) {
            (Some("\"one\""), None) => "HTTP/1.1 304 Not Modified\r\netag: \"one\"\r\n\r\n",
            (None, Some("\"two\"")) => "HTTP/1.1 412 Precondition Failed\r\ncontent-length: 0\r\n\r\n",
            _ => "HTTP/1.1 416 Range Not Satisfiable\r\ncontent-length: 0\r\n\r\n",
        };
        request.is_complete.then(|| Answer::new(answer))
    })
    .await;
    let gateway = TestGateway::start(&config(&primary.endpoint(), &old.endpoint(), "")).await;
    let ask = |name, value| Ask::get("/photos/cat").header(name, value).sign();
    let same = ask("if-none-match", "\"one\"").send_head(&gateway).await;
    assert_eq!((same.status, same.header("etag")), (304, Some("\"one\"")), "{same:?}");
    assert_eq!(ask("if-match", "\"two\"").status(&gateway).await, 412);
    assert_eq!(ask("range", "bytes=9-").status(&gateway).await, 416);
    assert_eq!(primary.writes(), 0);
}

#[tokio::test]
async fn what_was_deleted_does_not_come_back() {
    let (gateway, _here, old) = moved().await;
    let delete = Ask::new(Method::DELETE, "/photos/cat");
    assert_eq!(delete.sign().status(&gateway).await, 204);
    assert_eq!(get(&gateway, "cat").await.status, 404);
    let head = Ask::new(Method::HEAD, "/photos/cat").sign().send_head(&gateway).await;
    assert_eq!(head.status, 404);
    assert!(old.directory().join("old-photos/then/cat").exists(), "nothing is changed there");
    let put = Ask::put("/photos/cat", Mode::Hash, b"new").sign();
    assert_eq!(put.status(&gateway).await, 200);
    assert_eq!(get(&gateway, "cat").await.body, "new");
    let many = b"<Delete><Object><Key>cat</Key></Object></Delete>";
    let many = Ask::new(Method::POST, "/photos?delete").body(Mode::Hash, many).sign();
    assert_eq!(many.status(&gateway).await, 200);
    assert_eq!(get(&gateway, "cat").await.status, 404);
}

/// A primary that has nothing, and answers deletes with `status`.
async fn answering_deletes(status: &'static str) -> Recorder {
    Recorder::answering(move |request| {
        request.is_complete.then(|| match request.method() {
            "DELETE" => Answer::new(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")),
            _ => missing(request),
        })
    })
    .await
}

#[tokio::test]
async fn what_was_not_deleted_is_still_read_at_the_old_place() {
    let old = MemoryStore::start().await;
    old.put("old-photos/then/cat", "old");
    for (status, is_deleted) in
        [("403 Forbidden", false), ("412 Precondition Failed", false), ("404 Not Found", true)]
    {
        let primary = answering_deletes(status).await;
        let toml = config(&primary.endpoint(), &old.endpoint(), "");
        let toml = toml.replace("conditional_writes = true\n", "");
        let gateway = TestGateway::start(&toml).await;
        let delete = Ask::new(Method::DELETE, "/photos/cat").sign();
        assert_eq!(delete.status(&gateway).await.to_string(), status[..3]);
        if is_deleted {
            assert_eq!(get(&gateway, "cat").await.status, 404, "{status}");
        } else {
            until("the object is seen again", async || is_from_old(&get(&gateway, "cat").await)).await;
        }
    }
}

#[tokio::test]
async fn what_the_upload_api_deletes_does_not_come_back_either() {
    let (primary, old) = (MemoryStore::start().await, MemoryStore::start().await);
    old.put("old-photos/then/cat", "old");
    let toml = format!("{KEY_CONFIG}{}", config(&primary.endpoint(), &old.endpoint(), ""));
    let gateway = TestGateway::start(&toml).await;
    let delete = post("/api/v1/upload/photos/delete", r#"{"key":"cat"}"#);
    let reply = Raw::connect(gateway.api()).await.ask(delete).await;
    assert_eq!(reply.code(), "FILE_NOT_FOUND", "it is not here");
    assert_eq!(get(&gateway, "cat").await.status, 404);
}

fn missing(request: &Recorded) -> Answer {
    let body = "<Error><Code>NoSuchKey</Code></Error>";
    let body = if request.method() == "HEAD" { "" } else { body };
    Answer::new(format!("HTTP/1.1 404 Not Found\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
}

/// A store that has nothing, and answers a write when it is told to.
async fn slow_to_write(gate: &Arc<Semaphore>) -> Recorder {
    let gate = Arc::clone(gate);
    Recorder::answering(move |request| {
        request.is_complete.then(|| match request.method() {
            "PUT" => Answer::stored().after(&gate),
            "DELETE" => Answer::new("HTTP/1.1 204 No Content\r\n\r\n"),
            _ => missing(request),
        })
    })
    .await
}

fn methods(recorder: &Recorder) -> Vec<String> {
    let changes = recorder.requests().into_iter().filter(|request| request.is_complete);
    changes
        .map(|request| request.method().to_owned())
        .filter(|method| !["GET", "HEAD"].contains(&method.as_str()))
        .collect()
}

#[tokio::test]
async fn a_delete_waits_for_what_has_left_for_the_store() {
    let gate = Arc::new(Semaphore::new(0));
    let (primary, old) = (slow_to_write(&gate).await, MemoryStore::start().await);
    old.put("old-photos/then/cat", "0123456789");
    let gateway = TestGateway::start(&config(&primary.endpoint(), &old.endpoint(), "")).await;
    assert_eq!(get(&gateway, "cat").await.body, "0123456789");
    primary.until(|record| record.iter().any(|it| it.method() == "PUT" && it.is_complete)).await;
    let put = primary.requests().into_iter().find(|it| it.method() == "PUT").unwrap();
    assert_eq!(put.header("if-none-match"), Some("*"));
    let delete = Ask::new(Method::DELETE, "/photos/cat").sign();
    let mut raw = Raw::connect(gateway.s3()).await;
    raw.send(delete.head()).await;
    until("the delete is known", async || get(&gateway, "cat").await.status == 404).await;
    assert!(raw.is_quiet().await);
    assert_eq!(methods(&primary), ["PUT"], "the delete may not overtake it");
    gate.add_permits(1);
    assert_eq!(raw.head().await.status, 204);
    assert_eq!(methods(&primary), ["PUT", "DELETE"]);
    assert_eq!(get(&gateway, "cat").await.status, 404);
}

/// A primary that writes when it is told to, and answers deletes with `status`; and a copy that is on its way there.
async fn being_filled(status: &'static str) -> (TestGateway, Recorder, Arc<Semaphore>, MemoryStore) {
    let (gate, old) = (Arc::new(Semaphore::new(0)), MemoryStore::start().await);
    let held = Arc::clone(&gate);
    let primary = Recorder::answering(move |request| {
        request.is_complete.then(|| match request.method() {
            "PUT" => Answer::stored().after(&held),
            "DELETE" => Answer::new(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")),
            _ => missing(request),
        })
    })
    .await;
    old.put("old-photos/then/cat", "0123456789");
    let gateway = TestGateway::start(&config(&primary.endpoint(), &old.endpoint(), "")).await;
    assert_eq!(get(&gateway, "cat").await.body, "0123456789");
    primary.until(|record| record.iter().any(|it| it.method() == "PUT" && it.is_complete)).await;
    (gateway, primary, gate, old)
}

#[tokio::test]
async fn a_delete_that_waited_in_vain_hides_nothing() {
    let (gateway, primary, gate, _old) = being_filled("204 No Content").await;
    let delete = Ask::new(Method::DELETE, "/photos/cat").sign();
    let reply = delete.send(&gateway).await;
    assert_eq!((reply.status, reply.s3_code()), (503, "ServiceUnavailable"), "{reply:?}");
    until("the object is seen again", async || is_from_old(&get(&gateway, "cat").await)).await;
    gate.add_permits(1);
    // A store that has nothing of what it was sent.
    until("the copy has ended", async || gateway.shows(&counted("failed", 1)).await).await;
    assert!(is_from_old(&get(&gateway, "cat").await), "nor does the end of the copy");
    assert_eq!(methods(&primary)[0], "PUT");
    assert!(!methods(&primary).contains(&"DELETE".to_owned()));
}

#[tokio::test]
async fn a_delete_whose_client_has_gone_meanwhile_hides_nothing() {
    let (gateway, primary, _gate, _old) = being_filled("204 No Content").await;
    let mut client = Raw::connect(gateway.s3()).await;
    client.send(Ask::new(Method::DELETE, "/photos/cat").sign().head()).await;
    until("the delete is known", async || get(&gateway, "cat").await.status == 404).await;
    client.reset();
    until("the object is seen again", async || is_from_old(&get(&gateway, "cat").await)).await;
    assert!(!methods(&primary).contains(&"DELETE".to_owned()));
}

/// Its client goes when the key is buried, before it learns of that.
#[tokio::test]
async fn a_delete_that_nobody_waits_for_any_more_hides_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let data = [("WHARF_SERVER__DATA_DIRECTORY", directory.path().to_str().unwrap())];
    let toml = config("http://127.0.0.1:1", "http://127.0.0.1:1", "");
    let config = from_toml_text(&toml, &data.into_iter().collect::<Environment>()).unwrap();
    let (store, drain) = (SharedStore::new(Clock::System), Drain::default());
    store.prepare(&config).await.unwrap();
    let mirrors = Mirrors::new(store.clone());
    mirrors.prepare(&config, &drain);
    let photos = &config.buckets["photos"];
    let mut asked = Box::pin(mirrors.intend(photos, std::iter::once("cat"), Change::Delete));
    assert!(asked.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let journal = mirrors.journal().unwrap();
    let is_buried = async || journal.is_buried("photos", "cat").await.unwrap();
    until("the key is buried", is_buried).await;
    drop(asked);
    assert!(drain.finish(PATIENCE).await);
    assert!(!is_buried().await, "the provider was never asked");
    store.close().await;
}

#[tokio::test]
async fn a_delete_that_is_refused_after_it_waited_hides_nothing() {
    let (gateway, primary, gate, _old) = being_filled("403 Forbidden").await;
    let mut client = Raw::connect(gateway.s3()).await;
    client.send(Ask::new(Method::DELETE, "/photos/cat").sign().head()).await;
    until("the delete is known", async || get(&gateway, "cat").await.status == 404).await;
    gate.add_permits(1);
    assert_eq!(client.head().await.status, 403);
    assert_eq!(methods(&primary), ["PUT", "DELETE"]);
    until("the object is seen again", async || is_from_old(&get(&gateway, "cat").await)).await;
}

#[tokio::test]
async fn a_delete_cuts_off_what_has_not_left() {
    let gate = Arc::new(Semaphore::new(0));
    let primary = slow_to_write(&gate).await;
    // Half of the object, and never the rest.
    let half = "HTTP/1.1 200 OK\r\netag: \"one\"\r\ncontent-length: 10\r\n\r\n01234";
    let old = Recorder::answering(move |request| request.is_complete.then(|| Answer::new(half))).await;
    let gateway = TestGateway::start(&config(&primary.endpoint(), &old.endpoint(), "")).await;
    let mut reader = Raw::connect(gateway.s3()).await;
    reader.send(Ask::get("/photos/cat").sign().head()).await;
    primary.until(|record| record.iter().any(|it| it.method() == "PUT" && it.body == b"01234")).await;
    let delete = Ask::new(Method::DELETE, "/photos/cat").sign();
    assert_eq!(delete.status(&gateway).await, 204);
    primary.settled().await;
    assert_eq!(methods(&primary), ["DELETE"], "the object was never whole here");
    until("it is counted", async || gateway.shows(&counted("deleted", 1)).await).await;
}

#[tokio::test]
async fn what_a_client_writes_meanwhile_is_not_overwritten() {
    let gate = Arc::new(Semaphore::new(0));
    let (held, reads) = (Arc::clone(&gate), AtomicUsize::new(0));
    let old = Recorder::answering(move |request| {
        let is_second = request.is_complete && reads.fetch_add(1, Ordering::Relaxed) == 1;
        let answer = Answer::new("HTTP/1.1 200 OK\r\netag: \"one\"\r\ncontent-length: 3\r\n\r\nold");
        request.is_complete.then(|| if is_second { answer.after(&held) } else { answer })
    })
    .await;
    let primary = MemoryStore::start().await;
    let gateway = TestGateway::start(&config(&primary.endpoint(), &old.endpoint(), "")).await;
    assert_eq!(get(&gateway, "cat").await.body, "old");
    old.until(|record| record.len() == 2).await;
    let put = Ask::put("/photos/cat", Mode::Unsigned, b"newer").sign();
    assert_eq!(put.status(&gateway).await, 200);
    gate.add_permits(1);
    until("somebody was first", async || gateway.shows(&counted("overtaken", 1)).await).await;
    assert_eq!(get(&gateway, "cat").await.body, "newer");
}

#[tokio::test]
async fn where_the_old_place_fails_nothing_is_said_to_be_missing() {
    let primary = MemoryStore::start().await;
    for old in [None, Some("500 Internal Server Error"), Some("403 Forbidden"), Some("404 Not Found")] {
        let code = if old == Some("404 Not Found") { "NoSuchBucket" } else { "AccessDenied" };
        let recorder = Recorder::answering(move |request| {
            let body = format!("<Error><Code>{code}</Code></Error>");
            let status = old.unwrap_or_default();
            request.is_complete.then(|| {
                Answer::new(format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
            })
        })
        .await;
        let endpoint = if old.is_some() { recorder.endpoint() } else { "http://127.0.0.1:1".to_owned() };
        let gateway = TestGateway::start(&config(&primary.endpoint(), &endpoint, "")).await;
        let reply = get(&gateway, "cat").await;
        assert_eq!((reply.status, reply.s3_code()), (503, "ServiceUnavailable"), "{old:?} {reply:?}");
    }
    assert_eq!(primary.writes(), 0);
}

#[tokio::test]
async fn nothing_is_kept_where_a_write_could_overwrite() {
    let (primary, old) = (MemoryStore::start().await, MemoryStore::start().await);
    old.put("old-photos/then/cat", "old");
    let config = config(&primary.endpoint(), &old.endpoint(), "").replace("conditional_writes = true\n", "");
    let gateway = TestGateway::start(&config).await;
    for _ in 0..3 {
        let reply = get(&gateway, "cat").await;
        assert!(is_from_old(&reply) && reply.body == "old", "{reply:?}");
    }
    assert!(gateway.shutdown().await);
    assert_eq!(primary.writes(), 0);
}

#[tokio::test]
async fn what_is_kept_goes_to_the_mirrors() {
    let (primary, old) = (MemoryStore::start().await, MemoryStore::start().await);
    old.put("old-photos/then/cat", "old");
    let gateway = TestGateway::start(&config(&primary.endpoint(), &old.endpoint(), DEAD_MIRRORS)).await;
    assert_eq!(get(&gateway, "cat").await.body, "old");
    let beside = Beside::of(&gateway).await;
    beside.until_dirty("one", &["cat"]).await;
    until("it is counted", async || gateway.shows(&counted("kept", 1)).await).await;
}
