//! Providers that misbehave: what they say too early is not believed, what they leave out is not made up, and nobody is
//! held by whoever has left.

use wharf_wire::checksum::ChecksumAlgorithm;

use crate::support::{
    gateway::TestGateway,
    raw::Raw,
    recorder::{Answer, Recorded, Recorder},
    s3_client::{Ask, Mode, S3_KEYS, Wire, checksum, in_front_of},
};

/// More than a chunk.
const BODY: &[u8] = &[b'a'; 20_000];

const STORED: &str = "HTTP/1.1 200 OK\r\netag: \"a\"\r\ncontent-length: 0\r\n\r\n";

async fn behind(recorder: &Recorder) -> TestGateway {
    TestGateway::start(&in_front_of(&recorder.endpoint(), S3_KEYS)).await
}

/// A gateway before a provider that says `answer` to every complete request.
async fn saying(answer: Answer) -> (Recorder, TestGateway) {
    let recorder = Recorder::answering(move |request| request.is_complete.then(|| answer.clone())).await;
    let gateway = behind(&recorder).await;
    (recorder, gateway)
}

/// All that comes in answer to `wire`, until the connection ends.
async fn told(gateway: &TestGateway, wire: Wire) -> String {
    let mut raw = Raw::connect(gateway.s3()).await;
    raw.send(wire.line("connection: close").head()).await;
    raw.closed().await
}

/// The proof of the body is what makes an upload, not the provider's word.
#[tokio::test]
async fn a_success_before_the_body_was_proven_is_not_passed_on() {
    let recorder = Recorder::answering(|_| Some(Answer::new(STORED))).await;
    let gateway = behind(&recorder).await;
    for mode in Mode::ALL {
        let wire = Ask::put("/photos/a", mode, BODY).chunk_bytes(8192).sign();
        let mut raw = Raw::connect(gateway.s3()).await;
        let body = wire.body();
        raw.send([wire.head(), body[..body.len() - 1].to_vec()].concat()).await;
        // The last byte never comes, and the answer does.
        let reply = raw.reply().await;
        assert_eq!((reply.status, reply.s3_code()), (503, "ServiceUnavailable"), "{mode:?} {reply:?}");
        recorder.settled().await;
        assert_eq!(recorder.complete(), 0, "{mode:?}");
    }
}

#[tokio::test]
async fn a_success_for_a_body_that_turns_out_wrong_is_not_passed_on() {
    let recorder =
        Recorder::answering(|request| (request.body.len() >= 8192).then(|| Answer::new(STORED))).await;
    let gateway = behind(&recorder).await;
    for mode in Mode::TRAILER {
        let wrong = Ask::put("/photos/a", mode, BODY).trailer_of(b"other").sign();
        let reply = wrong.send(&gateway).await;
        assert!(matches!((reply.status, reply.s3_code()), (400, "BadDigest") | (503, _)), "{reply:?}");
    }
    let wrong = Ask::put("/photos/a", Mode::Unsigned, BODY)
        .header("x-amz-checksum-crc32", checksum(ChecksumAlgorithm::Crc32, b"other"));
    let reply = wrong.sign().send(&gateway).await;
    assert!(matches!((reply.status, reply.s3_code()), (400, "BadDigest") | (503, _)), "{reply:?}");
    recorder.settled().await;
    assert_eq!(recorder.complete(), 0);
}

/// A refusal may come early: nothing was stored, and the client need not send the rest.
#[tokio::test]
async fn a_refusal_before_the_end_of_the_body_is_passed_on() {
    let refusal = "<Error><Code>QuotaExceeded</Code><Message>full</Message></Error>";
    let answer = format!("HTTP/1.1 403 Forbidden\r\ncontent-length: {}\r\n\r\n{refusal}", refusal.len());
    let recorder = Recorder::answering(move |_| Some(Answer::new(answer.clone()))).await;
    let gateway = behind(&recorder).await;
    let wire = Ask::put("/photos/a", Mode::Unsigned, &[b'a'; 1000]).sign().content_length(1_000_000);
    let reply = wire.send(&gateway).await;
    assert_eq!((reply.status, reply.s3_code()), (403, "QuotaExceeded"), "{reply:?}");
    recorder.settled().await;
    assert_eq!(recorder.complete(), 0);
}

/// The beginning of a download must not look like all of it.
#[tokio::test]
async fn a_download_that_breaks_off_does_not_end_well() {
    for (framing, unfinished) in
        [("content-length: 100", "hello"), ("transfer-encoding: chunked", "5\r\nhello\r\n")]
    {
        let bytes = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{unfinished}");
        for answer in [Answer::and_close(bytes.clone()), Answer::and_reset(bytes.clone())] {
            let (_recorder, gateway) = saying(answer).await;
            let came = told(&gateway, Ask::get("/photos/a").sign()).await;
            let body = came.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            // A reset may take everything with it.
            assert!(came.is_empty() || came.to_lowercase().contains(framing), "{came}");
            assert!(body.len() < 100 && !body.ends_with("0\r\n\r\n"), "{came}");
        }
    }
}

