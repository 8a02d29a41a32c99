//! Reads of a bucket that moves here: what it has not yet is read where it was before ([`crate::mirror::backfill`]).
//!
//! Whoever asks gets what the old place has: its bytes, its `ETag`, its answer to ranges and conditions. Whether an object is
//! there is never guessed: where the old place does not answer, the answer is 503, and no 404.

use http::{Response, StatusCode};
use wharf_wire::s3::{ErrorCode, Operation};

use super::{
    super::{
        Content,
        forward::{Handling, Sending},
        reply,
    },
    copy::{forget_the_store, mark},
    is_mirrored,
};
use crate::{
    backend::upstream::ReplyStream,
    config::checked::BackfillConfig,
    error::{Fault, S3Error},
    mirror::backfill::{Wanted, at_old_place},
    transfer::Answer,
};

/// Says of a version that it is deleted, which the old place does not know.
const DELETE_MARKER: &str = "x-amz-delete-marker";

/// Has the old place answer, if there is one, for an object that is `missing` here.
pub(super) async fn answer(handling: &Handling<'_>, missing: S3Error) -> Result<Response<Content>, S3Error> {
    let bucket = handling.place.bucket;
    let headers = handling.headers()?;
    let was_deleted = missing.headers.iter().any(|(name, _)| name.as_str() == DELETE_MARKER);
    let (Some(old), Some(key), false) = (&bucket.backfill, handling.key(), was_deleted) else {
        return Err(missing);
    };
    let endpoint = handling.endpoint;
    if !is_mirrored(handling, &headers)
        || !endpoint.mirrors.may_be_at_old_place(&bucket.name, key.as_str()).await?
    {
        return Err(missing);
    }
    let Some(object) = at_old_place(old, &endpoint.origins, key.as_str()) else { return Err(missing) };
    endpoint.rate_limits.provider(&old.provider, 1)?;
    let (operation, parameters) = (handling.operation(), handling.parameters());
    let reply = object.send(operation, parameters, Sending::without_body(headers)).await;
    let reply = reply.map_err(|error| unknown(&error.into()))?;
    match reply.status() {
        StatusCode::OK | StatusCode::PARTIAL_CONTENT => {
            endpoint.mirrors.metrics().backfill(&bucket.name, "served");
            keep(handling);
            Ok(served(reply, old))
        }
        StatusCode::NOT_MODIFIED => Ok(served(reply, old)),
        _ => Err(refused(reply, missing).await),
    }
}

/// The old place's reply, without what is true there alone.
fn served(mut reply: Response<ReplyStream>, old: &BackfillConfig) -> Response<Content> {
    reply::keep_allowed(reply.headers_mut());
    forget_the_store(reply.headers_mut());
    mark(reply.headers_mut(), &old.provider, false);
    reply.map(Content::Stream)
}

/// What its refusal means: that the object is not there either, that a condition or a range is none of it, or nothing.
async fn refused(reply: Response<ReplyStream>, missing: S3Error) -> S3Error {
    let status = reply.status();
    let error = S3Error::of_answer(&Answer::read(reply).await);
    match status {
        StatusCode::NOT_FOUND if error.code == ErrorCode::NoSuchKey => missing,
        StatusCode::PRECONDITION_FAILED | StatusCode::RANGE_NOT_SATISFIABLE => error,
        _ => unknown(&error),
    }
}

/// Keeps a downloaded object here from now on, where a write can be made to overwrite nothing.
fn keep(handling: &Handling<'_>) {
    let (endpoint, place) = (handling.endpoint, &handling.place);
    let (Some(key), Operation::GetObject) = (handling.key(), handling.operation()) else { return };
    if place.origin.account().holds_conditions() {
        let wanted = Wanted {
            config: endpoint.config.clone(),
            origins: endpoint.origins.clone(),
            bucket: place.bucket.name.clone(),
            key: key.clone(),
        };
        endpoint.mirrors.keep(wanted, &endpoint.drain);
    }
}

/// What a caller is told when nobody can say whether there is such an object.
fn unknown(failure: &S3Error) -> S3Error {
    let message =
        "The object is not here yet, and the provider that this bucket moves from fails. Try again.";
    let mut error = S3Error::new(ErrorCode::ServiceUnavailable, message);
    error.fault = Fault::Upstream;
    error.retry_after = failure.retry_after;
    error.cause = failure.cause.clone().or_else(|| Some(failure.message.clone().into_owned()));
    error
}
