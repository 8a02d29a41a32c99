use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
use serde_json::{Value, json};

use super::*;
use crate::{
    config::checked::{Action, GrantBucket, JwtKeys},
    key_set::KeySet,
};

const HMAC_SECRET: &str = "an app's secret that has 32 bytes and more";
const SECOND: u64 = NOW / 1000;

fn config(keys: JwtKeys) -> JwtConfig {
    let allow = vec![Grant { bucket: GrantBucket::Any, prefix: String::new(), actions: vec![Action::Write] }];
    JwtConfig { keys, issuer: None, audience: None, allow, rate_limit: None }
}

fn with_hmac_secret() -> JwtConfig {
    config(JwtKeys::Secret(HMAC_SECRET.into()))
}

fn claims() -> Value {
    json!({ "sub": "ada", "exp": SECOND + 60 })
}

fn hmac_token(claims: &Value) -> String {
    encode(&Header::default(), claims, &EncodingKey::from_secret(HMAC_SECRET.as_bytes())).unwrap()
}

fn verify(config: &JwtConfig, token: &str) -> Result<String, Code> {
    let authenticator = super::authenticator(&[key(KEY, None)], Some(config)).unwrap();
    let bearer = format!("Bearer {token}");
    match outcome(&authenticator, &head("POST", PATH, &[("authorization", &bearer)]), b"{}", NOW)? {
        Identity::User { subject, allow } => {
            assert_eq!(&*allow, config.allow.as_slice());
            Ok(subject)
        }
        other @ (Identity::Key(_) | Identity::Session(_) | Identity::Loopback) => panic!("{other:?}"),
    }
}

/// One key pair of each kind, under its own `kid`.
struct Pairs {
    rsa: EncodingKey,
    ec: EncodingKey,
    ed: EncodingKey,
}

fn rsa(base64: &str) -> EncodingKey {
    EncodingKey::from_rsa_der(&STANDARD.decode(base64.trim()).unwrap())
}

impl Pairs {
    fn new() -> (Self, Value) {
        let rsa = rsa(include_str!("rsa_2048.der.base64"));
        let curve_pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let edwards_pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let ec = EncodingKey::from_ec_der(&curve_pair.serialize_der());
        let ed = EncodingKey::from_ed_der(&edwards_pair.serialize_der());
        let public =
            |key, algorithm| serde_json::to_value(Jwk::from_encoding_key(key, algorithm).unwrap()).unwrap();
        let x = URL_SAFE_NO_PAD.encode(edwards_pair.public_key_raw());
        let mut keys = [
            public(&rsa, Algorithm::RS256),
            public(&ec, Algorithm::ES256),
            json!({ "kty": "OKP", "crv": "Ed25519", "x": x }),
        ];
        for (key, kid) in keys.iter_mut().zip(["rsa", "ec", "ed"]) {
            key["kid"] = kid.into();
        }
        (Self { rsa, ec, ed }, json!({ "keys": keys }))
    }
}

fn named(algorithm: Algorithm, kid: Option<&str>) -> Header {
    Header { kid: kid.map(Into::into), ..Header::new(algorithm) }
}

fn with_set(set: &Value) -> JwtConfig {
    config(JwtKeys::Jwks(KeySet::parse(&set.to_string()).unwrap()))
}

#[test]
fn a_token_signed_with_the_secret_is_its_user() {
    assert_eq!(verify(&with_hmac_secret(), &hmac_token(&claims())), Ok("ada".into()));
    let other = encode(&Header::default(), &claims(), &EncodingKey::from_secret(b"another")).unwrap();
    assert_eq!(verify(&with_hmac_secret(), &other), Err(Code::InvalidApiKey));
}

#[test]
fn each_kind_of_key_verifies_its_own_algorithm() {
    let (pairs, set) = Pairs::new();
    let config = with_set(&set);
    let all = [
        (Algorithm::RS256, "rsa", &pairs.rsa),
        (Algorithm::ES256, "ec", &pairs.ec),
        (Algorithm::EdDSA, "ed", &pairs.ed),
    ];
    for (algorithm, kid, pair) in all {
        for header in [named(algorithm, Some(kid)), named(algorithm, None)] {
            assert_eq!(
                verify(&config, &encode(&header, &claims(), pair).unwrap()),
                Ok("ada".into()),
                "{header:?}"
            );
        }
        let unknown = encode(&named(algorithm, Some("gone")), &claims(), pair).unwrap();
        assert_eq!(verify(&config, &unknown), Err(Code::InvalidApiKey));
    }
}

