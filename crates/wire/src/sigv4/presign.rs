//! Query signing: a URL that lets whoever holds it send one request until it expires.
//!
//! This is what Wharf does most, so it writes the URL once, in one allocation, in canonical order, and hashes the
//! path and the query where they stand in it: what is signed and what is sent are the same bytes.

mod series;

use std::{fmt, iter::Peekable, mem, ops::Range, vec};

use http::Method;
use secrecy::ExposeSecret;
use thiserror::Error;

use crate::{
    date::{AmzDate, Timestamp},
    encode,
    endpoint::Scheme,
};

use super::{
    ALGORITHM, Credentials, SigningKey, UNSIGNED_PAYLOAD,
    canonical::{self, CanonicalHeaders, CanonicalRequest, Header},
};

pub use series::{Series, series};

/// The longest that S3 lets a presigned URL live: seven days.
pub const EXPIRES_SECONDS_MAX: u32 = 604_800;

/// The signature's own parameters. No character of them is escaped.
pub(super) mod name {
    pub(in crate::sigv4) const ALGORITHM: &str = "X-Amz-Algorithm";
    pub(in crate::sigv4) const CREDENTIAL: &str = "X-Amz-Credential";
    pub(in crate::sigv4) const DATE: &str = "X-Amz-Date";
    pub(in crate::sigv4) const EXPIRES: &str = "X-Amz-Expires";
    pub(in crate::sigv4) const SECURITY_TOKEN: &str = "X-Amz-Security-Token";
    pub(in crate::sigv4) const SIGNED_HEADERS: &str = "X-Amz-SignedHeaders";
    pub(in crate::sigv4) const SIGNATURE: &str = "X-Amz-Signature";
    pub(in crate::sigv4) const ALL: [&str; 7] =
        [ALGORITHM, CREDENTIAL, DATE, EXPIRES, SECURITY_TOKEN, SIGNED_HEADERS, SIGNATURE];
}

/// What is to be signed. Everything in it is unencoded. It has no `Debug`: a header may carry a customer's key.
#[derive(Clone, Copy)]
pub struct PresignInput<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// `http` or `https`; not signed.
    pub scheme: Scheme,
    /// The `Host` header: host, and port unless it is the scheme's own.
    pub authority: &'a str,
    /// The path, unencoded, with its leading `/`: `/bucket/key` or `/key`.
    pub path: &'a str,
    /// More query parameters, unencoded, in any order (`x-amz-meta-…`, `response-content-type`, `versionId`, …).
    pub query: &'a [(&'a str, &'a str)],
    /// Headers that the holder must send, lower-case names, besides `host`, in any order.
    pub headers: &'a [(&'a str, &'a str)],
    /// Seconds from `now` until the URL is dead: 1 to 604,800.
    pub expires_seconds: u32,
    /// The time of signing. Its day must be the key's.
    pub now: Timestamp,
}

/// Why a request cannot be presigned. No store would accept its URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PresignError {
    /// Outside of S3's bounds.
    #[error("a presigned URL lives 1 to 604800 seconds")]
    Expires,
    /// The key was derived for another day than `now`'s.
    #[error("the signing key is not for the day of signing")]
    KeyDay,
    /// A path without its leading slash.
    #[error("a path starts with /")]
    Path,
    /// A parameter that belongs to the signature itself.
    #[error("X-Amz-Signature, X-Amz-Expires and the other parameters of a signature cannot be set")]
    Parameter,
    /// A name that is no lower-case token, or `host`, which is signed anyway.
    #[error("a signed header's name is lower-case, and not host")]
    HeaderName,
    /// A value with a line break or another control character.
    #[error("a signed header's value has no control characters")]
    HeaderValue,
}

/// A URL that carries a signature, and is therefore a credential: `Debug` redacts it and there is no `Display`.
#[derive(Clone)]
pub struct SignedUrl(String);

impl SignedUrl {
    /// Keeps a URL that was signed elsewhere (a CDN's).
    pub fn from_signed(url: String) -> Self {
        Self(url)
    }

