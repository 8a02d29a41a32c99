//! `{provider}/signed-url`: a URL to upload one file with.

use futures_util::{FutureExt, future::BoxFuture};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Answer, Request,
    expiry::SmartExpiry,
    reply::{self, Hints, Performance, Plain, RequiredHeaders},
    storage::EncryptionReply,
    upload::{Signed, Uploads},
    webhook::{self, WebhookReply},
};

/// Bytes of a usual reply, so that its buffer grows once.
const REPLY_BYTES: usize = 2560;

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reply<'a> {
    success: bool,
    provider: &'static str,
    upload_url: Plain<&'a str>,
    public_url: Plain<&'a str>,
    cdn_url: Option<Plain<&'a str>>,
    upload_id: Plain<&'a str>,
    key: Plain<&'a str>,
    region: &'a str,
    storage_class: &'static str,
    encryption: EncryptionReply<'a>,
    expires_in: u32,
    expires_at: Plain<String>,
    required_headers: &'a RequiredHeaders,
    complete_token: Plain<String>,
    hint: Hints,
    data: Data<'a>,
    smart_expiry: &'a SmartExpiry,
    /// `null` where none was asked for, or there are none; then the hint says so.
    webhook: Option<WebhookReply>,
    performance: Performance<'a>,
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    filename: Plain<&'a str>,
    original_filename: &'a str,
    content_type: &'a str,
    bucket: &'a str,
    method: &'static str,
}

/// Answers the route.
pub(super) fn handle(request: &Request<'_>) -> Answer {
    let uploads = Uploads::new(request)?;
    let signed = uploads.sign(&request.body.file, None)?;
    answer(&uploads, &signed, None)
}

/// The same with a webhook, which is durable before the caller knows the URL.
pub(super) fn handle_with_webhook<'r>(request: &'r Request<'r>) -> BoxFuture<'r, Answer> {
    let register = async {
        let uploads = Uploads::new(request)?;
        let signed = uploads.sign(&request.body.file, None)?;
        let webhook = webhook::register(&uploads, &signed).await?;
        answer(&uploads, &signed, webhook)
    };
    register.boxed()
}

fn answer(uploads: &Uploads<'_>, signed: &Signed<'_>, webhook: Option<WebhookReply>) -> Answer {
    let request = uploads.request;
    let Request { target, body, .. } = request;
    let complete_token = uploads.complete_token(&signed.file, signed.expiry.seconds)?;
    let reply = Reply {
        success: true,
        provider: target.profile().kind,
        upload_url: Plain(signed.url.expose()),
        public_url: Plain(&signed.public_url),
        cdn_url: signed.cdn_url.as_deref().map(Plain),
        upload_id: Plain(signed.file.new.id.as_str()),
        key: Plain(&signed.file.new.key),
        region: target.account.region().as_str(),
        storage_class: uploads.storage.class_name(),
        encryption: uploads.storage.encryption(),
        expires_in: signed.expiry.seconds,
        expires_at: Plain(request.expires_at(signed.expiry.seconds)),
        required_headers: &signed.required_headers,
        complete_token: Plain(complete_token),
        hint: Hints::default()
            .required_headers(!signed.required_headers.0.is_empty())
            .private(target.is_private())
            .webhook(body.webhook.is_some() && webhook.is_none()),
        data: Data {
            filename: Plain(&signed.file.new.name),
            original_filename: signed.file.original_name,
            content_type: signed.file.content_type,
            bucket: target.bucket_name(),
            method: "PUT",
        },
        smart_expiry: &signed.expiry.smart,
        webhook,
        performance: request.performance(),
    };
    reply::ok(&reply, REPLY_BYTES)
}
