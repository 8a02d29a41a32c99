use std::{convert::Infallible, net::SocketAddr};

use http::{StatusCode, Version, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

use super::*;

mod bodies;
mod connections;

const SHORT: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    first_byte: Duration::from_millis(200),
    stall: Duration::from_millis(200),
};

const LONG: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    first_byte: Duration::from_secs(30),
    stall: Duration::from_secs(30),
};

fn client(timeouts: Timeouts) -> Upstream {
    Upstream::new(timeouts, &[]).unwrap()
}

fn get(url: &str) -> Request<SendBody> {
    Request::get(url).body(SendBody::Empty).unwrap()
}

/// A peer that says the same to every request, and holds the connection.
async fn peer(reply: &'static str) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = async move |mut stream: TcpStream| {
        while stream.read(&mut [0; 4096]).await.is_ok_and(|bytes| bytes > 0) {
            let _ = stream.write_all(reply.as_bytes()).await;
        }
    };
    let task = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(answer(stream));
        }
    });
    (address, task)
}

async fn whole(client: &Upstream, url: &str, bytes_max: usize) -> Result<Response<Bytes>, UpstreamError> {
    client.read(client.send(get(url), Reach::Anywhere).await?, bytes_max).await
}

#[tokio::test]
async fn a_caller_reaches_no_private_address_in_any_notation_and_no_packet_goes_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = client(LONG);
    for host in [
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "localhost",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "0.0.0.0",
    ] {
        let refused = client.send(get(&format!("http://{host}:{port}/")), Reach::Public).await.unwrap_err();
        assert!(matches!(refused, UpstreamError::Forbidden(_)), "{host}: {refused:?}");
        let refused = client.resolve(host, port, Reach::Public).await.unwrap_err();
        assert!(matches!(refused, UpstreamError::Forbidden(_)), "{host}: {refused:?}");
        let refused = client.handshake(host, port, Reach::Public).await.unwrap_err();
        assert!(matches!(refused, UpstreamError::Forbidden(_)), "{host}: {refused:?}");
    }
    let visit = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(visit.is_err(), "nobody came");
}

#[tokio::test]
async fn a_callers_request_borrows_no_connection_of_the_operators() {
    let (address, _peer) = peer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let (client, url) = (client(LONG), format!("http://{address}/"));
    assert_eq!(whole(&client, &url, 10).await.unwrap().body(), "ok");
    let refused = client.send(get(&url), Reach::Public).await.unwrap_err();
    assert_eq!(refused, UpstreamError::Forbidden(address.ip()));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (address, _peer) =
        peer("HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n")
            .await;
    let reply = whole(&client(LONG), &format!("http://{address}/"), 10).await.unwrap();
    assert_eq!(reply.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(reply.headers()[header::LOCATION], "http://127.0.0.1:1/");
}

#[tokio::test]
async fn every_wait_ends() {
    let (silent, _peer) = peer("").await;
    let waited = whole(&client(SHORT), &format!("http://{silent}/"), 10).await.unwrap_err();
    assert_eq!(waited, UpstreamError::Timeout(SHORT.first_byte));
    let hasty = client(Timeouts { first_byte: Duration::from_millis(1), ..SHORT });
    let waited = whole(&hasty.patient(), &format!("http://{silent}/"), 10).await.unwrap_err();
    assert_eq!(waited, UpstreamError::Timeout(Duration::from_millis(20)), "longer where the request is slow");
    let (stalled, _peer) = peer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no").await;
    let waited = whole(&client(SHORT), &format!("http://{stalled}/"), 10).await.unwrap_err();
    assert_eq!(waited, UpstreamError::Timeout(SHORT.stall));
}

#[tokio::test]
async fn a_reply_is_read_up_to_its_bound() {
    let (address, _peer) = peer("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsixsix").await;
    let (client, url) = (client(LONG), format!("http://{address}/"));
    assert_eq!(whole(&client, &url, 6).await.unwrap().body(), "sixsix");
    assert_eq!(whole(&client, &url, 5).await.unwrap_err(), UpstreamError::TooLarge(5));
}

#[tokio::test]
async fn what_went_wrong_is_told_apart() {
    let client = client(SHORT);
    let (no_http, _peer) = peer("SSH-2.0-OpenSSH_9\r\n\r\n").await;
    let error = whole(&client, &format!("http://{no_http}/"), 10).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Http(_)), "{error:?}");
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = whole(&client, &format!("http://{nobody}/"), 10).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Connect(_)), "{error:?}");
    let error = whole(&client, "http://does-not-exist.invalid/", 10).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Resolve(_)), "{error:?}");
    let error = client.handshake("127.0.0.1", no_http.port(), Reach::Anywhere).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Tls(_)), "{error:?}");
}

/// A TLS server for `localhost` that answers with the HTTP version it was asked in, and its certificate.
async fn tls_peer() -> (u16, CertificateDer<'static>, JoinHandle<()>) {
    tls_server(async |request: Request<Incoming>| {
        Ok(Response::new(Full::new(Bytes::from(format!("{:?}", request.version())))))
    })
    .await
}

/// A TLS server for `localhost`, and its certificate.
async fn tls_server<A, F>(answer: A) -> (u16, CertificateDer<'static>, JoinHandle<()>)
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send + 'static,
{
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = own.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(own.signing_key.serialize_der().into());
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, answer) = (acceptor.clone(), answer.clone());
            connections.spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let _ = auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service_fn(answer))
                    .await;
            });
        }
    });
    (port, certificate, task)
}

#[tokio::test]
async fn tls_is_verified_and_speaks_http_2() {
    let (port, certificate, _peer) = tls_peer().await;
    let url = format!("https://localhost:{port}/");
    let trusting = Upstream::new(LONG, &[certificate]).unwrap();
    let reply = whole(&trusting, &url, 100).await.unwrap();
    assert_eq!((reply.version(), reply.body().as_ref()), (Version::HTTP_2, &b"HTTP/2.0"[..]));
    let handshake = trusting.handshake("localhost", port, Reach::Anywhere).await.unwrap();
    assert_eq!(handshake.version, "TLSv1_3");
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let (port, certificate, _peer) = tls_peer().await;
    let doubting = client(LONG);
    let error = whole(&doubting, &format!("https://localhost:{port}/"), 100).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Tls(_)), "{error:?}");
    let error = doubting.handshake("localhost", port, Reach::Anywhere).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Tls(_)), "{error:?}");
    // And one for another name, by whom it may be.
    let trusting = Upstream::new(LONG, &[certificate]).unwrap();
    let error = whole(&trusting, &format!("https://127.0.0.1:{port}/"), 100).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Tls(_) | UpstreamError::Connect(_)), "{error:?}");
}
