//! The examples that the S3 documentation prints, with every intermediate value.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Deserialize;
use wharf_wire::{
    date::Timestamp,
    endpoint::Scheme,
    names::Region,
    s3::ErrorCode,
    sigv4::{
        AccessKeyId, Credentials, HeaderSigning, PayloadMode, Scope, SignError, SigningKey,
        canonical::{self, CanonicalHeaders, CanonicalRequest, Header},
        presign::{PresignInput, presign},
        sign_headers,
        verify::{AuthError, Presented, Received, Verified},
    },
};

const VECTORS: &str = include_str!("../data/s3-doc-vectors.json");
/// 2013-05-24T00:00:00Z
const NOW: Timestamp = Timestamp::from_unix_millis(1_369_353_600_000);

#[derive(Deserialize)]
struct Vector {
    name: String,
    method: String,
    host: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    payload_hash: String,
    canonical_request: String,
    string_to_sign: String,
    signature: String,
}

/// The vectors of whole requests; those of chunks and of POST policies have other fields.
fn vectors() -> Vec<Vector> {
    let all: Vec<serde_json::Value> = serde_json::from_str(VECTORS).unwrap();
    let requests = all.into_iter().filter(|vector| vector.get("canonical_request").is_some());
    requests.map(|vector| serde_json::from_value(vector).unwrap()).collect()
}

fn credentials() -> Credentials {
    Credentials {
        access_key_id: AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").unwrap(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
        session_token: None,
    }
}

fn region() -> Region {
    Region::parse("us-east-1").unwrap()
}

fn key() -> SigningKey {
    SigningKey::derive(&credentials(), Scope::s3(NOW.amz_date(), &region()))
}

#[test]
fn canonical_requests_and_signatures() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 7);
    for vector in vectors {
        let mut headers: Vec<Header<'_>> =
            vector.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let canonical = CanonicalRequest {
            method: &vector.method,
            path: &vector.path,
            query: &canonical::query(&vector.query),
            headers: CanonicalHeaders::sort(&mut headers),
            payload_sha256: &vector.payload_hash,
        };
        assert_eq!(
            String::from_utf8(canonical.to_bytes()).unwrap(),
            vector.canonical_request,
            "{}",
            vector.name
        );
        let key = key();
        let (digest, date) = (canonical.sha256(), NOW.amz_date());
        let to_sign =
            format!("AWS4-HMAC-SHA256\n{}\n{}\n{}", date.as_str(), key.scope().as_str(), digest.as_str());
        assert_eq!(to_sign, vector.string_to_sign, "{}", vector.name);
        assert_eq!(key.sign(&date, &digest).expose(), vector.signature, "{}", vector.name);
    }
}

#[test]
fn the_presigned_url() {
    let vector = vectors().into_iter().find(|vector| vector.name == "presigned-get").unwrap();
    let input = PresignInput {
        method: &Method::GET,
        scheme: Scheme::Https,
        authority: &vector.host,
        path: &vector.path,
        query: &[],
        headers: &[],
        expires_seconds: 86_400,
        now: NOW,
    };
    let url = presign(&input, &credentials(), &key()).unwrap();
    let expected = format!(
        "https://{}{}?{}&X-Amz-Signature={}",
        vector.host, vector.path, vector.query, vector.signature
    );
    assert_eq!(url.expose(), expected);
}

fn header_map<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> HeaderMap {
    let header = |(name, value): (&str, &str)| {
        (HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap())
    };
    headers.into_iter().map(header).collect()
}

fn pairs(vector: &Vector) -> impl Iterator<Item = (&str, &str)> {
    vector.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

const INPUT: HeaderSigning<'_> = HeaderSigning {
    method: &Method::GET,
    encoded_path: "/test.txt",
    encoded_query: "",
    payload: PayloadMode::Unsigned,
    now: NOW,
};
const HOST: (&str, &str) = ("host", "examplebucket.s3.amazonaws.com");

#[test]
fn signed_headers() {
    let own = ["x-amz-date", "x-amz-content-sha256"];
    for vector in vectors().iter().filter(|vector| vector.name != "presigned-get") {
        let mut headers = header_map(pairs(vector).filter(|(name, _)| !own.contains(name)));
        let input = HeaderSigning {
            method: &Method::from_bytes(vector.method.as_bytes()).unwrap(),
            encoded_path: &vector.path,
            encoded_query: &vector.query,
            payload: PayloadMode::parse(&vector.payload_hash).unwrap(),
            now: NOW,
        };
        sign_headers(&input, &mut headers, &credentials(), &key()).unwrap();
        let authorization = headers.remove("authorization").unwrap();
        assert!(authorization.to_str().unwrap().ends_with(&vector.signature), "{}", vector.name);
        assert_eq!(headers, header_map(pairs(vector)), "{}", vector.name);
    }
}

#[test]
fn requests_are_verified() {
    for vector in vectors() {
        let mut names: Vec<&str> = pairs(&vector).map(|(name, _)| name).collect();
        names.sort_unstable();
        let (mut headers, mut query) = (header_map(pairs(&vector)), vector.query.clone());
        if vector.name == "presigned-get" {
            query.extend(["&X-Amz-Signature=", &vector.signature]);
        } else {
            let authorization = format!(
                "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
                 SignedHeaders={},Signature={}",
                names.join(";"),
                vector.signature
            );
            headers.insert("authorization", HeaderValue::try_from(authorization).unwrap());
        }
        let method = Method::from_bytes(vector.method.as_bytes()).unwrap();
        let request = Received {
            method: &method,
            authority: &vector.host,
            path: &vector.path,
            query: &query,
            headers: &headers,
        };
        let verified = verify(request).unwrap();
        assert_eq!(verified.payload.as_str(), vector.payload_hash, "{}", vector.name);
        assert_eq!(verified.signature.expose(), vector.signature, "{}", vector.name);
        assert_eq!(verified.date.as_str(), "20130524T000000Z");
        let other = Received { path: "/other", ..request };
        assert_eq!(verify(other).unwrap_err().code(), ErrorCode::SignatureDoesNotMatch);
    }
}

