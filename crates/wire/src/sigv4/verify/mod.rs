//! Verification: what an S3 client presents, checked before anything that it asks for is believed.
//!
//! ```text
//! Received ──▶ Presented::parse ──▶ Anonymous
//!                     └──────────▶ Claim ──▶ check_region, check_time ──▶ verify(key) ──▶ Verified
//!                                                     the caller looks the key up ┘
//! ```
//!
//! A [`Claim`] is well-formed, covers what it must cover, and proves nothing. Only [`Claim::verify`] makes a
//! [`Verified`], and only what the signature covers is verified: the caller builds its own requests from that.
//!
//! Signed are the method, the path and the query, `host`, and every `x-amz-*` header that came: one that is not signed
//! could make another request of a signed one (a copy of an upload, for one). Other headers are the client's to sign.
//!
//! The presigned GET of the S3 documentation:
//!
//! ```
//! # use http::{HeaderMap, Method};
//! use wharf_wire::sigv4::{
//!     AccessKeyId, Credentials, SigningKey,
//!     verify::{Presented, Received},
//! };
//!
//! let request = Received {
//!     method: &Method::GET,
//!     authority: "examplebucket.s3.amazonaws.com",
//!     path: "/test.txt",
//!     query: "X-Amz-Algorithm=AWS4-HMAC-SHA256\
//!             &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
//!             &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
//!             &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
//!     headers: &HeaderMap::new(),
//! };
//! let Presented::Claim(claim) = Presented::parse(request)? else { panic!("the request is signed") };
//!
//! let credentials = Credentials {
//!     access_key_id: AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE")?,
//!     secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
//!     session_token: None,
//! };
//! let key = SigningKey::derive(&credentials, claim.scope().clone());
//! assert_eq!(claim.verify(&key)?.date.as_str(), "20130524T000000Z");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod credential;
mod error;
mod header;
mod query;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, fmt};

use http::{HeaderMap, HeaderName, Method, header::HOST};
use secrecy::SecretString;

use crate::{
    date::{AmzDate, Timestamp},
    names::Region,
};

use super::{
    AccessKeyId, PayloadMode, Scope, Signature, SigningKey,
    canonical::{self, CanonicalHeaders, CanonicalRequest, Header},
};

pub use self::{
    credential::Credential,
    error::{AuthError, Malformed},
};

/// How far a client's clock may be off, either way.
pub const SKEW_SECONDS_MAX: u64 = 15 * 60;

/// Headers of S3 that are lists, and may come once for each item. Metadata may, too.
const LIST_HEADERS: [&str; 2] = ["x-amz-object-attributes", "x-amz-optional-object-attributes"];
const METADATA_PREFIX: &str = "x-amz-meta-";

/// A request's head as it came. It has no `Debug`: headers and query carry secrets.
#[derive(Clone, Copy)]
pub struct Received<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// The `Host` header, or HTTP/2's `:authority`.
    pub authority: &'a str,
    /// The path of the request line, encoded in the client's way.
    pub path: &'a str,
    /// The query of the request line, encoded in the client's way, without `?`.
    pub query: &'a str,
    /// All headers.
    pub headers: &'a HeaderMap,
}

/// What a request says of who sends it.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one for each request, and it is not moved around")]
pub enum Presented<'a> {
    /// Nothing.
    Anonymous,
    /// A signature.
    Claim(Claim<'a>),
}

/// A signature that waits for its key. `Debug` shows who claims what, and no secret.
pub struct Claim<'a> {
    request: Received<'a>,
    form: Form,
    credential: Credential,
    date: AmzDate,
    signed_headers: Cow<'a, str>,
    signature: Signature,
    session_token: Option<SecretString>,
    payload: PayloadMode,
}

/// What a verified signature leaves for the steps after it: the chunks of a streamed payload are signed on from it.
#[derive(Debug, Clone)]
pub struct Verified {
    /// What is known of the payload, which is still to be verified.
    pub payload: PayloadMode,
    /// The time of signing.
    pub date: AmzDate,
    /// The request's signature.
    pub signature: Signature,
}

/// Where a signature stands in its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Header,
    Query { expires_seconds: u32 },
}

/// A signature's parts as either form has them.
struct Fields<'a> {
    form: Form,
    credential: Cow<'a, str>,
    date: AmzDate,
    signed_headers: Cow<'a, str>,
    signature: Cow<'a, str>,
    session_token: Option<SecretString>,
    payload: PayloadMode,
}

impl<'a> Presented<'a> {
    /// Reads what `request` presents. A request that presents two things, or something malformed, is refused.
    pub fn parse(request: Received<'a>) -> Result<Self, AuthError> {
        let authorization = header::authorization(request.headers)?;
        let fields = match (authorization, query::is_signed(request.query)) {
            (None, false) => return Ok(Self::Anonymous),
            (Some(_), true) => return Err(AuthError::InvalidArgument(error::TWO_FORMS)),
            (Some(authorization), false) => header::parse(authorization, request.headers)?,
            (None, true) => query::parse(request.query, request.headers)?,
        };
        Claim::new(request, fields).map(Self::Claim)
    }
}

