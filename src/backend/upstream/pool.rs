//! Connections that are kept for the next request, and the way to new ones.
//!
//! ```text
//! request ─▶ kept? ── HTTP/1.1, idle ─┬─▶ lent to this request alone ─▶ its reply ── read to the end ─▶ kept again
//!              │                      │                                    └─ dropped before: closed
//!              │  ┌───────────────────┘
//!              └──▶ connect ── HTTP/2 ──▶ kept at once, and shared by all requests to the same place
//! ```
//!
//! What is idle for too long is closed, and so is what would be too many.

use std::{
    collections::HashMap,
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    task::Context,
    time::Duration,
};

use http::{
    Request, Response, Uri,
    uri::{Authority, Scheme},
};
use hyper::{
    client::conn::{TrySendError, http1, http2},
    rt::Executor,
};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;

use super::{
    UpstreamError,
    arriving::Arriving,
    connect::{Connector, Stream, speaks_http2},
    http1::Http1,
    sending::Tracked,
};
use crate::clock;

/// Idle connections that are kept per place.
const IDLE_PER_PLACE_MAX: usize = 32;

/// Bytes that a connection reads or writes at once, and so about half of what it holds. Less costs system calls; more
/// buys none.
const BUFFER_BYTES: usize = 128 * 1024;

/// A shared HTTP/2 connection whose peer is gone would fail request after request until TCP gives up.
const PING_INTERVAL: Duration = Duration::from_secs(15);

/// What the peer may send of one HTTP/2 reply before it is read: what a slow reader makes Wharf hold.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The same of all replies of one connection, which they share. It is the highest that HTTP/2 has, so that it never holds
/// up a reply because others are not read; the requests in flight bound what is held.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// Connections of one kind. Cheap to clone; the clones share them.
#[derive(Clone)]
pub(super) struct Pool(Arc<Shared>);

struct Shared {
    connector: Connector,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    idle_timeout: Duration,
    kept: Mutex<HashMap<Place, Kept>>,
    /// Closes what is idle for too long. It begins with the first connection.
    sweeper: OnceLock<AbortOnDropHandle<()>>,
}

/// Where a connection leads. Two spellings of one host may have a connection each: the authority's own hash, to which they
/// are equal, takes its bytes one by one.
#[derive(Debug, Clone)]
struct Place {
    scheme: Scheme,
    authority: Authority,
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.authority.as_str() == other.authority.as_str()
    }
}

impl Eq for Place {}

impl Hash for Place {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.authority.as_str().hash(hasher);
    }
}

/// What is kept of the connections to one place.
#[derive(Default)]
struct Kept {
    /// The one that was used last stands last.
    idle: Vec<Used<Http1>>,
    shared: Option<Used<http2::SendRequest<Tracked>>>,
}

/// Something and when it was used last.
struct Used<T> {
    it: T,
    last: Instant,
}

impl<T> Used<T> {
    fn now(it: T) -> Self {
        Self { it, last: clock::instant() }
    }
}

/// A connection for one request.
enum Link {
    Http1(Lent),
    Http2(http2::SendRequest<Tracked>),
}

type Unanswered = TrySendError<Request<Tracked>>;

