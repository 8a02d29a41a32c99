//! What one presigned URL costs, beside aws-sigv4 and rusty-s3 in the same run, and beside the hashing that any
//! signer must do; what signed headers cost, and what verifying either does. `cargo bench --bench sign`
//!
//! Wharf signs with a warm key, as its cache hands it out; aws-sigv4 and rusty-s3 derive theirs in every call, which
//! is how their interfaces work. `derive_key` says what that part is. rusty-s3 reads the clock, too.

use std::time::Duration;

use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
        SigningInstructions, SigningParams, SigningSettings, UriPathNormalizationMode, sign,
    },
    sign::v4::signing_params,
};
use aws_smithy_runtime_api::client::identity::Identity;
use divan::{Bencher, black_box};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, Method};
use rusty_s3::{Bucket, S3Action, UrlStyle};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use wharf_wire::{
    date::Timestamp,
    endpoint::Scheme,
    names::Region,
    sigv4::{
        AccessKeyId, Credentials, HeaderSigning, PayloadMode, Scope, SigningKey,
        presign::{PresignInput, presign, series},
        sign_headers,
    },
};

const NOW: Timestamp = Timestamp::from_unix_millis(1_369_353_600_000);
const AUTHORITY: &str = "acme-photos-prod.s3.eu-west-1.amazonaws.com";
/// Sixty bytes, as the upload API makes them.
const KEY: &str = "uploads/upl01JD8ZK3M4N5P6Q7R8S9T0V1W2_summer holiday-007.jpg";
const TOKEN: &str = "FwoGZXIvYXdzEBYaDkV4YW1wbGVTZXNzaW9uVG9rZW4vLy8vLy8vLy8vLysrKysrKw==";
const EXPIRES_SECONDS: u32 = 3600;

fn main() {
    assert_eq!(KEY.len(), 60, "the figures are for a key of sixty bytes");
    divan::main();
}

/// A PUT that signs `host` alone: what a browser's upload gets.
mod put_host_alone {
    use super::{Bencher, Case, Contestants};

    const CASE: Case = Case { method: http::Method::PUT, query: &[], with_token: false };

    #[divan::bench]
    fn wharf(bencher: Bencher<'_, '_>) {
        Contestants::new(&CASE).wharf(bencher);
    }

    #[divan::bench]
    fn aws_sigv4(bencher: Bencher<'_, '_>) {
        Contestants::new(&CASE).aws_sigv4(bencher);
    }

    #[divan::bench]
    fn rusty_s3(bencher: Bencher<'_, '_>) {
        Contestants::new(&CASE).rusty_s3(bencher);
    }

    #[divan::bench]
    fn hashing_alone(bencher: Bencher<'_, '_>) {
        Contestants::new(&CASE).hashing_alone(bencher);
    }
}

/// A GET with three parameters and temporary credentials.
mod get_three_parameters_and_token {
    use super::{Bencher, Case, Contestants};

    const CASE: Case = Case {
        method: http::Method::GET,
        query: &[
            ("response-content-type", "image/jpeg"),
            ("response-content-disposition", "attachment; filename=\"summer holiday.jpg\""),
            ("versionId", "3HL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY"),
        ],
        with_token: true,
    };

    #[divan::bench]
    fn wharf(bencher: Bencher<'_, '_>) {
        Contestants::new(&CASE).wharf(bencher);
    }

    #[divan::bench]
    fn aws_sigv4(bencher: Bencher<'_, '_>) {
        Contestants::new(&CASE).aws_sigv4(bencher);
    }

    #[divan::bench]
    fn rusty_s3(bencher: Bencher<'_, '_>) {
        Contestants::new(&CASE).rusty_s3(bencher);
    }

    #[divan::bench]
    fn hashing_alone(bencher: Bencher<'_, '_>) {
        Contestants::new(&CASE).hashing_alone(bencher);
    }
}

/// The URLs of an upload's ten thousand parts: as a series, and each signed by itself. A session's token makes them long.
mod ten_thousand_parts {
    use super::{
        AUTHORITY, Bencher, EXPIRES_SECONDS, KEY, Method, NOW, PresignInput, Scheme, SigningKey, black_box,
        credentials, presign, scope, series,
    };

