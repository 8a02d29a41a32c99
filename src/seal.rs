//! Sealing: tokens that callers carry and cannot read, change or forge (AES-256-GCM under keys from HKDF-SHA256, by ring).
//!
//! The first configured key seals, all of them open, so keys can be rotated. Nothing is kept in a database.
//!
//! ```text
//! token = base64url( version ‖ salt (16 bytes) ‖ nonce (12 bytes) ‖ ciphertext ‖ tag (16 bytes) )
//! key   = HKDF-SHA256(configured key, salt),   associated data = version ‖ purpose
//! ```
//!
//! A nonce that comes twice under one key gives the key away. So a [`Sealer`] draws a salt when it is made, and with it a
//! key that is its own, whatever other nodes and restarts have been given; under that key its nonces count. No token
//! costs a system call, and none of this can be chosen by a caller or a test.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, Salt},
    rand::{SecureRandom, SystemRandom},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;
use zeroize::Zeroizing;

/// The layout above. A new layout takes a new number, and old tokens stay readable.
const VERSION: u8 = 1;
const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const KEY_BYTES: usize = 32;
/// Characters of the longest token that is looked at; those that callers carry are a tenth of it.
pub const TOKEN_CHARACTERS_MAX: usize = 16 * 1024;

/// Why a token was not opened. It says no more, on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the token was not made here, or was changed")]
pub struct NotSealedHere;

/// Why a value was not sealed: never the caller's fault.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("cannot seal: {0}")]
pub struct CannotSeal(String);

impl CannotSeal {
    /// The system gives no random bytes.
    pub(crate) fn without_randomness() -> Self {
        Self(NO_RANDOMNESS.to_owned())
    }
}

/// Seals and opens tokens. `Debug` shows nothing of the keys.
pub struct Sealer {
    /// The configured keys, the first in front.
    configured: Vec<ConfiguredKey>,
    /// What this sealer alone seals with, from the first of them.
    own: LessSafeKey,
    salt: [u8; SALT_BYTES],
    sealed: AtomicU64,
}

type ConfiguredKey = Zeroizing<[u8; KEY_BYTES]>;

/// What a token is for; a token of one purpose does not open as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// `completeToken` of a signed upload URL.
    Complete,
    /// The session token of a short-lived key.
    Session,
    /// `uploadId` of a multipart upload.
    Upload,
    /// `nextContinuationToken` of a listing.
    Listing,
    /// A token that a page shows in place of a key.
    Page,
    /// A webhook's address and secret, in the database.
    Webhook,
    /// An access token.
    Access,
}

impl Purpose {
    /// What is authenticated along with the token. The number changes with the meaning of the sealed value.
    const fn associated_data(self) -> &'static [u8] {
        match self {
            Self::Complete => b"\x01wharf complete 1",
            Self::Session => b"\x01wharf session 1",
            Self::Upload => b"\x01wharf upload 1",
            Self::Listing => b"\x01wharf listing 1",
            Self::Page => b"\x01wharf page 1",
            Self::Webhook => b"\x01wharf webhook 1",
            Self::Access => b"\x01wharf access 1",
        }
    }
}

impl Sealer {
    /// From 32-byte keys in base64 or hex; at least one. The error says what to write.
    pub fn new(keys: &[SecretString]) -> Result<Self, String> {
        let configured = keys.iter().map(configured_key).collect::<Result<Vec<_>, _>>()?;
        let first =
            configured.first().ok_or_else(|| format!("needs at least one key: {HOW_TO_WRITE_A_KEY}"))?;
        let mut salt = [0; SALT_BYTES];
        SystemRandom::new().fill(&mut salt).map_err(|_| NO_RANDOMNESS)?;
        let own = derive(first, &salt).ok_or(NO_RANDOMNESS)?;
        Ok(Self { configured, own, salt, sealed: AtomicU64::new(0) })
    }

