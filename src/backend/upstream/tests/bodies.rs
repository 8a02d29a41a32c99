//! Bodies on their way: pieces that come late or never, ends that are missing, and what the provider gets to see.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    task::Poll,
};

use hyper::body::{Body, Frame, SizeHint};
use thiserror::Error;
use tokio::{
    io::copy_bidirectional,
    sync::mpsc,
    time::{Sleep, sleep},
};
use wharf_wire::date::Timestamp;

use super::*;
use crate::{
    clock::Clock,
    tenure::{Tenure, TenureOver},
};

#[derive(Debug, Error)]
#[error("the digest is wrong")]
struct BadDigest;

/// What a [`Script`] does next.
enum Step {
    Send(Bytes),
    Wait(Duration),
    Fail,
    /// Never anything again.
    Hang,
}

/// A body that does as it is told, whatever it says of its length.
struct Script {
    steps: VecDeque<Step>,
    bytes: u64,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Script {
    fn body(bytes: usize, steps: impl IntoIterator<Item = Step>) -> SendBody {
        SendBody::stream(Self { steps: steps.into_iter().collect(), bytes: bytes as u64, waiting: None })
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = SendError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SendError>>> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                std::task::ready!(waiting.as_mut().poll(context));
                self.waiting = None;
            }
            match self.steps.pop_front() {
                None => return Poll::Ready(None),
                Some(Step::Send(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Step::Fail) => return Poll::Ready(Some(Err(SendError::new(BadDigest)))),
                Some(Step::Wait(time)) => self.waiting = Some(Box::pin(sleep(time))),
                Some(Step::Hang) => {
                    self.steps.push_front(Step::Hang);
                    return Poll::Pending;
                }
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes)
    }
}

fn send(text: &'static str) -> Step {
    Step::Send(Bytes::from_static(text.as_bytes()))
}

fn put(url: &str, body: SendBody) -> Request<SendBody> {
    Request::put(url).body(body).unwrap()
}

/// A right that is held until the clock is moved on.
fn tenure() -> (&'static AtomicU64, Arc<Tenure>) {
    let millis: &'static AtomicU64 = Box::leak(Box::new(AtomicU64::new(1000)));
    let tenure = Tenure::new(Clock::Moved(millis), Duration::ZERO);
    tenure.extend(Timestamp::from_unix_millis(2000));
    (millis, Arc::new(tenure))
}

#[tokio::test]
async fn only_the_last_piece_of_a_body_needs_the_right_to_end_it() {
    let (millis, tenure) = tenure();
    let mut whole = SendBody::from(Bytes::from_static(b"hello")).while_held(&tenure);
    let mut again = whole.again().unwrap();
    assert_eq!(whole.frame().await.unwrap().unwrap().into_data().unwrap(), "hello");
    assert!(whole.is_end_stream() && whole.frame().await.is_none());
    let mut parted = Script::body(5, [send("hell"), send("o")]).while_held(&tenure);
    millis.store(2000, Ordering::Relaxed);
    assert_eq!(parted.frame().await.unwrap().unwrap().into_data().unwrap(), "hell");
    for body in [&mut parted, &mut again] {
        let error = body.frame().await.unwrap().unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&TenureOver));
    }
}

#[tokio::test]
async fn what_has_no_body_is_not_sent_without_the_right_to() {
    let (millis, tenure) = tenure();
    let (address, _peer) = peer("HTTP/1.1 204 No Content\r\n\r\n").await;
    let client = client(LONG);
    let delete = || {
        let url = format!("http://{address}/a");
        Request::delete(url).body(SendBody::Empty.while_held(&tenure)).unwrap()
    };
    assert_eq!(client.send(delete(), Reach::Anywhere).await.unwrap().status(), StatusCode::NO_CONTENT);
    millis.store(2000, Ordering::Relaxed);
    let error = client.send(delete(), Reach::Anywhere).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Body(cause) if cause.downcast_ref() == Some(&TenureOver)));
}