    const UPLOAD_ID: &str = "VXBsb2FkIElEIGZvciBlbHZpbmcncyBteS1tb3ZpZS5tMnRzIHVwbG9hZA.4hKSqWxVkzlYDqJ8q3EOcBk3V4sYVh6yH1bcQHSvpuPu";

    #[divan::bench(args = [false, true])]
    fn as_a_series(bencher: Bencher<'_, '_>, with_token: bool) {
        let credentials = credentials(with_token);
        let key = SigningKey::derive(&credentials, scope());
        let path = ["/", KEY].concat();
        let upload = [("uploadId", UPLOAD_ID)];
        let input = input(&path, &upload);
        bencher.bench(|| {
            let parts =
                series(black_box(&input), "partNumber", &credentials, &key).expect("it can be signed");
            (1..=10_000).map(|number| parts.url(number).expose().len()).sum::<usize>()
        });
    }

    #[divan::bench(args = [false, true])]
    fn one_by_one(bencher: Bencher<'_, '_>, with_token: bool) {
        let credentials = credentials(with_token);
        let key = SigningKey::derive(&credentials, scope());
        let path = ["/", KEY].concat();
        bencher.bench(|| {
            let url = |number: u32| {
                let number = number.to_string();
                let part = [("uploadId", UPLOAD_ID), ("partNumber", number.as_str())];
                let url = presign(black_box(&input(&path, &part)), &credentials, &key);
                url.expect("it can be signed").expose().len()
            };
            (1..=10_000).map(url).sum::<usize>()
        });
    }

    fn input<'a>(path: &'a str, query: &'a [(&'a str, &'a str)]) -> PresignInput<'a> {
        PresignInput {
            method: &Method::PUT,
            scheme: Scheme::Https,
            authority: AUTHORITY,
            path,
            query,
            headers: &[],
            expires_seconds: EXPIRES_SECONDS,
            now: NOW,
        }
    }
}

/// Once a day, region and account.
#[divan::bench]
fn derive_key(bencher: Bencher<'_, '_>) {
    let credentials = credentials(false);
    bencher.bench(|| SigningKey::derive(black_box(&credentials), scope()));
}

/// The headers of a GET that the gateway passes on, beside aws-sigv4, which derives its key in every call.
mod headers_of_a_get {
    use super::{
        AUTHORITY, Bencher, HeaderMap, HeaderSigning, Method, NOW, PayloadMode, SigningKey, aws_sign_headers,
        black_box, credentials, identity, scope, sign_headers,
    };

    const PATH: &str = "/uploads/upl01JD8ZK3M4N5P6Q7R8S9T0V1W2_summer%20holiday-007.jpg";

    fn headers() -> HeaderMap {
        [("host", AUTHORITY), ("range", "bytes=0-4095")]
            .into_iter()
            .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
            .collect()
    }

    #[divan::bench]
    fn wharf(bencher: Bencher<'_, '_>) {
        let credentials = credentials(false);
        let key = SigningKey::derive(&credentials, scope());
        let input = HeaderSigning {
            method: &Method::GET,
            encoded_path: PATH,
            encoded_query: "",
            payload: PayloadMode::Unsigned,
            now: NOW,
        };
        bencher
            .with_inputs(headers)
            .bench_refs(|headers| sign_headers(black_box(&input), headers, &credentials, &key));
    }

    #[divan::bench]
    fn aws_sigv4(bencher: Bencher<'_, '_>) {
        let identity = identity(&credentials(false));
        bencher
            .with_inputs(headers)
            .bench_refs(|headers| aws_sign_headers(black_box(PATH), headers, &identity));
    }
}

/// What a received request costs to verify: one that is signed in its headers, and a presigned one.
mod verify {
    use wharf_wire::sigv4::verify::{AuthError, Presented, Received, Verified};

    use super::{
        Bencher, EXPIRES_SECONDS, HeaderMap, HeaderSigning, Method, NOW, PayloadMode, PresignInput, Scheme,
        SigningKey, black_box, credentials, presign, scope, sign_headers,
    };

