//! Requests that ask for more than was signed: refused with S3's code, and nothing of them leaves.

use http::Method;
use wharf::clock::Clock;
use wharf_wire::date::Timestamp;

use crate::support::{
    gateway::TestGateway,
    raw::{Raw, Reply},
    recorder::Recorder,
    s3_client::{Ask, Mode, S3_KEYS, Wire, in_front_of},
    witness::Witnesses,
};

/// What is refused at the door, and with what.
async fn check(cases: Vec<(&str, Wire, u16, &str)>) {
    let witnesses = Witnesses::start().await;
    for (what, wire, status, code) in cases {
        let reply = witnesses.refuse_unsent(&wire).await;
        assert_eq!((reply.status, reply.s3_code()), (status, code), "{what}: {reply:?}");
    }
}

fn put(mode: Mode) -> Wire {
    Ask::put("/photos/a", mode, b"hello").sign()
}

fn presigned() -> Ask<'static> {
    Ask::put("/photos/a", Mode::Unsigned, b"hello")
}

fn seconds_ago(seconds: u64) -> Timestamp {
    Timestamp::from_unix_millis(Clock::System.now().unix_millis() - seconds * 1000)
}

#[tokio::test]
async fn an_amz_header_that_is_not_signed() {
    let mut cases = Vec::new();
    for line in [
        "x-amz-copy-source: /photos/private",
        "x-amz-acl: public-read",
        "x-amz-meta-a: b",
        "X-AMZ-Server-Side-Encryption: AES256",
        "x-amz-meta-snowball-auto-extract: true",
        "x-amz-decoded-content-length: 4",
    ] {
        let signed = Mode::ALL.into_iter().filter(|mode| !(mode.is_streaming() && line.contains("decoded")));
        cases.extend(signed.map(|mode| (line, put(mode).line(line), 403, "AccessDenied")));
        cases.push((line, presigned().presign(60).line(line), 403, "AccessDenied"));
    }
    check(cases).await;
}

#[tokio::test]
async fn a_signature_of_another_request() {
    let wrong = "SignatureDoesNotMatch";
    let stranger = Ask::put("/photos/a", Mode::Hash, b"hello").secret("another-secret-0123456789");
    let date = Ask::put("/photos/a", Mode::Hash, b"hello").header("x-amz-meta-a", "b");
    check(vec![
        ("another secret", stranger.sign(), 403, wrong),
        ("another key", put(Mode::Hash).replace("/photos/a", "/photos/b"), 403, wrong),
        ("another method", put(Mode::Hash).replace("PUT ", "DELETE "), 403, wrong),
        ("one more parameter", put(Mode::Hash).replace("/photos/a ", "/photos/a?acl "), 403, wrong),
        ("another value", date.sign().replace("x-amz-meta-a: b", "x-amz-meta-a: c"), 403, wrong),
        ("another host", put(Mode::Hash).replace("host: s3", "host: s4"), 403, wrong),
        (
            "another key id",
            put(Mode::Hash).replace("WHARFTESTKEY00000001", "NOBODY"),
            403,
            "InvalidAccessKeyId",
        ),
        ("an hour old", Ask::get("/photos/a").at(seconds_ago(3600)).sign(), 403, "RequestTimeTooSkewed"),
    ])
    .await;
}

