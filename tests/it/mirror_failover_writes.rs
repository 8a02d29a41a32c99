//! Writes while the primary is down: refused, or where the bucket says so taken by a mirror, read from there, and copied
//! back.

use http::Method;

use crate::support::{
    copies::{STORED, config},
    gateway::TestGateway,
    raw::Reply,
    s3_client::{Ask, Mode, S3_KEYS, in_front_of},
    store::Restartable,
};

const ACCEPT: &str = "failover = { writes = \"accept\" }";

/// More than a chunk.
const BODY: &[u8] = &[b'a'; 100_000];

async fn with(settings: &str) -> (Restartable, Restartable, TestGateway) {
    let (mut primary, mirror) = (Restartable::start(STORED).await, Restartable::start(STORED).await);
    primary.stop().await;
    let toml = [S3_KEYS, &config(&primary.endpoint(), &[&mirror.endpoint()], settings)].concat();
    let gateway = TestGateway::start(&toml).await;
    (primary, mirror, gateway)
}

async fn send(gateway: &TestGateway, ask: Ask<'_>) -> Reply {
    ask.sign().send(gateway).await
}

/// What `store` itself has under `key`.
async fn at(store: &Restartable, key: &str) -> Reply {
    let gateway = TestGateway::start(&in_front_of(&store.endpoint(), S3_KEYS)).await;
    send(&gateway, Ask::get(&format!("/photos/{key}"))).await
}

#[tokio::test]
async fn a_write_is_refused_unless_the_bucket_says_otherwise() {
    let (_primary, mirror, gateway) = with("").await;
    let reply = send(&gateway, Ask::put("/photos/a", Mode::Hash, BODY)).await;
    assert_eq!((reply.status, reply.s3_code()), (503, "ServiceUnavailable"), "{reply:?}");
    assert_eq!(at(&mirror, "copy/a").await.status, 404);
}

#[tokio::test]
async fn a_mirror_takes_it_however_it_comes_and_serves_it() {
    let (_primary, mirror, gateway) = with(ACCEPT).await;
    for mode in Mode::ALL {
        for body in [BODY, b"".as_slice()] {
            let put = Ask::put("/photos/a", mode, body).chunk_bytes(8192).header("x-amz-meta-mode", "m");
            let reply = send(&gateway, put).await;
            assert_eq!(
                (reply.status, reply.header("x-wharf-stored-at")),
                (200, Some("one")),
                "{mode:?} {reply:?}"
            );
            let read = send(&gateway, Ask::get("/photos/a")).await;
            assert_eq!((read.status, read.body.as_bytes()), (200, body), "{mode:?}");
            assert_eq!(read.header("x-wharf-served-from"), Some("one"));
            assert_eq!(read.header("x-wharf-stale"), None);
            assert_eq!(read.header("etag"), reply.header("etag"));
            assert_eq!((read.header("x-amz-meta-mode"), read.header("content-encoding")), (Some("m"), None));
        }
    }
    assert_eq!(at(&mirror, "copy/a").await.body, "");
    // A body that turns out wrong is nobody's.
    let wrong = Ask::put("/photos/b", Mode::SignedTrailer, BODY).trailer_of(b"other");
    assert_eq!(send(&gateway, wrong).await.status, 400);
    assert_eq!(at(&mirror, "copy/b").await.status, 404);
}

#[tokio::test]
async fn what_a_mirror_cannot_do_is_refused() {
    let (_primary, mirror, gateway) = with(ACCEPT).await;
    for (name, value) in [
        ("if-none-match", "*"),
        ("if-match", "\"a\""),
        ("x-amz-acl", "public-read"),
        ("x-amz-object-lock-legal-hold", "ON"),
    ] {
        let reply = send(&gateway, Ask::put("/photos/a", Mode::Hash, BODY).header(name, value)).await;
        assert_eq!(reply.status, 503, "{name} {reply:?}");
    }
    assert_eq!(at(&mirror, "copy/a").await.status, 404);
    let delete = Ask::new(Method::DELETE, "/photos/a");
    assert_eq!(send(&gateway, delete).await.status, 503);
}

/// From the write on, nobody sees anything older.
#[tokio::test]
async fn it_is_copied_back_and_read_all_the_while() {
    let (mut primary, _mirror, gateway) = with(ACCEPT).await;
    assert_eq!(send(&gateway, Ask::put("/photos/a", Mode::Hash, BODY)).await.status, 200);
    primary.restart().await;
    loop {
        let reply = send(&gateway, Ask::get("/photos/a")).await;
        assert_eq!((reply.status, reply.body.as_bytes()), (200, BODY), "{reply:?}");
        if reply.header("x-wharf-served-from").is_none() {
            break;
        }
    }
    assert_eq!(at(&primary, "a").await.body.as_bytes(), BODY);
}
