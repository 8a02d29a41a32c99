//! JSON Web Key Sets (RFC 7517): the public keys that verify the app's tokens. The configuration reads them, and whoever
//! verifies takes them from there.

use jsonwebtoken::{
    Algorithm, DecodingKey, crypto,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse},
};

/// Bytes of the smallest RSA modulus that is still safe (2,048 bits).
const RSA_MODULUS_BYTES_MIN: usize = 256;

/// Keys that can verify; at least one.
#[derive(Debug, Clone)]
pub struct KeySet(Vec<PublicKey>);

/// One key, and the one algorithm that it verifies.
#[derive(Debug, Clone)]
pub struct PublicKey {
    /// Its `kid`.
    pub id: Option<String>,
    /// What it verifies.
    pub algorithm: Algorithm,
    /// The key itself.
    pub key: DecodingKey,
}

impl KeySet {
    /// From JSON; the error says what is wrong with it. Keys for other uses are left out, as providers mix them in one set.
    pub fn parse(text: &str) -> Result<Self, String> {
        let set: JwkSet = serde_json::from_str(text)
            .map_err(|error| format!("is no JSON Web Key Set (`{{\"keys\": […]}}`, RFC 7517): {error}"))?;
        let mut keys = Vec::new();
        for jwk in &set.keys {
            let Some(algorithm) = algorithm_of(jwk) else { continue };
            let id = jwk.common.key_id.clone();
            let name = id.as_deref().unwrap_or("without a kid");
            let is_broken = |error| format!("holds a broken key ({name}): {error}");
            let key = DecodingKey::from_jwk(jwk).map_err(is_broken)?;
            // Nothing verifies with an empty signature, but a point that is not on its curve is told apart.
            crypto::verify("", b"", &key, algorithm).map_err(is_broken)?;
            keys.push(PublicKey { id, algorithm, key });
        }
        if keys.is_empty() {
            return Err("holds no key that verifies RS256 (at least 2,048 bits), ES256 or EdDSA".to_owned());
        }
        Ok(Self(keys))
    }

    /// The keys.
    pub fn keys(&self) -> &[PublicKey] {
        &self.0
    }
}

/// The one algorithm that a key verifies with, if it is one of ours and the key is meant for that.
fn algorithm_of(jwk: &Jwk) -> Option<Algorithm> {
    let (algorithm, name) = match &jwk.algorithm {
        AlgorithmParameters::RSA(rsa) if is_long_enough(&rsa.n) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        AlgorithmParameters::RSA(_)
        | AlgorithmParameters::EllipticCurve(_)
        | AlgorithmParameters::OctetKeyPair(_)
        | AlgorithmParameters::OctetKey(_)
        | AlgorithmParameters::Other(_)
        | _ => return None,
    };
    let is_for_signatures = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let is_for_algorithm = jwk.common.key_algorithm.is_none_or(|own| own == name);
    (is_for_signatures && is_for_algorithm).then_some(algorithm)
}

/// `modulus` is base64url without padding: four characters hold three bytes.
fn is_long_enough(modulus: &str) -> bool {
    modulus.trim_end_matches('=').len() * 3 / 4 >= RSA_MODULUS_BYTES_MIN
}