#[test]
fn the_key_decides_the_algorithm_not_the_token() {
    let (pairs, set) = Pairs::new();
    let config = with_set(&set);
    for algorithm in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256] {
        let token = encode(&named(algorithm, Some("rsa")), &claims(), &pairs.rsa).unwrap();
        assert_eq!(verify(&config, &token), Err(Code::InvalidApiKey), "{algorithm:?}");
    }
    // An RSA public key, taken for an HMAC secret.
    let modulus = set["keys"][0]["n"].as_str().unwrap();
    for secret in
        [modulus.as_bytes().to_vec(), URL_SAFE_NO_PAD.decode(modulus).unwrap(), set.to_string().into_bytes()]
    {
        let token =
            encode(&named(Algorithm::HS256, Some("rsa")), &claims(), &EncodingKey::from_secret(&secret));
        assert_eq!(verify(&config, &token.unwrap()), Err(Code::InvalidApiKey));
    }
    let other_hash =
        encode(&named(Algorithm::HS512, None), &claims(), &EncodingKey::from_secret(HMAC_SECRET.as_bytes()));
    assert_eq!(verify(&with_hmac_secret(), &other_hash.unwrap()), Err(Code::InvalidApiKey));
}

#[test]
fn a_token_without_a_signature_is_refused() {
    let body = URL_SAFE_NO_PAD.encode(claims().to_string());
    for algorithm in ["none", "None", "NONE", "nOnE", "HS256", "", "RS256"] {
        let header = URL_SAFE_NO_PAD.encode(json!({ "alg": algorithm, "typ": "JWT" }).to_string());
        for signature in ["", "AA"] {
            let token = format!("{header}.{body}.{signature}");
            assert_eq!(verify(&with_hmac_secret(), &token), Err(Code::InvalidApiKey), "{token}");
        }
    }
}

#[test]
fn a_key_that_the_token_brings_along_is_not_used() {
    let (_, ours) = Pairs::new();
    let (theirs, set) = Pairs::new();
    let mut header = named(Algorithm::ES256, Some("ec"));
    header.jwk = Some(serde_json::from_value(set["keys"][1].clone()).unwrap());
    let token = encode(&header, &claims(), &theirs.ec).unwrap();
    assert_eq!(verify(&with_set(&ours), &token), Err(Code::InvalidApiKey));
}

#[test]
fn a_critical_header_is_refused() {
    let header = Header { crit: Some(vec!["exp".into()]), ..Header::default() };
    let token = encode(&header, &claims(), &EncodingKey::from_secret(HMAC_SECRET.as_bytes())).unwrap();
    assert_eq!(verify(&with_hmac_secret(), &token), Err(Code::InvalidApiKey));
}

#[test]
fn times_are_checked_against_the_request_with_a_minute_of_leeway() {
    let at = |claims: Value| verify(&with_hmac_secret(), &hmac_token(&claims)).map(drop);
    let now = SECOND;
    assert_eq!(at(json!({ "sub": "ada", "exp": now - 59 })), Ok(()));
    assert_eq!(at(json!({ "sub": "ada", "exp": now - 60 })), Err(Code::ExpiredApiKey));
    assert_eq!(at(json!({ "sub": "ada", "exp": now + 60, "nbf": now + 60 })), Ok(()));
    assert_eq!(at(json!({ "sub": "ada", "exp": now + 90, "nbf": now + 62 })), Err(Code::InvalidApiKey));
    assert_eq!(at(json!({ "sub": "ada", "exp": 1_795_307_826.5 })), Ok(()));
    assert_eq!(at(json!({ "sub": "ada" })), Err(Code::InvalidApiKey));
    for odd in [json!("tomorrow"), json!(null), json!([now]), json!({}), json!(-1e308)] {
        assert!(at(json!({ "sub": "ada", "exp": odd })).is_err(), "{odd}");
    }
}

#[test]
fn a_token_names_a_user() {
    for subject in [json!(null), json!(""), json!(7), json!("x".repeat(256))] {
        let token = hmac_token(&json!({ "sub": subject, "exp": SECOND + 60 }));
        assert_eq!(verify(&with_hmac_secret(), &token), Err(Code::InvalidApiKey), "{subject}");
    }
    assert_eq!(
        verify(&with_hmac_secret(), &hmac_token(&json!({ "exp": SECOND + 60 }))),
        Err(Code::InvalidApiKey)
    );
}