#[tokio::test]
async fn a_lease_that_runs_out_while_a_connection_is_made_keeps_the_request_here() {
    let requests = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&requests);
    let (port, certificate, _peer) = tls_server(move |_request: Request<Incoming>| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ok(Response::new(Full::default())) }
    })
    .await;
    let (millis, tenure) = tenure();
    let slow = TcpListener::bind("localhost:0").await.unwrap();
    let url = format!("https://localhost:{}/", slow.local_addr().unwrap().port());
    let _relay = tokio::spawn(async move {
        let (mut client, _) = slow.accept().await.unwrap();
        millis.store(2000, Ordering::Relaxed);
        let mut peer = TcpStream::connect(("localhost", port)).await.unwrap();
        let _ = copy_bidirectional(&mut client, &mut peer).await;
    });
    let client = Upstream::new(LONG, &[certificate]).unwrap();
    let delete = || Request::delete(&url).body(SendBody::Empty.while_held(&tenure)).unwrap();
    let kept_here = client.send(delete(), Reach::Anywhere).await.unwrap_err();
    let UpstreamError::Body(error) = &kept_here else { panic!("{kept_here:?}") };
    assert_eq!(error.downcast_ref(), Some(&TenureOver));
    tenure.extend(Timestamp::from_unix_millis(3000));
    let reply = client.send(delete(), Reach::Anywhere).await.unwrap();
    assert_eq!(
        (reply.status(), requests.load(Ordering::Relaxed)),
        (StatusCode::OK, 1),
        "over the same connection"
    );
}

/// One connection after the other, each served by `serve`.
async fn server<F: Future<Output = ()> + Send>(
    mut serve: impl FnMut(TcpStream) -> F + Send + 'static,
) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            serve(stream).await;
        }
    });
    (url, task)
}

/// Reads until `end` has come, or the peer hangs up. Returns everything.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let (mut received, mut buffer) = (Vec::new(), [0; 4096]);
    while !received.ends_with(end.as_bytes()) {
        match stream.read(&mut buffer).await {
            Ok(bytes @ 1..) => received.extend_from_slice(&buffer[..bytes]),
            Ok(0) | Err(_) => break,
        }
    }
    String::from_utf8_lossy(&received).into_owned()
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn a_slow_upload_is_waited_for_and_the_reply_s_time_begins_at_its_end() {
    let (url, _server) = server(async |mut stream| {
        read_until(&mut stream, "abcde").await;
        stream.write_all(OK).await.unwrap();
        read_until(&mut stream, "never").await;
    })
    .await;
    let pieces =
        ["a", "b", "c", "d", "e"].into_iter().flat_map(|piece| [Step::Wait(SHORT.stall), send(piece)]);
    let client = client(SHORT);
    let reply = client.send(put(&url, Script::body(5, pieces)), Reach::Anywhere).await.unwrap();
    assert_eq!(client.read(reply, 10).await.unwrap().body(), "ok");
}

#[tokio::test]
async fn a_provider_that_has_everything_and_says_nothing_is_late() {
    let (url, _server) = server(async |mut stream| {
        read_until(&mut stream, "never").await;
    })
    .await;
    let timeouts = Timeouts { first_byte: Duration::from_millis(150), ..LONG };
    let body = Script::body(1, [send("a")]);
    let late = client(timeouts).send(put(&url, body), Reach::Anywhere).await.unwrap_err();
    assert_eq!(late, UpstreamError::Timeout(timeouts.first_byte));
}

#[tokio::test]
async fn a_provider_that_takes_nothing_is_late() {
    let (url, _server) = server(async |stream| {
        // Held open, never read.
        tokio::time::sleep(Duration::from_mins(1)).await;
        drop(stream);
    })
    .await;
    let timeouts = Timeouts { stall: Duration::from_millis(150), ..LONG };
    let piece = Bytes::from(vec![b'x'; 1 << 20]);
    let body = Script::body(64 << 20, (0..64).map(|_| Step::Send(piece.clone())));
    let late = client(timeouts).send(put(&url, body), Reach::Anywhere).await.unwrap_err();
    assert_eq!(late, UpstreamError::Timeout(timeouts.stall));
}

