//! The upload API: JSON in, JSON out, under `/api/v1/upload`.
//!
//! ```text
//! route ─→ body (read once) ─→ target (whose bucket?) ─→ rights ─→ rate limit ─→ one handler per route ─→ reply
//! ```
//!
//! Most handlers sign: they send nothing anywhere, so answering takes microseconds and never waits. The others ask the
//! provider (`remote`).

mod access_token;
mod analytics;
mod batch;
mod body;
mod bucket;
mod cdn_cookies;
mod complete_token;
mod cors;
mod download;
mod endpoint_guard;
mod expiry;
mod file_name;
mod form;
mod key;
mod metadata;
pub(crate) mod multipart;
mod new_key;
mod objects;
pub mod openapi;
mod operation;
mod own_door;
mod remote;
mod reply;
mod rights;
mod route;
mod signed_url;
mod storage;
mod target;
mod test_connection;
mod upload;
mod upload_id;
mod uppy_token;
mod validate_key;
mod validation;
mod webhook;
mod webhooks;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Method, Response};
use http_body_util::Full;
use serde::Serialize;

use crate::{
    backend::{Origins, SigningKeys},
    clock::Clock,
    config::{Config, checked::Action},
    error::{Code, Error},
    mirror::Mirrors,
    request::{
        Context,
        authenticate::Identity,
        rate_limit::{RateLimits, Standing},
    },
    seal::Sealer,
    server::Drain,
    usage::Usage,
    webhooks::{Current, Webhooks},
};

pub use bucket::Asking;
pub(crate) use bucket::{Bucket, NewFile, S3Request};
pub use complete_token::{CompleteToken, Place};
pub use multipart::{Janitor, abort_stale_uploads};
pub(crate) use multipart::{PartList, part_number};
pub use operation::Operation;
pub(crate) use reply::Object;
pub use route::{BASE, Route, WEBHOOKS_BASE, is_own, method_not_allowed, methods, route};
pub(crate) use route::{percent_decode, segment};

use analytics::Counted;
use body::Body;
use expiry::Bounds;
use own_door::{OwnDoor, Purpose};
use reply::{Performance, Plain};
use target::{Named, Target};

/// Bytes of a usual reply of another door's shape, so that its buffer grows once.
const OTHER_REPLY_BYTES: usize = 2048;

/// The API over one configuration.
#[derive(Debug)]
pub struct UploadApi {
    parts: Parts,
}

/// What the API stands on.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The configuration.
    pub config: Arc<Config>,
    /// Derived signing keys.
    pub signing_keys: Arc<SigningKeys>,
    /// The providers, to be asked.
    pub origins: Arc<Origins>,
    /// Who is told of changes.
    pub mirrors: Arc<Mirrors>,
    /// Who counts.
    pub usage: Usage,
    /// Who is told of uploads.
    pub webhooks: Webhooks,
    /// Rate limits.
    pub rate_limits: Arc<RateLimits>,
    /// What seals tokens.
    pub sealer: Arc<Sealer>,
    /// What tells how long an answer took.
    pub clock: Clock,
    /// What owns the tasks that outlive their request.
    pub drain: Drain,
}

impl Parts {
    /// What webhooks go by.
    fn current(&self) -> Current {
        let Self { config, origins, sealer, .. } = self;
        Current { config: Arc::clone(config), origins: Arc::clone(origins), sealer: Arc::clone(sealer) }
    }
}

/// One authenticated request.
pub struct Call<'a> {
    /// The operation.
    pub route: &'a Route,
    /// Who calls.
    pub identity: &'a Identity,
    /// Id, client, time.
    pub context: &'a Context,
    /// Its method, which is one of the operation's.
    pub method: &'a Method,
    /// Its query, without the question mark.
    pub query: &'a str,
    /// The raw body.
    pub body: &'a [u8],
}

/// Without query and body, which may hold credentials.
impl fmt::Debug for Call<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { route, identity, context, method: _, query: _, body } = self;
        out.debug_struct("Call")
            .field("route", route)
            .field("identity", identity)
            .field("context", context)
            .field("body_bytes", &body.len())
            .finish_non_exhaustive()
    }
}

impl UploadApi {
    /// Over `parts`.
    pub fn new(parts: Parts) -> Self {
        Self { parts }
    }

