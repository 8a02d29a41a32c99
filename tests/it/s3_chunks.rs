//! aws-chunked bodies that were tampered with: wherever it was done, no witness has the whole object; and where nothing
//! was, no trace of the framing is stored.

use crate::support::{
    s3_client::{Ask, Mode, Wire},
    witness::Witnesses,
};

/// Four chunks with data.
const BODY: &[u8] = &[b'a'; 3 * 8192 + 100];
/// The terminal chunk, and what comes behind it.
const TERMINAL: usize = 4;
const ENDING: usize = 5;

fn signed(mode: Mode) -> Wire {
    Ask::put("/photos/a", mode, BODY).chunk_bytes(8192).sign()
}

/// Changes one digit of the signature in a piece of a body.
fn spoil(mut wire: Wire, piece: usize) -> Wire {
    let piece = &mut wire.pieces[piece];
    let sign = piece.windows(9).position(|window| window == b"signature").expect("a signature");
    let digit = &mut piece[sign + 10];
    *digit = if *digit == b'0' { b'1' } else { b'0' };
    wire
}

async fn is_refused(witnesses: &Witnesses, what: &str, wire: &Wire, status: u16, code: &str) {
    let reply = witnesses.refuse(wire).await;
    assert_eq!((reply.status, reply.s3_code()), (status, code), "{what}: {reply:?}");
}

#[tokio::test]
async fn a_wrong_signature_of_any_chunk() {
    let witnesses = Witnesses::start().await;
    for mode in Mode::SIGNED {
        for piece in 0..=TERMINAL {
            let what = format!("{mode:?} {piece}");
            is_refused(&witnesses, &what, &spoil(signed(mode), piece), 403, "SignatureDoesNotMatch").await;
        }
    }
    let trailer = spoil(signed(Mode::SignedTrailer), ENDING);
    is_refused(&witnesses, "the trailer", &trailer, 403, "SignatureDoesNotMatch").await;
}

#[tokio::test]
async fn data_that_was_not_signed() {
    let witnesses = Witnesses::start().await;
    for mode in Mode::SIGNED {
        for piece in 0..TERMINAL {
            let mut wire = signed(mode);
            let end = wire.pieces[piece].len() - 3;
            wire.pieces[piece][end] = b'b';
            let what = format!("{mode:?} {piece}");
            is_refused(&witnesses, &what, &wire, 403, "SignatureDoesNotMatch").await;
        }
        let mut swapped =
            Ask::put("/photos/a", mode, &[[b'a'; 8192], [b'b'; 8192]].concat()).chunk_bytes(8192).sign();
        swapped.pieces.swap(0, 1);
        is_refused(&witnesses, "two chunks changed places", &swapped, 403, "SignatureDoesNotMatch").await;
    }
}

#[tokio::test]
async fn chunks_that_are_left_out_or_added() {
    let witnesses = Witnesses::start().await;
    for mode in Mode::ALL.into_iter().filter(|mode| mode.is_streaming()) {
        for piece in 0..=TERMINAL {
            let mut wire = signed(mode);
            wire.pieces.remove(piece);
            let length = wire.body().len() as u64;
            let reply = witnesses.refuse(&wire.content_length(length)).await;
            assert!(matches!(reply.status, 400 | 403), "{mode:?} without {piece}: {reply:?}");
        }
        let mut longer = signed(mode);
        longer.pieces.insert(0, longer.pieces[0].clone());
        let length = longer.body().len() as u64;
        let reply = witnesses.refuse(&longer.content_length(length)).await;
        assert!(matches!(reply.status, 400 | 403), "{mode:?} one more: {reply:?}");
        let mut trailing = signed(mode);
        trailing.pieces.push(b"more".to_vec());
        let length = trailing.body().len() as u64;
        is_refused(&witnesses, "more after the end", &trailing.content_length(length), 400, "IncompleteBody")
            .await;
    }
}

#[tokio::test]
async fn a_decoded_length_that_is_not_the_payloads() {
    let witnesses = Witnesses::start().await;
    for mode in Mode::ALL.into_iter().filter(|mode| mode.is_streaming()) {
        for declared in [BODY.len() as u64 - 1, BODY.len() as u64 + 1, 1 << 40] {
            let wire = Ask::put("/photos/a", mode, BODY).decoded_length(declared).sign();
            let reply = witnesses.refuse(&wire).await;
            assert_eq!(reply.status, 400, "{mode:?} {declared} {reply:?}");
        }
        let missing = signed(mode).replace("x-amz-decoded-content-length: ", "x-other: ");
        is_refused(&witnesses, "signed and missing", &missing, 403, "SignatureDoesNotMatch").await;
    }
}

/// The trailer that was announced, and no other.
#[tokio::test]
async fn a_trailer_that_was_not_announced() {
    let witnesses = Witnesses::start().await;
    let wire = || signed(Mode::UnsignedTrailer);
    for ending in
        ["\r\n", "x-amz-checksum-sha1:2jmj7l5rSw0yVb/vlWAYkK/YBwk=\r\n\r\n", "x-amz-meta-a:b\r\n\r\n"]
    {
        let mut wire = wire();
        wire.pieces[ENDING] = ending.as_bytes().to_vec();
        let length = wire.body().len() as u64;
        is_refused(&witnesses, ending, &wire.content_length(length), 400, "MalformedTrailerError").await;
    }
}

#[tokio::test]
async fn no_trace_of_the_framing_is_stored() {
    let witnesses = Witnesses::start().await;
    for mode in Mode::ALL {
        witnesses.accept(&Ask::put("/photos/a", mode, BODY).header("content-encoding", "gzip").sign()).await;
        witnesses.accept(&signed(mode)).await;
    }
    for request in witnesses.recorder.requests() {
        let head = request.head.to_lowercase();
        assert!(request.is_complete && request.body == BODY, "{head}");
        assert!(!head.contains("aws-chunked") && !head.contains("x-amz-trailer"), "{head}");
        assert!(!head.contains("x-amz-decoded-content-length"), "{head}");
        let is_gzip = request.header("content-encoding") == Some("gzip");
        assert_eq!(is_gzip, head.contains("content-encoding"), "{head}");
    }
}
