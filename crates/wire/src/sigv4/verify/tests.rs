//! What is refused before any key is looked up, and with which code.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use secrecy::ExposeSecret;

use crate::{
    date::Timestamp,
    names::Region,
    sigv4::{Credentials, payload_sha256},
};

use super::*;

/// 2013-05-24T00:00:00Z
const NOW: Timestamp = Timestamp::from_unix_millis(1_369_353_600_000);
const AUTHORITY: &str = "s3.example.com";
const CREDENTIAL: &str = "AKIDEXAMPLE/20130524/us-east-1/s3/aws4_request";
const SIGNATURE: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const NAMES: &str = "host;x-amz-content-sha256;x-amz-date";

type Pairs<'a> = Vec<(&'a str, String)>;

/// A request of which any part can be changed.
struct Request<'a> {
    method: Method,
    query: String,
    headers: Pairs<'a>,
}

impl Request<'_> {
    fn headers(&self) -> HeaderMap {
        let header = |(name, value): &(&str, String)| {
            (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(value.as_str()).unwrap())
        };
        self.headers.iter().map(header).collect()
    }

    /// What `judge` says of the claim.
    fn claim<T>(
        &self,
        judge: impl FnOnce(Claim<'_>) -> Result<T, AuthError>,
    ) -> Result<Option<T>, AuthError> {
        let headers = self.headers();
        let request = Received {
            method: &self.method,
            authority: AUTHORITY,
            path: "/bucket/key",
            query: &self.query,
            headers: &headers,
        };
        match Presented::parse(request)? {
            Presented::Anonymous => Ok(None),
            Presented::Claim(claim) => judge(claim).map(Some),
        }
    }

    /// The code of the refusal, or `claim` or `anonymous`.
    fn outcome(&self) -> &'static str {
        match self.claim(|_| Ok(())) {
            Ok(Some(())) => "claim",
            Ok(None) => "anonymous",
            Err(error) => error.code().as_str(),
        }
    }
}

fn authorization(credential: &str, names: &str, signature: &str) -> String {
    format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}")
}

/// A GET that is signed in its headers.
fn in_headers() -> Request<'static> {
    Request {
        method: Method::GET,
        query: String::new(),
        headers: vec![
            ("host", AUTHORITY.into()),
            ("x-amz-date", "20130524T000000Z".into()),
            ("x-amz-content-sha256", "UNSIGNED-PAYLOAD".into()),
            ("authorization", authorization(CREDENTIAL, NAMES, SIGNATURE)),
        ],
    }
}

fn with_header(name: &'static str, value: &str) -> Request<'static> {
    let mut request = in_headers();
    request.headers.retain(|(known, _)| *known != name);
    request.headers.push((name, value.into()));
    request
}

fn with_authorization(credential: &str, names: &str, signature: &str) -> Request<'static> {
    with_header("authorization", &authorization(credential, names, signature))
}

fn and_header(name: &'static str, value: &str) -> Request<'static> {
    let mut request = in_headers();
    request.headers.push((name, value.into()));
    request
}

fn without_header(name: &str) -> Request<'static> {
    let mut request = in_headers();
    request.headers.retain(|(known, _)| *known != name);
    request
}

const PARAMETERS: [(&str, &str); 6] = [
    ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
    ("X-Amz-Credential", "AKIDEXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"),
    ("X-Amz-Date", "20130524T000000Z"),
    ("X-Amz-Expires", "3600"),
    ("X-Amz-SignedHeaders", "host"),
    ("X-Amz-Signature", SIGNATURE),
];

/// A presigned GET in which `name` has another value, or none; with `more` at its end.
fn in_query(name: &str, value: Option<&str>, more: &str) -> Request<'static> {
    let parameters = PARAMETERS.iter().filter_map(|(known, standard)| {
        let value = if *known == name { value? } else { standard };
        Some(format!("{known}={value}"))
    });
    let query = parameters.chain([more.to_owned()]).collect::<Vec<_>>().join("&");
    Request { method: Method::GET, query, headers: vec![("host", AUTHORITY.into())] }
}

fn presigned() -> Request<'static> {
    in_query("", None, "")
}

