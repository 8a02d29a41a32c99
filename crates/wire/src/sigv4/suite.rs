//! AWS's own test suite for Signature Version 4, as the source of the aws-sigv4 crate carries it.
//!
//! Each case's signed request is taken as a verifier receives it: the canonical request and the signature made of it
//! must be the suite's. It is signed for a service called `service`, by the rules of services other than S3, so what
//! S3 does otherwise is left out, by name, below.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{date::Timestamp, encode};

use super::{
    AccessKeyId, Credentials, Scope, SigningKey,
    canonical::{self, CanonicalHeaders, CanonicalRequest, Header},
    payload_sha256,
};

/// Where S3 differs: it neither normalises a path nor escapes it twice, and signs session tokens.
const NOT_S3: [(&str, &str); 9] = [
    ("double-encode-path", "header"),
    ("double-url-encode", "header"),
    ("get-relative-normalized", ""),
    ("get-relative-relative-normalized", ""),
    ("get-slash-dot-slash-normalized", ""),
    ("get-slash-normalized", ""),
    ("get-slash-pointless-dot-normalized", ""),
    ("get-slashes-normalized", ""),
    // The token is added to the query after signing.
    ("post-sts-header-after", "query"),
];

/// 2015-08-30T12:36:00Z, the time of every case that is left.
const NOW: Timestamp = Timestamp::from_unix_millis(1_440_938_160_000);

#[test]
fn the_official_test_suite() {
    let mut left_out = Vec::new();
    let mut run = 0;
    for case in folders(&suite()) {
        let name = case.file_name().unwrap().to_str().unwrap();
        for kind in
            ["header", "query"].into_iter().filter(|kind| file(&case, kind, "signed-request").exists())
        {
            let exception = NOT_S3.into_iter().find(|(other, only)| *other == name && kind.starts_with(only));
            if exception.is_none() {
                check(&case, kind);
                run += 1;
            }
            left_out.extend(exception);
        }
    }
    left_out.dedup();
    assert_eq!(left_out, NOT_S3, "an exception that no longer exists");
    assert!(run >= 63, "only {run} cases of the suite were found");
}

fn check(case: &Path, kind: &str) {
    let text = read(&file(case, kind, "signed-request"));
    let request = Request::parse(&text);
    let mut path = String::new();
    encode::path(request.path, &mut path);
    let (signed_headers, claimed) =
        if kind == "header" { request.authorization() } else { request.parameters() };
    let mut headers: Vec<Header<'_>> = request
        .headers
        .iter()
        .filter(|(name, _)| signed_headers.split(';').any(|signed| signed == name))
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    let unsigned = request.query.split("&X-Amz-Signature=").next().unwrap();
    let (query, payload) = (canonical::query(unsigned), payload_sha256(request.body.as_bytes()));
    let canonical = CanonicalRequest {
        method: request.method,
        path: &path,
        query: &query,
        headers: CanonicalHeaders::sort(&mut headers),
        payload_sha256: payload.as_str(),
    };
    let bytes = String::from_utf8(canonical.to_bytes()).unwrap();
    assert_eq!(bytes, read(&file(case, kind, "canonical-request")).trim_end(), "{} ({kind})", case.display());
    let signature = key().sign(&NOW.amz_date(), &canonical.sha256());
    assert!(signature.matches(claimed.as_bytes()), "{} ({kind})", case.display());
    assert_eq!(signature.expose(), read(&file(case, kind, "signature")).trim_end());
}

fn key() -> SigningKey {
    let credentials = Credentials {
        access_key_id: AccessKeyId::parse("AKIDEXAMPLE").unwrap(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
        session_token: None,
    };
    SigningKey::derive(&credentials, Scope::new(NOW.amz_date(), "us-east-1", "service"))
}

/// A request as the suite writes it, with folded header lines unfolded, as an HTTP parser would do.
struct Request<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a str,
    headers: Vec<(String, String)>,
    body: &'a str,
}

impl<'a> Request<'a> {
    fn parse(text: &'a str) -> Self {
        let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
        let mut lines = head.lines();
        let (method, rest) = lines.next().unwrap().split_once(' ').unwrap();
        let target = rest.strip_suffix(" HTTP/1.1").unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in lines {
            if let Some(more) = line.strip_prefix(' ') {
                headers.last_mut().unwrap().1.extend([" ", more]);
            } else {
                let (name, value) = line.split_once(':').unwrap();
                headers.push((name.to_ascii_lowercase(), value.to_owned()));
            }
        }
        Self { method, path, query, headers, body: body.trim_end() }
    }

    /// The signed headers and the signature of the `Authorization` header.
    fn authorization(&self) -> (String, String) {
        let (_, value) = self.headers.iter().find(|(name, _)| name == "authorization").unwrap();
        let part = |name| value.split(name).nth(1).unwrap().split(", ").next().unwrap().to_owned();
        (part("SignedHeaders="), part("Signature="))
    }

    /// The same from the query.
    fn parameters(&self) -> (String, String) {
        let part =
            |name| self.query.split(name).nth(1).unwrap().split('&').next().unwrap().replace("%3B", ";");
        (part("X-Amz-SignedHeaders="), part("X-Amz-Signature="))
    }
}

/// The source of the very aws-sigv4 that this crate is built with, wherever Cargo keeps it.
fn suite() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--offline", "--filter-platform=host-tuple"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let package = |package: &&serde_json::Value| package["name"] == "aws-sigv4";
    let manifest =
        metadata["packages"].as_array().unwrap().iter().find(package).unwrap()["manifest_path"].as_str();
    Path::new(manifest.unwrap()).parent().unwrap().join("aws-signing-test-suite/v4")
}

fn folders(parent: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

fn file(case: &Path, kind: &str, what: &str) -> PathBuf {
    case.join(format!("{kind}-{what}.txt"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}
