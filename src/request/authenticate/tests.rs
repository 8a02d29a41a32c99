use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, HeaderName, Method, Request};
use secrecy::SecretString;
use serde::Deserialize;

use super::*;

const KEY: &str = "ox_test_0123456789abcdef";
const SECRET: &str = "sk_test_secret_0123456789abcdef";
const NOW: u64 = 1_795_307_826_434;
const PATH: &str = "/api/v1/upload/s3/signed-url";

fn authenticator(keys: &[Arc<KeyConfig>], jwt: Option<&JwtConfig>) -> Result<Authenticator, String> {
    Authenticator::new(keys, jwt, &Origins::Listed(Vec::new()))
}

fn key(id: &str, secret: Option<&str>) -> Arc<KeyConfig> {
    let secret = secret.map(SecretString::from);
    Arc::new(KeyConfig { id: id.into(), secret, expires_at: None, allow: Vec::new(), rate_limit: None })
}

fn with_secret() -> Authenticator {
    authenticator(&[key("other", None), key(KEY, Some(SECRET))], None).unwrap()
}

fn without_secret() -> Authenticator {
    authenticator(&[key(KEY, None)], None).unwrap()
}

fn context(received: u64) -> Context {
    Context {
        request_id: "test".into(),
        client_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        is_loopback: true,
        received: Timestamp::from_unix_millis(received),
    }
}

fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn sign(secret: &str, method: &str, target: &str, timestamp: &str, body: &[u8]) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let text = [method.as_bytes(), target.as_bytes(), timestamp.as_bytes(), body].join(&b'|');
    hex::encode(
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(text).finalize().into_bytes(),
    )
}

/// The code of a refusal, or who it is.
fn outcome(
    authenticator: &Authenticator,
    head: &Parts,
    body: &[u8],
    received: u64,
) -> Result<Identity, Code> {
    let pending = authenticator.begin(head, &context(received)).map_err(|error| error.code)?;
    pending.finish(body).map_err(|error| error.code)
}

fn refusal(authenticator: &Authenticator, headers: &[(&str, &str)]) -> Code {
    outcome(authenticator, &head("POST", PATH, headers), b"{}", NOW).unwrap_err()
}

