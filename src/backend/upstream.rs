//! The client for providers: pooled connections, every wait and every reply bounded, no redirect followed.
//!
//! ```text
//! send(request, reach) ── reach ── literal address? resolved addresses? ── guard ── TCP (no Nagle) ── TLS ── HTTP/1.1 or 2
//! ```
//!
//! The guard sees the **resolved** address at the moment of connecting, so a name that changes its address between a
//! check and the connection gains nothing. Each reach has a pool of its own: a connection that was made for the operator's
//! endpoint is never lent to a caller's.

mod body;
mod connect;
mod error;
mod reply;

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer};
use tokio::time::timeout;

use self::connect::Connector;

pub use body::{BodyStream, SendBody, SendError};
pub use connect::{Handshake, Reach};
pub use error::UpstreamError;
pub use reply::ReplyStream;

/// How long to wait for what.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For a TCP connection, all of a name's addresses together. A peer that never answers would hold a task.
    pub connect: Duration,
    /// From the request to the head of its reply, connecting and sending included.
    pub head: Duration,
    /// For each further piece of the reply's body.
    pub piece: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            head: Duration::from_secs(30),
            piece: Duration::from_secs(30),
        }
    }
}

/// Idle connections that are kept per host.
const IDLE_PER_HOST_MAX: usize = 32;
/// How long an idle connection is kept; stores close theirs after some 20 seconds or more.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

type Pool = Client<HttpsConnector<Connector>, SendBody>;

/// The client. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Upstream {
    anywhere: Pool,
    public: Pool,
    tls: Arc<ClientConfig>,
    timeouts: Timeouts,
}

impl Upstream {
    /// A client that trusts the public certificate authorities, and `more_roots` besides.
    pub fn new(timeouts: Timeouts, more_roots: &[CertificateDer<'static>]) -> Result<Self, UpstreamError> {
        let tls = tls_config(more_roots)?;
        let [anywhere, public] =
            [Reach::Anywhere, Reach::Public].map(|reach| pool(&tls, Connector::new(reach, timeouts.connect)));
        Ok(Self { anywhere, public, tls: Arc::new(tls), timeouts })
    }

    /// Sends `request`, whose URI is absolute, and waits for the head of the reply. A redirect is a reply like others.
    pub async fn send(
        &self,
        request: Request<SendBody>,
        reach: Reach,
    ) -> Result<Response<ReplyStream>, UpstreamError> {
        let pool = match reach {
            Reach::Anywhere => &self.anywhere,
            Reach::Public => &self.public,
        };
        match timeout(self.timeouts.head, pool.request(request)).await {
            Ok(Ok(reply)) => Ok(reply.map(|body| ReplyStream::new(body, self.timeouts.piece))),
            Ok(Err(error)) => Err(UpstreamError::of_client(&error)),
            Err(_) => Err(UpstreamError::Timeout(self.timeouts.head)),
        }
    }

    /// Reads a reply whole, at most `bytes_max`.
    pub async fn read(
        &self,
        response: Response<ReplyStream>,
        bytes_max: usize,
    ) -> Result<Response<Bytes>, UpstreamError> {
        let (head, mut body) = response.into_parts();
        let mut read = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(piece) = frame?.into_data() else { continue };
            if read.len() + piece.len() > bytes_max {
                return Err(UpstreamError::TooLarge(bytes_max));
            }
            read.extend_from_slice(&piece);
        }
        Ok(Response::from_parts(head, read.freeze()))
    }

    /// Resolves `host`, connects and shakes hands, and says what came of it. Nothing is sent: this is for finding out
    /// which of these steps fails.
    pub async fn handshake(&self, host: &str, port: u16, reach: Reach) -> Result<Handshake, UpstreamError> {
        let steps = connect::handshake(&self.tls, host, port, reach);
        timeout(self.timeouts.connect, steps)
            .await
            .unwrap_or(Err(UpstreamError::Timeout(self.timeouts.connect)))
    }

    /// The addresses of `host`, each of which `reach` allows.
    pub async fn resolve(
        &self,
        host: &str,
        port: u16,
        reach: Reach,
    ) -> Result<Vec<std::net::SocketAddr>, UpstreamError> {
        timeout(self.timeouts.connect, connect::resolve(host, port, reach))
            .await
            .unwrap_or(Err(UpstreamError::Timeout(self.timeouts.connect)))
    }
}

fn pool(tls: &ClientConfig, connector: Connector) -> Pool {
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(tls.clone())
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(connector);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
        .build(https)
}

fn tls_config(more_roots: &[CertificateDer<'static>]) -> Result<ClientConfig, UpstreamError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for root in more_roots {
        roots.add(root.clone()).map_err(|error| UpstreamError::Tls(error.to_string()))?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| UpstreamError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

#[cfg(test)]
mod tests;
