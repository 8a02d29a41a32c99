//! Which connections are used again, which never are, and for how long they are kept.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::sync::Barrier;

use super::*;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A server that says `reply` to every head, and how many connections it has accepted and seen closed.
struct Server {
    url: String,
    accepted: Arc<AtomicUsize>,
    closed: Arc<AtomicUsize>,
    _task: JoinHandle<()>,
}

impl Server {
    async fn saying(reply: &'static [u8]) -> Self {
        Self::gathering(reply, 1).await
    }

    /// One that answers `crowd` requests at a time, and none before there are as many.
    async fn gathering(reply: &'static [u8], crowd: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (accepted, closed): (Arc<AtomicUsize>, Arc<AtomicUsize>) = Default::default();
        let (counted, left, barrier) = (accepted.clone(), closed.clone(), Arc::new(Barrier::new(crowd)));
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                let (left, barrier) = (left.clone(), barrier.clone());
                connections.spawn(async move {
                    while stream.read(&mut [0; 4096]).await.is_ok_and(|bytes| bytes > 0) {
                        barrier.wait().await;
                        let _ = stream.write_all(reply).await;
                    }
                    left.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        Self { url, accepted, closed, _task: task }
    }

    fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Waits until `closed` connections have been closed.
    async fn wait_for_closed(&self, closed: usize) {
        let all = async {
            while self.closed.load(Ordering::Relaxed) < closed {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(30), all).await.unwrap();
    }
}

/// A client that keeps idle connections for `idle_timeout`.
fn keeping(idle_timeout: Duration) -> Upstream {
    let connector =
        Connector::new(&tls_config(&[]).unwrap(), Peer::Store, Resolver::from(Reach::Anywhere), LONG);
    Upstream { anywhere: Pool::new(connector, idle_timeout), ..client(LONG) }
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    for (reply, body) in [
        (OK, "ok"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", ""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno", "no"),
    ] {
        let server = Server::saying(reply).await;
        let client = client(LONG);
        for _ in 0..5 {
            assert_eq!(whole(&client, &server.url, 10).await.unwrap().body(), body);
        }
        assert_eq!(server.accepted(), 1, "{}", String::from_utf8_lossy(reply));
    }
}

#[tokio::test]
async fn a_small_reply_that_nobody_reads_costs_no_connection() {
    let server = Server::saying(OK).await;
    let client = client(LONG);
    for _ in 0..5 {
        drop(client.send(get(&server.url), Reach::Anywhere).await.unwrap());
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_connection_with_half_a_reply_on_it_is_never_used_again() {
    let server = Server::saying(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nHTTP/1.1 200 OK").await;
    let client = client(LONG);
    for sent in 1..=5 {
        let reply = client.send(get(&server.url), Reach::Anywhere).await.unwrap();
        let first = reply.into_body().frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, "HTTP/1.1 200 OK");
        assert_eq!(server.accepted(), sent);
        server.wait_for_closed(sent).await;
    }
}

#[tokio::test]
async fn what_comes_unasked_behind_a_reply_is_no_reply_to_the_next_request() {
    let server = Server::saying(
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
    )
    .await;
    let client = client(LONG);
    for sent in 1..=5 {
        assert_eq!(whole(&client, &server.url, 10).await.unwrap().body(), "ok");
        assert_eq!(server.accepted(), sent);
    }
}

#[tokio::test]
async fn a_connection_that_its_peer_gives_up_is_given_up() {
    let server = Server::saying(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok").await;
    let client = client(LONG);
    for sent in 1..=3 {
        assert_eq!(whole(&client, &server.url, 10).await.unwrap().body(), "ok");
        server.wait_for_closed(sent).await;
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_time_and_none_is_used_after_it() {
    let server = Server::saying(OK).await;
    let brief = keeping(Duration::from_millis(20));
    whole(&brief, &server.url, 10).await.unwrap();
    server.wait_for_closed(1).await;
    assert!(brief.anywhere.is_empty(), "nothing is kept of a place that nobody asks");
    whole(&brief, &server.url, 10).await.unwrap();
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn connections_end_with_their_client() {
    let server = Server::saying(OK).await;
    let client = client(LONG);
    whole(&client, &server.url, 10).await.unwrap();
    drop(client);
    server.wait_for_closed(1).await;
}

#[tokio::test]
async fn no_more_connections_are_kept_than_may_be() {
    const CROWD: usize = 40;
    const KEPT: usize = 32;
    let server = Server::gathering(OK, CROWD).await;
    let client = client(LONG);
    let crowd = || join_all((0..CROWD).map(|_| whole(&client, &server.url, 10)));
    assert!(crowd().await.iter().all(Result::is_ok));
    server.wait_for_closed(CROWD - KEPT).await;
    assert_eq!(server.accepted(), CROWD);
    assert!(crowd().await.iter().all(Result::is_ok));
    assert_eq!(server.accepted(), CROWD + (CROWD - KEPT));
}

/// A connection can change hands between tasks, and between threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_pass_from_task_to_task() {
    let server = Server::saying(OK).await;
    let client = client(LONG);
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let (client, url) = (client.clone(), server.url.clone());
        tasks.spawn(async move {
            for _ in 0..200 {
                assert_eq!(whole(&client, &url, 10).await.unwrap().body(), "ok");
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    assert!(server.accepted() <= 8, "{}", server.accepted());
}

#[tokio::test]
async fn requests_that_come_together_end_up_on_one_http_2_connection() {
    let (port, certificate, _server) = tls_peer().await;
    let client = Upstream::new(LONG, &[certificate]).unwrap();
    let url = format!("https://localhost:{port}/");
    for reply in join_all((0..8).map(|_| whole(&client, &url, 100))).await {
        assert_eq!(reply.unwrap().version(), Version::HTTP_2);
    }
    assert!(client.anywhere.keeps_one_shared_connection());
}