    /// Seals `value` into URL-safe text.
    pub fn seal<T: Serialize>(&self, purpose: Purpose, value: &T) -> Result<String, CannotSeal> {
        let nonce = self.next_nonce();
        let mut token = Vec::with_capacity(320);
        token.push(VERSION);
        token.extend_from_slice(&self.salt);
        token.extend_from_slice(&nonce);
        serde_json::to_writer(&mut token, value).map_err(|error| CannotSeal(error.to_string()))?;
        let (_, text) = token.split_at_mut(1 + SALT_BYTES + NONCE_BYTES);
        let tag = self
            .own
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(purpose.associated_data()),
                text,
            )
            .map_err(|error| CannotSeal(error.to_string()))?;
        token.extend_from_slice(tag.as_ref());
        Ok(URL_SAFE_NO_PAD.encode(token))
    }

    /// Opens what [`Self::seal`] made.
    pub fn open<T: DeserializeOwned>(&self, purpose: Purpose, token: &str) -> Result<T, NotSealedHere> {
        if token.len() > TOKEN_CHARACTERS_MAX {
            return Err(NotSealedHere);
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| NotSealedHere)?;
        let sealed = Sealed::split(&bytes).ok_or(NotSealedHere)?;
        let text = self.configured.iter().find_map(|key| sealed.open(key, purpose)).ok_or(NotSealedHere)?;
        serde_json::from_slice(&text).map_err(|_| NotSealedHere)
    }

    /// A count: this sealer's key is its own, and 2^64 tokens are more than any process makes.
    fn next_nonce(&self) -> [u8; NONCE_BYTES] {
        let mut nonce = [0; NONCE_BYTES];
        let (_, count) = nonce.split_at_mut(NONCE_BYTES - size_of::<u64>());
        count.copy_from_slice(&self.sealed.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        nonce
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Sealer").field("keys", &self.configured.len()).finish_non_exhaustive()
    }
}

/// Makes a key from the operating system's randomness, in the form that [`Sealer::new`] reads.
pub fn make_key() -> Result<SecretString, CannotSeal> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    SystemRandom::new().fill(&mut *key).map_err(|_| CannotSeal::without_randomness())?;
    Ok(STANDARD.encode(key).into())
}

/// A token in its parts.
struct Sealed<'a> {
    salt: &'a [u8; SALT_BYTES],
    nonce: &'a [u8; NONCE_BYTES],
    /// Ciphertext and tag.
    text: &'a [u8],
}

impl<'a> Sealed<'a> {
    fn split(token: &'a [u8]) -> Option<Self> {
        let rest = token.strip_prefix(&[VERSION])?;
        let (salt, rest) = rest.split_first_chunk()?;
        let (nonce, text) = rest.split_first_chunk()?;
        (text.len() >= TAG_BYTES).then_some(Self { salt, nonce, text })
    }

    fn open(&self, key: &ConfiguredKey, purpose: Purpose) -> Option<Vec<u8>> {
        let mut text = self.text.to_vec();
        let (nonce, purpose) =
            (Nonce::assume_unique_for_key(*self.nonce), Aad::from(purpose.associated_data()));
        let opened_bytes = derive(key, self.salt)?.open_in_place(nonce, purpose, &mut text).ok()?.len();
        text.truncate(opened_bytes);
        Some(text)
    }
}

/// The key that a sealer with `salt` seals with.
fn derive(key: &ConfiguredKey, salt: &[u8; SALT_BYTES]) -> Option<LessSafeKey> {
    let secret = Salt::new(HKDF_SHA256, salt).extract(&**key);
    let material = secret.expand(&[b"wharf seal"], &AES_256_GCM).ok()?;
    Some(LessSafeKey::new(UnboundKey::from(material)))
}

const NO_RANDOMNESS: &str = "the operating system gives no randomness";
const HOW_TO_WRITE_A_KEY: &str = "write 32 random bytes in base64 or hex, `openssl rand -base64 32`";

fn configured_key(text: &SecretString) -> Result<ConfiguredKey, String> {
    read_key(text.expose_secret().trim()).ok_or_else(|| format!("is no key: {HOW_TO_WRITE_A_KEY}"))
}

/// 64 hex digits are hex; they would be 48 bytes in base64, so there is no doubt.
fn read_key(text: &str) -> Option<ConfiguredKey> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    if hex::decode_to_slice(text, &mut *key).is_ok() {
        return Some(key);
    }
    let bytes = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
        .iter()
        .find_map(|alphabet| alphabet.decode(text).ok().map(Zeroizing::new))?;
    key = Zeroizing::new(bytes.as_slice().try_into().ok()?);
    Some(key)
}

#[cfg(test)]
mod tests;
