//! The API without a socket: every code that its routes can answer with, and the shape of every reply.

use std::{net::Ipv4Addr, sync::Arc};

use futures_util::FutureExt;
use http::Method;
use http_body_util::BodyExt;
use proptest::prelude::*;
use secrecy::SecretString;
use serde_json::{Value, json};
use wharf_wire::date::Timestamp;

use super::*;
use crate::{
    config::{Environment, checked::KeyConfig, from_toml_text},
    error::Code,
    request::seal::Purpose,
};

mod bounds;

const NOW: u64 = 1_795_307_826_434;

const CONFIG: &str = r#"
[upload.callers]
allowed = true
endpoints = ["https://store.example.com", "https://*.stores.example.com", "http://10.0.0.7:9000"]

[providers.main]
plugin = "s3"
region = "eu-west-1"
access_key_id = "AKIAIOSFODNN7EXAMPLE"
secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

[providers.spare]
plugin = "s3"
region = "us-east-1"
access_key_id = "AKIAIOSFODNN7EXAMPLE"
secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

[providers.local]
plugin = "minio"
endpoint = "http://127.0.0.1:9000"
access_key_id = "minio"
secret_access_key = "minio-secret"

[buckets.photos]
provider = "main"
bucket = "acme-photos"
key_prefix = "site/"
storage_class = "STANDARD_IA"
cdn = { domain = "cdn.example.com" }

[buckets.films]
provider = "spare"
bucket = "acme-films"
public = true
accept = { file_bytes_max = 1000, content_types = ["video/*"], extensions = ["mp4"] }

[buckets.notes]
provider = "local"
bucket = "notes"
encryption = { type = "SSE-S3" }

[[keys]]
id = "everything"
secret = "a secret of the tests, long enough"
allow = [{ bucket = "*", actions = ["read", "write", "delete", "list"] }]

[[keys]]
id = "inbox"
secret = "a secret of the tests, long enough"
allow = [{ bucket = "photos", prefix = "inbox/", actions = ["read", "write"] }]

[[keys]]
id = "reader"
secret = "a secret of the tests, long enough"
allow = [{ bucket = "photos", actions = ["read"] }]
"#;

/// Names and values for a body of the caller's own credentials.
const OWN: &str = r#""s3AccessKey":"AKIAIOSFODNN7EXAMPLE","s3SecretKey":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY","s3Bucket":"my-bucket","s3Region":"us-east-1""#;

const FILE: &str = r#""filename":"a.txt","contentType":"text/plain""#;

fn api(toml: &str) -> UploadApi {
    let config = from_toml_text(toml, &Environment::default()).unwrap_or_else(|error| panic!("{error}"));
    let clock = Clock::Fixed(Timestamp::from_unix_millis(NOW));
    UploadApi::new(Parts {
        rate_limits: Arc::new(RateLimits::new(&config, clock, None)),
        signing_keys: Arc::new(SigningKeys::new(64)),
        sealer: Arc::new(Sealer::new(&[SecretString::from("00".repeat(32))]).unwrap()),
        config: Arc::new(config),
        clock,
    })
}

impl UploadApi {
    fn key(&self, id: &str) -> Identity {
        let key: &Arc<KeyConfig> = self.parts.config.keys.iter().find(|key| key.id == id).unwrap();
        Identity::Key(Arc::clone(key))
    }

    fn ask_as(&self, identity: &Identity, path: &str, body: &str) -> Result<Value, Error> {
        self.ask_bytes(identity, path, body.as_bytes())
    }

    fn ask_bytes(&self, identity: &Identity, path: &str, body: &[u8]) -> Result<Value, Error> {
        let context = Context {
            request_id: "req-1".to_owned(),
            client_ip: Ipv4Addr::LOCALHOST.into(),
            is_loopback: true,
            received: Timestamp::from_unix_millis(NOW),
        };
        let route = route(&Method::POST, &format!("{BASE}{path}"))?;
        let call = Call { route: &route, identity, context: &context, body };
        let response = self.handle(&call, &mut Standing::default())?;
        let frame = response.into_body().frame().now_or_never().flatten().expect("a whole body").unwrap();
        Ok(serde_json::from_slice(&frame.into_data().unwrap()).unwrap())
    }

