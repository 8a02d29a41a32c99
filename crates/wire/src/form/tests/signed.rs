//! Policies and their signatures.

use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::prelude::{ProptestConfig, any, proptest};
use serde::Deserialize;

use crate::{
    date::Timestamp,
    names::Region,
    s3::ErrorCode,
    sigv4::{AccessKeyId, Credentials, Scope, SigningKey},
};

use super::{
    super::policy::{Policy, PolicyError},
    *,
};

/// 2015-12-29T00:00:00Z, when the documentation's example was signed.
const SIGNED: Timestamp = Timestamp::from_unix_millis(1_451_347_200_000);
const CREDENTIAL: &str = "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request";
const REDIRECT: &str = "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html";

#[derive(Deserialize)]
struct Vector {
    policy_b64: String,
    signature: String,
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-post-example.html>
fn vector() -> Vector {
    let vectors: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../../../tests/data/s3-doc-vectors.json")).unwrap();
    let vector = vectors.into_iter().find(|vector| vector["name"] == "post-policy").unwrap();
    serde_json::from_value(vector).unwrap()
}

fn key(region: &str) -> SigningKey {
    let credentials = Credentials {
        access_key_id: AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").unwrap(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
        session_token: None,
    };
    SigningKey::derive(&credentials, Scope::s3(SIGNED.amz_date(), &Region::parse(region).unwrap()))
}

/// The documentation's form, with some fields given other values and others added.
fn example(changes: &[(&str, &str)]) -> Form {
    let Vector { policy_b64, signature } = vector();
    let mut fields = vec![
        ("key", "user/user1/${filename}"),
        ("acl", "public-read"),
        ("success_action_redirect", REDIRECT),
        ("Content-Type", "image/jpeg"),
        ("x-amz-meta-uuid", "14365123651274"),
        ("x-amz-server-side-encryption", "AES256"),
        ("X-Amz-Credential", CREDENTIAL),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Date", "20151229T000000Z"),
        ("x-amz-meta-tag", ""),
        ("Policy", policy_b64.as_str()),
        ("X-Amz-Signature", signature.as_str()),
    ];
    for (name, value) in changes {
        fields.retain(|(field, _)| !field.eq_ignore_ascii_case(name));
        if *value != REMOVED {
            fields.push((name, value));
        }
    }
    form(&fields, "photo.jpg")
}

const REMOVED: &str = "(removed)";

#[test]
fn the_documentations_example_is_let_in() {
    let form = example(&[]);
    let claim = Claim::parse(&form).unwrap().unwrap();
    assert_eq!(claim.access_key_id().as_str(), "AKIAIOSFODNN7EXAMPLE");
    assert_eq!(claim.scope().as_str(), "20151229/us-east-1/s3/aws4_request");
    assert_eq!(claim.check_region(&Region::parse("us-east-1").unwrap()), Ok(()));
    let policy = claim.verify(&key("us-east-1")).unwrap();
    assert_eq!(policy.check(&form, "sigv4examplebucket", SIGNED), Ok(()));
    assert_eq!(form.field("key"), Some("user/user1/photo.jpg"));
    assert_eq!(form.success(), Success::Redirect(REDIRECT.to_owned()));
    assert_eq!(policy.check_length(u64::MAX), Ok(()));
}

#[test]
fn only_the_signed_policy_is_verified() {
    let verify = |changes: &[(&str, &str)], region: &str| {
        Claim::parse(&example(changes)).unwrap().unwrap().verify(&key(region)).map(|_| ())
    };
    let other_policy = STANDARD.encode(r#"{"expiration":"2999-12-30T12:00:00.000Z","conditions":[]}"#);
    let Vector { signature, policy_b64 } = vector();
    assert_eq!(verify(&[], "eu-west-1"), Err(ClaimError::Mismatch));
    for (name, value) in [
        ("policy", other_policy.as_str()),
        ("policy", &[&policy_b64, "\n"].concat()),
        ("x-amz-signature", ""),
        ("x-amz-signature", &signature.to_ascii_uppercase()),
        ("x-amz-signature", &[&signature[..63], "f"].concat()),
    ] {
        assert_eq!(verify(&[(name, value)], "us-east-1"), Err(ClaimError::Mismatch), "{name} {value}");
    }
}

#[test]
fn half_a_signature_is_not_an_anonymous_form() {
    assert!(Claim::parse(&form(&[("key", "k")], "")).unwrap().is_none());
    for name in ["policy", "x-amz-signature", "x-amz-credential", "x-amz-date", "x-amz-algorithm"] {
        assert_eq!(Claim::parse(&example(&[(name, REMOVED)])).map(|_| ()), Err(ClaimError::Missing(name)));
        let error = Claim::parse(&form(&[(name, "AWS4-HMAC-SHA256")], "")).map(|_| ()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
    }
    for (name, value) in [
        ("x-amz-algorithm", "AWS4-ECDSA-P256-SHA256"),
        ("x-amz-date", "2015-12-29"),
        ("x-amz-date", "20151230T000000Z"),
        ("x-amz-credential", "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/sts/aws4_request"),
    ] {
        let claim = Claim::parse(&example(&[(name, value)])).map(|_| ());
        assert!(matches!(claim, Err(ClaimError::Malformed(_))), "{value}");
    }
    let old = form(&[("AWSAccessKeyId", "AKIAIOSFODNN7EXAMPLE"), ("signature", "a"), ("policy", "b")], "");
    assert_eq!(Claim::parse(&old).map(|_| ()), Err(ClaimError::Version2));
}

#[test]
fn a_form_is_good_for_a_week() {
    let form = example(&[]);
    let claim = Claim::parse(&form).unwrap().unwrap();
    let week = SIGNED.plus_seconds(7 * 24 * 3600);
    assert_eq!([SIGNED, week].map(|now| claim.check_time(now)), [Ok(()), Ok(())]);
    assert_eq!(claim.check_time(week.plus_seconds(1)), Err(ClaimError::Date));
    let before = |seconds: u64| Timestamp::from_unix_millis(SIGNED.unix_millis() - seconds * 1000);
    assert_eq!(claim.check_time(before(15 * 60)), Ok(()));
    assert_eq!(claim.check_time(before(15 * 60 + 1)), Err(ClaimError::Date));
}

fn policy(conditions: &str) -> Policy {
    let json =
        ["{\"expiration\": \"2015-12-30T12:00:00.000Z\", \"conditions\": [", conditions, "]}"].concat();
    Policy::parse(&STANDARD.encode(json)).unwrap()
}

#[test]
fn every_condition_must_hold() {
    let check = |changes: &[(&str, &str)], bucket: &str| {
        Policy::parse(&vector().policy_b64).unwrap().check(&example(changes), bucket, SIGNED)
    };
    let failed = |text: &str| Err(PolicyError::Condition(text.to_owned()));
    let bucket = "sigv4examplebucket";
    assert_eq!(check(&[], "other"), failed(r#"["eq", "$bucket", "sigv4examplebucket"]"#));
    assert_eq!(
        check(&[("key", "user/user2/a")], bucket),
        failed(r#"["starts-with", "$key", "user/user1/"]"#)
    );
    assert_eq!(check(&[("acl", "private")], bucket), failed(r#"["eq", "$acl", "public-read"]"#));
    assert_eq!(check(&[("acl", REMOVED)], bucket), failed(r#"["eq", "$acl", "public-read"]"#));
    // Any value is allowed; no value is not.
    assert_eq!(check(&[("x-amz-meta-tag", "anything")], bucket), Ok(()));
    assert_eq!(
        check(&[("x-amz-meta-tag", REMOVED)], bucket),
        failed(r#"["starts-with", "$x-amz-meta-tag", ""]"#)
    );
    // A file name cannot climb out of what the policy allows.
    let climbing = form(&[("key", "${filename}")], "../user2/a");
    assert_eq!(climbing.field("key"), Some("a"));
}

#[test]
fn every_field_must_be_covered() {
    let covering = r#"{"bucket": "b"}, ["starts-with", "$Key", "k"]"#;
    let check =
        |conditions: &str, fields: &[(&str, &str)]| policy(conditions).check(&form(fields, ""), "b", SIGNED);
    let extra = |name: &str| Err(PolicyError::ExtraField(name.to_owned()));
    assert_eq!(
        check(covering, &[("KEY", "k"), ("policy", ""), ("x-amz-signature", ""), ("x-ignore-a", "")]),
        Ok(())
    );
    assert_eq!(check(covering, &[("key", "k"), ("acl", "public-read")]), extra("acl"));
    assert_eq!(check(covering, &[("key", "k"), ("x-amz-meta-a", "")]), extra("x-amz-meta-a"));
    assert_eq!(check(covering, &[("key", "k"), ("x-amz-security-token", "")]), extra("x-amz-security-token"));
    assert_eq!(check(r#"["eq", "$key", "k"]"#, &[("key", "k")]), extra("bucket"));
    // A field cannot speak for the bucket in the URL.
    assert_eq!(
        check(r#"{"bucket": "c"}, {"key": "k"}"#, &[("key", "k"), ("bucket", "c")]).unwrap_err().code(),
        ErrorCode::AccessDenied
    );
}

#[test]
fn content_types_may_be_a_list() {
    let images = policy(r#"{"bucket": "b"}, ["starts-with", "$Content-Type", "image/"]"#);
    let check = |types: &str| images.check(&form(&[("Content-Type", types)], ""), "b", SIGNED).is_ok();
    assert!(check("image/png") && check("image/png,image/jpeg") && check("image/png, image/jpeg"));
    assert!(!check("image/png,text/html") && !check("text/html") && !check(""));
}

#[test]
fn a_policy_ends() {
    let policy = policy(r#"{"bucket": "b"}"#);
    let end = Timestamp::from_unix_millis(1_451_476_800_000);
    assert_eq!(policy.check(&form(&[], ""), "b", end), Ok(()));
    assert_eq!(
        policy.check(&form(&[], ""), "b", Timestamp::from_unix_millis(end.unix_millis() + 1)),
        Err(PolicyError::Expired)
    );
}

#[test]
fn lengths_lie_in_every_range() {
    let policy = policy(r#"["content-length-range", 10, 100], ["content-length-range", 0, 50]"#);
    assert_eq!([10, 50].map(|bytes| policy.check_length(bytes)), [Ok(()), Ok(())]);
    assert_eq!(policy.check_length(9), Err(PolicyError::TooSmall));
    assert_eq!(policy.check_length(51).map_err(|error| error.code()), Err(ErrorCode::EntityTooLarge));
}

#[test]
fn refuses_what_is_no_policy() {
    let parse = |json: &str| Policy::parse(&STANDARD.encode(json));
    let with = |condition: &str| {
        parse(&["{\"expiration\": \"2015-12-30T12:00:00Z\", \"conditions\": [", condition, "]}"].concat())
    };
    assert!(with("").is_ok());
    for condition in [
        "1",
        "[]",
        "{}",
        r#"{"a": "b", "c": "d"}"#,
        r#"{"a": 1}"#,
        r#"["eq", "key", "k"]"#,
        r#"["ends-with", "$key", "k"]"#,
        r#"["eq", "$key"]"#,
        r#"["eq", "$key", "k", "l"]"#,
        r#"["eq", "$key", ["k"]]"#,
        r#"["content-length-range", -1, 5]"#,
        r#"["content-length-range", "a", 5]"#,
        r#"["eq", 1, 5]"#,
    ] {
        assert!(matches!(with(condition), Err(PolicyError::Malformed(_))), "{condition}");
    }
    for json in [
        "",
        "{}",
        r#"{"expiration": "2015-12-30T12:00:00Z"}"#,
        r#"{"conditions": []}"#,
        r#"{"expiration": "tomorrow", "conditions": []}"#,
        r#"{"expiration": "2015-12-30T12:00:00", "conditions": []}"#,
        r#"{"expiration": "1969-12-30T12:00:00Z", "conditions": []}"#,
        r#"{"expiration": "2015-12-30T12:00:00Z", "conditions": [], "more": 1}"#,
        r#"{"expiration": "2015-12-30T12:00:00Z", "conditions": []} {}"#,
    ] {
        assert!(matches!(parse(json), Err(PolicyError::Malformed(_))), "{json}");
    }
    assert!(Policy::parse("not base64!").is_err());
    assert_eq!(parse("").unwrap_err().code(), ErrorCode::InvalidPolicyDocument);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_makes_it_panic(text in any::<String>(), json in "[\\[\\]{}\":,$a-c0-9]{0,40}") {
        for policy in [text, STANDARD.encode(json)] {
            let _ = Policy::parse(&policy);
        }
    }
}