    /// The URL itself, to be handed to whom it was made for.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Gives up the URL itself.
    pub fn into_exposed(self) -> String {
        self.0
    }
}

impl fmt::Debug for SignedUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SignedUrl(redacted)")
    }
}

/// Signs `input`. The payload is `UNSIGNED-PAYLOAD`, as S3 wants of every presigned request.
pub fn presign(
    input: &PresignInput<'_>,
    credentials: &Credentials,
    key: &SigningKey,
) -> Result<SignedUrl, PresignError> {
    let date = input.now.amz_date();
    check(input, &date, key)?;

    let host = ("host", input.authority.as_bytes());
    let mut alone = [host];
    let mut several: Vec<Header<'_>>;
    let headers = if input.headers.is_empty() {
        CanonicalHeaders::sort(&mut alone)
    } else {
        several = signed_headers(input);
        CanonicalHeaders::sort(&mut several)
    };

    let Unsigned { mut url, path, query } =
        write_url(input, &Signer { date: &date, credentials, key, headers });
    let digest = CanonicalRequest {
        method: input.method.as_str(),
        path: url.get(path).unwrap_or_default(),
        query: url.get(query).unwrap_or_default(),
        headers,
        payload_sha256: UNSIGNED_PAYLOAD,
    }
    .sha256();
    url.extend(["&", name::SIGNATURE, "=", key.sign(&date, &digest).expose()]);
    Ok(SignedUrl(url))
}

/// The input's headers and `host`, in no order.
fn signed_headers<'a>(input: &PresignInput<'a>) -> Vec<Header<'a>> {
    let headers = input.headers.iter().map(|(name, value)| (*name, value.as_bytes()));
    headers.chain([("host", input.authority.as_bytes())]).collect()
}

fn check(input: &PresignInput<'_>, date: &AmzDate, key: &SigningKey) -> Result<(), PresignError> {
    if !(1..=EXPIRES_SECONDS_MAX).contains(&input.expires_seconds) {
        return Err(PresignError::Expires);
    }
    if date.day() != key.scope().day() {
        return Err(PresignError::KeyDay);
    }
    if !input.path.starts_with('/') {
        return Err(PresignError::Path);
    }
    if input.query.iter().any(|(name, _)| is_reserved(name)) {
        return Err(PresignError::Parameter);
    }
    input.headers.iter().try_for_each(|(name, value)| check_header(name, value))
}

fn is_reserved(name: &str) -> bool {
    name::ALL.iter().any(|reserved| name.eq_ignore_ascii_case(reserved))
}

fn check_header(name: &str, value: &str) -> Result<(), PresignError> {
    if name == "host" || !canonical::is_header_name(name) {
        return Err(PresignError::HeaderName);
    }
    if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
        return Err(PresignError::HeaderValue);
    }
    Ok(())
}

/// A URL that lacks nothing but its signature, and where its canonical parts stand in it.
struct Unsigned {
    url: String,
    path: Range<usize>,
    query: Range<usize>,
}

/// What a signature's own parameters say, besides what the input says.
struct Signer<'a> {
    date: &'a AmzDate,
    credentials: &'a Credentials,
    key: &'a SigningKey,
    headers: CanonicalHeaders<'a>,
}

fn write_url(input: &PresignInput<'_>, signer: &Signer<'_>) -> Unsigned {
    let mut url = String::with_capacity(url_bytes(input, signer));
    url.extend([input.scheme.as_str(), "://", input.authority]);
    let path_start = url.len();
    encode::path(input.path, &mut url);
    let path_end = url.len();
    QueryWriter::new(&mut url, input.query).write(input.expires_seconds, signer);
    let query_end = url.len();
    Unsigned { url, path: path_start..path_end, query: path_end + 1..query_end }
}

