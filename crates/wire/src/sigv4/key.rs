//! The derived signing key: good for one day, region and service. A value; caching it is the caller's affair.

use std::{fmt, ops::Range};

use aws_sigv4::sign::v4::generate_signing_key;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::ExposeSecret;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{
    date::{AmzDate, Timestamp},
    names::Region,
};

use super::{ALGORITHM, Credentials, HexDigest, Signature};

/// What a signing key is good for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    text: String,
    /// The day's midnight.
    day: Timestamp,
    /// Where the region stands in the text.
    region: Range<usize>,
}

impl Scope {
    const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

    /// The scope of a request to S3 at `date` in `region`.
    pub fn s3(date: AmzDate, region: &Region) -> Self {
        Self::new(date, region.as_str(), "s3")
    }

    /// `service` is a parameter for the sake of AWS's test suite, which is signed for a service called `service`.
    pub(super) fn new(date: AmzDate, region: &str, service: &str) -> Self {
        let midnight = date.timestamp().unix_seconds() / Self::SECONDS_PER_DAY * Self::SECONDS_PER_DAY;
        let region_at = date.day().len() + 1;
        Self {
            text: [date.day(), "/", region, "/", service, "/aws4_request"].concat(),
            day: Timestamp::from_unix_millis(midnight * 1000),
            region: region_at..region_at + region.len(),
        }
    }

    /// `20130524/us-east-1/s3/aws4_request`
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// When the scope's day begins.
    pub fn midnight(&self) -> Timestamp {
        self.day
    }

    /// `20130524`
    pub fn day(&self) -> &str {
        self.text.get(..self.region.start - 1).unwrap_or_default()
    }

    /// `us-east-1`
    pub fn region(&self) -> &str {
        self.text.get(self.region.clone()).unwrap_or_default()
    }

    /// `s3`
    fn service(&self) -> &str {
        let behind_region = self.text.get(self.region.end + 1..).unwrap_or_default();
        behind_region.split('/').next().unwrap_or_default()
    }
}

/// A derived key, ready to sign with: the HMAC state is keyed once. `Debug` shows its scope.
///
/// The state is wiped when the key is dropped, and so are the copies that signing makes. What is not wiped is what
/// deriving leaves behind: aws-sigv4's copy of the secret on the heap, and the derived key on the stack.
#[derive(Clone)]
pub struct SigningKey {
    scope: Scope,
    keyed: Hmac<Sha256>,
}

impl SigningKey {
    /// Derives the key for `scope` (aws-sigv4 does the derivation).
    pub fn derive(credentials: &Credentials, scope: Scope) -> Self {
        let secret = credentials.secret_access_key.expose_secret();
        let derived = generate_signing_key(secret, scope.day.into(), scope.region(), scope.service());
        // HMAC fills a key up with zeros to its block length; a whole block is taken without a fallible length.
        let mut block = Zeroizing::new([0; 64]);
        block.iter_mut().zip(derived.as_ref()).for_each(|(slot, byte)| *slot = *byte);
        let keyed = Hmac::new((&*block).into());
        Self { scope, keyed }
    }

    /// What this key is good for. A request outside of it needs another key.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Signs a canonical request, given by its SHA-256, at `date`, which must lie on the scope's day.
    pub fn sign(&self, date: &AmzDate, canonical_request: &HexDigest) -> Signature {
        self.sign_lines(ALGORITHM, date, &[canonical_request.as_str()])
    }

    /// Signs a text as it is. A form's policy is signed so: what it is good for stands in itself.
    pub(crate) fn sign_text(&self, text: &str) -> Signature {
        let mut mac = self.keyed.clone();
        mac.update(text.as_bytes());
        Signature::new(&mac.finalize().into_bytes().into())
    }

    /// Signs the string of `algorithm`, `date`, the scope and `lines`, each on a line of its own.
    pub(super) fn sign_lines(&self, algorithm: &str, date: &AmzDate, lines: &[&str]) -> Signature {
        let mut mac = self.begin_lines(algorithm, date);
        for line in lines {
            mac.update(b"\n");
            mac.update(line.as_bytes());
        }
        Signature::new(&mac.finalize().into_bytes().into())
    }

    /// What signs such a string, as far as the scope.
    pub(super) fn begin_lines(&self, algorithm: &str, date: &AmzDate) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        mac.update(algorithm.as_bytes());
        for line in [date.as_str(), self.scope.as_str()] {
            mac.update(b"\n");
            mac.update(line.as_bytes());
        }
        mac
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SigningKey").field("scope", &self.scope.text).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::sigv4::{AccessKeyId, payload_sha256};

    use super::*;

    /// 2013-05-24T00:00:00Z
    const MIDNIGHT: Timestamp = Timestamp::from_unix_millis(1_369_353_600_000);

    fn scope(now: Timestamp) -> Scope {
        Scope::s3(now.amz_date(), &Region::parse("us-east-1").unwrap())
    }

    #[test]
    fn a_scope_lasts_a_day() {
        let scope_at_midnight = scope(MIDNIGHT);
        assert_eq!(scope_at_midnight.as_str(), "20130524/us-east-1/s3/aws4_request");
        assert_eq!((scope_at_midnight.day(), scope_at_midnight.region()), ("20130524", "us-east-1"));
        assert_eq!(scope(MIDNIGHT.plus_seconds(86_399)), scope_at_midnight);
        assert_ne!(scope(MIDNIGHT.plus_seconds(86_400)), scope_at_midnight);
    }

    #[test]
    fn a_key_is_the_same_all_day_and_signs_the_time_too() {
        let credentials = Credentials {
            access_key_id: AccessKeyId::parse("AKIDEXAMPLE").unwrap(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            session_token: None,
        };
        let evening = MIDNIGHT.plus_seconds(80_000);
        let [morning_key, evening_key] =
            [MIDNIGHT, evening].map(|now| SigningKey::derive(&credentials, scope(now)));
        let digest = payload_sha256(b"");
        let sign = |key: &SigningKey, now: Timestamp| key.sign(&now.amz_date(), &digest).expose().to_owned();
        assert_eq!(sign(&morning_key, evening), sign(&evening_key, evening));
        assert_ne!(sign(&morning_key, MIDNIGHT), sign(&morning_key, evening));
    }
}
