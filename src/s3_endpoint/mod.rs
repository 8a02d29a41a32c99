//! The S3 endpoint: apps point any S3 SDK here, and the provider that the configuration names does the work.
//!
//! ```text
//! Address, Operation (wire::s3) ─→ Place (which bucket, whose provider) ─→ rights ─→ one handler per group of operations
//!   ─→ Outgoing: built anew from what was verified, by allow-list ─→ provider ─→ reply: by allow-list, in the caller's names
//! ```
//!
//! No object is ever held whole: an upload streams through `body`, which proves it before its last byte leaves, and a
//! download streams through as it comes.

mod accept;
mod body;
mod bucket;
mod copy;
mod delete;
mod failover;
mod form;
mod forward;
mod list;
mod mirrored;
mod multipart;
mod object;
mod place;
mod policy;
mod reply;
mod rights;
mod tee;
mod usage;

use std::{fmt, sync::Arc};

use http::{HeaderMap, Response, request::Parts};
use hyper::body::Incoming;
use wharf_wire::s3::{ErrorCode, Group, Operation, Request};

use crate::{
    backend::Origins,
    config::Config,
    error::S3Error,
    mirror::Mirrors,
    request::{
        Context,
        authenticate::{Authenticator, Expected, Identity, Proof},
        rate_limit::{RateLimits, Standing},
    },
    server::Drain,
    usage::Usage,
};

pub use reply::Content;

use body::Room;
use forward::Handling;
use place::Place;

/// The endpoint over one configuration.
#[derive(Debug)]
pub struct S3Endpoint {
    config: Arc<Config>,
    origins: Arc<Origins>,
    rate_limits: Arc<RateLimits>,
    mirrors: Arc<Mirrors>,
    /// Joins what has to be cleaned up after a client that left.
    drain: Drain,
    documents: Room,
    usage: Option<Usage>,
}

/// One request whose signature was verified, or that has none.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// What it asks for.
    pub request: &'a Request,
    /// Its head, as it came.
    pub head: &'a Parts,
    /// Its headers: those that came as headers, and those that a presigned URL carries in its query.
    pub headers: &'a HeaderMap,
    /// The host that was asked, as the caller wrote it.
    pub authority: &'a str,
    /// Who signed; nobody, if it is anonymous or a form, which says it in its body.
    pub identity: Option<&'a Identity>,
    /// What was signed of the body, unless it is a form's file.
    pub proof: Option<&'a Proof>,
    /// What verifies a form's signature.
    pub authenticator: &'a Authenticator,
    /// What it is held against.
    pub expected: Expected<'a>,
    /// Id, client, time.
    pub context: &'a Context,
}

/// What is kept of a request's caller for limits and the log, and may become known only while it is answered.
#[derive(Debug)]
pub struct Caller<'a> {
    /// The tightest limit so far.
    pub standing: &'a mut Standing,
    /// Who it is.
    pub identity: &'a mut Option<Identity>,
}

/// Without headers, which may hold a customer's keys.
impl fmt::Debug for Call<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Call")
            .field("request", &self.request)
            .field("identity", &self.identity)
            .field("proof", &self.proof)
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

impl S3Endpoint {
    /// Over a configuration and its providers.
    pub fn new(
        config: Arc<Config>,
        origins: Arc<Origins>,
        rate_limits: Arc<RateLimits>,
        mirrors: Arc<Mirrors>,
        drain: Drain,
    ) -> Self {
        Self { config, origins, rate_limits, mirrors, drain, documents: Room::default(), usage: None }
    }

    /// The same, counting the documents that its predecessor still holds.
    #[must_use]
    pub fn succeeding(mut self, previous: Option<&Self>) -> Self {
        self.documents = previous.map_or(self.documents, |previous| previous.documents.clone());
        self
    }

    /// The same, and `usage` counts what it does.
    #[must_use]
    pub fn counted_by(self, usage: Usage) -> Self {
        Self { usage: Some(usage), ..self }
    }

    /// Answers one request.
    pub async fn handle(
        &self,
        call: &Call<'_>,
        body: Incoming,
        caller: Caller<'_>,
    ) -> Result<Response<Content>, S3Error> {
        if call.request.operation == Operation::ListBuckets {
            return list::buckets(self, call);
        }
        if call.request.operation == Operation::PostObject {
            return Box::pin(form::post(self, call, body, caller)).await;
        }
        let place = Place::find(&self.config, &self.origins, &call.request.address)?;
        rights::check(call, &place)?;
        let handling = Handling { endpoint: self, call, place };
        bucket::check_shared(&handling)?;
        caller.standing.tighten(self.rate_limits.provider(&place.bucket.provider, 1)?);
        let reply = self.dispatch(&handling, body).await?;
        usage::count(&handling, &reply);
        Ok(reply)
    }

    /// One arm for each group of operations. What is large and rare is kept apart: every request would have to have room
    /// for it.
    async fn dispatch(&self, handling: &Handling<'_>, body: Incoming) -> Result<Response<Content>, S3Error> {
        match handling.operation().group() {
            Group::Pass => object::pass(handling, body).await,
            Group::Read => failover::read(handling).await,
            Group::Upload => object::upload(handling, body).await,
            Group::Copy => Box::pin(copy::copy(handling)).await,
            Group::Deletes => delete::objects(handling, body).await,
            Group::Keys => list::keys(handling).await,
            Group::Begin => multipart::create(handling).await,
            Group::Parts => multipart::list_parts(handling).await,
            Group::Complete => multipart::complete(handling, body).await,
            Group::Bucket => bucket::head(handling).await,
            Group::NewBucket => bucket::create(handling, body).await,
            Group::Location => Ok(bucket::location(handling)),
            Group::Policy => policy::read(handling).await,
            Group::NewPolicy => policy::write(handling, body).await,
            Group::Unserved => Err(not_served(handling.operation())),
            // Both were answered before: the one names no bucket, and the other's form says who asks.
            Group::Buckets => list::buckets(self, handling.call),
            Group::Form => Err(ErrorCode::NotImplemented.into()),
        }
    }
}

fn not_served(operation: Operation) -> S3Error {
    let why = if operation == Operation::GetObjectTorrent {
        "S3 itself has given up torrents."
    } else {
        "Wharf runs no queries over objects: read the object, or a range of it."
    };
    S3Error::new(ErrorCode::NotImplemented, why)
}