#[tokio::test]
async fn no_provider_sees_the_end_of_a_body_that_fails() {
    let steps: [(&str, usize, Vec<Step>); 5] = [
        ("refused at the end", 3, vec![send("ab"), Step::Wait(Duration::from_millis(20)), Step::Fail]),
        ("refused at once", 3, vec![Step::Fail]),
        ("too short", 3, vec![send("ab")]),
        ("too long", 3, vec![send("ab"), send("cd")]),
        ("too long by a whole piece", 3, vec![send("ab"), send("c2345678")]),
    ];
    for (name, bytes, steps) in steps {
        let (seen, mut saw) = mpsc::channel(8);
        let (url, _server) = server(move |mut stream| {
            let seen = seen.clone();
            async move { seen.send(read_until(&mut stream, "never").await).await.unwrap() }
        })
        .await;
        let is_refused = steps.iter().any(|step| matches!(step, Step::Fail));
        let error =
            client(LONG).send(put(&url, Script::body(bytes, steps)), Reach::Anywhere).await.unwrap_err();
        let UpstreamError::Body(cause) = &error else { panic!("{name}: {error:?}") };
        assert_eq!(cause.downcast_ref::<BadDigest>().is_some(), is_refused, "{name}: {error}");
        let request = saw.recv().await.unwrap();
        let body = request.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        assert!(body.len() < bytes, "{name}: {request:?}");
    }
}

#[tokio::test]
async fn a_body_of_unknown_length_is_not_sent() {
    let body = SendBody::stream(http_body_util::StreamBody::new(futures_util::stream::empty()));
    let error = client(LONG).send(put("http://127.0.0.1:1/", body), Reach::Anywhere).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Request(_)), "{error:?}");
}

/// The answer, and what of the connection was seen after it.
#[tokio::test]
async fn an_early_refusal_arrives_and_ends_the_upload() {
    let (seen, mut saw) = mpsc::channel(8);
    let (url, _server) = server(move |mut stream| {
        let seen = seen.clone();
        async move {
            read_until(&mut stream, "ab").await;
            stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno").await.unwrap();
            seen.send(read_until(&mut stream, "never").await).await.unwrap();
        }
    })
    .await;
    let client = client(LONG);
    let body = Script::body(1000, [send("ab"), Step::Hang]);
    let reply = client.send(put(&url, body), Reach::Anywhere).await.unwrap();
    assert_eq!(reply.status(), StatusCode::FORBIDDEN);
    assert_eq!(client.read(reply, 10).await.unwrap().body(), "no");
    assert_eq!(saw.recv().await.unwrap(), "", "the connection was closed, and not with the rest of the body");
}

#[tokio::test]
async fn an_early_refusal_arrives_although_the_provider_resets_what_still_comes() {
    let (url, _server) = server(async |mut stream| {
        stream.read_exact(&mut [0; 1000]).await.unwrap();
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno").await.unwrap();
        // Closed with unread bytes: the peer is reset.
    })
    .await;
    let piece = Bytes::from(vec![b'x'; 1 << 16]);
    for _ in 0..50 {
        let client = client(LONG);
        let body = Script::body(64 << 20, (0..1024).map(|_| Step::Send(piece.clone())));
        let reply = client.send(put(&url, body), Reach::Anywhere).await.unwrap();
        assert_eq!(reply.status(), StatusCode::FORBIDDEN);
        assert_eq!(client.read(reply, 10).await.unwrap().body(), "no");
    }
}

#[tokio::test]
async fn a_reply_that_breaks_off_is_an_error() {
    let (url, _server) = server(async |mut stream| {
        read_until(&mut stream, "\r\n\r\n").await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
    })
    .await;
    let error = whole(&client(LONG), &url, 100).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Http(_)), "{error:?}");
}

#[tokio::test]
async fn a_store_s_success_that_only_hanging_up_ends_is_an_error() {
    for (reply, is_sound) in [
        ("HTTP/1.1 200 OK\r\n\r\nhalf", false),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nhalf", false),
        ("HTTP/1.0 200 OK\r\n\r\nhalf", false),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n\r\n", true),
        ("HTTP/1.1 204 No Content\r\n\r\n", true),
        ("HTTP/1.1 404 Not Found\r\n\r\nhalf", true),
    ] {
        let (url, _server) = server(async move |mut stream| {
            read_until(&mut stream, "\r\n\r\n").await;
            stream.write_all(reply.as_bytes()).await.unwrap();
        })
        .await;
        let outcome = whole(&client(LONG), &url, 100).await;
        assert_eq!(outcome.is_ok(), is_sound, "{reply:?} {outcome:?}");
        // An app may do so.
        let app = Upstream::for_app(LONG).unwrap();
        assert!(whole(&app, &url, 100).await.is_ok(), "{reply:?}");
    }
}

