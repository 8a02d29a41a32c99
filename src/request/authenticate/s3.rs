//! S3 clients: Signature Version 4, made with a configured key's secret.

use std::sync::Arc;

use wharf_wire::{
    date::Timestamp,
    names::Region,
    s3::ErrorCode,
    sigv4::{
        SigningKey,
        verify::{Claim, Verified},
    },
};

use super::{Authenticator, Identity, digest};
use crate::{backend::SigningKeys, error::S3Error};

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
}

impl Authenticator {
    /// Verifies `claim`. This is the only way to a [`Proof`], whatever way the payload comes.
    pub fn prove(&self, claim: &Claim<'_>, expected: Expected<'_>) -> Result<Proof, S3Error> {
        claim.check_region(expected.region)?;
        let known = self.keys.get(&digest(claim.access_key_id().as_str().as_bytes()));
        let Some((known, credentials)) = known.and_then(|known| Some((known, known.credentials.as_ref()?)))
        else {
            return Err(ErrorCode::InvalidAccessKeyId.into());
        };
        if known.config.expires_at.is_some_and(|end| expected.now >= end) {
            return Err(S3Error::new(ErrorCode::InvalidAccessKeyId, "The access key has expired."));
        }
        if claim.session_token().is_some() {
            return Err(S3Error::new(ErrorCode::InvalidToken, "This access key has no session token."));
        }
        claim.check_time(expected.now)?;
        let key = expected.signing_keys.key_of(credentials, claim.scope());
        let verified = claim.verify(&key)?;
        Ok(Proof { identity: Identity::Key(Arc::clone(&known.config)), verified, key })
    }
}
