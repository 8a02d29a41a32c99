//! `complete`: an object that a browser sent straight to the provider. It is looked at, held against what was signed, and
//! from then on it is an object like those that came through Wharf: mirrored.
//!
//! ```text
//! completeToken (what was signed) ─┐
//! or key and bucket ───────────────┴─▶ bucket, key, rights ─▶ HEAD ─▶ size, type, ETag ─▶ note for the mirrors
//! ```

use std::borrow::Cow;

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    description::Description,
    metadata::{describe, headers},
    named::Named,
};
use crate::{
    config::checked::Action,
    error::{Code, Error},
    mirror::tee::quoted,
    request::{
        accept::{self, NotAccepted},
        media_type::is_same_type,
    },
    seal::{Purpose, Sealer},
    upload_api::{
        Answer, CompleteToken, Place, Request,
        body::{Body, non_empty},
        key,
        reply::{self, Hints, Performance, Plain},
    },
    webhooks::Facts,
};

/// Bytes of a usual reply, so that its buffer grows once.
const REPLY_BYTES: usize = 1536;

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::upload_api) struct Reply<'a> {
    success: bool,
    provider: &'static str,
    region: &'a str,
    bucket: &'a str,
    key: &'a str,
    file_key: &'a str,
    upload_id: Option<&'a str>,
    size: u64,
    content_type: Option<&'a str>,
    etag: Option<&'a str>,
    last_modified: Option<&'a str>,
    version_id: Option<&'a str>,
    public_url: Plain<String>,
    cdn_url: Option<Plain<String>>,
    hint: Hints,
    metadata: &'a Description<'a>,
    performance: Performance<'a>,
}

/// Whom a completion is about, as a path would name it: the bucket of the token or of the body, or the plugin whose
/// credentials the caller brings.
pub(in crate::upload_api) fn provider(sealer: &Sealer, body: &[u8]) -> Result<String, Error> {
    let named = Body::parse(body, "")?;
    if let Some(token) = token(sealer, &named)? {
        let (Place::Configured(name) | Place::Brought(name, _)) = token.place;
        return Ok(name.into_owned());
    }
    if let Some(bucket) = non_empty(named.bucket.as_ref()) {
        return Ok(bucket.to_owned());
    }
    for plugin in wharf_plugins::PROVIDERS {
        let profile = plugin.profile();
        if Body::parse(body, profile.field_prefix)?.brought.is_any() {
            return Ok(profile.kind.to_owned());
        }
    }
    Err(Error::new(Code::MissingFields, "Missing: `completeToken`, or `key` and `bucket`."))
}

/// Answers the route.
pub(in crate::upload_api) fn handle<'r>(request: &'r Request<'r>) -> BoxFuture<'r, Answer> {
    Box::pin(async move {
        let token = token(&request.parts.sealer, request.body)?;
        let key = match &token {
            Some(token) => signed_key(request, token)?,
            None => key::required(&request.body.get)?,
        };
        let named = Named::called(key, request, Action::Write)?;
        let found = headers(request, &named).await?;
        let found = describe(&named, &found)?;
        check(request, token.as_ref(), &found)?;
        if let Some(bucket) = request.target.configured {
            request.parts.mirrors.note_foreign(bucket, &[key]).await?;
        }
        tell(request, &found).await?;
        answer(request, token.as_ref(), &found)
    })
}

/// Tells webhooks of the object.
async fn tell(request: &Request<'_>, found: &Description<'_>) -> Result<(), Error> {
    let facts = Facts {
        bytes: Some(found.size),
        content_type: found.content_type.as_deref().map(str::to_owned),
        etag: found.etag.as_deref().map(str::to_owned),
        last_modified: found.last_modified.as_deref().map(str::to_owned),
    };
    let place = request.target.place();
    request.parts.webhooks.completed(&place, found.key, &facts, &request.parts.current()).await
}

fn answer(request: &Request<'_>, token: Option<&CompleteToken<'_>>, found: &Description<'_>) -> Answer {
    let target = request.target;
    let object = target.object_key(found.key)?;
    let cdn = target.cdn_domain(request.body.cdn_domain.as_ref())?;
    let reply = Reply {
        success: true,
        provider: target.profile().kind,
        region: target.account.region().as_str(),
        bucket: target.bucket_name(),
        key: found.key,
        file_key: found.key,
        upload_id: token.map(|token| &*token.upload_id),
        size: found.size,
        content_type: found.content_type.as_deref(),
        etag: found.etag.as_deref(),
        last_modified: found.last_modified.as_deref(),
        version_id: found.version_id.as_deref(),
        public_url: Plain(target.public_url(&object)),
        cdn_url: cdn.map(|domain| Plain(domain.url(&object))),
        hint: Hints::default().private(target.is_private()),
        metadata: found,
        performance: request.performance(),
    };
    reply::ok(&reply, REPLY_BYTES)
}

