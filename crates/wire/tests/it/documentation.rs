//! The examples that the S3 documentation prints, with every intermediate value.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>

use http::Method;
use serde::Deserialize;
use wharf_wire::{
    date::Timestamp,
    endpoint::Scheme,
    names::Region,
    sigv4::{
        AccessKeyId, Credentials, HeaderSigning, Scope, SigningKey,
        canonical::{self, CanonicalHeaders, CanonicalRequest, Header},
        presign::{PresignInput, presign},
        sign_headers,
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

#[test]
fn signed_headers() {
    let own = ["host", "x-amz-date", "x-amz-content-sha256"];
    for vector in vectors().iter().filter(|vector| vector.name != "presigned-get") {
        let headers: Vec<(&str, &str)> = vector
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| !own.contains(name))
            .collect();
        let input = HeaderSigning {
            method: &Method::from_bytes(vector.method.as_bytes()).unwrap(),
            authority: &vector.host,
            encoded_path: &vector.path,
            encoded_query: &vector.query,
            headers: &headers,
            payload_sha256: &vector.payload_hash,
            region: &region(),
            now: NOW,
        };
        let signed = sign_headers(&input, &credentials()).unwrap();
        let value = |name| signed.iter().find(|(known, _)| known == name).unwrap().1.to_str().unwrap();
        assert!(value("authorization").ends_with(&vector.signature), "{}", vector.name);
        assert_eq!(value("x-amz-date"), "20130524T000000Z");
        assert_eq!(value("x-amz-content-sha256"), vector.payload_hash);
    }
}

/// S3's rule, which no example of the documentation shows.
#[test]
fn a_path_is_signed_as_it_is_sent() {
    let (region, method, path) = (region(), Method::HEAD, "/a//./../b%2Fc%20d/");
    let input = HeaderSigning {
        method: &method,
        authority: "examplebucket.s3.amazonaws.com",
        encoded_path: path,
        encoded_query: "versionId=null",
        headers: &[],
        payload_sha256: "UNSIGNED-PAYLOAD",
        region: &region,
        now: NOW,
    };
    let signed = sign_headers(&input, &credentials()).unwrap();
    let mut headers: [Header<'_>; 3] = [
        ("host", b"examplebucket.s3.amazonaws.com"),
        ("x-amz-content-sha256", b"UNSIGNED-PAYLOAD"),
        ("x-amz-date", b"20130524T000000Z"),
    ];
    let canonical = CanonicalRequest {
        method: "HEAD",
        path,
        query: "versionId=null",
        headers: CanonicalHeaders::sort(&mut headers),
        payload_sha256: "UNSIGNED-PAYLOAD",
    };
    let expected = key().sign(&NOW.amz_date(), &canonical.sha256());
    let (_, authorization) = signed.iter().find(|(name, _)| name == "authorization").unwrap();
    assert!(authorization.to_str().unwrap().ends_with(expected.expose()));
}

#[test]
fn what_cannot_be_sent_is_not_signed() {
    let (region, method) = (region(), Method::GET);
    let input = HeaderSigning {
        method: &method,
        authority: "examplebucket.s3.amazonaws.com",
        encoded_path: "/test.txt",
        encoded_query: "",
        headers: &[],
        payload_sha256: "UNSIGNED-PAYLOAD",
        region: &region,
        now: NOW,
    };
    assert!(sign_headers(&input, &credentials()).is_ok());
    for odd in [
        HeaderSigning { encoded_path: "test.txt", ..input },
        HeaderSigning { encoded_path: "", ..input },
        HeaderSigning { encoded_path: "/a?b", ..input },
        HeaderSigning { encoded_path: "/a#b", ..input },
        HeaderSigning { encoded_path: "/a b", ..input },
        HeaderSigning { encoded_query: "a#b", ..input },
        HeaderSigning { headers: &[("a", "b\r\nc: d")], ..input },
        HeaderSigning { headers: &[("a b", "c")], ..input },
        HeaderSigning { authority: "a\nb", ..input },
        HeaderSigning { payload_sha256: "\n", ..input },
    ] {
        assert!(sign_headers(&odd, &credentials()).is_err());
    }
    let odd = Credentials { session_token: Some("a\nb".into()), ..credentials() };
    assert!(sign_headers(&input, &odd).is_err());
}

#[test]
fn a_session_token_is_signed_and_marked_sensitive() {
    let (region, method) = (region(), Method::GET);
    let input = HeaderSigning {
        method: &method,
        authority: "examplebucket.s3.amazonaws.com",
        encoded_path: "/",
        encoded_query: "",
        headers: &[],
        payload_sha256: "UNSIGNED-PAYLOAD",
        region: &region,
        now: NOW,
    };
    let credentials =
        Credentials { session_token: Some("AQoDYXdzEPT//////////wEXAMPLE".into()), ..credentials() };
    let signed = sign_headers(&input, &credentials).unwrap();
    let value = |name| &signed.iter().find(|(known, _)| known == name).unwrap().1;
    let authorization = value("authorization");
    assert!(authorization.to_str().unwrap().contains("x-amz-security-token"));
    assert!(authorization.is_sensitive() && value("x-amz-security-token").is_sensitive());
    assert!(!value("x-amz-date").is_sensitive());
}
