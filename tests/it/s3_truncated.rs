//! Bodies that end before they were declared to end: the provider sees their beginning while the client still sends, and
//! never a whole object.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::support::{
    gateway::TestGateway,
    raw::Raw,
    recorder::{Recorded, Recorder},
    s3_client::{Ask, Mode, S3_KEYS, Wire, in_front_of},
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

/// A body of `size` bytes that lacks its last byte. An empty one is declared to have a byte, where it has no framing.
fn truncated(key: &str, mode: Mode, body: &[u8]) -> (Wire, Vec<u8>) {
    let wire = Ask::put(&format!("/photos/{key}"), mode, body).sign();
    let mut sent = wire.body();
    match sent.pop() {
        Some(_) => (wire, sent),
        None => (wire.content_length(1), sent),
    }
}

/// Sends what `truncated` makes and ends as `ending` says, once the provider has what it may have of it.
async fn cut(recorder: &Recorder, gateway: &TestGateway, size: usize, mode: Mode, ending: Ending) {
    let key = format!("{mode:?}-{size}-{ending:?}");
    let body = vec![b'a'; size];
    let (wire, sent) = truncated(&key, mode, &body);
    let mut raw = Raw::connect(gateway.s3()).await;
    raw.send(wire.head()).await;
    raw.send(&sent).await;
    // The beginning leaves while the client still owes the end; of one byte nothing may.
    if size > 1 {
        let begun = |request: &Recorded| request.target().ends_with(&key) && !request.body.is_empty();
        recorder.until(|record| record.iter().any(begun)).await;
    }
    match ending {
        Ending::Fin => raw.finish().await,
        Ending::Reset => raw.reset(),
        Ending::Silence => {
            let reply = raw.reply().await;
            assert_eq!((reply.status, reply.s3_code()), (400, "RequestTimeout"), "{key} {reply:?}");
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
            clients.spawn(async move { cut(&recorder, &gateway, size, mode, ending).await });
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

/// One after the other: the clients' bodies and the record of them are held in memory here.
#[tokio::test]
async fn a_body_of_64_mebibytes() {
    for (mode, ending) in Mode::ALL.into_iter().zip(ENDINGS.into_iter().cycle()) {
        let (recorder, gateway) = recorded().await;
        cut(&recorder, &gateway, 64 * KIBIBYTE * KIBIBYTE, mode, ending).await;
        recorder.settled().await;
        assert_eq!(recorder.complete(), 0, "{mode:?} {ending:?}");
    }
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
