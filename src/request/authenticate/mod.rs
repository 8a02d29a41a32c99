//! Who is calling. Identity exists only as this module's output.
//!
//! ```text
//! headers ── nothing ─────────────────────────────→ 401 (or, with nothing configured, `loopback` alone)
//!         ── token of the app ── `jwt` ───────────→ User
//!         ── access token ── `access` ────────────→ Session
//!         ── key ── known? expired? ── no secret ─→ Key
//!                                   └─ a secret ──→ secret sent along? `signature`? time? ── body ──→ Key
//! path    ── token of a page ── `page` ───────────→ Session
//! S3      ── signature of a key ── `s3` ──────────→ Key, and how its body is proven
//!         ── of a short-lived key ── `session` ───→ Session, the same
//! ```
//!
//! A signature in `X-Signature` covers the raw body, so authentication has two steps: [`Authenticator::begin`] refuses
//! whatever the headers alone can refuse before a byte of body is read, and [`Pending::finish`] verifies the body.

mod access;
mod credentials;
mod jwt;
mod loopback;
mod page;
mod s3;
mod session;
mod signature;

use std::{collections::HashMap, fmt, sync::Arc};

use http::request::Parts;
use sha2::{Digest, Sha256};
use wharf_wire::{
    date::Timestamp,
    sigv4::{AccessKeyId, Credentials},
};

pub use self::{
    access::{
        Asked as AskedToken, Known as KnownToken, begin as begin_access, open as open_access, presented_token,
    },
    page::begin as begin_page,
    s3::{Expected, Proof},
    session::{Access, Maker, Session, begin as begin_session},
};

use crate::{
    config::checked::{Grant, JwtConfig, KeyConfig, Origins},
    error::{Code, Error},
};

use self::{
    credentials::{Presented, presented, refuse},
    signature::{Awaited, Secret},
};
use super::Context;

/// Who is calling.
#[derive(Debug, Clone)]
pub enum Identity {
    /// A configured key.
    Key(Arc<KeyConfig>),
    /// A short-lived key of a configured one.
    Session(Arc<Session>),
    /// A user of the app, by its token.
    User {
        /// The token's `sub`.
        subject: String,
        /// What users may do.
        allow: Arc<[Grant]>,
    },
    /// Someone on this machine, when no keys are configured.
    Loopback,
}

impl Identity {
    /// The configured key that the caller came with, or that was given a short-lived key or a token.
    pub fn key(&self) -> Option<&Arc<KeyConfig>> {
        match self {
            Self::Key(key) => Some(key),
            Self::Session(session) => session.maker.key(),
            Self::User { .. } | Self::Loopback => None,
        }
    }

    /// The user of the app, where one is known.
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::User { subject, .. } => Some(subject),
            Self::Session(session) => session.maker.user(),
            Self::Key(_) | Self::Loopback => None,
        }
    }

    /// When what the caller came with ends, where it was made to end: nothing that is made with it may outlive it.
    pub fn ends_at(&self) -> Option<Timestamp> {
        match self {
            Self::Session(session) => Some(session.ends_at),
            Self::Key(_) | Self::User { .. } | Self::Loopback => None,
        }
    }
}

/// Verifies requests against the configured keys and tokens. `Debug` shows how many.
pub struct Authenticator {
    /// By the SHA-256 of the key's id. A key without a secret is one itself: the look-up compares digests, so a
    /// comparison that stops early tells nothing of a key.
    keys: HashMap<[u8; 32], KnownKey>,
    jwt: Option<jwt::Verifier>,
    /// The pages that are let in where there are neither.
    pages: Origins,
}

/// A request whose headers were good so far.
pub struct Pending {
    identity: Identity,
    awaited: Option<Awaited>,
}

struct KnownKey {
    config: Arc<KeyConfig>,
    secret: Option<Secret>,
    /// The same secret, as S3 clients sign with it.
    credentials: Option<Credentials>,
}

