//! The streamed uploads that the S3 documentation prints, byte for byte.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html>

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use wharf_wire::{
    checksum::{ChecksumAlgorithm, ChecksumHasher},
    chunked::{Decoder, Rules},
    date::Timestamp,
    names::Region,
    sigv4::{AccessKeyId, ChunkSigner, Credentials, Scope, SigningKey, payload_sha256},
};

const VECTORS: &str = include_str!("../data/s3-doc-vectors.json");
/// The chunks of both examples.
const CHUNKS: [usize; 3] = [65_536, 1024, 0];

#[derive(Deserialize)]
struct Body {
    wire_len: usize,
    wire_sha256: String,
    decoded_len: u64,
    chunk_signatures: Vec<String>,
    trailer_signature: Option<String>,
}

fn vector(name: &str) -> serde_json::Value {
    let all: Vec<serde_json::Value> = serde_json::from_str(VECTORS).unwrap();
    all.into_iter().find(|vector| vector["name"] == name).unwrap()
}

/// The signer of the example's chunks, whose seed is the signature of the example's request.
fn signer(example: &str) -> ChunkSigner {
    let seed = vector(&format!("{example}/seed"));
    let credentials = Credentials {
        access_key_id: AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").unwrap(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
        session_token: None,
    };
    let date = Timestamp::from_unix_millis(1_369_353_600_000).amz_date();
    let key = SigningKey::derive(&credentials, Scope::s3(date, &Region::parse("us-east-1").unwrap()));
    let canonical = seed["canonical_request"].as_str().unwrap();
    let signature = key.sign(&date, &payload_sha256(canonical.as_bytes()));
    assert_eq!(signature.expose(), seed["signature"]);
    ChunkSigner::new(Arc::new(key), date, signature)
}

/// The example's body, made of the signatures that the documentation prints.
fn body(wire: &Body) -> Vec<u8> {
    let mut body = Vec::new();
    for (size, signature) in CHUNKS.into_iter().zip(&wire.chunk_signatures) {
        body.extend(format!("{size:x};chunk-signature={signature}\r\n").bytes());
        body.extend(vec![b'a'; size]);
        body.extend(if size > 0 { "\r\n".bytes() } else { "".bytes() });
    }
    if let Some(signature) = &wire.trailer_signature {
        body.extend(
            format!("x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:{signature}\r\n").bytes(),
        );
    }
    body.extend(b"\r\n");
    body
}

fn check(example: &str, trailer: Option<ChecksumAlgorithm>) {
    let wire: Body = serde_json::from_value(vector(&format!("{example}/wire"))).unwrap();
    let body = body(&wire);
    assert_eq!((body.len(), payload_sha256(&body).as_str()), (wire.wire_len, wire.wire_sha256.as_str()));

    let rules = Rules { decoded_length: wire.decoded_len, signer: Some(signer(example)), trailer };
    let mut decoder = Decoder::new(rules);
    let mut hasher = ChecksumHasher::new(ChecksumAlgorithm::Crc32c);
    let mut decoded_len = 0;
    for piece in body.chunks(1000) {
        let mut input = Bytes::copy_from_slice(piece);
        while let Some(data) = decoder.decode(&mut input).unwrap() {
            assert!(data.iter().all(|byte| *byte == b'a'));
            decoded_len += data.len() as u64;
            hasher.update(&data);
        }
    }
    assert_eq!(decoded_len, wire.decoded_len);
    assert_eq!(decoder.finish().unwrap(), trailer.map(|_| hasher.finish()));
}

#[test]
fn a_signed_body() {
    check("put-streaming", None);
}

#[test]
fn a_signed_body_with_a_trailer() {
    check("put-streaming-trailer", Some(ChecksumAlgorithm::Crc32c));
}
