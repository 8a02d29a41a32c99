//! `CopyObject` and `UploadPartCopy`: the source is in the same bucket, in another one, or at another provider.
//!
//! ```text
//! x-amz-copy-source ── whose bucket? ── right to read? ─┬─ the same provider: it copies by itself ([`within`])
//!                                                       └─ another one: GET there, PUT here, streamed ([`between`])
//! ```
//!
//! The header names a second bucket and key, so it is read once, checked like an address, and written anew.

mod between;
mod metadata;
mod source;
mod within;
mod working;

use std::sync::Arc;

use http::{HeaderMap, HeaderName, Response};
use wharf_wire::s3::{CopySource, ErrorCode, Operation, Right};

use super::{
    Content, Place, accept, failover,
    forward::{Handling, add_defaults},
    mirrored, rights,
};
use crate::{error::S3Error, transfer::Range};

pub(super) use working::Working;

const COPY_SOURCE: HeaderName = HeaderName::from_static("x-amz-copy-source");
const RANGE: HeaderName = HeaderName::from_static("x-amz-copy-source-range");

/// Both operations.
pub(super) async fn copy(handling: &Handling<'_>) -> Result<Response<Content>, S3Error> {
    let endpoint = handling.endpoint;
    let named = named(handling.call.headers)?;
    let place = Place::of_bucket(&endpoint.config, &endpoint.origins, &named.bucket)?;
    rights::check_key(handling.call, &place, Right::Read, named.key.as_str())?;
    let mut headers = handling.headers()?;
    let range = range(&headers)?;
    if handling.operation() == Operation::CopyObject {
        accept::check_key(handling)?;
        if !metadata::keeps_metadata(&headers)? {
            accept::check_object(handling, &headers)?;
        }
        mirrored::check_readable(handling, &headers)?;
        add_defaults(&handling.place, &mut headers)?;
        failover::check(handling, &headers).await?;
    }
    failover::check_source(handling, &place, &named).await?;
    if Arc::ptr_eq(place.origin, handling.place.origin) {
        return within::copy(handling, &place, &named, headers).await;
    }
    endpoint.rate_limits.provider(&place.bucket.provider, 1)?;
    between::copy(handling, source::of(&place, &named, &headers)?, range, headers).await
}

fn range(headers: &HeaderMap) -> Result<Option<Range>, S3Error> {
    let Some(value) = headers.get(RANGE) else { return Ok(None) };
    Range::parse(value.as_bytes()).map(Some).ok_or_else(|| {
        let message = "x-amz-copy-source-range is bytes=first-last, both counted from 0.";
        S3Error::new(ErrorCode::InvalidArgument, message)
    })
}

/// The source that the caller names. A header that came twice was refused with the signature.
fn named(headers: &HeaderMap) -> Result<CopySource, S3Error> {
    let value = headers.get(COPY_SOURCE).map_or(b"".as_slice(), |value| value.as_bytes());
    Ok(CopySource::parse(value)?)
}