#[test]
fn the_two_forms_are_read() {
    for request in [in_headers(), presigned()] {
        let read = |claim: Claim<'_>| {
            assert_eq!(claim.access_key_id().as_str(), "AKIDEXAMPLE");
            assert_eq!(claim.scope().as_str(), "20130524/us-east-1/s3/aws4_request");
            assert!(claim.session_token().is_none());
            let shown = format!("{claim:?}");
            assert!(shown.contains("AKIDEXAMPLE") && !shown.contains(SIGNATURE), "{shown}");
            Ok(claim.payload)
        };
        assert_eq!(request.claim(read), Ok(Some(PayloadMode::Unsigned)));
    }
    let nothing = Request { method: Method::GET, query: "acl&prefix=X-Amz-".into(), headers: Vec::new() };
    assert_eq!(nothing.outcome(), "anonymous");
}

#[test]
fn two_forms_at_once_are_refused() {
    for query in ["X-Amz-Signature=", "x-amz-signature", "X%2DAmz-Date=", "AWSAccessKeyId=a", "Signature=a"] {
        let request = Request { query: query.into(), ..in_headers() };
        assert_eq!(request.outcome(), "InvalidArgument", "{query}");
    }
    assert_eq!(Request { headers: in_headers().headers, ..presigned() }.outcome(), "InvalidArgument");
}

#[test]
fn other_ways_of_signing_are_refused_by_name() {
    for value in ["AWS AKIDEXAMPLE:c2lnbmF0dXJl", "AWS4-ECDSA-P256-SHA256 Credential=a"] {
        assert_eq!(with_header("authorization", value).outcome(), "InvalidRequest", "{value}");
    }
    for value in ["", "Bearer token", "aws4-hmac-sha256 Credential=a", "AWS4-HMAC-SHA512 Credential=a"] {
        assert_eq!(with_header("authorization", value).outcome(), "InvalidArgument", "{value}");
    }
    let sigv2 =
        Request { query: "AWSAccessKeyId=a&Expires=1&Signature=b".into(), headers: vec![], ..presigned() };
    assert_eq!(sigv2.outcome(), "InvalidRequest");
    let sigv4a = in_query("X-Amz-Algorithm", Some("AWS4-ECDSA-P256-SHA256"), "X-Amz-Region-Set=*");
    assert_eq!(sigv4a.outcome(), "InvalidRequest");
}

#[test]
fn an_authorization_header_has_three_parts_once_each() {
    let (c, n, s) = (
        format!("Credential={CREDENTIAL}"),
        format!("SignedHeaders={NAMES}"),
        format!("Signature={SIGNATURE}"),
    );
    for (parameters, expected) in [
        (format!("{c},{n},{s}"), "claim"),
        (format!(" {s} ,  {n},{c} "), "claim"),
        (String::new(), "AuthorizationHeaderMalformed"),
        (format!("{c}, {n}"), "AuthorizationHeaderMalformed"),
        (format!("{c}, {s}"), "AuthorizationHeaderMalformed"),
        (format!("{n}, {s}"), "AuthorizationHeaderMalformed"),
        (format!("{c}, {n}, {s}, {s}"), "AuthorizationHeaderMalformed"),
        (format!("{c}, {n}, {s}, Other=1"), "AuthorizationHeaderMalformed"),
        (format!("{c}, {n}, {s},"), "AuthorizationHeaderMalformed"),
        (format!("{c} {n} {s}"), "AuthorizationHeaderMalformed"),
        (format!("{c}, {n}, signature={SIGNATURE}"), "AuthorizationHeaderMalformed"),
    ] {
        let request = with_header("authorization", &format!("AWS4-HMAC-SHA256 {parameters}"));
        assert_eq!(request.outcome(), expected, "{parameters}");
    }
    let twice = and_header("authorization", &authorization(CREDENTIAL, NAMES, SIGNATURE));
    assert_eq!(twice.outcome(), "InvalidArgument");
}

