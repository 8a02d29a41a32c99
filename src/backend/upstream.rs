//! The client for providers, and for the app behind Wharf: pooled connections, every wait and every reply bounded, no redirect followed.
//!
//! ```text
//! send(request, reach) ── reach ── literal address? resolved addresses? ── guard ── TCP (no Nagle) ── TLS ── HTTP/1.1 or 2
//! ```
//!
//! The guard sees the **resolved** address at the moment of connecting, so a name that changes its address between a
//! check and the connection gains nothing. Each reach has a pool of its own: a connection that was made for the operator's
//! endpoint is never lent to a caller's.

mod arriving;
mod body;
mod connect;
mod error;
mod http1;
mod patience;
mod pool;
mod reply;
mod sending;
mod socket;

use std::{pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Body;
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer};
use tokio::time::{timeout, timeout_at};

use self::{
    connect::{Connector, Resolver},
    pool::Pool,
    sending::{Sending, Tracked, Turn},
};
use crate::{clock, config::checked::Timeouts};

pub use body::{BodyStream, SendBody, SendError};
pub use connect::{Handshake, Reach};
pub use error::UpstreamError;
pub use reply::ReplyStream;

/// How many times longer than others a request may take that has the provider copy or assemble an object. That takes
/// minutes where an object is large, and not every store sends something on the way.
const SLOW_FACTOR: u32 = 20;

/// What kind of server the peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Peer {
    /// A store: HTTP/2 where it has that, and no body without a length, since S3 stores nothing of unknown length.
    Store,
    /// A web app: HTTP/1.1 alone, which can be upgraded and may have a `Host` that is not the endpoint's.
    App,
}

impl Peer {
    /// How long an idle connection is kept. A request that is sent while its peer hangs up is lost, so this is shorter than
    /// what peers do: stores wait some 20 seconds or more, Node.js, uvicorn and others 5.
    const fn idle_timeout(self) -> Duration {
        match self {
            Self::Store => Duration::from_secs(15),
            Self::App => Duration::from_secs(4),
        }
    }
}

/// The client. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Upstream {
    anywhere: Pool,
    public: Pool,
    tls: Arc<ClientConfig>,
    timeouts: Timeouts,
    peer: Peer,
}