/// Enough for most URLs, so that few are moved while they grow; a guess that is too low costs time, not sense.
fn url_bytes(input: &PresignInput<'_>, signer: &Signer<'_>) -> usize {
    const FIXED_AND_ESCAPES: usize = 384;
    let pairs = input.query.iter().map(|(name, value)| name.len() + value.len() * 2);
    let names = input.headers.iter().map(|(name, _)| name.len());
    let token =
        signer.credentials.session_token.as_ref().map_or(0, |token| token.expose_secret().len() * 5 / 4);
    let scope = signer.key.scope().as_str().len() + signer.credentials.access_key_id.as_str().len();
    FIXED_AND_ESCAPES
        + input.authority.len()
        + input.path.len()
        + pairs.chain(names).sum::<usize>()
        + token
        + scope
}

/// Writes the signature's own parameters and, between them, the caller's, in canonical order.
struct QueryWriter<'a, 'url> {
    url: &'url mut String,
    /// The caller's parameters that are not written yet, in canonical order.
    callers: Peekable<vec::IntoIter<(&'a str, &'a str)>>,
    separator: char,
}

impl<'a, 'url> QueryWriter<'a, 'url> {
    fn new(url: &'url mut String, callers: &[(&'a str, &'a str)]) -> Self {
        let mut callers = callers.to_vec();
        callers.sort_unstable_by(|(name_a, value_a), (name_b, value_b)| {
            let by_name = encode::query_order(name_a).cmp(encode::query_order(name_b));
            by_name.then_with(|| encode::query_order(value_a).cmp(encode::query_order(value_b)))
        });
        Self { url, callers: callers.into_iter().peekable(), separator: '?' }
    }

    /// Names stand in the order of their bytes.
    fn write(mut self, expires_seconds: u32, signer: &Signer<'_>) {
        self.own(name::ALGORITHM, |url| url.push_str(ALGORITHM));
        self.own(name::CREDENTIAL, |url| {
            encode::query(signer.credentials.access_key_id.as_str(), url);
            url.push_str("%2F");
            encode::query(signer.key.scope().as_str(), url);
        });
        self.own(name::DATE, |url| url.push_str(signer.date.as_str()));
        self.own(name::EXPIRES, |url| push_decimal(expires_seconds, url));
        if let Some(token) = &signer.credentials.session_token {
            self.own(name::SECURITY_TOKEN, |url| encode::query(token.expose_secret(), url));
        }
        self.own(name::SIGNED_HEADERS, |url| push_names(signer.headers, url));
        self.callers_before(None);
    }

    fn own(&mut self, name: &str, write_value: impl FnOnce(&mut String)) {
        self.callers_before(Some(name));
        self.url.push(mem::replace(&mut self.separator, '&'));
        self.url.push_str(name);
        self.url.push('=');
        write_value(self.url);
    }

    /// Writes the caller's parameters that come before `name`, or all that are left.
    fn callers_before(&mut self, name: Option<&str>) {
        let is_before =
            |(caller, _): &(&str, &str)| name.is_none_or(|name| encode::query_order(caller).lt(name.bytes()));
        while let Some((name, value)) = self.callers.next_if(is_before) {
            self.url.push(mem::replace(&mut self.separator, '&'));
            encode::query(name, self.url);
            self.url.push('=');
            encode::query(value, self.url);
        }
    }
}

/// The names of signed headers, with the semicolons between them escaped as in any query.
fn push_names(headers: CanonicalHeaders<'_>, url: &mut String) {
    for (index, name) in headers.names().enumerate() {
        if index > 0 {
            url.push_str("%3B");
        }
        encode::query(name, url);
    }
}

fn push_decimal(number: u32, out: &mut String) {
    if number >= 10 {
        push_decimal(number / 10, out);
    }
    out.extend(char::from_digit(number % 10, 10));
}

#[cfg(test)]
mod tests {
    use crate::{
        names::Region,
        sigv4::{AccessKeyId, Scope},
    };

    use super::*;

    /// 2013-05-24T00:00:00Z, the day of the S3 documentation's examples.
    pub(super) const NOW: Timestamp = Timestamp::from_unix_millis(1_369_353_600_000);

    pub(super) fn credentials(token: Option<&str>) -> Credentials {
        Credentials {
            access_key_id: AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").unwrap(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            session_token: token.map(Into::into),
        }
    }

