//! The one way of a request: framing, CORS, admission, rate limit, route, authentication, body, handler, reply.
//!
//! A route that does not exist is told before credentials are asked for: the routes are public, and someone who
//! mistyped a path should not look for the fault in a key.

use std::{net::SocketAddr, sync::Arc};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version, header, request::Parts};
use http_body_util::Full;
use hyper::body::Incoming;
use tracing::Instrument;

use super::{
    Context,
    admission::Admission,
    authenticate::Authenticator,
    body::{self, ReplyBody},
    client_ip::{client_ip, is_local},
    cors::CorsPolicy,
    exchange::Exchange,
    framing,
    id::RequestIds,
    rate_limit::RateLimits,
};
use crate::{
    admin::Metrics,
    clock::Clock,
    config::Config,
    error::{self, Error, Fault},
    server::Handler,
    upload_api::{Call, UploadApi, route},
};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Replies hold signed URLs, which are credentials.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// Everything that one configuration puts in force. A request uses one snapshot from beginning to end.
#[derive(Debug)]
pub struct Snapshot {
    /// The configuration.
    pub config: Arc<Config>,
    /// Who may come in.
    pub authenticator: Authenticator,
    /// How often.
    pub rate_limits: Arc<RateLimits>,
    /// From which pages.
    pub cors: CorsPolicy,
    /// What for.
    pub api: UploadApi,
}

/// Answers the API's requests.
#[derive(Debug)]
pub struct Pipeline {
    snapshot: ArcSwap<Snapshot>,
    clock: Clock,
    ids: RequestIds,
    admission: Admission,
    metrics: Arc<Metrics>,
}

impl Pipeline {
    /// A pipeline over `snapshot`.
    pub fn new(snapshot: Snapshot, clock: Clock, metrics: Arc<Metrics>) -> Self {
        Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            clock,
            ids: RequestIds::default(),
            admission: Admission::new(metrics.requests_in_flight.clone()),
            metrics,
        }
    }

    /// The snapshot in force.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Puts `snapshot` in force for requests to come.
    pub fn replace(&self, snapshot: Snapshot) {
        self.snapshot.store(Arc::new(snapshot));
    }

    fn context(&self, head: &Parts, peer: SocketAddr, snapshot: &Snapshot) -> Context {
        let received = self.clock.now();
        Context {
            request_id: self.ids.next(received),
            client_ip: client_ip(peer.ip(), &head.headers, &snapshot.config.server.trusted_proxies),
            is_loopback: is_local(peer.ip(), &head.headers),
            received,
        }
    }

    /// The straight path; every refusal is an early return.
    async fn answer(
        &self,
        snapshot: &Snapshot,
        head: &Parts,
        body: Incoming,
        exchange: &mut Exchange,
    ) -> Result<Response<Full<Bytes>>, Error> {
        let limits = &snapshot.config.server.limits;
        framing::check(head, limits)?;
        if let Some(response) = snapshot.cors.preflight(head) {
            return Ok(response);
        }
        exchange.permit = Some(self.admission.admit(limits.requests_in_flight_max)?);
        exchange.standing.tighten(snapshot.rate_limits.client(exchange.context.client_ip)?);
        let route = route(&head.method, head.uri.path())?;
        exchange.route = route.name();
        let pending = snapshot.authenticator.begin(head, &exchange.context)?;
        let body = body::read(&head.headers, body, limits).await?;
        let identity = pending.finish(&body)?;
        exchange.standing.tighten(snapshot.rate_limits.identity(&identity)?);
        let identity = exchange.identity.insert(identity);
        let call = Call { route: &route, identity, context: &exchange.context, body: &body };
        snapshot.api.handle(&call, &mut exchange.standing)
    }

    /// The one place where an error becomes a reply.
    fn refuse(&self, error: &Error, exchange: &Exchange) -> Response<Full<Bytes>> {
        self.metrics.error(error.code);
        let request_id = &exchange.context.request_id;
        let (code, cause) = (error.code.as_str(), error.cause.as_deref());
        match error.code.fault() {
            Fault::Client => tracing::debug!(request_id, code, cause, "a request was refused"),
            Fault::Gateway | Fault::Upstream => {
                tracing::warn!(request_id, code, cause, "a request failed: {}", error.message);
            }
        }
        error::render(error, request_id)
    }
}

impl Handler for Pipeline {
    type Body = ReplyBody;

    async fn handle(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<ReplyBody> {
        let snapshot = self.snapshot.load_full();
        let (head, body) = request.into_parts();
        let context = self.context(&head, peer, &snapshot);
        let span = tracing::info_span!(
            target: "wharf::access",
            "request",
            id = context.request_id,
            method = head.method.as_str(),
            // Never the query: a presigned URL is a credential.
            path = head.uri.path(),
        );
        let mut exchange = Exchange::new(context, span.clone(), Arc::clone(&self.metrics));
        async {
            let response = match self.answer(&snapshot, &head, body, &mut exchange).await {
                Ok(response) => response,
                Err(error) => self.refuse(&error, &exchange),
            };
            finish(response, &head, &snapshot.cors, exchange)
        }
        .instrument(span)
        .await
    }
}

/// What every reply carries.
fn finish(
    response: Response<Full<Bytes>>,
    head: &Parts,
    cors: &CorsPolicy,
    mut exchange: Exchange,
) -> Response<ReplyBody> {
    let (mut parts, body) = response.into_parts();
    exchange.status = Some(parts.status);
    let headers = &mut parts.headers;
    if let Ok(id) = HeaderValue::from_str(&exchange.context.request_id) {
        headers.insert(X_REQUEST_ID, id);
    }
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    exchange.standing.write(headers);
    cors.write(head.headers.get(header::ORIGIN), headers);
    if must_close(head.version, &head.headers) {
        headers.insert(header::CONNECTION, CLOSE);
    }
    Response::from_parts(parts, ReplyBody::new(body, exchange))
}

/// A chunked request may have had a `Content-Length` beside it, see [`framing`]: nothing that follows is to be trusted.
fn must_close(version: Version, headers: &HeaderMap) -> bool {
    version <= Version::HTTP_11 && headers.contains_key(header::TRANSFER_ENCODING)
}