#[test]
fn a_credential_is_for_this_day_and_service() {
    for (credential, problem) in [
        ("AKID/EXAMPLE/20130524/us-east-1/s3/aws4_request", None),
        ("AKIDEXAMPLE/20130524/anywhere/s3/aws4_request", None),
        ("AKIDEXAMPLE", Some(Malformed::Credential)),
        ("20130524/us-east-1/s3/aws4_request", Some(Malformed::Credential)),
        ("/20130524/us-east-1/s3/aws4_request", Some(Malformed::Credential)),
        ("AKIDEXAMPLE/20130523/us-east-1/s3/aws4_request", Some(Malformed::Day)),
        ("AKIDEXAMPLE/2013524/us-east-1/s3/aws4_request", Some(Malformed::Day)),
        ("AKIDEXAMPLE/20130524/us-east-1/sts/aws4_request", Some(Malformed::Service)),
        ("AKIDEXAMPLE/20130524/us-east-1/S3/aws4_request", Some(Malformed::Service)),
        ("AKIDEXAMPLE/20130524/us-east-1/s3/aws5_request", Some(Malformed::Terminator)),
        ("AKIDEXAMPLE/20130524/us-east-1/s3/aws4_request/", Some(Malformed::Terminator)),
    ] {
        let expected =
            |form: fn(Malformed) -> AuthError| problem.clone().map_or(Ok(Some(())), |it| Err(form(it)));
        let request = with_authorization(credential, NAMES, SIGNATURE);
        assert_eq!(
            request.claim(|_| Ok(())),
            expected(AuthError::AuthorizationHeaderMalformed),
            "{credential}"
        );
        let request = in_query("X-Amz-Credential", Some(credential), "");
        assert_eq!(
            request.claim(|_| Ok(())),
            expected(AuthError::AuthorizationQueryParametersError),
            "{credential}"
        );
    }
}

#[test]
fn signed_headers_are_a_sorted_list_with_host() {
    for (names, expected) in [
        ("x-amz-content-sha256;x-amz-date", "AuthorizationHeaderMalformed"),
        ("", "AuthorizationHeaderMalformed"),
        ("host;;x-amz-content-sha256;x-amz-date", "AuthorizationHeaderMalformed"),
        ("Host;x-amz-content-sha256;x-amz-date", "AuthorizationHeaderMalformed"),
        ("host;host;x-amz-content-sha256;x-amz-date", "AuthorizationHeaderMalformed"),
        ("host;x-amz-date;x-amz-content-sha256", "AuthorizationHeaderMalformed"),
        ("host;x-amz-content-sha256;x-amz-date;", "AuthorizationHeaderMalformed"),
        ("host;x-amz-content-sha256;x-amz-date;x y", "AuthorizationHeaderMalformed"),
        ("content-type;host;x-amz-content-sha256;x-amz-date", "SignatureDoesNotMatch"),
        ("host;x-amz-content-sha256", "AccessDenied"),
        ("host;x-amz-date", "AccessDenied"),
        ("host", "AccessDenied"),
    ] {
        assert_eq!(with_authorization(CREDENTIAL, names, SIGNATURE).outcome(), expected, "{names}");
    }
    let uncovered = in_query("X-Amz-SignedHeaders", Some("x-amz-date"), "");
    assert_eq!(uncovered.outcome(), "AuthorizationQueryParametersError");
}

#[test]
fn a_signature_is_sixty_four_lower_case_digits() {
    let (upper, short) = (SIGNATURE.to_uppercase(), &SIGNATURE[..63]);
    for signature in ["", &upper, short, &format!("{SIGNATURE}0"), &format!("{short}g")] {
        let request = with_authorization(CREDENTIAL, NAMES, signature);
        assert_eq!(request.outcome(), "AuthorizationHeaderMalformed", "{signature}");
        let request = in_query("X-Amz-Signature", Some(signature), "");
        assert_eq!(request.outcome(), "AuthorizationQueryParametersError", "{signature}");
    }
}

#[test]
fn an_unsigned_amz_header_is_refused() {
    for name in ["x-amz-copy-source", "x-amz-acl", "x-amz-meta-a", "x-amz-security-token"] {
        assert_eq!(and_header(name, "a").outcome(), "AccessDenied", "{name}");
        let mut request = presigned();
        request.headers.push((name, "a".into()));
        assert_eq!(request.outcome(), "AccessDenied", "{name}");
    }
    for name in ["content-type", "content-md5", "range", "x-amzn-trace-id", "x-forwarded-for"] {
        assert_eq!(and_header(name, "a").outcome(), "claim", "{name}");
    }
}

