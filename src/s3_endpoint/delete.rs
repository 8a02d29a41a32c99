//! `DeleteObjects`: many keys in one request, and an answer for each.
//!
//! ```text
//! Delete ── right for each key? ── the provider's keys, in batches that it takes ── results merged, in the caller's keys
//!               └─ no: an error among the results, as S3 does
//! ```

use bytes::Bytes;
use http::{HeaderMap, Response};
use hyper::body::Incoming;
use wharf_wire::{
    s3::{ErrorCode, Right},
    xml::{self, DOCUMENT_BYTES_MAX, Delete, DeleteError, DeleteResult, ObjectToDelete, XmlError},
};

use super::{
    Content, body, failover,
    forward::{Handling, Sending},
    list, reply, rights,
};
use crate::{
    error::{S3Error, provider_message},
    mirror::{Intents, backfill::patience_ends, state::Outcome},
    request::authorize::may_know,
};

/// Deletes what the caller may delete. Fails as a whole only when nothing was deleted because the provider refused.
pub(super) async fn objects(
    handling: &Handling<'_>,
    incoming: Incoming,
) -> Result<Response<Content>, S3Error> {
    // Whoever may do nothing here need not be listened to.
    if !may_know(rights::identity(handling.call)?, &handling.place.bucket.name) {
        return Err(ErrorCode::AccessDenied.into());
    }
    let headers = handling.headers()?;
    let document = body::document(handling, incoming).await?;
    let Delete { objects, quiet } = xml::read_delete(&document).map_err(malformed)?;
    let (mut allowed, mut errors) = sort(handling, objects);
    hold_back(handling, &mut allowed, &mut errors).await;
    let mut result = DeleteResult { deleted: Vec::new(), errors };
    let mut intents = handling.intend_all(allowed.iter().map(|object| object.key.as_str())).await?;
    let batch_max = handling.place.origin.account().profile().limits.delete_batch_max;
    for (index, objects) in allowed.chunks(batch_max).enumerate() {
        let batch = Batch { objects, quiet, intents: intents.take_first(objects.len()) };
        match send(handling, headers.clone(), batch).await {
            Ok(part) => {
                result.deleted.extend(part.deleted);
                result.errors.extend(part.errors);
            }
            Err(error) if index == 0 => {
                // The other batches were never sent.
                intents.settle(Outcome::Unchanged);
                return Err(error);
            }
            Err(error) => {
                tracing::warn!(cause = error.cause, "a later batch of keys was not deleted: {error}");
                result.errors.extend(objects.iter().map(|object| refused(object, &error)));
            }
        }
    }
    if quiet {
        result.deleted.clear();
    }
    Ok(list::document(xml::write_delete_result(&result)))
}

fn malformed(error: XmlError) -> S3Error {
    S3Error::new(ErrorCode::MalformedXML, format!("The body is {error}."))
}

/// The objects that may be deleted, and an error for each of the others.
fn sort(handling: &Handling<'_>, objects: Vec<ObjectToDelete>) -> (Vec<ObjectToDelete>, Vec<DeleteError>) {
    let (mut allowed, mut errors) = (Vec::with_capacity(objects.len()), Vec::new());
    for object in objects {
        match check(handling, &object) {
            Ok(()) => allowed.push(object),
            Err(error) => errors.push(refused(&object, &error)),
        }
    }
    (allowed, errors)
}

/// Takes out those whose conditions the provider would judge by an object that is not the true one. However many have to come
/// from elsewhere, the client waits no longer than for one.
async fn hold_back(
    handling: &Handling<'_>,
    allowed: &mut Vec<ObjectToDelete>,
    errors: &mut Vec<DeleteError>,
) {
    if !handling.place.bucket.may_be_elsewhere() || !allowed.iter().any(has_conditions) {
        return;
    }
    let by = patience_ends();
    for object in std::mem::take(allowed) {
        let checked = if has_conditions(&object) {
            failover::check_object(handling, &object.key, by).await
        } else {
            Ok(())
        };
        match checked {
            Ok(()) => allowed.push(object),
            Err(error) => errors.push(refused(&object, &error)),
        }
    }
}

fn has_conditions(object: &ObjectToDelete) -> bool {
    let conditions = [&object.etag, &object.last_modified_time, &object.size];
    object.version_id.is_none() && conditions.into_iter().any(Option::is_some)
}

fn check(handling: &Handling<'_>, object: &ObjectToDelete) -> Result<(), S3Error> {
    rights::check_key(handling.call, &handling.place, Right::Delete, object.key.as_str())?;
    handling.place.provider_key(&object.key).map(drop)
}

fn refused(object: &ObjectToDelete, error: &S3Error) -> DeleteError {
    DeleteError {
        key: object.key.as_str().to_owned(),
        version_id: object.version_id.clone(),
        code: error.name().to_owned(),
        message: error.message.clone().into_owned(),
    }
}

/// Objects of one request to the provider.
struct Batch<'a> {
    objects: &'a [ObjectToDelete],
    quiet: bool,
    intents: Intents,
}

/// Has one batch deleted. The result has the caller's keys.
async fn send(
    handling: &Handling<'_>,
    headers: HeaderMap,
    batch: Batch<'_>,
) -> Result<DeleteResult, S3Error> {
    let Batch { objects, quiet, intents } = batch;
    let prefix = &handling.place.bucket.key_prefix;
    let document = Bytes::from(xml::write_delete(objects, prefix, quiet));
    let (reply, intents) = handling.change_slowly(intents, Sending::document(headers, document)).await?;
    let reply = reply::succeeded(reply).await?;
    let answer = reply.into_body().read(DOCUMENT_BYTES_MAX).await?;
    let mut result = xml::read_delete_result(&answer).map_err(|error| reply::no_result(&answer, error))?;
    let deleted = result.deleted.iter_mut().map(|deleted| &mut deleted.key);
    for key in deleted.chain(result.errors.iter_mut().map(|error| &mut error.key)) {
        let own = key
            .strip_prefix(prefix.as_str())
            .ok_or_else(|| reply::upstream_error("the answer names a key of others"))?;
        *key = own.to_owned();
    }
    intents.settle_deleted(objects, &result.errors).await?;
    for error in &mut result.errors {
        let message = std::mem::replace(&mut error.message, provider_message(&error.code).to_owned());
        tracing::debug!(code = error.code, cause = message, "a key was not deleted");
    }
    Ok(result)
}