impl Authenticator {
    /// From the configured keys and `[jwt]`, and the pages that the API is open to. The error says
    /// which setting is wrong.
    pub fn new(keys: &[Arc<KeyConfig>], jwt: Option<&JwtConfig>, pages: &Origins) -> Result<Self, String> {
        let known = |key: &Arc<KeyConfig>| {
            let secret = key.secret.as_ref().map(Secret::new).transpose()?;
            let credentials = credentials(key);
            Ok((digest(key.id.as_bytes()), KnownKey { config: Arc::clone(key), secret, credentials }))
        };
        let keys = keys.iter().map(known).collect::<Result<_, String>>()?;
        Ok(Self { keys, jwt: jwt.map(jwt::Verifier::new), pages: pages.clone() })
    }

    /// Checks all that the headers alone can tell.
    pub fn begin(&self, head: &Parts, context: &Context) -> Result<Pending, Error> {
        if self.keys.is_empty() && self.jwt.is_none() {
            return loopback::identify(head, context, &self.pages).map(Pending::known);
        }
        match (presented(&head.headers)?, &self.jwt) {
            (Presented::Nothing, _) => Err(refuse(
                Code::MissingApiKey,
                "No API key came with the request.",
                "Send `x-api-key: KEY` or `Authorization: Bearer KEY`.",
            )),
            (Presented::Bearer(token), Some(verifier)) if jwt::looks_like_one(token) => {
                verifier.verify(token, context.received).map(Pending::known)
            }
            (Presented::ApiKey(id) | Presented::Bearer(id), _) => {
                self.known_key(id)?.begin(head, context.received)
            }
        }
    }

    /// Who made a token, with the rights that they have by now; `None` if they are no longer let in.
    fn maker(&self, key: Option<&str>, user: Option<String>, now: Timestamp) -> Option<Maker> {
        match (key, user) {
            (Some(id), _) => {
                let known = &self.keys.get(&digest(id.as_bytes()))?.config;
                known.expires_at.is_none_or(|end| now < end).then(|| Maker::Key(Arc::clone(known)))
            }
            (None, Some(subject)) => Some(Maker::User { subject, allow: self.jwt.as_ref()?.allow() }),
            (None, None) => (self.keys.is_empty() && self.jwt.is_none()).then_some(Maker::Nobody),
        }
    }

    fn known_key(&self, id: &[u8]) -> Result<&KnownKey, Error> {
        self.keys.get(&digest(id)).ok_or_else(|| {
            refuse(
                Code::InvalidApiKey,
                "The API key is not known.",
                "Check the key for a typing error; case counts.",
            )
        })
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Authenticator")
            .field("keys", &self.keys.len())
            .field("jwt", &self.jwt.is_some())
            .finish_non_exhaustive()
    }
}

impl KnownKey {
    fn begin(&self, head: &Parts, received: Timestamp) -> Result<Pending, Error> {
        if self.config.expires_at.is_some_and(|end| received >= end) {
            return Err(refuse(Code::ExpiredApiKey, "The API key has expired.", "Ask for a new key."));
        }
        // A key without a secret has nothing to hold a signature against, and its callers may send one all the same.
        let awaited = self.secret.as_ref().map(|secret| secret.begin(head, received)).transpose()?;
        Ok(Pending { identity: Identity::Key(Arc::clone(&self.config)), awaited })
    }
}

impl Pending {
    fn known(identity: Identity) -> Self {
        Self { identity, awaited: None }
    }

    /// Verifies the signature over the raw body, where one is due.
    pub fn finish(self, body: &[u8]) -> Result<Identity, Error> {
        if let Some(awaited) = self.awaited {
            awaited.finish(body)?;
        }
        Ok(self.identity)
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Pending").field("is_signed", &self.awaited.is_some()).finish_non_exhaustive()
    }
}

fn credentials(key: &KeyConfig) -> Option<Credentials> {
    let access_key_id = AccessKeyId::parse(&key.id).ok()?;
    Some(Credentials { access_key_id, secret_access_key: key.secret.clone()?, session_token: None })
}

fn digest(id: &[u8]) -> [u8; 32] {
    Sha256::digest(id).into()
}

#[cfg(test)]
mod tests;
