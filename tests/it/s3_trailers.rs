//! Checksums that follow a body: passed on where the provider takes them, and held back there as the last byte is elsewhere.

use bytes::Bytes;
use wharf_wire::{
    checksum::ChecksumAlgorithm,
    chunked::{Decoder, Rules},
};

use crate::support::{
    gateway::TestGateway,
    raw::Raw,
    recorder::{Recorded, Recorder},
    s3_client::{Ask, Mode, S3_KEYS, checksum, in_front_of},
};

/// A gateway before a provider that takes trailers.
async fn recorded() -> (Recorder, TestGateway) {
    let recorder = Recorder::start().await;
    let config = in_front_of(&recorder.endpoint(), S3_KEYS);
    let gateway = TestGateway::start(&config.replace("plugin = ", "trailers = true\nplugin = ")).await;
    (recorder, gateway)
}

/// What a provider makes of a recorded body.
fn decoded(request: &Recorded, bytes: usize, trailer: ChecksumAlgorithm) -> (Vec<u8>, String) {
    let rules = Rules { decoded_length: bytes as u64, signer: None, trailer: Some(trailer) };
    let (mut decoder, mut input) = (Decoder::new(rules), Bytes::from(request.body.clone()));
    let mut payload = Vec::new();
    while let Some(piece) = decoder.decode(&mut input).unwrap() {
        payload.extend_from_slice(&piece);
    }
    (payload, decoder.finish().unwrap().expect("a trailer").to_base64())
}

#[tokio::test]
async fn a_checksum_that_follows_goes_on_to_the_provider() {
    let (recorder, gateway) = recorded().await;
    for mode in Mode::TRAILER {
        for (algorithm, bytes) in ChecksumAlgorithm::ALL.into_iter().zip([0, 1, 8193, 65_536, 200_000]) {
            let body = vec![b'a'; bytes];
            let wire = Ask::put("/photos/a", mode, &body).trailer(algorithm).sign();
            assert_eq!(wire.status(&gateway).await, 200, "{mode:?} {algorithm:?} {bytes}");
            let request = recorder.requests().pop().unwrap();
            assert!(request.is_complete, "{}", request.head);
            assert_eq!(decoded(&request, bytes, algorithm), (body.clone(), checksum(algorithm, &body)));
            assert_eq!(request.header("content-encoding"), Some("aws-chunked"));
            assert_eq!(request.header("x-amz-trailer"), Some(algorithm.header()));
            assert_eq!(request.header("x-amz-content-sha256"), Some("STREAMING-UNSIGNED-PAYLOAD-TRAILER"));
            let (decoded, encoded) = (bytes.to_string(), request.body.len().to_string());
            assert_eq!(request.header("x-amz-decoded-content-length"), Some(decoded.as_str()));
            assert_eq!(request.header("content-length"), Some(encoded.as_str()));
        }
    }
    let compressed =
        Ask::put("/photos/a", Mode::UnsignedTrailer, b"hello").header("content-encoding", "gzip");
    assert_eq!(compressed.sign().status(&gateway).await, 200);
    let request = recorder.requests().pop().unwrap();
    assert_eq!(request.header("content-encoding"), Some("aws-chunked,gzip"));
}

#[tokio::test]
async fn a_body_without_one_is_not_framed() {
    let (recorder, gateway) = recorded().await;
    for mode in [Mode::Hash, Mode::Unsigned, Mode::Signed] {
        assert_eq!(Ask::put("/photos/a", mode, b"hello").sign().status(&gateway).await, 200);
        let request = recorder.requests().pop().unwrap();
        assert_eq!((request.body.as_slice(), request.header("content-encoding")), (&b"hello"[..], None));
    }
}

/// The end of the framing is what makes the body whole, so it is what is held.
#[tokio::test]
async fn the_end_is_held_until_the_body_has_been_proven() {
    let (recorder, gateway) = recorded().await;
    for mode in Mode::TRAILER {
        for bytes in [0, 1, 20_000] {
            let body = vec![b'a'; bytes];
            let ask = Ask::put("/photos/a", mode, &body).chunk_bytes(8192);
            let reply = ask.clone().trailer_of(b"other").sign().send(&gateway).await;
            assert_eq!((reply.status, reply.s3_code()), (400, "BadDigest"), "{mode:?} {bytes}");
            let wire = ask.sign();
            let mut raw = Raw::connect(gateway.s3()).await;
            let sent = wire.body();
            raw.send([wire.head(), sent[..sent.len() - 1].to_vec()].concat()).await;
            raw.finish().await;
            raw.closed().await;
        }
    }
    recorder.settled().await;
    assert_eq!(recorder.complete(), 0);
    // Nothing at all is sent of an empty body that is wrong; of the others the beginning has left.
    assert!(recorder.requests().iter().all(|request| !request.body.ends_with(b"\r\n\r\n")));
    assert!(recorder.requests().iter().any(|request| request.body.len() > 8192));
}
