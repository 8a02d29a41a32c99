//! A bucket that moves here, and requests about an object that is still where it was: copies, what is kept beside it, and
//! writes on a condition are about that object, and not about none.

use std::{sync::Arc, time::Duration};

use http::Method;
use tokio::{sync::Semaphore, time::timeout};
use wharf_wire::xml::{read_upload_id, write_complete_multipart};

use crate::{
    mirror_backfill::{config, counted, get, is_from_old, moved, until},
    support::{
        gateway::{KEY_CONFIG, TestGateway},
        memory_store::MemoryStore,
        mirrored::mirror_at,
        raw::{Raw, Reply, post},
        recorder::{Answer, Recorder},
        s3_client::{Ask, Mode},
        store,
    },
};

const OLD: &[u8] = b"0123456789";
const NOTHING: &str = "HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 37\r\n\r\n\
                       <Error><Code>NoSuchKey</Code></Error>";

/// Nothing here, and `cat` there.
async fn in_memory(settings: impl Fn(&str) -> String) -> (TestGateway, MemoryStore, MemoryStore) {
    let (here, old) = (MemoryStore::start().await, MemoryStore::start().await);
    old.put("old-photos/then/cat", OLD);
    let toml = settings(&config(&here.endpoint(), &old.endpoint(), ""));
    (TestGateway::start(&[KEY_CONFIG, &toml].concat()).await, here, old)
}

fn as_it_is(toml: &str) -> String {
    toml.to_owned()
}

fn without_conditions(toml: &str) -> String {
    toml.replace("conditional_writes = true\n", "")
}

async fn send(gateway: &TestGateway, ask: Ask<'_>) -> Reply {
    ask.sign().send(gateway).await
}

fn etag(store: &MemoryStore) -> String {
    store.objects()["old-photos/then/cat"].etag.clone()
}

#[tokio::test]
async fn a_copy_is_made_of_what_has_not_moved_yet() {
    let (gateway, _here, _old) = moved().await;
    let copy = |target: &str, source: &str| Ask::new(Method::PUT, target).header("x-amz-copy-source", source);
    let reply = send(&gateway, copy("/photos/kitten", "/photos/cat")).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let kitten = get(&gateway, "kitten").await;
    assert_eq!((kitten.status, kitten.body.as_bytes()), (200, OLD));
    assert_eq!(
        (kitten.header("content-type"), kitten.header("x-amz-meta-colour")),
        (Some("image/png"), Some("red"))
    );
    assert!(!is_from_old(&kitten));
    let nothing = send(&gateway, copy("/photos/kitten", "/photos/dog")).await;
    assert_eq!((nothing.status, nothing.s3_code()), (404, "NoSuchKey"), "{nothing:?}");
    let of_a_version = send(&gateway, copy("/photos/kitten", "/photos/cat?versionId=1")).await;
    assert_ne!(of_a_version.status, 200, "{of_a_version:?}");
}

#[tokio::test]
async fn a_part_is_copied_of_what_has_not_moved_yet() {
    let (gateway, _here, _old) = moved().await;
    let begun = send(&gateway, Ask::new(Method::POST, "/photos/part?uploads")).await;
    let id = read_upload_id(begun.body.as_bytes()).unwrap();
    let part = Ask::new(Method::PUT, &format!("/photos/part?partNumber=1&uploadId={id}"))
        .header("x-amz-copy-source", "/photos/cat")
        .header("x-amz-copy-source-range", "bytes=2-5");
    let copied = send(&gateway, part).await;
    assert_eq!(copied.status, 200, "{copied:?}");
    let etag = copied.body.split("<ETag>").nth(1).unwrap().split("</ETag>").next().unwrap();
    let document = write_complete_multipart(&[(1, &etag.replace("&quot;", "\""))]);
    let complete =
        Ask::new(Method::POST, &format!("/photos/part?uploadId={id}")).body(Mode::Hash, document.as_bytes());
    assert_eq!(send(&gateway, complete).await.status, 200);
    assert_eq!(get(&gateway, "part").await.body, "2345");
}

