//! Private keys as CloudFront takes them: reading their PEM, and signing a policy with them.
//!
//! # Why the `rsa` crate, and what RUSTSEC-2023-0071 means here
//!
//! CloudFront's default is SHA-1, and ring and aws-lc-rs do not sign with RSA and SHA-1. What remains is a binding to
//! openssl, which a single static binary carries badly, or `rsa`, whose modular exponentiation takes a time that depends
//! on the private key (RUSTSEC-2023-0071, "Marvin"; no release fixes it). The attack needs someone who chooses or knows the
//! number that is exponentiated, and who measures many thousand times how long that took. Here
//!
//! - nothing is ever decrypted, so there is no padding oracle: the number is a padded hash that Wharf computed itself;
//! - every exponentiation is **blinded**: the number is first multiplied by one that the observer cannot predict, so
//!   that the time says nothing about the number that he knows;
//! - an ECDSA P-256 key, which CloudFront takes as well, does not come near this code, and makes shorter URLs.
//!
//! Who else brings `rsa` into the tree (the verification of JWTs) uses public keys alone, which the attack is not about.
//!
//! # Where the randomness comes from
//!
//! This crate takes randomness from nobody, and a signer that asked each caller for some would fail as soon as one
//! passed a bad source. So the blinding factor is derived from the private key and the hash with the generator of RFC 6979
//! (`HMAC_DRBG`), as ECDSA's nonce is: nobody without the key can predict it, and the code stays a pure function. Signing
//! the same policy again repeats the same exponentiation and so tells an observer nothing new. The signature itself does
//! not depend on the factor.

use p256::ecdsa::{DerSignature, SigningKey, signature::hazmat::PrehashSigner as _};
use p256::pkcs8::DecodePrivateKey as _;
use rfc6979::HmacDrbg;
use rsa::{
    Pkcs1v15Sign, RsaPrivateKey,
    pkcs1::DecodeRsaPrivateKey as _,
    rand_core::{self, CryptoRng, RngCore},
    sha2::{Digest as _, Sha256},
    traits::{PrivateKeyParts as _, PublicKeyParts as _},
};
use secrecy::{ExposeSecret as _, SecretString};
use sha1::Sha1;
use zeroize::Zeroizing;

use super::{CdnError, CdnHash};

/// The one RSA modulus that CloudFront takes, in bytes.
const RSA_MODULUS_BYTES: usize = 2048 / 8;

/// A private key of one of CloudFront's two kinds. It has no `Debug`.
pub(super) enum PrivateKey {
    Rsa(Box<RsaPrivateKey>),
    Ecdsa(SigningKey),
}

impl PrivateKey {
    /// Reads the first private key in `pem`; what stands around it (`EC PARAMETERS`, a certificate) is passed over.
    pub(super) fn from_pem(pem: &SecretString) -> Result<Self, CdnError> {
        let pem = pem.expose_secret();
        if let Some(block) = pem_block(pem, "RSA PRIVATE KEY") {
            if block.contains("ENCRYPTED") {
                return Err(CdnError::PrivateKey("encrypted"));
            }
            let key = RsaPrivateKey::from_pkcs1_pem(block);
            return Self::rsa(key.map_err(|_| CdnError::PrivateKey("not readable as PKCS#1"))?);
        }
        if let Some(block) = pem_block(pem, "EC PRIVATE KEY") {
            let key = p256::SecretKey::from_sec1_pem(block);
            let key =
                key.map_err(|_| CdnError::PrivateKey("an elliptic curve key, but not readable as P-256"))?;
            return Ok(Self::Ecdsa(key.into()));
        }
        if let Some(block) = pem_block(pem, "PRIVATE KEY") {
            return Self::from_pkcs8(block);
        }
        if pem_block(pem, "ENCRYPTED PRIVATE KEY").is_some() {
            return Err(CdnError::PrivateKey("encrypted"));
        }
        Err(CdnError::PrivateKey("not there: no private key was found in the text"))
    }

