//! An object of a bucket that moves here, and that is still where its bucket was before.

use http::{HeaderMap, HeaderName};

use super::named::{Named, is_delete_marker};
use crate::{
    error::{Code, Error},
    mirror::backfill::at_old_place,
    transfer::{Class, Object, Source, TransferError},
    upload_api::Request,
};

/// Names of the old place's own.
const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");

/// What the old place says of an object that is `missing` here; `asked` goes along. Where it does not answer, nobody knows
/// whether there is such an object.
pub(super) async fn look(
    request: &Request<'_>,
    named: &Named<'_>,
    asked: HeaderMap,
    missing: TransferError,
) -> Result<HeaderMap, Error> {
    let Some(object) = elsewhere(request, named, &missing).await? else {
        return Err(named.refused(missing));
    };
    let source = Source::new(object).with(asked);
    let refusal = match source.look().await {
        Ok(mut found) => {
            found.headers.remove(VERSION_ID);
            return Ok(found.headers);
        }
        Err(refusal) => source.explained(refusal).await,
    };
    if refusal.class() == Class::Absent {
        return Err(named.refused(missing));
    }
    let message = "The object is not here yet, and the provider that this bucket moves from fails.";
    Err(Error::new(Code::UpstreamBusy, message).cause(refusal.to_string()))
}

/// The object at the old place, if it can be there.
async fn elsewhere(
    request: &Request<'_>,
    named: &Named<'_>,
    missing: &TransferError,
) -> Result<Option<Object>, Error> {
    let Some(bucket) = request.target.configured else { return Ok(None) };
    let Some(old) = &bucket.backfill else { return Ok(None) };
    let is_missing = missing.code() == Some("NoSuchKey") && !named.has_version();
    let parts = request.parts;
    if !is_missing
        || is_delete_marker(missing)
        || !parts.mirrors.may_be_at_old_place(&bucket.name, named.key).await?
    {
        return Ok(None);
    }
    parts.rate_limits.provider(&old.provider, 1)?;
    Ok(at_old_place(old, &parts.origins, named.key))
}
