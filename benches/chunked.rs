//! What it costs to take a streamed upload apart, to frame one again, and to compute the checksums that go with it.
//! `cargo bench --bench chunked`

use std::sync::Arc;

use bytes::Bytes;
use divan::{Bencher, black_box, counter::BytesCount};
use wharf_wire::{
    checksum::{ChecksumAlgorithm, ChecksumHasher, Md5Hasher},
    chunked::{Decoder, Encoder, Rules},
    date::Timestamp,
    names::Region,
    sigv4::{AccessKeyId, ChunkSigner, Credentials, Scope, SigningKey, payload_sha256},
};

fn main() {
    divan::main();
}

/// Eight mebibytes in chunks of 64 KiB, as the SDKs send them, in pieces of the size that a socket is read with.
const PAYLOAD_BYTES: usize = 8 * 1024 * 1024;
const CHUNK_BYTES: usize = 64 * 1024;
const PIECE_BYTES: usize = 16 * 1024;

fn signer() -> ChunkSigner {
    let credentials = Credentials {
        access_key_id: AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").expect("a sound id"),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
        session_token: None,
    };
    let date = Timestamp::from_unix_millis(1_369_353_600_000).amz_date();
    let region = Region::parse("us-east-1").expect("a region");
    let key = SigningKey::derive(&credentials, Scope::s3(date, &region));
    let seed = key.sign(&date, &payload_sha256(b""));
    ChunkSigner::new(Arc::new(key), date, seed)
}

/// The pieces of a body. A signed one signs each chunk.
fn body(mut signer: Option<ChunkSigner>) -> Vec<Bytes> {
    let payload = vec![b'a'; PAYLOAD_BYTES];
    let mut body = Vec::new();
    for data in payload.chunks(CHUNK_BYTES).chain([b"".as_slice()]) {
        let signature = signer.as_mut().map(|signer| {
            signer.update(data);
            format!(";chunk-signature={}", signer.finish_chunk().expose())
        });
        body.extend(format!("{:x}{}\r\n", data.len(), signature.unwrap_or_default()).bytes());
        body.extend(data);
        body.extend(b"\r\n");
    }
    let mut body = Bytes::from(body);
    let mut pieces = Vec::new();
    while !body.is_empty() {
        pieces.push(body.split_to(body.len().min(PIECE_BYTES)));
    }
    pieces
}

fn decode(pieces: &[Bytes], signer: Option<ChunkSigner>) {
    let mut decoder = Decoder::new(Rules { decoded_length: PAYLOAD_BYTES as u64, signer, trailer: None });
    for piece in pieces {
        let mut piece = piece.clone();
        while let Some(data) = decoder.decode(&mut piece).expect("a sound body") {
            black_box(data);
        }
    }
    decoder.finish().expect("a whole body");
}

#[divan::bench]
fn decode_unsigned(bencher: Bencher<'_, '_>) {
    let pieces = body(None);
    bencher.counter(BytesCount::new(PAYLOAD_BYTES)).bench_local(|| decode(&pieces, None));
}

#[divan::bench]
fn decode_signed(bencher: Bencher<'_, '_>) {
    let (pieces, signer) = (body(Some(signer())), signer());
    bencher.counter(BytesCount::new(PAYLOAD_BYTES)).bench_local(|| decode(&pieces, Some(signer.clone())));
}

#[divan::bench]
fn encode(bencher: Bencher<'_, '_>) {
    let piece = Bytes::from(vec![b'a'; PIECE_BYTES]);
    bencher.counter(BytesCount::new(PAYLOAD_BYTES)).bench_local(|| {
        let mut encoder = Encoder::new(PAYLOAD_BYTES as u64, ChecksumAlgorithm::Crc64Nvme);
        for _ in 0..PAYLOAD_BYTES / PIECE_BYTES {
            let mut piece = piece.clone();
            while let Some(framed) = encoder.encode(&mut piece).expect("the announced length") {
                black_box(framed);
            }
        }
        encoder
            .finish(&ChecksumHasher::new(ChecksumAlgorithm::Crc64Nvme).finish())
            .expect("the announced trailer")
    });
}

#[divan::bench(args = ChecksumAlgorithm::ALL)]
fn checksum(bencher: Bencher<'_, '_>, algorithm: ChecksumAlgorithm) {
    let piece = vec![b'a'; PIECE_BYTES];
    bencher.counter(BytesCount::of_slice(&piece)).bench_local(|| {
        let mut hasher = ChecksumHasher::new(algorithm);
        hasher.update(black_box(&piece));
        hasher.finish()
    });
}

#[divan::bench]
fn content_md5(bencher: Bencher<'_, '_>) {
    let piece = vec![b'a'; PIECE_BYTES];
    bencher.counter(BytesCount::of_slice(&piece)).bench_local(|| {
        let mut hasher = Md5Hasher::default();
        hasher.update(black_box(&piece));
        hasher.finish()
    });
}