    const AUTHORITY: &str = "s3.wharf.example";
    const PATH: &str = "/photos/uploads/summer%20holiday-007.jpg";

    fn verify(request: Received<'_>, key: &SigningKey) -> Result<Option<Verified>, AuthError> {
        match Presented::parse(request)? {
            Presented::Anonymous => Ok(None),
            Presented::Claim(claim) => claim.verify(key).map(Some),
        }
    }

    #[divan::bench]
    fn headers(bencher: Bencher<'_, '_>) {
        let credentials = credentials(false);
        let key = SigningKey::derive(&credentials, scope());
        let mut headers = HeaderMap::new();
        headers.insert("host", AUTHORITY.parse().expect("a host"));
        headers.insert("user-agent", "bench/1".parse().expect("a value"));
        let input = HeaderSigning {
            method: &Method::GET,
            encoded_path: PATH,
            encoded_query: "",
            payload: PayloadMode::Unsigned,
            now: NOW,
        };
        sign_headers(&input, &mut headers, &credentials, &key).expect("the request can be signed");
        let request =
            Received { method: &Method::GET, authority: AUTHORITY, path: PATH, query: "", headers: &headers };
        bencher.bench(|| verify(black_box(request), &key));
    }

    #[divan::bench]
    fn query(bencher: Bencher<'_, '_>) {
        let credentials = credentials(false);
        let key = SigningKey::derive(&credentials, scope());
        let input = PresignInput {
            method: &Method::GET,
            scheme: Scheme::Https,
            authority: AUTHORITY,
            path: "/photos/uploads/summer holiday-007.jpg",
            query: &[],
            headers: &[],
            expires_seconds: EXPIRES_SECONDS,
            now: NOW,
        };
        let url = presign(&input, &credentials, &key).expect("the request can be signed");
        let (_, query) = url.expose().split_once('?').expect("a signature");
        let headers = HeaderMap::new();
        let request =
            Received { method: &Method::GET, authority: AUTHORITY, path: PATH, query, headers: &headers };
        bencher.bench(|| verify(black_box(request), &key));
    }
}

/// One request, to be presigned by everybody.
struct Case {
    method: Method,
    query: &'static [(&'static str, &'static str)],
    with_token: bool,
}

/// A case, the credentials, and the key that Wharf's cache would hold.
struct Contestants<'a> {
    case: &'a Case,
    credentials: Credentials,
    key: SigningKey,
    path: String,
}

impl<'a> Contestants<'a> {
    fn new(case: &'a Case) -> Self {
        let credentials = credentials(case.with_token);
        let key = SigningKey::derive(&credentials, scope());
        Self { case, credentials, key, path: format!("/{KEY}") }
    }

