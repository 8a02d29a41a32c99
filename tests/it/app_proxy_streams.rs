//! Bodies between a client and the app behind Wharf: as they come, both ways, and never ended short.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use tokio::sync::{Mutex, Notify, mpsc, oneshot};

use crate::support::{
    app::{App, AppFailed, Content, nothing, read, stream, whole},
    raw::{Raw, neighbour_is_served},
};

type Piece = Result<Frame<Bytes>, AppFailed>;

/// A body whose pieces the test sends.
fn by_hand() -> (mpsc::Sender<Piece>, Content) {
    let (sender, mut receiver) = mpsc::channel::<Piece>(1);
    let pieces = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context));
    (sender, stream(StreamBody::new(pieces)))
}

fn data(text: &'static str) -> Frame<Bytes> {
    Frame::data(Bytes::from_static(text.as_bytes()))
}

/// An app whose one reply has the body that the test makes by hand.
async fn app_with(body: Content, headers: &'static [(&'static str, &'static str)]) -> App {
    let body = Arc::new(Mutex::new(Some(body)));
    App::start(move |_| {
        let body = Arc::clone(&body);
        async move {
            let mut reply = Response::new(body.lock().await.take().unwrap_or_else(nothing));
            for (name, value) in headers {
                reply.headers_mut().insert(*name, HeaderValue::from_static(value));
            }
            reply
        }
    })
    .await
}

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\nte: trailers\r\n\r\n";

#[tokio::test]
async fn events_arrive_while_the_reply_goes_on() {
    let (events, body) = by_hand();
    let app = app_with(body, &[("content-type", "text/event-stream")]).await;
    let gateway = app.behind_wharf().await;
    let mut raw = Raw::connect(gateway.api()).await;
    raw.send(GET).await;
    let head = raw.head().await;
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    for _ in 0..3 {
        // The next event is made only when the one before has come.
        events.send(Ok(data("data: 1\n\n"))).await.unwrap();
        assert_eq!(raw.bytes(14).await, b"9\r\ndata: 1\n\n\r\n");
    }
    drop(events);
    assert_eq!(raw.bytes(5).await, b"0\r\n\r\n");
    neighbour_is_served(gateway.api()).await;
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let app = App::start(async |request: Request<Incoming>| {
        let mut body = request.into_body();
        let mut trailers = HeaderMap::new();
        while let Some(Ok(frame)) = body.frame().await {
            trailers.extend(frame.into_trailers().into_iter().flatten());
        }
        let echoed = stream(StreamBody::new(futures_util::stream::iter([
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"sum"))),
            Ok(Frame::trailers(trailers)),
        ])));
        Response::builder().header("trailer", "x-sum").body(echoed).unwrap()
    })
    .await;
    let gateway = app.behind_wharf().await;
    let mut raw = Raw::connect(gateway.api()).await;
    raw.send(
        "POST / HTTP/1.1\r\nhost: a\r\nte: trailers\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n\
         3\r\nabc\r\n0\r\nx-sum: 42\r\n\r\n",
    )
    .await;
    let head = raw.head().await;
    assert_eq!((head.status, head.header("trailer")), (200, Some("x-sum")));
    assert_eq!(raw.closed().await, "3\r\nsum\r\n0\r\nx-sum: 42\r\n\r\n");
    assert_eq!(app.last().all("transfer-encoding"), ["chunked"]);
}

#[tokio::test]
async fn a_reply_may_begin_before_the_request_has_ended() {
    let app = App::start(async |request: Request<Incoming>| Response::new(stream(request.into_body()))).await;
    let gateway = app.behind_wharf().await;
    let mut raw = Raw::connect(gateway.api()).await;
    raw.send("GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").await;
    assert_eq!(raw.head().await.status, 200);
    for piece in ["3\r\nabc\r\n", "2\r\nde\r\n", "0\r\n\r\n"] {
        raw.send(piece).await;
        assert_eq!(raw.bytes(piece.len()).await, piece.as_bytes());
    }
}

const UPLOAD_BYTES: u64 = 64 * 1024 * 1024;

/// What sockets and buffers on the way can hold together; the kernel's are the largest of them.
const ON_THE_WAY_BYTES_MAX: u64 = 40 * 1024 * 1024;

