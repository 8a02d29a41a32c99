//! The one way of a request, and what every door does alike on it: a snapshot, an id, a span, admission, the client's rate,
//! and a reply that is counted and logged when its last byte is out.
//!
//! ```text
//! begin ─→ admit ─→ (the door's own steps: api, app, s3) ─→ finish
//! ```
//!
//! Each door is a file here, and its `answer` is the list of its steps in order.

mod api;
mod app;
mod s3;
mod uppy;

use std::{net::SocketAddr, sync::Arc};

use arc_swap::ArcSwap;
use http::{HeaderMap, HeaderName, HeaderValue, Response, Version, header, request::Parts};
use tracing::Span;

pub use api::ApiDoor;
pub use s3::S3Door;

use crate::{
    admin::Metrics,
    app_proxy::AppProxy,
    backend::{Origins, SigningKeys},
    clock::Clock,
    config::Config,
    error::{Error, Fault},
    events::Events,
    request::{
        Context,
        admission::Admission,
        authenticate::Authenticator,
        body::ReplyBody,
        client_ip::{client_ip, is_local},
        cors::CorsPolicy,
        exchange::Exchange,
        id::RequestIds,
        rate_limit::RateLimits,
    },
    s3_endpoint::S3Endpoint,
    seal::Sealer,
    upload_api::{UploadApi, openapi::Description},
};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
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
    /// From which pages, at the API's door.
    pub cors: CorsPolicy,
    /// From which pages, where Uppy's routes are.
    pub companion_cors: CorsPolicy,
    /// From which pages, at the S3 endpoint's.
    pub s3_cors: CorsPolicy,
    /// Signing keys that were derived before.
    pub signing_keys: Arc<SigningKeys>,
    /// What seals and opens tokens.
    pub sealer: Arc<Sealer>,
    /// Every provider, to be reached.
    pub origins: Arc<Origins>,
    /// The upload API.
    pub api: UploadApi,
    /// What describes it, and what else is at its door.
    pub description: Description,
    /// The S3 endpoint.
    pub s3: S3Endpoint,
    /// What providers tell.
    pub events: Events,
    /// The app behind Wharf, if there is one.
    pub app: Option<AppProxy>,
}

/// What the doors share.
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

    /// Gives a request its id and its span. `path` is as logs may have it.
    fn begin(&self, head: &Parts, path: &str, peer: SocketAddr, snapshot: &Snapshot) -> Box<Exchange> {
        let context = self.context(&head.headers, peer, snapshot);
        // Never the query: a presigned URL is a credential.
        let span = request_span(&context, head.method.as_str(), path);
        Box::new(Exchange::new(context, span, Arc::clone(&self.metrics)))
    }

    /// The same where the head could not be read: all that is known is who sent it.
    fn begin_unread(&self, peer: SocketAddr, snapshot: &Snapshot) -> Box<Exchange> {
        let context = self.context(&HeaderMap::new(), peer, snapshot);
        let span = request_span(&context, "-", "-");
        Box::new(Exchange::new(context, span, Arc::clone(&self.metrics)))
    }

    fn context(&self, headers: &HeaderMap, peer: SocketAddr, snapshot: &Snapshot) -> Context {
        let received = self.clock.now();
        Context {
            request_id: self.ids.next(received),
            client_ip: client_ip(peer.ip(), headers, &snapshot.config.server.trusted_proxies),
            is_loopback: is_local(peer.ip(), headers),
            received,
        }
    }

    /// Lets a request in, unless too many are in flight or its client sends too many.
    fn admit(&self, snapshot: &Snapshot, exchange: &mut Exchange) -> Result<(), Error> {
        exchange.permit = Some(self.admission.admit(snapshot.config.server.limits.requests_in_flight_max)?);
        exchange.standing.tighten(snapshot.rate_limits.client(exchange.context.client_ip)?);
        Ok(())
    }

    /// Counts and logs a refusal.
    fn note(&self, refusal: &Refusal<'_>, context: &Context) {
        let Refusal { code, fault, message, cause } = *refusal;
        self.metrics.error(code);
        let request_id = &context.request_id;
        match fault {
            Fault::Client => tracing::debug!(request_id, code, cause, "a request was refused"),
            Fault::Gateway | Fault::Upstream => {
                tracing::warn!(request_id, code, cause, "a request failed: {message}");
            }
        }
    }
}

fn request_span(context: &Context, method: &str, path: &str) -> Span {
    tracing::info_span!(target: "wharf::access", "request", id = context.request_id, method, path)
}

/// What logs and metrics want to know of an error.
struct Refusal<'a> {
    code: &'static str,
    fault: Fault,
    message: &'a str,
    cause: Option<&'a str>,
}

/// What every reply carries, whatever its door.
fn finish<B>(response: Response<B>, head: &Parts, mut exchange: Box<Exchange>) -> Response<ReplyBody<B>> {
    let (mut parts, body) = response.into_parts();
    exchange.status = Some(parts.status);
    let headers = &mut parts.headers;
    if let Ok(id) = HeaderValue::from_str(&exchange.context.request_id) {
        // An app may have ids of its own, which its errors name.
        headers.entry(X_REQUEST_ID).or_insert(id);
    }
    exchange.standing.write(headers);
    if must_close(head.version, &head.headers) {
        headers.insert(header::CONNECTION, CLOSE);
    }
    Response::from_parts(parts, ReplyBody::new(body, exchange))
}

/// A chunked request may have had a `Content-Length` beside it, see [`crate::request::framing`]: nothing that follows is
/// to be trusted.
fn must_close(version: Version, headers: &HeaderMap) -> bool {
    version <= Version::HTTP_11 && headers.contains_key(header::TRANSFER_ENCODING)
}
