//! A copy from one provider to another: what the one sends, the other gets, and nothing of it is kept here.
//!
//! ```text
//! GET there ── length, headers ─┬─ small: PUT here, and a proper status
//!                               ├─ larger: 200, white space; PUT here
//!                               └─ large: 200, white space; parts, each read by its range if the source is unchanged
//! ```

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use tokio::time::sleep;
use wharf_wire::{
    s3::{ErrorCode, Operation},
    xml,
};

use super::{
    super::{Content, accept, forward::Handling, list, reply::upstream_error},
    body::{Copied, Digest},
    metadata,
    object::Object,
    plan::{self, Range},
    source::{Opened, Source},
    target::{Stored, Target, Upload},
    working::Working,
};
use crate::{
    error::{Fault, S3Error},
    request::accept::file_bytes_max,
    server::Drain,
};

const SOURCE_VERSION_ID: HeaderName = HeaderName::from_static("x-amz-copy-source-version-id");
const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");

const MIB: u64 = 1 << 20;
/// Up to this the client waits for a proper status: no client gives up so soon.
const WAIT_BYTES_MAX: u64 = 8 * MIB;
/// Up to this an object is written in one request, and keeps an `ETag` that is its MD5 where it was one. More is written
/// in parts, so that what breaks off does not begin again with the first byte.
const PUT_BYTES_MAX: u64 = 64 * MIB;

/// A part of many fails now and then, and the others should not be for nothing.
const PART_TRIES_MAX: u32 = 3;
/// Before the second try; twice that before the third.
const PART_PAUSE: Duration = Duration::from_secs(1);

/// Copies `range` of `source`, or all of it, to where the request goes. `headers` are those of the request that may pass.
pub(super) async fn copy(
    handling: &Handling<'_>,
    source: Source,
    range: Option<Range>,
    headers: HeaderMap,
) -> Result<Response<Content>, S3Error> {
    let opened = source.open(range).await?;
    check_size(handling, &opened)?;
    let target = target(handling, headers, &source, &opened).await?;
    let source_version = opened.headers.get(VERSION_ID).cloned();
    let job = Job { source, target, drain: handling.endpoint.drain.clone() };
    let mut response = if opened.bytes <= WAIT_BYTES_MAX {
        let is_object = job.target.is_object();
        let stored = job.run(opened).await?;
        let mut response = list::document(document(is_object, &stored));
        keep_amz(&mut response, &stored.headers);
        response
    } else {
        working(handling, job, opened)
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
    let object_bytes_max = place.origin.account().profile().limits.object_bytes_max;
    let bytes_max = file_bytes_max(object_bytes_max, Some(&place.bucket.accept));
    if opened.bytes <= bytes_max {
        return Ok(());
    }
    let message = format!("This bucket takes objects of at most {bytes_max} bytes.");
    Err(S3Error::new(ErrorCode::EntityTooLarge, message))
}

async fn target(
    handling: &Handling<'_>,
    headers: HeaderMap,
    source: &Source,
    opened: &Opened,
) -> Result<Target, S3Error> {
    let key = handling.key().ok_or(ErrorCode::InternalError)?;
    let object = Object::at(&handling.place, key)?;
    if handling.operation() == Operation::UploadPartCopy {
        return Ok(Target::part(object, headers, handling.parameters()));
    }
    let mut headers = metadata::described(headers, &opened.headers)?;
    accept::check_object(handling, &headers)?;
    metadata::take_tags(&mut headers, source, opened).await?;
    Ok(Target::object(object, headers))
}

/// The answer to a copy that takes its time.
fn working(handling: &Handling<'_>, job: Job, opened: Opened) -> Response<Content> {
    let resource = handling.call.head.uri.path().to_owned();
    let request_id = handling.call.context.request_id.clone();
    let is_object = job.target.is_object();
    let work = async move {
        match job.run(opened).await {
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
    let said = said.iter().filter(|(name, _)| name.as_str().starts_with("x-amz-"));
    response.headers_mut().extend(said.map(|(name, value)| (name.clone(), value.clone())));
}

/// Everything that a copy needs, for as long as it takes.
struct Job {
    source: Source,
    target: Target,
    drain: Drain,
}

impl Job {
    /// Copies what was opened.
    async fn run(self, opened: Opened) -> Result<Stored, S3Error> {
        if self.target.is_object() && opened.bytes > PUT_BYTES_MAX {
            return self.in_parts(opened).await;
        }
        let digest = Digest::of(&opened);
        let (body, _) = Copied::body(opened, digest, true)?;
        self.target.store(body).await
    }

    async fn in_parts(&self, opened: Opened) -> Result<Stored, S3Error> {
        let mut digest = Digest::of(&opened);
        let Opened { bytes, headers, body, .. } = opened;
        // Frees its connection: each part has one of its own.
        drop(body);
        let etag = headers.get(header::ETAG).ok_or_else(|| upstream_error("the source has no ETag"))?;
        let upload = self.target.begin(&self.drain).await?;
        let ranges: Vec<Range> = plan::parts(bytes).collect();
        let mut parts = Vec::with_capacity(ranges.len());
        for (number, range) in (1..).zip(&ranges) {
            let part = Part { number, range: *range, etag, is_last: usize::from(number) == ranges.len() };
            let stored;
            (stored, digest) = self.part(&upload, part, &digest).await?;
            parts.push((number, stored));
        }
        upload.complete(&parts).await
    }

    /// Copies one part, again where that can help. Gives its `ETag`, and the digest behind it.
    async fn part(
        &self,
        upload: &Upload<'_>,
        part: Part<'_>,
        digest: &Digest,
    ) -> Result<(String, Digest), S3Error> {
        let mut tries = 1;
        loop {
            match self.part_once(upload, part, digest.clone()).await {
                Err(error) if error.fault == Fault::Upstream && tries < PART_TRIES_MAX => {
                    tracing::debug!(part = part.number, cause = error.cause, "copied again after {error}");
                    sleep(PART_PAUSE * tries).await;
                    tries += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn part_once(
        &self,
        upload: &Upload<'_>,
        part: Part<'_>,
        digest: Digest,
    ) -> Result<(String, Digest), S3Error> {
        let opened = self.source.reopen(part.range, part.etag).await?;
        let (body, behind) = Copied::body(opened, digest, part.is_last)?;
        let etag = upload.store(part.number, body).await?;
        let digest = behind.await.map_err(|_| upstream_error("a part was taken before it was sent"))?;
        Ok((etag, digest))
    }
}

/// One of the parts of a copy.
#[derive(Debug, Clone, Copy)]
struct Part<'a> {
    number: u16,
    range: Range,
    /// The source's.
    etag: &'a HeaderValue,
    is_last: bool,
}
