//! A copy from one provider to another when one of them does not do as it should: recorders stand in for both.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use http::Method;
use wharf_wire::{
    checksum::ChecksumAlgorithm,
    xml::{read_copied, read_error},
};

use super::s3_copy::config;
use crate::support::{
    gateway::TestGateway,
    raw::{Raw, Reply},
    recorder::{Answer, Recorded, Recorder},
    s3_client::{Ask, S3_KEYS, checksum},
};

const MIB: usize = 1 << 20;

/// A reply of a source that has `body`, which it calls `announced` bytes long.
fn source(headers: &str, body: &[u8], announced: usize) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\netag: \"one\"\r\ncontent-type: text/x-test\r\n{headers}content-length: {announced}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// Copies from a source that gives `answer` to a recorder that stores everything.
async fn copy_from(answer: Answer) -> (Reply, Recorder, Recorder) {
    let one = Recorder::answering(move |request| request.is_complete.then(|| answer.clone())).await;
    let two = Recorder::start().await;
    let gateway = TestGateway::start(&config(&one.endpoint(), &two.endpoint(), S3_KEYS)).await;
    let reply = copying().sign().send(&gateway).await;
    (reply, one, two)
}

fn copying<'a>() -> Ask<'a> {
    Ask::new(Method::PUT, "/copies/copy").header("x-amz-copy-source", "photos/original")
}

#[tokio::test]
async fn what_is_asked_of_each_provider_is_what_it_needs() {
    let one = Recorder::answering(|request| {
        request.is_complete.then(|| Answer::new(source("x-amz-version-id: v1\r\n", b"hello", 5)))
    })
    .await;
    let two = Recorder::start().await;
    let gateway = TestGateway::start(&config(&one.endpoint(), &two.endpoint(), S3_KEYS)).await;
    let ask =
        Ask::new(Method::PUT, "/copies/copy").header("x-amz-copy-source", "/photos/original?versionId=v1");
    let reply = ask
        .header("x-amz-copy-source-if-match", "\"one\"")
        .header("x-amz-copy-source-server-side-encryption-customer-algorithm", "AES256")
        .header("x-amz-server-side-encryption", "AES256")
        .header("x-amz-checksum-algorithm", "CRC32")
        .header("if-none-match", "*")
        .sign()
        .send(&gateway)
        .await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.header("x-amz-copy-source-version-id"), Some("v1"));

    let (read, written) = (&one.requests()[0], &two.requests()[0]);
    assert_eq!((read.method(), read.target()), ("GET", "/stored-photos/a/original?versionId=v1"));
    assert_eq!(read.header("if-match"), Some("\"one\""));
    assert_eq!(read.header("x-amz-server-side-encryption-customer-algorithm"), Some("AES256"));
    assert_eq!(read.header("x-amz-checksum-mode"), Some("ENABLED"));
    assert_eq!((written.method(), written.target()), ("PUT", "/stored-photos/c/copy"));
    assert_eq!(written.header("if-none-match"), Some("*"));
    assert_eq!(written.header("x-amz-server-side-encryption"), Some("AES256"));
    assert_eq!(written.body, b"hello");
    for request in [read, written] {
        assert!(!request.head.contains("x-amz-copy-source") && !request.head.contains("checksum-algorithm"));
    }
    assert!(!written.head.contains("customer") && !read.head.contains("if-none-match"));
}

#[tokio::test]
async fn a_source_that_breaks_off_leaves_nothing_behind() {
    for answer in [
        Answer::and_close(source("", b"hel", 5)),
        Answer::and_reset(source("", b"hell", 5)),
        Answer::new(source("x-amz-checksum-crc32: AAAAAA==\r\n", b"hello", 5)),
        Answer::new(source(
            "x-amz-checksum-sha256: AAAA\r\nx-amz-checksum-crc32c: AAAAAA==\r\n",
            b"hello",
            5,
        )),
    ] {
        let (reply, _, two) = copy_from(answer).await;
        assert!(reply.status >= 500, "{reply:?}");
        two.settled().await;
        assert_eq!(two.complete(), 0, "{reply:?}");
    }
}

