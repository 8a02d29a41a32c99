//! The embedded store is what other tests believe: so it must keep what it is sent, and refuse what S3 refuses.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use wharf::clock::Clock;
use wharf_demo::Store;
use wharf_wire::{
    date::Timestamp,
    endpoint::Endpoint,
    names::Region,
    sigv4::{
        AccessKeyId, Credentials, Scope, SigningKey,
        presign::{PresignInput, presign},
    },
};

use crate::support::store::{self, ACCESS_KEY, SECRET_KEY};

const ANSWER_BYTES_MAX: usize = 1 << 20;

fn signed_url(store: &Store, method: &Method, path: &str, now: Timestamp) -> String {
    let endpoint = Endpoint::parse(&store.endpoint()).unwrap();
    let credentials = Credentials {
        access_key_id: AccessKeyId::parse(ACCESS_KEY).unwrap(),
        secret_access_key: SECRET_KEY.into(),
        session_token: None,
    };
    let region = Region::parse("us-east-1").unwrap();
    let key = SigningKey::derive(&credentials, Scope::s3(now.amz_date(), &region));
    let input = PresignInput {
        method,
        scheme: endpoint.scheme(),
        authority: &endpoint.authority(),
        path,
        query: &[],
        headers: &[],
        expires_seconds: 60,
        now,
    };
    presign(&input, &credentials, &key).unwrap().into_exposed()
}

async fn send(method: Method, url: &str, body: &'static str) -> Response<Bytes> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let request = Request::builder().method(method).uri(url).header("origin", "http://page");
    let response = client.request(request.body(Full::from(body)).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    #[expect(clippy::disallowed_methods, reason = "this one has a bound")]
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.unwrap().to_bytes();
    Response::from_parts(head, body)
}

#[tokio::test]
async fn a_signed_upload_comes_back_and_a_browser_may_read_its_etag() {
    let store = store::start("photos").await;
    let (path, now) = ("/photos/a b+ü.txt", Clock::System.now());
    let stored = send(Method::PUT, &signed_url(&store, &Method::PUT, path, now), "hello").await;
    assert_eq!(stored.status(), StatusCode::OK, "{:?}", stored.body());
    assert_eq!(stored.headers()["etag"], "\"5d41402abc4b2a76b9719d911017c592\"");
    assert_eq!(stored.headers()["access-control-allow-origin"], "*");
    assert!(stored.headers()["access-control-expose-headers"].to_str().unwrap().contains("ETag"));

    let read = send(Method::GET, &signed_url(&store, &Method::GET, path, now), "").await;
    assert_eq!((read.status(), read.body().as_ref()), (StatusCode::OK, &b"hello"[..]));
}

#[tokio::test]
async fn another_key_another_method_and_another_day_are_refused() {
    let store = store::start("photos").await;
    let now = Clock::System.now();
    let url = signed_url(&store, &Method::PUT, "/photos/a.txt", now);
    let expired = Timestamp::from_unix_millis(now.unix_millis() - 61_000);
    let attempts = [
        (Method::PUT, url.replace("a.txt", "b.txt")),
        (Method::DELETE, url),
        (Method::PUT, signed_url(&store, &Method::PUT, "/photos/a.txt", expired)),
    ];
    for (method, url) in attempts {
        assert_eq!(send(method, &url, "hello").await.status(), StatusCode::FORBIDDEN, "{url}");
    }
    assert_eq!(std::fs::read_dir(store.directory().join("photos")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_key_that_no_file_can_hold_is_refused_with_s3s_own_error() {
    let store = store::start("photos").await;
    let now = Clock::System.now();
    for (bytes, status) in [(128, StatusCode::OK), (160, StatusCode::BAD_REQUEST)] {
        let path = format!("/photos/{}", "k".repeat(bytes));
        let answer = send(Method::PUT, &signed_url(&store, &Method::PUT, &path, now), "hello").await;
        let text = String::from_utf8_lossy(answer.body());
        assert_eq!(answer.status(), status, "{text}");
        assert_eq!(text.contains("KeyTooLongError"), status == StatusCode::BAD_REQUEST, "{text}");
    }
}

#[tokio::test]
async fn two_stores_share_nothing() {
    let (one, two) = (store::start("photos").await, store::start("photos").await);
    let (path, now) = ("/photos/a.txt", Clock::System.now());
    send(Method::PUT, &signed_url(&one, &Method::PUT, path, now), "hello").await;
    let there = send(Method::GET, &signed_url(&one, &Method::GET, path, now), "").await;
    let elsewhere = send(Method::GET, &signed_url(&two, &Method::GET, path, now), "").await;
    assert_eq!((there.status(), elsewhere.status()), (StatusCode::OK, StatusCode::NOT_FOUND));
}
