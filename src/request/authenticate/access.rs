//! Access tokens: a part of what a caller may do, for somebody else, for a while. They come as `Authorization: Bearer`.
//!
//! The seal proves that Wharf made the token, and it can do what it says **and** its maker may still do. What the seal cannot
//! tell is whether the token was taken back: whoever lets its bearer do something asks the database for that.

use std::sync::Arc;

use http::{HeaderMap, header};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use uuid::{NoContext, Uuid};
use wharf_wire::date::Timestamp;

use super::{
    Authenticator, Identity, Pending, Session,
    credentials::{Presented, presented, refuse},
    session::Access,
};
use crate::{
    config::checked::Grant,
    error::{Code, Error},
    seal::{CannotSeal, Purpose, Sealer},
};

/// What every token begins with: a key never does, and whoever finds one in a log knows what it is.
const PREFIX: &str = "wharf_access_";

/// What a token holds.
#[derive(Serialize, Deserialize)]
struct Token {
    id: String,
    key: Option<String>,
    user: Option<String>,
    expires_at: u64,
    allow: Vec<Grant>,
    object: Option<String>,
}

/// What a new token allows.
#[derive(Debug)]
pub struct Asked {
    /// What it may do of that which its maker may do.
    pub allow: Vec<Grant>,
    /// The one key that it is about.
    pub object: Option<String>,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A token that was made or opened.
#[derive(Debug)]
pub struct Known {
    /// Its id.
    pub id: String,
    /// The id of the key that it was made with.
    pub key: Option<String>,
    /// The user that it was made by.
    pub user: Option<String>,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Makes a token of `identity`.
pub fn begin(
    sealer: &Sealer,
    identity: &Identity,
    asked: Asked,
    now: Timestamp,
) -> Result<(SecretString, Known), CannotSeal> {
    let time = uuid::Timestamp::from_unix(NoContext, now.unix_seconds(), 0);
    let token = Token {
        id: Uuid::new_v7(time).simple().to_string(),
        key: identity.key().map(|key| key.id.clone()),
        user: identity.user().map(str::to_owned),
        expires_at: asked.expires_at.unix_seconds(),
        allow: asked.allow,
        object: asked.object,
    };
    let text = sealer.seal(Purpose::Access, &token)?;
    Ok((SecretString::from([PREFIX, &text].concat()), token.into()))
}

/// Opens a token, whether it has ended or not.
pub fn open(sealer: &Sealer, token: &SecretString) -> Option<Known> {
    read(sealer, token.expose_secret()).map(Known::from)
}

fn read(sealer: &Sealer, token: &str) -> Option<Token> {
    sealer.open(Purpose::Access, token.strip_prefix(PREFIX)?).ok()
}

/// The access token that the headers present, if they present one.
pub fn presented_token(headers: &HeaderMap) -> Option<&str> {
    // A look first: most requests come with something else.
    headers.get(header::AUTHORIZATION)?;
    match presented(headers) {
        Ok(Presented::Bearer(token)) => str::from_utf8(token).ok().filter(|token| token.starts_with(PREFIX)),
        Ok(Presented::Nothing | Presented::ApiKey(_)) | Err(_) => None,
    }
}

impl Authenticator {
    /// The caller who presents `token`.
    pub fn access(&self, token: &str, sealer: &Sealer, now: Timestamp) -> Result<Pending, Error> {
        let token = read(sealer, token).ok_or_else(|| {
            refuse(
                Code::InvalidApiKey,
                "The access token was not made here.",
                "Ask for one, and change nothing in it.",
            )
        })?;
        let ends_at = Timestamp::from_unix_seconds(token.expires_at);
        if now >= ends_at {
            return Err(refuse(Code::ExpiredApiKey, "The access token has expired.", "Ask for another one."));
        }
        let maker = self.maker(token.key.as_deref(), token.user, now).ok_or_else(|| {
            let message = "Whoever made the access token is no longer let in.";
            refuse(Code::ExpiredApiKey, message, "Ask for another one.")
        })?;
        let access = Some(Access { id: token.id, object: token.object });
        let session = Session { maker, allow: token.allow, ends_at, access };
        Ok(Pending::known(Identity::Session(Arc::new(session))))
    }
}

impl From<Token> for Known {
    fn from(token: Token) -> Self {
        let expires_at = Timestamp::from_unix_seconds(token.expires_at);
        Self { id: token.id, key: token.key, user: token.user, expires_at }
    }
}
