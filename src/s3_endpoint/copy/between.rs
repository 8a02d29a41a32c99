//! A copy from one provider to another: a [`Transfer`] on behalf of a client, who may have to wait.
//!
//! ```text
//! GET there ── length, headers ─┬─ small: transfer, and a proper status
//!                               └─ larger: 200, white space while the transfer lasts, and what came of it
//! ```

use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use wharf_wire::{
    s3::{ErrorCode, Operation, headers},
    xml,
};

use super::{
    super::{Content, accept, forward::Handling, list},
    metadata,
    working::Working,
};
use crate::{
    error::{Fault, S3Error},
    mirror::Intents,
    transfer::{Opened, Source, Stored, Target, Transfer},
};

const SOURCE_VERSION_ID: HeaderName = HeaderName::from_static("x-amz-copy-source-version-id");
const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");

/// Up to this the client waits for a proper status: no client gives up so soon.
const WAIT_BYTES_MAX: u64 = 8 << 20;

/// Copies what is `opened` of `source` to where the request goes. `headers` are those of the request that may pass.
pub(super) async fn copy(
    handling: &Handling<'_>,
    source: Source,
    opened: Opened,
    headers: HeaderMap,
) -> Result<Response<Content>, S3Error> {
    check_size(handling, &opened)?;
    let target = target(handling, headers, &source, &opened).await?;
    let source_version = opened.headers.get(VERSION_ID).cloned();
    let intents = handling.intend().await?;
    let target = target.while_held(intents.tenure());
    let transfer = Transfer { source, target, drain: handling.endpoint.drain.clone() };
    let mut response = if opened.bytes <= WAIT_BYTES_MAX {
        let is_object = transfer.target.is_object();
        let stored = copied(transfer, opened, intents).await?;
        let mut response = list::document(document(is_object, &stored));
        keep_amz(&mut response, &stored.headers);
        response
    } else {
        working(handling, transfer, opened, intents)
    };
    if let Some(id) = source_version {
        response.headers_mut().insert(SOURCE_VERSION_ID, id);
    }
    Ok(response)
}

/// Before anything is made: the provider takes no more, or the bucket.
fn check_size(handling: &Handling<'_>, opened: &Opened) -> Result<(), S3Error> {
    let place = &handling.place;
    if handling.operation() == Operation::UploadPartCopy {
        return accept::check_bytes(place, opened.bytes);
    }
    let bytes_max = accept::object_bytes_max(place);
    if opened.bytes > bytes_max { Err(accept::too_large(bytes_max)) } else { Ok(()) }
}

async fn target(
    handling: &Handling<'_>,
    headers: HeaderMap,
    source: &Source,
    opened: &Opened,
) -> Result<Target, S3Error> {
    let key = handling.key().ok_or(ErrorCode::InternalError)?;
    let object = handling.place.object(key)?;
    if handling.operation() == Operation::UploadPartCopy {
        return Ok(Target::part(object, headers, handling.parameters()));
    }
    let mut headers = metadata::described(headers, &opened.headers)?;
    accept::check_object(handling, &headers)?;
    metadata::take_tags(&mut headers, source, opened).await?;
    Ok(Target::object(object, headers))
}

/// The answer to a copy that takes its time.
fn working(
    handling: &Handling<'_>,
    transfer: Transfer,
    opened: Opened,
    intents: Intents,
) -> Response<Content> {
    let resource = handling.call.head.uri.path().to_owned();
    let request_id = handling.call.context.request_id.clone();
    let is_object = transfer.target.is_object();
    let work = async move {
        match copied(transfer, opened, intents).await {
            Ok(stored) => document(is_object, &stored),
            Err(error) => {
                note(&error, &request_id);
                error.document(&resource, &request_id)
            }
        }
    };
    let mut response = Response::new(Content::Working(Box::new(Working::new(work))));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

/// Which side failed, and how far the other one came, nobody knows here: then the intents are dropped.
async fn copied(transfer: Transfer, opened: Opened, intents: Intents) -> Result<Stored, S3Error> {
    let stored = transfer.run(opened).await?.stored;
    intents.settle_changed(None).await?;
    Ok(stored)
}

/// Nobody else logs an error below a 200.
fn note(error: &S3Error, request_id: &str) {
    let (code, cause) = (error.name(), error.cause.as_deref());
    match error.fault {
        Fault::Client => tracing::debug!(request_id, code, cause, "a copy was refused"),
        Fault::Gateway | Fault::Upstream => {
            tracing::warn!(request_id, code, cause, "a copy failed: {}", error.message);
        }
    }
}

fn document(is_object: bool, stored: &Stored) -> String {
    if is_object { xml::write_copied(&stored.result) } else { xml::write_copied_part(&stored.result) }
}

/// Version, encryption, expiration: what a provider says of an object that it has made.
fn keep_amz(response: &mut Response<Content>, said: &HeaderMap) {
    let is_told = |name: &str| name.starts_with("x-amz-") && headers::reply(name);
    let said = said.iter().filter(|(name, _)| is_told(name.as_str()));
    response.headers_mut().extend(said.map(|(name, value)| (name.clone(), value.clone())));
}