impl<'a> Claim<'a> {
    fn new(request: Received<'a>, fields: Fields<'a>) -> Result<Self, AuthError> {
        let refuse = |problem| fields.form.refuse(problem);
        let credential = Credential::parse(&fields.credential, &fields.date).map_err(refuse)?;
        let signature = Signature::parse(&fields.signature).ok_or_else(|| refuse(Malformed::Signature))?;
        check_names(&fields.signed_headers).map_err(refuse)?;
        check_coverage(request.headers, &fields.signed_headers)?;
        Ok(Self {
            request,
            form: fields.form,
            credential,
            date: fields.date,
            signed_headers: fields.signed_headers,
            signature,
            session_token: fields.session_token,
            payload: fields.payload,
        })
    }

    /// Who claims to sign.
    pub fn access_key_id(&self) -> &AccessKeyId {
        &self.credential.access_key_id
    }

    /// What the signing key must be derived for.
    pub fn scope(&self) -> &Scope {
        &self.credential.scope
    }

    /// The token that goes with temporary credentials.
    pub fn session_token(&self) -> Option<&SecretString> {
        self.session_token.as_ref()
    }

    /// Refuses a scope for another region; the error names `region`, and SDKs sign again with it.
    pub fn check_region(&self, region: &Region) -> Result<(), AuthError> {
        if self.scope().region() == region.as_str() {
            return Ok(());
        }
        Err(self.form.refuse(Malformed::Region(region.clone())))
    }

    /// Refuses what was signed too long ago, or too far ahead.
    pub fn check_time(&self, now: Timestamp) -> Result<(), AuthError> {
        let signed = self.date.timestamp();
        let is_ahead = signed > now.plus_seconds(SKEW_SECONDS_MAX);
        match self.form {
            Form::Header if is_ahead || now > signed.plus_seconds(SKEW_SECONDS_MAX) => {
                Err(AuthError::RequestTimeTooSkewed)
            }
            Form::Query { .. } if is_ahead => Err(AuthError::AccessDenied(error::NOT_YET_VALID)),
            Form::Query { expires_seconds } if now > signed.plus_seconds(expires_seconds.into()) => {
                Err(AuthError::AccessDenied(error::EXPIRED))
            }
            Form::Header | Form::Query { .. } => Ok(()),
        }
    }

    /// Whether the holder of `key` signed this very request. A key for another scope did not.
    pub fn verify(&self, key: &SigningKey) -> Result<Verified, AuthError> {
        let signature = key.sign(&self.date, &self.canonical_request_sha256());
        if key.scope() != self.scope() || !signature.matches(self.signature.expose().as_bytes()) {
            return Err(AuthError::SignatureDoesNotMatch(error::MISMATCH));
        }
        Ok(Verified { payload: self.payload, date: self.date, signature })
    }

    fn canonical_request_sha256(&self) -> super::HexDigest {
        let query = match self.form {
            Form::Header => canonical::query(self.request.query),
            Form::Query { .. } => canonical::unsigned_query(self.request.query),
        };
        let mut headers = self.canonical_headers();
        CanonicalRequest {
            method: self.request.method.as_str(),
            path: &canonical::path(self.request.path),
            query: &query,
            headers: CanonicalHeaders::sort(&mut headers),
            payload_sha256: self.payload.as_str(),
        }
        .sha256()
    }

    fn canonical_headers(&self) -> Vec<Header<'_>> {
        let mut headers = Vec::with_capacity(self.request.headers.len());
        for name in self.signed_headers.split(';') {
            if name == HOST.as_str() {
                headers.push((name, self.request.authority.as_bytes()));
            } else {
                let values = self.request.headers.get_all(name).iter();
                headers.extend(values.map(|value| (name, value.as_bytes())));
            }
        }
        headers
    }
}

impl fmt::Debug for Claim<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Claim")
            .field("form", &self.form)
            .field("credential", &self.credential)
            .field("date", &self.date)
            .field("signed_headers", &self.signed_headers)
            .field("payload", &self.payload)
            .finish_non_exhaustive()
    }
}

impl Form {
    fn refuse(self, problem: Malformed) -> AuthError {
        match self {
            Self::Header => AuthError::AuthorizationHeaderMalformed(problem),
            Self::Query { .. } => AuthError::AuthorizationQueryParametersError(problem),
        }
    }
}

/// Lower-case names in ascending order, each once, `host` among them.
fn check_names(signed: &str) -> Result<(), Malformed> {
    let is_ascending = signed.split(';').is_sorted_by(|a, b| a < b);
    if !is_ascending || !signed.split(';').all(canonical::is_header_name) {
        return Err(Malformed::SignedHeaders);
    }
    if signed.split(';').any(|name| name == HOST.as_str()) { Ok(()) } else { Err(Malformed::HostNotSigned) }
}

/// Every signed header came, and every `x-amz-*` header that came is signed.
fn check_coverage(headers: &HeaderMap, signed: &str) -> Result<(), AuthError> {
    // First, because it bounds the list by the number of headers.
    if !signed.split(';').all(|name| name == HOST.as_str() || headers.contains_key(name)) {
        return Err(AuthError::SignatureDoesNotMatch(error::HEADER_MISSING));
    }
    for name in headers.keys().map(HeaderName::as_str).filter(|name| name.starts_with("x-amz-")) {
        if !signed.split(';').any(|signed| signed == name) {
            return Err(AuthError::AccessDenied(error::NOT_SIGNED));
        }
        let may_repeat = name.starts_with(METADATA_PREFIX) || LIST_HEADERS.contains(&name);
        if !may_repeat && headers.get_all(name).iter().nth(1).is_some() {
            return Err(AuthError::InvalidArgument(error::HEADER_TWICE));
        }
    }
    Ok(())
}
