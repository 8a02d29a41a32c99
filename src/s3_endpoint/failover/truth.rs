//! Requests that only the primary answers, about an object that it has already: copies, what is kept beside an object, and
//! writes on a condition. Where the truth about the object is elsewhere, their answer would be about an older one, or none.
//!
//! ```text
//! a mirror took a newer object while the primary was down ──▶ 503, until it is copied back
//! it is still where its bucket was before                  ──▶ it is brought here
//! ```

use http::{HeaderMap, HeaderName, header};
use tokio::time::Instant;
use wharf_wire::{
    names::ObjectKey,
    s3::{CopySource, ErrorCode, Operation, Parameter},
};

use super::{
    super::{Place, forward::Handling},
    backfill, is_mirrored,
};
use crate::{error::S3Error, mirror::backfill::patience_ends};

/// What a change may be on the condition of.
const CONDITIONS: [HeaderName; 4] = [
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    HeaderName::from_static("x-amz-if-match-last-modified-time"),
    HeaderName::from_static("x-amz-if-match-size"),
];

/// Makes sure that the primary's object is the true one, if the request is about that. `headers` are those of the request that
/// may pass.
pub(in super::super) async fn check(handling: &Handling<'_>, headers: &HeaderMap) -> Result<(), S3Error> {
    if !handling.place.bucket.may_be_elsewhere() || !is_about_the_object(handling, headers) {
        return Ok(());
    }
    match handling.key() {
        // On the heap, as it is rare: every request would have to have room for it.
        Some(key) => Box::pin(check_with(handling, key, headers)).await,
        None => Ok(()),
    }
}

async fn check_with(handling: &Handling<'_>, key: &ObjectKey, headers: &HeaderMap) -> Result<(), S3Error> {
    let is_read = matches!(handling.operation(), Operation::GetObject | Operation::HeadObject);
    if is_read_elsewhere(handling.operation()) && is_mirrored(handling, headers) {
        return check_not_behind(handling, key).await;
    }
    if is_read || !wants_none(headers) {
        return check_object(handling, key, patience_ends()).await;
    }
    check_not_behind(handling, key).await?;
    // Nothing has to be brought for that.
    if backfill::is_at_old_place(handling, key).await? {
        return Err(ErrorCode::PreconditionFailed.into());
    }
    Ok(())
}

/// Whether a request is to be done only where there is no object.
fn wants_none(headers: &HeaderMap) -> bool {
    let mut others = CONDITIONS.into_iter().filter(|name| *name != header::IF_NONE_MATCH);
    headers.get(header::IF_NONE_MATCH).is_some_and(|etag| etag == "*")
        && !others.any(|name| headers.contains_key(name))
}

/// Makes sure that the primary has the newest object called `key`. What has to come from elsewhere is waited for until `by`.
pub(in super::super) async fn check_object(
    handling: &Handling<'_>,
    key: &ObjectKey,
    by: Instant,
) -> Result<(), S3Error> {
    check_not_behind(handling, key).await?;
    backfill::bring(handling, key, by).await
}

async fn check_not_behind(handling: &Handling<'_>, key: &ObjectKey) -> Result<(), S3Error> {
    let mirrors = &handling.endpoint.mirrors;
    Ok(mirrors.check_not_behind(handling.place.bucket, key.as_str()).await?)
}

/// Makes sure that no mirror has a newer `source` of a copy than its primary, which is at `place`.
pub(in super::super) async fn check_source(
    handling: &Handling<'_>,
    place: &Place<'_>,
    source: &CopySource,
) -> Result<(), S3Error> {
    if source.version_id.is_some() {
        return Ok(());
    }
    Ok(handling.endpoint.mirrors.check_not_behind(place.bucket, source.key.as_str()).await?)
}

/// Whether a request depends on the object that is there now. Versions have names of the primary's own.
fn is_about_the_object(handling: &Handling<'_>, headers: &HeaderMap) -> bool {
    let operation = handling.operation();
    if handling.parameters().get(Parameter::VersionId).is_some() {
        return false;
    }
    if matches!(operation, Operation::GetObject | Operation::HeadObject) {
        // The others are read where they are.
        return !is_mirrored(handling, headers);
    }
    is_of_what_is_kept_beside(operation) || CONDITIONS.iter().any(|name| headers.contains_key(name))
}

/// Whether what an operation reads moves along with an object, and so can be read where that is.
pub(in super::super) fn is_read_elsewhere(operation: Operation) -> bool {
    matches!(operation, Operation::GetObjectAttributes | Operation::GetObjectTagging)
}

fn is_of_what_is_kept_beside(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::GetObjectAttributes
            | Operation::GetObjectTagging
            | Operation::PutObjectTagging
            | Operation::DeleteObjectTagging
            | Operation::GetObjectAcl
            | Operation::PutObjectAcl
            | Operation::GetObjectRetention
            | Operation::PutObjectRetention
            | Operation::GetObjectLegalHold
            | Operation::PutObjectLegalHold
            | Operation::RestoreObject
    )
}