/// The headers of a signed `POST PATH` with body `{}`, some of them replaced (`""` leaves a header out).
fn signed_but(replaced: &[(&'static str, &str)]) -> Vec<(String, String)> {
    let timestamp = replaced
        .iter()
        .find(|(name, _)| *name == "x-timestamp")
        .map_or(NOW.to_string(), |(_, t)| (*t).into());
    let signature = sign(SECRET, "POST", PATH, &timestamp, b"{}");
    let mut headers: Vec<(String, String)> =
        [("x-api-key", KEY), ("x-timestamp", &timestamp), ("x-signature", &signature)]
            .map(|(name, value)| (name.into(), value.into()))
            .into();
    headers.retain(|(name, _)| !replaced.iter().any(|(other, _)| other == name));
    headers.extend(replaced.iter().filter(|(_, v)| !v.is_empty()).map(|(n, v)| ((*n).into(), (*v).into())));
    headers
}

fn signed_outcome(replaced: &[(&'static str, &str)]) -> Result<Identity, Code> {
    let headers = signed_but(replaced);
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    outcome(&with_secret(), &head("POST", PATH, &headers), b"{}", NOW)
}

#[derive(Deserialize)]
struct Recorded {
    method: String,
    path: String,
    headers: std::collections::BTreeMap<String, String>,
    body: String,
}

impl Recorded {
    fn all() -> Vec<Self> {
        serde_json::from_str(include_str!("../../../tests/it/data/sdk-requests.json")).unwrap()
    }

    fn head(&self) -> Parts {
        let headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        head(&self.method, &self.path, &headers)
    }
}

#[test]
fn every_recorded_request_verifies_and_the_unsigned_one_needs_a_key_without_a_secret() {
    let (signed, unsigned): (Vec<_>, Vec<_>) =
        Recorded::all().into_iter().partition(|request| request.headers.contains_key("x-signature"));
    assert_eq!((signed.len(), unsigned.len()), (32, 1));
    for request in &signed {
        let received = request.headers["x-timestamp"].parse().unwrap();
        let identity = outcome(&with_secret(), &request.head(), request.body.as_bytes(), received).unwrap();
        assert!(matches!(identity, Identity::Key(key) if key.id == KEY), "{}", request.path);
        let changed = [request.body.as_bytes(), b" "].concat();
        let refused = outcome(&with_secret(), &request.head(), &changed, received);
        assert_eq!(refused.unwrap_err(), Code::InvalidSignature, "{}", request.path);
    }
    let unsigned = &unsigned[0];
    let refused = outcome(&with_secret(), &unsigned.head(), unsigned.body.as_bytes(), NOW).unwrap_err();
    assert_eq!(refused, Code::MissingSignature);
    assert!(outcome(&without_secret(), &unsigned.head(), unsigned.body.as_bytes(), NOW).is_ok());
}

#[test]
fn the_signature_covers_method_target_time_and_body() {
    let timestamp = NOW.to_string();
    let target = "/api/v1/upload/s3/list?prefix=a%20b&x";
    let signature = sign(SECRET, "DELETE", target, &timestamp, b"\xff\x00raw");
    let headers = [("x-api-key", KEY), ("x-timestamp", &timestamp), ("x-signature", &signature)];
    let try_it =
        |method, target, body: &[u8]| outcome(&with_secret(), &head(method, target, &headers), body, NOW);
    assert!(try_it("DELETE", target, b"\xff\x00raw").is_ok());
    assert_eq!(try_it("POST", target, b"\xff\x00raw").unwrap_err(), Code::InvalidSignature);
    for other in [
        "/api/v1/upload/s3/list?prefix=a+b&x",
        "/api/v1/upload/s3/list?prefix=a%20b&x=",
        "/api/v1/upload/s3/list",
    ] {
        assert_eq!(try_it("DELETE", other, b"\xff\x00raw").unwrap_err(), Code::InvalidSignature, "{other}");
    }
    assert_eq!(try_it("DELETE", target, b"\xff\x00ra").unwrap_err(), Code::InvalidSignature);
}

#[test]
fn nothing_is_a_missing_key() {
    for headers in [
        &[][..],
        &[("x-api-key", "")],
        &[("x-api-key", "  ")],
        &[("authorization", "Bearer ")],
        &[("authorization", "Basic eDp5")],
    ] {
        assert_eq!(refusal(&with_secret(), headers), Code::MissingApiKey, "{headers:?}");
    }
}

#[test]
fn a_key_comes_in_either_header() {
    for headers in [
        &[("x-api-key", KEY)][..],
        &[("authorization", "Bearer ox_test_0123456789abcdef")],
        &[("Authorization", "bearer  ox_test_0123456789abcdef ")],
        &[("x-api-key", KEY), ("authorization", "Bearer ox_test_0123456789abcdef")],
        &[("x-api-key", KEY), ("authorization", "Basic eDp5")],
    ] {
        assert!(outcome(&without_secret(), &head("POST", PATH, headers), b"", NOW).is_ok(), "{headers:?}");
    }
}

#[test]
fn an_unknown_key_is_invalid() {
    for id in ["ox_test_0123456789abcde", "ox_test_0123456789abcdeF", "ox_test_0123456789abcdef0", "x"] {
        assert_eq!(refusal(&without_secret(), &[("x-api-key", id)]), Code::InvalidApiKey, "{id}");
    }
}

#[test]
fn two_keys_that_differ_are_refused() {
    let two = [("x-api-key", KEY), ("authorization", "Bearer other")];
    assert_eq!(refusal(&without_secret(), &two), Code::InvalidApiKey);
    assert_eq!(refusal(&without_secret(), &[("x-api-key", KEY), ("x-api-key", KEY)]), Code::InvalidApiKey);
}

#[test]
fn a_header_that_comes_twice_is_refused_by_its_own_code() {
    let doubled = |name: &'static str| {
        let headers = signed_but(&[("x-api-secret", SECRET)]);
        let mut head = head("POST", PATH, &[]);
        head.headers = headers
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect::<HeaderMap>();
        let again = head.headers[name].clone();
        head.headers.append(name, again);
        outcome(&with_secret(), &head, b"{}", NOW).unwrap_err()
    };
    assert_eq!(doubled("x-signature"), Code::InvalidSignature);
    assert_eq!(doubled("x-timestamp"), Code::InvalidTimestamp);
    assert_eq!(doubled("x-api-secret"), Code::InvalidSecret);
    assert_eq!(doubled("x-api-key"), Code::InvalidApiKey);
}

#[test]
fn what_is_missing_from_a_signed_request_has_its_own_code() {
    assert!(signed_outcome(&[]).is_ok());
    assert_eq!(signed_outcome(&[("x-signature", "")]).unwrap_err(), Code::MissingSignature);
    assert_eq!(
        signed_outcome(&[("x-signature", ""), ("x-timestamp", "")]).unwrap_err(),
        Code::MissingSignature
    );
    let signature = sign(SECRET, "POST", PATH, "", b"{}");
    let without_time = signed_outcome(&[("x-timestamp", ""), ("x-signature", &signature)]);
    assert_eq!(without_time.unwrap_err(), Code::MissingTimestamp);
}

#[test]
fn a_timestamp_is_digits_alone() {
    for text in [
        "1795307826434.0",
        "+1795307826434",
        "-1",
        "0x1",
        "1e12",
        "1795307826434 1",
        "2026-11-22T00:00:00Z",
        "٠",
        "999999999999999",
    ] {
        assert_eq!(signed_outcome(&[("x-timestamp", text)]).unwrap_err(), Code::InvalidTimestamp, "{text}");
    }
}

#[test]
fn a_signed_request_lives_300_seconds_and_may_be_30_ahead() {
    let at = |millis: u64| signed_outcome(&[("x-timestamp", &millis.to_string())]).map(drop);
    assert_eq!(at(NOW - 300_000), Ok(()));
    assert_eq!(at(NOW - 300_001), Err(Code::ExpiredTimestamp));
    assert_eq!(at(NOW + 30_000), Ok(()));
    assert_eq!(at(NOW + 30_001), Err(Code::InvalidTimestamp));
    assert_eq!(at(NOW / 1000), Err(Code::ExpiredTimestamp), "seconds instead of milliseconds");
    assert_eq!(at(0), Err(Code::ExpiredTimestamp));
}

#[test]
fn a_signature_is_64_lower_case_hex_digits() {
    let signature = sign(SECRET, "POST", PATH, &NOW.to_string(), b"{}");
    let upper = signature.to_ascii_uppercase();
    let other = sign("another", "POST", PATH, &NOW.to_string(), b"{}");
    for text in [&upper, &signature[1..], "zz", "0", &format!("{signature}00"), &other] {
        assert_eq!(signed_outcome(&[("x-signature", text)]).unwrap_err(), Code::InvalidSignature, "{text}");
    }
}

#[test]
fn a_secret_that_is_sent_along_must_match() {
    assert!(signed_outcome(&[("x-api-secret", SECRET)]).is_ok());
    for text in ["sk_test_secret_0123456789abcdeF", "sk_test_secret_0123456789abcde", "x"] {
        assert_eq!(signed_outcome(&[("x-api-secret", text)]).unwrap_err(), Code::InvalidSecret, "{text}");
    }
    // It proves nothing alone: the signature is still due.
    assert_eq!(
        signed_outcome(&[("x-api-secret", SECRET), ("x-signature", "")]).unwrap_err(),
        Code::MissingSignature
    );
}

#[test]
fn a_key_without_a_secret_takes_what_its_callers_sign_with() {
    let signed = [("x-api-key", KEY), ("x-api-secret", SECRET), ("x-signature", "00"), ("x-timestamp", "1")];
    let outcome = outcome(&without_secret(), &head("POST", PATH, &signed), b"{}", NOW);
    assert!(outcome.is_ok(), "{outcome:?}");
}

#[test]
fn a_key_ends_when_it_expires() {
    let mut config =
        KeyConfig { id: KEY.into(), secret: None, expires_at: None, allow: Vec::new(), rate_limit: None };
    config.expires_at = Some(Timestamp::from_unix_millis(NOW));
    let authenticator = self::authenticator(&[Arc::new(config)], None).unwrap();
    let head = head("POST", PATH, &[("x-api-key", KEY)]);
    assert!(outcome(&authenticator, &head, b"", NOW - 1).is_ok());
    assert_eq!(outcome(&authenticator, &head, b"", NOW).unwrap_err(), Code::ExpiredApiKey);
}

#[test]
fn with_nothing_configured_this_machine_alone_is_served() {
    let open = authenticator(&[], None).unwrap();
    let head = head("POST", PATH, &[("x-api-key", "anything")]);
    assert!(matches!(outcome(&open, &head, b"", NOW), Ok(Identity::Loopback)));
    let mut from_outside = context(NOW);
    from_outside.is_loopback = false;
    let error = open.begin(&head, &from_outside).unwrap_err();
    assert_eq!(error.code, Code::MissingApiKey);
    assert!(error.hint.unwrap().contains("[[keys]]"));
}

#[test]
fn with_nothing_configured_a_page_from_elsewhere_is_not_this_machine() {
    let open = authenticator(&[], None).unwrap();
    let page =
        head("POST", PATH, &[("origin", "http://rebound.example:8080"), ("host", "rebound.example:8080")]);
    assert_eq!(outcome(&open, &page, b"", NOW).unwrap_err(), Code::AccessDenied);
    let own = head("POST", PATH, &[("origin", "http://localhost:5173")]);
    assert!(outcome(&open, &own, b"", NOW).is_ok());
    // With keys, it is the key that counts.
    let page = head("POST", PATH, &[("origin", "http://rebound.example:8080"), ("x-api-key", KEY)]);
    assert!(outcome(&without_secret(), &page, b"", NOW).is_ok());
}

#[test]
fn every_refusal_is_a_401_with_a_hint_a_challenge_and_no_secret() {
    let head = head("POST", PATH, &[("x-api-key", KEY), ("x-api-secret", "wrong-secret-text")]);
    let error = with_secret().begin(&head, &context(NOW)).unwrap_err();
    assert_eq!(error.code.status(), http::StatusCode::UNAUTHORIZED);
    assert!(error.hint.is_some());
    assert_eq!(error.headers[0].0, http::header::WWW_AUTHENTICATE);
    let shown = format!("{error:?} {:?}", with_secret());
    assert!(!shown.contains(SECRET) && !shown.contains("wrong-secret-text"));
}

#[test]
fn any_method_can_be_signed() {
    let timestamp = NOW.to_string();
    for method in [Method::GET, Method::DELETE, Method::PUT] {
        let signature = sign(SECRET, method.as_str(), "/", &timestamp, b"");
        let headers = [("x-api-key", KEY), ("x-timestamp", &timestamp), ("x-signature", &signature)];
        assert!(outcome(&with_secret(), &head(method.as_str(), "/", &headers), b"", NOW).is_ok());
    }
}

mod made;
mod tokens;