    /// PKCS#8 says inside what kind of key it holds.
    fn from_pkcs8(block: &str) -> Result<Self, CdnError> {
        if let Ok(key) = SigningKey::from_pkcs8_pem(block) {
            return Ok(Self::Ecdsa(key));
        }
        let key = RsaPrivateKey::from_pkcs8_pem(block);
        Self::rsa(key.map_err(|_| CdnError::PrivateKey("neither RSA nor ECDSA P-256"))?)
    }

    fn rsa(key: RsaPrivateKey) -> Result<Self, CdnError> {
        if key.size() != RSA_MODULUS_BYTES {
            return Err(CdnError::PrivateKey("RSA of another size than 2048 bits"));
        }
        Ok(Self::Rsa(Box::new(key)))
    }

    /// Signs `document`: PKCS#1 v1.5 with RSA, ASN.1 DER with ECDSA.
    pub(super) fn sign(&self, hash: CdnHash, document: &[u8]) -> Result<Vec<u8>, CdnError> {
        let (digest, padding) = match hash {
            CdnHash::Sha1 => (Sha1::digest(document).to_vec(), Pkcs1v15Sign::new::<Sha1>()),
            CdnHash::Sha256 => (Sha256::digest(document).to_vec(), Pkcs1v15Sign::new::<Sha256>()),
        };
        match self {
            Self::Rsa(key) => {
                let mut blinding = Blinding::new(key, &digest);
                key.sign_with_rng(&mut blinding, padding, &digest).map_err(|_| CdnError::Signing)
            }
            Self::Ecdsa(key) => {
                let signature: DerSignature = key.sign_prehash(&digest).map_err(|_| CdnError::Signing)?;
                Ok(signature.as_bytes().to_vec())
            }
        }
    }
}

/// The first PEM block with this label, from its first dash to its last.
fn pem_block<'a>(pem: &'a str, label: &str) -> Option<&'a str> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let block = pem.get(pem.find(&begin)?..)?;
    block.get(..block.find(&end)? + end.len())
}

/// The source of an RSA signature's blinding factor; see the module's documentation.
struct Blinding(HmacDrbg<Sha256>);

impl Blinding {
    fn new(key: &RsaPrivateKey, digest: &[u8]) -> Self {
        let exponent = Zeroizing::new(key.d().to_bytes_be());
        Self(HmacDrbg::new(&exponent, digest, b"wharf cdn rsa blinding"))
    }
}

impl RngCore for Blinding {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, destination: &mut [u8]) {
        self.0.fill_bytes(destination);
    }

    fn try_fill_bytes(&mut self, destination: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(destination);
        Ok(())
    }
}

impl CryptoRng for Blinding {}

#[cfg(test)]
mod tests {
    use p256::ecdsa::{VerifyingKey, signature::hazmat::PrehashVerifier as _};
    use p256::pkcs8::DecodePublicKey as _;
    use rsa::RsaPublicKey;

    use super::*;

    const RSA_PKCS1: &str = include_str!("../../testdata/cdn/rsa.pkcs1.pem");
    const RSA_PKCS8: &str = include_str!("../../testdata/cdn/rsa.pkcs8.pem");
    const ECDSA_SEC1: &str = include_str!("../../testdata/cdn/ecdsa.sec1.pem");
    const ECDSA_PKCS8: &str = include_str!("../../testdata/cdn/ecdsa.pkcs8.pem");
    const HASHES: [CdnHash; 2] = [CdnHash::Sha1, CdnHash::Sha256];

    fn read(pem: &str) -> Result<PrivateKey, CdnError> {
        PrivateKey::from_pem(&SecretString::from(pem))
    }

    fn sign(pem: &str, hash: CdnHash) -> Vec<u8> {
        read(pem).unwrap().sign(hash, b"policy").unwrap()
    }

