//! `delete`: one object, or one version of it.

use std::iter;

use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName};
use schemars::JsonSchema;
use serde::Serialize;
use wharf_wire::s3::Operation;

use super::{look::look, named::Named};
use crate::{
    config::checked::{Action, BucketConfig},
    error::{Code, Error},
    mirror::state::Change,
    transfer::Sending,
    upload_api::{
        Answer, Request,
        remote::Remote,
        reply::{self, Performance},
    },
};

const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");
const DELETE_MARKER: HeaderName = HeaderName::from_static("x-amz-delete-marker");

/// Bytes of a usual reply, so that its buffer grows once.
const REPLY_BYTES: usize = 512;

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::upload_api) struct Reply<'a> {
    success: bool,
    provider: &'static str,
    region: &'a str,
    /// The key.
    deleted: &'a str,
    deleted_at: &'a str,
    version_id: Option<&'a str>,
    delete_marker: bool,
    data: Data<'a>,
    performance: Performance<'a>,
}

/// The same, where other clients look for it.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    file_key: &'a str,
    bucket: &'a str,
    deleted_at: &'a str,
}

/// Answers the route.
pub(in crate::upload_api) fn handle<'r>(request: &'r Request<'r>) -> BoxFuture<'r, Answer> {
    Box::pin(async move {
        let named = Named::of(request, Action::Delete)?;
        let headers = delete(request, &named).await?;
        let deleted_at = request.call.context.received.rfc3339();
        let (key, target) = (named.key, request.target);
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let reply = Reply {
            success: true,
            provider: target.profile().kind,
            region: target.account.region().as_str(),
            deleted: key,
            deleted_at: &deleted_at,
            version_id: text(VERSION_ID),
            delete_marker: text(DELETE_MARKER) == Some("true"),
            data: Data { file_key: key, bucket: target.bucket_name(), deleted_at: &deleted_at },
            performance: request.performance(),
        };
        reply::ok(&reply, REPLY_BYTES)
    })
}

/// Deletes the object; the headers of the provider's reply. S3 deletes what is not there with success, so it is looked for
/// first. What is missing here may still be at a mirror, or where the bucket was before: there the delete takes its way all the same.
async fn delete(request: &Request<'_>, named: &Named<'_>) -> Result<HeaderMap, Error> {
    let remote = request.remote()?;
    let missing = missing(request, &remote, named).await?;
    if let Some(missing) = &missing
        && !request.target.configured.is_some_and(BucketConfig::may_be_elsewhere)
    {
        return Err(missing.clone());
    }
    let intents = request.intend(iter::once(named.key), Change::Delete).await?;
    let question = named.question(Operation::DeleteObject, Sending::without_body(HeaderMap::new()));
    let (reply, intents) = remote.change(intents, question).await;
    let reply = reply.map_err(|error| named.refused(error))?;
    intents.settle_changed(None).await?;
    match missing {
        Some(missing) => Err(missing),
        None => Ok(reply.into_parts().0.headers),
    }
}

/// That the object is not there, if that is known. Whoever may delete need not be able to read; and who names a version has
/// seen it, or names a delete marker, of which `HEAD` knows nothing.
async fn missing(request: &Request<'_>, remote: &Remote, named: &Named<'_>) -> Result<Option<Error>, Error> {
    if named.has_version() {
        return Ok(None);
    }
    match look(remote, named, HeaderMap::new()).await.map_err(|error| named.refused(error)) {
        Ok(_) => Ok(None),
        Err(error) if error.code == Code::FileNotFound => {
            let is_known = named.check_not_behind(request).await.is_ok();
            Ok(is_known.then_some(error))
        }
        Err(error) if error.code == Code::AccessDenied => Ok(None),
        Err(error) => Err(error),
    }
}
