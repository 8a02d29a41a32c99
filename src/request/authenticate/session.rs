//! Short-lived keys of Wharf's own: an access key id, a secret, and a session token that holds both, sealed.
//!
//! Nothing is kept anywhere. Whoever presents the token proves with the signature that they have the secret in it, and
//! the token's seal proves that Wharf gave it. A session can do what its token says **and** its key may still do: a grant
//! that is taken from the key is taken from its sessions at once, and so is the key itself.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use wharf_wire::{
    date::Timestamp,
    s3::ErrorCode,
    sigv4::{AccessKeyId, Credentials},
};
use zeroize::Zeroizing;

use crate::{
    config::checked::{Grant, KeyConfig},
    error::S3Error,
    seal::{CannotSeal, Purpose, Sealer},
};

/// What the ids of short-lived keys begin with, for people who read logs.
const ID_PREFIX: &str = "WHARFSESSION";
const ID_RANDOM_BYTES: usize = 8;
const SECRET_BYTES: usize = 30;

/// A caller with a short-lived key, or with a token for a page.
#[derive(Debug)]
pub struct Session {
    /// Who it was made for.
    pub maker: Maker,
    /// What it may do of that which its maker may do.
    pub allow: Vec<Grant>,
    /// When it ends.
    pub ends_at: Timestamp,
    /// The access token that it came with.
    pub access: Option<Access>,
}

/// Who a session was made for, as they are by now: it may do nothing that they may not.
#[derive(Debug)]
pub enum Maker {
    /// A configured key.
    Key(Arc<KeyConfig>),
    /// A user of the app.
    User {
        /// The token's `sub`.
        subject: String,
        /// What users may do.
        allow: Arc<[Grant]>,
    },
    /// A caller who has no key, and whose rights were checked then.
    Nobody,
}

impl Maker {
    /// The key, where it is one.
    pub fn key(&self) -> Option<&Arc<KeyConfig>> {
        match self {
            Self::Key(key) => Some(key),
            Self::User { .. } | Self::Nobody => None,
        }
    }

    /// The user, where it is one.
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::User { subject, .. } => Some(subject),
            Self::Key(_) | Self::Nobody => None,
        }
    }

    /// What they may do; `None` is a caller who may do everything.
    pub fn grants(&self) -> Option<&[Grant]> {
        match self {
            Self::Key(key) => Some(&key.allow),
            Self::User { allow, .. } => Some(allow),
            Self::Nobody => None,
        }
    }
}

/// What holds for an access token besides its grants.
#[derive(Debug)]
pub struct Access {
    /// The token's id, by which it can be taken back.
    pub id: String,
    /// The one key that it is about.
    pub object: Option<String>,
}

/// What a session token holds.
#[derive(Serialize, Deserialize)]
struct Token {
    key: Option<String>,
    access_key_id: String,
    secret: Zeroizing<String>,
    expires_at: u64,
    allow: Vec<Grant>,
}

/// Makes a short-lived key for `key`, good until `expires_at` for what `allow` says. An `allow` that goes beyond the key's
/// own gains nothing; without a key, `allow` is all that holds.
pub fn begin(
    sealer: &Sealer,
    key: Option<&KeyConfig>,
    allow: Vec<Grant>,
    expires_at: Timestamp,
) -> Result<Credentials, CannotSeal> {
    let (mut id, mut secret) = ([0; ID_RANDOM_BYTES], Zeroizing::new([0; SECRET_BYTES]));
    let random = SystemRandom::new();
    let fill = |bytes: &mut [u8]| random.fill(bytes).map_err(|_| CannotSeal::without_randomness());
    fill(&mut id)?;
    fill(&mut *secret)?;
    let token = Token {
        key: key.map(|key| key.id.clone()),
        access_key_id: [ID_PREFIX, &hex::encode_upper(id)].concat(),
        secret: Zeroizing::new(STANDARD.encode(*secret)),
        expires_at: expires_at.unix_seconds(),
        allow,
    };
    let session_token = sealer.seal(Purpose::Session, &token)?;
    let credentials = token.credentials().ok_or_else(CannotSeal::without_randomness)?;
    Ok(Credentials { session_token: Some(session_token.into()), ..credentials })
}