    #[test]
    fn every_form_of_a_key_signs_alike() {
        let crlf = |pem: &str| pem.replace('\n', "\r\n");
        for hash in HASHES {
            let rsa = sign(RSA_PKCS1, hash);
            assert_eq!(sign(RSA_PKCS8, hash), rsa);
            assert_eq!(sign(&crlf(RSA_PKCS1), hash), rsa);
            assert_eq!(sign(&format!("a remark\n{RSA_PKCS8}\n\n"), hash), rsa);
            let ecdsa = sign(ECDSA_SEC1, hash);
            assert_eq!(sign(ECDSA_PKCS8, hash), ecdsa);
            assert_eq!(sign(&crlf(ECDSA_SEC1), hash), ecdsa);
        }
    }

    #[test]
    fn the_public_keys_verify_what_was_signed_and_nothing_else() {
        let rsa =
            RsaPublicKey::from_public_key_pem(include_str!("../../testdata/cdn/rsa.public.pem")).unwrap();
        let ecdsa =
            VerifyingKey::from_public_key_pem(include_str!("../../testdata/cdn/ecdsa.public.pem")).unwrap();
        let verify_rsa = |document: &[u8]| {
            rsa.verify(Pkcs1v15Sign::new::<Sha1>(), &Sha1::digest(document), &sign(RSA_PKCS8, CdnHash::Sha1))
        };
        assert_eq!(verify_rsa(b"policy"), Ok(()));
        assert!(verify_rsa(b"Policy").is_err());
        let signature = DerSignature::from_bytes(&sign(ECDSA_PKCS8, CdnHash::Sha1)).unwrap();
        assert!(ecdsa.verify_prehash(&Sha1::digest(b"policy"), &signature).is_ok());
        assert!(ecdsa.verify_prehash(&Sha1::digest(b"Policy"), &signature).is_err());
    }

    #[test]
    fn blinding_differs_by_key_and_by_document() {
        let Ok(PrivateKey::Rsa(key)) = read(RSA_PKCS8) else { panic!("an RSA key") };
        let Ok(PrivateKey::Rsa(mut other)) = read(RSA_PKCS8) else { panic!("an RSA key") };
        let first = |key: &RsaPrivateKey, digest: &[u8]| Blinding::new(key, digest).next_u64();
        assert_eq!(first(&key, b"one"), first(&key, b"one"));
        assert_ne!(first(&key, b"one"), first(&key, b"two"));
        *other = RsaPrivateKey::from_pkcs8_pem(include_str!("../../testdata/cdn/rsa.1024.pem")).unwrap();
        assert_ne!(first(&key, b"one"), first(&other, b"one"));
    }

    #[test]
    fn a_key_that_cloudfront_would_not_take_is_refused_with_its_reason() {
        for (pem, reason) in [
            ("", "not there: no private key was found in the text"),
            (
                include_str!("../../testdata/cdn/rsa.public.pem"),
                "not there: no private key was found in the text",
            ),
            ("-----BEGIN PRIVATE KEY-----\nAAAA", "not there: no private key was found in the text"),
            (include_str!("../../testdata/cdn/rsa.encrypted-pkcs1.pem"), "encrypted"),
            (include_str!("../../testdata/cdn/rsa.encrypted-pkcs8.pem"), "encrypted"),
            (include_str!("../../testdata/cdn/rsa.1024.pem"), "RSA of another size than 2048 bits"),
            (
                include_str!("../../testdata/cdn/ecdsa.p384.pem"),
                "an elliptic curve key, but not readable as P-256",
            ),
            (include_str!("../../testdata/cdn/ed25519.pem"), "neither RSA nor ECDSA P-256"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "neither RSA nor ECDSA P-256"),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----",
                "not readable as PKCS#1",
            ),
        ] {
            assert_eq!(read(pem).map(|_| ()), Err(CdnError::PrivateKey(reason)), "{reason}");
        }
    }
}