/// The bucket's owner is asked about, and a version told of, where the caller's bucket is.
#[tokio::test]
async fn the_old_place_is_another_account() {
    const OWNER: &str = "123456789012";
    let here = store::start("stored-photos").await;
    let old = Recorder::answering(|request| {
        let answer = match request.header("x-amz-expected-bucket-owner") {
            Some(_) => "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n",
            None => "HTTP/1.1 200 OK\r\netag: \"one\"\r\nx-amz-version-id: 1\r\ncontent-length: 3\r\n\r\nold",
        };
        request.is_complete.then(|| Answer::new(answer))
    })
    .await;
    let gateway = TestGateway::start(&config(&here.endpoint(), &old.endpoint(), "")).await;
    let copy = Ask::new(Method::PUT, "/photos/kitten")
        .header("x-amz-copy-source", "/photos/cat")
        .header("x-amz-source-expected-bucket-owner", OWNER);
    let copied = send(&gateway, copy).await;
    assert_eq!((copied.status, copied.header("x-amz-copy-source-version-id")), (200, None), "{copied:?}");
    let read = send(&gateway, Ask::get("/photos/cat").header("x-amz-expected-bucket-owner", OWNER)).await;
    assert_eq!((read.status, read.body.as_str(), is_from_old(&read)), (200, "old", true), "{read:?}");
}

#[tokio::test]
async fn what_was_deleted_is_not_copied() {
    let (gateway, _here, _old) = moved().await;
    assert_eq!(send(&gateway, Ask::new(Method::DELETE, "/photos/cat")).await.status, 204);
    let copy = Ask::new(Method::PUT, "/photos/kitten").header("x-amz-copy-source", "/photos/cat");
    assert_eq!(send(&gateway, copy).await.status, 404);
    let put = Ask::put("/photos/cat", Mode::Hash, b"new").header("if-none-match", "*");
    assert_eq!(send(&gateway, put).await.status, 200, "nothing is there any more");
}

#[tokio::test]
async fn a_new_object_is_not_written_over_one_that_has_not_moved_yet() {
    for settings in [as_it_is, without_conditions] {
        let (gateway, here, _old) = in_memory(settings).await;
        let put =
            |key: &str| Ask::put(&format!("/photos/{key}"), Mode::Hash, b"new").header("if-none-match", "*");
        let reply = send(&gateway, put("cat")).await;
        assert_eq!((reply.status, reply.s3_code()), (412, "PreconditionFailed"), "{reply:?}");
        assert_eq!(here.writes(), 0, "and nothing was brought here for that");
        assert_eq!(get(&gateway, "cat").await.body.as_bytes(), OLD);
        assert_eq!(send(&gateway, put("dog")).await.status, 200);
        assert_eq!(send(&gateway, put("dog")).await.status, 412);
    }
}

#[tokio::test]
async fn a_change_on_a_condition_is_judged_by_what_has_not_moved_yet() {
    let put = |etag: &str| Ask::put("/photos/cat", Mode::Hash, b"new").header("if-match", etag);
    let (gateway, here, old) = in_memory(as_it_is).await;
    assert_eq!(send(&gateway, put("\"other\"")).await.status, 412);
    assert_eq!(here.objects()["stored-photos/cat"].bytes, OLD, "it has been brought here");
    assert!(gateway.shows(&counted("kept", 1)).await);
    assert_eq!(send(&gateway, put(&etag(&old))).await.status, 200);
    assert_eq!(get(&gateway, "cat").await.body, "new");

    let (gateway, _here, old) = in_memory(as_it_is).await;
    let delete = |etag: &str| Ask::new(Method::DELETE, "/photos/cat").header("if-match", etag);
    assert_eq!(send(&gateway, delete("\"other\"")).await.status, 412);
    assert_eq!(get(&gateway, "cat").await.body.as_bytes(), OLD);
    assert_eq!(send(&gateway, delete(&etag(&old))).await.status, 204);
    assert_eq!(get(&gateway, "cat").await.status, 404);

    let (gateway, here, old) = in_memory(without_conditions).await;
    let reply = send(&gateway, put(&etag(&old))).await;
    assert_eq!((reply.status, reply.s3_code()), (501, "NotImplemented"), "{reply:?}");
    assert_eq!(here.writes(), 0);
}

