//! Input of any kind gets its result or its error, and never a panic.

use http::Method;
use proptest::{
    collection::vec,
    option,
    prelude::{ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest},
};
use wharf_wire::{
    date::Timestamp,
    endpoint::Scheme,
    names::{BucketName, ObjectKey, Region},
    sigv4::{
        AccessKeyId, Credentials, HeaderSigning, Scope, SignError, SigningKey,
        presign::{PresignInput, presign},
        sign_headers,
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

fn borrowed(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn headers_signed(input: &HeaderSigning<'_>) -> Result<(), SignError> {
    sign_headers(input, &credentials("secret", None)).map(drop)
}

#[test]
fn what_aws_sigv4_would_panic_on_is_an_error() {
    let (region, method) = (region(), Method::GET);
    let (slashes, pairs) = ("/".repeat(30_000), "a&".repeat(20_000));
    let input = HeaderSigning {
        method: &method,
        authority: "h",
        encoded_path: "/",
        encoded_query: "",
        headers: &[],
        payload_sha256: "UNSIGNED-PAYLOAD",
        region: &region,
        now: NOW,
    };
    for long in [
        HeaderSigning { encoded_path: &slashes, ..input },
        HeaderSigning { encoded_query: &slashes, ..input },
        HeaderSigning { encoded_query: &pairs, ..input },
    ] {
        assert!(matches!(headers_signed(&long), Err(SignError::Target)));
    }
    assert!(headers_signed(&HeaderSigning { encoded_query: &slashes[..16_000], ..input }).is_ok());
    assert!(headers_signed(&HeaderSigning { encoded_query: &pairs[..16_000], ..input }).is_ok());
    let many = vec![("a", "b"); 40_000];
    assert!(matches!(headers_signed(&HeaderSigning { headers: &many, ..input }), Err(SignError::Headers)));
    assert!(headers_signed(&HeaderSigning { headers: &many[..256], ..input }).is_ok());
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn header_signing(
        authority in text(),
        path in text(),
        query in text(),
        headers in vec((text(), text()), 0..4),
        payload in text(),
        secret in any::<String>(),
        token in option::of(text()),
        millis in any::<u64>(),
    ) {
        let input = HeaderSigning {
            method: &Method::GET,
            authority: &authority,
            encoded_path: &path,
            encoded_query: &query,
            headers: &borrowed(&headers),
            payload_sha256: &payload,
            region: &region(),
            now: Timestamp::from_unix_millis(millis),
        };
        if let Ok(signed) = sign_headers(&input, &credentials(&secret, token)) {
            prop_assert!(signed.iter().any(|(name, _)| name == "authorization"));
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