#[tokio::test]
async fn a_provider_that_hangs_up_while_it_waits_for_the_body_is_not_at_fault() {
    let (url, _server) = server(async |mut stream| {
        read_until(&mut stream, "ab").await;
    })
    .await;
    let waiting = Script::body(3, [send("ab"), Step::Hang]);
    let error = client(LONG).send(put(&url, waiting), Reach::Anywhere).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Body(_)), "{error:?}");
    let sent = Script::body(2, [send("ab")]);
    let error = client(LONG).send(put(&url, sent), Reach::Anywhere).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Http(_)), "{error:?}");
}

#[tokio::test]
async fn a_reply_that_nobody_reads_frees_its_connection() {
    let (seen, mut saw) = mpsc::channel(8);
    let (url, _server) = server(move |mut stream| {
        let seen = seen.clone();
        async move {
            read_until(&mut stream, "\r\n\r\n").await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nhalf").await.unwrap();
            seen.send(read_until(&mut stream, "never").await).await.unwrap();
        }
    })
    .await;
    let client = client(LONG);
    drop(client.send(get(&url), Reach::Anywhere).await.unwrap());
    assert_eq!(saw.recv().await.unwrap(), "", "hung up");
}

#[tokio::test]
async fn a_request_that_is_given_up_frees_its_connection() {
    let (seen, mut saw) = mpsc::channel(8);
    let (url, _server) = server(move |mut stream| {
        let seen = seen.clone();
        async move { seen.send(read_until(&mut stream, "never").await).await.unwrap() }
    })
    .await;
    let client = client(LONG);
    let body = Script::body(1000, [send("ab"), Step::Hang]);
    let request = client.send(put(&url, body), Reach::Anywhere);
    let given_up = tokio::time::timeout(Duration::from_millis(50), request).await;
    assert!(given_up.is_err());
    let seen = saw.recv().await.unwrap();
    assert!(seen.ends_with("\r\n\r\nab"), "{seen:?}");
}

/// A connection that the provider closed while it was idle is replaced, also for a body that can be sent but once.
#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_replaced() {
    let (url, _server) = server(async |mut stream| {
        read_until(&mut stream, "abc").await;
        // Says nothing of closing.
        stream.write_all(OK).await.unwrap();
    })
    .await;
    let client = client(LONG);
    for _ in 0..50 {
        let body = Script::body(3, [send("ab"), send("c")]);
        let reply = client.send(put(&url, body), Reach::Anywhere).await.unwrap();
        assert_eq!(client.read(reply, 10).await.unwrap().body(), "ok");
    }
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_refuses() {
    let (url, _server) = server(async |mut stream| {
        read_until(&mut stream, "\r\n\r\n").await;
        stream.write_all(OK).await.unwrap();
    })
    .await;
    let port = url.trim_end_matches('/').rsplit(':').next().unwrap();
    let mut resolver = Resolver::from(Reach::Anywhere);
    resolver.fixed = Some(["127.0.0.2:0", "127.0.0.1:0"].map(|address| address.parse().unwrap()).to_vec());
    let mut client = client(LONG);
    let connector = Connector::new(&tls_config(&[]).unwrap(), Peer::Store, resolver, LONG);
    client.anywhere = Pool::new(connector, Peer::Store.idle_timeout());
    let reply = whole(&client, &format!("http://two.example:{port}/"), 10).await.unwrap();
    assert_eq!(reply.body(), "ok");
}

