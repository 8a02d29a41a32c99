//! HTTP/2 by hand: prior knowledge over plain TCP, the bound on streams, and a client that opens no window.

use std::{net::SocketAddr, time::Duration};

use http::Method;
use tokio::time::sleep;

use crate::support::{
    gateway::{KEY, KEY_CONFIG, TestGateway},
    raw::{Raw, neighbour_is_served},
    recorder::{Answer, Recorder},
    s3_client::{Ask, S3_KEYS, in_front_of},
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;
const INITIAL_WINDOW_SIZE: u16 = 4;
const REFUSED_STREAM: u32 = 7;

#[derive(Debug)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A literal header field without indexing (RFC 7541, 6.2.2), or with one of the static table's names.
fn field(name: &str, value: &str) -> Vec<u8> {
    let static_name = match name {
        ":authority" => Some(1),
        ":path" => Some(4),
        _ => None,
    };
    let mut bytes = vec![static_name.unwrap_or(0)];
    if static_name.is_none() {
        bytes.push(u8::try_from(name.len()).unwrap());
        bytes.extend(name.as_bytes());
    }
    bytes.push(u8::try_from(value.len()).unwrap());
    bytes.extend(value.as_bytes());
    bytes
}

/// `POST`, `http`, then the fields.
fn post(stream: u32, flags: u8) -> Vec<u8> {
    let mut block = vec![0x83, 0x86];
    block.extend(field(":authority", "wharf.test"));
    block.extend(field(":path", "/api/v1/upload/validate-key"));
    block.extend(field("x-api-key", KEY));
    block.extend(field("content-type", "application/json"));
    frame(HEADERS, END_HEADERS | flags, stream, &block)
}

async fn next(raw: &mut Raw) -> Frame {
    let head = raw.bytes(9).await;
    let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
    let stream = u32::from_be_bytes(head[5..9].try_into().unwrap());
    Frame { kind: head[3], flags: head[4], stream, payload: raw.bytes(length).await }
}

/// The next frame that belongs to a stream.
async fn next_of_a_stream(raw: &mut Raw) -> Frame {
    loop {
        let frame = next(raw).await;
        if frame.stream != 0 {
            return frame;
        }
    }
}

async fn connect(gateway: &TestGateway, settings: &[u8]) -> Raw {
    connect_to(gateway.api(), settings).await
}

async fn connect_to(address: SocketAddr, settings: &[u8]) -> Raw {
    let mut raw = Raw::connect(address).await;
    raw.send(PREFACE).await;
    raw.send(frame(SETTINGS, 0, 0, settings)).await;
    raw.send(frame(SETTINGS, ACK, 0, &[])).await;
    raw
}

#[tokio::test]
async fn streams_of_one_connection_are_bounded() {
    let limits = "[server.limits]\nstreams_per_connection_max = 2\n";
    let gateway = TestGateway::start(&format!("{limits}{KEY_CONFIG}")).await;
    let mut raw = connect(&gateway, &[]).await;
    for stream in [1, 3, 5] {
        raw.send(post(stream, 0)).await;
    }
    let refused = next_of_a_stream(&mut raw).await;
    assert_eq!((refused.kind, refused.stream), (RST_STREAM, 5), "{refused:?}");
    assert_eq!(refused.payload, REFUSED_STREAM.to_be_bytes());
    neighbour_is_served(gateway.api()).await;
    raw.send(frame(DATA, END_STREAM, 1, b"{}")).await;
    let reply = next_of_a_stream(&mut raw).await;
    assert_eq!((reply.kind, reply.stream), (HEADERS, 1), "{reply:?}");
    // 0x88 is `:status: 200` in the static table.
    assert_eq!(reply.payload.first(), Some(&0x88));
}

/// Without a bound a client could hold a permit for ever by taking the head of a reply and none of its body.
#[tokio::test]
async fn a_stream_whose_client_opens_no_window_is_given_up() {
    let limits =
        "[server.limits]\nrequests_in_flight_max = 1\nbody_timeout_seconds = 1\nwrite_timeout_seconds = 1\n";
    let gateway = TestGateway::start(&format!("{limits}{KEY_CONFIG}")).await;
    let mut settings = INITIAL_WINDOW_SIZE.to_be_bytes().to_vec();
    settings.extend(0_u32.to_be_bytes());
    let mut raw = connect(&gateway, &settings).await;
    raw.send(post(1, END_STREAM)).await;
    let head = next_of_a_stream(&mut raw).await;
    assert_eq!((head.kind, head.flags & END_STREAM, head.payload.first()), (HEADERS, 0, Some(&0x88)));
    let end = next_of_a_stream(&mut raw).await;
    assert_eq!((end.kind, end.stream), (RST_STREAM, 1), "{end:?}");
    neighbour_is_served(gateway.api()).await;
}

/// Bytes of the object that is downloaded slowly, and of the window that the client opens at a time.
const OBJECT_BYTES: usize = 6 * WINDOW_BYTES;
const WINDOW_BYTES: usize = 16 * 1024;

/// A provider with one object, and a public door to it that is patient for two seconds.
async fn with_object() -> (Recorder, TestGateway) {
    with_object_and("").await
}

/// The same with further limits.
async fn with_object_and(limits: &str) -> (Recorder, TestGateway) {
    let object = [
        format!("HTTP/1.1 200 OK\r\ncontent-length: {OBJECT_BYTES}\r\n\r\n").into_bytes(),
        vec![b'a'; OBJECT_BYTES],
    ];
    let recorder = Recorder::answering(move |_| Some(Answer::new(object.concat()))).await;
    let limits = ["[server.limits]\nbody_timeout_seconds = 1\nwrite_timeout_seconds = 1\n", limits].concat();
    let config = in_front_of(&recorder.endpoint(), &[&limits, S3_KEYS].concat());
    let gateway = TestGateway::start(&[&config, "public = true\n"].concat()).await;
    (recorder, gateway)
}

/// Asks for the object with a window of [`WINDOW_BYTES`], and takes the head of the reply.
async fn begin_download(gateway: &TestGateway) -> Raw {
    let mut settings = INITIAL_WINDOW_SIZE.to_be_bytes().to_vec();
    settings.extend(u32::try_from(WINDOW_BYTES).unwrap().to_be_bytes());
    let mut raw = connect_to(gateway.s3(), &settings).await;
    // `GET`, `http`.
    let mut block = vec![0x82, 0x86];
    block.extend(field(":authority", "wharf.test"));
    block.extend(field(":path", "/photos/a"));
    raw.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, &block)).await;
    let head = next_of_a_stream(&mut raw).await;
    assert_eq!((head.kind, head.payload.first()), (HEADERS, Some(&0x88)), "{head:?}");
    raw
}