impl Pool {
    /// Connections that `connector` makes, each kept for at most `idle_timeout` after its last use.
    pub(super) fn new(connector: Connector, idle_timeout: Duration) -> Self {
        let mut http1 = http1::Builder::new();
        http1.max_buf_size(BUFFER_BYTES);
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_INTERVAL)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        Self(Arc::new(Shared {
            connector,
            http1,
            http2,
            idle_timeout,
            kept: Mutex::default(),
            sweeper: OnceLock::new(),
        }))
    }

    /// Sends `request` and waits for the head of its reply. A kept connection that turns out to be closed is replaced, as
    /// long as nothing was written to it.
    pub(super) async fn request(
        &self,
        mut request: Request<Tracked>,
    ) -> Result<Response<Arriving>, UpstreamError> {
        let uri = request.uri().clone();
        let place = Place::of(&uri)?;
        loop {
            let kept = self.take(&place);
            let is_kept = kept.is_some();
            let link = match kept {
                Some(link) => link,
                // On the heap, as it is rare: every request would have to have room for it.
                None => Box::pin(self.connect(&uri, &place)).await?,
            };
            // Only now: to connect may have taken any time.
            request.body().check().map_err(UpstreamError::Body)?;
            match link.exchange(request).await {
                Ok(reply) => return Ok(reply),
                Err(mut error) => match error.take_message().filter(|_| is_kept) {
                    Some(unwritten) => request = unwritten,
                    None => return Err(UpstreamError::of_hyper(&error.into_error())),
                },
            }
            request.uri_mut().clone_from(&uri);
        }
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<Place, Kept>> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that is there.
    fn take(&self, place: &Place) -> Option<Link> {
        let mut kept = self.kept();
        let kept = kept.get_mut(place)?;
        if let Some(shared) = kept.shared.as_mut().filter(|shared| !shared.it.is_closed()) {
            shared.last = clock::instant();
            return Some(Link::Http2(shared.it.clone()));
        }
        let Used { it: connection, last } = kept.idle.pop()?;
        if last.elapsed() < self.0.idle_timeout {
            return Some(Link::Http1(self.lend(connection, place)));
        }
        // The others were used even longer ago.
        kept.idle.clear();
        None
    }

    /// Makes a connection.
    async fn connect(&self, uri: &Uri, place: &Place) -> Result<Link, UpstreamError> {
        let stream = self.0.connector.connect(uri.clone()).await?;
        self.0.sweeper.get_or_init(|| {
            let sweep = sweep(Arc::downgrade(&self.0), self.0.idle_timeout);
            AbortOnDropHandle::new(tokio::spawn(sweep))
        });
        if speaks_http2(&stream) {
            return self.share(stream, place).await;
        }
        let connection = Http1::over(stream, &self.0.http1).await;
        let connection = connection.map_err(|error| UpstreamError::of_hyper(&error))?;
        Ok(Link::Http1(self.lend(connection, place)))
    }

    /// Keeps an HTTP/2 connection for all, unless somebody else came first.
    async fn share(&self, stream: Stream, place: &Place) -> Result<Link, UpstreamError> {
        let handshake = self.0.http2.handshake(stream).await;
        let (sender, connection) = handshake.map_err(|error| UpstreamError::of_hyper(&error))?;
        // It ends when nobody can send over it any more: neither the pool nor a request.
        TokioExecutor::new().execute(async {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an HTTP/2 connection broke");
            }
        });
        let mut kept = self.kept();
        let shared = &mut kept.entry(place.clone()).or_default().shared;
        if let Some(first) = shared.as_ref().filter(|shared| !shared.it.is_closed()) {
            return Ok(Link::Http2(first.it.clone()));
        }
        *shared = Some(Used::now(sender.clone()));
        Ok(Link::Http2(sender))
    }

    fn lend(&self, connection: Http1, place: &Place) -> Lent {
        Lent { connection, pool: self.clone(), place: place.clone() }
    }

    fn keep(&self, connection: Http1, place: Place) {
        let mut kept = self.kept();
        let idle = &mut kept.entry(place).or_default().idle;
        if idle.len() < IDLE_PER_PLACE_MAX {
            idle.push(Used::now(connection));
        }
    }

    /// Closes what is idle for too long.
    fn sweep(&self) {
        let idle_timeout = self.0.idle_timeout;
        self.kept().retain(|_, kept| {
            kept.idle.retain(|used| used.last.elapsed() < idle_timeout);
            kept.shared.take_if(|used| used.last.elapsed() >= idle_timeout || used.it.is_closed());
            !kept.idle.is_empty() || kept.shared.is_some()
        });
    }
}

#[cfg(test)]
impl Pool {
    pub(super) fn is_empty(&self) -> bool {
        self.kept().is_empty()
    }

    pub(super) fn keeps_one_shared_connection(&self) -> bool {
        let kept = self.kept();
        kept.len() == 1 && kept.values().all(|kept| kept.idle.is_empty() && kept.shared.is_some())
    }
}

async fn sweep(pool: Weak<Shared>, every: Duration) {
    loop {
        sleep(every).await;
        let Some(pool) = pool.upgrade() else { return };
        Pool(pool).sweep();
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Pool").field("places", &self.kept().len()).finish_non_exhaustive()
    }
}

impl Place {
    fn of(uri: &Uri) -> Result<Self, UpstreamError> {
        match (uri.scheme(), uri.authority()) {
            (Some(scheme), Some(authority)) => {
                Ok(Self { scheme: scheme.clone(), authority: authority.clone() })
            }
            (None, _) | (_, None) => Err(UpstreamError::Request("no absolute URL".to_owned())),
        }
    }
}

impl Link {
    async fn exchange(self, request: Request<Tracked>) -> Result<Response<Arriving>, Unanswered> {
        match self {
            Self::Http1(mut lent) => {
                let reply = lent.connection.exchange(request).await?;
                Ok(reply.map(|body| Arriving::over(lent, body)))
            }
            Self::Http2(mut sender) => Ok(sender.try_send_request(request).await?.map(Arriving::from)),
        }
    }
}

/// A connection that one request has for itself. Dropped, it is closed.
pub(super) struct Lent {
    connection: Http1,
    pool: Pool,
    place: Place,
}

impl Lent {
    /// Moves what is to be read and written, as far as that goes without waiting.
    pub(super) fn drive(&mut self, context: &mut Context<'_>) {
        self.connection.drive(context);
    }

    /// Whether request and reply are over, to the last byte.
    pub(super) fn is_idle(&self) -> bool {
        self.connection.is_idle()
    }

    /// Gives it back for others.
    pub(super) fn give_back(self) {
        self.pool.keep(self.connection, self.place);
    }
}