    fn ask(&self, path: &str, body: &str) -> Value {
        self.ask_as(&self.key("everything"), path, body).unwrap_or_else(|error| panic!("{body}: {error:?}"))
    }

    fn refusal(&self, path: &str, body: &str) -> Error {
        self.ask_as(&self.key("everything"), path, body).expect_err(body)
    }
}

fn own(fields: &str) -> String {
    format!("{{{FILE},{OWN}{}{fields}}}", if fields.is_empty() { "" } else { "," })
}

/// The value of one query parameter of a URL, as it stands there.
fn parameter<'u>(url: &'u Value, name: &str) -> Option<&'u str> {
    let (_, query) = url.as_str().unwrap().split_once('?').unwrap();
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

#[test]
fn a_configured_bucket_signs_below_its_prefix() {
    let api = api(CONFIG);
    let reply = api.ask(
        "photos/signed-url",
        r#"{"filename":"my photo (1).jpg","contentType":"image/jpeg","fileSize":11}"#,
    );
    let id = reply["uploadId"].as_str().unwrap();
    assert_eq!(reply["key"], format!("{id}_my_photo_(1).jpg"));
    let path = format!("site/{id}_my_photo_%281%29.jpg");
    let host = "https://acme-photos.s3.eu-west-1.amazonaws.com";
    assert!(reply["uploadUrl"].as_str().unwrap().starts_with(&format!("{host}/{path}?")), "{reply}");
    assert_eq!(reply["publicUrl"], format!("{host}/{path}"));
    assert_eq!(reply["cdnUrl"], format!("https://cdn.example.com/{path}"));
    assert_eq!(parameter(&reply["uploadUrl"], "X-Amz-SignedHeaders"), Some("host"));
    assert_eq!(parameter(&reply["uploadUrl"], "x-amz-storage-class"), Some("STANDARD_IA"));
    assert_eq!(parameter(&reply["uploadUrl"], "X-Amz-Expires"), Some("3600"));
    assert_eq!(parameter(&reply["uploadUrl"], "x-amz-checksum-crc32"), None);
    assert_eq!(reply["expiresAt"], Timestamp::from_unix_millis(NOW).plus_seconds(3600).rfc3339());
    assert!(reply["hint"].as_str().unwrap().contains("private"));
    let expected = json!({
        "success": true, "provider": "s3", "region": "eu-west-1", "storageClass": "STANDARD_IA",
        "encryption": {"type": "SSE-S3", "algorithm": "AES256", "kmsKeyId": null},
        "expiresIn": 3600, "requiredHeaders": {}, "webhook": null,
        "performance": {"requestId": "req-1", "totalTime": "0.000ms"},
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&reply[field], value, "{field}");
    }
    assert_eq!(
        reply["data"],
        json!({
            "filename": reply["key"], "originalFilename": "my photo (1).jpg", "contentType": "image/jpeg",
            "bucket": "photos", "method": "PUT",
        })
    );
}

