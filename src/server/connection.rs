//! One connection, from the first byte to the last: TLS, then HTTP/1.1 or HTTP/2, then perhaps a tunnel, then a polite
//! end.

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use http::{Request, Version};
use hyper::{
    body::{Body, Incoming},
    service::service_fn,
};
use hyper_util::{rt::TokioIo, server::conn::auto::Builder};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::TlsAcceptor;

use super::{
    Certificates, DoorMetrics, Drain, Handler, Rules,
    activity::{Activity, Late, Overdue},
    refusal,
    slots::{ClientSlot, Slot},
    streams::{Reply, Streams},
    watched::{Left, Transport, Watched},
};
use crate::config::checked::ServerLimits;

/// hyper's read buffer, per connection. A head that fits here but breaks `header_bytes_max` is refused as a request is,
/// with its path in the log; a larger one is refused by [`Handler::refuse_head`].
const READ_BUFFER_BYTES_MAX: usize = 64 * 1024;

/// Header lines that hyper parses without allocating.
const HEADERS_INLINE_MAX: usize = 100;

/// A peer that was answered before its body had been read is given this long to take the answer: closing at once would
/// reset the connection and could destroy the answer on its way.
pub(super) const LINGER: Duration = Duration::from_secs(1);

/// What a peer can make us read and throw away meanwhile.
const LINGER_BYTES_MAX: usize = 1024 * 1024;

/// How much of it is read at a time.
const LINGER_BUFFER_BYTES: usize = 4096;

/// An accepted connection and what it needs.
pub(super) struct Connection<H> {
    pub(super) peer: SocketAddr,
    pub(super) rules: Arc<Rules>,
    pub(super) handler: Arc<H>,
    pub(super) certificates: Option<Arc<Certificates>>,
    pub(super) drain: Drain,
    pub(super) opened: Instant,
    pub(super) held: Held,
}

/// What an open connection occupies; freed when its task ends, however it ends.
pub(super) struct Held {
    _slot: Slot,
    _client_slot: Option<ClientSlot>,
    metrics: DoorMetrics,
}

impl Held {
    pub(super) fn new(slot: Slot, client_slot: Option<ClientSlot>, metrics: DoorMetrics) -> Self {
        metrics.open.inc();
        Self { _slot: slot, _client_slot: client_slot, metrics }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.metrics.open.dec();
    }
}

impl<H: Handler> Connection<H> {
    pub(super) async fn serve(self, stream: TcpStream) {
        // Nagle's algorithm holds a small reply back until the last one is acknowledged: 40 ms for nothing.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, peer = %self.peer, "the peer left before it was served");
            return;
        }
        match self.handshake(stream).await {
            Ok(transport) => self.serve_http(transport).await,
            Err(error) => tracing::debug!(%error, peer = %self.peer, "no TLS handshake"),
        }
    }

    async fn handshake(&self, stream: TcpStream) -> io::Result<Transport> {
        let Some(certificates) = &self.certificates else { return Ok(Transport::Plain(stream)) };
        let acceptor = TlsAcceptor::from(certificates.current());
        let due = self.opened + self.rules.limits.header_timeout;
        tokio::select! {
            stream = timeout_at(due, acceptor.accept(stream)) => {
                stream.map_err(io::Error::from)?.map(|stream| Transport::Tls(Box::new(stream)))
            }
            () = self.drain.begun() => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    async fn serve_http(self, transport: Transport) {
        let activity = Arc::new(Activity::new(&self.rules.limits, self.opened));
        let builder = builder(&self.rules.limits, self.drain.clone());
        let (stream, returned) = Watched::new(transport, Arc::clone(&activity));
        let service = service_fn(|request: Request<Incoming>| {
            let handler = Arc::clone(&self.handler);
            let peer = self.peer;
            let is_multiplexed = request.version() == Version::HTTP_2;
            let guard = activity.begin(is_multiplexed, !request.body().is_end_stream());
            async move {
                // On the heap: the connection has room for one of these otherwise, used or not, and hyper moves it twice.
                let mut response = Box::pin(handler.handle(request, peer)).await;
                if let Some(tunnel) = response.extensions_mut().remove() {
                    guard.hand_over(tunnel);
                }
                Ok::<_, Infallible>(response.map(|body| Reply::new(body, is_multiplexed, guard)))
            }
        });
        {
            let mut connection = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
            let mut overdue = pin!(Overdue::new(Arc::clone(&activity)));
            let mut drain = pin!(self.drain.begun());
            let mut is_draining = false;
            loop {
                tokio::select! {
                    biased;
                    ended = connection.as_mut() => break self.note_end(ended),
                    late = overdue.as_mut() => break self.note_late(late),
                    () = drain.as_mut(), if !is_draining => {
                        if activity.is_silent() {
                            break;
                        }
                        is_draining = true;
                        connection.as_mut().graceful_shutdown();
                    }
                }
            }
        }
        if let Some(tunnel) = activity.tunnel() {
            return self.note_tunnel(tunnel.clone().run(&returned).await);
        }
        let Some(Left { mut transport, refused }) = returned.take() else { return };
        if let Some(status) = refused {
            let reply = self.handler.refuse_head(status, self.peer);
            // What a peer does not take at once it loses, as with any reply that it left to the kernel.
            let sent = timeout(LINGER, refusal::send(&mut transport, reply)).await;
            tracing::debug!(peer = %self.peer, ?sent, "a head could not be read");
        }
        if refused.is_some() || activity.has_unread() {
            linger(transport).await;
        }
    }

    fn note_end(&self, ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
        if let Err(error) = ended {
            tracing::debug!(%error, peer = %self.peer, "a connection broke");
        }
    }

    fn note_tunnel(&self, ended: io::Result<()>) {
        if let Err(error) = ended {
            if error.kind() == io::ErrorKind::TimedOut {
                self.held.metrics.timed_out.inc();
            }
            tracing::debug!(%error, peer = %self.peer, "an upgraded connection broke");
        }
    }

    fn note_late(&self, late: Late) {
        self.held.metrics.timed_out.inc();
        tracing::debug!(?late, peer = %self.peer, "a connection was overdue");
    }
}

/// HTTP as the limits allow it. The first bytes tell the version, over TLS too: a connection that can be upgraded is not
/// told it beforehand.
fn builder(limits: &ServerLimits, drain: Drain) -> Builder<Streams> {
    let mut builder = Builder::new(Streams::new(drain, limits));
    builder
        .http1()
        // Activity keeps this time, and all others, with one timer.
        .header_read_timeout(None)
        .max_buf_size(limits.header_bytes_max.max(READ_BUFFER_BYTES_MAX));
    if limits.headers_max >= HEADERS_INLINE_MAX {
        // One more than allowed is parsed, so that the refusal has the API's shape.
        builder.http1().max_headers(limits.headers_max + 1);
    }
    builder
        .http2()
        .max_concurrent_streams(limits.streams_per_connection_max)
        .max_header_list_size(u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX));
    builder
}

/// Says that nothing more will come, then reads what is on its way until the peer has understood.
async fn linger(mut transport: Transport) {
    // On the heap: on the stack it would make every connection's task larger, and few of them linger.
    let mut scrap = vec![0; LINGER_BUFFER_BYTES];
    let until_closed = async {
        transport.shutdown().await?;
        let mut bytes = 0;
        while bytes < LINGER_BYTES_MAX {
            match transport.read(&mut scrap).await? {
                0 => break,
                read => bytes += read,
            }
        }
        io::Result::Ok(())
    };
    // However it ends, the connection is over.
    let _ = timeout(LINGER, until_closed).await;
}