    /// Answers one request. `standing` is tightened by the provider's limit.
    pub async fn handle(
        &self,
        call: &Call<'_>,
        standing: &mut Standing,
    ) -> Result<Response<Full<Bytes>>, Error> {
        let Route { operation, provider, .. } = call.route;
        if let Identity::Session(session) = call.identity
            && let Some(access) = &session.access
        {
            Box::pin(access_token::check(&self.parts, access, *operation)).await?;
        }
        let (parts, named) = (&self.parts, provider.as_deref().unwrap_or_default());
        let own = |answer| counted(parts, call, answer);
        let handler = match operation {
            Operation::SignedUrl => Handler::Registers(signed_url::handle, signed_url::handle_with_webhook),
            Operation::BatchSignedUrl => Handler::Signs(batch::handle),
            Operation::Form => Handler::Signs(form::handle),
            Operation::DownloadSignedUrl => Handler::Signs(download::handle),
            Operation::CdnCookies => Handler::Signs(cdn_cookies::handle),
            Operation::CorsSetUp => Handler::Asks(cors::set_up),
            Operation::CorsVerify => Handler::Asks(cors::verify),
            Operation::TestConnection => Handler::Asks(test_connection::handle),
            Operation::InitiateMultipart => Handler::Asks(multipart::initiate),
            Operation::MultipartParts => Handler::Asks(multipart::parts),
            Operation::CompleteMultipart => Handler::Asks(multipart::complete),
            Operation::AbortMultipart => Handler::Asks(multipart::abort),
            Operation::Delete => Handler::Asks(objects::delete),
            Operation::BatchDelete => Handler::Asks(objects::batch_delete),
            Operation::List => Handler::Asks(objects::list),
            Operation::Metadata => Handler::Asks(objects::metadata),
            Operation::Versions => Handler::Asks(objects::versions),
            Operation::Complete => Handler::Asks(objects::complete),
            Operation::Foreign => Handler::Signs(foreign),
            Operation::Analytics => return Box::pin(analytics::handle(parts, call)).await,
            Operation::AnalyticsDaily => return Box::pin(analytics::daily(parts, call)).await,
            Operation::AnalyticsProviders => return Box::pin(analytics::providers(parts, call)).await,
            Operation::Track => return analytics::tell(parts, call),
            Operation::AccessToken => return own(access_token::issue(parts, call, named)),
            Operation::RevokeAccessToken => {
                return own(Box::pin(access_token::revoke(parts, call, named)).await);
            }
            Operation::UppyToken => return own(uppy_token::handle(parts, call)),
            Operation::ValidateKey => return own(validate_key::handle(call.identity)),
            Operation::WebhookConfirm => return own(Box::pin(webhooks::confirm(parts, call)).await),
            Operation::WebhookCreate => return own(Box::pin(webhooks::create(parts, call)).await),
            Operation::WebhookList => return own(Box::pin(webhooks::list(parts, call)).await),
            Operation::WebhookStatus => return own(Box::pin(webhooks::status(parts, call)).await),
            Operation::WebhookRetry => return own(Box::pin(webhooks::retry(parts, call)).await),
            Operation::WebhookDelete => return own(Box::pin(webhooks::delete(parts, call)).await),
        };
        // Its path names nobody.
        let is_complete = *operation == Operation::Complete;
        let completed = is_complete.then(|| objects::completed_provider(&self.parts.sealer, call.body));
        let completed = completed.transpose()?;
        let provider = completed.as_deref().or(provider.as_deref()).unwrap_or_default();
        let answer = self.with_target(provider, call, standing, handler).await;
        answer.map_err(|error| if error.provider.is_some() { error } else { error.provider(provider) })
    }