#[test]
fn issuer_and_audience_must_be_the_configured_ones() {
    let config = JwtConfig {
        issuer: Some("https://app".into()),
        audience: Some("wharf".into()),
        ..with_hmac_secret()
    };
    let at = |more: Value| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        verify(&config, &hmac_token(&claims)).map(drop)
    };
    assert_eq!(at(json!({ "iss": "https://app", "aud": "wharf" })), Ok(()));
    assert_eq!(at(json!({ "iss": "https://app", "aud": ["else", "wharf"] })), Ok(()));
    for wrong in [
        json!({}),
        json!({ "iss": "https://app" }),
        json!({ "aud": "wharf" }),
        json!({ "iss": "https://app", "aud": "else" }),
        json!({ "iss": "https://app", "aud": [] }),
        json!({ "iss": "https://app/", "aud": "wharf" }),
        json!({ "iss": null, "aud": null }),
    ] {
        assert_eq!(at(wrong.clone()), Err(Code::InvalidApiKey), "{wrong}");
    }
    let mut anyones = claims();
    anyones["aud"] = "anybody".into();
    assert_eq!(verify(&with_hmac_secret(), &hmac_token(&anyones)), Ok("ada".into()), "none configured");
}

#[test]
fn a_bearer_that_is_no_token_is_a_key() {
    let authenticator =
        authenticator(&[key(KEY, None), key("eyJ.a", None)], Some(&with_hmac_secret())).unwrap();
    for id in [KEY, "eyJ.a"] {
        let bearer = format!("Bearer {id}");
        let identity = outcome(&authenticator, &head("POST", PATH, &[("authorization", &bearer)]), b"", NOW);
        assert!(matches!(identity, Ok(Identity::Key(known)) if known.id == id));
    }
    // And a token in the key's header is no token.
    let token = hmac_token(&claims());
    let refused = outcome(&authenticator, &head("POST", PATH, &[("x-api-key", &token)]), b"", NOW);
    assert_eq!(refused.unwrap_err(), Code::InvalidApiKey);
}

#[test]
fn with_tokens_alone_configured_a_machine_needs_one() {
    let authenticator = super::authenticator(&[], Some(&with_hmac_secret())).unwrap();
    let refused = outcome(&authenticator, &head("POST", PATH, &[]), b"", NOW);
    assert_eq!(refused.unwrap_err(), Code::MissingApiKey);
}

#[test]
fn a_set_is_checked_when_it_is_read() {
    let problem = |text: &str| KeySet::parse(text).unwrap_err();
    assert!(problem("{}").contains("JSON Web Key Set"));
    assert!(problem("{\"keys\":[]}").contains("no key"));
    // A symmetric key has no place in a public set, and neither has one for encryption or a short one.
    let oct = json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0" }] });
    assert!(problem(&oct.to_string()).contains("no key"));
    let short = Jwk::from_encoding_key(&rsa(include_str!("rsa_1024.der.base64")), Algorithm::RS256).unwrap();
    assert!(problem(&json!({ "keys": [short] }).to_string()).contains("2,048"));
    let (_, mut set) = Pairs::new();
    assert!(KeySet::parse(&set.to_string()).is_ok());
    let [_, ec, ed] = set["keys"].as_array_mut().unwrap().as_mut_slice() else { panic!() };
    ec["x"] = ec["y"].clone();
    ed["use"] = "enc".into();
    assert!(problem(&set.to_string()).contains("broken key (ec)"));
}

#[test]
fn hostile_text_is_refused_without_a_panic() {
    for token in
        ["eyJ..", "eyJ.eyJ.", "eyJhbGciOiJIUzI1NiJ9.e30.", "eyJ\u{fffd}.a.b", "eyJhbGciOiJIUzI1NiJ9.!.!"]
    {
        let authenticator = super::authenticator(&[], Some(&with_hmac_secret())).unwrap();
        let mut head = head("POST", PATH, &[]);
        let value = http::HeaderValue::from_bytes(format!("Bearer {token}").as_bytes()).unwrap();
        head.headers.insert("authorization", value);
        assert_eq!(outcome(&authenticator, &head, b"", NOW).unwrap_err(), Code::InvalidApiKey, "{token}");
    }
}
