//! The published SDK's own requests, byte for byte, against the routes that sign.

use std::fs;

use serde_json::{Value, json};
use wharf_demo::{Store, StoreOptions};
use wharf_wire::date::Timestamp;

use crate::support::{
    gateway::TestGateway,
    raw::{Raw, Reply},
};

/// Requests as the SDK sent them: method, path, headers and the bytes of the body.
const RECORDED: &str = include_str!("data/sdk-requests.json");

/// When they were recorded, give or take half a second.
const RECORDED_AT: u64 = 1_795_307_826_700;

const KEY_WITH_SECRET: &str = r#"
[upload.callers]
allowed = true
[[keys]]
id = "ox_test_0123456789abcdef"
secret = "sk_test_secret_0123456789abcdef"
"#;

const KEY_WITHOUT_SECRET: &str = r#"
[upload.callers]
allowed = true
[[keys]]
id = "ox_test_0123456789abcdef"
"#;

/// The recorded requests to paths that end with one of `endings`.
fn recorded(endings: &[&str]) -> Vec<Value> {
    let all: Vec<Value> = serde_json::from_str(RECORDED).unwrap();
    let path = |request: &Value| request["path"].as_str().unwrap().to_owned();
    all.into_iter().filter(|request| endings.iter().any(|ending| path(request).ends_with(ending))).collect()
}

async fn replay(gateway: &TestGateway, request: &Value) -> (Reply, Value) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (path, body) = (text(&request["path"]), text(&request["body"]));
    let headers = request["headers"].as_object().unwrap().iter();
    let headers: Vec<_> = headers.map(|(name, value)| format!("{name}: {}\r\n", text(value))).collect();
    let wire = format!(
        "{} {path} HTTP/1.1\r\nhost: wharf.test\r\n{}content-length: {}\r\n\r\n{body}",
        text(&request["method"]),
        headers.concat(),
        body.len()
    );
    let reply = Raw::connect(gateway.api()).await.ask(wire).await;
    let json = serde_json::from_str(&reply.body).unwrap();
    (reply, json)
}

async fn gateway(toml: &str) -> TestGateway {
    TestGateway::start_at(toml, Timestamp::from_unix_millis(RECORDED_AT)).await
}

#[tokio::test]
async fn every_signed_upload_is_answered_as_the_contract_says() {
    let gateway = gateway(KEY_WITH_SECRET).await;
    let mut signed = 0;
    for request in recorded(&["/signed-url"]).iter().filter(|request| !is_download(request)) {
        let (reply, json) = replay(&gateway, request).await;
        if request["headers"].get("x-signature").is_none() {
            assert_eq!((reply.status, reply.code().as_str()), (401, "MISSING_SIGNATURE"));
            continue;
        }
        assert_eq!((reply.status, &json["success"]), (200, &json!(true)), "{json}");
        let body: Value = serde_json::from_str(request["body"].as_str().unwrap()).unwrap();
        assert_eq!(json["expiresIn"], body["expiresIn"]);
        assert_eq!(json["data"]["originalFilename"], body["filename"]);
        let (id, key) = (json["uploadId"].as_str().unwrap(), json["key"].as_str().unwrap());
        assert!(id.starts_with("upl") && key.starts_with(&format!("{id}_")), "{json}");
        assert_eq!(json["performance"]["requestId"].as_str(), reply.header("x-request-id"));
        assert_eq!(json["smartExpiry"]["applied"], false);
        for field in FIELDS {
            assert!(json.get(field).is_some(), "{field} in {json}");
        }
        let url = json["uploadUrl"].as_str().unwrap();
        assert!(url.is_ascii() && url.starts_with("https://") && !url.contains("checksum"), "{url}");
        signed += 1;
    }
    assert_eq!(signed, 8);
}

/// What every reply of `signed-url` has.
const FIELDS: [&str; 19] = [
    "success",
    "provider",
    "uploadUrl",
    "publicUrl",
    "cdnUrl",
    "uploadId",
    "key",
    "region",
    "storageClass",
    "encryption",
    "expiresIn",
    "expiresAt",
    "requiredHeaders",
    "completeToken",
    "hint",
    "data",
    "smartExpiry",
    "webhook",
    "performance",
];

