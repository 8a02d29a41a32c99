//! Bodies right and wrong, in every division into pieces.

use std::sync::Arc;

use bytes::Bytes;
use proptest::{
    collection::vec,
    prelude::{ProptestConfig, any, prop_assert_eq, prop_oneof, proptest},
    sample::Index,
};

use crate::{
    checksum::{Checksum, ChecksumAlgorithm, ChecksumHasher},
    date::Timestamp,
    names::Region,
    sigv4::{AccessKeyId, ChunkSigner, Credentials, Scope, SigningKey, payload_sha256},
};

use super::{ChunkError, Decoder, EncodeError, Encoder, Rules};

const CRC32: ChecksumAlgorithm = ChecksumAlgorithm::Crc32;

fn signer() -> ChunkSigner {
    let credentials = Credentials {
        access_key_id: AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").unwrap(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
        session_token: None,
    };
    let date = Timestamp::from_unix_millis(1_369_353_600_000).amz_date();
    let key = SigningKey::derive(&credentials, Scope::s3(date, &Region::parse("us-east-1").unwrap()));
    let seed = key.sign(&date, &payload_sha256(b"the canonical request"));
    ChunkSigner::new(Arc::new(key), date, seed)
}

fn checksum(payload: &[u8]) -> Checksum {
    let mut hasher = ChecksumHasher::new(CRC32);
    hasher.update(payload);
    hasher.finish()
}

/// What a client sends that signs `chunks` and, unless `trailer` is empty, that line of the trailer.
fn signed_body(chunks: &[&[u8]], trailer: &str) -> Vec<u8> {
    let mut signer = signer();
    let mut body = Vec::new();
    for data in chunks.iter().chain(&[b"".as_slice()]) {
        signer.update(data);
        body.extend(
            format!("{:x};chunk-signature={}\r\n", data.len(), signer.finish_chunk().expose()).bytes(),
        );
        if !data.is_empty() {
            body.extend([data, b"\r\n".as_slice()].concat());
        }
    }
    if !trailer.is_empty() {
        let signature = signer.trailer(&format!("{trailer}\n"));
        body.extend(format!("{trailer}\r\nx-amz-trailer-signature:{}\r\n", signature.expose()).bytes());
    }
    body.extend(b"\r\n");
    body
}

fn signed(decoded_length: u64, trailer: Option<ChecksumAlgorithm>) -> Rules {
    Rules { decoded_length, signer: Some(signer()), trailer }
}

fn unsigned(decoded_length: u64, trailer: Option<ChecksumAlgorithm>) -> Rules {
    Rules { decoded_length, signer: None, trailer }
}

/// Decodes a body that arrives in `pieces`. The payload, and what the trailer claims.
fn decode<'a>(
    rules: Rules,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<(Vec<u8>, Option<Checksum>), ChunkError> {
    let mut decoder = Decoder::new(rules);
    let mut payload = Vec::new();
    for piece in pieces {
        let mut input = Bytes::copy_from_slice(piece);
        while let Some(data) = decoder.decode(&mut input)? {
            assert!(!data.is_empty());
            payload.extend(data);
        }
        assert!(input.is_empty());
    }
    Ok((payload, decoder.finish()?))
}

fn error(rules: Rules, body: &[u8]) -> Option<ChunkError> {
    decode(rules, [body]).err()
}

fn encode<'a>(payload: impl IntoIterator<Item = &'a [u8]>, decoded_length: u64) -> Vec<u8> {
    let mut encoder = Encoder::new(decoded_length, CRC32);
    let (length, mut hasher, mut body) = (encoder.encoded_length(), ChecksumHasher::new(CRC32), Vec::new());
    for piece in payload {
        hasher.update(piece);
        let mut piece = Bytes::copy_from_slice(piece);
        while let Some(framed) = encoder.encode(&mut piece).unwrap() {
            body.extend(framed);
        }
    }
    body.extend(encoder.finish(&hasher.finish()).unwrap());
    assert_eq!(body.len() as u64, length);
    body
}

/// A payload of two chunks and the body that carries it, with a signed trailer.
fn two_chunks() -> (Vec<u8>, Vec<u8>) {
    let payload: Vec<u8> = (0..8200_u32).map(|at| at.to_le_bytes()[0]).collect();
    let trailer = format!("x-amz-checksum-crc32:{}", checksum(&payload).to_base64());
    let (first, second) = payload.split_at(8192);
    let body = signed_body(&[first, second], &trailer);
    (payload, body)
}

