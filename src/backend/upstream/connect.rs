//! From a host name to a connection: resolve, guard, connect, shake hands.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
    vec,
};

use http::Uri;
use hyper_util::{
    client::legacy::connect::{HttpConnector, dns::Name},
    rt::TokioIo,
};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::UpstreamError;
use crate::backend::is_forbidden;

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

type BoxFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// Connects where its reach allows. The pool's plug point is a tower service, and so this is one.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    reach: Reach,
    http: HttpConnector<Resolver>,
}

impl Connector {
    pub(super) fn new(reach: Reach, timeout: Duration) -> Self {
        let mut http = HttpConnector::new_with_resolver(Resolver(reach));
        http.enforce_http(false);
        // Nagle's algorithm and delayed acknowledgement together cost a small request 40 ms.
        http.set_nodelay(true);
        http.set_connect_timeout(Some(timeout));
        Self { reach, http }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.http.poll_ready(context).map_err(io::Error::other)
    }

    /// An address in place of a name goes past the resolver, so it is checked here.
    fn call(&mut self, uri: Uri) -> Self::Future {
        let literal = uri.host().and_then(|host| host.trim_matches(['[', ']']).parse().ok());
        let allowed = literal.map_or(Ok(()), |address| self.reach.check(address));
        let connecting = allowed.map(|()| self.http.call(uri));
        Box::pin(async move { connecting.map_err(io::Error::other)?.await.map_err(io::Error::other) })
    }
}

/// The system's resolver, with a guard on what it says.
#[derive(Debug, Clone, Copy)]
struct Resolver(Reach);

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = UpstreamError;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), UpstreamError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let reach = self.0;
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
