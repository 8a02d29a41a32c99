//! `{provider}/cdn/cookies`: cookies with which a browser may read from a private distribution, one object or all below a
//! prefix, at their bare addresses.
//!
//! The caller's server hands them to its page. A browser takes them only from a page below the domain that they are for.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::Serialize;
use wharf_provider::cdn::{CdnCookie, CdnObject, CdnPolicy, CdnResource};
use wharf_wire::date::Timestamp;

use crate::{
    config::checked::{Action, CdnConfig},
    error::{Code, Error},
};

use super::{
    Answer, Request,
    body::{Text, non_empty},
    expiry::{self, Bounds},
    key,
    reply::{self, Performance, Plain},
};

/// Bytes of a usual reply, so that its buffer grows once.
const REPLY_BYTES: usize = 2560;

/// Bytes of a prefix, as of a key.
const PREFIX_BYTES_MAX: usize = 1024;

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reply<'a> {
    success: bool,
    provider: &'static str,
    /// What the cookies open: an address, or the start of many and `*`.
    resource: &'a str,
    cookies: Vec<Cookie<'a>>,
    /// The same as headers that a server can send on.
    set_cookie: Vec<Plain<String>>,
    expires_in: u32,
    expires_at: String,
    performance: Performance<'a>,
}

/// A cookie, its attributes by their names.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct Cookie<'a> {
    name: &'static str,
    value: Plain<&'a str>,
    domain: &'a str,
    path: &'a str,
    secure: bool,
    http_only: bool,
    same_site: &'static str,
}

/// Answers the route.
pub(super) fn handle(request: &Request<'_>) -> Answer {
    let Request { call, target, body, .. } = request;
    let configured = target.configured.and_then(|bucket| bucket.cdn.as_ref());
    let Some((cdn, signer)) = configured.and_then(|cdn| Some((cdn, cdn.signer.as_deref()?))) else {
        return Err(Error::new(Code::CdnNotConfigured, "Wharf signs for no CDN in front of this bucket.")
            .hint("The operator names the distribution's domain, key_pair_id and private_key_file in the bucket's `cdn`."));
    };
    let resource = resource(request, cdn)?;
    let default = cdn.cookies.expires_seconds.unwrap_or(request.parts.config.upload.expires_default_seconds);
    let expires_in = expiry::choose(&body.expiry, None, Bounds::own(default))?.seconds;
    let policy = CdnPolicy {
        expires_at: call.context.received.plus_seconds(u64::from(expires_in)),
        starts_at: body.cookies.starts_at.as_ref().map(starts_at).transpose()?,
        source_ip: body.cookies.source_ip.as_ref().map(source_ip).transpose()?,
    };
    let cookies = signer.cookies(&resource, &policy).map_err(|problem| match policy.starts_at {
        Some(starts_at) if starts_at >= policy.expires_at => {
            Error::new(Code::InvalidField, "`startsAt` is not before the end that `expiresIn` says.")
        }
        Some(_) | None => Error::new(Code::SigningError, "The CDN's cookies could not be signed.")
            .cause(problem.to_string()),
    })?;
    let cookies: Vec<_> = cookies.iter().map(|cookie| Cookie::new(cookie, cdn)).collect();
    let reply = Reply {
        success: true,
        provider: target.profile().kind,
        resource: resource.as_str(),
        set_cookie: cookies.iter().map(Cookie::header).map(Plain).collect(),
        cookies,
        expires_in,
        expires_at: request.expires_at(expires_in),
        performance: request.performance(),
    };
    reply::ok(&reply, REPLY_BYTES)
}

impl<'a> Cookie<'a> {
    fn new(cookie: &'a CdnCookie, cdn: &'a CdnConfig) -> Self {
        Self {
            name: cookie.name(),
            value: Plain(cookie.expose()),
            domain: cdn.cookies.domain.as_deref().unwrap_or_else(|| cdn.domain.host()),
            path: &cdn.cookies.path,
            secure: cdn.domain.is_https(),
            http_only: true,
            // A page that may set them shares its site with the CDN, and that is as far as they have to go.
            same_site: "Lax",
        }
    }

    /// Without `Expires` and `Max-Age`, as AWS advises: the browser forgets them with its session, the policy ends by itself.
    fn header(&self) -> String {
        let Self { name, value, domain, path, secure, same_site, .. } = self;
        let secure = if *secure { "; Secure" } else { "" };
        format!("{name}={}; Domain={domain}; Path={path}{secure}; HttpOnly; SameSite={same_site}", value.0)
    }
}

/// One object, or all whose keys begin with a prefix; the caller may read the whole of either.
fn resource(request: &Request<'_>, cdn: &CdnConfig) -> Result<CdnResource, Error> {
    let Request { call, target, body, .. } = request;
    match (non_empty(body.get.key.as_ref()), body.listing.prefix.as_ref().map(Text::as_str)) {
        (Some(_), Some(_)) => {
            Err(Error::new(Code::InvalidField, "`key` names one object and `prefix` many: send one of them."))
        }
        (None, None) => {
            Err(Error::new(Code::MissingKey, "Missing: `key`, or `prefix` for all objects below it.")
                .hint("An empty `prefix` is the whole bucket."))
        }
        (Some(_), None) => {
            let key = key::required(&body.get)?;
            target.authorize(call.identity, Action::Read, key)?;
            let key = target.object_key(key)?;
            let resource = CdnResource::object(&CdnObject { domain: &cdn.domain, key: &key, query: &[] });
            resource.map_err(|problem| Error::new(Code::InvalidField, format!("`key`: {problem}.")))
        }
        (None, Some(prefix)) => {
            check_prefix(prefix)?;
            target.authorize(call.identity, Action::Read, prefix)?;
            Ok(CdnResource::below(&cdn.domain, &[target.key_prefix(), prefix].concat()))
        }
    }
}

fn check_prefix(prefix: &str) -> Result<(), Error> {
    let is_sound = prefix.len() <= PREFIX_BYTES_MAX
        && !prefix.contains(char::is_control)
        && !prefix.split(['/', '\\']).any(|part| matches!(part, "." | ".."));
    if is_sound {
        return Ok(());
    }
    let message = format!(
        "`prefix` must be at most {PREFIX_BYTES_MAX} bytes, without control characters and without `.` or `..` for a segment."
    );
    Err(Error::new(Code::InvalidField, message))
}

fn starts_at(text: &Text<'_>) -> Result<Timestamp, Error> {
    Timestamp::from_rfc3339(text.as_str()).ok_or_else(|| {
        Error::new(Code::InvalidField, "`startsAt` must be a time such as `2030-01-31T00:00:00Z`.")
    })
}

fn source_ip(text: &Text<'_>) -> Result<Ipv4Net, Error> {
    let network = text.as_str();
    let network = network.parse().or_else(|_| network.parse::<Ipv4Addr>().map(Ipv4Net::from));
    network.map_err(|_| {
        Error::new(Code::InvalidField, "`sourceIp` must be an IPv4 address or network, `192.0.2.0/24`.")
            .hint("CloudFront knows no IPv6 there.")
    })
}
