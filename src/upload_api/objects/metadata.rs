//! `metadata`: what the provider says of one object.

use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Serialize;

use super::{description::Description, look::look, moved, named::Named};
use crate::{
    config::checked::Action,
    error::{Code, Error},
    transfer::TransferError,
    upload_api::{
        Answer, Request,
        reply::{self, Performance},
    },
};

const CHECKSUM_MODE: HeaderName = HeaderName::from_static("x-amz-checksum-mode");
const ENABLED: HeaderValue = HeaderValue::from_static("ENABLED");

/// Bytes of a usual reply, so that its buffer grows once.
const REPLY_BYTES: usize = 1024;

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::upload_api) struct Reply<'a> {
    success: bool,
    provider: &'static str,
    region: &'a str,
    metadata: Description<'a>,
    performance: Performance<'a>,
}

/// Answers the route.
pub(in crate::upload_api) fn handle<'r>(request: &'r Request<'r>) -> BoxFuture<'r, Answer> {
    Box::pin(async move {
        let named = Named::of(request, Action::Read)?;
        let headers = headers_anywhere(request, &named).await?;
        let reply = Reply {
            success: true,
            provider: request.target.profile().kind,
            region: request.target.account.region().as_str(),
            metadata: describe(&named, &headers)?,
            performance: request.performance(),
        };
        reply::ok(&reply, REPLY_BYTES)
    })
}

/// Asks for everything that a description has, wherever the object is.
async fn headers_anywhere(request: &Request<'_>, named: &Named<'_>) -> Result<HeaderMap, Error> {
    match headers_here(request, named).await? {
        Ok(headers) => Ok(headers),
        Err(refusal) => moved::look(request, named, asked(), refusal).await,
    }
}

/// The same of an object that can only be here.
pub(super) async fn headers(request: &Request<'_>, named: &Named<'_>) -> Result<HeaderMap, Error> {
    headers_here(request, named).await?.map_err(|error| named.refused(error))
}

async fn headers_here(
    request: &Request<'_>,
    named: &Named<'_>,
) -> Result<Result<HeaderMap, TransferError>, Error> {
    named.check_not_behind(request).await?;
    Ok(look(&request.remote()?, named, asked()).await)
}

fn asked() -> HeaderMap {
    HeaderMap::from_iter([(CHECKSUM_MODE, ENABLED)])
}

/// What `headers` say of the object.
pub(super) fn describe<'a>(named: &Named<'a>, headers: &'a HeaderMap) -> Result<Description<'a>, Error> {
    Description::new(named.key, headers)
        .ok_or_else(|| Error::new(Code::UpstreamError, "The provider does not say how long the object is."))
}