#[test]
fn headers_of_a_signature_come_once() {
    for name in ["x-amz-date", "x-amz-content-sha256"] {
        let value = in_headers().headers.into_iter().find(|(known, _)| *known == name).unwrap().1;
        assert_eq!(and_header(name, &value).outcome(), "InvalidArgument", "{name}");
    }
    for (name, expected) in
        [("x-amz-acl", "InvalidArgument"), ("x-amz-meta-a", "claim"), ("x-amz-object-attributes", "claim")]
    {
        let mut names: Vec<&str> = NAMES.split(';').chain([name]).collect();
        names.sort_unstable();
        let mut request = with_authorization(CREDENTIAL, &names.join(";"), SIGNATURE);
        request.headers.extend([(name, String::from("a")), (name, String::from("b"))]);
        assert_eq!(request.outcome(), expected, "{name}");
    }
}

#[test]
fn the_payload_is_one_of_five_modes() {
    let digest = payload_sha256(b"hello");
    for (value, expected) in [
        (digest.as_str(), Ok(Some(PayloadMode::Sha256(digest)))),
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", Ok(Some(PayloadMode::StreamingSigned))),
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", Ok(Some(PayloadMode::StreamingSignedTrailer))),
        ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", Ok(Some(PayloadMode::StreamingUnsignedTrailer))),
        ("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", Err(AuthError::InvalidArgument(error::UNKNOWN_PAYLOAD))),
        ("", Err(AuthError::InvalidArgument(error::UNKNOWN_PAYLOAD))),
    ] {
        assert_eq!(with_header("x-amz-content-sha256", value).claim(|claim| Ok(claim.payload)), expected);
        let request = in_query("", None, &format!("X-Amz-Content-Sha256={value}"));
        assert_eq!(request.claim(|claim| Ok(claim.payload)), expected);
        let mut request = in_query("X-Amz-SignedHeaders", Some("host%3Bx-amz-content-sha256"), "");
        request.headers.push(("x-amz-content-sha256", value.into()));
        assert_eq!(request.claim(|claim| Ok(claim.payload)), expected);
    }
    assert_eq!(without_header("x-amz-content-sha256").outcome(), "InvalidRequest");
    let mut differing = in_query(
        "X-Amz-SignedHeaders",
        Some("host%3Bx-amz-content-sha256"),
        "X-Amz-Content-Sha256=UNSIGNED-PAYLOAD",
    );
    differing.headers.push(("x-amz-content-sha256", digest.as_str().into()));
    assert_eq!(differing.outcome(), "InvalidArgument");
}

#[test]
fn a_date_header_serves_where_there_is_no_amz_date() {
    let names = "host;x-amz-content-sha256";
    for (date, expected) in [
        (Some("Fri, 24 May 2013 00:00:00 GMT"), "claim"),
        (Some("20130524T000000Z"), "claim"),
        (Some("yesterday"), "AccessDenied"),
        (None, "AccessDenied"),
    ] {
        let mut request = with_authorization(CREDENTIAL, names, SIGNATURE);
        request.headers.retain(|(name, _)| *name != "x-amz-date");
        request.headers.extend(date.map(|date| ("date", date.to_owned())));
        assert_eq!(request.outcome(), expected, "{date:?}");
    }
    assert_eq!(with_header("x-amz-date", "Fri, 24 May 2013 00:00:00 GMT").outcome(), "AccessDenied");
}

#[test]
fn a_presigned_request_has_all_of_its_parameters_once() {
    for (name, value) in PARAMETERS {
        for (value, more) in [(None, String::new()), (Some(value), format!("{name}={value}"))] {
            let request = in_query(name, value, &more);
            assert_eq!(request.outcome(), "AuthorizationQueryParametersError", "{name} {more}");
        }
        let lower = name.to_lowercase();
        let request = in_query(name, None, &format!("{lower}={value}"));
        assert_eq!(request.outcome(), "AuthorizationQueryParametersError", "{lower}");
    }
    for (more, expected) in [
        ("x-amz-acl=private&x-id=GetObject", "claim"),
        ("a=1&a=2", "claim"),
        ("x-amz-acl=private&X-Amz-Acl=public-read", "AuthorizationQueryParametersError"),
        ("x-amz-acl=private&x%2Damz-acl=public-read", "AuthorizationQueryParametersError"),
        ("X-Amz-Security-Token=a&X-Amz-Security-Token=a", "AuthorizationQueryParametersError"),
        ("X-Amz-Security-Token=%ff", "AuthorizationQueryParametersError"),
    ] {
        assert_eq!(in_query("", None, more).outcome(), expected, "{more}");
    }
    for date in ["", "20130524", "20130524T000000", "2013-05-24T00:00:00Z"] {
        let request = in_query("X-Amz-Date", Some(date), "");
        assert_eq!(request.outcome(), "AuthorizationQueryParametersError", "{date}");
    }
    assert_eq!(
        in_query("X-Amz-Algorithm", Some("AWS4-HMAC-SHA1"), "").outcome(),
        "AuthorizationQueryParametersError"
    );
}

