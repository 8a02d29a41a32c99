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
mod form;
mod forward;
mod list;
mod multipart;
mod object;
mod place;
mod reply;
mod rights;

use std::{fmt, sync::Arc};

use http::{HeaderMap, Response, request::Parts};
use hyper::body::Incoming;
use wharf_wire::s3::{ErrorCode, Operation, Request};

use crate::{
    backend::Origins,
    config::Config,
    error::S3Error,
    request::{
        Context,
        authenticate::{Authenticator, Expected, Identity, Proof},
        rate_limit::{RateLimits, Standing},
    },
    server::Drain,
};

pub use reply::Content;

use forward::Handling;
use place::Place;

/// The endpoint over one configuration.
#[derive(Debug)]
pub struct S3Endpoint {
    config: Arc<Config>,
    origins: Arc<Origins>,
    rate_limits: Arc<RateLimits>,
    /// Joins what has to be cleaned up after a client that left.
    drain: Drain,
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
        drain: Drain,
    ) -> Self {
        Self { config, origins, rate_limits, drain }
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
            return form::post(self, call, body, caller).await;
        }
        let place = Place::find(&self.config, &self.origins, &call.request.address)?;
        rights::check(call, &place)?;
        let handling = Handling { endpoint: self, call, place };
        bucket::check_shared(&handling)?;
        caller.standing.tighten(self.rate_limits.provider(&place.bucket.provider, 1)?);
        self.dispatch(&handling, body).await
    }

    /// One arm for each group of operations.
    #[expect(clippy::too_many_lines, reason = "every operation of S3 stands here")]
    async fn dispatch(&self, handling: &Handling<'_>, body: Incoming) -> Result<Response<Content>, S3Error> {
        match handling.operation() {
            Operation::ListBuckets => list::buckets(self, handling.call),
            Operation::PutObject | Operation::UploadPart => object::upload(handling, body).await,
            Operation::CreateMultipartUpload => multipart::create(handling).await,
            Operation::ListParts => multipart::list_parts(handling).await,
            Operation::CompleteMultipartUpload => multipart::complete(handling, body).await,
            Operation::ListObjects
            | Operation::ListObjectsV2
            | Operation::ListObjectVersions
            | Operation::ListMultipartUploads => list::keys(handling).await,
            Operation::CreateBucket => bucket::create(handling, body).await,
            Operation::HeadBucket => bucket::head(handling).await,
            Operation::GetBucketLocation => Ok(bucket::location(handling)),
            Operation::DeleteObjects => delete::objects(handling, body).await,
            Operation::CopyObject | Operation::UploadPartCopy => copy::copy(handling).await,
            Operation::PostObject => Err(ErrorCode::NotImplemented.into()),
            Operation::GetObjectTorrent => Err(not_served("S3 itself has given up torrents.")),
            Operation::SelectObjectContent => {
                Err(not_served("Wharf runs no queries over objects: read the object, or a range of it."))
            }
            Operation::GetObject
            | Operation::HeadObject
            | Operation::DeleteObject
            | Operation::GetObjectAttributes
            | Operation::GetObjectTagging
            | Operation::DeleteObjectTagging
            | Operation::GetObjectAcl
            | Operation::GetObjectRetention
            | Operation::GetObjectLegalHold
            | Operation::AbortMultipartUpload
            | Operation::PutObjectTagging
            | Operation::PutObjectAcl
            | Operation::PutObjectRetention
            | Operation::PutObjectLegalHold
            | Operation::RestoreObject
            | Operation::DeleteBucket
            | Operation::GetBucketAcl
            | Operation::GetBucketVersioning
            | Operation::GetBucketCors
            | Operation::DeleteBucketCors
            | Operation::GetBucketLifecycleConfiguration
            | Operation::DeleteBucketLifecycle
            | Operation::GetBucketPolicy
            | Operation::DeleteBucketPolicy
            | Operation::GetBucketPolicyStatus
            | Operation::GetBucketTagging
            | Operation::DeleteBucketTagging
            | Operation::GetBucketEncryption
            | Operation::DeleteBucketEncryption
            | Operation::GetBucketWebsite
            | Operation::DeleteBucketWebsite
            | Operation::GetBucketNotificationConfiguration
            | Operation::GetBucketLogging
            | Operation::GetBucketRequestPayment
            | Operation::GetBucketAccelerateConfiguration
            | Operation::GetBucketReplication
            | Operation::DeleteBucketReplication
            | Operation::GetBucketOwnershipControls
            | Operation::DeleteBucketOwnershipControls
            | Operation::GetPublicAccessBlock
            | Operation::DeletePublicAccessBlock
            | Operation::GetObjectLockConfiguration
            | Operation::PutBucketAcl
            | Operation::PutBucketVersioning
            | Operation::PutBucketCors
            | Operation::PutBucketLifecycleConfiguration
            | Operation::PutBucketPolicy
            | Operation::PutBucketTagging
            | Operation::PutBucketEncryption
            | Operation::PutBucketWebsite
            | Operation::PutBucketNotificationConfiguration
            | Operation::PutBucketLogging
            | Operation::PutBucketRequestPayment
            | Operation::PutBucketAccelerateConfiguration
            | Operation::PutBucketReplication
            | Operation::PutBucketOwnershipControls
            | Operation::PutPublicAccessBlock
            | Operation::PutObjectLockConfiguration => object::pass(handling, body).await,
        }
    }
}

fn not_served(why: &'static str) -> S3Error {
    S3Error::new(ErrorCode::NotImplemented, why)
}
