//! Who may come in, and what they may do: keys, and the app's own tokens.

use std::{borrow::Cow, fmt};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use wharf_wire::date::Timestamp;

use crate::key_set::KeySet;

use super::RateLimit;

/// `[[keys]]`
pub struct KeyConfig {
    /// The access key.
    pub id: String,
    /// With it, every request must be signed.
    pub secret: Option<SecretString>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// What it may do with configured buckets.
    pub allow: Vec<Grant>,
    /// Requests with this key.
    pub rate_limit: Option<RateLimit>,
}

impl KeyConfig {
    /// What the key is called in logs: its id, or the first digits of its SHA-256 where the id alone opens the door.
    pub fn log_name(&self) -> Cow<'_, str> {
        if self.secret.is_some() {
            return Cow::Borrowed(&self.id);
        }
        let digest = hex::encode(Sha256::digest(&self.id));
        Cow::Owned(format!("sha256:{}", digest.get(..8).unwrap_or_default()))
    }
}

impl fmt::Debug for KeyConfig {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("KeyConfig")
            .field("id", &self.log_name())
            .field("secret", &self.secret)
            .field("expires_at", &self.expires_at)
            .field("allow", &self.allow)
            .field("rate_limit", &self.rate_limit)
            .finish()
    }
}

/// One right: some actions on one bucket's keys below a prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// A configured bucket's name, or any.
    pub bucket: GrantBucket,
    /// Keys that start with it, in the caller's names (without the bucket's own `key_prefix`).
    pub prefix: String,
    /// What may be done.
    pub actions: Vec<Action>,
}

/// Which bucket a grant is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum GrantBucket {
    /// `"*"`
    Any,
    /// This one.
    Named(String),
}

/// What can be done with an object or a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Action {
    /// Get, head, sign a download.
    Read,
    /// Put, sign an upload.
    Write,
    /// Delete.
    Delete,
    /// List keys.
    List,
    /// Read and write access control lists, a header of an upload included.
    Acl,
    /// Retention and legal holds: set, and bypass.
    Lock,
    /// The bucket itself: create, delete, and every setting of it.
    Configure,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Read, Self::Write, Self::Delete, Self::List, Self::Acl, Self::Lock, Self::Configure];

    /// Its name in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
            Self::List => "list",
            Self::Acl => "acl",
            Self::Lock => "lock",
            Self::Configure => "configure",
        }
    }
}

/// `[jwt]`: the app's own tokens.
#[derive(Debug, Clone)]
pub struct JwtConfig {
    /// What verifies them.
    pub keys: JwtKeys,
    /// The `iss` that a token must have.
    pub issuer: Option<String>,
    /// The `aud` that a token must have.
    pub audience: Option<String>,
    /// What a user with a token may do.
    pub allow: Vec<Grant>,
    /// Requests of one user.
    pub rate_limit: Option<RateLimit>,
}

/// What verifies tokens.
#[derive(Debug, Clone)]
pub enum JwtKeys {
    /// HS256 with this secret.
    Secret(SecretString),
    /// RS256, ES256 or `EdDSA` with a JSON Web Key Set.
    Jwks(KeySet),
}
