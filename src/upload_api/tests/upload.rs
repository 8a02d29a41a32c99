//! What an upload is signed with, and what is wrong with one.

use serde_json::{Value, json};
use wharf_wire::date::Timestamp;

use super::{CONFIG, FILE, NOW, api, own, parameter};
use crate::{
    error::Code,
    seal::Purpose,
    upload_api::{CompleteToken, Place},
};

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
    let open = |reply: &Value| -> CompleteToken<'static> {
        let token = reply["completeToken"].as_str().unwrap();
        api.parts.sealer.open(Purpose::Complete, token).unwrap()
    };
    let reply =
        api.ask("films/signed-url", r#"{"filename":"a.mp4","contentType":"video/mp4","fileSize":999}"#);
    assert_eq!(
        open(&reply),
        CompleteToken {
            place: Place::Configured("films".into()),
            upload_id: reply["uploadId"].as_str().unwrap().into(),
            key: reply["key"].as_str().unwrap().into(),
            content_type: "video/mp4".into(),
            file_bytes: Some(999),
            file_bytes_max: 1000,
            expires_at: NOW / 1000 + 3600 + 86_400,
        }
    );
    let brought = open(&api.ask("s3/signed-url", &own("")));
    assert_eq!(brought.place, Place::Brought("s3".into(), "my-bucket".into()));
    assert_eq!(brought.file_bytes, None);
    assert!(!format!("{brought:?}").contains("AKIA"));
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
