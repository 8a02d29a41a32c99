//! `{provider}/multipart/abort`: the upload and its parts are forgotten.

use futures_util::{FutureExt, future::BoxFuture};
use schemars::JsonSchema;
use serde::Serialize;

use crate::upload_api::{
    Answer, Request,
    body::Text,
    reply::{self, Performance},
};

/// Bytes of a usual reply, so that its buffer grows once.
const REPLY_BYTES: usize = 1024;

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::upload_api) struct Reply<'a> {
    success: bool,
    provider: &'static str,
    message: &'static str,
    upload_id: &'a str,
    key: &'a str,
    object_key: &'a str,
    performance: Performance<'a>,
}

/// Answers the route.
pub(in crate::upload_api) fn handle<'r>(request: &'r Request<'r>) -> BoxFuture<'r, Answer> {
    answer(request).boxed()
}

async fn answer(request: &Request<'_>) -> Answer {
    let upload = request.upload()?;
    request.multipart().abort(&upload).await?;
    let key = upload.key.as_str();
    let reply = Reply {
        success: true,
        provider: request.target.profile().kind,
        message: "The upload was aborted, and its parts are gone.",
        upload_id: request.body.multipart.upload_id.as_ref().map_or("", Text::as_str),
        key,
        object_key: key,
        performance: request.performance(),
    };
    reply::ok(&reply, REPLY_BYTES)
}