#[tokio::test]
async fn what_a_signature_must_say_of_the_payload() {
    let unsigned = put(Mode::Unsigned).replace("x-amz-content-sha256;", "");
    let swapped = put(Mode::Hash);
    let digest = wharf_wire::sigv4::payload_sha256(b"hello");
    check(vec![
        ("not signed", unsigned, 403, "AccessDenied"),
        ("missing", put(Mode::Unsigned).without("x-amz-content-sha256"), 400, "InvalidRequest"),
        (
            "no payload of S3's",
            put(Mode::Unsigned).replace("UNSIGNED-PAYLOAD", "NONE"),
            400,
            "InvalidArgument",
        ),
        (
            "an algorithm that nothing here verifies",
            put(Mode::Signed).replace("STREAMING-AWS4-HMAC-SHA256", "STREAMING-AWS4-ECDSA-P256-SHA256"),
            400,
            "InvalidArgument",
        ),
        (
            "no signatures where there were some",
            swapped.replace(digest.as_str(), "UNSIGNED-PAYLOAD"),
            403,
            "SignatureDoesNotMatch",
        ),
        (
            "unsigned chunks in place of signed ones",
            put(Mode::SignedTrailer)
                .replace("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
            403,
            "SignatureDoesNotMatch",
        ),
        (
            "streaming on a presigned URL",
            presigned().presign(60).line("x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
            403,
            "AccessDenied",
        ),
        (
            "streaming in a presigned URL's query",
            Ask::put(
                "/photos/a?X-Amz-Content-Sha256=STREAMING-UNSIGNED-PAYLOAD-TRAILER",
                Mode::Unsigned,
                b"hello",
            )
            .presign(60),
            403,
            "SignatureDoesNotMatch",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_presigned_url_that_is_over_or_changed() {
    let wrong = "SignatureDoesNotMatch";
    let url = || presigned().presign(60);
    check(vec![
        ("expired", presigned().at(seconds_ago(61)).presign(60), 403, "AccessDenied"),
        (
            "from tomorrow",
            presigned().at(Clock::System.now().plus_seconds(3600)).presign(60),
            403,
            "AccessDenied",
        ),
        ("another key", url().replace("/photos/a?", "/photos/b?"), 403, wrong),
        ("another method", url().replace("PUT ", "DELETE "), 403, wrong),
        ("a longer life", url().replace("Expires=60", "Expires=600"), 403, wrong),
        ("one more parameter", url().replace(" HTTP/1.1", "&uploadId=1&partNumber=1 HTTP/1.1"), 403, wrong),
        ("another host", url().replace("host: s3", "host: s4"), 403, wrong),
        ("no life", url().replace("Expires=60", "Expires=0"), 400, "AuthorizationQueryParametersError"),
        (
            "too long a life",
            url().replace("Expires=60", "Expires=604801"),
            400,
            "AuthorizationQueryParametersError",
        ),
        (
            "an odd life",
            url().replace("Expires=60", "Expires=%2B60"),
            400,
            "AuthorizationQueryParametersError",
        ),
        (
            "a parameter twice",
            url().replace("&X-Amz-Expires=60", "&X-Amz-Expires=60&X-Amz-Expires=60"),
            400,
            "AuthorizationQueryParametersError",
        ),
    ])
    .await;
}

#[tokio::test]
async fn two_signatures_on_one_request() {
    let authorization = "authorization: AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, \
                         SignedHeaders=host, Signature=0";
    let with_query = |query: &str| put(Mode::Hash).replace("/photos/a ", &format!("/photos/a?{query} "));
    check(vec![
        ("a header beside a query", presigned().presign(60).line(authorization), 400, "InvalidArgument"),
        ("a query beside a header", with_query("X-Amz-Signature=0"), 400, "InvalidArgument"),
        ("a credential alone", with_query("X-Amz-Credential=a"), 400, "InvalidArgument"),
        ("the older version's", with_query("AWSAccessKeyId=a"), 400, "InvalidArgument"),
        ("two headers", put(Mode::Hash).line(authorization), 400, "InvalidArgument"),
    ])
    .await;
}

#[tokio::test]
async fn a_streaming_payload_where_there_is_no_object() {
    let mut cases = Vec::new();
    for (method, target) in [
        (Method::GET, "/photos/a"),
        (Method::GET, "/photos"),
        (Method::GET, "/"),
        (Method::DELETE, "/photos/a"),
        (Method::POST, "/photos?delete"),
        (Method::POST, "/photos/a?uploads"),
        (Method::POST, "/photos/a?uploadId=1"),
        (Method::PUT, "/photos/a?tagging"),
        (Method::PUT, "/photos/a?acl"),
        (Method::PUT, "/photos"),
    ] {
        let streaming = Mode::ALL.into_iter().filter(|mode| mode.is_streaming());
        let wires = streaming.map(|mode| Ask::new(method.clone(), target).body(mode, b"<a/>").sign());
        cases.extend(wires.map(|wire| (target, wire, 400, "InvalidRequest")));
    }
    check(cases).await;
}

/// Wharf would check one of them, and a provider might obey the other.
#[tokio::test]
async fn a_header_that_came_twice() {
    let twice = |name: &str, values: [&str; 2]| {
        let ask = Ask::put("/photos/a", Mode::Hash, b"hello");
        values.iter().fold(ask, |ask, value| ask.header(name, value)).sign()
    };
    let md5 = ["XUFAKrxLKna5cZ2REBfFkg==", "1B2M2Y8AsgTpgAmY7PhCfg=="];
    check(vec![
        ("two types", twice("content-type", ["image/png", "text/html"]), 400, "InvalidRequest"),
        ("two digests", twice("content-md5", md5), 400, "InvalidRequest"),
    ])
    .await;
    let (recorder, gateway) = recorded().await;
    assert_eq!(twice("x-amz-meta-a", ["b", "c"]).status(&gateway).await, 200);
    assert_eq!(recorder.complete(), 1);
}

async fn recorded() -> (Recorder, TestGateway) {
    let recorder = Recorder::start().await;
    let gateway = TestGateway::start(&in_front_of(&recorder.endpoint(), S3_KEYS)).await;
    (recorder, gateway)
}

/// Sends the head of `wire` alone and takes what comes.
async fn answer_to_head(gateway: &TestGateway, wire: &Wire) -> (Raw, Reply) {
    let mut raw = Raw::connect(gateway.s3()).await;
    let reply = raw.ask(wire.head()).await;
    (raw, reply)
}

#[tokio::test]
async fn a_wrong_signature_is_answered_before_five_gigabytes_and_the_connection_ends() {
    let (recorder, gateway) = recorded().await;
    let wire = put(Mode::Unsigned).replace("/photos/a", "/photos/b").content_length(5_000_000_000);
    let (mut raw, reply) = answer_to_head(&gateway, &wire).await;
    assert_eq!((reply.status, reply.s3_code()), (403, "SignatureDoesNotMatch"));
    // Whoever is still sending gets the answer, and then the end.
    raw.try_send(vec![0; 100_000]).await;
    assert_eq!(raw.closed().await, "");
    assert_eq!(recorder.requests().len(), 0);
}

#[tokio::test]
async fn a_client_is_told_to_continue_once_its_signature_has_been_verified() {
    let (recorder, gateway) = recorded().await;
    for mode in Mode::ALL {
        let right = put(mode).line("expect: 100-continue");
        let (_, refused) = answer_to_head(&gateway, &right.clone().replace("/photos/a", "/photos/b")).await;
        assert_eq!((refused.status, refused.s3_code()), (403, "SignatureDoesNotMatch"), "{mode:?}");
        let (mut raw, told) = answer_to_head(&gateway, &right).await;
        assert_eq!(told.status, 100, "{mode:?} {told:?}");
        assert_eq!(raw.ask(right.body()).await.status, 200, "{mode:?}");
    }
    assert_eq!(recorder.complete(), Mode::ALL.len());
}
