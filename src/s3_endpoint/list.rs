//! Listings: of the configuration's buckets, and of what a bucket holds below its key prefix.

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body_util::Full;
use wharf_wire::{
    date::Timestamp,
    s3::{Operation, Parameter, Parameters},
    xml::{self, rewrite::Asked},
};

use super::{
    Call, Content, Place, S3Endpoint,
    forward::{Handling, Sending},
    reply, rights,
};
use crate::{error::S3Error, request::authorize::may_know};

/// Who owns the buckets, as far as clients can tell.
const OWNER: &str = "wharf";
/// When they were created: the configuration does not say, and clients want a date.
const CREATED: Timestamp = Timestamp::from_unix_millis(0);

/// `ListBuckets`: those of the configuration that the caller may know of. Wharf does not ask the providers, who know them
/// by other names.
pub(super) fn buckets(endpoint: &S3Endpoint, call: &Call<'_>) -> Result<Response<Content>, S3Error> {
    let identity = rights::identity(call)?;
    let parameters = &call.request.parameters;
    let known = endpoint.config.buckets.keys().map(String::as_str).filter(|name| may_know(identity, name));
    let wanted = known.filter(|name| name.starts_with(parameters.prefix()));
    let buckets = wanted.map(|name| (name, CREATED));
    Ok(document(xml::write_buckets(OWNER, buckets)))
}

/// A document of Wharf's own.
pub(super) fn document(text: String) -> Response<Content> {
    let mut response = Response::new(Content::Whole(Full::new(Bytes::from(text))));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

/// `ListObjects`, `ListObjectsV2`, `ListObjectVersions`, `ListMultipartUploads`: the provider lists below the bucket's
/// prefix, and the answer shows what the caller asked.
pub(super) async fn keys(handling: &Handling<'_>) -> Result<Response<Content>, S3Error> {
    let asked = handling.parameters();
    let mut names = handling.names();
    names.keys_are_url_encoded = asked.get(Parameter::EncodingType).is_some();
    names.asked = Asked {
        prefix: asked.prefix().to_owned(),
        marker: text(asked, Parameter::Marker),
        start_after: text(asked, Parameter::StartAfter),
        key_marker: text(asked, Parameter::KeyMarker),
    };
    let parameters = below(&handling.place, handling.operation(), asked)?;
    let headers = handling.headers()?;
    let reply = handling.send_with(&parameters, Sending::without_body(headers)).await?;
    reply::pass_renamed(reply, names).await
}

fn text(parameters: &Parameters, parameter: Parameter) -> String {
    parameters.get(parameter).unwrap_or_default().to_owned()
}

/// The parameters as the provider must read them, so that it looks at keys below the bucket's prefix alone.
fn below(place: &Place<'_>, operation: Operation, asked: &Parameters) -> Result<Parameters, S3Error> {
    let mut parameters = asked.clone();
    if place.bucket.key_prefix.is_empty() {
        return Ok(parameters);
    }
    parameters.set(Parameter::Prefix, place.below_prefix(asked.prefix())?);
    // A token says all of where a listing goes on.
    if asked.get(Parameter::ContinuationToken).is_none() {
        let markers = [Parameter::Marker, Parameter::StartAfter, Parameter::KeyMarker];
        for marker in markers.into_iter().filter(|marker| operation.parameters().contains(marker)) {
            let sent = asked.get(marker).unwrap_or_default();
            if !sent.is_empty() || begins_behind_prefix(operation, asked) {
                parameters.set(marker, place.below_prefix(sent)?);
            }
        }
    }
    Ok(parameters)
}

/// Whether a listing begins behind the bucket's prefix itself: an object of that key would have none here. There are
/// stores that answer a marker outside of the asked prefix with nothing, and that take none for uploads.
fn begins_behind_prefix(operation: Operation, asked: &Parameters) -> bool {
    asked.prefix().is_empty() && operation != Operation::ListMultipartUploads
}