    fn signed(input: &PresignInput<'_>, credentials: &Credentials) -> Result<String, PresignError> {
        let scope = Scope::s3(NOW.amz_date(), &Region::parse("us-east-1").unwrap());
        presign(input, credentials, &SigningKey::derive(credentials, scope)).map(SignedUrl::into_exposed)
    }

    pub(super) const GET: PresignInput<'_> = PresignInput {
        method: &Method::GET,
        scheme: Scheme::Https,
        authority: "examplebucket.s3.amazonaws.com",
        path: "/test.txt",
        query: &[],
        headers: &[],
        expires_seconds: 86_400,
        now: NOW,
    };

    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>
    #[test]
    fn the_example_of_the_s3_documentation() {
        assert_eq!(
            signed(&GET, &credentials(None)).unwrap(),
            "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
             &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
             &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        );
    }

    #[test]
    fn parameters_are_merged_in_canonical_order() {
        let input = PresignInput {
            path: "/a b/../+",
            query: &[
                ("x-id", "GetObject"),
                ("X-Amz-Meta-A", "1"),
                ("ü", "/"),
                ("A", "2"),
                ("A", "10"),
                ("Z", ""),
            ],
            headers: &[("x-amz-meta-b", " 1  2 "), ("content-type", "text/plain")],
            ..GET
        };
        let url = signed(&input, &credentials(Some("a/b+c=="))).unwrap();
        let (unsigned, signature) = url.rsplit_once("&X-Amz-Signature=").unwrap();
        assert_eq!(
            unsigned,
            "https://examplebucket.s3.amazonaws.com/a%20b/../%2B?%C3%BC=%2F&A=10&A=2&X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
             &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-Meta-A=1&X-Amz-Security-Token=a%2Fb%2Bc%3D%3D\
             &X-Amz-SignedHeaders=content-type%3Bhost%3Bx-amz-meta-b&Z=&x-id=GetObject"
        );
        assert!(signature.len() == 64 && signature.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }

    #[test]
    fn refuses_what_no_store_accepts() {
        for (input, error) in [
            (PresignInput { expires_seconds: 0, ..GET }, PresignError::Expires),
            (PresignInput { expires_seconds: 604_801, ..GET }, PresignError::Expires),
            (PresignInput { now: NOW.plus_seconds(86_400), ..GET }, PresignError::KeyDay),
            (PresignInput { path: "test.txt", ..GET }, PresignError::Path),
            (PresignInput { query: &[("x-amz-expires", "1")], ..GET }, PresignError::Parameter),
            (PresignInput { query: &[("X-Amz-Signature", "0")], ..GET }, PresignError::Parameter),
            (PresignInput { headers: &[("", "a")], ..GET }, PresignError::HeaderName),
            (PresignInput { headers: &[("host", "a")], ..GET }, PresignError::HeaderName),
            (PresignInput { headers: &[("Content-Type", "a")], ..GET }, PresignError::HeaderName),
            (PresignInput { headers: &[("a:b", "a")], ..GET }, PresignError::HeaderName),
            (PresignInput { headers: &[("a", "a\r\nb: c")], ..GET }, PresignError::HeaderValue),
            (PresignInput { headers: &[("a", "\0")], ..GET }, PresignError::HeaderValue),
        ] {
            assert_eq!(signed(&input, &credentials(None)), Err(error));
        }
    }

    #[test]
    fn debug_shows_no_signature() {
        let credentials = credentials(None);
        let key =
            SigningKey::derive(&credentials, Scope::s3(NOW.amz_date(), &Region::parse("auto").unwrap()));
        let url = presign(&GET, &credentials, &key).unwrap();
        let digest = super::super::payload_sha256(b"");
        let shown = format!("{url:?} {key:?} {:?}", key.sign(&NOW.amz_date(), &digest));
        assert_eq!(
            shown,
            "SignedUrl(redacted) SigningKey { scope: \"20130524/auto/s3/aws4_request\", .. } Signature(redacted)"
        );
    }
}