/// The scope is signed, but a header that names another one has the same canonical request.
#[test]
fn a_signature_is_good_for_its_scope_alone() {
    for (region, is_verified) in [("us-east-1", true), ("eu-west-1", false)] {
        let mut headers = header_map([HOST]);
        sign_headers(&INPUT, &mut headers, &credentials(), &key()).unwrap();
        let authorization = headers["authorization"].to_str().unwrap().replace("us-east-1", region);
        headers.insert("authorization", HeaderValue::try_from(authorization).unwrap());
        let request = Received {
            method: &Method::GET,
            authority: HOST.1,
            path: INPUT.encoded_path,
            query: "",
            headers: &headers,
        };
        let Ok(Presented::Claim(claim)) = Presented::parse(request) else { panic!("the request is signed") };
        assert_eq!(claim.verify(&key()).is_ok(), is_verified, "{region}");
    }
}

fn verify(request: Received<'_>) -> Result<Verified, AuthError> {
    let Presented::Claim(claim) = Presented::parse(request)? else { panic!("the request is signed") };
    claim.check_time(NOW)?;
    claim.check_region(&region())?;
    claim.verify(&key())
}

/// S3's rule, which no example of the documentation shows: nothing is normalised, and how the path was escaped on its
/// way is no part of what is signed.
#[test]
fn a_path_is_signed_as_s3_encodes_it() {
    let path = "/a//./../b%2Fc%20d(1)%7e/";
    let input = HeaderSigning { encoded_path: path, encoded_query: "versionId=null", ..INPUT };
    let mut signed = header_map([HOST]);
    sign_headers(&input, &mut signed, &credentials(), &key()).unwrap();
    let mut headers: [Header<'_>; 3] = [
        ("host", b"examplebucket.s3.amazonaws.com"),
        ("x-amz-content-sha256", b"UNSIGNED-PAYLOAD"),
        ("x-amz-date", b"20130524T000000Z"),
    ];
    let canonical = CanonicalRequest {
        method: "GET",
        path: "/a//./../b/c%20d%281%29~/",
        query: "versionId=null",
        headers: CanonicalHeaders::sort(&mut headers),
        payload_sha256: "UNSIGNED-PAYLOAD",
    };
    let expected = key().sign(&NOW.amz_date(), &canonical.sha256());
    assert!(signed["authorization"].to_str().unwrap().ends_with(expected.expose()));
}

#[test]
fn what_cannot_be_sent_is_not_signed() {
    let sign = |input: &HeaderSigning<'_>, credentials: &Credentials| {
        sign_headers(input, &mut header_map([HOST]), credentials, &key())
    };
    assert!(sign(&INPUT, &credentials()).is_ok());
    for odd in [
        HeaderSigning { encoded_path: "test.txt", ..INPUT },
        HeaderSigning { encoded_path: "", ..INPUT },
        HeaderSigning { encoded_path: "/a?b", ..INPUT },
        HeaderSigning { encoded_path: "/a#b", ..INPUT },
        HeaderSigning { encoded_path: "/a b", ..INPUT },
        HeaderSigning { encoded_path: "/\u{fc}", ..INPUT },
        HeaderSigning { encoded_query: "a#b", ..INPUT },
        HeaderSigning { encoded_query: "a\nb", ..INPUT },
    ] {
        assert!(matches!(sign(&odd, &credentials()), Err(SignError::Target)), "{odd:?}");
    }
    let tomorrow = HeaderSigning { now: NOW.plus_seconds(86_400), ..INPUT };
    assert!(matches!(sign(&tomorrow, &credentials()), Err(SignError::KeyDay)));
    let odd = Credentials { session_token: Some("a\nb".into()), ..credentials() };
    assert!(matches!(sign(&INPUT, &odd), Err(SignError::Credentials(_))));
    let no_host = sign_headers(&INPUT, &mut HeaderMap::new(), &credentials(), &key());
    assert!(matches!(no_host, Err(SignError::Host)));
}

#[test]
fn a_session_token_is_signed_and_marked_sensitive() {
    let credentials =
        Credentials { session_token: Some("AQoDYXdzEPT//////////wEXAMPLE".into()), ..credentials() };
    let mut headers = header_map([HOST]);
    sign_headers(&INPUT, &mut headers, &credentials, &key()).unwrap();
    let authorization = &headers["authorization"];
    assert!(authorization.to_str().unwrap().contains("x-amz-security-token"));
    assert!(authorization.is_sensitive() && headers["x-amz-security-token"].is_sensitive());
    assert!(!headers["x-amz-date"].is_sensitive());
}

/// Whoever passes a caller's headers on must not pass the caller's credentials on.
#[test]
fn nothing_of_another_signature_is_left() {
    let mut headers = header_map([
        HOST,
        ("authorization", "AWS4-HMAC-SHA256 Credential=other"),
        ("x-amz-security-token", "other"),
        ("x-amz-date", "other"),
        ("x-amz-content-sha256", "other"),
    ]);
    let mut alone = header_map([HOST]);
    sign_headers(&INPUT, &mut headers, &credentials(), &key()).unwrap();
    sign_headers(&INPUT, &mut alone, &credentials(), &key()).unwrap();
    assert_eq!(headers, alone);
}
