//! Our canonical forms against aws-sigv4's, over odd keys, queries and headers: no difference is allowed.

use std::time::{Duration, SystemTime};

use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
        SigningSettings, UriPathNormalizationMode, sign,
    },
    sign::v4::signing_params,
};
use aws_smithy_runtime_api::client::identity::Identity;
use http::Method;
use proptest::{
    collection::vec,
    option,
    prelude::{Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest},
    sample::select,
};
use secrecy::ExposeSecret;
use wharf_wire::{
    date::Timestamp,
    encode,
    endpoint::Scheme,
    names::Region,
    sigv4::{
        AccessKeyId, Credentials, Scope, SigningKey,
        canonical::{self, CanonicalHeaders, CanonicalRequest, Header},
        presign::{EXPIRES_SECONDS_MAX, PresignInput, presign},
    },
};

const CASES: u32 = 100_000;

fn config() -> ProptestConfig {
    #[expect(clippy::disallowed_methods, reason = "how long a test runs is no part of the configuration")]
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(asked.unwrap_or(CASES)) }
}

/// What is common to both ways of signing.
#[derive(Debug, Clone)]
struct Signer {
    credentials: Credentials,
    region: Region,
    now: Timestamp,
    authority: &'static str,
    method: &'static str,
    headers: Vec<(String, String)>,
}

impl Signer {
    fn key(&self) -> SigningKey {
        SigningKey::derive(&self.credentials, Scope::s3(self.now.amz_date(), &self.region))
    }

    fn headers(&self) -> Vec<(&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// The signature that aws-sigv4 makes of a request for `target`, and the headers that it adds.
    fn aws(&self, target: &str, settings: SigningSettings) -> (String, Vec<(String, String)>) {
        let identity = self.identity();
        let parameters = signing_params::Builder::default()
            .identity(&identity)
            .region(self.region.as_str())
            .name("s3")
            .time(SystemTime::from(self.now))
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let headers = self.headers().into_iter().chain([("host", self.authority)]);
        let url = format!("https://{}{target}", self.authority);
        let request = SignableRequest::new(self.method, url, headers, SignableBody::UnsignedPayload).unwrap();
        let (instructions, signature) = sign(request, &parameters).unwrap().into_parts();
        let added = instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        (signature, added)
    }

    fn identity(&self) -> Identity {
        aws_credential_types::Credentials::new(
            self.credentials.access_key_id.as_str(),
            self.credentials.secret_access_key.expose_secret(),
            self.credentials.session_token.as_ref().map(|token| token.expose_secret().to_owned()),
            None,
            "test",
        )
        .into()
    }
}

fn settings(location: SignatureLocation) -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings.signature_location = location;
    // Which headers to sign is the caller's choice.
    settings.excluded_headers = None;
    settings
}

fn signer() -> impl Strategy<Value = Signer> {
    let credentials =
        ("[!-~]{1,40}", "[ -~]{0,60}", option::of(odd_text())).prop_map(|(id, secret, token)| Credentials {
            access_key_id: AccessKeyId::parse(&id).unwrap(),
            secret_access_key: secret.into(),
            session_token: token.map(Into::into),
        });
    let place = (
        select(vec!["us-east-1", "auto", "eusc-de-east-1", "x"]),
        select(vec!["examplebucket.s3.amazonaws.com", "localhost:9000", "[2001:db8::1]:80", "10.0.0.1"]),
    );
    let methods = select(vec!["GET", "PUT", "HEAD", "POST", "DELETE"]);
    (credentials, place, methods, 0..253_402_300_800_000_u64, headers()).prop_map(
        |(credentials, (region, authority), method, millis, headers)| Signer {
            credentials,
            region: Region::parse(region).unwrap(),
            now: Timestamp::from_unix_millis(millis),
            authority,
            method,
            headers,
        },
    )
}

/// Text that encoders and normalisers are known to trip over.
fn odd_text() -> impl Strategy<Value = String> {
    let pieces = select(vec![
        "/", "//", ".", "..", "/../", "/./", "%", "%2F", "%2f", "%zz", "+", " ", "  ", "?", "#", "&", "=",
        ";", ":", "@", "\\", "~", "*", "'", "(", ")", "!", "$", ",", "\"", "<", ">", "^", "`", "{", "|", "}",
        "[", "]", "\t", "\r\n", "\0", "\u{7f}", "ü", "ሴ", "𝄞", "e\u{301}", "\u{202e}", "\u{feff}", "a", "Z",
        "0", "-", "_",
    ]);
    prop_oneof![
        3 => vec(pieces, 0..16).prop_map(|pieces| pieces.concat()),
        2 => "[ -~]{0,24}",
        1 => vec(any::<char>(), 0..16).prop_map(String::from_iter),
    ]
}

/// Few names, so that some come twice; values as far as aws-sigv4 takes them, which is ASCII.
fn headers() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![
        select(vec!["content-type", "x-amz-meta-a", "x-amz-meta-a-b", "x-amz-acl", "range", "user-agent"])
            .prop_map(str::to_owned),
        "[a-z0-9!#$%&'*+.^_`|~-]{1,12}",
    ];
    let value = prop_oneof![
        vec(select(vec![" ", "  ", "\t", "a", "b,c", ";", "=", "\""]), 0..10)
            .prop_map(|pieces| pieces.concat()),
        "[ -~]{0,24}",
    ];
    vec((name, value), 0..5)
        .prop_map(|headers| headers.into_iter().filter(|(name, _)| !is_own(name)).collect())
}

