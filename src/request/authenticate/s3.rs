//! S3 clients: Signature Version 4, made with the secret of a configured key or of a short-lived one.

use std::{borrow::Cow, sync::Arc};

use secrecy::SecretString;
use wharf_wire::{
    date::Timestamp,
    names::Region,
    s3::ErrorCode,
    sigv4::{
        Credentials, SigningKey,
        verify::{Claim, Verified},
    },
};

use super::{
    Authenticator, Identity, KnownKey, digest,
    session::{self, Session},
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
        let (identity, credentials) = match claim.session_token() {
            Some(token) => self.session(token, claim, expected)?,
            None => self.key(claim, expected.now)?,
        };
        claim.check_time(expected.now)?;
        let key = expected.signing_keys.key_of(&credentials, claim.scope());
        let verified = claim.verify(&key)?;
        Ok(Proof { identity, verified, key })
    }

    /// The configured key that `claim` names.
    fn key(&self, claim: &Claim<'_>, now: Timestamp) -> Result<(Identity, Cow<'_, Credentials>), S3Error> {
        let known = self.usable(claim.access_key_id().as_str(), now)?;
        let credentials = known.credentials.as_ref().ok_or(ErrorCode::InvalidAccessKeyId)?;
        Ok((Identity::Key(Arc::clone(&known.config)), Cow::Borrowed(credentials)))
    }

    /// The short-lived key that `token` holds.
    fn session(
        &self,
        token: &SecretString,
        claim: &Claim<'_>,
        expected: Expected<'_>,
    ) -> Result<(Identity, Cow<'_, Credentials>), S3Error> {
        let opened = session::open(expected.sealer, token, claim.access_key_id(), expected.now)?;
        let key = Arc::clone(&self.usable(&opened.key_id, expected.now)?.config);
        let session = Session { key, allow: opened.allow };
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
