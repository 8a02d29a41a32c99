//! Tokens for pages: what a page shows in place of a key. A token stands in a request's path, where a browser sends it to any
//! origin without asking first.
//!
//! As with a short-lived key, nothing is kept anywhere: the seal proves that Wharf made the token, and it can do what it says
//! **and** its maker may still do.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wharf_wire::date::Timestamp;

use super::{Authenticator, Identity, Pending, Session, credentials::refuse};
use crate::{
    config::checked::Grant,
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
/// of the identity gains nothing.
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
        let ends_at = Timestamp::from_unix_seconds(token.expires_at);
        if now >= ends_at {
            return Err(ended("The token in the path has expired."));
        }
        let maker = self.maker(token.key.as_deref(), token.user, now);
        let maker = maker.ok_or_else(|| ended("Whoever made the token in the path is no longer let in."))?;
        let session = Session { maker, allow: token.allow, ends_at, access: None };
        Ok(Pending::known(Identity::Session(Arc::new(session))))
    }
}

fn ended(message: &'static str) -> Error {
    refuse(Code::ExpiredApiKey, message, "Ask for another token at POST /api/v1/upload/uppy-token.")
}