#[tokio::test]
async fn a_checksum_of_the_source_is_verified() {
    let of_bytes = format!("x-amz-checksum-crc32: {}\r\n", checksum(ChecksumAlgorithm::Crc32, b"hello"));
    let of_checksums = "x-amz-checksum-crc32: AAAAAA==\r\nx-amz-checksum-type: COMPOSITE\r\n";
    let with_count = "x-amz-checksum-crc32: AAAAAA==-2\r\n";
    for headers in [&of_bytes, of_checksums, with_count] {
        let (reply, _, two) = copy_from(Answer::new(source(headers, b"hello", 5))).await;
        assert_eq!((reply.status, two.complete()), (200, 1), "{headers} {reply:?}");
    }
}

#[tokio::test]
async fn conditions_that_do_not_hold_and_odd_answers_are_errors() {
    for (answer, code) in [
        ("HTTP/1.1 304 Not Modified\r\n\r\n", "PreconditionFailed"),
        ("HTTP/1.1 412 Precondition Failed\r\ncontent-length: 0\r\n\r\n", "PreconditionFailed"),
        ("HTTP/1.1 206 Partial Content\r\ncontent-length: 1\r\n\r\na", "InternalError"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", "InternalError"),
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "NoSuchKey"),
    ] {
        let (reply, _, two) = copy_from(Answer::new(answer)).await;
        assert_eq!((reply.s3_code(), two.requests().len()), (code, 0), "{answer} {reply:?}");
    }
}

