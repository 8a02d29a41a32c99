//! The streamed uploads that the S3 documentation prints, byte for byte, and our signatures against aws-sigv4's.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html>

use std::{sync::Arc, time::SystemTime};

use aws_sigv4::sign::v4::{sign_chunk, sign_trailer, signing_params};
use aws_smithy_runtime_api::{client::identity::Identity, http::Headers};
use bytes::Bytes;
use proptest::{
    collection::vec,
    prelude::{ProptestConfig, any, prop_assert_eq, proptest},
};
use serde::Deserialize;
use wharf_wire::{
    checksum::{ChecksumAlgorithm, ChecksumHasher},
    chunked::{Decoder, Rules},
    date::Timestamp,
    names::Region,
    sigv4::{AccessKeyId, ChunkSigner, Credentials, Scope, SigningKey, payload_sha256},
};

const VECTORS: &str = include_str!("../data/s3-doc-vectors.json");
const ACCESS_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET_ACCESS_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// 2013-05-24T00:00:00Z
const NOW: Timestamp = Timestamp::from_unix_millis(1_369_353_600_000);
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

fn key(now: Timestamp) -> Arc<SigningKey> {
    let credentials = Credentials {
        access_key_id: AccessKeyId::parse(ACCESS_KEY_ID).unwrap(),
        secret_access_key: SECRET_ACCESS_KEY.into(),
        session_token: None,
    };
    let scope = Scope::s3(now.amz_date(), &Region::parse("us-east-1").unwrap());
    Arc::new(SigningKey::derive(&credentials, scope))
}

/// The signer of the example's chunks, whose seed is the signature of the example's request.
fn signer(example: &str) -> ChunkSigner {
    let seed = vector(&format!("{example}/seed"));
    let canonical = seed["canonical_request"].as_str().unwrap();
    let (key, date) = (key(NOW), NOW.amz_date());
    let signature = key.sign(&date, &payload_sha256(canonical.as_bytes()));
    assert_eq!(signature.expose(), seed["signature"]);
    ChunkSigner::new(key, date, signature)
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

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn chunks_and_trailers_are_signed_as_aws_signs_them(
        chunks in vec(vec(any::<u8>(), 0..300), 0..5),
        value in "[A-Za-z0-9+/=]{0,44}",
        millis in 0..253_402_300_800_000_u64,
    ) {
        let now = Timestamp::from_unix_millis(millis);
        let (key, date) = (key(now), now.amz_date());
        let seed = key.sign(&date, &payload_sha256(b""));
        let identity: Identity =
            aws_credential_types::Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "test").into();
        let parameters = signing_params::Builder::default()
            .identity(&identity)
            .region("us-east-1")
            .name("s3")
            .time(SystemTime::from(now))
            .settings(())
            .build()
            .unwrap();

        let mut previous = seed.expose().to_owned();
        let mut signer = ChunkSigner::new(key, date, seed);
        for data in chunks {
            signer.update(&data);
            let ((), signature) = sign_chunk(&Bytes::from(data), &previous, &parameters).unwrap().into_parts();
            prop_assert_eq!(signer.finish_chunk().expose(), &signature);
            previous = signature;
        }
        let mut trailer = Headers::new();
        trailer.insert("X-Amz-Checksum-CRC32", format!(" {value} "));
        let ((), signature) = sign_trailer(&trailer, &previous, &parameters).unwrap().into_parts();
        let canonical = format!("x-amz-checksum-crc32:{value}\n");
        let ours = signer.trailer(&canonical);
        prop_assert_eq!(ours.expose(), &signature);
    }
}
