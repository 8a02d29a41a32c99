//! `{provider}/multipart/complete`: the parts become an object.

use futures_util::{FutureExt, future::BoxFuture};
use schemars::JsonSchema;
use serde::Serialize;

use super::PartList;
use crate::{
    error::{Code, Error},
    upload_api::{
        Answer, Request,
        body::{Number, Part, Parts, Text},
        reply::{self, Hints, Performance, Plain},
    },
};

/// Bytes of a usual reply, so that its buffer grows once.
const REPLY_BYTES: usize = 1024;

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::upload_api) struct Reply<'a> {
    success: bool,
    provider: &'static str,
    location: Plain<&'a str>,
    bucket: &'a str,
    key: &'a str,
    object_key: &'a str,
    etag: &'a str,
    public_url: Plain<&'a str>,
    cdn_url: Option<Plain<String>>,
    hint: Hints,
    performance: Performance<'a>,
}

/// Answers the route.
pub(in crate::upload_api) fn handle<'r>(request: &'r Request<'r>) -> BoxFuture<'r, Answer> {
    answer(request).boxed()
}

async fn answer(request: &Request<'_>) -> Answer {
    let Request { target, body, .. } = request;
    let upload = request.upload()?;
    let list = listed(body.multipart.parts).await?;
    let cdn = target.cdn_domain(body.cdn_domain.as_ref())?;
    let completed = request.multipart().complete(&upload, &list).await?;
    let key = upload.key.as_str();
    let reply = Reply {
        success: true,
        provider: target.profile().kind,
        location: Plain(&completed.location),
        bucket: target.bucket_name(),
        key,
        object_key: key,
        etag: &completed.etag,
        public_url: Plain(&completed.location),
        cdn_url: cdn.map(|domain| Plain(domain.url(&upload.object))),
        hint: Hints::default().private(target.is_private()),
        performance: request.performance(),
    };
    reply::ok(&reply, REPLY_BYTES)
}

/// The body's list of parts.
async fn listed(parts: Option<Parts<'_>>) -> Result<PartList, Error> {
    let parts = parts.ok_or_else(|| Error::new(Code::MissingFields, "Missing: `parts`."))?;
    PartList::read(parts.entries().enumerate().map(|(index, part)| entry(index, part.ok()))).await
}

fn entry(index: usize, part: Option<Part<'_>>) -> Result<(u64, Text<'_>), Error> {
    part.and_then(|part| part.number.and_then(Number::whole).zip(part.etag)).ok_or_else(|| {
        let message = format!("`parts[{index}]` must have a number in `partNumber` and text in `etag`.");
        Error::new(Code::InvalidPartsFormat, message)
    })
}