#[test]
fn a_signed_body_survives_any_division() {
    let (payload, body) = two_chunks();
    let expected = Ok((payload.clone(), Some(checksum(&payload))));
    assert_eq!(decode(signed(8200, Some(CRC32)), body.chunks(1)), expected);
    let data = 100..8100;
    for at in (0..=body.len()).filter(|at| !data.contains(at)) {
        let (head, tail) = body.split_at(at);
        assert_eq!(decode(signed(8200, Some(CRC32)), [head, tail]), expected, "split at {at}");
    }
}

#[test]
fn a_body_that_ends_early_is_incomplete_wherever_it_ends() {
    let (_, body) = two_chunks();
    let data = 100..8100;
    for at in (0..body.len()).filter(|at| !data.contains(at)) {
        assert_eq!(error(signed(8200, Some(CRC32)), &body[..at]), Some(ChunkError::Incomplete), "{at}");
    }
}

#[test]
fn payload_is_not_copied() {
    let body = Bytes::from(encode([vec![7; 70_000].as_slice()], 70_000));
    let memory = body.as_ptr_range();
    let mut decoder = Decoder::new(unsigned(70_000, Some(CRC32)));
    let mut input = body.clone();
    while let Some(data) = decoder.decode(&mut input).unwrap() {
        assert!(memory.contains(&data.as_ptr()));
    }
}