#[tokio::test]
async fn what_is_kept_beside_an_object_is_read_with_it_or_brought_here() {
    let tags = b"<Tagging><TagSet/></Tagging>".as_slice();
    let (gateway, here, _old) = in_memory(without_conditions).await;
    let reply = send(&gateway, Ask::get("/photos/cat?tagging")).await;
    assert_eq!((reply.status, is_from_old(&reply)), (200, true), "{reply:?}");
    let attributes = Ask::get("/photos/cat?attributes").header("x-amz-object-attributes", "ETag");
    let reply = send(&gateway, attributes).await;
    assert_eq!((reply.status, is_from_old(&reply)), (200, true), "{reply:?}");
    assert_eq!(send(&gateway, Ask::get("/photos/dog?tagging")).await.status, 404);
    assert_eq!(send(&gateway, Ask::get("/photos/cat?acl")).await.status, 501, "it is not moved by itself");
    assert_eq!(here.writes(), 0);

    for request in [
        Ask::put("/photos/cat?tagging", Mode::Hash, tags),
        Ask::new(Method::DELETE, "/photos/cat?tagging"),
        Ask::get("/photos/cat?acl"),
        Ask::get("/photos/cat?retention"),
        Ask::get("/photos/cat?partNumber=1"),
    ] {
        let (gateway, here, _old) = in_memory(as_it_is).await;
        let reply = send(&gateway, request).await;
        assert_eq!((reply.status, is_from_old(&reply)), (200, false), "{reply:?}");
        assert_eq!(here.objects()["stored-photos/cat"].bytes, OLD);
    }
}

#[tokio::test]
async fn where_the_old_place_fails_no_condition_holds() {
    let here = MemoryStore::start().await;
    let old = Recorder::answering(|request| {
        let answer = Answer::new("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n");
        request.is_complete.then_some(answer)
    })
    .await;
    let gateway = TestGateway::start(&config(&here.endpoint(), &old.endpoint(), "")).await;
    for request in [
        Ask::put("/photos/cat", Mode::Hash, b"new").header("if-none-match", "*"),
        Ask::put("/photos/cat", Mode::Hash, b"new").header("if-match", "\"a\""),
        Ask::get("/photos/cat?tagging"),
        Ask::get("/photos/cat?acl"),
    ] {
        let reply = send(&gateway, request).await;
        assert_eq!((reply.status, reply.s3_code()), (503, "ServiceUnavailable"), "{reply:?}");
    }
    assert_eq!(here.writes(), 0);
}

/// A 404 of `HEAD` says as much of a bucket as of an object.
#[tokio::test]
async fn where_the_old_bucket_is_gone_nothing_is_said_to_be_missing() {
    let here = MemoryStore::start().await;
    let old = Recorder::answering(|request| {
        let document = match request.method() {
            "HEAD" => "",
            _ => "<Error><Code>NoSuchBucket</Code></Error>",
        };
        let length = document.len();
        let answer = format!("HTTP/1.1 404 Not Found\r\ncontent-length: {length}\r\n\r\n{document}");
        request.is_complete.then(|| Answer::new(answer))
    })
    .await;
    let gateway =
        TestGateway::start(&[KEY_CONFIG, &config(&here.endpoint(), &old.endpoint(), "")].concat()).await;
    let head = Ask::new(Method::HEAD, "/photos/cat").sign().send_head(&gateway).await;
    assert_eq!(head.status, 503, "{head:?}");
    let put = Ask::put("/photos/cat", Mode::Hash, b"new").header("if-none-match", "*");
    let put = send(&gateway, put).await;
    assert_eq!((put.status, put.s3_code()), (503, "ServiceUnavailable"), "{put:?}");
    let described = upload_api(&gateway, "photos/metadata", "cat").await;
    assert_eq!(described.status, 503, "{described:?}");
    assert_eq!(here.writes(), 0);
}

/// An old place that says at once what it has, and sends nothing of it before the gate opens.
async fn behind(gate: &Arc<Semaphore>) -> Recorder {
    let held = Arc::clone(gate);
    Recorder::answering(move |request| {
        let start = "HTTP/1.1 200 OK\r\netag: \"one\"\r\ncontent-length: 3\r\n\r\n";
        request.is_complete.then(|| match request.method() {
            "HEAD" => Answer::new(start),
            _ => Answer::new(format!("{start}old")).after(&held),
        })
    })
    .await
}

/// A minute is not what is measured, but far less than what waits of one's own for each would take.
#[tokio::test]
async fn a_delete_of_many_waits_for_all_of_them_together() {
    const KEYS: usize = 12;
    let (here, old) = (MemoryStore::start().await, behind(&Arc::new(Semaphore::new(0))).await);
    let gateway = TestGateway::start(&config(&here.endpoint(), &old.endpoint(), "")).await;
    let object = |index| format!("<Object><Key>cat{index}</Key><ETag>\"one\"</ETag></Object>");
    let document = format!("<Delete>{}</Delete>", (0..KEYS).map(object).collect::<String>());
    let delete = Ask::new(Method::POST, "/photos?delete").body(Mode::Hash, document.as_bytes());
    let reply = timeout(Duration::from_mins(1), send(&gateway, delete)).await.expect("an answer in time");
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.body.matches("<Code>ServiceUnavailable</Code>").count(), KEYS, "{reply:?}");
    assert_eq!(here.writes(), 0);
}

