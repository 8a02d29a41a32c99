//! Signed downloads.

use serde_json::{Value, json};

use super::{CONFIG, api, parameter};
use crate::error::Code;

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
