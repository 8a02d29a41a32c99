//! From what is wanted of a provider to the request that is sent: encoded once, signed in its headers.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use hyper::body::Body;
use secrecy::ExposeSecret;
use wharf_provider::{Account, Location};
use wharf_wire::{
    date::Timestamp,
    encode,
    sigv4::{
        ALGORITHM, Credentials, SigningKey,
        canonical::{CanonicalHeaders, CanonicalRequest, Header},
    },
};

use super::{Outgoing, SendBody, UpstreamError};

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// Signs `outgoing` for `account` with `key`, which is the account's of `now`'s day.
pub(in crate::backend) fn request(
    outgoing: Outgoing<'_>,
    account: &Account,
    key: &SigningKey,
    now: Timestamp,
) -> Result<Request<SendBody>, UpstreamError> {
    let location = account.location(outgoing.bucket, outgoing.key).map_err(unmade)?;
    let query = encoded(outgoing.query);
    let (url, path_at) = url(&location, &query);
    let mut headers = outgoing.headers;
    headers.insert(header::HOST, HeaderValue::from_str(&location.authority).map_err(unmade)?);
    headers.insert(DATE, HeaderValue::from_str(now.amz_date().as_str()).map_err(unmade)?);
    headers.insert(CONTENT_SHA256, HeaderValue::from_str(outgoing.payload.as_str()).map_err(unmade)?);
    if let Some(token) = &account.credentials().session_token {
        headers.insert(SECURITY_TOKEN, secret(token.expose_secret())?);
    }
    let path = url.get(path_at..url.len() - query.len()).unwrap_or_default().trim_end_matches('?');
    let unsigned =
        Unsigned { method: &outgoing.method, path, query: &query, payload: outgoing.payload.as_str() };
    let authorization = unsigned.authorization(&headers, account.credentials(), (key, now));
    headers.insert(header::AUTHORIZATION, secret(&authorization)?);
    set_length(&outgoing.method, &outgoing.body, &mut headers);
    let mut request = Request::new(outgoing.body);
    *request.method_mut() = outgoing.method;
    *request.uri_mut() = url.try_into().map_err(unmade)?;
    *request.headers_mut() = headers;
    Ok(request)
}

fn unmade(error: impl std::fmt::Display) -> UpstreamError {
    UpstreamError::Request(error.to_string())
}

fn secret(text: &str) -> Result<HeaderValue, UpstreamError> {
    let mut value = HeaderValue::from_str(text).map_err(unmade)?;
    value.set_sensitive(true);
    Ok(value)
}

/// The query in canonical order, which is also the order in which it is sent.
fn encoded(query: &[(&str, &str)]) -> String {
    let encode = |text: &str| {
        let mut out = String::with_capacity(text.len());
        encode::query(text, &mut out);
        out
    };
    let mut pairs: Vec<_> = query.iter().map(|(name, value)| (encode(name), encode(value))).collect();
    pairs.sort_unstable();
    let mut out = String::new();
    for (name, value) in &pairs {
        let separator = if out.is_empty() { "" } else { "&" };
        out.extend([separator, name, "=", value]);
    }
    out
}

/// The whole URL, and where its path begins.
fn url(location: &Location, query: &str) -> (String, usize) {
    let mut url = location.url();
    let path_at = location.scheme.as_str().len() + "://".len() + location.authority.len();
    if !query.is_empty() {
        url.push('?');
        url.push_str(query);
    }
    (url, path_at)
}

/// A request without a body says so where a body is usual: S3 refuses a PUT without a length.
fn set_length(method: &Method, body: &SendBody, headers: &mut HeaderMap) {
    headers.remove(header::CONTENT_LENGTH);
    let length = body.size_hint().exact();
    let needs_length = length != Some(0) || matches!(*method, Method::PUT | Method::POST);
    if let Some(length) = length.filter(|_| needs_length) {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
}

/// What is signed besides the headers.
struct Unsigned<'a> {
    method: &'a Method,
    path: &'a str,
    query: &'a str,
    payload: &'a str,
}

impl Unsigned<'_> {
    fn authorization(
        &self,
        headers: &HeaderMap,
        credentials: &Credentials,
        (key, now): (&SigningKey, Timestamp),
    ) -> String {
        let mut signed: Vec<Header<'_>> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let signed = CanonicalHeaders::sort(&mut signed);
        let request = CanonicalRequest {
            method: self.method.as_str(),
            path: self.path,
            query: self.query,
            headers: signed,
            payload_sha256: self.payload,
        };
        let signature = key.sign(&now.amz_date(), &request.sha256());
        let mut out = String::with_capacity(512);
        out.extend([
            ALGORITHM,
            " Credential=",
            credentials.access_key_id.as_str(),
            "/",
            key.scope().as_str(),
        ]);
        for (index, name) in signed.names().enumerate() {
            out.push_str(if index == 0 { ", SignedHeaders=" } else { ";" });
            out.push_str(name);
        }
        out.extend([", Signature=", signature.expose()]);
        out
    }
}