/// A session token that was opened. Its secret is still to be proven.
pub(super) struct Opened {
    pub(super) credentials: Credentials,
    pub(super) key_id: Option<String>,
    pub(super) allow: Vec<Grant>,
    pub(super) ends_at: Timestamp,
}

/// Opens `token` for the access key id that came with it.
pub(super) fn open(
    sealer: &Sealer,
    token: &SecretString,
    access_key_id: &AccessKeyId,
    now: Timestamp,
) -> Result<Opened, S3Error> {
    let opened: Result<Token, _> = sealer.open(Purpose::Session, token.expose_secret());
    let Some(token) = opened.ok().filter(|token| token.access_key_id == access_key_id.as_str()) else {
        return Err(ErrorCode::InvalidToken.into());
    };
    let ends_at = Timestamp::from_unix_seconds(token.expires_at);
    if now >= ends_at {
        return Err(ErrorCode::ExpiredToken.into());
    }
    let credentials = token.credentials().ok_or(ErrorCode::InvalidToken)?;
    Ok(Opened { credentials, key_id: token.key, allow: token.allow, ends_at })
}

impl Token {
    fn credentials(&self) -> Option<Credentials> {
        Some(Credentials {
            access_key_id: AccessKeyId::parse(&self.access_key_id).ok()?,
            secret_access_key: self.secret.as_str().into(),
            session_token: None,
        })
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Opened").field("credentials", &self.credentials).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::config::checked::{Action, GrantBucket};

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_millis(1_369_353_600_000);

    fn sealer() -> Sealer {
        Sealer::new(&[SecretString::from("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")]).unwrap()
    }

    fn key() -> KeyConfig {
        KeyConfig { id: "app".into(), secret: None, expires_at: None, allow: Vec::new(), rate_limit: None }
    }

    fn grant() -> Grant {
        Grant {
            bucket: GrantBucket::Named("photos".into()),
            prefix: "a/".into(),
            actions: vec![Action::Read],
        }
    }

    #[test]
    fn what_was_begun_opens_until_it_ends() {
        let sealer = sealer();
        let made = begin(&sealer, Some(&key()), vec![grant()], NOW.plus_seconds(60)).unwrap();
        let token = made.session_token.clone().unwrap();
        let opened = open(&sealer, &token, &made.access_key_id, NOW.plus_seconds(59)).unwrap();
        assert_eq!((opened.key_id.as_deref(), opened.allow), (Some("app"), vec![grant()]));
        assert_eq!(
            opened.credentials.secret_access_key.expose_secret(),
            made.secret_access_key.expose_secret()
        );
        let ended = open(&sealer, &token, &made.access_key_id, NOW.plus_seconds(60)).unwrap_err();
        assert_eq!(ended.code, ErrorCode::ExpiredToken);
    }

    #[test]
    fn a_token_goes_with_its_own_id_and_cannot_be_made_elsewhere() {
        let sealer = sealer();
        let [first, second] =
            [0, 1].map(|_| begin(&sealer, Some(&key()), vec![], NOW.plus_seconds(60)).unwrap());
        let token = first.session_token.clone().unwrap();
        let other = open(&sealer, &token, &second.access_key_id, NOW).unwrap_err();
        assert_eq!(other.code, ErrorCode::InvalidToken);
        let forged = SecretString::from("AAAA");
        assert_eq!(
            open(&sealer, &forged, &first.access_key_id, NOW).unwrap_err().code,
            ErrorCode::InvalidToken
        );
        assert_ne!(first.secret_access_key.expose_secret(), second.secret_access_key.expose_secret());
    }
}