#[tokio::test]
async fn a_large_copy_that_fails_says_so_below_its_200() {
    let (reply, _, two) = copy_from(Answer::and_close(source("", &vec![b'a'; 9 * MIB], 10 * MIB))).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/xml")));
    assert_eq!(read_error(reply.body.as_bytes()).unwrap().code, "ServiceUnavailable");
    two.settled().await;
    assert_eq!(two.complete(), 0);
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_copy() {
    let body = source("", &vec![b'a'; 9 * MIB], 10 * MIB);
    let one =
        Recorder::answering(move |request| request.is_complete.then(|| Answer::new(body.clone()))).await;
    let two = Recorder::start().await;
    let gateway = TestGateway::start(&config(&one.endpoint(), &two.endpoint(), S3_KEYS)).await;
    let mut client = Raw::connect(gateway.s3()).await;
    client.send(copying().sign().head()).await;
    // The last mebibyte never comes: nothing but the client can end this.
    two.until(|record| record.first().is_some_and(|request| request.body.len() > 8 * MIB)).await;
    drop(client);
    two.settled().await;
    assert_eq!(two.complete(), 0);
}

#[tokio::test]
async fn tags_go_along() {
    let one = Recorder::answering(|request| {
        let is_tagging = request.target().ends_with("?tagging=");
        let tags = "<Tagging><TagSet><Tag><Key>a b</Key><Value>c&amp;d</Value></Tag>\
            <Tag><Key>e</Key><Value/></Tag></TagSet></Tagging>";
        let tagging = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{tags}", tags.len());
        let object = source("x-amz-tagging-count: 2\r\n", b"hello", 5);
        request.is_complete.then(|| Answer::new(if is_tagging { tagging.into_bytes() } else { object }))
    })
    .await;
    let two = Recorder::start().await;
    let gateway = TestGateway::start(&config(&one.endpoint(), &two.endpoint(), S3_KEYS)).await;
    assert_eq!(copying().header("x-amz-tagging", "not=these").sign().send(&gateway).await.status, 200);
    let replaced = copying().header("x-amz-tagging-directive", "REPLACE").header("x-amz-tagging", "f=g");
    assert_eq!(replaced.sign().send(&gateway).await.status, 200);
    let tags: Vec<Option<String>> =
        two.requests().iter().map(|request| request.header("x-amz-tagging").map(str::to_owned)).collect();
    assert_eq!(tags, [Some("a%20b=c%26d&e=".to_owned()), Some("f=g".to_owned())]);
}

/// The bytes that a range asks for, of an object of which every byte is the number of its mebibyte.
pub(crate) fn ranged(request: &Recorded, bytes: usize, etag: &str) -> Vec<u8> {
    let range = request.header("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let (first, last) =
        range.map_or((0, bytes - 1), |(first, last)| (first.parse().unwrap(), last.parse().unwrap()));
    let status = if range.is_some() { "206 Partial Content" } else { "200 OK" };
    let head = format!(
        "HTTP/1.1 {status}\r\netag: {etag}\r\ncontent-length: {}\r\ncontent-range: bytes {first}-{last}/{bytes}\r\n\r\n",
        last + 1 - first
    );
    let mut body = vec![0; last + 1 - first];
    for (number, mebibyte) in (u8::try_from(first / MIB).unwrap()..).zip(body.chunks_mut(MIB)) {
        mebibyte.fill(number);
    }
    [head.into_bytes(), body].concat()
}

/// A target that takes multipart uploads.
pub(crate) fn multipart(request: &Recorded) -> Option<Answer> {
    let xml =
        |body: &str| Answer::new(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
    request.is_complete.then(|| match (request.method(), request.target()) {
        ("POST", target) if target.ends_with("?uploads=") => {
            xml("<InitiateMultipartUploadResult><UploadId>u/1</UploadId></InitiateMultipartUploadResult>")
        }
        ("POST", _) => {
            xml("  <CompleteMultipartUploadResult><Bucket>stored-photos</Bucket><ETag>\"whole-2\"</ETag>\
             </CompleteMultipartUploadResult>")
        }
        ("PUT", _) => Answer::stored(),
        _ => Answer::new("HTTP/1.1 204 No Content\r\n\r\n"),
    })
}

pub(crate) const LARGE: usize = 65 * MIB;

fn line(request: &Recorded) -> String {
    format!("{} {}", request.method(), request.target())
}

fn asked(recorder: &Recorder) -> Vec<String> {
    recorder.requests().iter().map(line).collect()
}

#[tokio::test]
async fn a_very_large_object_goes_in_parts() {
    let one = Recorder::answering(|request| {
        request.is_complete.then(|| Answer::new(ranged(request, LARGE, "\"one\"")))
    })
    .await;
    let two = Recorder::answering(multipart).await;
    let gateway = TestGateway::start(&config(&one.endpoint(), &two.endpoint(), S3_KEYS)).await;
    let ask = copying().header("x-amz-storage-class", "STANDARD").header("if-none-match", "*");
    let reply = ask.sign().send(&gateway).await;
    assert_eq!(read_copied(reply.body.as_bytes()).unwrap().etag, "\"whole-2\"", "{reply:?}");
    // Parts go side by side.
    let mut requests = two.requests();
    requests[1..3].sort_by(|one, other| one.target().cmp(other.target()));
    assert_eq!(
        requests.iter().map(line).collect::<Vec<_>>(),
        [
            "POST /stored-photos/c/copy?uploads=",
            "PUT /stored-photos/c/copy?uploadId=u%2F1&partNumber=1",
            "PUT /stored-photos/c/copy?uploadId=u%2F1&partNumber=2",
            "POST /stored-photos/c/copy?uploadId=u%2F1",
        ]
    );
    assert_eq!(requests[0].header("x-amz-storage-class"), Some("STANDARD"));
    assert_eq!(
        (requests[1].header("x-amz-storage-class"), requests[1].header("if-none-match")),
        (None, None)
    );
    assert_eq!((requests[1].body.len(), requests[2].body.len()), (64 * MIB, MIB));
    assert!(requests[2].body.iter().all(|byte| *byte == 64));
    assert_eq!(requests[3].header("if-none-match"), Some("*"));
    let if_match: Vec<_> =
        one.requests().iter().map(|request| request.header("if-match").is_some()).collect();
    assert_eq!(if_match, [false, true, true]);
}

#[tokio::test]
async fn a_source_that_changes_ends_the_copy_and_its_upload() {
    for is_conditional in [true, false] {
        let asked_so_far = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked_so_far);
        let one = Recorder::answering(move |request| {
            request.is_complete.then(|| match count.fetch_add(1, Ordering::Relaxed) {
                0 | 1 => Answer::new(ranged(request, LARGE, "\"one\"")),
                _ if is_conditional => {
                    Answer::new("HTTP/1.1 412 Precondition Failed\r\ncontent-length: 0\r\n\r\n")
                }
                _ => Answer::new(ranged(request, LARGE, "\"two\"")),
            })
        })
        .await;
        let two = Recorder::answering(multipart).await;
        let gateway = TestGateway::start(&config(&one.endpoint(), &two.endpoint(), S3_KEYS)).await;
        let reply = copying().sign().send(&gateway).await;
        let error = read_error(reply.body.as_bytes()).unwrap();
        assert_eq!((reply.status, error.code.as_str()), (200, "PreconditionFailed"));
        assert!(gateway.shutdown().await);
        let asked = asked(&two);
        let abort = "DELETE /stored-photos/c/copy?uploadId=u%2F1";
        assert!(asked.iter().any(|line| line == abort), "{asked:?}");
        assert_eq!(asked.iter().filter(|line| line.starts_with("POST ")).count(), 1, "{asked:?}");
    }
}

#[tokio::test]
async fn an_upload_that_may_be_complete_is_not_aborted() {
    for (answer, is_aborted) in [
        (Answer::and_close(""), false),
        (Answer::and_close("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n  "), false),
        (Answer::new("HTTP/1.1 504 Gateway Timeout\r\ncontent-length: 0\r\n\r\n"), false),
        (Answer::new("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"), true),
    ] {
        let one = Recorder::answering(|request| {
            request.is_complete.then(|| Answer::new(ranged(request, LARGE, "\"one\"")))
        })
        .await;
        let two = Recorder::answering(move |request| {
            let completes = request.method() == "POST" && !request.target().ends_with("?uploads=");
            if completes { request.is_complete.then(|| answer.clone()) } else { multipart(request) }
        })
        .await;
        let gateway = TestGateway::start(&config(&one.endpoint(), &two.endpoint(), S3_KEYS)).await;
        let reply = copying().sign().send(&gateway).await;
        assert!(read_error(reply.body.as_bytes()).is_ok(), "{reply:?}");
        assert!(gateway.shutdown().await);
        let asked = asked(&two);
        assert_eq!(asked.iter().any(|line| line.starts_with("DELETE ")), is_aborted, "{asked:?}");
    }
}

#[tokio::test]
async fn a_range_is_not_held_against_the_checksum_of_the_whole() {
    let of_whole = checksum(ChecksumAlgorithm::Crc32, b"hello");
    let answer = format!(
        "HTTP/1.1 206 Partial Content\r\netag: \"one\"\r\ncontent-range: bytes 1-3/5\r\n\
         x-amz-checksum-crc32: {of_whole}\r\ncontent-length: 3\r\n\r\nell"
    );
    let one =
        Recorder::answering(move |request| request.is_complete.then(|| Answer::new(answer.clone()))).await;
    let two = Recorder::start().await;
    let gateway = TestGateway::start(&config(&one.endpoint(), &two.endpoint(), S3_KEYS)).await;
    let ask = Ask::new(Method::PUT, "/copies/copy?partNumber=1&uploadId=u")
        .header("x-amz-copy-source", "photos/original")
        .header("x-amz-copy-source-range", "bytes=1-3");
    let reply = ask.sign().send(&gateway).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(two.requests()[0].body, b"ell");
}

#[tokio::test]
async fn a_client_that_leaves_has_its_upload_aborted() {
    let one = Recorder::answering(|request| {
        let is_part = request.header("range").is_some();
        let mut answer = ranged(request, LARGE, "\"one\"");
        if is_part {
            // The rest never comes.
            answer.truncate(MIB);
        }
        request.is_complete.then(|| Answer::new(answer))
    })
    .await;
    let two = Recorder::answering(multipart).await;
    let gateway = TestGateway::start(&config(&one.endpoint(), &two.endpoint(), S3_KEYS)).await;
    let mut client = Raw::connect(gateway.s3()).await;
    client.send(copying().sign().head()).await;
    two.until(|record| record.get(1).is_some_and(|request| !request.body.is_empty())).await;
    drop(client);
    two.until(|record| record.iter().any(|request| request.method() == "DELETE" && request.is_complete))
        .await;
    assert!(gateway.shutdown().await);
}
