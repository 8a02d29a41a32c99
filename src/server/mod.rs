//! Sockets: the accept loop, TLS, the limits on connections, and drain.
//!
//! ```text
//! Door::serve      one task per listener; takes a slot, then accepts
//!   connection     one task per connection: TLS, then HTTP/1.1 or HTTP/2 by hyper
//!     Watched      the byte stream; tells Activity what moves
//!     Activity     one timer per connection: header, idle and write timeouts
//!     Streams      one task per HTTP/2 stream, which bounds its client's silence
//!     Allowance    how slowly a client may take its reply, of a connection or a stream
//!     Tunnel       what becomes of a connection that was upgraded
//!   Handler        what the door serves: the request pipeline, or the admin pages
//! ```
//!
//! Every task is owned by [`Drain`] and ends with it; a peer can hold nothing without a limit naming it.

mod accept;
mod activity;
mod allowance;
mod connection;
mod drain;
mod refusal;
mod slots;
mod streams;
mod tls;
mod tunnel;
mod watched;

use std::{error::Error, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use hyper::body::{Body, Incoming};
use ipnet::IpNet;
use tokio::sync::watch;

pub use accept::{Door, DoorError, DoorMetrics};
pub use drain::Drain;
pub use tls::{Certificates, TlsError};
pub use tunnel::Tunnel;

use crate::config::checked::{Server, ServerLimits};

/// What a door serves.
pub trait Handler: Send + Sync + 'static {
    /// The body of its replies. One that fails in the middle cuts its connection: a reply never ends short.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static;

    /// Answers one request; a failure is an answer too. A reply of status 101 has a [`Tunnel`] among its extensions.
    fn handle(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> impl Future<Output = Response<Self::Body>> + Send;

    /// Answers what did not become a request: its head could not be read. `status` says why, as HTTP does. The connection
    /// is closed afterwards.
    fn refuse_head(&self, status: StatusCode, peer: SocketAddr) -> Response<Self::Body>;
}

/// The settings that a reload can change under an open door; a connection takes those of its first moment.
#[derive(Debug)]
pub struct Live {
    current: watch::Sender<Arc<Rules>>,
}

/// What a connection must keep to.
#[derive(Debug)]
struct Rules {
    limits: ServerLimits,
    trusted_proxies: Vec<IpNet>,
}

impl Live {
    /// The rules of `config`.
    pub fn new(config: &Server) -> Self {
        Self { current: watch::Sender::new(Arc::new(Rules::new(config))) }
    }

    /// Puts new rules in force for connections to come, those that wait at a full door among them.
    pub fn replace(&self, config: &Server) {
        self.current.send_replace(Arc::new(Rules::new(config)));
    }

    fn current(&self) -> Arc<Rules> {
        Arc::clone(&self.current.borrow())
    }
}

impl Rules {
    fn new(config: &Server) -> Self {
        Self { limits: config.limits.clone(), trusted_proxies: config.trusted_proxies.clone() }
    }

    /// Many clients share a proxy's address, so it is not held to the limit of one client.
    fn is_proxy(&self, address: std::net::IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted_proxies.iter().any(|network| network.contains(&address))
    }
}