#[tokio::test]
async fn a_key_without_a_secret_asks_for_no_signature() {
    let gateway = gateway(KEY_WITHOUT_SECRET).await;
    let mut requests = recorded(&["/signed-url"]);
    requests.retain(|request| request["headers"].get("x-signature").is_none());
    assert_eq!(requests.len(), 1);
    let (reply, json) = replay(&gateway, &requests[0]).await;
    assert_eq!((reply.status, &json["success"]), (200, &json!(true)), "{json}");
}

#[tokio::test]
async fn a_class_a_key_and_a_cdn_are_honoured() {
    let gateway = gateway(KEY_WITH_SECRET).await;
    let requests = recorded(&["/s3/signed-url"]);
    let request =
        requests.iter().find(|request| request["body"].as_str().unwrap().contains("SSE-KMS")).unwrap();
    let (_, json) = replay(&gateway, request).await;
    let key = json["key"].as_str().unwrap().replace('(', "%28").replace(')', "%29");
    assert_eq!(json["storageClass"], "STANDARD_IA");
    assert_eq!(json["cdnUrl"], format!("https://d111111abcdef8.cloudfront.net/{key}"));
    assert_eq!(json["encryption"]["algorithm"], "aws:kms");
    assert_eq!(
        json["requiredHeaders"],
        json!({
            "x-amz-server-side-encryption": "aws:kms",
            "x-amz-server-side-encryption-aws-kms-key-id": json["encryption"]["kmsKeyId"],
        })
    );
    let url = json["uploadUrl"].as_str().unwrap();
    for part in ["x-amz-storage-class=STANDARD_IA", "x-amz-meta-a=b", "X-Amz-Expires=900"] {
        assert!(url.contains(part), "{part} in {url}");
    }
    assert_eq!(json["webhook"], Value::Null);
    assert!(json["hint"].as_str().unwrap().contains("No webhook was registered"));
}

#[tokio::test]
async fn batches_are_answered_file_by_file() {
    let gateway = gateway(KEY_WITH_SECRET).await;
    let requests = recorded(&["/batch-signed-url", "/batch/signed-urls"]);
    assert_eq!(requests.len(), 3);
    for request in &requests {
        let (reply, json) = replay(&gateway, request).await;
        let body: Value = serde_json::from_str(request["body"].as_str().unwrap()).unwrap();
        let files = body["files"].as_array().unwrap();
        assert_eq!(reply.status, 200, "{json}");
        assert_eq!(json["summary"], json!({"total": files.len(), "successful": files.len(), "failed": 0}));
        for (index, file) in files.iter().enumerate() {
            let result = &json["results"][index];
            assert_eq!((&result["index"], &result["success"]), (&json!(index), &json!(true)));
            assert_eq!(result["originalFilename"], file["filename"]);
            assert_eq!(result["fileSize"], file["fileSize"]);
        }
        let decides = body.get("expiresIn").is_none();
        assert_eq!(json["results"][0]["smartExpiry"]["applied"], json!(decides));
    }
}

#[tokio::test]
async fn downloads_are_signed_for_both_clients() {
    let gateway = gateway(KEY_WITH_SECRET).await;
    let mut requests = recorded(&["/download-url", "/signed-url"]);
    requests.retain(is_download);
    assert_eq!(requests.len(), 4);
    for request in &requests {
        let (reply, json) = replay(&gateway, request).await;
        let body: Value = serde_json::from_str(request["body"].as_str().unwrap()).unwrap();
        assert_eq!(reply.status, 200, "{json}");
        let key = body.get("key").or(body.get("fileKey")).unwrap();
        assert_eq!((&json["key"], &json["fileKey"]), (key, key));
        assert_eq!(json["expiresIn"], body["expiresIn"]);
        let path = key.as_str().unwrap().replace(' ', "%20");
        assert!(json["downloadUrl"].as_str().unwrap().contains(&format!("/{path}?")), "{json}");
        assert!(json["publicUrl"].as_str().unwrap().ends_with(&format!("/{path}")), "{json}");
        match body["s3CloudFrontDomain"].as_str() {
            Some(domain) => assert_eq!(json["cdnUrl"], format!("https://{domain}/{path}")),
            None => assert_eq!(json["cdnUrl"], Value::Null),
        }
    }
}

