//! Header signing: what lets a provider know the requests that Wharf sends. Everything is signed that is sent.
//!
//! Each request that is passed on is signed again, so the key comes from a cache and nothing is copied to be hashed.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{AUTHORIZATION, HOST, InvalidHeaderValue},
};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

use crate::date::{AmzDate, Timestamp};

use super::{
    ALGORITHM, Credentials, PayloadMode, SigningKey,
    canonical::{self, CanonicalHeaders, CanonicalRequest, Header},
};

const AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// What is to be signed besides the headers.
#[derive(Debug, Clone, Copy)]
pub struct HeaderSigning<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// The path as it is sent, percent-encoded.
    pub encoded_path: &'a str,
    /// The query as it is sent, percent-encoded, without `?`, in any order.
    pub encoded_query: &'a str,
    /// What is signed of the payload.
    pub payload: PayloadMode,
    /// The time of signing. Its day must be the key's.
    pub now: Timestamp,
}

/// Why a request cannot be signed. It could not be sent either.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SignError {
    /// A path without its leading slash, or a character that would end a path or a query, or one that no URI holds.
    #[error("a request's path starts with /, and its target is percent-encoded")]
    Target,
    /// No header `host`.
    #[error("a request is signed together with its host")]
    Host,
    /// The key was derived for another day than `now`'s.
    #[error("the signing key is not for the day of signing")]
    KeyDay,
    /// Credentials with odd characters.
    #[error("the credentials cannot stand in a header")]
    Credentials(#[from] InvalidHeaderValue),
}

/// Signs `input` with all of `headers`, `host` among them, and adds what a signed request has besides: `x-amz-date`,
/// `x-amz-content-sha256`, perhaps `x-amz-security-token`, and `authorization`. Values that prove or grant something
/// are marked sensitive.
pub fn sign_headers(
    input: &HeaderSigning<'_>,
    headers: &mut HeaderMap,
    credentials: &Credentials,
    key: &SigningKey,
) -> Result<(), SignError> {
    let date = input.now.amz_date();
    check(input, headers, &date, key)?;
    headers.remove(AUTHORIZATION);
    headers.insert(AMZ_DATE, HeaderValue::from_str(date.as_str())?);
    headers.insert(CONTENT_SHA256, HeaderValue::from_str(input.payload.as_str())?);
    set_token(headers, credentials.session_token.as_ref())?;

    let mut authorization = HeaderValue::try_from(authorization(input, headers, credentials, (key, &date)))?;
    authorization.set_sensitive(true);
    headers.insert(AUTHORIZATION, authorization);
    Ok(())
}

fn check(
    input: &HeaderSigning<'_>,
    headers: &HeaderMap,
    date: &AmzDate,
    key: &SigningKey,
) -> Result<(), SignError> {
    let (path, query) = (input.encoded_path, input.encoded_query);
    let is_sound = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    if !path.starts_with('/') || path.contains('?') || !path.bytes().chain(query.bytes()).all(is_sound) {
        return Err(SignError::Target);
    }
    if !headers.contains_key(HOST) {
        return Err(SignError::Host);
    }
    if date.day() == key.scope().day() { Ok(()) } else { Err(SignError::KeyDay) }
}

/// A token that goes with other credentials than these must not be sent.
fn set_token(headers: &mut HeaderMap, token: Option<&SecretString>) -> Result<(), InvalidHeaderValue> {
    headers.remove(SECURITY_TOKEN);
    if let Some(token) = token {
        let mut token = HeaderValue::from_str(token.expose_secret())?;
        token.set_sensitive(true);
        headers.insert(SECURITY_TOKEN, token);
    }
    Ok(())
}

fn authorization(
    input: &HeaderSigning<'_>,
    headers: &HeaderMap,
    credentials: &Credentials,
    (key, date): (&SigningKey, &AmzDate),
) -> String {
    let mut headers: Vec<Header<'_>> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let headers = CanonicalHeaders::sort(&mut headers);
    let digest = CanonicalRequest {
        method: input.method.as_str(),
        path: &canonical::path(input.encoded_path),
        query: &canonical::query(input.encoded_query),
        headers,
        payload_sha256: input.payload.as_str(),
    }
    .sha256();
    let signature = key.sign(date, &digest);

    let mut out = String::with_capacity(512);
    out.extend([ALGORITHM, " Credential=", credentials.access_key_id.as_str(), "/", key.scope().as_str()]);
    for (index, name) in headers.names().enumerate() {
        out.extend([if index == 0 { ", SignedHeaders=" } else { ";" }, name]);
    }
    out.extend([", Signature=", signature.expose()]);
    out
}
