//! The app's own tokens: JSON Web Tokens (RFC 7519), verified against one configured secret or a JSON Web Key Set.
//!
//! A key decides the algorithm, never the token: a secret verifies HS256, an RSA key RS256, a P-256 key ES256, an Ed25519
//! key `EdDSA`. So `none`, and an RSA public key passed off as an HMAC secret, find no key.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header, errors::ErrorKind};
use secrecy::ExposeSecret;
use serde::Deserialize;
use wharf_wire::date::Timestamp;

use crate::{
    config::checked::{Grant, JwtConfig, JwtKeys},
    error::{Code, Error},
    key_set::PublicKey,
};

use super::{Identity, credentials::refuse};

/// Seconds by which the clocks of whoever made a token and of this machine may differ.
const LEEWAY_SECONDS: f64 = 60.0;
/// Bytes of a user's id; it is logged and counted by.
const SUBJECT_BYTES_MAX: usize = 255;

/// Verifies tokens.
pub(super) struct Verifier {
    keys: Vec<Key>,
    allow: Arc<[Grant]>,
}

/// One key, with all that it asks of a token.
struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    verifies: DecodingKey,
    validation: Validation,
}

/// The claims that Wharf reads beyond `iss` and `aud`. Times may have fractions (RFC 7519, `NumericDate`).
#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    exp: Option<f64>,
    nbf: Option<f64>,
}

/// Whether a bearer's text has the form of a token: `{` and a quote or space in base64url, and two dots.
pub(super) fn looks_like_one(token: &[u8]) -> bool {
    token.starts_with(b"ey") && token.split(|byte| *byte == b'.').count() == 3
}

impl Verifier {
    /// From the configuration.
    pub(super) fn new(config: &JwtConfig) -> Self {
        let keys = match &config.keys {
            JwtKeys::Secret(secret) => {
                let key = DecodingKey::from_secret(secret.expose_secret().as_bytes());
                vec![Key::new(None, Algorithm::HS256, key, config)]
            }
            JwtKeys::Jwks(set) => {
                let key = |public: &PublicKey| {
                    Key::new(public.id.clone(), public.algorithm, public.key.clone(), config)
                };
                set.keys().iter().map(key).collect()
            }
        };
        Self { keys, allow: config.allow.as_slice().into() }
    }

    /// What users may do.
    pub(super) fn allow(&self) -> Arc<[Grant]> {
        Arc::clone(&self.allow)
    }

    /// Verifies `token` as it stands at `received`.
    pub(super) fn verify(&self, token: &[u8], received: Timestamp) -> Result<Identity, Error> {
        let header = decode_header(token).map_err(|error| no_token(&error))?;
        let key = self.key_for(&header)?;
        let claims =
            decode::<Claims>(token, &key.verifies, &key.validation).map_err(|error| no_token(&error))?.claims;
        check_times(&claims, received)?;
        let subject =
            claims.sub.filter(|sub| (1..=SUBJECT_BYTES_MAX).contains(&sub.len())).ok_or_else(|| {
                refuse(
                    Code::InvalidApiKey,
                    "The token names no user.",
                    "`sub` must hold the user's id, 1 to 255 bytes.",
                )
            })?;
        Ok(Identity::User { subject, allow: Arc::clone(&self.allow) })
    }

    /// The key that the token names, or the only one for its algorithm where one of the two has no name.
    fn key_for(&self, header: &Header) -> Result<&Key, Error> {
        if header.crit.is_some() {
            return Err(refuse(
                Code::InvalidApiKey,
                "The token has a critical header.",
                "Make tokens without `crit`: Wharf knows no extension.",
            ));
        }
        let fitting = || self.keys.iter().filter(|key| key.algorithm == header.alg);
        let named = fitting().find(|key| header.kid.is_some() && key.id == header.kid);
        let only = || {
            let mut unnamed = fitting().filter(|key| header.kid.is_none() || key.id.is_none());
            unnamed.next().filter(|_| unnamed.next().is_none())
        };
        named.or_else(only).ok_or_else(|| {
            refuse(
                Code::InvalidApiKey,
                "No configured key verifies this token.",
                "The token's `kid` and `alg` must be those of a key in the configuration.",
            )
        })
    }
}

impl Key {
    fn new(id: Option<String>, algorithm: Algorithm, key: DecodingKey, config: &JwtConfig) -> Self {
        let mut validation = Validation::new(algorithm);
        // Times are checked here, against the request's own time, instead of a clock that the crate would read.
        validation.validate_exp = false;
        validation.validate_aud = config.audience.is_some();
        validation.set_required_spec_claims::<&str>(&[]);
        for (claim, is_required) in [("iss", config.issuer.is_some()), ("aud", config.audience.is_some())] {
            if is_required {
                validation.required_spec_claims.insert(claim.to_owned());
            }
        }
        validation.iss = config.issuer.clone().map(|issuer| [issuer].into());
        validation.aud = config.audience.clone().map(|audience| [audience].into());
        Self { id, algorithm, verifies: key, validation }
    }
}

fn check_times(claims: &Claims, received: Timestamp) -> Result<(), Error> {
    // Milliseconds of the epoch are exact in an f64 for the next 285,000 years.
    #[expect(clippy::cast_precision_loss, reason = "times fit")]
    let now = received.unix_millis() as f64 / 1000.0;
    let Some(expires) = claims.exp else {
        return Err(refuse(Code::InvalidApiKey, "The token never ends.", "Tokens must have `exp`."));
    };
    if now >= expires + LEEWAY_SECONDS {
        return Err(refuse(Code::ExpiredApiKey, "The token has expired.", "Ask the app for a new token."));
    }
    if claims.nbf.is_some_and(|begins| now < begins - LEEWAY_SECONDS) {
        return Err(refuse(
            Code::InvalidApiKey,
            "The token does not hold yet.",
            "Its `nbf` lies ahead; check the clock of whoever made it.",
        ));
    }
    Ok(())
}

/// Says which of the public facts did not fit; a bad signature and a bad form are told alike.
fn no_token(error: &jsonwebtoken::errors::Error) -> Error {
    let kind = error.kind();
    let is_missing = |claim| matches!(kind, ErrorKind::MissingRequiredClaim(name) if name == claim);
    if matches!(kind, ErrorKind::InvalidIssuer) || is_missing("iss") {
        return refuse(
            Code::InvalidApiKey,
            "The token comes from somebody else.",
            "Its `iss` is not the configured one.",
        );
    }
    if matches!(kind, ErrorKind::InvalidAudience) || is_missing("aud") {
        return refuse(
            Code::InvalidApiKey,
            "The token is meant for somebody else.",
            "Its `aud` is not the configured one.",
        );
    }
    refuse(
        Code::InvalidApiKey,
        "The token does not verify.",
        "It must be whole, and signed with HS256, RS256, ES256 or EdDSA by a configured key.",
    )
}
