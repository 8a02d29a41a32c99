//! `{provider}/multipart/initiate`: an upload begins, with a URL for each of its parts.

use futures_util::{FutureExt, future::BoxFuture};
use schemars::JsonSchema;
use serde::Serialize;

use super::{NewUpload, Plan, plan::PlanError, urls};
use crate::{
    error::{Code, Error},
    upload_api::{
        Answer, Request,
        body::Number,
        expiry,
        reply::{Hints, LongReply, Performance, Plain},
        storage::EncryptionReply,
        upload::Uploads,
    },
};

/// Bytes of a reply beside the URLs, so that its buffer grows once.
const REPLY_BYTES: usize = 2560;

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::upload_api) struct Reply<'a> {
    success: bool,
    provider: &'static str,
    upload_id: &'a str,
    key: &'a str,
    object_key: &'a str,
    part_size: u64,
    part_count: u16,
    public_url: Plain<String>,
    cdn_url: Option<Plain<String>>,
    region: &'a str,
    storage_class: &'static str,
    encryption: EncryptionReply<'a>,
    expires_in: u32,
    expires_at: String,
    hint: Hints,
    performance: Performance<'a>,
}

/// Answers the route.
pub(in crate::upload_api) fn handle<'r>(request: &'r Request<'r>) -> BoxFuture<'r, Answer> {
    answer(request).boxed()
}

async fn answer(request: &Request<'_>) -> Answer {
    let Request { target, body, .. } = request;
    let uploads = Uploads::new(request)?;
    let file = uploads.place(&body.file, target.profile().limits.object_bytes_max)?;
    let bytes = file.bytes.ok_or_else(|| Error::new(Code::MissingFields, "Missing: `fileSize`."))?;
    let plan = plan(bytes, body.multipart.part_size, request)?;
    let expires_in = expiry::choose(&body.expiry, Some(bytes), request.expiry_bounds())?.seconds;
    let new = NewUpload {
        key: &file.new.key,
        storage: &uploads.storage,
        content_type: file.content_type,
        plan: Some(plan),
    };
    let multipart = request.multipart();
    let (upload, upload_id) = multipart.create(new).await?;
    let urls = multipart.part_urls(&upload, expires_in)?;
    let key = upload.key.as_str();
    let head = Reply {
        success: true,
        provider: target.profile().kind,
        upload_id: &upload_id,
        key,
        object_key: key,
        part_size: plan.part_bytes(),
        part_count: plan.count(),
        public_url: Plain(target.public_url(&upload.object)),
        cdn_url: uploads.cdn_url(&upload.object).map(Plain),
        region: target.account.region().as_str(),
        storage_class: uploads.storage.class_name(),
        encryption: uploads.storage.encryption(),
        expires_in,
        expires_at: request.expires_at(expires_in),
        hint: Hints::default().private(target.is_private()),
        performance: request.performance(),
    };
    let bytes = REPLY_BYTES + urls::bytes(&urls, plan.count().into());
    let mut reply = LongReply::begin(&head, bytes)?;
    urls::write(&mut reply, &urls, 1..=plan.count()).await?;
    Ok(reply.end())
}

/// How a file of `bytes` is cut for the request's provider.
pub(super) fn plan(bytes: u64, part_size: Option<Number>, request: &Request<'_>) -> Result<Plan, Error> {
    let limits = &request.target.profile().limits;
    // A number with a fraction is no size that any provider takes, and neither is one beyond those that are exact.
    let asked = part_size.map(|size| size.whole().unwrap_or(0));
    Plan::new(bytes, asked, limits).map_err(|problem| match problem {
        PlanError::FileTooSmall => Error::new(Code::FileTooSmall, problem.to_string())
            .hint("Upload it in one piece, with a URL of signed-url."),
        PlanError::FileTooLarge(_) => Error::new(Code::FileTooLarge, problem.to_string()),
        PlanError::PartSize(..) => Error::new(Code::InvalidPartSize, problem.to_string())
            .hint("Leave `partSize` out: then the parts are as small as the file allows."),
        PlanError::TooManyParts(..) => Error::new(Code::TooManyParts, problem.to_string())
            .hint("Ask for larger parts, or leave `partSize` out."),
    })
}
