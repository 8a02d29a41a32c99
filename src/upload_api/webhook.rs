//! `webhook` of a signed upload: whoever asks for one is told when the object is there.
//!
//! An account of the caller's own is not kept, so what can see the object later is signed now: a URL that lets its holder
//! ask what that one object is, and ends.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::{
    backend::upstream::Reach,
    error::{Code, Error},
    webhooks::{Address, Head, NewUpload, Registered, Trigger, Upload},
};

use secrecy::ExposeSecret;

use super::{
    body::{Skipped, non_empty},
    complete_token,
    upload::{Signed, Uploads},
};

/// Bytes of what a caller wants to be told besides: it stands in every delivery.
const METADATA_BYTES_MAX: usize = 4096;

/// What the caller is told of it.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WebhookReply {
    webhook_id: String,
    #[schemars(with = "String")]
    webhook_secret: Zeroizing<String>,
    trigger_mode: &'static str,
}

/// Registers what the request asks for. It is durable when this returns.
pub(super) async fn register(
    uploads: &Uploads<'_>,
    signed: &Signed<'_>,
) -> Result<Option<WebhookReply>, Error> {
    let request = uploads.request;
    let Some(asked) = &request.body.webhook else { return Ok(None) };
    let url = non_empty(asked.url.as_ref())
        .ok_or_else(|| Error::new(Code::MissingFields, "Missing: `url` in `webhook`."))?;
    let trigger = trigger(non_empty(asked.trigger.as_ref()))?;
    let now = request.call.context.received;
    let ends_at = complete_token::ends_at(now, signed.expiry.seconds);
    let new = NewUpload {
        identity: request.call.identity,
        place: &request.target.place(),
        key: &signed.file.new.key,
        to: Address { url, secret: asked.secret.as_ref().map(|secret| secret.0.expose_secret()) },
        trigger,
        upload: Upload {
            filename: signed.file.original_name.to_owned(),
            public_url: signed.public_url.clone(),
            provider: request.target.profile().kind.to_owned(),
            bucket: request.target.bucket_name().to_owned(),
            content_type: Some(signed.file.content_type.to_owned()),
            file_bytes: signed.file.bytes,
            file_bytes_max: uploads.file_bytes_max(),
            head: head(uploads, signed)?,
            metadata: metadata(asked.metadata)?,
        },
        ends_at,
        now,
    };
    let Registered { id, secret } = request.parts.webhooks.register(new, &request.parts.current()).await?;
    Ok(Some(WebhookReply { webhook_id: id, webhook_secret: secret, trigger_mode: trigger.as_str() }))
}

fn trigger(word: Option<&str>) -> Result<Trigger, Error> {
    match word {
        None | Some("manual") => Ok(Trigger::Manual),
        Some("auto") => Ok(Trigger::Auto),
        Some(_) => Err(Error::new(Code::InvalidField, "`trigger` in `webhook` is \"manual\" or \"auto\".")
            .options(["manual", "auto"])),
    }
}

/// Lives as long as a URL can, since an upload may take long.
fn head(uploads: &Uploads<'_>, signed: &Signed<'_>) -> Result<Option<Head>, Error> {
    let target = uploads.request.target;
    if target.configured.is_some() {
        return Ok(None);
    }
    let url = uploads.head_url(signed, target.profile().limits.presign_seconds_max)?;
    let is_listed = target.reach == Reach::Anywhere;
    Ok(Some(Head { url: Zeroizing::new(url.expose().to_owned()), is_listed }))
}

/// An object that is small, and no deeper than readers of JSON go.
fn metadata(asked: Option<&RawValue>) -> Result<Option<Box<RawValue>>, Error> {
    let Some(asked) = asked.filter(|asked| asked.get() != "null") else { return Ok(None) };
    let text = asked.get();
    if text.len() > METADATA_BYTES_MAX {
        return Err(Error::new(Code::InvalidField, "`metadata` in `webhook` is longer than 4,096 bytes."));
    }
    if !text.starts_with('{') || serde_json::from_str::<Skipped>(text).is_err() {
        return Err(Error::new(Code::InvalidField, "`metadata` in `webhook` must be an object."));
    }
    Ok(Some(asked.to_owned()))
}
