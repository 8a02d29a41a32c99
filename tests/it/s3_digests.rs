//! Bodies that are not what they were declared to be: S3's code for each digest, and no witness has the whole object.

use wharf_wire::checksum::{ChecksumAlgorithm, ContentMd5, Md5Hasher};

use crate::support::{
    s3_client::{Ask, Mode, Wire, checksum},
    witness::Witnesses,
};

/// More than a chunk, so that every mode has begun to send before it can know.
const BODY: &[u8] = &[b'a'; 20_000];

fn md5(body: &[u8]) -> String {
    let mut hasher = Md5Hasher::default();
    hasher.update(body);
    let digest: ContentMd5 = hasher.finish();
    digest.to_base64()
}

fn put(mode: Mode) -> Ask<'static> {
    Ask::put("/photos/a", mode, BODY).chunk_bytes(8192)
}

async fn is_refused(witnesses: &Witnesses, what: &str, wire: &Wire, code: &str) {
    let reply = witnesses.refuse(wire).await;
    assert_eq!((reply.status, reply.s3_code()), (400, code), "{what}: {reply:?}");
}

#[tokio::test]
async fn a_content_md5_of_another_body() {
    let witnesses = Witnesses::start().await;
    for mode in Mode::ALL {
        let what = format!("{mode:?}");
        let wire = put(mode).header("content-md5", md5(b"other")).sign();
        is_refused(&witnesses, &what, &wire, "BadDigest").await;
        let wire = put(mode).header("content-md5", "odd").sign();
        let reply = witnesses.refuse(&wire).await;
        assert_eq!((reply.status, reply.s3_code()), (400, "InvalidDigest"), "{what} {reply:?}");
    }
}

#[tokio::test]
async fn a_checksum_header_of_another_body() {
    let witnesses = Witnesses::start().await;
    // With a trailer there is one checksum already, and S3 takes no second.
    for mode in [Mode::Hash, Mode::Unsigned, Mode::Signed] {
        for algorithm in ChecksumAlgorithm::ALL {
            let what = format!("{mode:?} {algorithm:?}");
            let wire = put(mode).header(algorithm.header(), checksum(algorithm, b"other")).sign();
            is_refused(&witnesses, &what, &wire, "BadDigest").await;
            let wire = put(mode).header(algorithm.header(), "odd").sign();
            is_refused(&witnesses, &what, &wire, "InvalidRequest").await;
        }
    }
}

/// The trailer is signed where chunks are: a wrong checksum there is the client's own mistake, made before it signed.
#[tokio::test]
async fn a_trailer_of_another_body() {
    let witnesses = Witnesses::start().await;
    for mode in Mode::TRAILER {
        for algorithm in ChecksumAlgorithm::ALL {
            let what = format!("{mode:?} {algorithm:?}");
            let wire = put(mode).trailer(algorithm).trailer_of(b"other").sign();
            is_refused(&witnesses, &what, &wire, "BadDigest").await;
        }
    }
}

#[tokio::test]
async fn a_hash_of_another_body() {
    let witnesses = Witnesses::start().await;
    let mut wire = put(Mode::Hash).sign();
    *wire.pieces[0].last_mut().unwrap() = b'b';
    is_refused(&witnesses, "the last byte", &wire, "XAmzContentSHA256Mismatch").await;
    wire.pieces[0] = [b"b", &BODY[1..]].concat();
    is_refused(&witnesses, "the first byte", &wire, "XAmzContentSHA256Mismatch").await;
    // An empty body has a hash like any other, and is verified before anything is sent.
    let mut empty = Ask::put("/photos/a", Mode::Hash, b"a").sign().content_length(0);
    empty.pieces.clear();
    let sent = witnesses.recorder.requests().len();
    is_refused(&witnesses, "an empty body", &empty, "XAmzContentSHA256Mismatch").await;
    assert_eq!(witnesses.recorder.requests().len(), sent);
}

/// The same bodies with the right digests: what refuses above is the digest.
#[tokio::test]
async fn every_right_digest_is_taken() {
    let witnesses = Witnesses::start().await;
    for mode in Mode::ALL {
        witnesses.accept(&put(mode).header("content-md5", md5(BODY)).sign()).await;
        for algorithm in ChecksumAlgorithm::ALL {
            let ask = put(mode).trailer(algorithm);
            let wire = if Mode::TRAILER.contains(&mode) {
                ask.sign()
            } else {
                ask.header(algorithm.header(), checksum(algorithm, BODY)).sign()
            };
            witnesses.accept(&wire).await;
        }
    }
    for request in witnesses.recorder.requests() {
        assert!(request.is_complete && request.body == BODY, "{}", request.head);
    }
    assert!(!witnesses.stored().is_empty());
}
