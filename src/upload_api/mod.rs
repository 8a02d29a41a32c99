//! The upload API: JSON in, JSON out, under `/api/v1/upload`.
//!
//! ```text
//! route ─→ body (read once) ─→ target (whose bucket?) ─→ rights ─→ rate limit ─→ one handler per route ─→ reply
//! ```
//!
//! A handler signs; it sends nothing anywhere, so answering takes microseconds and never waits.

mod batch;
mod body;
mod complete_token;
mod download;
mod endpoint_guard;
mod expiry;
mod file_name;
mod metadata;
mod own_door;
mod reply;
mod rights;
mod route;
mod signed_url;
mod storage;
mod target;
mod upload;
mod upload_id;
mod validate_key;
mod validation;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;

use crate::{
    backend::SigningKeys,
    clock::Clock,
    config::{Config, checked::Action},
    error::Error,
    request::{
        Context,
        authenticate::Identity,
        rate_limit::{RateLimits, Standing},
    },
    seal::Sealer,
};

pub use complete_token::{CompleteToken, Place};
pub use route::{BASE, Route, is_own, method_not_allowed, methods, route};

use body::Body;
use expiry::Bounds;
use own_door::{OwnDoor, Purpose};
use reply::Performance;
use target::{Named, Target};

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
    /// Rate limits.
    pub rate_limits: Arc<RateLimits>,
    /// What seals tokens.
    pub sealer: Arc<Sealer>,
    /// What tells how long an answer took.
    pub clock: Clock,
}

/// One authenticated request.
pub struct Call<'a> {
    /// The operation.
    pub route: &'a Route,
    /// Who calls.
    pub identity: &'a Identity,
    /// Id, client, time.
    pub context: &'a Context,
    /// The raw body.
    pub body: &'a [u8],
}

/// Without the body, which may hold credentials.
impl fmt::Debug for Call<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { route, identity, context, body } = self;
        out.debug_struct("Call")
            .field("route", route)
            .field("identity", identity)
            .field("context", context)
            .field("body_bytes", &body.len())
            .finish()
    }
}

impl UploadApi {
    /// Over `parts`.
    pub fn new(parts: Parts) -> Self {
        Self { parts }
    }

    /// Answers one request. `standing` is tightened by the provider's limit.
    pub fn handle(&self, call: &Call<'_>, standing: &mut Standing) -> Result<Response<Full<Bytes>>, Error> {
        let operation = match call.route {
            Route::SignedUrl { .. } => Operation { action: Action::Write, handler: signed_url::handle },
            Route::BatchSignedUrl { .. } => Operation { action: Action::Write, handler: batch::handle },
            Route::DownloadSignedUrl { .. } => Operation { action: Action::Read, handler: download::handle },
            Route::ValidateKey => return validate_key::handle(call.identity),
        };
        let provider = call.route.provider().unwrap_or_default();
        self.with_target(provider, call, standing, &operation)
            .map_err(|error| if error.provider.is_some() { error } else { error.provider(provider) })
    }

    /// Reads the body, finds whom it is about and counts the request, then lets the handler answer. A caller who may do
    /// nothing there is refused before the count: the provider's limit is not theirs to use up.
    fn with_target(
        &self,
        provider: &str,
        call: &Call<'_>,
        standing: &mut Standing,
        operation: &Operation,
    ) -> Result<Response<Full<Bytes>>, Error> {
        let started = self.parts.clock.elapsed();
        let named = Named::find(&self.parts.config, call.identity, provider)?;
        let body = Body::parse(call.body, named.field_prefix())?;
        let mut target = named.target(call.identity, body.bucket.as_ref(), &body.brought)?;
        target.authorize_somewhere(call.identity, operation.action)?;
        let met = match target.configured {
            Some(bucket) => self.parts.rate_limits.provider(&bucket.provider, 1)?,
            None => self.parts.rate_limits.callers(target.profile().kind, 1)?,
        };
        standing.tighten(met);
        if let Some(bucket) = target.configured {
            let now = call.context.received;
            let purpose = Purpose { plugin: target.plugin, bucket, action: operation.action, now };
            target.own_door = OwnDoor::of(&self.parts, call.identity, purpose)?;
        }
        (operation.handler)(&Request { parts: &self.parts, call, target: &target, body: &body, started })
    }
}

/// What a route does to a bucket, and what answers it.
struct Operation {
    action: Action,
    handler: fn(&Request<'_>) -> Result<Response<Full<Bytes>>, Error>,
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
    /// What bounds the life of a URL here.
    fn expiry_bounds(&self) -> Bounds {
        Bounds {
            default: self.parts.config.upload.expires_default_seconds,
            provider_max: self.target.profile().limits.presign_seconds_max,
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
        Performance { request_id: &self.call.context.request_id, total_time }
    }
}

#[cfg(test)]
mod tests;
