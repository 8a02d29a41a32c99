//! The load: keep-alive connections, each of which sends its prepared requests one after the other and reads whole replies.

use std::{net::SocketAddr, sync::Arc};

use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};
use tokio_rustls::TlsConnector;

use super::{process::spin, request::Prepared};

const BUFFER_BYTES: usize = 256 * 1024;

/// A server's address, and what its certificate is checked with, if it has one.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<TlsConnector>,
}

/// A client that trusts `certificate` alone.
pub(crate) fn trusting(certificate: CertificateDer<'static>) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).map_err(|error| error.to_string())?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Sends each of `lists` on a connection of its own, `times` over.
pub(crate) async fn run(peer: &Peer, lists: Vec<Arc<[Prepared]>>, times: usize) -> Result<(), String> {
    let _spinning = JoinSet::from_iter([spin()]);
    let mut connections: JoinSet<_> =
        lists.into_iter().map(|list| connection(peer.clone(), list, times)).collect();
    while let Some(ended) = connections.join_next().await {
        ended.map_err(|error| error.to_string())??;
    }
    Ok(())
}

async fn connection(peer: Peer, list: Arc<[Prepared]>, times: usize) -> Result<(), String> {
    let stream = TcpStream::connect(peer.address).await.map_err(|error| format!("connect: {error}"))?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    match peer.tls {
        None => exchange_all(stream, &list, times).await,
        Some(tls) => {
            let name = ServerName::try_from("localhost").map_err(|error| error.to_string())?;
            let stream = tls.connect(name, stream).await.map_err(|error| format!("TLS: {error}"))?;
            exchange_all(stream, &list, times).await
        }
    }
}

async fn exchange_all<S>(mut stream: S, list: &[Prepared], times: usize) -> Result<(), String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut buffer = vec![0; BUFFER_BYTES];
    for _ in 0..times {
        for request in list {
            send(&mut stream, request).await.map_err(|error| format!("write: {error}"))?;
            read_reply(&mut stream, &mut buffer).await?;
        }
    }
    Ok(())
}

/// A small body leaves together with its head.
async fn send<S: AsyncWrite + Unpin>(stream: &mut S, request: &Prepared) -> std::io::Result<()> {
    if let [(body, 1)] = request.body.as_slice() {
        stream.write_all(&[request.head.as_slice(), body].concat()).await?;
        return stream.flush().await;
    }
    stream.write_all(&request.head).await?;
    for (piece, times) in &request.body {
        for _ in 0..*times {
            stream.write_all(piece).await?;
        }
    }
    stream.flush().await
}

/// Reads a whole reply, which must be a success, and forgets it.
async fn read_reply<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut [u8]) -> Result<(), String> {
    let mut filled = 0;
    let mut left = loop {
        let free = buffer.get_mut(filled..).filter(|free| !free.is_empty()).ok_or("a head too large")?;
        filled += read(stream, free).await?;
        if let Some(whole) = reply_bytes(buffer.get(..filled).unwrap_or_default())? {
            break whole.checked_sub(filled).ok_or("a reply longer than it says")?;
        }
    };
    while left > 0 {
        left = left.saturating_sub(read(stream, buffer).await?);
    }
    Ok(())
}

async fn read<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut [u8]) -> Result<usize, String> {
    match stream.read(buffer).await {
        Ok(0) => Err("the server closed the connection".to_owned()),
        Ok(bytes) => Ok(bytes),
        Err(error) => Err(format!("read: {error}")),
    }
}

/// The bytes of head and body together, once the head is there.
fn reply_bytes(reply: &[u8]) -> Result<Option<usize>, String> {
    let Some(head_end) = memchr::memmem::find(reply, b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(reply.get(..head_end).unwrap_or_default());
    if !head.starts_with("HTTP/1.1 200") {
        return Err(format!("not a 200: {}", String::from_utf8_lossy(reply)));
    }
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok())
        .ok_or_else(|| format!("a reply without a length: {head}"))?;
    Ok(Some(head_end + 4 + length))
}
