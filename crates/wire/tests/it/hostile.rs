//! Input of any kind gets its result or its error, and never a panic.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header::HOST};
use proptest::{
    collection::vec,
    option,
    prelude::{ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest},
    sample::select,
};
use wharf_wire::{
    date::Timestamp,
    endpoint::Scheme,
    names::{BucketName, ObjectKey, Region},
    sigv4::{
        AccessKeyId, Credentials, HeaderSigning, PayloadMode, Scope, SigningKey,
        presign::{PresignInput, presign},
        sign_headers,
        verify::{Presented, Received},
    },
};

/// 2013-05-24T00:00:00Z
const NOW: Timestamp = Timestamp::from_unix_millis(1_369_353_600_000);

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

fn credentials(secret: &str, token: Option<String>) -> Credentials {
    Credentials {
        access_key_id: AccessKeyId::parse("AKIDEXAMPLE").unwrap(),
        secret_access_key: secret.into(),
        session_token: token.map(Into::into),
    }
}

fn region() -> Region {
    Region::parse("us-east-1").unwrap()
}

/// Sometimes sound, so that the code behind the first check is reached too.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "/?[ -~]{0,30}", "[a-z/-]{1,10}", "/[a-z]{0,9}"]
}

/// Parts of a signature, sound and not, so that the code behind each check is reached.
fn piece() -> impl Strategy<Value = String> {
    let pieces = select(vec![
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 ",
        "AWS4-HMAC-SHA256 Credential=A/20130524/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "A/20130524/us-east-1/s3/aws4_request",
        "Credential=",
        "SignedHeaders=",
        "Signature=",
        ",",
        "/",
        "host",
        ";",
        "x-amz-date",
        "20130524T000000Z",
        "Fri, 24 May 2013 00:00:00 GMT",
        "604800",
        "UNSIGNED-PAYLOAD",
        "%",
        "%2F",
        "%ff",
        "+",
        "",
    ]);
    prop_oneof![4 => pieces.prop_map(str::to_owned), 1 => any::<String>()]
}

fn hostile_value() -> impl Strategy<Value = String> {
    vec(piece(), 0..3).prop_map(|pieces| pieces.concat())
}

fn hostile_name() -> impl Strategy<Value = String> {
    let names =
        select(vec!["authorization", "x-amz-date", "date", "x-amz-content-sha256", "x-amz-security-token"]);
    prop_oneof![4 => names.prop_map(str::to_owned), 1 => "x-amz-[a-z]{0,3}"]
}

fn hostile_query() -> impl Strategy<Value = String> {
    let sound = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
                 &X-Amz-Date=20130524T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=\
                 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855&";
    let names =
        select(vec!["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Signature"]);
    let pair = prop_oneof![(names.prop_map(str::to_owned), piece()), (any::<String>(), piece())];
    let pairs = vec(pair, 0..8).prop_map(|pairs| {
        pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    });
    (select(vec!["", sound]), pairs).prop_map(|(start, pairs)| start.to_owned() + &pairs)
}

fn borrowed(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// What HTTP can carry of `pairs`.
fn header_map(pairs: &[(String, String)]) -> HeaderMap {
    let header = |(name, value): &(String, String)| {
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
    };
    pairs.iter().filter_map(header).collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn header_signing(
        authority in text(),
        path in text(),
        query in text(),
        headers in vec((text(), text()), 0..4),
        secret in any::<String>(),
        token in option::of(text()),
        millis in any::<u64>(),
    ) {
        let now = Timestamp::from_unix_millis(millis);
        let credentials = credentials(&secret, token);
        let key = SigningKey::derive(&credentials, Scope::s3(now.amz_date(), &region()));
        let input = HeaderSigning {
            method: &Method::GET,
            encoded_path: &path,
            encoded_query: &query,
            payload: PayloadMode::Unsigned,
            now,
        };
        let mut headers = header_map(&headers);
        headers.extend(HeaderValue::try_from(authority).map(|authority| (HOST, authority)));
        if sign_headers(&input, &mut headers, &credentials, &key).is_ok() {
            prop_assert!(headers.contains_key("authorization"));
        }
    }

    #[test]
    fn verification(
        authority in text(),
        path in text(),
        query in hostile_query(),
        headers in vec((hostile_name(), hostile_value()), 0..6),
        millis in any::<u64>(),
    ) {
        let headers = header_map(&headers);
        let request =
            Received { method: &Method::GET, authority: &authority, path: &path, query: &query, headers: &headers };
        if let Ok(Presented::Claim(claim)) = Presented::parse(request) {
            let _ = claim.check_time(Timestamp::from_unix_millis(millis));
            let _ = claim.check_region(&region());
            let key = SigningKey::derive(&credentials("secret", None), claim.scope().clone());
            prop_assert!(claim.verify(&key).is_err());
        }
    }

    #[test]
    fn presigning(
        authority in text(),
        path in text(),
        query in vec((text(), text()), 0..4),
        headers in vec((text(), text()), 0..4),
        token in option::of(any::<String>()),
        expires_seconds in any::<u32>(),
    ) {
        let credentials = credentials("secret", token);
        let key = SigningKey::derive(&credentials, Scope::s3(NOW.amz_date(), &region()));
        let input = PresignInput {
            method: &Method::PUT,
            scheme: Scheme::Https,
            authority: &authority,
            path: &path,
            query: &borrowed(&query),
            headers: &borrowed(&headers),
            expires_seconds,
            now: NOW,
        };
        if let Ok(url) = presign(&input, &credentials, &key) {
            let after_authority = url.expose().strip_prefix("https://").and_then(|url| url.strip_prefix(&authority));
            prop_assert!(after_authority.unwrap().bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }

    #[test]
    fn names(text in text()) {
        for (parsed, limit) in [
            (BucketName::parse(&text).map(|name| name.as_str().to_owned()), 63),
            (ObjectKey::parse(&text).map(|key| key.as_str().to_owned()), 1024),
            (Region::parse(&text).map(|region| region.as_str().to_owned()), 63),
            (AccessKeyId::parse(&text).map(|id| id.as_str().to_owned()), 128),
        ] {
            if let Ok(kept) = parsed {
                prop_assert_eq!(&kept, &text);
                prop_assert!((1..=limit).contains(&kept.len()));
            }
        }
    }
}
