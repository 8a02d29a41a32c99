//! The key that signs for a private distribution, and the URL or the cookies that come of it.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::SecretString;
use wharf_wire::sigv4::presign::SignedUrl;

use super::{CdnCookie, CdnError, CdnObject, CdnPolicy, CdnResource, private_key::PrivateKey};

/// What a policy is hashed with before it is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CdnHash {
    /// CloudFront's default, for both kinds of key.
    #[default]
    Sha1,
    /// SHA-256, which the URL says with `Hash-Algorithm=SHA256`, and cookies with one more of them.
    Sha256,
}

/// The key that signs for a private distribution. `Debug` shows the public key's id alone.
///
/// Signing needs no randomness (see `private_key`), so the same input gives the same URL. It is slow beside a presign:
/// milliseconds with an RSA key, a tenth of that with an ECDSA key, which also makes shorter URLs.
pub struct CdnSigner {
    key_pair_id: String,
    private_key: PrivateKey,
    hash: CdnHash,
}

impl CdnSigner {
    /// Reads a private key in PEM (PKCS#1, SEC1 or PKCS#8). `key_pair_id` is the public key's id at CloudFront (`K…`).
    pub fn from_pem(key_pair_id: &str, pem: &SecretString) -> Result<Self, CdnError> {
        if key_pair_id.is_empty() || !key_pair_id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(CdnError::KeyPairId);
        }
        let private_key = PrivateKey::from_pem(pem)?;
        Ok(Self { key_pair_id: key_pair_id.to_owned(), private_key, hash: CdnHash::default() })
    }

    /// The same signer with another hash.
    #[must_use]
    pub fn with_hash(self, hash: CdnHash) -> Self {
        Self { hash, ..self }
    }

    /// Signs the object's address.
    pub fn sign(&self, object: &CdnObject<'_>, policy: &CdnPolicy) -> Result<SignedUrl, CdnError> {
        let address = object.url()?;
        let document = policy.document(&address)?;
        let signature = self.private_key.sign(self.hash, document.as_bytes())?;
        let separator = if address.contains('?') { '&' } else { '?' };
        let validity = if policy.is_canned() {
            format!("Expires={}", policy.expires_at.unix_seconds())
        } else {
            format!("Policy={}", encode_base64(document.as_bytes()))
        };
        let signature = encode_base64(&signature);
        let hash = match self.hash {
            CdnHash::Sha1 => "",
            CdnHash::Sha256 => "&Hash-Algorithm=SHA256",
        };
        let key_pair_id = &self.key_pair_id;
        Ok(SignedUrl::from_signed(format!(
            "{address}{separator}{validity}&Signature={signature}&Key-Pair-Id={key_pair_id}{hash}"
        )))
    }

    /// Signs cookies that open `resource`: `CloudFront-Policy` (or, for a canned policy, `CloudFront-Expires`),
    /// `CloudFront-Signature`, `CloudFront-Key-Pair-Id`, and what says the hash where it is not the default.
    ///
    /// A resource that stands for many addresses makes the policy a custom one.
    pub fn cookies(&self, resource: &CdnResource, policy: &CdnPolicy) -> Result<Vec<CdnCookie>, CdnError> {
        let document = policy.document(resource.as_str())?;
        let signature = self.private_key.sign(self.hash, document.as_bytes())?;
        let validity = if policy.is_canned() && !resource.is_pattern() {
            CdnCookie::new("CloudFront-Expires", policy.expires_at.unix_seconds().to_string())
        } else {
            CdnCookie::new("CloudFront-Policy", encode_base64(document.as_bytes()))
        };
        let mut cookies = vec![
            validity,
            CdnCookie::new("CloudFront-Signature", encode_base64(&signature)),
            CdnCookie::new("CloudFront-Key-Pair-Id", self.key_pair_id.as_str()),
        ];
        match self.hash {
            CdnHash::Sha1 => {}
            CdnHash::Sha256 => cookies.push(CdnCookie::new("CloudFront-Hash-Algorithm", "SHA256")),
        }
        Ok(cookies)
    }
}