#[tokio::test]
async fn an_upload_waits_for_the_app_and_not_in_memory() {
    let go = Arc::new(Notify::new());
    let app_go = Arc::clone(&go);
    let app = App::start(move |request: Request<Incoming>| {
        let go = Arc::clone(&app_go);
        async move {
            go.notified().await;
            let mut pieces = request.into_body().into_data_stream();
            let mut bytes = 0;
            while let Some(piece) = pieces.next().await {
                bytes += piece.unwrap().len() as u64;
            }
            Response::new(whole(bytes.to_string()))
        }
    })
    .await;
    let gateway = app.behind_wharf().await;
    for framing in ["content-length: 67108864", "transfer-encoding: chunked"] {
        let is_chunked = framing.contains("chunked");
        let mut raw = Raw::connect(gateway.api()).await;
        raw.send(format!("POST / HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n")).await;
        let sent = AtomicU64::new(0);
        let piece = vec![b'x'; 64 * 1024];
        let upload = async {
            while sent.load(Ordering::Relaxed) < UPLOAD_BYTES {
                if is_chunked {
                    raw.send("10000\r\n").await;
                }
                raw.send(&piece).await;
                if is_chunked {
                    raw.send("\r\n").await;
                }
                sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
            }
            if is_chunked {
                raw.send("0\r\n\r\n").await;
            }
            raw.reply().await
        };
        let release = async {
            let mut before = None;
            // Until nothing moves any more.
            while before != Some(sent.load(Ordering::Relaxed)) {
                before = Some(sent.load(Ordering::Relaxed));
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
            assert!(before < Some(ON_THE_WAY_BYTES_MAX), "{before:?} bytes went ahead of the app");
            go.notify_one();
        };
        let (reply, ()) = tokio::join!(upload, release);
        assert_eq!((reply.status, reply.body.as_str()), (200, "67108864"), "{framing}");
    }
}

#[tokio::test]
async fn a_body_that_is_waited_for_is_asked_for() {
    let app =
        App::start(async |request: Request<Incoming>| Response::new(whole(read(request.into_body()).await)))
            .await;
    let gateway = app.behind_wharf().await;
    let mut raw = Raw::connect(gateway.api()).await;
    raw.send("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n").await;
    assert_eq!(raw.head().await.status, 100);
    let reply = raw.ask("hello").await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "hello"));
    assert!(!app.last().headers.contains_key("expect"));
}

/// Tells when it is dropped.
struct Gone(Option<oneshot::Sender<()>>);

impl Drop for Gone {
    fn drop(&mut self) {
        let _ = self.0.take().unwrap().send(());
    }
}

#[tokio::test]
async fn a_client_that_leaves_frees_the_app() {
    let (sender, mut gone) = mpsc::unbounded_channel();
    let app = App::start(move |request: Request<Incoming>| {
        let (dropped, on_drop) = oneshot::channel();
        sender.send(on_drop).unwrap();
        let guard = Gone(Some(dropped));
        async move {
            let path = request.uri().path().to_owned();
            match path.as_str() {
                "/silent" => {
                    let _guard = guard;
                    std::future::pending().await
                }
                "/upload" => {
                    let _guard = guard;
                    let mut body = request.into_body();
                    while let Some(Ok(_)) = body.frame().await {}
                    Response::new(nothing())
                }
                _ => {
                    let endless = futures_util::stream::repeat_with(move || {
                        let _held = &guard;
                        Ok::<_, Infallible>(Frame::data(Bytes::from(vec![0; 65536])))
                    });
                    Response::new(stream(StreamBody::new(endless)))
                }
            }
        }
    })
    .await;
    let gateway = app.behind_wharf().await;
    for head in [
        "GET /silent HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf",
        "GET /endless HTTP/1.1\r\nhost: a\r\n\r\n",
    ] {
        let mut raw = Raw::connect(gateway.api()).await;
        raw.send(head).await;
        let on_drop = gone.recv().await.unwrap();
        drop(raw);
        on_drop.await.unwrap();
    }
    neighbour_is_served(gateway.api()).await;
}

#[tokio::test]
async fn an_app_that_dies_within_a_reply_cuts_the_client() {
    for headers in [&[("content-length", "10")][..], &[]] {
        let (pieces, body) = by_hand();
        let app = app_with(body, headers).await;
        let gateway = app.behind_wharf().await;
        let mut raw = Raw::connect(gateway.api()).await;
        raw.send(GET).await;
        assert_eq!(raw.head().await.status, 200);
        pieces.send(Ok(data("half"))).await.unwrap();
        let seen = if headers.is_empty() { &b"4\r\nhalf\r\n"[..] } else { b"half" };
        assert_eq!(raw.bytes(seen.len()).await, seen);
        pieces.send(Err(AppFailed)).await.unwrap();
        assert_eq!(raw.closed().await, "", "no end that looks like one");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_never_looks_whole_to_the_app() {
    let (sender, mut outcomes) = mpsc::unbounded_channel();
    let app = App::start(move |request: Request<Incoming>| {
        let sender = sender.clone();
        async move {
            let mut body = request.into_body();
            let mut last = None;
            while let Some(frame) = body.frame().await {
                last = Some(frame.is_ok());
                if last == Some(false) {
                    break;
                }
            }
            sender.send(last).unwrap();
            Response::new(nothing())
        }
    })
    .await;
    let gateway = app.behind_wharf().await;
    for (framing, beginning) in
        [("content-length: 10", "half"), ("transfer-encoding: chunked", "4\r\nhalf\r\n")]
    {
        let mut raw = Raw::connect(gateway.api()).await;
        raw.send(format!("POST / HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n{beginning}")).await;
        drop(raw);
        assert_eq!(outcomes.recv().await.unwrap(), Some(false), "{framing}");
    }
    let mut raw = Raw::connect(gateway.api()).await;
    let reply = raw.ask("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n").await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "INVALID_REQUEST"), "no number of bytes");
}
