//! Header signing, for the requests that Wharf itself sends. aws-sigv4 does the work: this is not the hot path.
//!
//! aws-sigv4's defaults are made for other services than S3: it would escape the path twice and normalise it.
//! At the level TRACE it logs the headers that it signs, so a log filter must keep its target at a higher level.

use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningError,
        SigningSettings, UriPathNormalizationMode, sign,
    },
    sign::v4::signing_params,
};
use aws_smithy_runtime_api::client::identity::Identity;
use http::{
    HeaderName, HeaderValue, Method,
    header::{AUTHORIZATION, HOST, InvalidHeaderValue},
};
use secrecy::ExposeSecret;
use thiserror::Error;

use crate::{date::Timestamp, names::Region};

use super::Credentials;

const SECURITY_TOKEN: &str = "x-amz-security-token";
/// Five keys of S3's greatest length, all of it escaped. aws-sigv4 panics if a target that it has escaped once more is
/// above 65,535 bytes, which this cannot become.
const TARGET_BYTES_MAX: usize = 16 * 1024;
/// Above what any store takes. aws-sigv4 panics above some 24,000.
const HEADERS_MAX: usize = 256;

/// What is to be signed. It has no `Debug`: a header may carry a customer's key.
#[derive(Clone, Copy)]
pub struct HeaderSigning<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// The `Host` header.
    pub authority: &'a str,
    /// The path as it is sent, percent-encoded by [`crate::encode`].
    pub encoded_path: &'a str,
    /// The query as it is sent, percent-encoded, without `?`.
    pub encoded_query: &'a str,
    /// Headers to sign besides `host`, lower-case names.
    pub headers: &'a [(&'a str, &'a str)],
    /// `x-amz-content-sha256`: a lower-case hex digest or `UNSIGNED-PAYLOAD`.
    pub payload_sha256: &'a str,
    /// The region that the provider signs with.
    pub region: &'a Region,
    /// The time of signing.
    pub now: Timestamp,
}

/// Headers to add to the request: `authorization`, `x-amz-date`, `x-amz-content-sha256` and perhaps
/// `x-amz-security-token`. The values that prove or grant something are marked sensitive.
pub type SignedHeaders = Vec<(HeaderName, HeaderValue)>;

/// Why a request cannot be signed. It could not be sent either.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SignError {
    /// A path without a leading slash, or with what would end a path or a query, or too long a target.
    #[error(
        "a request's path starts with / and holds no ?; with its query it holds no # and is at most 16 KiB"
    )]
    Target,
    /// More headers than a request has.
    #[error("a request has at most {HEADERS_MAX} signed headers")]
    Headers,
    /// A header or target that HTTP cannot carry.
    #[error("the request cannot be signed")]
    Request(#[from] SigningError),
    /// aws-sigv4 misses a parameter. All are given, so this does not happen.
    #[error("the request's signing parameters are incomplete")]
    Parameters(#[from] signing_params::BuildError),
    /// A signature that HTTP cannot carry, because a credential holds odd characters.
    #[error("the credentials cannot stand in a header")]
    Credentials(#[from] InvalidHeaderValue),
}

/// Signs `input`.
pub fn sign_headers(
    input: &HeaderSigning<'_>,
    credentials: &Credentials,
) -> Result<SignedHeaders, SignError> {
    check(input)?;
    let identity = identity(credentials);
    let parameters = signing_params::Builder::default()
        .identity(&identity)
        .region(input.region.as_str())
        .name("s3")
        .time(input.now.into())
        .settings(s3_settings())
        .build()?
        .into();
    let (headers, _) = sign(signable(input)?, &parameters)?.into_parts().0.into_parts();
    headers.iter().map(|header| signed_header(header.name(), header.value())).collect()
}

/// What aws-sigv4 would panic on, or sign otherwise than it is sent: `http::Uri` drops a fragment without a word.
fn check(input: &HeaderSigning<'_>) -> Result<(), SignError> {
    let (path, query) = (input.encoded_path, input.encoded_query);
    let is_odd = !path.starts_with('/') || path.contains(['?', '#']) || query.contains('#');
    if is_odd || path.len() + query.len() > TARGET_BYTES_MAX {
        return Err(SignError::Target);
    }
    if input.headers.len() > HEADERS_MAX { Err(SignError::Headers) } else { Ok(()) }
}

/// A target in origin form: with `host` among the headers aws-sigv4 needs no authority in it.
fn signable<'a>(input: &HeaderSigning<'a>) -> Result<SignableRequest<'a>, SigningError> {
    let separator = if input.encoded_query.is_empty() { "" } else { "?" };
    let target = [input.encoded_path, separator, input.encoded_query].concat();
    let headers = input.headers.iter().copied().chain([(HOST.as_str(), input.authority)]);
    let body = SignableBody::Precomputed(input.payload_sha256.to_owned());
    SignableRequest::new(input.method.as_str(), target, headers, body)
}

fn signed_header(name: &'static str, value: &str) -> Result<(HeaderName, HeaderValue), SignError> {
    let mut value = HeaderValue::from_str(value)?;
    value.set_sensitive(name == AUTHORIZATION.as_str() || name == SECURITY_TOKEN);
    Ok((HeaderName::from_static(name), value))
}

fn s3_settings() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings
}

fn identity(credentials: &Credentials) -> Identity {
    let token = credentials.session_token.as_ref().map(|token| token.expose_secret().to_owned());
    aws_credential_types::Credentials::new(
        credentials.access_key_id.as_str(),
        credentials.secret_access_key.expose_secret(),
        token,
        None,
        "wharf",
    )
    .into()
}
