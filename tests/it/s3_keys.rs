//! One key, read once: what rights are checked on is what is sent, byte for byte, however the caller wrote it.

use http::Method;

use crate::support::{
    gateway::TestGateway,
    recorder::Recorder,
    s3_client::{Ask, HOST, Mode, S3_KEYS, in_front_of},
};

/// May do anything below `uploads/`, and nothing beside it.
const PREFIX_KEYS: &str = r#"
[[keys]]
id = "WHARFTESTKEY00000001"
secret = "wharf-test-secret-0123456789abcdef"
allow = [{ bucket = "photos", prefix = "uploads/", actions = ["read", "write", "delete", "list"] }]
[s3]
domains = ["s3.wharf.test"]
"#;

async fn recorded(keys: &str) -> (Recorder, TestGateway) {
    let recorder = Recorder::start().await;
    let gateway = TestGateway::start(&in_front_of(&recorder.endpoint(), keys)).await;
    (recorder, gateway)
}

#[tokio::test]
async fn no_path_leads_around_a_prefix() {
    let (recorder, gateway) = recorded(PREFIX_KEYS).await;
    let virtual_host = format!("photos.{HOST}");
    let stranger = format!("films.{HOST}");
    for (host, path) in [
        (HOST, "/photos/private"),
        (HOST, "/photos/uploads"),
        (HOST, "/photos/Uploads/a"),
        (HOST, "/photos//uploads/a"),
        (HOST, "/photos/./uploads/a"),
        (HOST, "/photos/uploads/../private"),
        (HOST, "/photos/uploads/%2e%2e/private"),
        (HOST, "/photos/uploads/%2E./private"),
        (HOST, "/photos/uploads%2F..%2Fprivate"),
        (HOST, "/photos/uploads/..%5Cprivate"),
        (HOST, "/photos/uploads/a/../../private"),
        (HOST, "/photos/uploads/.."),
        (HOST, "/photos/x/../uploads/a"),
        (&virtual_host, "/private"),
        (&virtual_host, "/photos/uploads/a"),
        (&virtual_host, "//uploads/a"),
        (&virtual_host, "/uploads/../private"),
        (&virtual_host, "/uploads%2f%2e%2e%2fprivate"),
    ] {
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE] {
            let wire = Ask::new(method.clone(), path).host(host).sign().line("connection: close");
            let status = wire.status(&gateway).await;
            assert_eq!(status, 403, "{method} {host} {path}");
        }
    }
    for (host, path) in
        [(HOST, "/photos/..%2Fuploads%2Fa"), (HOST, "/films/uploads/a"), (&stranger, "/photos/uploads/a")]
    {
        let status = Ask::get(path).host(host).sign().status(&gateway).await;
        assert!(matches!(status, 403 | 404), "{host} {path}: {status}");
    }
    for prefix in ["", "upload", "uploads%2F..%2F", "private%2F", "%2Fuploads%2F"] {
        for target in [format!("/photos?prefix={prefix}"), format!("/photos?list-type=2&prefix={prefix}")] {
            assert_eq!(Ask::get(&target).sign().status(&gateway).await, 403, "{target}");
        }
    }
    assert_eq!(recorder.requests().len(), 0);
}

#[tokio::test]
async fn a_prefix_covers_its_keys_however_they_are_written() {
    let (recorder, gateway) = recorded(PREFIX_KEYS).await;
    let virtual_host = format!("photos.{HOST}");
    let hosts =
        [(HOST, "/photos/uploads/a"), (HOST, "/photos/%75ploads%2fa"), (virtual_host.as_str(), "/uploads/a")];
    for (host, path) in hosts {
        assert_eq!(Ask::put(path, Mode::Hash, b"a").host(host).sign().status(&gateway).await, 200, "{path}");
    }
    for request in recorder.requests() {
        assert_eq!((request.method(), request.target()), ("PUT", "/stored-photos/uploads/a"));
    }
    assert_eq!(recorder.complete(), hosts.len());
}

