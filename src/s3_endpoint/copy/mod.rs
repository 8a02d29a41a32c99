//! `CopyObject` and `UploadPartCopy`: the source is in the same bucket, in another one, or at another provider.
//!
//! ```text
//! x-amz-copy-source ── whose bucket? ── right to read? ─┬─ the same provider: it copies by itself ([`within`])
//!                                                       └─ another one: GET there, PUT here, streamed ([`between`])
//!                                    not there yet: GET where its bucket was before, PUT here
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
const CUSTOMER_ALGORITHM: HeaderName =
    HeaderName::from_static("x-amz-copy-source-server-side-encryption-customer-algorithm");
const OWNER: HeaderName = HeaderName::from_static("x-amz-source-expected-bucket-owner");
const RANGE: HeaderName = HeaderName::from_static("x-amz-copy-source-range");
const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");

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
    let asked = Asked { named, range, headers };
    match at_place(handling, &place, &asked).await {
        Err(missing) if missing.code == ErrorCode::NoSuchKey && place.bucket.backfill.is_some() => {
            at_old_place(handling, &place, asked, missing).await
        }
        reply => reply,
    }
}

/// What is to be copied.
struct Asked {
    named: CopySource,
    range: Option<Range>,
    /// Those of the request that may pass.
    headers: HeaderMap,
}

/// Copies a source that is at `place`.
async fn at_place(
    handling: &Handling<'_>,
    place: &Place<'_>,
    Asked { named, range, headers }: &Asked,
) -> Result<Response<Content>, S3Error> {
    if Arc::ptr_eq(place.origin, handling.place.origin) {
        return within::copy(handling, place, named, headers.clone()).await;
    }
    handling.endpoint.rate_limits.provider(&place.bucket.provider, 1)?;
    let source = source::of(place.object(&named.key)?, named, headers);
    let opened = source.open(*range).await?;
    between::copy(handling, source, opened, headers.clone()).await
}

/// Copies a source that is `missing` at `place`, and may still be where its bucket was before. There it has no version that a
/// caller could know, and none that a client's key encrypts; and it is in another account, whose owner nobody named.
async fn at_old_place(
    handling: &Handling<'_>,
    place: &Place<'_>,
    Asked { named, range, mut headers }: Asked,
    missing: S3Error,
) -> Result<Response<Content>, S3Error> {
    if named.version_id.is_some() || headers.contains_key(CUSTOMER_ALGORITHM) {
        return Err(missing);
    }
    let Some(object) = failover::elsewhere(handling, place, &named.key, &missing).await? else {
        return Err(missing);
    };
    headers.remove(OWNER);
    let source = source::of(object, &named, &headers);
    let opened = source.open(range).await;
    let mut opened = opened.map_err(|error| failover::refused_elsewhere(error, missing))?;
    opened.headers.remove(VERSION_ID);
    handling.endpoint.mirrors.metrics().backfill(&place.bucket.name, "served");
    between::copy(handling, source, opened, headers).await
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
