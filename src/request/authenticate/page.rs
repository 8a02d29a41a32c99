//! Tokens for pages: what a page shows in place of a key. A token stands in a request's path, where a browser sends it to any
//! origin without asking first.
//!
//! As with a short-lived key, nothing is kept anywhere: the seal proves that Wharf made the token, and it can do what it says
//! **and** its key may still do.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wharf_wire::date::Timestamp;

use super::{Authenticator, Identity, Pending, Session, credentials::refuse, digest};
use crate::{
    config::checked::{Grant, KeyConfig},
    error::{Code, Error},
    seal::{CannotSeal, Purpose, Sealer},
};

/// What a token holds.
#[derive(Serialize, Deserialize)]
struct Token {
    key: Option<String>,
    user: Option<String>,
    expires_at: u64,
    allow: Vec<Grant>,
}

/// Makes a token for a page of `identity`, good until `expires_at` for what `allow` says. An `allow` that goes beyond the rights
/// of the identity's key gains nothing; without a key, `allow` is all that holds.
pub fn begin(
    sealer: &Sealer,
    identity: &Identity,
    allow: Vec<Grant>,
    expires_at: Timestamp,
) -> Result<String, CannotSeal> {
    let token = Token {
        key: identity.key().map(|key| key.id.clone()),
        user: identity.user().map(str::to_owned),
        expires_at: expires_at.unix_seconds(),
        allow,
    };
    sealer.seal(Purpose::Page, &token)
}

impl Authenticator {
    /// The caller whose page shows `token`.
    pub fn page(&self, token: &str, sealer: &Sealer, now: Timestamp) -> Result<Pending, Error> {
        let token: Token = sealer.open(Purpose::Page, token).map_err(|_| {
            refuse(
                Code::InvalidApiKey,
                "The token in the path was not made here.",
                "Ask for one at POST /api/v1/upload/uppy-token, and change nothing in it.",
            )
        })?;
        if now.unix_seconds() >= token.expires_at {
            return Err(ended("The token in the path has expired."));
        }
        let key = token.key.map(|id| self.key_of_page(&id, now)).transpose()?;
        let session = Session { key, user: token.user, allow: token.allow, access: None };
        Ok(Pending::known(Identity::Session(Arc::new(session))))
    }

    pub(super) fn key_of_page(&self, id: &str, now: Timestamp) -> Result<Arc<KeyConfig>, Error> {
        let known = self.keys.get(&digest(id.as_bytes()));
        known
            .filter(|known| known.config.expires_at.is_none_or(|end| now < end))
            .map(|known| Arc::clone(&known.config))
            .ok_or_else(|| ended("The key that the token in the path was made for is no more."))
    }
}

fn ended(message: &'static str) -> Error {
    refuse(Code::ExpiredApiKey, message, "Ask for another token at POST /api/v1/upload/uppy-token.")
}