    /// Reads the body, finds whom it is about and counts the request, then lets the handler answer.
    async fn with_target(
        &self,
        provider: &str,
        call: &Call<'_>,
        standing: &mut Standing,
        handler: Handler,
    ) -> Result<Response<Full<Bytes>>, Error> {
        let started = self.parts.clock.elapsed();
        let action = call.route.operation.action();
        let named = Named::find(&self.parts.config, call.identity, provider)?;
        let body = Body::parse(call.body, named.field_prefix())?;
        let mut target = named.target(call.identity, body.bucket.as_ref(), &body.brought)?;
        self.admit(&mut target, call, action, standing)?;
        let request = Request { parts: &self.parts, call, target: &target, body: &body, started };
        let answer = match handler {
            Handler::Signs(handle) => handle(&request),
            Handler::Registers(_, handle) if request.wants_webhook() => handle(&request).await,
            Handler::Registers(handle, _) => handle(&request),
            Handler::Asks(handle) => handle(&request).await,
        };
        if answer.is_ok() {
            analytics::count(&self.parts, call, Counted::of(call, &target, &body));
        }
        answer
    }

    /// Counts a request about `target`, and finds out where its URLs point. A caller who may do nothing there is refused before
    /// the count: the provider's limit is not theirs to use up.
    fn admit(
        &self,
        target: &mut Target<'_>,
        call: &Call<'_>,
        action: Action,
        standing: &mut Standing,
    ) -> Result<(), Error> {
        target.authorize_somewhere(call.identity, action)?;
        let met = match target.configured {
            Some(bucket) => self.parts.rate_limits.provider(&bucket.provider, 1)?,
            None => self.parts.rate_limits.callers(target.profile().kind, 1)?,
        };
        standing.tighten(met);
        if let Some(bucket) = target.configured {
            let now = call.context.received;
            let purpose = Purpose { plugin: target.plugin, bucket, action, now };
            target.own_door = OwnDoor::of(&self.parts, call.identity, purpose)?;
        }
        Ok(())
    }
}

/// A reply of another door's shape.
pub(crate) fn reply<T: Serialize>(reply: &T) -> Answer {
    reply::ok(reply, OTHER_REPLY_BYTES)
}

/// What an operation is answered with.
pub type Answer = Result<Response<Full<Bytes>>, Error>;

/// What answers an operation.
enum Handler {
    /// At once.
    Signs(fn(&Request<'_>) -> Answer),
    /// At once, or, where a webhook is to be registered, when the database has it.
    Registers(fn(&Request<'_>) -> Answer, for<'r> fn(&'r Request<'r>) -> BoxFuture<'r, Answer>),
    /// When the provider has answered. On the heap, so that what only signs does not have to have room for it.
    Asks(for<'r> fn(&'r Request<'r>) -> BoxFuture<'r, Answer>),
}

/// Counts what was done for the caller, and not with a provider.
fn counted(parts: &Parts, call: &Call<'_>, answer: Answer) -> Answer {
    if answer.is_ok() {
        analytics::count(parts, call, Counted::once("", call.route.operation.name()));
    }
    answer
}

/// The stores that have it are not served, so whoever gets here has named one that has it not.
fn foreign(_: &Request<'_>) -> Answer {
    Err(Error::new(Code::NotFound, "This provider has no such route."))
}

/// A request whose body was read and whose target was found.
struct Request<'r> {
    parts: &'r Parts,
    call: &'r Call<'r>,
    target: &'r Target<'r>,
    body: &'r Body<'r>,
    started: Duration,
}

impl Request<'_> {
    /// Whether a webhook is to be registered: the request asks for one, and there are some.
    fn wants_webhook(&self) -> bool {
        self.body.webhook.is_some() && self.parts.webhooks.are_enabled()
    }

    /// What bounds the life of a URL here: it ends with the token that it was asked for with.
    fn expiry_bounds(&self) -> Bounds {
        Bounds {
            default: self.parts.config.upload.expires_default_seconds,
            provider_max: self.target.profile().limits.presign_seconds_max,
            caller_ends_in: self
                .call
                .identity
                .ends_at()
                .map(|end| end.seconds_since(self.call.context.received)),
        }
    }

    /// When a URL that was signed for `seconds` ends, as clients read it.
    fn expires_at(&self, seconds: u32) -> String {
        self.call.context.received.plus_seconds(u64::from(seconds)).rfc3339()
    }

    fn performance(&self) -> Performance<'_> {
        let elapsed = self.parts.clock.elapsed().saturating_sub(self.started);
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        let total_time = format!("{}.{:03}ms", micros / 1000, micros % 1000);
        Performance { request_id: Plain(&self.call.context.request_id), total_time }
    }
}

#[cfg(test)]
mod tests;