#[test]
fn a_presigned_request_lives_a_second_to_a_week() {
    for expires in ["1", "604800", "60"] {
        assert_eq!(in_query("X-Amz-Expires", Some(expires), "").outcome(), "claim", "{expires}");
    }
    for expires in
        ["", "0", "604801", "-1", "%2B60", "+60", "60.0", "1e3", "0x10", "4294967297", "6%30%30%30%30%30%30"]
    {
        let request = in_query("X-Amz-Expires", Some(expires), "");
        assert_eq!(request.outcome(), "AuthorizationQueryParametersError", "{expires}");
    }
}

#[test]
fn a_token_is_read_as_a_secret() {
    let names = "host;x-amz-content-sha256;x-amz-date;x-amz-security-token";
    let mut header = with_authorization(CREDENTIAL, names, SIGNATURE);
    header.headers.push(("x-amz-security-token", "a/b+c==".into()));
    let query = in_query("", None, "X-Amz-Security-Token=a%2Fb%2Bc%3D%3D");
    for request in [header, query] {
        let token =
            |claim: Claim<'_>| Ok(claim.session_token().map(|token| token.expose_secret().to_owned()));
        assert_eq!(request.claim(token), Ok(Some(Some("a/b+c==".into()))));
    }
}

#[test]
fn time_is_checked_against_the_form() {
    let after = |seconds| NOW.plus_seconds(seconds);
    let before = |seconds: u64| Timestamp::from_unix_millis(NOW.unix_millis() - seconds * 1000);
    let skewed = Err(AuthError::RequestTimeTooSkewed);
    for (now, expected) in [
        (NOW, Ok(Some(()))),
        (after(900), Ok(Some(()))),
        (after(901), skewed.clone()),
        (before(900), Ok(Some(()))),
        (before(901), skewed.clone()),
        (Timestamp::from_unix_millis(0), skewed.clone()),
        (Timestamp::from_unix_millis(u64::MAX), skewed),
    ] {
        assert_eq!(in_headers().claim(|claim| claim.check_time(now)), expected, "{now:?}");
    }
    for (now, expected) in [
        (NOW, Ok(Some(()))),
        (after(3600), Ok(Some(()))),
        (after(3601), Err(AuthError::AccessDenied("Request has expired"))),
        (before(900), Ok(Some(()))),
        (before(901), Err(AuthError::AccessDenied("Request is not valid yet"))),
    ] {
        assert_eq!(presigned().claim(|claim| claim.check_time(now)), expected, "{now:?}");
    }
}

#[test]
fn a_wrong_region_is_answered_with_the_right_one() {
    let [here, elsewhere] = ["us-east-1", "eu-west-1"].map(|name| Region::parse(name).unwrap());
    for request in [in_headers(), presigned()] {
        assert_eq!(request.claim(|claim| claim.check_region(&here)), Ok(Some(())));
        let error = request.claim(|claim| claim.check_region(&elsewhere)).unwrap_err();
        assert_eq!(error.expected_region(), Some(&elsewhere));
        assert!(error.to_string().contains("eu-west-1"), "{error}");
    }
}

#[test]
fn a_key_of_another_scope_verifies_nothing() {
    let credentials = Credentials {
        access_key_id: AccessKeyId::parse("AKIDEXAMPLE").unwrap(),
        secret_access_key: "secret".into(),
        session_token: None,
    };
    for (now, region) in [(NOW, "us-east-1"), (NOW, "eu-west-1"), (NOW.plus_seconds(86_400), "us-east-1")] {
        let key =
            SigningKey::derive(&credentials, Scope::s3(now.amz_date(), &Region::parse(region).unwrap()));
        for request in [in_headers(), presigned()] {
            let error = request.claim(|claim| claim.verify(&key)).unwrap_err();
            assert_eq!(error, AuthError::SignatureDoesNotMatch(error::MISMATCH));
        }
    }
}