/// Takes a window's worth of data; returns whether the stream was cut instead.
async fn take_window(raw: &mut Raw) -> bool {
    let mut taken = 0;
    while taken < WINDOW_BYTES {
        let frame = next_of_a_stream(raw).await;
        match frame.kind {
            DATA => taken += frame.payload.len(),
            RST_STREAM => return true,
            _ => panic!("{frame:?}"),
        }
    }
    false
}

async fn open_window(raw: &mut Raw) {
    let bytes = u32::try_from(WINDOW_BYTES).unwrap().to_be_bytes();
    raw.send([frame(WINDOW_UPDATE, 0, 0, &bytes), frame(WINDOW_UPDATE, 0, 1, &bytes)].concat()).await;
}

/// In all it takes longer than a client may be silent.
#[tokio::test]
async fn a_slow_download_that_goes_on_is_not_cut() {
    let (_recorder, gateway) = with_object().await;
    let mut raw = begin_download(&gateway).await;
    for taken in 1..=OBJECT_BYTES / WINDOW_BYTES {
        assert!(!take_window(&mut raw).await, "cut in window {taken}");
        sleep(Duration::from_millis(500)).await;
        open_window(&mut raw).await;
    }
}

#[tokio::test]
async fn a_download_whose_client_stops_in_the_middle_is_cut() {
    let (recorder, gateway) = with_object().await;
    let mut raw = begin_download(&gateway).await;
    for _ in 0..2 {
        assert!(!take_window(&mut raw).await);
        open_window(&mut raw).await;
    }
    assert!(!take_window(&mut raw).await);
    assert!(take_window(&mut raw).await, "the client takes no more");
    // The provider need not wait either.
    recorder.until(|record| record.iter().all(|request| request.is_closed)).await;
}

/// It is never silent for as long as a client may be.
#[tokio::test]
async fn a_download_whose_client_goes_on_too_slowly_is_cut() {
    let (recorder, gateway) = with_object_and("reply_bytes_per_second_min = 1048576\n").await;
    let mut raw = begin_download(&gateway).await;
    while !take_window(&mut raw).await {
        assert_eq!(Ask::new(Method::HEAD, "/photos/a").sign().status(&gateway).await, 200);
        sleep(Duration::from_millis(1500)).await;
        open_window(&mut raw).await;
    }
    recorder.until(|record| record.iter().any(|request| request.is_closed)).await;
}