/// What the body's token says, if it has one.
fn token(sealer: &Sealer, body: &Body<'_>) -> Result<Option<CompleteToken<'static>>, Error> {
    let Some(token) = non_empty(body.complete.token.as_ref()) else { return Ok(None) };
    let opened = sealer.open(Purpose::Complete, token).map_err(|_| {
        Error::new(Code::InvalidCompleteToken, "`completeToken` is none that this server has made.")
            .hint("Send it as it came with the signed URL.")
    });
    opened.map(Some)
}

/// The key that was signed, if the token is of this bucket and still good.
fn signed_key<'t>(request: &Request<'_>, token: &'t CompleteToken<'_>) -> Result<&'t str, Error> {
    let target = request.target;
    let is_here = match &token.place {
        Place::Configured(name) => target.configured.is_some_and(|bucket| bucket.name == **name),
        Place::Brought(kind, bucket) => {
            target.configured.is_none() && target.profile().kind == kind && target.bucket.as_str() == bucket
        }
    };
    let other_key = non_empty(request.body.get.key.as_ref()).is_some_and(|key| key != token.key);
    if !is_here || other_key {
        let message = "`completeToken` was made for another object than the one that is named.";
        return Err(Error::new(Code::InvalidCompleteToken, message).hint(
            "Leave `key` and `bucket` out; whoever brought credentials to sign with brings them again.",
        ));
    }
    if token.expires_at < request.call.context.received.unix_seconds() {
        return Err(Error::new(Code::InvalidCompleteToken, "`completeToken` has expired.")
            .hint("Name the object with `key` and `bucket` instead."));
    }
    Ok(&token.key)
}

/// Holds the object against what was signed, what the caller has seen of it and what the bucket takes.
fn check(
    request: &Request<'_>,
    token: Option<&CompleteToken<'_>>,
    found: &Description<'_>,
) -> Result<(), Error> {
    if let Some(token) = token {
        check_signed(token, found)?;
    }
    let etag = non_empty(request.body.complete.etag.as_ref());
    if etag.is_some_and(|etag| found.etag.as_deref() != Some(&quoted(etag))) {
        return Err(mismatch("The object is another one than `etag` says: it was written again."));
    }
    let Some(bucket) = request.target.configured else { return Ok(()) };
    check_size(found.size, accept::file_bytes_max(u64::MAX, Some(&bucket.accept)))?;
    let content_type = found.content_type.as_deref().unwrap_or_default();
    accept::check_type(&bucket.accept, content_type)
        .and_then(|()| accept::check_extension(&bucket.accept, found.key))
        .map_err(|refused: NotAccepted<'_>| mismatch(refused.to_string()).options(refused.options()))
}

fn check_signed(token: &CompleteToken<'_>, found: &Description<'_>) -> Result<(), Error> {
    check_size(found.size, token.file_bytes_max)?;
    if let Some(declared) = token.file_bytes.filter(|declared| *declared != found.size) {
        return Err(mismatch(format!("The object has {} bytes, and {declared} were declared.", found.size)));
    }
    let stored = found.content_type.as_deref().unwrap_or_default();
    if is_same_type(&token.content_type, stored) {
        return Ok(());
    }
    Err(mismatch(format!("The object's type is `{stored}`, and `{}` was declared.", token.content_type)))
}

fn check_size(bytes: u64, bytes_max: u64) -> Result<(), Error> {
    if bytes <= bytes_max {
        return Ok(());
    }
    let message = format!("The object has {bytes} bytes, and at most {bytes_max} are allowed.");
    Err(Error::new(Code::FileTooLarge, message).hint(KEPT))
}

/// What is done with an object that was refused here.
const KEPT: &str = "It was left where it is: delete it, or upload the right one with a new signed URL.";

fn mismatch(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(Code::ValidationFailed, message).hint(KEPT)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header};

    use super::*;

    fn signed(content_type: &'static str, file_bytes: Option<u64>) -> CompleteToken<'static> {
        CompleteToken {
            place: Place::Configured("photos".into()),
            upload_id: "upl1".into(),
            key: "k".into(),
            content_type: content_type.into(),
            file_bytes,
            file_bytes_max: 100,
            expires_at: 0,
        }
    }

    fn outcome(token: &CompleteToken<'_>, bytes: u64, content_type: &str) -> Option<Code> {
        let headers = HeaderMap::from_iter([
            (header::CONTENT_LENGTH, bytes.into()),
            (header::CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap()),
        ]);
        let found = Description::new("k", &headers).unwrap();
        check_signed(token, &found).err().map(|error| error.code)
    }

    #[test]
    fn what_is_stored_is_what_was_declared() {
        let exact = signed("text/plain", Some(5));
        assert_eq!(outcome(&exact, 5, "text/plain"), None);
        assert_eq!(outcome(&exact, 5, "TEXT/plain; charset=utf-8"), None);
        assert_eq!(outcome(&exact, 4, "text/plain"), Some(Code::ValidationFailed));
        assert_eq!(outcome(&exact, 5, "text/html"), Some(Code::ValidationFailed));
        assert_eq!(outcome(&exact, 101, "text/plain"), Some(Code::FileTooLarge));
        let loose = signed("application/octet-stream", None);
        for content_type in ["application/octet-stream", "binary/octet-stream", ""] {
            assert_eq!(outcome(&loose, 100, content_type), None, "{content_type}");
        }
        assert_eq!(outcome(&loose, 1, "text/html"), Some(Code::ValidationFailed));
    }
}
