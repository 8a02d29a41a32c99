//! `{provider}/access-token` and `{provider}/access-token/revoke`: a part of what a caller may do, for somebody else, for a
//! while, and until it is taken back.
//!
//! A token names one bucket, and there one key, all keys in a folder, or all; and what may be done with them. Its bearer calls
//! the same routes as anyone, and can do what the token says **and** its maker still may. For a bucket that the caller brought it
//! holds no credentials, which are used for one request and kept nowhere: its bearer brings them, and the token bounds what is done.

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use crate::{
    config::checked::{Action, Grant, GrantBucket},
    error::{Code, Error},
    request::authenticate::{Access, AskedToken, Identity, KnownToken, begin_access, open_access},
    store::Revocations,
};

use super::{
    Answer, Call, Operation, Parts,
    body::{Body, Text, Texts, non_empty},
    expiry::{self, Bounds},
    key,
    reply::{self, Hints, Plain},
    rights,
    target::{Named, Target},
};

/// Bytes of a usual reply, so that its buffer grows once.
const REPLY_BYTES: usize = 1024;

const PERMISSIONS: [(&str, Action); 4] =
    [("read", Action::Read), ("write", Action::Write), ("delete", Action::Delete), ("list", Action::List)];

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Issued<'a> {
    success: bool,
    provider: &'static str,
    token: Plain<&'a str>,
    token_id: &'a str,
    bucket: &'a str,
    /// `null` where it is about the whole bucket.
    file_key: Option<&'a str>,
    permissions: Vec<&'static str>,
    expires_in: u32,
    expires_at: String,
    usage: Usage,
    hint: Hints,
}

#[derive(JsonSchema, Serialize)]
struct Usage {
    header: &'static str,
    description: &'static str,
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Revoked<'a> {
    success: bool,
    message: &'static str,
    token_id: &'a str,
}

/// Answers `access-token`.
pub(super) fn issue(parts: &Parts, call: &Call<'_>, provider: &str) -> Answer {
    check_switched_on(parts)?;
    let named = Named::find(&parts.config, call.identity, provider)?;
    let body = Body::parse(call.body, named.field_prefix())?;
    let target = target(&named, call.identity, &body)?;
    let file_key = non_empty(body.get.key.as_ref());
    file_key.map_or(Ok(()), key::check)?;
    let permissions = permissions(body.access.permissions.as_ref())?;
    let bounds = Bounds::own(parts.config.upload.expires_default_seconds);
    let expires_in = expiry::choose(&body.expiry, None, bounds)?.seconds;
    let now = call.context.received;
    let asked = AskedToken {
        allow: allow(&target, call.identity, file_key, &permissions)?,
        object: file_key.filter(|key| !key.ends_with('/')).map(str::to_owned),
        expires_at: now.plus_seconds(u64::from(expires_in)),
    };
    let expires_at = asked.expires_at.rfc3339();
    let (token, known) = begin_access(&parts.sealer, call.identity, asked, now).map_err(|problem| {
        Error::new(Code::Internal, "The token could not be sealed.").cause(problem.to_string())
    })?;
    let reply = Issued {
        success: true,
        provider: target.profile().kind,
        token: Plain(token.expose_secret()),
        token_id: &known.id,
        bucket: target.bucket_name(),
        file_key,
        permissions: permissions.into_iter().map(|(name, _)| name).collect(),
        expires_in,
        expires_at,
        usage: Usage {
            header: "Authorization: Bearer TOKEN",
            description: "Call the upload API's routes with the token in place of a key.",
        },
        hint: Hints::default().when(
            target.configured.is_none(),
            "The token holds no credentials: whoever uses it brings those of the bucket.",
        ),
    };
    reply::ok(&reply, REPLY_BYTES)
}

/// Answers `access-token/revoke`.
pub(super) async fn revoke(parts: &Parts, call: &Call<'_>, provider: &str) -> Answer {
    let named = Named::find(&parts.config, call.identity, provider)?;
    let body = Body::parse(call.body, named.field_prefix())?;
    let token = body.access.token.as_ref().filter(|token| !token.expose_secret().is_empty());
    let token = token.ok_or_else(|| Error::new(Code::MissingFields, "Missing: `token`."))?;
    let known = known(parts, token)?;
    if !may_revoke(call.identity, &known) {
        let message = "This token was made with another key.";
        return Err(
            Error::new(Code::AccessDenied, message).hint("Take it back with the key that it was made with.")
        );
    }
    revocations(parts)?.revoke(&known.id, known.expires_at, call.context.received).await?;
    let reply = Revoked {
        success: true,
        message: "The token was taken back: it opens nothing any more.",
        token_id: &known.id,
    };
    reply::ok(&reply, REPLY_BYTES)
}

/// Refuses the bearer of a token that was taken back, and whatever is not about objects: webhooks, pages' tokens and cookies
/// would outlive the token, and a connection's test or the key's usage is not its bearer's business.
pub(super) async fn check(parts: &Parts, access: &Access, operation: Operation) -> Result<(), Error> {
    check_switched_on(parts)?;
    if !is_for_bearers(operation, access) {
        let message = "An access token is good for the objects that it is about, and for nothing else.";
        return Err(Error::new(Code::AccessDenied, message).hint("Use the key that it was made with."));
    }
    if revocations(parts)?.is_revoked(&access.id).await? {
        return Err(
            Error::new(Code::InvalidApiKey, "The access token was taken back.").hint("Ask for another one.")
        );
    }
    Ok(())
}

