//! Why a request is not let in, in S3's terms.

use thiserror::Error;

use crate::{names::Region, s3::ErrorCode};

pub(super) const TWO_FORMS: &str =
    "a request is signed once: in the Authorization header or in the query, not in both";
pub(super) const UNKNOWN_SCHEME: &str = "the Authorization header must begin with AWS4-HMAC-SHA256";
pub(super) const SIGV2: &str =
    "Signature Version 2 is not supported: sign with AWS4-HMAC-SHA256 (Signature Version 4)";
pub(super) const SIGV4A: &str =
    "Signature Version 4A is not supported: sign with AWS4-HMAC-SHA256 (Signature Version 4)";
pub(super) const HEADER_TWICE: &str =
    "authorization, date and x-amz-* headers other than metadata may come once each";
pub(super) const HEADER_TEXT: &str = "a header of the signature holds other characters than printable ASCII";
pub(super) const NO_PAYLOAD: &str = "a signed request needs the header x-amz-content-sha256";
pub(super) const UNKNOWN_PAYLOAD: &str = "x-amz-content-sha256 must be a SHA-256 in lower-case hexadecimal, \
     UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER or STREAMING-AWS4-HMAC-SHA256-PAYLOAD, with or without -TRAILER";
pub(super) const TWO_PAYLOADS: &str = "x-amz-content-sha256 in the query and in the headers differ";
pub(super) const NO_DATE: &str = "a signed request needs a valid x-amz-date or Date header";
pub(super) const NOT_SIGNED: &str = "There were headers present in the request which were not signed";
pub(super) const HEADER_MISSING: &str = "a header that was signed did not come with the request";
pub(super) const NOT_YET_VALID: &str = "Request is not valid yet";
pub(super) const EXPIRED: &str = "Request has expired";
pub(super) const MISMATCH: &str =
    "the signature is not that of the request: check the secret key and the signing method";

/// Why a request is not let in. Each variant is the S3 error code of its name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuthError {
    /// It is expired, has no date, or carries `x-amz-*` headers beside its signature.
    #[error("{0}")]
    AccessDenied(&'static str),
    /// The `Authorization` header cannot be read, or is for something else.
    #[error("the Authorization header is malformed: {0}")]
    AuthorizationHeaderMalformed(Malformed),
    /// The same of a presigned request.
    #[error("the signature's parameters in the query are malformed: {0}")]
    AuthorizationQueryParametersError(Malformed),
    /// Something that signs is there twice, or is nothing that S3 knows.
    #[error("{0}")]
    InvalidArgument(&'static str),
    /// Another way of signing, or no `x-amz-content-sha256`.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// A clock is wrong.
    #[error("the request was signed more than 15 minutes before or after the time here: set the clock")]
    RequestTimeTooSkewed,
    /// Another key, or another request than the signed one.
    #[error("{0}")]
    SignatureDoesNotMatch(&'static str),
}

impl AuthError {
    /// S3's code for it.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::AccessDenied(_) => ErrorCode::AccessDenied,
            Self::AuthorizationHeaderMalformed(_) => ErrorCode::AuthorizationHeaderMalformed,
            Self::AuthorizationQueryParametersError(_) => ErrorCode::AuthorizationQueryParametersError,
            Self::InvalidArgument(_) => ErrorCode::InvalidArgument,
            Self::InvalidRequest(_) => ErrorCode::InvalidRequest,
            Self::RequestTimeTooSkewed => ErrorCode::RequestTimeTooSkewed,
            Self::SignatureDoesNotMatch(_) => ErrorCode::SignatureDoesNotMatch,
        }
    }

    /// The region to sign for, when that was wrong: S3 says it in `<Region>`, where SDKs look for it.
    pub fn expected_region(&self) -> Option<&Region> {
        match self {
            Self::AuthorizationHeaderMalformed(Malformed::Region(region))
            | Self::AuthorizationQueryParametersError(Malformed::Region(region)) => Some(region),
            Self::AccessDenied(_)
            | Self::AuthorizationHeaderMalformed(_)
            | Self::AuthorizationQueryParametersError(_)
            | Self::InvalidArgument(_)
            | Self::InvalidRequest(_)
            | Self::RequestTimeTooSkewed
            | Self::SignatureDoesNotMatch(_) => None,
        }
    }
}

/// What is wrong with a signature's parts.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Malformed {
    /// A part is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A part is there more than once.
    #[error("{0} is there more than once")]
    Twice(&'static str),
    /// A part is in upper or lower case, where it must be as S3 writes it.
    #[error("{0} must be written in this case")]
    Case(&'static str),
    /// A part that no signature has.
    #[error("it is made of Credential, SignedHeaders and Signature, with commas between them")]
    Unknown,
    /// A part that is no text.
    #[error("{0} is not text")]
    Text(&'static str),
    /// Another algorithm.
    #[error("X-Amz-Algorithm must be AWS4-HMAC-SHA256")]
    Algorithm,
    /// Not an access key id and a scope.
    #[error("the credential must be KEY-ID/YYYYMMDD/REGION/s3/aws4_request")]
    Credential,
    /// A scope for another day than the request's.
    #[error("the credential is for another day than the request")]
    Day,
    /// A scope for another region.
    #[error("the credential is for another region than '{}'", .0.as_str())]
    Region(Region),
    /// A scope for another service.
    #[error("the credential is for another service than s3")]
    Service,
    /// A scope that ends otherwise.
    #[error("the credential must end with aws4_request")]
    Terminator,
    /// Not a list of names in order.
    #[error(
        "signed headers are lower-case names in alphabetical order, each once, with semicolons between them"
    )]
    SignedHeaders,
    /// `host` is not signed.
    #[error("host must be signed")]
    HostNotSigned,
    /// Not sixty-four digits.
    #[error("the signature must be 64 lower-case hexadecimal digits")]
    Signature,
    /// Not a date.
    #[error("X-Amz-Date must be written YYYYMMDDTHHMMSSZ")]
    Date,
    /// Not a number of seconds, or outside of S3's bounds.
    #[error("X-Amz-Expires must be a number of seconds from 1 to 604800")]
    Expires,
}
