//! Credentials and endpoints that callers bring.

use serde_json::{Value, json};

use super::{CONFIG, FILE, api, own, parameter};
use crate::error::Code;

#[test]
fn brought_credentials_sign_for_their_own_bucket() {
    let api = api(CONFIG);
    let reply = api.ask("s3/signed-url", &own(r#""s3SessionToken":"token/+=""#));
    assert!(
        reply["uploadUrl"].as_str().unwrap().starts_with("https://my-bucket.s3.us-east-1.amazonaws.com/upl")
    );
    assert_eq!(parameter(&reply["uploadUrl"], "X-Amz-Security-Token"), Some("token%2F%2B%3D"));
    assert_eq!((&reply["data"]["bucket"], &reply["hint"]), (&json!("my-bucket"), &Value::Null));
    let account = "0123456789abcdef0123456789abcdef";
    let r2 = api.ask(
        "r2/signed-url",
        &format!(
            r#"{{{FILE},"r2AccessKeyId":"id","r2SecretAccessKey":"secret","r2AccountId":"{account}","r2Bucket":"theirs","r2PublicUrl":"https://pub.example.com","s3StorageClass":"STANDARD_IA"}}"#
        ),
    );
    assert!(
        r2["uploadUrl"]
            .as_str()
            .unwrap()
            .starts_with(&format!("https://{account}.r2.cloudflarestorage.com/"))
    );
    assert!(r2["publicUrl"].as_str().unwrap().starts_with("https://pub.example.com/upl"), "{r2}");
    assert_eq!(
        (&r2["provider"], &r2["region"], &r2["storageClass"]),
        (&json!("r2"), &json!("auto"), &json!("STANDARD_IA"))
    );
}

#[test]
fn every_wrong_credential_has_its_code() {
    let api = api(CONFIG);
    let with = |id: &str, secret: &str, bucket: &str, rest: &str| {
        format!(r#"{{{FILE},"s3AccessKey":{id},"s3SecretKey":{secret},"s3Bucket":{bucket}{rest}}}"#)
    };
    let (id, secret) = (r#""AKIAIOSFODNN7EXAMPLE""#, r#""wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY""#);
    let region = r#","s3Region":"us-east-1""#;
    for (body, code) in [
        (with(id, secret, r#""b""#, region), Code::InvalidBucketName),
        (with(id, secret, r#""My-Bucket""#, region), Code::InvalidBucketName),
        (with(id, secret, r#""../other""#, region), Code::InvalidBucketName),
        (with(id, secret, r#""logs--x-s3""#, region), Code::InvalidBucketName),
        (with(id, secret, r#""""#, region), Code::InvalidBucketName),
        (with(id, secret, "7", region), Code::InvalidBucketName),
        (with(id, secret, "null", region), Code::MissingCredentials),
        (with("null", secret, r#""bucket""#, region), Code::MissingCredentials),
        (with(id, "null", r#""bucket""#, region), Code::MissingCredentials),
        (with(r#""""#, secret, r#""bucket""#, region), Code::InvalidCredentials),
        (with(id, r#""""#, r#""bucket""#, region), Code::InvalidCredentials),
        (with(r#""short""#, secret, r#""bucket""#, region), Code::InvalidCredentials),
        (with(id, r#""short""#, r#""bucket""#, region), Code::InvalidCredentials),
        (with(r#""AKIA IOSFODNN7EXAMPLE""#, secret, r#""bucket""#, region), Code::InvalidCredentials),
        (
            with(id, r#""wJalrXUtnFEMI\nK7MDENG/bPxRfiCYEXAMPLEKEY""#, r#""bucket""#, region),
            Code::InvalidCredentials,
        ),
        (
            with(id, r#""wJalrXUtnFEMIäK7MDENG/bPxRfiCYEXAMPLEKEY""#, r#""bucket""#, region),
            Code::InvalidCredentials,
        ),
        (with("7", secret, r#""bucket""#, region), Code::InvalidCredentials),
        (with(id, "{}", r#""bucket""#, region), Code::InvalidCredentials),
        (
            with(id, secret, r#""bucket""#, r#","s3Region":"us-east-1","s3SessionToken":"a b""#),
            Code::InvalidCredentials,
        ),
        (with(id, secret, r#""bucket""#, ""), Code::InvalidRegion),
        (with(id, secret, r#""bucket""#, r#","s3Region":"moon-1""#), Code::InvalidRegion),
        (with(id, secret, r#""bucket""#, r#","s3Region":"x@evil.example/#""#), Code::InvalidRegion),
        (with(id, secret, r#""bucket""#, r#","s3Region":7"#), Code::InvalidRegion),
        (
            with(
                id,
                secret,
                r#""bucket""#,
                r#","s3Region":"x@evil.example/#","s3Endpoint":"https://store.example.com""#,
            ),
            Code::InvalidRegion,
        ),
    ] {
        let error = api.refusal("s3/signed-url", &body);
        assert_eq!(error.code, code, "{body} {error:?}");
        assert_eq!(error.provider.as_deref(), Some("s3"));
    }
}

#[test]
fn an_unknown_region_is_told_the_known_ones() {
    let body = own("").replace("us-east-1", "moon-1");
    let regions = api(CONFIG).refusal("s3/signed-url", &body).valid_options;
    assert!(regions.len() > 30 && regions.contains(&"eu-central-1".to_owned()), "{regions:?}");
}

#[test]
fn other_plugins_ask_for_their_own_fields() {
    let api = api(CONFIG);
    for (path, body, code) in [
        (
            "r2/signed-url",
            r#""r2AccessKey":"i","r2SecretKey":"s","r2Bucket":"bucket""#,
            Code::MissingCredentials,
        ),
        (
            "r2/signed-url",
            r#""r2AccessKey":"i","r2SecretKey":"s","r2Bucket":"bucket","r2AccountId":"x/../""#,
            Code::InvalidCredentials,
        ),
        (
            "minio/signed-url",
            r#""minioAccessKey":"i","minioSecretKey":"s","minioBucket":"bucket""#,
            Code::MissingCredentials,
        ),
        ("r2/signed-url", r#""s3AccessKey":"i""#, Code::MissingCredentials),
    ] {
        assert_eq!(api.refusal(path, &format!("{{{FILE},{body}}}")).code, code, "{body}");
    }
}

#[test]
fn a_missing_credential_is_named() {
    let error = api(CONFIG).refusal("r2/signed-url", &format!(r#"{{{FILE},"r2SecretKey":"s"}}"#));
    assert_eq!(error.message, "Missing: `r2AccessKey`, `r2Bucket`.");
}

#[test]
fn callers_name_only_listed_endpoints() {
    let api = api(CONFIG);
    let with = |endpoint: &str| own(&format!(r#""s3Endpoint":{endpoint}"#));
    for (endpoint, host) in [
        (r#""https://store.example.com""#, "https://my-bucket.store.example.com/"),
        (r#""https://eu.stores.example.com/""#, "https://my-bucket.eu.stores.example.com/"),
        (r#""http://10.0.0.7:9000""#, "http://10.0.0.7:9000/my-bucket/"),
        (r#""https://s3.us-east-1.amazonaws.com""#, "https://my-bucket.s3.us-east-1.amazonaws.com/"),
        (r#""""#, "https://my-bucket.s3.us-east-1.amazonaws.com/"),
        ("null", "https://my-bucket.s3.us-east-1.amazonaws.com/"),
    ] {
        let reply = api.ask("s3/signed-url", &with(endpoint));
        assert!(reply["uploadUrl"].as_str().unwrap().starts_with(host), "{endpoint} {reply}");
    }
    for endpoint in [
        r#""http://169.254.169.254""#,
        r#""http://169.254.169.254/latest/meta-data""#,
        r#""http://2852039166""#,
        r#""http://0xa9.0xfe.0xa9.0xfe""#,
        r#""http://0251.0376.0251.0376""#,
        r#""http://[::ffff:169.254.169.254]""#,
        r#""http://127.1""#,
        r#""http://localhost""#,
        r#""http://10.0.0.7:9001""#,
        r#""http://167772167:9001""#,
        r#""https://store.example.com.evil.example""#,
        r#""https://store.example.com@evil.example""#,
        r#""https://evil.example#store.example.com""#,
        r#""http://store.example.com""#,
        r#""https://stores.example.com""#,
        r#""file:///etc/passwd""#,
        r#""gopher://store.example.com""#,
        r#""//store.example.com""#,
        r#""store.example.com""#,
        r#""https://s3.eu-west-1.amazonaws.com""#,
        r#""https://store.example.com\r\nhost: evil""#,
        "7",
    ] {
        assert_eq!(
            api.refusal("s3/signed-url", &with(endpoint)).code,
            Code::EndpointNotAllowed,
            "{endpoint}"
        );
    }
}

#[test]
fn callers_who_name_no_endpoint_get_the_configured_one() {
    let toml = CONFIG.replace(
        "[providers.main]",
        "[upload.callers.default_endpoints]\nminio = \"https://minio.example.com\"\n\n[providers.main]",
    );
    let body = format!(r#"{{{FILE},"minioAccessKey":"i","minioSecretKey":"s","minioBucket":"bucket"}}"#);
    let reply = api(&toml).ask("minio/signed-url", &body);
    assert!(
        reply["uploadUrl"].as_str().unwrap().starts_with("https://minio.example.com/bucket/upl"),
        "{reply}"
    );
}

#[test]
fn brought_credentials_are_taken_only_where_the_configuration_says_so() {
    let api = api(&CONFIG.replace("allowed = true", "allowed = false"));
    assert_eq!(api.refusal("s3/signed-url", &own("")).code, Code::CallerCredentialsNotAllowed);
    assert_eq!(api.refusal("r2/signed-url", &format!("{{{FILE}}}")).code, Code::UnknownProvider);
    assert!(!api.refusal("supabase/signed-url", "{}").valid_options.contains(&"r2".to_owned()));
}