/// What an HTTP/2 server sees of a request's body: its bytes, and whether it ended.
async fn h2_server() -> (u16, CertificateDer<'static>, mpsc::Receiver<(usize, bool)>, JoinHandle<()>) {
    let (seen, saw) = mpsc::channel(8);
    let answer = move |request: Request<Incoming>| {
        let seen = seen.clone();
        async move {
            let (mut body, mut bytes) = (request.into_body(), 0);
            let is_whole = loop {
                match body.frame().await {
                    None => break true,
                    Some(Err(_)) => break false,
                    Some(Ok(frame)) => bytes += frame.data_ref().map_or(0, Bytes::len),
                }
            };
            seen.send((bytes, is_whole)).await.unwrap();
            Ok(Response::new(Full::new(Bytes::from_static(b"ok"))))
        }
    };
    let (port, certificate, task) = tls_server(answer).await;
    (port, certificate, saw, task)
}

#[tokio::test]
async fn over_http_2_a_body_that_fails_is_reset_and_never_ends() {
    let (port, certificate, mut saw, _server) = h2_server().await;
    let client = Upstream::new(LONG, &[certificate]).unwrap();
    let url = format!("https://localhost:{port}/");
    let reply =
        client.send(put(&url, Script::body(3, [send("ab"), send("c")])), Reach::Anywhere).await.unwrap();
    assert_eq!((reply.version(), saw.recv().await.unwrap()), (Version::HTTP_2, (3, true)));
    let pause = || Step::Wait(Duration::from_millis(20));
    for steps in [
        vec![send("ab"), pause(), Step::Fail],
        vec![send("ab"), Step::Fail],
        vec![send("ab"), pause()],
        vec![send("ab"), pause(), send("cd")],
    ] {
        let error = client.send(put(&url, Script::body(3, steps)), Reach::Anywhere).await.unwrap_err();
        assert!(matches!(error, UpstreamError::Body(_)), "{error:?}");
        let (bytes, is_whole) = saw.recv().await.unwrap();
        assert!(bytes < 3 && !is_whole, "{bytes} bytes, {is_whole}");
    }
    let reply = client.send(put(&url, Script::body(1, [send("a")])), Reach::Anywhere).await.unwrap();
    assert_eq!(reply.status(), StatusCode::OK, "the connection serves on");
}

#[tokio::test]
async fn over_http_2_a_request_that_is_given_up_or_not_allowed_to_end_is_reset() {
    let (port, certificate, mut saw, _server) = h2_server().await;
    let client = Upstream::new(LONG, &[certificate]).unwrap();
    let url = format!("https://localhost:{port}/");
    let stuck = Script::body(3, [send("ab"), Step::Hang]);
    let given_up = timeout(Duration::from_millis(100), client.send(put(&url, stuck), Reach::Anywhere)).await;
    assert!(given_up.is_err(), "it waits for its body");
    let (bytes, is_whole) = saw.recv().await.unwrap();
    assert!(bytes < 3 && !is_whole, "{bytes} bytes, {is_whole}");
    let (millis, tenure) = tenure();
    let late = Script::body(1, [Step::Wait(Duration::from_millis(100)), send("a")]).while_held(&tenure);
    let sending = client.send(put(&url, late), Reach::Anywhere);
    let (outcome, ()) = tokio::join!(sending, async { millis.store(2000, Ordering::Relaxed) });
    assert!(outcome.is_err(), "the right to it has ended");
    let (bytes, is_whole) = saw.recv().await.unwrap();
    assert!(bytes == 0 && !is_whole, "{bytes} bytes, {is_whole}");
}

#[tokio::test]
async fn replies_that_nobody_reads_hold_up_no_other_of_their_connection() {
    let large = Bytes::from(vec![b'x'; 4 << 20]);
    let answer = move |_| {
        let large = large.clone();
        async move { Ok(Response::new(Full::new(large))) }
    };
    let (port, certificate, _server) = tls_server(answer).await;
    let client = Upstream::new(LONG, &[certificate]).unwrap();
    let url = format!("https://localhost:{port}/");
    let mut unread = Vec::new();
    for _ in 0..32 {
        unread.push(client.send(get(&url), Reach::Anywhere).await.unwrap());
    }
    let read = whole(&client, &url, 4 << 20).await.unwrap();
    assert_eq!((read.version(), read.body().len()), (Version::HTTP_2, 4 << 20));
    assert!(unread.iter().all(|reply| reply.version() == Version::HTTP_2));
}
