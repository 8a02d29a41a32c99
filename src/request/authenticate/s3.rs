//! S3 clients: Signature Version 4, made with the secret of a configured key or of a short-lived one.

use std::{borrow::Cow, sync::Arc};

use secrecy::SecretString;
use wharf_wire::{
    date::Timestamp,
    form::{self, policy::Policy},
    names::Region,
    s3::ErrorCode,
    sigv4::{
        AccessKeyId, Credentials, SigningKey,
        verify::{Claim, Verified},
    },
};

use super::{
    Authenticator, Identity, KnownKey, digest,
    session::{self, Maker, Session},
};
use crate::{backend::SigningKeys, error::S3Error, seal::Sealer};

/// A signature that was verified: who signed, and what the chunks of a streamed payload are verified with.
#[derive(Debug)]
pub struct Proof {
    /// Who signed.
    pub identity: Identity,
    /// What was signed.
    pub verified: Verified,
    /// What it was signed with.
    pub key: Arc<SigningKey>,
}

/// What a signature is held against, besides the keys.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The region that clients sign for.
    pub region: &'a Region,
    /// The time.
    pub now: Timestamp,
    /// Keys that were derived before.
    pub signing_keys: &'a SigningKeys,
    /// What opens session tokens.
    pub sealer: &'a Sealer,
}

impl Authenticator {
    /// Verifies `claim`. This is the only way to a [`Proof`], whatever way the payload comes.
    pub fn prove(&self, claim: &Claim<'_>, expected: Expected<'_>) -> Result<Proof, S3Error> {
        claim.check_region(expected.region)?;
        let (identity, credentials) = self.signer(claim.access_key_id(), claim.session_token(), expected)?;
        claim.check_time(expected.now)?;
        let key = expected.signing_keys.key_of(&credentials, claim.scope());
        let verified = claim.verify(&key)?;
        Ok(Proof { identity, verified, key })
    }

    /// Verifies a form's `claim`: who signed, and what they allow.
    pub fn prove_form(
        &self,
        claim: &form::Claim<'_>,
        expected: Expected<'_>,
    ) -> Result<(Identity, Policy), S3Error> {
        claim.check_region(expected.region)?;
        let (identity, credentials) = self.signer(claim.access_key_id(), claim.session_token(), expected)?;
        claim.check_time(expected.now)?;
        let key = expected.signing_keys.key_of(&credentials, claim.scope());
        let policy = claim.verify(&key)?;
        Ok((identity, policy))
    }

    /// Who claims to sign, and what they would sign with.
    fn signer(
        &self,
        id: &AccessKeyId,
        session_token: Option<&SecretString>,
        expected: Expected<'_>,
    ) -> Result<(Identity, Cow<'_, Credentials>), S3Error> {
        match session_token {
            Some(token) => self.session(token, id, expected),
            None => self.key(id, expected.now),
        }
    }

    /// The configured key called `id`.
    fn key(&self, id: &AccessKeyId, now: Timestamp) -> Result<(Identity, Cow<'_, Credentials>), S3Error> {
        let known = self.usable(id.as_str(), now)?;
        let credentials = known.credentials.as_ref().ok_or(ErrorCode::InvalidAccessKeyId)?;
        Ok((Identity::Key(Arc::clone(&known.config)), Cow::Borrowed(credentials)))
    }

    /// The short-lived key that `token` holds.
    fn session(
        &self,
        token: &SecretString,
        id: &AccessKeyId,
        expected: Expected<'_>,
    ) -> Result<(Identity, Cow<'_, Credentials>), S3Error> {
        let opened = session::open(expected.sealer, token, id, expected.now)?;
        let key = opened.key_id.map(|id| self.usable(&id, expected.now)).transpose()?;
        let maker = key.map_or(Maker::Nobody, |known| Maker::Key(Arc::clone(&known.config)));
        let session = Session { maker, allow: opened.allow, ends_at: opened.ends_at, access: None };
        Ok((Identity::Session(Arc::new(session)), Cow::Owned(opened.credentials)))
    }

    /// A configured key that has not ended.
    fn usable(&self, id: &str, now: Timestamp) -> Result<&KnownKey, S3Error> {
        let known = self.keys.get(&digest(id.as_bytes())).ok_or(ErrorCode::InvalidAccessKeyId)?;
        if known.config.expires_at.is_some_and(|end| now >= end) {
            return Err(S3Error::new(ErrorCode::InvalidAccessKeyId, "The access key has expired."));
        }
        Ok(known)
    }
}