#[test]
fn every_flipped_bit_of_a_signed_body_is_noticed() {
    let payload = b"hello";
    let body = signed_body(&[payload], &format!("x-amz-checksum-crc32:{}", checksum(payload).to_base64()));
    assert!(error(signed(5, Some(CRC32)), &body).is_none());
    // The trailer's name is read in either case, as header names are, and signed in lower case.
    let name = body.windows(6).position(|window| window == b"\r\nx-am").unwrap() + 2;
    let is_case_of_name = |at: usize, bit: u8| {
        (name..name + CRC32.header().len()).contains(&at) && bit == 5 && body[at].is_ascii_alphabetic()
    };
    for at in 0..body.len() {
        for bit in (0..8).filter(|bit| !is_case_of_name(at, *bit)) {
            let mut body = body.clone();
            body[at] ^= 1 << bit;
            assert!(error(signed(5, Some(CRC32)), &body).is_some(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn a_wrong_signature_is_told_apart() {
    let (_, body) = two_chunks();
    let signatures = body.windows(10).enumerate().filter(|(_, window)| window == b"signature=");
    let mut starts: Vec<usize> = signatures.map(|(at, _)| at + 10).collect();
    starts.push(body.len() - 68);
    assert_eq!(starts.len(), 4, "two chunks, the terminal chunk, the trailer");
    for start in starts {
        for at in [start, start + 63] {
            let mut body = body.clone();
            body[at] = if body[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(error(signed(8200, Some(CRC32)), &body), Some(ChunkError::Signature), "{at}");
        }
        let mut body = body.clone();
        body[start..start + 64].make_ascii_uppercase();
        assert_eq!(error(signed(8200, Some(CRC32)), &body), Some(ChunkError::Signature));
    }
    for at in [100, 8_191, 8_370] {
        let mut body = body.clone();
        body[at] ^= 1;
        assert_eq!(error(signed(8200, Some(CRC32)), &body), Some(ChunkError::Signature), "data at {at}");
    }
}

#[test]
fn chunks_cannot_be_moved_left_out_or_repeated() {
    let chunks = [vec![1; 8192], vec![2; 8192], vec![3; 8192]];
    let [a, b, c] = [&*chunks[0], &*chunks[1], &*chunks[2]];
    let body = signed_body(&[a, b, c], "");
    let framed = 8192 + "2000;chunk-signature=".len() + 64 + 4;
    let piece = |index: usize| &body[index * framed..(index + 1) * framed];
    let end = &body[3 * framed..];
    assert!(error(signed(3 * 8192, None), &body).is_none());
    for order in [[1, 0, 2], [0, 2, 1], [0, 1, 1], [0, 0, 2]] {
        let moved = [order.map(piece).concat(), end.to_vec()].concat();
        assert_eq!(error(signed(3 * 8192, None), &moved), Some(ChunkError::Signature), "{order:?}");
    }
    for kept in [[0, 1], [1, 2], [0, 2]] {
        let fewer = [kept.map(piece).concat(), end.to_vec()].concat();
        assert_eq!(error(signed(2 * 8192, None), &fewer), Some(ChunkError::Signature), "{kept:?}");
    }
}

#[test]
fn the_payload_has_the_promised_length() {
    let body = signed_body(&[b"hello"], "");
    assert!(error(signed(5, None), &body).is_none());
    for (length, expected) in [(0, ChunkError::TooLong), (4, ChunkError::TooLong), (6, ChunkError::TooShort)]
    {
        assert_eq!(error(signed(length, None), &body), Some(expected));
        assert_eq!(error(unsigned(length, None), b"5\r\nhello\r\n0\r\n\r\n"), Some(expected));
    }
    assert!(error(signed(0, None), &signed_body(&[], "")).is_none());
    assert!(error(unsigned(0, None), b"0\r\n\r\n").is_none());
}

#[test]
fn headers_are_strict() {
    for header in ["5", "05", "00000005", "0000000000000005"] {
        let body = format!("{header}\r\nhello\r\n0\r\n\r\n");
        assert_eq!(error(unsigned(5, None), body.as_bytes()), None, "{header}");
    }
    for header in [
        "",
        "+5",
        "-5",
        "0x5",
        " 5",
        "5 ",
        "5;",
        "5;a=b",
        "5\n",
        "5\r",
        "5_",
        "h",
        "٥",
        "00000000000000005",
        "5;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    ] {
        let body = format!("{header}\r\nhello\r\n0\r\n\r\n");
        assert_eq!(error(unsigned(5, None), body.as_bytes()), Some(ChunkError::Header), "{header:?}");
    }
    assert_eq!(error(unsigned(5, None), b"ffffffffffffffff\r\nhello"), Some(ChunkError::TooLong));
    for digits in ["a", "A"] {
        let body = format!("{digits}\r\nhellohello\r\n0\r\n\r\n");
        assert_eq!(error(unsigned(10, None), body.as_bytes()), None);
    }
}

#[test]
fn a_signed_body_signs_every_chunk() {
    let body = String::from_utf8(signed_body(&[b"hello"], "")).unwrap();
    for (what, instead) in [
        (";chunk-signature=", ";chunk-signaturE="),
        (";chunk-signature=", ";a=b;chunk-signature="),
        (";chunk-signature=", "; chunk-signature="),
        (";chunk-signature=", ";chunk-signature=0"),
        ("5;", "5 ;"),
    ] {
        let odd = body.replace(what, instead);
        assert_eq!(error(signed(5, None), odd.as_bytes()), Some(ChunkError::Header), "{instead}");
    }
    assert_eq!(error(signed(5, None), b"5\r\nhello\r\n0\r\n\r\n"), Some(ChunkError::Header));
    let (with_first_signed, _) = body.rsplit_once(";chunk-signature=").unwrap();
    let unsigned_end = format!("{with_first_signed}\r\n\r\n");
    assert_eq!(error(signed(5, None), unsigned_end.as_bytes()), Some(ChunkError::Header));
}

#[test]
fn lines_end_where_they_must() {
    for (body, expected) in [
        ("5\r\nhelloX\r\n0\r\n\r\n", ChunkError::DataEnd),
        ("5\r\nhello0\r\n\r\n", ChunkError::DataEnd),
        ("5\r\nhello\n0\r\n\r\n", ChunkError::DataEnd),
        ("5\nhello\r\n0\r\n\r\n", ChunkError::Header),
        ("5\r\nhello\r\n0\n\r\n", ChunkError::Header),
        ("5\r\nhello\r\n0\r\n\n", ChunkError::Incomplete),
        ("5\r\nhello\r\n0\r\n\r\n\r\n", ChunkError::AfterEnd),
        ("5\r\nhello\r\n0\r\n\r\n0", ChunkError::AfterEnd),
        ("5\r\nhello\r\n", ChunkError::Incomplete),
        ("", ChunkError::Incomplete),
    ] {
        assert_eq!(error(unsigned(5, None), body.as_bytes()), Some(expected), "{body:?}");
    }
}

#[test]
fn a_line_is_bounded() {
    let endless = [b'0'; 300];
    assert_eq!(error(unsigned(5, None), &endless), Some(ChunkError::Line));
    assert_eq!(decode(unsigned(5, None), endless.chunks(1)).err(), Some(ChunkError::Line));
    let line_feeds = [b'\n'; 300];
    assert_eq!(decode(unsigned(5, None), line_feeds.chunks(7)).err(), Some(ChunkError::Line));
}

#[test]
fn debug_shows_no_signature() {
    let mut decoder = Decoder::new(signed(8200, Some(CRC32)));
    decoder.decode(&mut Bytes::from(two_chunks().1).split_to(1000)).unwrap();
    assert_eq!(format!("{decoder:?}"), "Decoder { chunks: 1, remaining: 8, .. }");
}

#[test]
fn an_error_is_final() {
    let mut decoder = Decoder::new(unsigned(5, None));
    let mut input = Bytes::from_static(b"x\r\n5\r\nhello\r\n0\r\n\r\n");
    assert_eq!(decoder.decode(&mut input), Err(ChunkError::Header));
    assert_eq!(decoder.decode(&mut input), Err(ChunkError::Header));
    assert_eq!(decoder.finish(), Err(ChunkError::Header));
}

#[test]
fn only_the_last_chunk_may_be_small() {
    let large = [vec![b'a'; 8192], vec![b'b'; 8191]];
    assert!(error(signed(16_383, None), &signed_body(&[&large[0], &large[1]], "")).is_none());
    let expected = Some(ChunkError::ChunkTooSmall { chunk: 2, bytes: 8191 });
    assert_eq!(error(signed(16_383, None), &signed_body(&[&large[1], &large[0]], "")), expected);
    let expected = ChunkError::ChunkTooSmall { chunk: 2, bytes: 3 };
    assert_eq!(error(unsigned(5, None), b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"), Some(expected));
    assert_eq!((expected.code().as_str(), expected.code().status().as_u16()), ("InvalidChunkSizeError", 403));
}

#[test]
fn the_trailer_is_the_announced_one() {
    let body = |trailer: &str| format!("5\r\nhello\r\n0\r\n{trailer}\r\n\r\n");
    let claimed = checksum(b"hello");
    for trailer in [
        "x-amz-checksum-crc32:NhCmhg==",
        "X-Amz-Checksum-CRC32:NhCmhg==",
        "x-amz-checksum-crc32: NhCmhg== ",
        "x-amz-checksum-crc32:NhCmhg==\n",
    ] {
        let decoded = decode(unsigned(5, Some(CRC32)), [body(trailer).as_bytes()]);
        assert_eq!(decoded, Ok((b"hello".to_vec(), Some(claimed))), "{trailer:?}");
        assert_eq!(error(unsigned(5, None), body(trailer).as_bytes()), Some(ChunkError::Trailer));
    }
    for trailer in [
        "x-amz-checksum-crc32c:NhCmhg==",
        "x-amz-checksum-crc3:NhCmhg==",
        "x-amz-checksum-crc32=NhCmhg==",
        "x-amz-checksum-crc32 :NhCmhg==",
        "x-amz-checksum-crc32:",
        "x-amz-checksum-crc32",
        "x-amz-checksum-crc32:NhCmhg",
        "x-amz-checksum-crc32:NhCmhg==,NhCmhg==",
        "x-amz-checksum-crc32:NhCmhg==\r\nx-amz-checksum-crc32:NhCmhg==",
        "x-amz-checksum-crc32:NhCmhg==\r\nx-amz-meta-a:b",
        "x-amz-checksum-crc32:NhCmhg==\nx-amz-meta-a:b",
        "x-amz-meta-a:b\r\nx-amz-checksum-crc32:NhCmhg==",
        "",
    ] {
        assert_eq!(
            error(unsigned(5, Some(CRC32)), body(trailer).as_bytes()),
            Some(ChunkError::Trailer),
            "{trailer:?}"
        );
    }
    let long = body(&format!("x-amz-checksum-crc32:{}NhCmhg==", " ".repeat(300)));
    assert_eq!(error(unsigned(5, Some(CRC32)), long.as_bytes()), Some(ChunkError::Line));
}

#[test]
fn a_signed_trailer_needs_its_signature() {
    let body = String::from_utf8(signed_body(&[b"hello"], "x-amz-checksum-crc32:NhCmhg==")).unwrap();
    let rules = || signed(5, Some(CRC32));
    assert!(error(rules(), body.as_bytes()).is_none());
    let (head, signature) = body.split_once("x-amz-trailer-signature:").unwrap();
    let with_line_feed = body.replace("==\r\n", "==\n\r\n");
    assert!(error(rules(), with_line_feed.as_bytes()).is_none());
    assert_eq!(error(rules(), format!("{head}\r\n").as_bytes()), Some(ChunkError::Trailer));
    let (head, _) = head.split_once("x-amz-checksum").unwrap();
    let alone = format!("{head}x-amz-trailer-signature:{signature}");
    assert_eq!(error(rules(), alone.as_bytes()), Some(ChunkError::Trailer));
    let twice = body.replace("\r\n\r\n", &format!("\r\nx-amz-trailer-signature:{signature}"));
    assert_eq!(error(rules(), twice.as_bytes()), Some(ChunkError::Trailer));
    let other = body.replace("NhCmhg==", "AAAAAA==");
    assert_eq!(error(rules(), other.as_bytes()), Some(ChunkError::Signature));
    assert_eq!(error(signed(5, None), body.as_bytes()), Some(ChunkError::Trailer));
    let unsigned_body =
        b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\nx-amz-trailer-signature:00\r\n\r\n";
    assert_eq!(error(unsigned(5, Some(CRC32)), unsigned_body), Some(ChunkError::Trailer));
}

#[test]
fn what_is_encoded_has_the_length_that_was_told() {
    for length in [0, 1, 15, 16, 4096, 65_535, 65_536, 65_537, 131_072, 200_000_u32] {
        let payload = vec![b'x'; usize::try_from(length).unwrap()];
        let body = encode([payload.as_slice()], length.into());
        let decoded = decode(unsigned(length.into(), Some(CRC32)), [body.as_slice()]);
        assert_eq!(decoded, Ok((payload.clone(), Some(checksum(&payload)))));
    }
    // Five gibibytes, the largest body of one request: 81,920 chunks.
    let five = Encoder::new(5 << 30, CRC32).encoded_length();
    assert_eq!(five, (5 << 30) + 81_920 * 9 + "0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n".len() as u64);
    assert_eq!(Encoder::new(u64::MAX, CRC32).encoded_length(), u64::MAX);
}

#[test]
fn an_encoder_keeps_to_what_it_announced() {
    let mut encoder = Encoder::new(5, CRC32);
    let mut payload = Bytes::from_static(b"hello!");
    assert!(encoder.encode(&mut payload).is_ok() && encoder.encode(&mut payload).is_ok());
    assert_eq!(encoder.encode(&mut payload), Err(EncodeError::Length));
    for (length, checksum, expected) in [
        (1, checksum(b""), EncodeError::Length),
        (0, ChecksumHasher::new(ChecksumAlgorithm::Sha1).finish(), EncodeError::Checksum),
    ] {
        assert_eq!(Encoder::new(length, CRC32).finish(&checksum), Err(expected));
    }
    let mut encoder = Encoder::new(5, CRC32);
    let mut payload = Bytes::from_static(b"hell");
    while encoder.encode(&mut payload).unwrap().is_some() {}
    assert_eq!(encoder.finish(&checksum(b"hell")), Err(EncodeError::Length));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_encoded_is_decoded(
        length in 0_usize..200_000,
        sent in 1_usize..100_000,
        received in 1_usize..100_000,
        byte: u8,
    ) {
        let payload: Vec<u8> = (0..length).map(|at| byte ^ at.to_le_bytes()[0]).collect();
        let body = encode(payload.chunks(sent), length as u64);
        let decoded = decode(unsigned(length as u64, Some(CRC32)), body.chunks(received));
        prop_assert_eq!(decoded, Ok((payload.clone(), Some(checksum(&payload)))));
    }

    /// Two parsers that disagree about where a body ends are how requests are smuggled; here each division is another.
    #[test]
    fn a_damaged_body_means_the_same_however_it_is_divided(
        length in prop_oneof![0_usize..40, 65_500_usize..65_600],
        damage in vec((any::<Index>(), any::<u8>()), 1..4),
        piece in 1_usize..200,
    ) {
        let payload = vec![b'0'; length];
        let mut body = encode([payload.as_slice()], length as u64);
        for (at, byte) in damage {
            let at = at.index(body.len());
            let end = at + usize::from(byte >= 128);
            body.splice(at..end, (byte < 128).then_some(byte));
        }
        let rules = || unsigned(length as u64, Some(CRC32));
        prop_assert_eq!(decode(rules(), body.chunks(piece)), decode(rules(), [body.as_slice()]));
    }

    #[test]
    fn no_input_panics(pieces in any::<Vec<Vec<u8>>>(), length: u64, is_signed: bool, has_trailer: bool) {
        let trailer = has_trailer.then_some(CRC32);
        let rules = if is_signed { signed(length, trailer) } else { unsigned(length, trailer) };
        let _ = decode(rules, pieces.iter().map(Vec::as_slice));
    }
}
