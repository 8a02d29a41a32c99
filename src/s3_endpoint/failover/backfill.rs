//! Requests to a bucket that moves here: what it has not yet is where it was before ([`crate::mirror::backfill`]).
//!
//! ```text
//! read, tags, attributes ── not here ──▶ the old place answers: its bytes, its `ETag`, its judgement of ranges and conditions
//! copy of it             ── not here ──▶ it is read there
//! a change of it, a condition on it, what has no meaning elsewhere ── not here ──▶ it is brought here first
//! ```
//!
//! Whether an object is there is never guessed: where the old place does not say so by its code, the answer is 503, and no 404.

use http::{HeaderName, Response, StatusCode};
use tokio::time::Instant;
use wharf_wire::{
    names::ObjectKey,
    s3::{ErrorCode, Operation},
};

use super::{
    super::{
        Content, Place,
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
    transfer::{Answer, Class, Object, Side, Source, TransferError},
};

/// Says of a version that it is deleted, which the old place does not know.
const DELETE_MARKER: &str = "x-amz-delete-marker";
/// Whose bucket it is, which the one here has judged: the old place is in another account.
const OWNER: HeaderName = HeaderName::from_static("x-amz-expected-bucket-owner");

/// Has the old place answer, if there is one, for an object that is `missing` here.
pub(super) async fn answer(handling: &Handling<'_>, missing: S3Error) -> Result<Response<Content>, S3Error> {
    let (bucket, mut headers) = (handling.place.bucket, handling.headers()?);
    let (Some(old), Some(key), true) = (&bucket.backfill, handling.key(), is_mirrored(handling, &headers))
    else {
        return Err(missing);
    };
    let Some(object) = elsewhere(handling, &handling.place, key, &missing).await? else {
        return Err(missing);
    };
    headers.remove(OWNER);
    let (operation, parameters) = (handling.operation(), handling.parameters());
    let reply = object.send(operation, parameters, Sending::without_body(headers)).await;
    let reply = reply.map_err(|error| unknown(&error.into()))?;
    match reply.status() {
        StatusCode::OK | StatusCode::PARTIAL_CONTENT => {
            handling.endpoint.mirrors.metrics().backfill(&bucket.name, "served");
            if operation == Operation::GetObject {
                keep(handling, key);
            }
            Ok(served(reply, old))
        }
        StatusCode::NOT_MODIFIED => Ok(served(reply, old)),
        _ => {
            let answer = Box::new(Answer::read(reply).await);
            let refusal = TransferError::Refused { side: Side::Source, answer };
            Err(refused(Source::new(object).explained(refusal).await, missing))
        }
    }
}

/// The object called `key` where the bucket at `place` was before, if it can be there although it is `missing` here.
pub(in super::super) async fn elsewhere(
    handling: &Handling<'_>,
    place: &Place<'_>,
    key: &ObjectKey,
    missing: &S3Error,
) -> Result<Option<Object>, S3Error> {
    let (endpoint, bucket) = (handling.endpoint, place.bucket);
    let was_deleted = missing.headers.iter().any(|(name, _)| name.as_str() == DELETE_MARKER);
    let (Some(old), false) = (&bucket.backfill, was_deleted || missing.code != ErrorCode::NoSuchKey) else {
        return Ok(None);
    };
    if !endpoint.mirrors.may_be_at_old_place(&bucket.name, key.as_str()).await? {
        return Ok(None);
    }
    endpoint.rate_limits.provider(&old.provider, 1)?;
    Ok(at_old_place(old, &endpoint.origins, key.as_str()))
}

/// The old place's reply, without what is true there alone.
fn served(mut reply: Response<ReplyStream>, old: &BackfillConfig) -> Response<Content> {
    reply::keep_allowed(reply.headers_mut());
    forget_the_store(reply.headers_mut());
    mark(reply.headers_mut(), &old.provider, false);
    reply.map(Content::Stream)
}

/// What the old place's refusal means for what is `missing` here: that the object is not there either, that a condition or a
/// range is none of it, that it cannot say such things, or nothing.
pub(in super::super) fn refused(refusal: TransferError, missing: S3Error) -> S3Error {
    if refusal.class() == Class::Absent {
        return missing;
    }
    let error = S3Error::from(refusal);
    match error.status {
        StatusCode::PRECONDITION_FAILED | StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::NOT_IMPLEMENTED => {
            error
        }
        _ => unknown(&error),
    }
}

/// Keeps a downloaded object here from now on, where a write can be made to overwrite nothing.
fn keep(handling: &Handling<'_>, key: &ObjectKey) {
    let endpoint = handling.endpoint;
    if handling.place.origin.account().holds_conditions() {
        endpoint.mirrors.keep(wanted(handling, key), &endpoint.drain);
    }
}

fn wanted(handling: &Handling<'_>, key: &ObjectKey) -> Wanted {
    Wanted {
        config: handling.endpoint.config.clone(),
        origins: handling.endpoint.origins.clone(),
        bucket: handling.place.bucket.name.clone(),
        key: key.clone(),
    }
}

/// Whether the old place has the object called `key`, and the bucket here has not.
pub(super) async fn is_at_old_place(handling: &Handling<'_>, key: &ObjectKey) -> Result<bool, S3Error> {
    if handling.place.bucket.backfill.is_none() {
        return Ok(false);
    }
    let missing = match Source::new(handling.place.object(key)?).look().await {
        Ok(_) => return Ok(false),
        Err(error) => S3Error::from(error),
    };
    match missing.status {
        StatusCode::NOT_FOUND => {}
        // It is here, and a key of its client's encrypts it.
        StatusCode::BAD_REQUEST => return Ok(false),
        _ => return Err(missing),
    }
    let Some(object) = elsewhere(handling, &handling.place, key, &missing).await? else { return Ok(false) };
    let source = Source::new(object);
    let Err(refusal) = source.look().await else { return Ok(true) };
    let refusal = source.explained(refusal).await;
    let class = refusal.class();
    if class == Class::CustomerKey {
        return Err(unmoved(ENCRYPTED));
    }
    if class == Class::Absent { Ok(false) } else { Err(unknown(&refusal.into())) }
}

/// Makes sure that the object called `key` is here, if the old place has it. It is waited for until `by`.
pub(super) async fn bring(handling: &Handling<'_>, key: &ObjectKey, by: Instant) -> Result<(), S3Error> {
    if !is_at_old_place(handling, key).await? {
        return Ok(());
    }
    if !handling.place.origin.account().holds_conditions() {
        return Err(unmoved(NO_CONDITIONS));
    }
    let endpoint = handling.endpoint;
    endpoint.mirrors.bring(wanted(handling, key), &endpoint.drain, by).await;
    if is_at_old_place(handling, key).await? { Err(under_way()) } else { Ok(()) }
}

const ENCRYPTED: &str = "The object is still where this bucket was before, encrypted with a key of its client's own: only who has \
                         the key can read it there and write it here.";
const NO_CONDITIONS: &str = "The object is still where this bucket was before, and is not copied by itself, since the provider is not \
                             known to hold `If-None-Match: *`: read it and write it here first.";

/// What cannot be brought here by Wharf.
fn unmoved(why: &'static str) -> S3Error {
    S3Error::new(ErrorCode::NotImplemented, why)
}

/// What a caller is told whose request needs an object that takes its time to come.
fn under_way() -> S3Error {
    let message = "The object is still where this bucket was before, and is being copied. Nothing was changed. Try again later.";
    let mut error = S3Error::new(ErrorCode::ServiceUnavailable, message);
    error.fault = Fault::Upstream;
    error
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