impl Upstream {
    /// A client for stores that trusts the public certificate authorities, and `more_roots` besides.
    pub fn new(timeouts: Timeouts, more_roots: &[CertificateDer<'static>]) -> Result<Self, UpstreamError> {
        Self::for_peer(Peer::Store, timeouts, more_roots)
    }

    /// A client for a web app.
    pub fn for_app(timeouts: Timeouts) -> Result<Self, UpstreamError> {
        Self::for_peer(Peer::App, timeouts, &[])
    }

    fn for_peer(
        peer: Peer,
        timeouts: Timeouts,
        more_roots: &[CertificateDer<'static>],
    ) -> Result<Self, UpstreamError> {
        let tls = tls_config(more_roots)?;
        let [anywhere, public] = [Reach::Anywhere, Reach::Public].map(|reach| {
            let connector = Connector::new(&tls, peer, Resolver::from(reach), timeouts);
            Pool::new(connector, peer.idle_timeout())
        });
        Ok(Self { anywhere, public, tls: Arc::new(tls), timeouts, peer })
    }

    /// The same, with the same connections, for requests that take a provider long.
    #[must_use]
    pub fn patient(&self) -> Self {
        let first_byte = self.timeouts.first_byte.saturating_mul(SLOW_FACTOR);
        Self { timeouts: Timeouts { first_byte, ..self.timeouts }, ..self.clone() }
    }

    /// Sends `request`, whose URI is absolute, and waits for the head of the reply. A redirect is a reply like others,
    /// and a refusal may come before the whole body was sent. A store's success may not: nobody has verified the body yet,
    /// and no provider can have stored it.
    ///
    /// Nor may it be one that only the end of its connection would end.
    ///
    /// A connection from the pool that turns out to be closed is replaced, as long as nothing was written to it.
    pub async fn send(
        &self,
        request: Request<SendBody>,
        reach: Reach,
    ) -> Result<Response<ReplyStream>, UpstreamError> {
        let pool = match reach {
            Reach::Anywhere => &self.anywhere,
            Reach::Public => &self.public,
        };
        let (head, body) = request.into_parts();
        if self.peer == Peer::Store && body.size_hint().exact().is_none() {
            return Err(UpstreamError::Request("no length".to_owned()));
        }
        let body = Tracked::new(body);
        let sending = body.sending();
        // On the heap: both waits have room for it otherwise, and so has whatever waits for this.
        let reply = Box::pin(pool.request(Request::from_parts(head, body)));
        let reply = match &sending {
            None => timeout(self.timeouts.first_byte, reply)
                .await
                .map_err(|_| UpstreamError::Timeout(self.timeouts.first_byte))?,
            Some(sending) => self.while_sending(sending, reply).await?,
        };
        match reply {
            Ok(reply) => match self.flaw(&reply, sending.as_deref()) {
                Some(flaw) => {
                    if let Some(sending) = &sending {
                        sending.cut();
                    }
                    Err(UpstreamError::Http(flaw.to_owned()))
                }
                None => Ok(reply.map(|body| ReplyStream::new(body, self.timeouts.stall, sending))),
            },
            Err(error) => Err(match sending.and_then(|sending| self.failure(&sending)) {
                Some(failure) => UpstreamError::Body(failure),
                None => error,
            }),
        }
    }

    /// What is wrong with a store's success. An app may answer what it never reads, and end its reply as it likes.
    fn flaw<B: Body>(&self, reply: &Response<B>, sending: Option<&Sending>) -> Option<&'static str> {
        if self.peer == Peer::App || !reply.status().is_success() {
            return None;
        }
        if sending.is_some_and(|sending| sending.turn().0 != Turn::Sent) {
            return Some("a success before the end of the request");
        }
        reply::ends_with_connection(reply).then_some("a success without a length")
    }

    /// What went wrong with the request itself, if anything did, when there is no reply. A store may hang up on a body that
    /// it had to wait for: that says nothing about the store.
    fn failure(&self, sending: &Sending) -> Option<SendError> {
        let is_awaited = self.peer == Peer::Store && sending.turn().0 == Turn::Body;
        sending.failure().or_else(|| is_awaited.then(Sending::awaited))
    }

    /// Waits for `reply` while the body streams. Dropped, it breaks the request off.
    async fn while_sending<T>(
        &self,
        sending: &Sending,
        reply: impl Future<Output = T>,
    ) -> Result<T, UpstreamError> {
        let Timeouts { first_byte, stall, .. } = self.timeouts;
        let mut reply = pin!(reply);
        loop {
            let (turn, since) = sending.turn();
            let limit = match turn {
                Turn::Sent => Some(first_byte),
                Turn::Provider => Some(stall),
                Turn::Body | Turn::Cut => None,
            };
            let now = clock::instant();
            if let Some(limit) = limit.filter(|limit| since + *limit <= now) {
                return Err(UpstreamError::Timeout(limit));
            }
            // The turn passes on without a word. Looked at this often, no wait is noticed late.
            let look = now + first_byte.min(stall);
            let due = limit.map_or(look, |limit| look.min(since + limit));
            if let Ok(reply) = timeout_at(due, reply.as_mut()).await {
                return Ok(reply);
            }
        }
    }

    /// Reads a reply whole, at most `bytes_max`.
    pub async fn read(
        &self,
        response: Response<ReplyStream>,
        bytes_max: usize,
    ) -> Result<Response<Bytes>, UpstreamError> {
        let (head, body) = response.into_parts();
        Ok(Response::from_parts(head, body.read(bytes_max).await?))
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
