//! Odd requests: keys, queries and headers that encoders, normalisers and parsers are known to trip over.

use std::{collections::HashSet, time::SystemTime};

use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
        SigningSettings, UriPathNormalizationMode, sign,
    },
    sign::v4::signing_params,
};
use aws_smithy_runtime_api::client::identity::Identity;
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::{
    collection::vec,
    option,
    prelude::{ProptestConfig, Strategy, any, prop_oneof},
    sample::select,
};
use secrecy::{ExposeSecret, SecretString};
use wharf_wire::{
    date::Timestamp,
    names::Region,
    sigv4::{
        AccessKeyId, Credentials, Scope, SigningKey,
        verify::{AuthError, Presented, Received, Verified},
    },
};

const CASES: u32 = 100_000;

pub(crate) fn config() -> ProptestConfig {
    #[expect(clippy::disallowed_methods, reason = "how long a test runs is no part of the configuration")]
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(asked.unwrap_or(CASES)) }
}

/// What is common to both ways of signing.
#[derive(Debug, Clone)]
pub(crate) struct Signer {
    pub(crate) credentials: Credentials,
    pub(crate) region: Region,
    pub(crate) now: Timestamp,
    pub(crate) authority: &'static str,
    pub(crate) method: &'static str,
    pub(crate) headers: Vec<(String, String)>,
}

impl Signer {
    pub(crate) fn key(&self) -> SigningKey {
        SigningKey::derive(&self.credentials, Scope::s3(self.now.amz_date(), &self.region))
    }

    pub(crate) fn headers(&self) -> Vec<(&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// The same with what an `Authorization` header can carry: a query carries every token and key id.
    pub(crate) fn in_headers(mut self) -> Self {
        let id = self.credentials.access_key_id.as_str().replace(',', "-");
        let is_sendable =
            |token: &SecretString| token.expose_secret().bytes().all(|byte| byte.is_ascii_graphic());
        self.credentials.access_key_id = AccessKeyId::parse(&id).unwrap();
        self.credentials.session_token = self.credentials.session_token.filter(is_sendable);
        self
    }

    /// What a gateway that knows this signer alone makes of `request`; nothing, when it presents nothing.
    pub(crate) fn verify(&self, request: Received<'_>) -> Result<Option<Verified>, AuthError> {
        let Presented::Claim(claim) = Presented::parse(request)? else { return Ok(None) };
        claim.check_region(&self.region)?;
        claim.check_time(self.now)?;
        if claim.access_key_id() != &self.credentials.access_key_id {
            return Ok(None);
        }
        claim.verify(&self.key()).map(Some)
    }

    /// The signature that aws-sigv4 makes of a request for `target`, and the headers that it adds.
    pub(crate) fn aws(&self, target: &str, settings: SigningSettings) -> (String, Vec<(String, String)>) {
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

pub(crate) fn settings(location: SignatureLocation) -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings.signature_location = location;
    // Which headers to sign is the caller's choice.
    settings.excluded_headers = None;
    settings
}

pub(crate) fn signer() -> impl Strategy<Value = Signer> {
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
pub(crate) fn odd_text() -> impl Strategy<Value = String> {
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
    vec((name, value), 0..5).prop_map(|headers| {
        let others = headers.into_iter().filter(|(name, _)| !is_own(name)).collect();
        once(others, |name| name.starts_with("x-amz-") && !name.starts_with("x-amz-meta-"))
    })
}

/// The first alone of those that S3 takes once.
fn once(pairs: Vec<(String, String)>, is_single: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let mut seen = HashSet::new();
    let is_kept = |(name, _): &(String, String)| !is_single(name) || seen.insert(name.to_lowercase());
    pairs.into_iter().filter(is_kept).collect()
}

/// Headers that the signers set themselves, or that aws-sigv4 never presigns.
fn is_own(name: &str) -> bool {
    let own = ["host", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"];
    own.contains(&name) || ["x-amz-user-agent", "x-amz-checksum-mode"].contains(&name)
}

pub(crate) fn query() -> impl Strategy<Value = Vec<(String, String)>> {
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
        .prop_map(|pairs| once(pairs, |name| name.to_lowercase().starts_with("x-amz-")))
}

/// A query as somebody may send it: escapes in either case or broken, `+`, valueless names, empty pairs. No escapes
/// of what is not UTF-8: aws-sigv4 makes one replacement character of them, we keep the bytes.
pub(crate) fn received_query() -> impl Strategy<Value = String> {
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

pub(crate) fn encoded(encoder: fn(&str, &mut String), text: &str) -> String {
    let mut out = String::new();
    encoder(text, &mut out);
    out
}

/// `headers` and the host, as HTTP carries them.
pub(crate) fn header_map(headers: &[(&str, &str)], authority: &str) -> HeaderMap {
    let header = |(name, value): &(&str, &str)| {
        (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap())
    };
    headers.iter().chain([&("host", authority)]).map(header).collect()
}