    fn input(&self) -> PresignInput<'_> {
        PresignInput {
            method: &self.case.method,
            scheme: Scheme::Https,
            authority: AUTHORITY,
            path: &self.path,
            query: self.case.query,
            headers: &[],
            expires_seconds: EXPIRES_SECONDS,
            now: NOW,
        }
    }

    fn wharf(&self, bencher: Bencher<'_, '_>) {
        let input = self.input();
        bencher.bench(|| presign(black_box(&input), &self.credentials, &self.key));
    }

    fn aws_sigv4(&self, bencher: Bencher<'_, '_>) {
        let identity = identity(&self.credentials);
        let mut query = String::new();
        for (name, value) in self.case.query {
            query.push(if query.is_empty() { '?' } else { '&' });
            wharf_wire::encode::query(name, &mut query);
            query.push('=');
            wharf_wire::encode::query(value, &mut query);
        }
        let mut path = String::new();
        wharf_wire::encode::path(&self.path, &mut path);
        let url = format!("https://{AUTHORITY}{path}{query}");
        bencher.bench(|| aws_presign(black_box(&url), self.case.method.as_str(), &identity));
    }

    fn rusty_s3(&self, bencher: Bencher<'_, '_>) {
        let endpoint = format!("https://{}", AUTHORITY.trim_start_matches("acme-photos-prod.")).parse();
        let endpoint = endpoint.expect("the endpoint is a URL");
        let bucket =
            Bucket::new(endpoint, UrlStyle::VirtualHost, "acme-photos-prod", region().as_str().to_owned())
                .expect("the bucket has a host");
        let id = self.credentials.access_key_id.as_str();
        let secret = self.credentials.secret_access_key.expose_secret();
        let credentials = if self.case.with_token {
            rusty_s3::Credentials::new_with_token(id, secret, TOKEN)
        } else {
            rusty_s3::Credentials::new(id, secret)
        };
        let expires = Duration::from_secs(u64::from(EXPIRES_SECONDS));
        bencher.bench(|| {
            if self.case.method == Method::PUT {
                bucket.put_object(Some(&credentials), black_box(KEY)).sign(expires)
            } else {
                let mut action = bucket.get_object(Some(&credentials), black_box(KEY));
                self.case.query.iter().for_each(|(name, value)| action.query_mut().insert(*name, *value));
                action.sign(expires)
            }
        });
    }

    /// One digest of as many bytes as the canonical request has, and one HMAC of the string to sign with a key that
    /// is ready: nobody can sign with less.
    fn hashing_alone(&self, bencher: Bencher<'_, '_>) {
        let url = presign(&self.input(), &self.credentials, &self.key).expect("the case can be signed");
        let canonical = url.expose().len() - "https://".len() - "&X-Amz-Signature=".len() - 64
            + "PUT\n\n\nhost:\n\nhost\nUNSIGNED-PAYLOAD".len();
        let (canonical, to_sign) = (vec![b'a'; canonical], vec![b'a'; 132]);
        let keyed = Hmac::<Sha256>::new_from_slice(&[7; 32]).expect("HMAC takes any length");
        bencher.bench(|| {
            let digest = Sha256::digest(black_box(&canonical));
            (digest, keyed.clone().chain_update(black_box(&to_sign)).finalize())
        });
    }
}

fn credentials(with_token: bool) -> Credentials {
    Credentials {
        access_key_id: AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").expect("the id is printable"),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
        session_token: with_token.then(|| TOKEN.into()),
    }
}

fn region() -> Region {
    Region::parse("eu-west-1").expect("the region is a label")
}

fn scope() -> Scope {
    Scope::s3(NOW.amz_date(), &region())
}

fn identity(credentials: &Credentials) -> Identity {
    aws_credential_types::Credentials::new(
        credentials.access_key_id.as_str(),
        credentials.secret_access_key.expose_secret(),
        credentials.session_token.as_ref().map(|token| token.expose_secret().to_owned()),
        None,
        "bench",
    )
    .into()
}

fn aws_presign(url: &str, method: &str, identity: &Identity) -> SigningInstructions {
    let mut settings = aws_settings(SignatureLocation::QueryParams);
    settings.expires_in = Some(Duration::from_secs(u64::from(EXPIRES_SECONDS)));
    let request = SignableRequest::new(method, url, std::iter::empty(), SignableBody::UnsignedPayload)
        .expect("the URL is sound");
    sign(request, &aws_parameters(identity, settings)).expect("the request can be signed").into_parts().0
}

fn aws_sign_headers(path: &str, headers: &HeaderMap, identity: &Identity) -> SigningInstructions {
    let headers =
        headers.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("the value is ASCII")));
    let request = SignableRequest::new("GET", path, headers, SignableBody::UnsignedPayload)
        .expect("the target is sound");
    let parameters = aws_parameters(identity, aws_settings(SignatureLocation::Headers));
    sign(request, &parameters).expect("the request can be signed").into_parts().0
}

fn aws_settings(location: SignatureLocation) -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings.signature_location = location;
    settings
}

fn aws_parameters(identity: &Identity, settings: SigningSettings) -> SigningParams<'_> {
    let parameters = signing_params::Builder::default()
        .identity(identity)
        .region("eu-west-1")
        .name("s3")
        .time(NOW.into())
        .settings(settings);
    parameters.build().expect("all parameters are given").into()
}