/// Stores hide this: few can keep such keys. What S3 itself gets is what was asked for.
#[tokio::test]
async fn every_key_reaches_the_provider_byte_for_byte() {
    let (recorder, gateway) = recorded(S3_KEYS).await;
    let longest = "k".repeat(1024);
    let longest_escaped = "%F0%9F%98%80".repeat(256);
    let keys = [
        ("a//b", "a//b"),
        ("/a", "/a"),
        ("a/", "a/"),
        ("a/../b", "a/../b"),
        ("a/./b", "a/./b"),
        ("..", ".."),
        ("%2e%2e/%2E", "../."),
        ("a%2Fb", "a/b"),
        ("a%252Fb", "a%252Fb"),
        ("a+b", "a%2Bb"),
        ("a%2Bb", "a%2Bb"),
        ("a%20b", "a%20b"),
        ("a%3Fb%23c", "a%3Fb%23c"),
        ("a%5Cb", "a%5Cb"),
        ("a%25b", "a%25b"),
        ("a%7Eb~c", "a~b~c"),
        ("a*b'c(d)!", "a%2Ab%27c%28d%29%21"),
        ("%f0%9f%98%80", "%F0%9F%98%80"),
        ("%C3%A9", "%C3%A9"),
        ("e%CC%81", "e%CC%81"),
        (longest.as_str(), longest.as_str()),
        (longest_escaped.as_str(), longest_escaped.as_str()),
    ];
    for (key, sent) in keys {
        let status = Ask::put(&format!("/photos/{key}"), Mode::Unsigned, b"a").sign().status(&gateway).await;
        assert_eq!(status, 200, "{key}");
        let last = recorder.requests().pop().unwrap();
        assert_eq!(last.target(), format!("/stored-photos/{sent}"), "{key}");
    }
    let too_long = format!("/photos/{longest}k");
    let reply = Ask::put(&too_long, Mode::Unsigned, b"a").sign().send(&gateway).await;
    assert_eq!((reply.status, reply.s3_code()), (400, "KeyTooLongError"));
    assert_eq!(recorder.complete(), keys.len());
}

/// Neighbours share the provider's bucket, and a store that keeps files would find theirs one step up.
#[tokio::test]
async fn no_key_leads_out_of_a_bucket_that_is_a_prefix() {
    let recorder = Recorder::start().await;
    let config = in_front_of(&recorder.endpoint(), S3_KEYS);
    let gateway = TestGateway::start(&[&config, "key_prefix = \"tenant/\"\n"].concat()).await;
    for path in [
        "/photos/../other",
        "/photos/a/%2e%2e/%2E./other",
        "/photos/..",
        "/photos/a%2F..%5C..",
        "/photos/a/..",
    ] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            assert_eq!(Ask::new(method, path).sign().status(&gateway).await, 403, "{path}");
        }
    }
    for query in [
        "prefix=..%2Fother",
        "prefix=a%2F..%2F..",
        "marker=..%2Fother",
        "list-type=2&start-after=..%5Cother",
        "versions&key-marker=..%2Fother",
        "uploads&key-marker=..%2Fother",
    ] {
        assert_eq!(Ask::get(&format!("/photos?{query}")).sign().status(&gateway).await, 403, "{query}");
    }
    assert_eq!(recorder.requests().len(), 0);
    assert_eq!(Ask::put("/photos/a..b/...", Mode::Hash, b"a").sign().status(&gateway).await, 200);
    assert_eq!(recorder.requests()[0].target(), "/stored-photos/tenant/a..b/...");
}

/// A key that fits at S3 may not fit behind a prefix: the caller is told what does, and the provider gets nothing.
#[tokio::test]
async fn the_longest_key_of_a_bucket_that_is_a_prefix() {
    let recorder = Recorder::start().await;
    let config = in_front_of(&recorder.endpoint(), S3_KEYS);
    let gateway = TestGateway::start(&[&config, "key_prefix = \"ténant/\"\n"].concat()).await;
    let left = 1024 - "ténant/".len();
    let fits = "k".repeat(left);
    let status = Ask::put(&format!("/photos/{fits}"), Mode::Hash, b"a").sign().status(&gateway).await;
    assert_eq!(status, 200);
    assert_eq!(recorder.requests()[0].target(), format!("/stored-photos/t%C3%A9nant/{fits}"));
    let source = format!("/photos/{fits}k");
    for ask in [
        Ask::put(&source, Mode::Hash, b"a"),
        Ask::put(&source, Mode::UnsignedTrailer, b"a"),
        Ask::get(&source),
        Ask::new(Method::DELETE, &source),
        Ask::new(Method::POST, &format!("{source}?uploads=")),
        Ask::new(Method::PUT, "/photos/copy").header("x-amz-copy-source", &source),
    ] {
        let reply = ask.sign().send(&gateway).await;
        assert_eq!((reply.status, reply.s3_code()), (400, "KeyTooLongError"), "{reply:?}");
        assert!(reply.body.contains(&format!("at most {left} bytes")), "{reply:?}");
    }
    let batch = format!("<Delete><Object><Key>{fits}k</Key></Object></Delete>");
    let wire = Ask::new(Method::POST, "/photos?delete=").body(Mode::Hash, batch.as_bytes()).sign();
    let deleted = wire.send(&gateway).await;
    assert!(deleted.body.contains("<Code>KeyTooLongError</Code>"), "{deleted:?}");
    assert_eq!(recorder.requests().len(), 1);
}