#[tokio::test]
async fn a_listing_that_breaks_off_does_not_end_well() {
    let unfinished = "<ListBucketResult><Name>stored-photos</Name><Contents><Key>a</Key></Contents>";
    for framing in ["content-length: 500", "transfer-encoding: chunked"] {
        let answer =
            format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{:x}\r\n{unfinished}\r\n", unfinished.len());
        let (_recorder, gateway) = saying(Answer::and_close(answer)).await;
        let came = told(&gateway, Ask::get("/photos?list-type=2").sign()).await;
        assert!(!came.ends_with("0\r\n\r\n") && !came.contains("</ListBucketResult>"), "{came}");
    }
}

/// S3 answers these with a document. Where a provider has none, the client is told, and its connection is kept.
#[tokio::test]
async fn a_success_without_a_document_is_an_error_of_the_providers() {
    let part = |value| {
        Ask::new(http::Method::PUT, "/photos/a?partNumber=1&uploadId=u").header("x-amz-copy-source", value)
    };
    let parts = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>a</ETag></Part>\
                 </CompleteMultipartUpload>";
    let complete = Ask::new(http::Method::POST, "/photos/a?uploadId=u").body(Mode::Hash, parts.as_bytes());
    for (framing, body) in [
        ("content-length: 0", ""),
        ("transfer-encoding: chunked", "0\r\n\r\n"),
        ("content-length: 5", "hello"),
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{body}");
        let (_recorder, gateway) = saying(Answer::new(answer)).await;
        let mut raw = Raw::connect(gateway.s3()).await;
        for ask in [part("/photos/b"), complete.clone(), Ask::get("/photos?list-type=2")] {
            let wire = ask.sign();
            let reply = raw.ask([wire.head(), wire.body()].concat()).await;
            assert_eq!((reply.status, reply.s3_code()), (500, "InternalError"), "{framing} {reply:?}");
        }
    }
}

#[tokio::test]
async fn replies_without_a_body_are_framed_as_such() {
    for (wire, head, status, line) in [
        (
            Ask::new(http::Method::HEAD, "/photos/a").sign(),
            "200 OK\r\ncontent-length: 5\r\netag: \"a\"",
            "200 OK",
            "content-length: 5\r\n",
        ),
        (
            Ask::new(http::Method::HEAD, "/photos/a").sign(),
            "404 Not Found\r\ncontent-length: 300",
            "404 Not Found",
            "x-amz-request-id: ",
        ),
        (
            Ask::get("/photos/a").sign(),
            "304 Not Modified\r\netag: \"a\"",
            "304 Not Modified",
            "etag: \"a\"\r\n",
        ),
        (
            Ask::new(http::Method::DELETE, "/photos/a").sign(),
            "204 No Content",
            "204 No Content",
            "x-amz-request-id: ",
        ),
    ] {
        let (_recorder, gateway) = saying(Answer::new(format!("HTTP/1.1 {head}\r\n\r\n"))).await;
        let came = told(&gateway, wire).await;
        assert!(came.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{came}");
        assert!(came.contains(line) && came.ends_with("\r\n\r\n"), "{came}");
        assert_eq!(came.matches("\r\n\r\n").count(), 1, "{came}");
        assert!(!came.contains("transfer-encoding"), "{came}");
    }
}

/// What a provider keeps of a caller's may hold anything, and what it says of itself is nobody's business.
#[tokio::test]
async fn headers_that_would_write_headers_do_not_pass() {
    for line in ["x-amz-meta-a: b\rset-cookie: c=d", "x-amz-meta-a: b\0c", "x-amz-meta-a\r: b"] {
        let answer = format!("HTTP/1.1 200 OK\r\n{line}\r\ncontent-length: 0\r\n\r\n");
        let (_recorder, gateway) = saying(Answer::new(answer)).await;
        let came = told(&gateway, Ask::get("/photos/a").sign()).await;
        assert!(came.starts_with("HTTP/1.1 503 ") && !came.contains("set-cookie"), "{came}");
    }
    let own = "server: minio\r\nset-cookie: c=d\r\nx-amz-id-2: x\r\nx-amz-bucket-region: mars\r\nvia: x\r\n\
               location: http://inner/\r\nx-minio-deployment-id: x\r\nalt-svc: h3";
    let (_recorder, gateway) =
        saying(Answer::new(format!("HTTP/1.1 200 OK\r\n{own}\r\ncontent-length: 0\r\n\r\n"))).await;
    let came = told(&gateway, Ask::get("/photos/a").sign()).await.to_lowercase();
    for name in own.lines().filter_map(|line| line.split(':').next()) {
        assert!(!came.contains(&format!("\r\n{}:", name.trim())), "{name} in {came}");
    }
    let (recorder, gateway) = saying(Answer::stored()).await;
    for value in ["a%0D%0Aset-cookie%3A%20c%3Dd", "a%00b", "a%0Ab"] {
        let wire = Ask::get(&format!("/photos/a?response-content-disposition={value}")).sign();
        assert_eq!(wire.status(&gateway).await, 400, "{value}");
    }
    assert_eq!(recorder.requests().len(), 0);
}

#[tokio::test]
async fn a_client_that_leaves_frees_the_provider() {
    let begun = "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nhello";
    let (recorder, gateway) = saying(Answer::new(begun)).await;
    let mut raw = Raw::connect(gateway.s3()).await;
    raw.send(Ask::get("/photos/a").sign().head()).await;
    raw.bytes(50).await;
    drop(raw);
    recorder.until(|record| record.iter().all(|request: &Recorded| request.is_closed)).await;
}