/// Headers that the signers set themselves, or that aws-sigv4 never presigns.
fn is_own(name: &str) -> bool {
    let own = ["host", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"];
    own.contains(&name) || ["x-amz-user-agent", "x-amz-checksum-mode"].contains(&name)
}

fn query() -> impl Strategy<Value = Vec<(String, String)>> {
    let known = vec![
        "versionId",
        "x-amz-meta-a",
        "X-Amz-Meta-B",
        "partNumber",
        "X-Amz-D",
        "X-Amz-SignedHeaderz",
        "A",
    ];
    let name = prop_oneof![select(known).prop_map(str::to_owned), odd_text()];
    vec((name, odd_text()), 0..5)
}

/// A query as somebody may send it: escapes in either case or broken, `+`, valueless names, empty pairs. No escapes
/// of what is not UTF-8: aws-sigv4 makes one replacement character of them, we keep the bytes.
fn received_query() -> impl Strategy<Value = String> {
    let pieces = select(vec![
        "&",
        "&",
        "=",
        "=",
        "a",
        "b",
        "Z",
        "9",
        "+",
        "%20",
        "%2b",
        "%2B",
        "%2F",
        "/",
        "%g",
        "%2g",
        "%zz",
        "%C3%BC",
        "%c3%bc",
        "%41",
        "%00",
        "%0A",
        "%26",
        "%3d",
        "~",
        "%7E",
        "*",
        "!",
        "'",
        "(",
        ")",
        ":",
        "@",
        ",",
        ";",
        "-",
        "_",
        ".",
        "acl",
        "uploads",
        "list-type=2",
    ]);
    (vec(pieces, 0..20), select(vec!["", "%", "%2"])).prop_map(|(pieces, end)| pieces.concat() + end)
}

fn encoded(encoder: fn(&str, &mut String), text: &str) -> String {
    let mut out = String::new();
    encoder(text, &mut out);
    out
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn presigned_urls_have_its_signature(
        signer in signer(),
        key in odd_text(),
        query in query(),
        expires_seconds in 1..=EXPIRES_SECONDS_MAX,
        scheme in prop_oneof![Just(Scheme::Http), Just(Scheme::Https)],
    ) {
        let path = format!("/{key}");
        let pairs: Vec<(&str, &str)> = query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let input = PresignInput {
            method: &Method::from_bytes(signer.method.as_bytes()).unwrap(),
            scheme,
            authority: signer.authority,
            path: &path,
            query: &pairs,
            headers: &signer.headers(),
            expires_seconds,
            now: signer.now,
        };
        let url = presign(&input, &signer.credentials, &signer.key()).unwrap();
        let (unsigned, signature) = url.expose().rsplit_once("&X-Amz-Signature=").unwrap();

        let mut target = encoded(encode::path, &path);
        for (index, (name, value)) in pairs.iter().enumerate() {
            target.push(if index == 0 { '?' } else { '&' });
            target.extend([encoded(encode::query, name), String::from("="), encoded(encode::query, value)]);
        }
        let mut settings = settings(SignatureLocation::QueryParams);
        settings.expires_in = Some(Duration::from_secs(u64::from(expires_seconds)));
        prop_assert_eq!(signature, signer.aws(&target, settings).0);

        // What is sent is what was signed: in canonical order already, on the path and the host that were asked for.
        let (origin_and_path, sent_query) = unsigned.split_once('?').unwrap();
        prop_assert_eq!(canonical::query(sent_query), sent_query);
        let origin = format!("{}://{}", scheme.as_str(), signer.authority);
        prop_assert_eq!(origin_and_path, origin + &encoded(encode::path, &path));
        prop_assert!(url.expose().parse::<http::Uri>().is_ok());
    }

    #[test]
    fn received_requests_have_its_signature(signer in signer(), key in odd_text(), received in received_query()) {
        // A header cannot carry every token that a query can.
        let mut signer = signer;
        signer.credentials.session_token = signer.credentials.session_token.filter(|token| {
            token.expose_secret().bytes().all(|byte| byte.is_ascii_graphic())
        });
        let path = encoded(encode::path, &format!("/{key}"));
        let (signature, added) =
            signer.aws(&format!("{path}?{received}"), settings(SignatureLocation::Headers));

        let mut headers: Vec<Header<'_>> = signer
            .headers
            .iter()
            .chain(added.iter().filter(|(name, _)| name != "authorization"))
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .chain([("host", signer.authority.as_bytes())])
            .collect();
        let canonical = CanonicalRequest {
            method: signer.method,
            path: &path,
            query: &canonical::query(&received),
            headers: CanonicalHeaders::sort(&mut headers),
            payload_sha256: "UNSIGNED-PAYLOAD",
        };
        let ours = signer.key().sign(&signer.now.amz_date(), &canonical.sha256());
        prop_assert!(ours.matches(signature.as_bytes()));
    }
}
