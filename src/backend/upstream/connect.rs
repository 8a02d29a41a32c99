//! From a host name to a connection: resolve, guard, connect, shake hands.

use std::{
    future::poll_fn,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
    vec,
};

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{HttpConnector, dns::Name};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::{Peer, UpstreamError, socket::Socket};
use crate::{backend::is_forbidden, config::checked::Timeouts};

/// How far a request may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Any address: the operator wrote the endpoint down.
    Anywhere,
    /// Addresses of the public Internet: a caller named the endpoint.
    Public,
}

impl Reach {
    fn check(self, address: IpAddr) -> Result<(), UpstreamError> {
        match self {
            Self::Public if is_forbidden(address) => Err(UpstreamError::Forbidden(address)),
            Self::Public | Self::Anywhere => Ok(()),
        }
    }
}

/// What a handshake came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// TLS 1.2 or 1.3, as rustls names it.
    pub version: String,
}

/// A connection, before HTTP is spoken over it.
pub(super) type Stream = MaybeHttpsStream<Socket>;

/// Whether the peer has chosen HTTP/2.
pub(super) fn speaks_http2(stream: &Stream) -> bool {
    match stream {
        MaybeHttpsStream::Http(_) => false,
        MaybeHttpsStream::Https(tls) => tls.inner().get_ref().1.alpn_protocol() == Some(b"h2"),
    }
}

type BoxFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// Connects where its reach allows: name, TCP and TLS within one time.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    https: HttpsConnector<Tcp>,
    timeout: Duration,
}

impl Connector {
    pub(super) fn new(tls: &ClientConfig, peer: Peer, resolver: Resolver, timeouts: Timeouts) -> Self {
        let (tcp, connect) = (Tcp::new(resolver, timeouts), timeouts.connect);
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls.clone()).https_or_http();
        let https = match peer {
            Peer::Store => builder.enable_all_versions().wrap_connector(tcp),
            Peer::App => builder.enable_http1().wrap_connector(tcp),
        };
        Self { https, timeout: connect }
    }

    /// A connection to the host and port of `uri`.
    pub(super) async fn connect(&self, uri: Uri) -> Result<Stream, UpstreamError> {
        let mut https = self.https.clone();
        let steps = async {
            poll_fn(|context| https.poll_ready(context)).await?;
            https.call(uri).await
        };
        let late = || UpstreamError::Connect(format!("none within {} seconds", self.timeout.as_secs_f32()));
        let connected = timeout(self.timeout, steps).await.map_err(|_| late())?;
        connected.map_err(|error| UpstreamError::of_connecting(error.as_ref()))
    }
}

/// TCP alone.
#[derive(Debug, Clone)]
struct Tcp {
    http: HttpConnector<Resolver>,
    reach: Reach,
    stall: Duration,
}

impl Tcp {
    fn new(resolver: Resolver, timeouts: Timeouts) -> Self {
        let reach = resolver.reach;
        let mut http = HttpConnector::new_with_resolver(resolver);
        http.enforce_http(false);
        // Nagle's algorithm and delayed acknowledgement together cost a small request 40 ms.
        http.set_nodelay(true);
        // A name's addresses are tried one after the other, and share this time.
        http.set_connect_timeout(Some(timeouts.connect));
        Self { http, reach, stall: timeouts.stall }
    }
}

impl Service<Uri> for Tcp {
    type Response = Socket;
    type Error = io::Error;
    type Future = BoxFuture<Socket, io::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.http.poll_ready(context).map_err(io::Error::other)
    }

    /// An address in place of a name goes past the resolver, so it is checked here.
    fn call(&mut self, uri: Uri) -> Self::Future {
        let literal = uri.host().and_then(|host| host.trim_matches(['[', ']']).parse().ok());
        let allowed = literal.map_or(Ok(()), |address| self.reach.check(address));
        let connecting = allowed.map(|()| self.http.call(uri));
        let stall = self.stall;
        Box::pin(async move {
            let stream = connecting.map_err(io::Error::other)?.await.map_err(io::Error::other)?;
            Ok(Socket::new(stream, stall))
        })
    }
}

/// The system's resolver, with a guard on what it says.
#[derive(Debug, Clone)]
pub(super) struct Resolver {
    reach: Reach,
    /// What every name is.
    #[cfg(test)]
    pub(super) fixed: Option<Vec<SocketAddr>>,
}

impl From<Reach> for Resolver {
    fn from(reach: Reach) -> Self {
        Self {
            reach,
            #[cfg(test)]
            fixed: None,
        }
    }
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = UpstreamError;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), UpstreamError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        #[cfg(test)]
        if let Some(fixed) = self.fixed.clone() {
            return Box::pin(async move { Ok(fixed.into_iter()) });
        }
        let reach = self.reach;
        // The client puts the port in itself.
        Box::pin(async move { Ok(resolve(name.as_str(), 0, reach).await?.into_iter()) })
    }
}

/// The addresses of `host`. One that is forbidden spoils them all: nobody names a public and a private address in good
/// faith, and a client that tries one after the other would come to it.
pub(super) async fn resolve(host: &str, port: u16, reach: Reach) -> Result<Vec<SocketAddr>, UpstreamError> {
    let host = host.trim_matches(['[', ']']);
    let found = lookup_host((host, port)).await.map_err(|error| UpstreamError::Resolve(error.to_string()))?;
    let addresses: Vec<_> = found.collect();
    if addresses.is_empty() {
        return Err(UpstreamError::Resolve("an empty answer".to_owned()));
    }
    addresses.iter().try_for_each(|address| reach.check(address.ip()))?;
    Ok(addresses)
}

pub(super) async fn handshake(
    tls: &Arc<ClientConfig>,
    host: &str,
    port: u16,
    reach: Reach,
) -> Result<Handshake, UpstreamError> {
    let addresses = resolve(host, port, reach).await?;
    let stream = TcpStream::connect(addresses.as_slice())
        .await
        .map_err(|error| UpstreamError::Connect(error.to_string()))?;
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
        .map_err(|error| UpstreamError::Tls(error.to_string()))?;
    let stream = TlsConnector::from(Arc::clone(tls))
        .connect(name, stream)
        .await
        .map_err(|error| UpstreamError::Tls(error.to_string()))?;
    let version = stream.get_ref().1.protocol_version();
    Ok(Handshake { version: version.map_or_else(String::new, |version| format!("{version:?}")) })
}
