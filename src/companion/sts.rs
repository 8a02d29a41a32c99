//! `sts`: a short-lived key for Wharf's own S3 endpoint, whatever the provider is. The page signs with it by itself.

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body_util::Full;
use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::Serialize;

use crate::{
    error::{Code, Error},
    upload_api::{self, Bucket},
};

/// Seconds before a key's end from which a browser asks for another one.
const EARLY_SECONDS: u32 = 300;

#[derive(JsonSchema, Serialize)]
pub(super) struct Reply<'a> {
    credentials: Credentials<'a>,
    bucket: &'a str,
    region: &'a str,
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Credentials<'a> {
    access_key_id: &'a str,
    secret_access_key: &'a str,
    session_token: &'a str,
    expiration: &'a str,
}

/// Answers the route.
pub(super) fn sts(bucket: &Bucket<'_>) -> Result<Response<Full<Bytes>>, Error> {
    let seconds = bucket.expires_seconds(None)?;
    let credentials = bucket.credentials(seconds)?;
    let token = credentials.session_token.as_ref().ok_or_else(|| {
        Error::new(Code::Internal, "A short-lived key has no token.").cause("begin_session made none")
    })?;
    let mut response = upload_api::reply(&Reply {
        credentials: Credentials {
            access_key_id: credentials.access_key_id.as_str(),
            secret_access_key: credentials.secret_access_key.expose_secret(),
            session_token: token.expose_secret(),
            expiration: &bucket.expires_at(seconds),
        },
        bucket: bucket.name(),
        region: bucket.own_region(),
    })?;
    // Companion says `public`, where a cache between would hand one caller's secret to the next.
    let cache = format!("private,max-age={}", seconds.saturating_sub(EARLY_SECONDS));
    if let Ok(cache) = HeaderValue::from_str(&cache) {
        response.headers_mut().insert(header::CACHE_CONTROL, cache);
    }
    response.headers_mut().append(header::VARY, HeaderValue::from_static("authorization, x-api-key"));
    Ok(response)
}
