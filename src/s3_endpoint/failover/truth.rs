//! Requests that only the primary answers, about an object that it has already: copies, what is kept beside an object, and
//! writes on a condition. Where the truth about the object is elsewhere, their answer would be about an older one, or none.
//!
//! ```text
//! a mirror took a newer object while the primary was down ──▶ 503, until it is copied back
//! ```

use http::{HeaderMap, HeaderName, header};
use wharf_wire::{
    names::ObjectKey,
    s3::{CopySource, Operation, Parameter},
};

use super::{
    super::{Place, forward::Handling},
    is_mirrored,
};
use crate::error::S3Error;

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
    if !may_be_elsewhere(handling) || !is_about_the_object(handling, headers) {
        return Ok(());
    }
    match handling.key() {
        // On the heap, as it is rare: every request would have to have room for it.
        Some(key) => Box::pin(check_object(handling, key)).await,
        None => Ok(()),
    }
}

/// Whether the truth about some object of the request's bucket may be elsewhere.
pub(in super::super) fn may_be_elsewhere(handling: &Handling<'_>) -> bool {
    !handling.place.bucket.mirrors.is_empty()
}

/// Makes sure that the primary has the newest object called `key`.
pub(in super::super) async fn check_object(handling: &Handling<'_>, key: &ObjectKey) -> Result<(), S3Error> {
    let mirrors = &handling.endpoint.mirrors;
    Ok(mirrors.check_not_behind(handling.place.bucket, key.as_str()).await?)
}

/// The same of the `source` of a copy, which is at `place`.
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
