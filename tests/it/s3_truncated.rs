//! Bodies that end before they were declared to end: the provider sees their beginning while the client still sends, and
//! never a whole object.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::support::{
    gateway::TestGateway,
    raw::Raw,
    recorder::{Recorded, Recorder},
    s3_client::{Ask, Mode, S3_KEYS, in_front_of},
};

const KIBIBYTE: usize = 1024;

/// How a client falls silent.
#[derive(Debug, Clone, Copy)]
enum Ending {
    Fin,
    Reset,
    Silence,
}

const ENDINGS: [Ending; 3] = [Ending::Fin, Ending::Reset, Ending::Silence];

/// Silence is noticed after a second.
const LIMITS: &str = "[server.limits]\nbody_timeout_seconds = 1\n";

async fn recorded() -> (Recorder, TestGateway) {
    let recorder = Recorder::start().await;
    let gateway = TestGateway::start(&in_front_of(&recorder.endpoint(), &[LIMITS, S3_KEYS].concat())).await;
    (recorder, gateway)
}

/// An upload without the last byte of its body.
struct Truncated {
    key: String,
    head: Vec<u8>,
    sent: Vec<u8>,
    /// How much of the payload may leave before the end is there.
    early_bytes: usize,
}

impl Truncated {
    /// `size` bytes of payload. Of none, a byte is declared where nothing frames it.
    fn new(key: String, mode: Mode, size: usize) -> Self {
        let wire = Ask::put(&format!("/photos/{key}"), mode, &vec![b'a'; size]).sign();
        let mut sent = wire.body();
        let wire = if sent.pop().is_some() { wire } else { wire.content_length(1) };
        Self { key, head: wire.head(), sent, early_bytes: size.saturating_sub(1) }
    }

    /// Sends it and ends as `ending` says, once the provider has what it may have.
    async fn cut(&self, recorder: &Recorder, gateway: &TestGateway, ending: Ending) {
        let mut raw = Raw::connect(gateway.s3()).await;
        raw.send(&self.head).await;
        raw.send(&self.sent).await;
        // All but the last byte leaves while the client still owes the end. It is waited for: a reset takes with it what
        // the gateway has not read, which would then be no proof of anything.
        if self.early_bytes > 0 {
            let is_there = |request: &Recorded| {
                request.target().ends_with(&self.key) && request.body.len() >= self.early_bytes
            };
            recorder.until(|record| record.iter().any(is_there)).await;
        }
        match ending {
            Ending::Fin => raw.finish().await,
            Ending::Reset => raw.reset(),
            Ending::Silence => {
                let reply = raw.reply().await;
                assert_eq!(
                    (reply.status, reply.s3_code()),
                    (400, "RequestTimeout"),
                    "{} {reply:?}",
                    self.key
                );
            }
        }
    }
}

/// Every mode and every ending, at once.
async fn never_whole(size: usize) {
    let (recorder, gateway) = recorded().await;
    let (recorder, gateway) = (Arc::new(recorder), Arc::new(gateway));
    let mut clients = JoinSet::new();
    for mode in Mode::ALL {
        for ending in ENDINGS {
            let (recorder, gateway) = (recorder.clone(), gateway.clone());
            let upload = Truncated::new(format!("{mode:?}-{size}-{ending:?}"), mode, size);
            clients.spawn(async move { upload.cut(&recorder, &gateway, ending).await });
        }
    }
    clients.join_all().await;
    // A fence: what comes after all of them has arrived.
    let fence = Ask::put("/photos/fence", Mode::Hash, b"hello").sign().send(&gateway).await;
    assert_eq!(fence.status, 200, "{fence:?}");
    recorder.settled().await;
    let whole: Vec<_> = recorder.requests().into_iter().filter(|request| request.is_complete).collect();
    assert_eq!(whole.len(), 1, "{:?}", whole.iter().map(|request| &request.head).collect::<Vec<_>>());
    // An empty body is verified before anything is sent.
    let is_empty = |request: &Recorded| request.header("content-length") == Some("0");
    assert!(!recorder.requests().iter().any(is_empty));
}

#[tokio::test]
async fn an_empty_body() {
    never_whole(0).await;
}

#[tokio::test]
async fn one_byte() {
    never_whole(1).await;
}

#[tokio::test]
async fn a_body_around_the_smallest_chunk() {
    for size in [8 * KIBIBYTE - 1, 8 * KIBIBYTE, 8 * KIBIBYTE + 1] {
        never_whole(size).await;
    }
}

/// Every ending, one after the other: the upload and the record of it are held in memory here.
async fn never_whole_of_64_mebibytes(mode: Mode) {
    let upload = Truncated::new(format!("{mode:?}"), mode, 64 * KIBIBYTE * KIBIBYTE);
    let mut whole = Vec::new();
    for ending in ENDINGS {
        let (recorder, gateway) = recorded().await;
        upload.cut(&recorder, &gateway, ending).await;
        recorder.settled().await;
        whole.extend((recorder.complete() > 0).then_some(ending));
    }
    assert!(whole.is_empty(), "{mode:?} {whole:?}");
}

#[tokio::test]
async fn a_body_of_64_mebibytes_with_its_hash() {
    never_whole_of_64_mebibytes(Mode::Hash).await;
}

#[tokio::test]
async fn a_body_of_64_mebibytes_that_is_not_signed() {
    never_whole_of_64_mebibytes(Mode::Unsigned).await;
}

#[tokio::test]
async fn a_body_of_64_mebibytes_in_signed_chunks() {
    never_whole_of_64_mebibytes(Mode::Signed).await;
}

#[tokio::test]
async fn a_body_of_64_mebibytes_in_signed_chunks_with_a_trailer() {
    never_whole_of_64_mebibytes(Mode::SignedTrailer).await;
}

#[tokio::test]
async fn a_body_of_64_mebibytes_in_unsigned_chunks_with_a_trailer() {
    never_whole_of_64_mebibytes(Mode::UnsignedTrailer).await;
}

/// Where the framing says more than the payload, each of its bytes is needed.
#[tokio::test]
async fn a_body_without_any_part_of_its_ending() {
    let (recorder, gateway) = recorded().await;
    for mode in Mode::ALL.into_iter().filter(|mode| mode.is_streaming()) {
        let wire = Ask::put("/photos/a", mode, b"hello").sign();
        let ending = wire.pieces[1..].concat().len();
        for missing in 1..=ending {
            let mut raw = Raw::connect(gateway.s3()).await;
            let body = wire.body();
            let kept = &body[..body.len() - missing];
            let reply =
                raw.ask([wire.clone().content_length(kept.len() as u64).head(), kept.to_vec()].concat());
            let reply = reply.await;
            assert_eq!(reply.status, 400, "{mode:?} without {missing} bytes: {reply:?}");
            assert!(["IncompleteBody", "MalformedTrailerError"].contains(&reply.s3_code()), "{reply:?}");
        }
    }
    recorder.settled().await;
    assert_eq!(recorder.complete(), 0);
}