#[test]
fn a_complete_token_says_what_was_signed_and_no_secret() {
    let api = api(CONFIG);
    let open = |reply: &Value| -> Value {
        let token = reply["completeToken"].as_str().unwrap();
        api.parts.sealer.open(Purpose::Complete, token).unwrap()
    };
    let reply =
        api.ask("films/signed-url", r#"{"filename":"a.mp4","contentType":"video/mp4","fileSize":999}"#);
    assert_eq!(
        open(&reply),
        json!({
            "place": {"configured": "films"}, "uploadId": reply["uploadId"], "key": reply["key"],
            "contentType": "video/mp4", "fileBytes": 999, "fileBytesMax": 1000,
            "expiresAt": NOW / 1000 + 3600 + 86_400,
        })
    );
    let brought = open(&api.ask("s3/signed-url", &own("")));
    assert_eq!(brought["place"], json!({"brought": ["s3", "my-bucket"]}));
    assert_eq!(brought["fileBytes"], Value::Null);
    assert!(!brought.to_string().contains("AKIA"));
}

#[test]
fn whose_bucket_it_is_follows_from_body_and_path() {
    let api = api(CONFIG);
    for (path, body, bucket) in [
        ("photos/signed-url", "", "photos"),
        ("main/signed-url", "", "photos"),
        ("s3/signed-url", r#","bucket":"photos""#, "photos"),
        ("photos/signed-url", r#","bucket":"notes""#, "notes"),
        ("minio/signed-url", "", "notes"),
        ("local/signed-url", "", "notes"),
        ("photos/signed-url", r#","bucket":null,"s3Region":"us-east-1""#, "photos"),
        ("photos/signed-url", r#","bucket":"","r2Bucket":"theirs""#, "photos"),
    ] {
        let reply = api.ask(path, &format!("{{{FILE}{body}}}"));
        assert_eq!(reply["data"]["bucket"], bucket, "{path} {body}");
    }
    let ambiguous = api.refusal("s3/signed-url", &format!("{{{FILE}}}"));
    assert_eq!(ambiguous.code, Code::AmbiguousBucket);
    assert_eq!(ambiguous.valid_options, ["films", "photos"]);
    for (path, body) in [("supabase/signed-url", ""), ("photos/signed-url", r#","bucket":"nothing""#)] {
        let unknown = api.refusal(path, &format!("{{{FILE}{body}}}"));
        assert_eq!(unknown.code, Code::UnknownProvider);
        let known = unknown.valid_options.iter().map(String::as_str);
        assert!(known.clone().any(|name| name == "photos") && known.clone().any(|name| name == "r2"));
    }
}

#[test]
fn an_error_tells_a_caller_of_no_bucket_that_is_not_theirs() {
    let api = api(CONFIG);
    for path in ["supabase/signed-url", "s3/signed-url"] {
        let error = api.ask_as(&api.key("inbox"), path, &format!("{{{FILE}}}")).unwrap_err();
        assert!(error.valid_options.contains(&"photos".to_owned()), "{error:?}");
        assert!(!format!("{error:?}").contains("films"), "{error:?}");
    }
}

#[test]
fn grants_decide_who_may_upload_and_where() {
    let api = api(CONFIG);
    let body = format!("{{{FILE}}}");
    let inbox = api.ask_as(&api.key("inbox"), "photos/signed-url", &body).unwrap();
    assert!(inbox["key"].as_str().unwrap().starts_with("inbox/upl"), "{inbox}");
    assert!(inbox["publicUrl"].as_str().unwrap().contains(".com/site/inbox/upl"), "{inbox}");
    let download = format!(r#"{{"key":{}}}"#, inbox["key"]);
    let read = api.ask_as(&api.key("inbox"), "download/photos/signed-url", &download).unwrap();
    assert_eq!(read["publicUrl"], inbox["publicUrl"]);
    for (key, path, body) in [
        ("reader", "photos/signed-url", body.as_str()),
        ("inbox", "download/photos/signed-url", r#"{"key":"other/a.txt"}"#),
        ("reader", "photos/batch-signed-url", r#"{"files":[{"filename":"a","contentType":"a/b"}]}"#),
    ] {
        let error = api.ask_as(&api.key(key), path, body).unwrap_err();
        assert_eq!(error.code, Code::AccessDenied, "{key} {path}");
    }
    assert!(api.ask_as(&Identity::Loopback, "notes/signed-url", &body).is_ok());
}

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

#[test]
fn every_wrong_field_has_its_code() {
    let api = api(CONFIG);
    for (body, code) in [
        (r#"{"contentType":"a/b"}"#.to_owned(), Code::MissingFields),
        (r#"{"filename":"a"}"#.to_owned(), Code::MissingFields),
        (r#"{"filename":"","contentType":"a/b"}"#.to_owned(), Code::MissingFields),
        (r#"{"filename":null,"contentType":null}"#.to_owned(), Code::MissingFields),
        (r#"{"filename":"a","contentType":"a\r\nx: y"}"#.to_owned(), Code::InvalidField),
        (r#"{"filename":"a","contentType":"ä/b"}"#.to_owned(), Code::InvalidField),
        (r#"{"filename":"a","contentType":"a/b","fileSize":-1}"#.to_owned(), Code::InvalidField),
        (r#"{"filename":"a","contentType":"a/b","fileSize":1.5}"#.to_owned(), Code::InvalidField),
        (r#"{"filename":"a","contentType":"a/b","fileSize":5368709121}"#.to_owned(), Code::FileTooLarge),
        (r#"{"filename":"a","contentType":"a/b","fileSize":"5"}"#.to_owned(), Code::InvalidJson),
        (r#"{"filename":7,"contentType":"a/b"}"#.to_owned(), Code::InvalidJson),
        (format!(r#"{{{FILE},"expiresIn":59}}"#), Code::ExpiryTooShort),
        (format!(r#"{{{FILE},"expiresIn":-5}}"#), Code::ExpiryTooShort),
        (format!(r#"{{{FILE},"expiresIn":604801}}"#), Code::ExpiryTooLong),
        (format!(r#"{{{FILE},"expiresIn":1e308}}"#), Code::ExpiryTooLong),
        (format!(r#"{{{FILE},"expiresIn":1e309}}"#), Code::InvalidJson),
        (format!(r#"{{{FILE},"expiresIn":"3600"}}"#), Code::InvalidJson),
        (format!(r#"{{{FILE},"expiresIn":90.5}}"#), Code::InvalidField),
        (format!(r#"{{{FILE},"s3StorageClass":"COLD"}}"#), Code::InvalidStorageClass),
        (format!(r#"{{{FILE},"s3StorageClass":"EXPRESS_ONEZONE"}}"#), Code::InvalidStorageClass),
        (format!(r#"{{{FILE},"s3StorageClass":["STANDARD"]}}"#), Code::InvalidStorageClass),
        (format!(r#"{{{FILE},"s3EncryptionType":"ROT13"}}"#), Code::InvalidEncryptionType),
        (format!(r#"{{{FILE},"s3EncryptionType":"SSE-KMS"}}"#), Code::MissingKmsKey),
        (
            format!(r#"{{{FILE},"s3EncryptionType":"SSE-KMS","s3KmsKeyId":"my key"}}"#),
            Code::InvalidKmsKeyFormat,
        ),
        (format!(r#"{{{FILE},"s3KmsKeyId":"x"}}"#), Code::InvalidKmsKeyFormat),
        (format!(r#"{{{FILE},"s3KmsKeyId":7}}"#), Code::InvalidKmsKeyFormat),
        (format!(r#"{{{FILE},"s3CloudFrontDomain":7}}"#), Code::InvalidCdnDomain),
        (format!(r#"{{{FILE},"s3CloudFrontDomain":"cdn.example.com/path"}}"#), Code::InvalidCdnDomain),
        (format!(r#"{{{FILE},"s3CloudFrontDomain":"cdn.example.com:8443"}}"#), Code::InvalidCdnDomain),
        (format!(r#"{{{FILE},"s3CloudFrontDomain":"ftp://cdn.example.com"}}"#), Code::InvalidCdnDomain),
        (format!(r#"{{{FILE},"metadata":{{"a\r\nb":"c"}}}}"#), Code::InvalidField),
        (format!(r#"{{{FILE},"metadata":{{"a":7}}}}"#), Code::InvalidJson),
        (format!(r#"{{{FILE},"networkInfo":"4g"}}"#), Code::InvalidJson),
        (format!(r#"{{{FILE},"magicBytes":"FFD8"}}"#), Code::InvalidJson),
        (format!(r#"{{{FILE},"validation":"virus-free"}}"#), Code::InvalidField),
        (format!(r#"{{{FILE},"validation":"images"}}"#), Code::ValidationFailed),
        (format!(r#"{{{FILE},"filename":"b"}}"#), Code::InvalidJson),
    ] {
        let error = api.refusal("photos/signed-url", &body);
        assert_eq!(error.code, code, "{body} {error:?}");
    }
    let classes =
        api.refusal("photos/signed-url", &format!(r#"{{{FILE},"s3StorageClass":"COLD"}}"#)).valid_options;
    assert!(classes.contains(&"GLACIER_IR".to_owned()), "{classes:?}");
    let lacking = format!(r#"{{{FILE},"s3StorageClass":"GLACIER"}}"#);
    assert_eq!(api.refusal("notes/signed-url", &lacking).valid_options, ["STANDARD", "REDUCED_REDUNDANCY"]);
}

#[test]
fn a_bucket_accepts_what_it_says() {
    let api = api(CONFIG);
    for (body, code) in [
        (r#"{"filename":"a.mp4","contentType":"video/mp4"}"#, Code::MissingFields),
        (r#"{"filename":"a.mp4","contentType":"video/mp4","fileSize":1001}"#, Code::FileTooLarge),
        (r#"{"filename":"a.mp4","contentType":"text/html","fileSize":1}"#, Code::ValidationFailed),
        (r#"{"filename":"a.exe","contentType":"video/mp4","fileSize":1}"#, Code::ValidationFailed),
    ] {
        assert_eq!(api.refusal("films/signed-url", body).code, code, "{body}");
    }
    let body = r#"{"filename":"a.mp4","contentType":"video/mp4","fileSize":1000}"#;
    assert_eq!(api.ask("films/signed-url", body)["hint"], Value::Null);
}

#[test]
fn options_of_an_upload_reach_the_signature() {
    let api = api(CONFIG);
    let reply = |fields: &str| api.ask("photos/signed-url", &format!("{{{FILE},{fields}}}"));
    for (asked, sent) in [
        ("GLACIER_INSTANT_RETRIEVAL", "GLACIER_IR"),
        ("GLACIER_FLEXIBLE_RETRIEVAL", "GLACIER"),
        ("GLACIER_DEEP_ARCHIVE", "DEEP_ARCHIVE"),
        ("INTELLIGENT_TIERING", "INTELLIGENT_TIERING"),
    ] {
        let reply = reply(&format!(r#""s3StorageClass":"{asked}""#));
        assert_eq!(reply["storageClass"], sent);
        assert_eq!(parameter(&reply["uploadUrl"], "x-amz-storage-class"), Some(sent));
    }
    let metadata = reply(r#""metadata":{"Author":"Zoë","n":"1"}"#);
    assert_eq!(
        parameter(&metadata["uploadUrl"], "x-amz-meta-author"),
        Some("%3D%3FUTF-8%3FB%3FWm%2FDqw%3D%3D%3F%3D")
    );
    assert_eq!(parameter(&metadata["uploadUrl"], "X-Amz-SignedHeaders"), Some("host"));
    let kms = reply(r#""s3EncryptionType":"SSE-KMS","s3KmsKeyId":"alias/photos""#);
    assert_eq!(
        kms["encryption"],
        json!({"type": "SSE-KMS", "algorithm": "aws:kms", "kmsKeyId": "alias/photos"})
    );
    assert_eq!(
        kms["requiredHeaders"],
        json!({"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": "alias/photos"})
    );
    assert!(kms["hint"].as_str().unwrap().contains("requiredHeaders"));
    let aes = reply(r#""s3EncryptionType":"AES256","s3EnableVersioning":true"#);
    assert_eq!((&aes["encryption"]["type"], &aes["requiredHeaders"]), (&json!("SSE-S3"), &json!({})));
}

#[test]
fn a_store_that_encrypts_only_when_asked_is_asked_by_header() {
    let reply = api(CONFIG).ask("notes/signed-url", &format!("{{{FILE}}}"));
    assert_eq!(reply["requiredHeaders"], json!({"x-amz-server-side-encryption": "AES256"}));
    let plain = CONFIG.replace("encryption = { type = \"SSE-S3\" }", "");
    let reply = api(&plain).ask("notes/signed-url", &format!("{{{FILE}}}"));
    assert_eq!(reply["requiredHeaders"], json!({}));
    assert_eq!(reply["encryption"], json!({"type": null, "algorithm": null, "kmsKeyId": null}));
}

#[test]
fn a_webhook_is_not_passed_over_in_silence() {
    let reply = api(CONFIG).ask("s3/signed-url", &own(r#""webhook":{"url":"https://example.com/hook"}"#));
    assert_eq!(reply["webhook"], Value::Null);
    assert!(reply["hint"].as_str().unwrap().contains("No webhook was registered"));
}

#[test]
fn names_from_clients_never_climb_and_never_repeat() {
    let api = api(CONFIG);
    let body = r#"{"filename":"../../etc/pa\r\nss wd\u202e","contentType":""}"#;
    let (one, two) = (api.ask("photos/signed-url", body), api.ask("photos/signed-url", body));
    assert_ne!(one["key"], two["key"]);
    assert!(one["key"].as_str().unwrap().ends_with("_pass_wd"), "{one}");
    assert_eq!(one["data"]["contentType"], "application/octet-stream");
}

#[test]
fn a_batch_answers_for_each_file() {
    let api = api(CONFIG);
    let reply = api.ask(
        "films/batch/signed-urls",
        r#"{"files":[
            {"filename":"a.mp4","contentType":"video/mp4","fileSize":1},
            {"filename":"b.mp4","contentType":"video/mp4","fileSize":2000},
            {"filename":"c.mp4","fileSize":1},
            {"filename":"d.mp4","contentType":"video/mp4","fileSize":5}
        ],"expiresIn":600,"webhook":{}}"#,
    );
    assert_eq!(reply["success"], true);
    assert_eq!(reply["summary"], json!({"total": 4, "successful": 2, "failed": 2}));
    let results = reply["results"].as_array().unwrap();
    for (index, name) in [(0, "a.mp4"), (3, "d.mp4")] {
        let file = &results[index];
        assert_eq!((&file["success"], &file["index"]), (&json!(true), &json!(index)));
        assert_eq!(file["originalFilename"], name);
        assert_eq!(file["key"], file["uploadFilename"]);
        assert!(file["uploadUrl"].as_str().unwrap().contains(file["key"].as_str().unwrap()));
        assert_eq!(parameter(&file["uploadUrl"], "X-Amz-Expires"), Some("600"));
        for field in [
            "publicUrl",
            "cdnUrl",
            "contentType",
            "fileSize",
            "expiresAt",
            "storageClass",
            "encryption",
            "smartExpiry",
        ] {
            assert!(file.get(field).is_some(), "{field}");
        }
    }
    for (index, code) in [(1, "FILE_TOO_LARGE"), (2, "MISSING_FIELDS")] {
        assert_eq!((&results[index]["success"], &results[index]["error"]), (&json!(false), &json!(code)));
        assert_eq!(results[index]["index"], index);
        assert!(!results[index]["message"].as_str().unwrap().is_empty());
    }
    assert!(reply["hint"].as_str().unwrap().contains("No webhook"));
}

#[test]
fn a_batch_is_a_list_of_1_to_100_files() {
    let api = api(CONFIG);
    let files = |count: usize| {
        let file = r#"{"filename":"a.txt","contentType":"text/plain"}"#;
        format!(r#"{{"files":[{}]}}"#, vec![file; count].join(","))
    };
    let full = api.ask("photos/batch-signed-url", &files(100));
    let keys: std::collections::HashSet<&str> =
        full["results"].as_array().unwrap().iter().map(|file| file["key"].as_str().unwrap()).collect();
    assert_eq!(keys.len(), 100);
    for (body, code) in [
        (files(101), Code::BatchTooLarge),
        (files(0), Code::InvalidFilesArray),
        ("{}".to_owned(), Code::InvalidFilesArray),
        (r#"{"files":null}"#.to_owned(), Code::InvalidFilesArray),
        (r#"{"files":"a.txt"}"#.to_owned(), Code::InvalidFilesArray),
        (r#"{"files":["a.txt"]}"#.to_owned(), Code::InvalidFilesArray),
        (r#"{"files":[{"filename":7}]}"#.to_owned(), Code::InvalidFilesArray),
        (r#"{"files":{"0":{}}}"#.to_owned(), Code::InvalidFilesArray),
    ] {
        assert_eq!(api.refusal("photos/batch-signed-url", &body).code, code, "{body}");
    }
}

#[test]
fn the_last_url_of_a_batch_outlives_the_uploads_before_it() {
    let api = api(CONFIG);
    let file = r#"{"filename":"a.bin","contentType":"a/b","fileSize":1000000000}"#;
    let expiry = |count: usize| {
        let files = vec![file; count].join(",");
        let body = format!(r#"{{"files":[{files}],"networkInfo":{{"effectiveType":"4g"}}}}"#);
        let reply = api.ask("photos/batch-signed-url", &body);
        let last = reply["results"].as_array().unwrap().last().unwrap();
        assert_eq!(last["smartExpiry"]["applied"], true);
        last["expiresIn"].as_u64().unwrap()
    };
    assert_eq!(expiry(10), expiry(1) * 10);
}

#[test]
fn downloads_name_the_object_and_how_it_is_served() {
    let api = api(CONFIG);
    let reply = api.ask(
        "photos/download-url",
        r#"{"fileKey":"folder/a b.txt","expiresIn":300,"responseContentType":"text/plain","responseContentDisposition":"attachment; filename=\"a.txt\""}"#,
    );
    let url = &reply["downloadUrl"];
    assert!(
        url.as_str()
            .unwrap()
            .starts_with("https://acme-photos.s3.eu-west-1.amazonaws.com/site/folder/a%20b.txt?")
    );
    assert_eq!(parameter(url, "X-Amz-Expires"), Some("300"));
    assert_eq!(parameter(url, "response-content-type"), Some("text%2Fplain"));
    assert_eq!(
        parameter(url, "response-content-disposition"),
        Some("attachment%3B%20filename%3D%22a.txt%22")
    );
    assert_eq!(reply["cdnUrl"], "https://cdn.example.com/site/folder/a%20b.txt");
    assert_eq!((&reply["key"], &reply["fileKey"]), (&json!("folder/a b.txt"), &json!("folder/a b.txt")));
    assert_eq!((&reply["expiresIn"], &reply["provider"]), (&json!(300), &json!("s3")));
    let version = api.ask("download/photos/signed-url", r#"{"key":"a","versionId":"v/1"}"#);
    assert_eq!(parameter(&version["downloadUrl"], "versionId"), Some("v%2F1"));
    assert_eq!(version["cdnUrl"], Value::Null);
}

#[test]
fn every_wrong_download_has_its_code() {
    let api = api(CONFIG);
    for (body, code) in [
        ("{}", Code::MissingKey),
        (r#"{"key":""}"#, Code::MissingKey),
        (r#"{"key":null}"#, Code::MissingKey),
        (r#"{"key":7}"#, Code::InvalidJson),
        (r#"{"key":"a","fileKey":"b"}"#, Code::InvalidJson),
        (r#"{"key":"../secret"}"#, Code::InvalidField),
        (r#"{"key":"a/../../secret"}"#, Code::InvalidField),
        (r#"{"key":"a/.."}"#, Code::InvalidField),
        (r#"{"key":"./a"}"#, Code::InvalidField),
        (r#"{"key":"a\\..\\b"}"#, Code::InvalidField),
        (r#"{"key":"a\r\nb"}"#, Code::InvalidField),
        (r#"{"key":"a\u0000"}"#, Code::InvalidField),
        (r#"{"key":"a","responseContentType":"a\r\nset-cookie: x"}"#, Code::InvalidField),
        (r#"{"key":"a","responseContentDisposition":"a\u0000"}"#, Code::InvalidField),
        (r#"{"key":"a","versionId":"a\nb"}"#, Code::InvalidField),
        (r#"{"key":"a","expiresIn":1}"#, Code::ExpiryTooShort),
        (r#"{"key":"a","s3CloudFrontDomain":"cdn/x"}"#, Code::InvalidCdnDomain),
    ] {
        assert_eq!(api.refusal("download/photos/signed-url", body).code, code, "{body}");
    }
    let long = format!(r#"{{"key":"{}"}}"#, "k".repeat(1020));
    assert_eq!(api.refusal("download/photos/signed-url", &long).code, Code::InvalidField);
    for fine in [r#"{"key":"a..b"}"#, r#"{"key":"a/...//b"}"#, r#"{"key":"日本/%2e%2e"}"#] {
        assert_eq!(api.ask("download/photos/signed-url", fine)["success"], true, "{fine}");
    }
}

#[test]
fn what_is_not_json_is_refused_with_its_place() {
    let api = api(CONFIG);
    let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    for body in
        ["", "{", "[]", "null", "7", "\"x\"", "{}{}", r#"{"filename":"a"#, r#"{"filename":"\ud800"}"#, &deep]
    {
        for path in ["photos/signed-url", "photos/batch-signed-url", "download/photos/signed-url"] {
            let error = api.refusal(path, body);
            assert_eq!(error.code, Code::InvalidJson, "{path} {}", body.chars().take(40).collect::<String>());
        }
    }
    let error = api.refusal("photos/signed-url", "{\n\"expiresIn\":1e309}");
    assert_eq!(
        error.message,
        "The body stops being JSON that can be read at `expiresIn` (line 2, column 17)."
    );
}

#[test]
fn an_error_never_quotes_a_value() {
    let api = api(CONFIG);
    for body in [
        r#"{"expiresIn":"canary"}"#,
        r#"{"files":"canary"}"#,
        r#"{"s3SecretKey":["canary"]}"#,
        r#"{"s3SecretKey":"canary"}"#,
        r#"{"s3AccessKey":"canary","s3SecretKey":"canary","s3Bucket":"Canary canary"}"#,
        r#"{"metadata":{"canary":7}}"#,
        r#"{"s3SecretKey":"canary","s3SecretKey":"canary"}"#,
        r#"{"s3SecretKey":"canary"#,
        r#"{"networkInfo":{"rtt":"canary"}}"#,
        r#"{"filename":"a","contentType":"canary\u0000"}"#,
    ] {
        let error = api.refusal("s3/signed-url", body);
        assert!(!format!("{error:?}").contains("canary"), "{body} {error:?}");
    }
}

#[test]
fn a_key_is_told_whose_it_is() {
    let api = api(CONFIG);
    let reply = api.ask("validate-key", "");
    assert_eq!((&reply["success"], &reply["valid"]), (&json!(true), &json!(true)));
    assert_eq!(reply["data"]["api_key"]["id"], "everything");
    assert_eq!(reply["data"]["user"]["email"], Value::Null);
    let user = Identity::User { subject: "ann".to_owned(), allow: Arc::from([]) };
    let reply = api.ask_as(&user, "validate-key", "").unwrap();
    assert_eq!((&reply["data"]["user"]["id"], &reply["data"]["api_key"]), (&json!("ann"), &Value::Null));
    assert_eq!(api.ask_as(&Identity::Loopback, "validate-key", "").unwrap()["valid"], true);
}

proptest! {
    #[test]
    fn whatever_comes_an_answer_leaves(body in ".{0,200}", at in 0_usize..600, byte in proptest::num::u8::ANY) {
        let api = api(CONFIG);
        let mut nearly = own(r#""metadata":{"a":"b"},"networkInfo":{"rtt":1},"validation":{"minSize":1},"files":[{}]"#).into_bytes();
        if let Some(there) = nearly.get_mut(at) {
            *there = byte;
        }
        for path in ["s3/signed-url", "photos/signed-url", "s3/batch-signed-url", "download/s3/signed-url"] {
            for body in [body.as_bytes(), nearly.as_slice()] {
                match api.ask_bytes(&api.key("everything"), path, body) {
                    Ok(reply) => prop_assert_eq!(&reply["success"], true),
                    Err(error) => prop_assert!(error.code.status().is_client_error(), "{error:?}"),
                }
            }
        }
    }
}
