//! Who allows a form: the signature over its policy.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-authentication-HTTPPOST.html>

use std::fmt;

use secrecy::SecretString;
use thiserror::Error;

use crate::{
    date::{AmzDate, Timestamp},
    names::Region,
    s3::ErrorCode,
    sigv4::{
        ALGORITHM, AccessKeyId, Scope, SigningKey,
        verify::{Credential, Malformed},
    },
};

use super::{
    Form,
    policy::{Policy, PolicyError},
};

/// As long as a presigned URL can live.
const AGE_SECONDS_MAX: u64 = 604_800;
/// How far a signer's clock may be ahead.
const SKEW_SECONDS_MAX: u64 = 15 * 60;

pub(super) const POLICY: &str = "policy";
pub(super) const SIGNATURE: &str = "x-amz-signature";
pub(super) const CREDENTIAL: &str = "x-amz-credential";
pub(super) const DATE: &str = "x-amz-date";
pub(super) const SIGNING_ALGORITHM: &str = "x-amz-algorithm";
pub(super) const SECURITY_TOKEN: &str = "x-amz-security-token";
/// What a form that is signed has. One of them alone is a mistake, and not an anonymous form.
const SIGNED_FIELDS: [&str; 5] = [POLICY, SIGNATURE, CREDENTIAL, DATE, SIGNING_ALGORITHM];
/// Signature Version 2 had these instead.
const VERSION_2_FIELDS: [&str; 2] = ["awsaccesskeyid", "signature"];

/// Why a form's signature does not let it in.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// A field of a signed form is missing.
    #[error("a signed form has a field called {0}, before the file")]
    Missing(&'static str),
    /// One of them cannot be read, or is for something else.
    #[error("the form's signature is malformed: {0}")]
    Malformed(Malformed),
    /// An older signature.
    #[error(
        "Signature Version 2 is not supported: sign the policy with AWS4-HMAC-SHA256 (Signature Version 4)"
    )]
    Version2,
    /// Signed too long ago, or ahead of time.
    #[error("a form is good for a week from its x-amz-date, which is not in the future: sign another one")]
    Date,
    /// Another key, or another policy than the signed one.
    #[error("the signature is not that of the policy: check the secret key and the signing method")]
    Mismatch,
    /// The policy was signed as it is, and is none.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

impl ClaimError {
    /// S3's code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Missing(_) | Self::Malformed(_) => ErrorCode::InvalidArgument,
            Self::Version2 => ErrorCode::InvalidRequest,
            Self::Date => ErrorCode::AccessDenied,
            Self::Mismatch => ErrorCode::SignatureDoesNotMatch,
            Self::Policy(error) => error.code(),
        }
    }
}

/// A form's signature that waits for its key. `Debug` shows who claims to sign, and no secret.
pub struct Claim<'a> {
    policy: &'a str,
    date: AmzDate,
    credential: Credential,
    signature: &'a str,
    session_token: Option<SecretString>,
}

impl<'a> Claim<'a> {
    /// Reads what a form says of its signer: nothing, if it is anonymous.
    pub fn parse(form: &'a Form) -> Result<Option<Self>, ClaimError> {
        if VERSION_2_FIELDS.iter().any(|name| form.field(name).is_some()) {
            return Err(ClaimError::Version2);
        }
        if SIGNED_FIELDS.iter().all(|name| form.field(name).is_none()) {
            return Ok(None);
        }
        let field = |name| form.field(name).ok_or(ClaimError::Missing(name));
        if field(SIGNING_ALGORITHM)? != ALGORITHM {
            return Err(ClaimError::Malformed(Malformed::Algorithm));
        }
        let date = AmzDate::parse(field(DATE)?).ok_or(ClaimError::Malformed(Malformed::Date))?;
        Ok(Some(Self {
            policy: field(POLICY)?,
            date,
            credential: Credential::parse(field(CREDENTIAL)?, &date).map_err(ClaimError::Malformed)?,
            signature: field(SIGNATURE)?,
            session_token: form.field(SECURITY_TOKEN).map(SecretString::from),
        }))
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

    /// Refuses a scope for another region.
    pub fn check_region(&self, region: &Region) -> Result<(), ClaimError> {
        let is_same = self.scope().region() == region.as_str();
        if is_same { Ok(()) } else { Err(ClaimError::Malformed(Malformed::Region(region.clone()))) }
    }

    /// Refuses a form that was signed too long ago. Its policy says until when it is good; this bounds for how many days
    /// somebody who can sign nothing can have keys derived.
    pub fn check_time(&self, now: Timestamp) -> Result<(), ClaimError> {
        let signed = self.date.timestamp();
        let is_ahead = signed > now.plus_seconds(SKEW_SECONDS_MAX);
        if is_ahead || now > signed.plus_seconds(AGE_SECONDS_MAX) { Err(ClaimError::Date) } else { Ok(()) }
    }

    /// The policy, if the holder of `key` signed it. A key for another scope did not. What the policy says is read
    /// only then.
    pub fn verify(&self, key: &SigningKey) -> Result<Policy, ClaimError> {
        let signature = key.sign_text(self.policy);
        if key.scope() != self.scope() || !signature.matches(self.signature.as_bytes()) {
            return Err(ClaimError::Mismatch);
        }
        Ok(Policy::parse(self.policy)?)
    }
}

impl fmt::Debug for Claim<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Claim").field("credential", &self.credential).finish_non_exhaustive()
    }
}
