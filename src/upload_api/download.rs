//! `download/{provider}/signed-url`: a URL to read one object with, on the store and on the CDN.

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use schemars::JsonSchema;
use serde::Serialize;
use wharf_provider::{
    GetOptions, Verb,
    cdn::{CdnDomain, CdnObject, CdnPolicy},
};
use wharf_wire::{names::ObjectKey, sigv4::presign::SignedUrl};

use crate::{
    config::checked::Action,
    error::{Code, Error},
};

use super::{
    Request,
    body::GetFields,
    expiry, key,
    reply::{self, Hints, Performance, Plain},
    target::Asked,
};

/// Bytes of a usual reply, so that its buffer grows once.
const REPLY_BYTES: usize = 1536;

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reply<'a> {
    success: bool,
    provider: &'static str,
    download_url: Plain<&'a str>,
    public_url: Plain<String>,
    cdn_url: Option<Plain<String>>,
    key: &'a str,
    file_key: &'a str,
    region: &'a str,
    expires_in: u32,
    expires_at: String,
    hint: Hints,
    performance: Performance<'a>,
}

/// Answers the route.
pub(super) fn handle(request: &Request<'_>) -> Result<Response<Full<Bytes>>, Error> {
    let Request { parts, call, target, body, .. } = request;
    let key = key::required(&body.get)?;
    target.authorize(call.identity, Action::Read, key)?;
    let object = target.object_key(key)?;
    let options = options(&body.get)?;
    let expires_seconds = expiry::choose(&body.expiry, None, request.expiry_bounds())?.seconds;
    let is_version = options.version_id.is_some();
    let now = call.context.received;
    let asked = Asked { key, object: &object, verb: Verb::Get(options), expires_seconds };
    let signed = target.presign(asked, &target.signing_key(&parts.signing_keys, now), now)?;
    let domain = target.cdn_domain(body.cdn_domain.as_ref())?;
    // A CDN serves the newest version, whatever is asked; clients take its address before the store's.
    let domain = domain.as_deref().filter(|_| !is_version);
    let cdn_url = domain.map(|domain| cdn_url(request, domain, &object, expires_seconds)).transpose()?;
    let reply = Reply {
        success: true,
        provider: target.profile().kind,
        download_url: Plain(signed.url.expose()),
        public_url: Plain(target.public_url(&object)),
        cdn_url: cdn_url.map(Plain),
        key,
        file_key: key,
        region: target.account.region().as_str(),
        expires_in: expires_seconds,
        expires_at: request.expires_at(expires_seconds),
        hint: Hints::default().private(target.is_private()),
        performance: request.performance(),
    };
    reply::ok(&reply, REPLY_BYTES)
}

/// The object's address on the CDN, signed where the distribution is private.
fn cdn_url(
    request: &Request<'_>,
    domain: &CdnDomain,
    key: &ObjectKey,
    expires_seconds: u32,
) -> Result<String, Error> {
    let configured = request.target.configured.and_then(|bucket| bucket.cdn.as_ref());
    let Some(signer) = configured.and_then(|cdn| cdn.signer.as_deref()) else { return Ok(domain.url(key)) };
    let expires_at = request.call.context.received.plus_seconds(u64::from(expires_seconds));
    let object = CdnObject { domain, key, query: &[] };
    let url = signer.sign(&object, &CdnPolicy::until(expires_at));
    url.map(SignedUrl::into_exposed).map_err(|problem| {
        Error::new(Code::SigningError, "The CDN's address could not be signed.").cause(problem.to_string())
    })
}

fn options<'b>(fields: &'b GetFields<'_>) -> Result<GetOptions<'b>, Error> {
    let disposition = fields.response_content_disposition.as_ref();
    Ok(GetOptions {
        version_id: key::version_id(fields)?,
        response_content_type: key::value(fields.response_content_type.as_ref(), "responseContentType")?,
        response_content_disposition: key::value(disposition, "responseContentDisposition")?,
    })
}