/// A store with the recorded credentials, and with objects in the recorded bucket.
async fn store(access_key: &str, secret_key: &str, bucket: &str) -> Store {
    let options = StoreOptions {
        address: ([127, 0, 0, 1], 0).into(),
        directory: None,
        access_key: access_key.to_owned(),
        secret_key: secret_key.into(),
    };
    let store = Store::start(options).await.unwrap();
    store.create_bucket(bucket).await.unwrap();
    store
}

#[tokio::test]
async fn objects_are_listed_and_deleted_for_both_clients() {
    let s3 = store("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "my-bucket").await;
    let r2_secret = "r2secret0123456789abcdefr2secret0123456789abcdef";
    let r2 = store("r2access0123456789abcd", r2_secret, "r2-bucket").await;
    let endpoints =
        format!("default_endpoints = {{ s3 = \"{}\", r2 = \"{}\" }}", s3.endpoint(), r2.endpoint());
    let toml = KEY_WITH_SECRET.replace("allowed = true", &format!("allowed = true\n{endpoints}"));
    let gateway = gateway(&toml).await;
    let requests = recorded(&["/list", "/delete", "/batch-delete"]);
    assert_eq!(requests.len(), 8);
    for request in &requests {
        for bucket in [s3.directory().join("my-bucket"), r2.directory().join("r2-bucket")] {
            for key in ["a.txt", "b.txt", "a", "b", "p1", "x y"] {
                fs::write(bucket.join(key), "hello").unwrap();
            }
            fs::create_dir_all(bucket.join("p")).unwrap();
            fs::write(bucket.join("p/q"), "hello").unwrap();
        }
        let (reply, json) = replay(&gateway, request).await;
        let body: Value = serde_json::from_str(request["body"].as_str().unwrap()).unwrap();
        if let Some(prefix) = body.get("prefix") {
            let key = if prefix == "p/" { "p/q" } else { "x y" };
            assert_eq!(
                (&json["files"][0]["key"], &json["data"]["count"]),
                (&json!(key), &json!(1)),
                "{json}"
            );
        } else if let Some(keys) = body.get("keys") {
            assert_eq!((&json["deleted"], &json["errors"]), (keys, &json!([])), "{json}");
        } else if let Some(key) = body.get("key").or(body.get("fileKey")) {
            assert_eq!((&json["deleted"], &json["data"]["fileKey"]), (key, key), "{json}");
        } else {
            assert_eq!((reply.status, reply.code().as_str()), (400, "MISSING_KEY"));
            continue;
        }
        assert_eq!((reply.status, &json["success"]), (200, &json!(true)), "{json}");
    }
}

#[tokio::test]
async fn a_key_is_valid_and_an_event_is_taken() {
    let gateway = gateway(KEY_WITH_SECRET).await;
    let (reply, json) = replay(&gateway, &recorded(&["/validate-key"])[0]).await;
    assert_eq!((reply.status, &json["valid"]), (200, &json!(true)));
    assert_eq!(json["data"]["api_key"]["id"], "ox_test_0123456789abcdef");
    let (reply, json) = replay(&gateway, &recorded(&["/analytics"])[0]).await;
    assert_eq!((reply.status, &json["success"]), (200, &json!(true)));
}

#[tokio::test]
async fn an_upload_in_parts_is_read_as_the_client_writes_it() {
    let gateway = gateway(KEY_WITH_SECRET).await;
    let (reply, json) = replay(&gateway, &recorded(&["/multipart/initiate"])[0]).await;
    // The recorded file has 1,024 bytes; nothing else about the request is wrong.
    assert_eq!((reply.status, &json["error"]), (400, &json!("FILE_TOO_SMALL")), "{json}");
}

#[tokio::test]
async fn one_changed_byte_of_a_body_breaks_its_signature() {
    let gateway = gateway(KEY_WITH_SECRET).await;
    let mut request = recorded(&["/s3/signed-url"])[0].clone();
    request["body"] = json!(request["body"].as_str().unwrap().replace("my-bucket", "my-bucker"));
    let (reply, _) = replay(&gateway, &request).await;
    assert_eq!((reply.status, reply.code().as_str()), (401, "INVALID_SIGNATURE"));
}

fn is_download(request: &Value) -> bool {
    request["path"].as_str().unwrap().contains("/download")
}
