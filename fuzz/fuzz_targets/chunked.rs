//! A body means the same however it is divided, never yields more than was promised, and what is encoded is decoded.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use wharf_wire::{
    checksum::{Checksum, ChecksumAlgorithm, ChecksumHasher},
    chunked::{ChunkError, Decoder, Encoder, Rules},
};

const TRAILER: ChecksumAlgorithm = ChecksumAlgorithm::Crc32;

fuzz_target!(|input: (&[u8], u16, u8, bool)| {
    let (body, length, piece, has_trailer) = input;
    let piece = usize::from(piece) + 1;
    let decode = |piece| decode(body, length.into(), piece, has_trailer.then_some(TRAILER));
    let whole = decode(body.len().max(1));
    assert_eq!(decode(piece), whole);
    if let Ok((payload, trailer)) = whole {
        assert_eq!((payload.len(), trailer.is_some()), (usize::from(length), has_trailer));
    }

    let encoded = encode(body, piece);
    let decoded = decode_all(&encoded, body.len() as u64);
    assert_eq!(decoded, Ok((body.to_vec(), Some(checksum(body)))));
});

type Decoded = Result<(Vec<u8>, Option<Checksum>), ChunkError>;

fn decode_all(body: &[u8], length: u64) -> Decoded {
    decode(body, length, body.len().max(1), Some(TRAILER))
}

fn decode(body: &[u8], length: u64, piece: usize, trailer: Option<ChecksumAlgorithm>) -> Decoded {
    let mut decoder = Decoder::new(Rules { decoded_length: length, signer: None, trailer });
    let mut payload = Vec::new();
    for piece in body.chunks(piece) {
        let mut input = Bytes::copy_from_slice(piece);
        while let Some(data) = decoder.decode(&mut input)? {
            payload.extend(data);
            assert!(payload.len() as u64 <= length);
        }
    }
    Ok((payload, decoder.finish()?))
}

fn encode(payload: &[u8], piece: usize) -> Vec<u8> {
    let mut encoder = Encoder::new(payload.len() as u64, TRAILER);
    let (length, mut body) = (encoder.encoded_length(), Vec::new());
    for piece in payload.chunks(piece) {
        let mut piece = Bytes::copy_from_slice(piece);
        while let Some(framed) = encoder.encode(&mut piece).unwrap() {
            body.extend(framed);
        }
    }
    body.extend(encoder.finish(&checksum(payload)).unwrap());
    assert_eq!(body.len() as u64, length);
    body
}

fn checksum(payload: &[u8]) -> Checksum {
    let mut hasher = ChecksumHasher::new(TRAILER);
    hasher.update(payload);
    hasher.finish()
}
