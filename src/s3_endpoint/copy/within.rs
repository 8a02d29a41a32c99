//! A copy within one provider, which does it by itself: the source is written anew in its names.

use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use wharf_wire::{
    encode,
    s3::{CopySource, Operation},
};

use super::{
    super::{
        Content, Place, accept,
        forward::{Handling, Sending},
        reply::{self, upstream_error},
    },
    COPY_SOURCE, metadata, source,
};
use crate::{
    config::checked::Accept,
    error::S3Error,
    transfer::{Range, Source},
};

const SOURCE_IF_MATCH: HeaderName = HeaderName::from_static("x-amz-copy-source-if-match");

/// Has `named`, which is at `place`, copied. `headers` are those of the request that may pass.
pub(super) async fn copy(
    handling: &Handling<'_>,
    place: &Place<'_>,
    named: &CopySource,
    mut headers: HeaderMap,
) -> Result<Response<Content>, S3Error> {
    let target = handling.place.bucket;
    if target.accept != Accept::default() && target.name != place.bucket.name {
        let source = source::of(place.object(&named.key)?, named, &headers);
        check_source(handling, &source, &mut headers).await?;
    }
    headers.insert(COPY_SOURCE, written(place, named)?);
    let intents = handling.intend().await?;
    let (reply, intents) = handling.change_slowly(intents, Sending::without_body(headers)).await?;
    reply::pass_settled(reply, handling.names(), intents).await
}

/// Holds what is copied against what its new bucket takes: what was never held against that, as it came from elsewhere.
async fn check_source(
    handling: &Handling<'_>,
    source: &Source,
    headers: &mut HeaderMap,
) -> Result<(), S3Error> {
    let found = source.look().await?;
    let range = super::range(headers)?;
    accept::check_bytes(&handling.place, range.map_or(found.bytes, Range::bytes))?;
    if handling.operation() == Operation::CopyObject {
        accept::check_object(handling, &metadata::described(headers.clone(), &found.headers)?)?;
    }
    // Another object than the one that was looked at is not copied.
    if let Some(etag) = found.headers.get(header::ETAG) {
        headers.entry(SOURCE_IF_MATCH).or_insert_with(|| etag.clone());
    }
    Ok(())
}

/// `x-amz-copy-source` in the provider's names.
fn written(place: &Place<'_>, named: &CopySource) -> Result<HeaderValue, S3Error> {
    let key = place.provider_key(&named.key)?;
    let mut value = ["/", place.bucket.bucket.as_str(), "/"].concat();
    encode::path(key.as_str(), &mut value);
    if let Some(id) = &named.version_id {
        value.push_str("?versionId=");
        encode::query(id, &mut value);
    }
    HeaderValue::try_from(value).map_err(|error| upstream_error(error.to_string()))
}
