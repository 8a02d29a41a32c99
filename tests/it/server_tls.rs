//! TLS from files, both versions of HTTP over it, and certificates that change while connections are open.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use http::{Request, StatusCode, Version};
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::support::{
    app::App,
    gateway::{KEY, KEY_CONFIG, TestGateway},
    raw::{Raw, good_request},
};

const HOST: &str = "wharf.test";

/// Writes a new certificate and its key; returns what a client must trust.
fn write_certificate(directory: &Path) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed([HOST.to_owned()]).expect("a certificate");
    std::fs::write(directory.join("cert.pem"), cert.pem()).expect("a file");
    std::fs::write(directory.join("key.pem"), signing_key.serialize_pem()).expect("a file");
    cert.der().clone()
}

fn config(directory: &TempDir) -> String {
    let directory = directory.path().display();
    format!(
        "[server.api_tls]\ncertificate_file = \"{directory}/cert.pem\"\n\
         private_key_file = \"{directory}/key.pem\"\n{KEY_CONFIG}"
    )
}

async fn connect(
    gateway: &TestGateway,
    trusted: &CertificateDer<'static>,
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).expect("a certificate");
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("TLS versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(gateway.api()).await?;
    let name = ServerName::try_from(HOST).expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

fn chosen(stream: &TlsStream<TcpStream>) -> Option<&[u8]> {
    stream.get_ref().1.alpn_protocol()
}

#[tokio::test]
async fn both_versions_are_served_and_http_2_is_preferred() {
    let files = tempfile::tempdir().expect("a temporary directory");
    let trusted = write_certificate(files.path());
    let gateway = TestGateway::start(&config(&files)).await;

    for protocols in [&["http/1.1"][..], &[]] {
        let stream = connect(&gateway, &trusted, protocols).await.expect("a TLS connection");
        assert_eq!(chosen(&stream), protocols.first().map(|protocol| protocol.as_bytes()));
        assert_eq!(Raw::over(stream).ask(good_request()).await.status, 200);
    }

    let stream = connect(&gateway, &trusted, &["http/1.1", "h2"]).await.expect("a TLS connection");
    assert_eq!(chosen(&stream), Some(&b"h2"[..]));
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
    let connection = tokio::spawn(connection);
    for (host, status) in [(None, StatusCode::OK), (Some("other.test"), StatusCode::BAD_REQUEST)] {
        let mut request = Request::post(format!("https://{HOST}/api/v1/upload/validate-key"))
            .version(Version::HTTP_2)
            .header("x-api-key", KEY);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let request = request.body(Full::<Bytes>::default()).expect("a request");
        let reply = sender.send_request(request).await.expect("a reply");
        assert_eq!(reply.status(), status, "{host:?}");
        assert_eq!(reply.headers()["x-request-id"].len(), 36);
    }
    // GOAWAY ends a connection without streams at once.
    assert!(gateway.shutdown().await);
    connection.await.expect("no panic").expect("an orderly end");
}

#[tokio::test]
async fn a_head_that_cannot_be_read_is_refused_before_the_end() {
    let files = tempfile::tempdir().expect("a temporary directory");
    let trusted = write_certificate(files.path());
    let gateway = TestGateway::start(&config(&files)).await;
    let stream = connect(&gateway, &trusted, &["http/1.1"]).await.expect("a TLS connection");
    let mut raw = Raw::over(stream);
    assert_eq!(raw.ask(good_request()).await.status, 200);
    let reply = raw.ask("GARBAGE\r\n\r\n").await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "INVALID_REQUEST"));
    assert_eq!(raw.closed().await, "");
}

#[tokio::test]
async fn a_reload_changes_the_certificate_and_keeps_connections() {
    let files = tempfile::tempdir().expect("a temporary directory");
    let old = write_certificate(files.path());
    let gateway = TestGateway::start(&config(&files)).await;
    let stream = connect(&gateway, &old, &["http/1.1"]).await.expect("a TLS connection");
    let mut kept = Raw::over(stream);
    assert_eq!(kept.ask(good_request()).await.status, 200);

    let new = write_certificate(files.path());
    gateway.reload_toml(&config(&files)).await;

    assert_eq!(kept.ask(good_request()).await.status, 200);
    assert!(connect(&gateway, &old, &["http/1.1"]).await.is_err());
    let stream = connect(&gateway, &new, &["http/1.1"]).await.expect("a TLS connection");
    assert_eq!(Raw::over(stream).ask(good_request()).await.status, 200);
}

#[tokio::test]
async fn an_upgraded_connection_stays_inside_tls() {
    let files = tempfile::tempdir().expect("a temporary directory");
    let trusted = write_certificate(files.path());
    let app = App::echo().await;
    let endpoint = format!("[upstream]\nendpoint = \"http://{}\"\n", app.address);
    let gateway = TestGateway::start(&format!("{}{endpoint}", config(&files))).await;
    let mut raw = Raw::over(connect(&gateway, &trusted, &["http/1.1"]).await.expect("a TLS connection"));
    raw.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n").await;
    assert_eq!(raw.head().await.status, 101);
    assert_eq!(app.last().all("x-forwarded-proto"), ["https"]);
    for size in [1, 100_000] {
        let said = vec![b'x'; size];
        raw.send(&said).await;
        assert_eq!(raw.bytes(size).await, said);
    }
    raw.send("bye").await;
    assert_eq!(raw.closed().await, "");
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_cut() {
    let files = tempfile::tempdir().expect("a temporary directory");
    let trusted = write_certificate(files.path());
    let limits = "[server.limits]\nheader_timeout_seconds = 1\n";
    let gateway = TestGateway::start(&format!("{limits}{}", config(&files))).await;
    let mut silent = Raw::connect(gateway.api()).await;
    let mut partial = Raw::connect(gateway.api()).await;
    // The beginning of a ClientHello.
    partial.send(b"\x16\x03\x01\x02\x00\x01").await;
    let stream = connect(&gateway, &trusted, &["http/1.1"]).await.expect("a TLS connection");
    assert_eq!(Raw::over(stream).ask(good_request()).await.status, 200);
    assert_eq!(silent.closed().await, "");
    assert_eq!(partial.closed().await, "");

    let mut plain = Raw::connect(gateway.api()).await;
    plain.send(good_request()).await;
    assert!(!plain.closed().await.contains("HTTP/1.1 2"));
}
