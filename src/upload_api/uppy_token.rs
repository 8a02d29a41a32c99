//! `uppy-token`: a token for a page that uploads with Uppy, whose newest version sends neither headers nor cookies of an app. It
//! stands in the path of the page's requests, lives for a while, and may write where its caller may, or less.

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    config::checked::{Action, Grant, GrantBucket},
    error::{Code, Error},
    request::{
        authenticate::{Identity, begin_page},
        authorize::{authorize, grants},
    },
};

use super::{
    Call, Parts,
    body::{Body, non_empty},
    expiry::{self, Bounds},
    reply::{self, Plain},
    rights,
    target::{known_bucket, unknown},
};

/// What stands before the fields of a caller's own account; a token is for configured buckets alone.
const NO_PREFIX: &str = "s3";

/// Bytes of a usual reply, so that its buffer grows once.
const REPLY_BYTES: usize = 1024;

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reply<'a> {
    success: bool,
    token: Plain<&'a str>,
    /// What follows Wharf's own address in the endpoint that Uppy is given; without a bucket, the page adds one.
    path: Plain<String>,
    expires_in: u32,
    expires_at: String,
}

/// Answers the route.
pub(super) fn handle(parts: &Parts, call: &Call<'_>) -> Result<Response<Full<Bytes>>, Error> {
    let config = &parts.config;
    let base = config.companion.base.as_deref().ok_or_else(|| {
        Error::new(Code::NotFound, "Uppy's routes are switched off here.").hint("Set `companion.base`.")
    })?;
    let body = Body::parse(call.body, NO_PREFIX)?;
    let bounds = Bounds::own(config.upload.expires_default_seconds);
    let seconds = expiry::choose(&body.expiry, None, bounds)?.seconds;
    let ends = call.context.received.plus_seconds(u64::from(seconds));
    let bucket = non_empty(body.bucket.as_ref());
    let prefix = non_empty(body.listing.prefix.as_ref());
    let allow = match (bucket, prefix) {
        (Some(bucket), prefix) => {
            let known = known_bucket(config, call.identity, bucket).ok_or_else(|| {
                unknown(config, call.identity, "There is no bucket of the name in `bucket`.")
            })?;
            vec![below(call.identity, &known.name, prefix)?]
        }
        (None, None) => wherever(call.identity)?,
        (None, Some(_)) => {
            return Err(Error::new(Code::MissingFields, "Missing: `bucket`, beside `prefix`."));
        }
    };
    let token = begin_page(&parts.sealer, call.identity, allow, ends).map_err(|problem| {
        Error::new(Code::Internal, "The token could not be sealed.").cause(problem.to_string())
    })?;
    let bucket = bucket.map(|bucket| ["/", bucket].concat()).unwrap_or_default();
    let reply = Reply {
        success: true,
        token: Plain(&token),
        path: Plain([base, "/t/", &token, &bucket].concat()),
        expires_in: seconds,
        expires_at: ends.rfc3339(),
    };
    reply::ok(&reply, REPLY_BYTES)
}

/// Writing in one bucket, below `prefix` or wherever the caller may.
fn below(identity: &Identity, bucket: &str, prefix: Option<&str>) -> Result<Grant, Error> {
    let prefix = prefix.unwrap_or_else(|| rights::shortest_prefix(identity, Action::Write, bucket));
    authorize(identity, Action::Write, bucket, prefix)?;
    Ok(Grant {
        bucket: GrantBucket::Named(bucket.to_owned()),
        prefix: prefix.to_owned(),
        actions: vec![Action::Write],
    })
}

/// Writing wherever the caller may.
fn wherever(identity: &Identity) -> Result<Vec<Grant>, Error> {
    let everywhere =
        [Grant { bucket: GrantBucket::Any, prefix: String::new(), actions: vec![Action::Write] }];
    let allow: Vec<Grant> = grants(identity)
        .unwrap_or(&everywhere)
        .iter()
        .filter(|grant| grant.actions.contains(&Action::Write))
        .map(|grant| Grant { actions: vec![Action::Write], ..grant.clone() })
        .collect();
    if allow.is_empty() {
        return Err(Error::new(Code::AccessDenied, "This key may write nowhere."));
    }
    Ok(allow)
}
