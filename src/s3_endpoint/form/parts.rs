//! A file of which nobody knows how long it is, or that is too long for one request.
//!
//! ```text
//! up to one part: held, and stored in one request
//! longer:         a multipart upload, part by part ── the form's end, proven ── intent ── complete
//!                     └─ a client that leaves, a form or a file that is not as it should be: abort
//! ```

use http::{HeaderMap, HeaderName, header};

use wharf_wire::s3::{ErrorCode, Operation};

use super::super::{
    body::{FilePart, FileParts},
    failover,
    forward::{Handling, Sending},
    mirrored::check_readable_by_workers,
    multipart::drop_checksums,
    reply, usage,
};
use crate::{
    backend::{Payload, upstream::SendBody},
    error::S3Error,
    mirror::tee::quoted,
    transfer::{Stored, Target, Upload},
};

const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// Stores `file` as an object that has `headers`. Gives what the provider says of it.
pub(super) async fn store(
    handling: &Handling<'_>,
    headers: HeaderMap,
    mut file: FileParts<'_>,
) -> Result<HeaderMap, S3Error> {
    // Mirrors are told of it when it is there: nothing of it is sent to them at the same time.
    check_readable_by_workers(handling.place.bucket, &headers)?;
    let first = file.next().await?;
    if first.is_last {
        let bytes = first.bytes.len() as u64;
        let sending = Sending { headers, payload: Payload::Unsigned, body: SendBody::from(first.bytes) };
        let intents = handling.intend().await?;
        let reply = failover::put(handling, intents, sending).await?;
        usage::count_bytes(handling, Operation::PostObject, bytes);
        return Ok(reply.into_parts().0.headers);
    }
    let target = target(handling, headers)?;
    let upload = Upload::begin(&target, &handling.endpoint.drain).await?;
    let (etags, bytes) = send(&upload, first, file).await?;
    let parts: Vec<_> = (1..).zip(etags.iter().map(String::as_str)).collect();
    let intents = handling.intend().await?;
    let Stored { result, mut headers } = upload.complete(&parts).await?;
    let etag = quoted(&result.etag);
    intents.settle_changed(Some(etag.clone())).await?;
    usage::count_bytes(handling, Operation::PostObject, bytes);
    reply::keep_allowed(&mut headers);
    headers.extend(etag.parse().ok().map(|etag| (header::ETAG, etag)));
    Ok(headers)
}

/// The object to be. Digests of the whole say nothing of a part: they are held against the file here.
fn target(handling: &Handling<'_>, mut headers: HeaderMap) -> Result<Target, S3Error> {
    drop_checksums(&mut headers);
    headers.remove(CONTENT_MD5);
    let key = handling.key().ok_or(ErrorCode::InternalError)?;
    let target = Target::object(handling.place.object(key)?, headers);
    Ok(target.while_held(handling.endpoint.mirrors.tenure_of(handling.place.bucket)))
}

/// Sends `first` and all that follows. Gives the parts' `ETag`s, and how many bytes they have together.
async fn send(
    upload: &Upload<'_>,
    first: FilePart,
    mut file: FileParts<'_>,
) -> Result<(Vec<String>, u64), S3Error> {
    let (mut part, mut etags, mut bytes) = (first, Vec::new(), 0_u64);
    for number in 1.. {
        let is_last = part.is_last;
        bytes = bytes.saturating_add(part.bytes.len() as u64);
        if !part.bytes.is_empty() {
            etags.push(upload.store(number, SendBody::from(part.bytes)).await?);
        }
        if is_last {
            break;
        }
        part = file.next().await?;
    }
    Ok((etags, bytes))
}