/// Whether a token may ask for `operation`. One that is about a single object lists nothing: a listing has more than one.
fn is_for_bearers(operation: Operation, access: &Access) -> bool {
    match operation {
        Operation::SignedUrl
        | Operation::BatchSignedUrl
        | Operation::Form
        | Operation::DownloadSignedUrl
        | Operation::InitiateMultipart
        | Operation::MultipartParts
        | Operation::CompleteMultipart
        | Operation::AbortMultipart
        | Operation::Delete
        | Operation::BatchDelete
        | Operation::Metadata
        | Operation::Complete
        | Operation::RevokeAccessToken
        | Operation::Foreign
        | Operation::ValidateKey => true,
        Operation::List | Operation::Versions => access.object.is_none(),
        Operation::CdnCookies
        | Operation::CorsSetUp
        | Operation::CorsVerify
        | Operation::TestConnection
        | Operation::Analytics
        | Operation::AnalyticsDaily
        | Operation::AnalyticsProviders
        | Operation::Track
        | Operation::UppyToken
        | Operation::AccessToken
        | Operation::WebhookConfirm
        | Operation::WebhookCreate
        | Operation::WebhookList
        | Operation::WebhookStatus
        | Operation::WebhookRetry
        | Operation::WebhookDelete => false,
    }
}

fn check_switched_on(parts: &Parts) -> Result<(), Error> {
    if parts.config.upload.access_tokens {
        return Ok(());
    }
    Err(Error::new(Code::NotFound, "Access tokens are switched off here.")
        .hint("Set `upload.access_tokens`."))
}

fn revocations(parts: &Parts) -> Result<&Revocations, Error> {
    let store = parts.mirrors.store().get();
    store.map(crate::store::Store::revocations).ok_or_else(|| {
        Error::new(Code::NotFound, "Access tokens are switched off here.").hint("Set `upload.access_tokens`.")
    })
}

/// The bucket that a token is to be about. Clients that bring an account name it beside the credentials.
fn target<'a>(named: &Named<'a>, identity: &Identity, body: &Body<'_>) -> Result<Target<'a>, Error> {
    if body.brought.is_any() && non_empty(body.brought.bucket.as_ref()).is_none() {
        return Err(Error::new(Code::MissingBucket, "Missing: the bucket that the token is to be about."));
    }
    named.target(identity, body.bucket.as_ref(), &body.brought).map_err(|error| {
        if error.code == Code::MissingCredentials && !body.brought.is_any() {
            return Error::new(Code::MissingBucket, "Missing: the bucket that the token is to be about.");
        }
        error
    })
}

fn permissions(asked: Option<&Texts<'_>>) -> Result<Vec<(&'static str, Action)>, Error> {
    let refused = |message: &'static str| {
        Error::new(Code::InvalidPermissions, message).options(PERMISSIONS.map(|(name, _)| name))
    };
    let asked = asked.map(|texts| texts.entries.as_slice()).unwrap_or_default();
    if asked.is_empty() {
        return Err(refused("`permissions` must say what the token allows."));
    }
    for text in asked.iter().map(Text::as_str) {
        if !PERMISSIONS.iter().any(|(name, _)| *name == text) {
            return Err(refused("`permissions` holds one that there is not."));
        }
    }
    let is_asked = |name: &str| asked.iter().any(|text| text.as_str() == name);
    Ok(PERMISSIONS.into_iter().filter(|(name, _)| is_asked(name)).collect())
}

/// What the token allows: of each permission as much as was asked for, which its maker must have.
fn allow(
    target: &Target<'_>,
    identity: &Identity,
    file_key: Option<&str>,
    permissions: &[(&'static str, Action)],
) -> Result<Vec<Grant>, Error> {
    let bucket = target.grant_name();
    let grant = |(_, action): &(&str, Action)| {
        let widest = target.configured.map(|bucket| rights::shortest_prefix(identity, *action, &bucket.name));
        let prefix = file_key.or(widest).unwrap_or_default();
        target.authorize(identity, *action, prefix)?;
        Ok(Grant {
            bucket: GrantBucket::Named(bucket.clone().into_owned()),
            prefix: prefix.to_owned(),
            actions: vec![*action],
        })
    };
    permissions.iter().map(grant).collect()
}

fn known(parts: &Parts, token: &SecretString) -> Result<KnownToken, Error> {
    check_switched_on(parts)?;
    open_access(&parts.sealer, token)
        .ok_or_else(|| Error::new(Code::InvalidField, "`token` is no access token that was made here."))
}

/// Whoever made it may take it back, and so may its bearer.
fn may_revoke(identity: &Identity, known: &KnownToken) -> bool {
    match identity {
        Identity::Loopback => true,
        Identity::Key(key) => known.key.as_ref() == Some(&key.id),
        Identity::User { subject, .. } => known.user.as_ref() == Some(subject),
        Identity::Session(session) => session.access.as_ref().is_some_and(|access| access.id == known.id),
    }
}