impl fmt::Debug for CdnSigner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("CdnSigner")
            .field("key_pair_id", &self.key_pair_id)
            .field("hash", &self.hash)
            .finish_non_exhaustive()
    }
}

/// Base64 with CloudFront's stand-ins for the three characters that mean something in a query.
fn encode_base64(bytes: &[u8]) -> String {
    let stand_in = |character| match character {
        '+' => '-',
        '=' => '_',
        '/' => '~',
        other => other,
    };
    STANDARD.encode(bytes).chars().map(stand_in).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};
    use serde::Deserialize;
    use wharf_wire::{date::Timestamp, names::ObjectKey};

    use super::*;
    use crate::cdn::CdnDomain;

    const RSA: &str = include_str!("../../testdata/cdn/rsa.pkcs8.pem");
    const ECDSA: &str = include_str!("../../testdata/cdn/ecdsa.pkcs8.pem");
    const EXPIRES_AT: Timestamp = Timestamp::from_unix_millis(1_893_456_000_000);

    /// One URL that botocore's `CloudFrontSigner` made; see `testdata/cdn/make_vectors.py`.
    #[derive(Deserialize)]
    struct Vector {
        key: String,
        query: Vec<(String, String)>,
        policy: VectorPolicy,
        private_key: String,
        hash: String,
        url: String,
    }

    #[derive(Deserialize)]
    struct VectorPolicy {
        starts_at: Option<u64>,
        source_ip: Option<String>,
    }

    fn signer(pem: &str) -> CdnSigner {
        CdnSigner::from_pem("K2JCJMDEHXQW5F", &SecretString::from(pem)).unwrap()
    }

    fn signer_of(private_key: &str, hash: &str) -> CdnSigner {
        let hash = if hash == "sha1" { CdnHash::Sha1 } else { CdnHash::Sha256 };
        signer(if private_key == "rsa" { RSA } else { ECDSA }).with_hash(hash)
    }

    fn policy(vector: &VectorPolicy) -> CdnPolicy {
        CdnPolicy {
            expires_at: EXPIRES_AT,
            starts_at: vector.starts_at.map(|seconds| Timestamp::from_unix_millis(seconds * 1000)),
            source_ip: vector.source_ip.as_ref().map(|block| block.parse().unwrap()),
        }
    }

    fn sign(vector: &Vector) -> String {
        let query: Vec<_> =
            vector.query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let object = CdnObject {
            domain: &CdnDomain::parse("cdn.eu.example.co.uk").unwrap(),
            key: &ObjectKey::parse(&vector.key).unwrap(),
            query: &query,
        };
        let signer = signer_of(&vector.private_key, &vector.hash);
        signer.sign(&object, &policy(&vector.policy)).unwrap().into_exposed()
    }

    #[test]
    fn urls_equal_those_of_an_independent_signer() {
        let vectors: Vec<Vector> =
            serde_json::from_str(include_str!("../../testdata/cdn/vectors.json")).unwrap();
        assert_eq!(vectors.len(), 128);
        for vector in &vectors {
            assert_eq!(sign(vector), vector.url);
        }
    }

    /// One set of cookies, whose policy and signature botocore's `CloudFrontSigner` made; see `testdata/cdn/make_vectors.py`.
    #[derive(Deserialize)]
    struct CookieVector {
        prefix: Option<String>,
        key: Option<String>,
        policy: VectorPolicy,
        private_key: String,
        hash: String,
        cookies: Vec<(String, String)>,
    }

    #[test]
    fn cookies_equal_those_of_an_independent_signer() {
        let vectors: Vec<CookieVector> =
            serde_json::from_str(include_str!("../../testdata/cdn/cookies.json")).unwrap();
        assert_eq!(vectors.len(), 48);
        let domain = CdnDomain::parse("cdn.eu.example.co.uk").unwrap();
        for vector in &vectors {
            let resource = match (&vector.prefix, &vector.key) {
                (Some(prefix), _) => CdnResource::below(&domain, prefix),
                (None, key) => {
                    let key = ObjectKey::parse(key.as_ref().unwrap()).unwrap();
                    CdnResource::object(&CdnObject { domain: &domain, key: &key, query: &[] }).unwrap()
                }
            };
            let cookies =
                signer_of(&vector.private_key, &vector.hash).cookies(&resource, &policy(&vector.policy));
            let cookies = cookies.unwrap();
            let made: Vec<_> =
                cookies.iter().map(|cookie| (cookie.name().to_owned(), cookie.expose().to_owned())).collect();
            assert_eq!(made, vector.cookies, "{}", resource.as_str());
        }
    }

    #[test]
    fn a_prefix_opens_what_begins_with_it_and_no_pattern_of_its_own() {
        let domain = CdnDomain::parse("cdn.example.com").unwrap();
        for (prefix, resource) in [
            ("", "https://cdn.example.com/*"),
            ("films/", "https://cdn.example.com/films/*"),
            ("a*?b", "https://cdn.example.com/a%2A%3Fb*"),
        ] {
            assert_eq!(CdnResource::below(&domain, prefix).as_str(), resource);
        }
        let cookies = signer(ECDSA).cookies(&CdnResource::below(&domain, ""), &CdnPolicy::until(EXPIRES_AT));
        let cookies = cookies.unwrap();
        assert_eq!(format!("{:?}", cookies[1]), r#"CdnCookie { name: "CloudFront-Signature", .. }"#);
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~".contains(&byte);
        assert!(cookies.iter().all(|cookie| cookie.expose().bytes().all(is_token)));
    }

    #[test]
    fn the_address_that_is_signed_is_the_address_that_is_sent() {
        let domain = CdnDomain::parse("http://cdn.example.com").unwrap();
        let key = ObjectKey::parse("every/*?.jpg").unwrap();
        let object = CdnObject { domain: &domain, key: &key, query: &[] };
        let url = signer(ECDSA).sign(&object, &CdnPolicy::until(EXPIRES_AT)).unwrap();
        let (address, query) = url.expose().split_once('?').unwrap();
        assert_eq!(address, object.url().unwrap());
        assert!(!address.contains('*'), "a policy reads it as any object");
        assert!(query.starts_with("Expires=1893456000&Signature="));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_key_comes_back_out_of_its_signed_url(text in "\\PC{1,60}", name in "[a-z-]{1,9}", value in "\\PC{0,20}") {
            let key = ObjectKey::parse(&text).unwrap();
            let domain = CdnDomain::parse("cdn.example.com").unwrap();
            let object = CdnObject { domain: &domain, key: &key, query: &[(&name, &value)] };
            let url = signer(ECDSA).sign(&object, &CdnPolicy::until(EXPIRES_AT)).unwrap().into_exposed();
            prop_assert!(url.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\<>*#".contains(&byte)), "{}", url);
            let path = url.strip_prefix("https://cdn.example.com/").and_then(|rest| rest.split('?').next());
            prop_assert_eq!(percent_decode(path.unwrap()), text);
        }
    }

    fn percent_decode(text: &str) -> String {
        let mut parts = text.split('%');
        let mut bytes = parts.next().unwrap().as_bytes().to_vec();
        for part in parts {
            bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
            bytes.extend_from_slice(&part.as_bytes()[2..]);
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn base64_has_no_character_that_means_something_in_a_query() {
        assert_eq!(encode_base64(&[0xfb, 0xff, 0xbf, 0x00]), "-~-~AA__");
    }

    #[test]
    fn a_key_pair_id_that_would_write_query_parameters_is_refused() {
        for id in ["", "K2&Policy=x", "K2 ", "K2\n", "é"] {
            let refused = CdnSigner::from_pem(id, &SecretString::from(RSA)).err();
            assert_eq!(refused, Some(CdnError::KeyPairId), "{id:?}");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(
            format!("{:?}", signer(RSA)),
            r#"CdnSigner { key_pair_id: "K2JCJMDEHXQW5F", hash: Sha1, .. }"#
        );
    }
}
