//! Whose usage is counted.

use sha2::{Digest, Sha256};

use crate::request::authenticate::Identity;

/// Somebody whose requests are counted together: who may see the sums.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Caller {
    /// A key, by its id. Short-lived keys count for the one that they were made for.
    Key(String),
    /// A user of the app, by the subject of the token.
    User(String),
    /// This machine, where there are no keys.
    Loopback,
}

impl Caller {
    /// Who `identity` is. A short-lived key that was made for none has nobody to count for.
    pub fn of(identity: &Identity) -> Option<Self> {
        match identity {
            Identity::Key(key) => Some(Self::Key(key.id.clone())),
            Identity::Session(session) => session.maker.key().map(|key| Self::Key(key.id.clone())),
            Identity::User { subject, .. } => Some(Self::User(subject.clone())),
            Identity::Loopback => Some(Self::Loopback),
        }
    }

    /// The name in the database. A key without a secret is one itself, so keys are named by their digest.
    pub(super) fn stored(&self) -> String {
        match self {
            Self::Key(id) => format!("key:{}", hex::encode(Sha256::digest(id))),
            Self::User(subject) => format!("user:{subject}"),
            Self::Loopback => "loopback".to_owned(),
        }
    }
}