/// The client is told to come back, and the object comes all the same.
#[tokio::test]
async fn what_takes_its_time_to_come_is_told_to_be_under_way() {
    let gate = Arc::new(Semaphore::new(0));
    let (here, old) = (MemoryStore::start().await, behind(&gate).await);
    let gateway = TestGateway::start(&config(&here.endpoint(), &old.endpoint(), "")).await;
    let reply = send(&gateway, Ask::get("/photos/cat?acl")).await;
    assert_eq!((reply.status, reply.s3_code()), (503, "ServiceUnavailable"), "{reply:?}");
    assert!(reply.body.contains("is being copied") && reply.header("retry-after").is_some(), "{reply:?}");
    gate.add_permits(1);
    assert_eq!(send(&gateway, Ask::get("/photos/cat?acl")).await.status, 200);
}

/// Asks a route of the upload API about a key.
async fn upload_api(gateway: &TestGateway, route: &str, key: &str) -> Reply {
    let ask = post(&format!("/api/v1/upload/{route}"), &format!(r#"{{"key":"{key}","bucket":"photos"}}"#));
    Raw::connect(gateway.api()).await.ask(ask).await
}

#[tokio::test]
async fn the_upload_api_keeps_to_the_old_providers_limit() {
    let limit = "[providers.old]\nrate_limit = { requests_per_second = 1, burst = 1 }\n";
    let (gateway, _here, _old) = in_memory(|toml| toml.replace("[providers.old]\n", limit)).await;
    assert_eq!(upload_api(&gateway, "photos/metadata", "cat").await.status, 200);
    // One that comes a second after the last is let in, as on a busy machine.
    for _ in 0..20 {
        if upload_api(&gateway, "photos/metadata", "cat").await.status == 429 {
            return;
        }
    }
    panic!("no request was refused");
}

#[tokio::test]
async fn the_upload_api_describes_what_has_not_moved_yet() {
    let (gateway, here, _old) = in_memory(as_it_is).await;
    let ask = async |route: &str, key: &str| upload_api(&gateway, route, key).await;
    let reply = ask("photos/metadata", "cat").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(reply.body.contains("\"size\":10"), "{reply:?}");
    assert_eq!(ask("photos/metadata", "dog").await.code(), "FILE_NOT_FOUND");
    assert_eq!(ask("complete", "cat").await.code(), "FILE_NOT_FOUND", "no browser has sent it here");
    assert_eq!(send(&gateway, Ask::new(Method::DELETE, "/photos/cat")).await.status, 204);
    assert_eq!(ask("photos/metadata", "cat").await.code(), "FILE_NOT_FOUND");
    assert_eq!(here.writes(), 1, "the delete");
}

/// The primary takes no more connections while a copy is on its way there, and a mirror takes what a client writes then.
#[tokio::test]
async fn what_a_mirror_has_taken_meanwhile_stays_the_newest() {
    let (gate, mirror, old) =
        (Arc::new(Semaphore::new(0)), MemoryStore::start().await, MemoryStore::start().await);
    old.put("old-photos/then/cat", OLD);
    let held = Arc::clone(&gate);
    let primary = Recorder::answering(move |request| {
        request.is_complete.then(|| match request.method() {
            "PUT" => Answer::stored().after(&held),
            _ => Answer::and_close(NOTHING),
        })
    })
    .await;
    let toml = config(&primary.endpoint(), &old.endpoint(), &mirror_at(&mirror.endpoint()));
    let toml = toml.replace("backfill = ", "failover = { writes = \"accept\" }\nbackfill = ");
    let gateway = TestGateway::start(&toml).await;
    assert_eq!(get(&gateway, "cat").await.body.as_bytes(), OLD);
    primary.until(|record| record.iter().any(|it| it.method() == "PUT" && it.is_complete)).await;
    primary.refuse().await;
    let put = send(&gateway, Ask::put("/photos/cat", Mode::Hash, b"newer")).await;
    assert_eq!((put.status, put.header("x-wharf-stored-at")), (200, Some("spare")), "{put:?}");
    gate.add_permits(1);
    until("the copy has ended", async || {
        gateway.shows(&counted("kept", 1)).await || gateway.shows(&counted("failed", 1)).await
    })
    .await;
    let read = get(&gateway, "cat").await;
    assert_eq!((read.status, read.body.as_str()), (200, "newer"), "{read:?}");
    assert_eq!(mirror.objects()["copied-photos/cat"].bytes, b"newer".as_slice());
}
