//! Pages that speak S3 themselves: with signatures of Wharf's, or with a short-lived key.

use std::fmt::Write;

use http::Method;
use secrecy::SecretString;
use serde_json::{Value, json};
use wharf::clock::Clock;
use wharf_wire::{
    endpoint::Scheme,
    names::Region,
    sigv4::{
        AccessKeyId, Credentials, Scope, SigningKey,
        presign::{PresignInput, presign},
    },
};

use crate::support::{
    gateway::{KEY_CONFIG, TestGateway},
    store,
    uppy::{Page, config, post_form, send, stored},
};

const MIB: usize = 1024 * 1024;

/// With Wharf's own endpoint.
fn with_endpoint(keys: &str) -> String {
    format!("server.s3_listen = \"127.0.0.1:0\"\ns3.public_endpoint = \"https://files.example\"\n{keys}")
}

async fn sign(page: &Page<'_>, request: Value) -> Value {
    page.post("sign", request).await
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split_once(after).expect("an end").0
}

#[tokio::test]
async fn every_request_of_an_upload_can_be_signed() {
    let store = store::start("stored-photos").await;
    let gateway = TestGateway::start(&config(&store, "", KEY_CONFIG)).await;
    let page = Page::with_key(&gateway);
    let put = sign(&page, json!({ "method": "PUT", "key": "a b.txt", "contentType": "text/plain" })).await;
    assert_eq!((&put["key"], &put["fields"]), (&json!("a b.txt"), &Value::Null));
    assert_eq!(send(None, "PUT", put["url"].as_str().unwrap(), b"hello").await.status, 200);
    assert_eq!(stored(&store, &put["key"]).as_deref(), Some(&b"hello"[..]));

    let created = sign(&page, json!({ "method": "POST", "key": "large.bin" })).await;
    let begun = send(None, "POST", created["url"].as_str().unwrap(), b"").await;
    assert_eq!(begun.status, 200, "{begun:?}");
    let upload_id = between(&begun.body, "<UploadId>", "</UploadId>");
    let of_upload = |method: &str| json!({ "method": method, "key": "large.bin", "uploadId": upload_id });
    let mut document = String::from("<CompleteMultipartUpload>");
    for (number, part) in [(1, vec![b'a'; 5 * MIB]), (2, b"end".to_vec())] {
        let mut request = of_upload("PUT");
        request["partNumber"] = json!(number);
        let sent = send(None, "PUT", sign(&page, request).await["url"].as_str().unwrap(), &part).await;
        let etag = sent.header("etag").unwrap();
        write!(document, "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>").unwrap();
    }
    document += "</CompleteMultipartUpload>";
    let listed = send(None, "GET", sign(&page, of_upload("GET")).await["url"].as_str().unwrap(), b"").await;
    assert_eq!(listed.body.matches("<PartNumber>").count(), 2, "{listed:?}");
    let url = sign(&page, of_upload("POST")).await["url"].clone();
    let completed = send(None, "POST", url.as_str().unwrap(), document.as_bytes()).await;
    assert_eq!(completed.status, 200, "{completed:?}");
    assert_eq!(stored(&store, &json!("large.bin")).unwrap().len(), 5 * MIB + 3);

    let given_up =
        sign(&page, json!({ "method": "DELETE", "key": "large.bin", "uploadId": upload_id })).await;
    let given_up = send(None, "DELETE", given_up["url"].as_str().unwrap(), b"").await;
    assert!(!given_up.body.contains("Signature"), "the upload is complete: {given_up:?}");
    let deleted = sign(&page, json!({ "method": "DELETE", "key": "large.bin" })).await;
    assert_eq!(send(None, "DELETE", deleted["url"].as_str().unwrap(), b"").await.status, 204);
    assert_eq!(stored(&store, &json!("large.bin")), None);
}

#[tokio::test]
async fn a_new_object_goes_below_the_callers_prefix_and_nothing_else_is_signed_outside_of_it() {
    let store = store::start("stored-photos").await;
    let gateway = TestGateway::start(&config(&store, "", KEY_CONFIG)).await;
    let page = Page::with_token(&gateway, json!({ "bucket": "photos", "prefix": "ada/" })).await;
    for (key, placed) in [("a.txt", "ada/a.txt"), ("ada/b.txt", "ada/b.txt"), ("bob/c.txt", "ada/bob/c.txt")]
    {
        for method in ["PUT", "POST"] {
            let signed = sign(&page, json!({ "method": method, "key": key })).await;
            assert_eq!(signed["key"], placed);
            assert!(signed["url"].as_str().unwrap().contains(&format!("/site/{placed}?")), "{signed}");
        }
    }
    for (request, status) in [
        (json!({ "method": "PUT", "key": "bob/a", "uploadId": "u", "partNumber": 1 }), 403),
        (json!({ "method": "GET", "key": "bob/a", "uploadId": "u" }), 403),
        (json!({ "method": "POST", "key": "bob/a", "uploadId": "u" }), 403),
        (json!({ "method": "DELETE", "key": "bob/a", "uploadId": "u" }), 403),
        // A page's token does not delete.
        (json!({ "method": "DELETE", "key": "ada/a" }), 403),
        (json!({ "method": "PUT", "key": "ada/../bob/a" }), 400),
        (json!({ "method": "PUT", "key": "" }), 400),
        (json!({ "method": "GET", "key": "ada/a" }), 400),
        (json!({ "method": "PUT", "key": "ada/a", "expiresIn": 604_801 }), 400),
    ] {
        assert_eq!(page.refusal("POST", "sign", Some(request.clone())).await.0, status, "{request}");
    }
}

#[tokio::test]
async fn where_the_size_is_bounded_a_form_is_signed_in_place_of_a_put() {
    let store = store::start("stored-photos").await;
    let config =
        config(&store, "", KEY_CONFIG).replace("key_prefix", "accept = { file_bytes_max = 10 }\nkey_prefix");
    let gateway = TestGateway::start(&config).await;
    let page = Page::with_key(&gateway);
    let form = sign(&page, json!({ "method": "PUT", "key": "in/a.txt", "contentType": "text/plain" })).await;
    assert!(form["fields"]["key"].as_str().unwrap().ends_with("_a.txt"), "{form}");
    assert_eq!(form["fields"]["content-type"], "text/plain");
    assert_eq!(post_form(None, &form, b"eleven byte").await.status, 400);
    assert_eq!(post_form(None, &form, b"ten bytes!").await.status, 201);
    assert_eq!(page.refusal("POST", "sign", Some(json!({ "method": "POST", "key": "a" }))).await.0, 400);
}

fn credentials(reply: &Value) -> Credentials {
    let text = |name: &str| reply["credentials"][name].as_str().unwrap();
    Credentials {
        access_key_id: AccessKeyId::parse(text("AccessKeyId")).unwrap(),
        secret_access_key: text("SecretAccessKey").into(),
        session_token: Some(SecretString::from(text("SessionToken"))),
    }
}

/// Signs as a page does.
fn signed(credentials: &Credentials, method: &Method, path: &str, query: &[(&str, &str)]) -> String {
    let now = Clock::System.now();
    let key = SigningKey::derive(credentials, Scope::s3(now.amz_date(), &Region::us_east_1()));
    let input = PresignInput {
        method,
        scheme: Scheme::Https,
        authority: "files.example",
        path,
        query,
        headers: &[],
        expires_seconds: 60,
        now,
    };
    presign(&input, credentials, &key).unwrap().into_exposed()
}

#[tokio::test]
async fn a_short_lived_key_writes_through_wharf_where_its_caller_may() {
    let store = store::start("stored-photos").await;
    let gateway = TestGateway::start(&config(&store, "", &with_endpoint(KEY_CONFIG))).await;
    let page = Page::with_token(&gateway, json!({ "bucket": "photos", "prefix": "ada/" })).await;
    let reply = page.ask("GET", "sts", None).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    // The page's own cache alone may keep it, and no longer than it is good, which is no longer than the page's token.
    let kept = reply.header("cache-control").and_then(|cache| cache.strip_prefix("private,max-age="));
    assert!(kept.unwrap().parse::<u32>().unwrap() <= 3300, "{reply:?}");
    assert_eq!(reply.header("vary"), Some("authorization, x-api-key"));
    let reply: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!((&reply["bucket"], &reply["region"]), (&json!("photos"), &json!("us-east-1")));
    assert!(reply["credentials"]["Expiration"].as_str().unwrap().ends_with('Z'));
    let key = credentials(&reply);
    let door = Some(gateway.s3());
    let put = send(door, "PUT", &signed(&key, &Method::PUT, "/photos/ada/a.txt", &[]), b"hello").await;
    assert_eq!(put.status, 200, "{put:?}");
    assert_eq!(stored(&store, &json!("ada/a.txt")).as_deref(), Some(&b"hello"[..]));
    let begun = signed(&key, &Method::POST, "/photos/ada/b.txt", &[("uploads", "")]);
    assert_eq!(send(door, "POST", &begun, b"").await.status, 200);
    for (method, path, query) in [
        (Method::PUT, "/photos/bob/a.txt", &[][..]),
        (Method::GET, "/photos/ada/a.txt", &[]),
        (Method::DELETE, "/photos/ada/a.txt", &[]),
        (Method::GET, "/photos", &[("list-type", "2")]),
    ] {
        let refused = send(door, method.as_str(), &signed(&key, &method, path, query), b"").await;
        assert_eq!(refused.status, 403, "{method} {path} {refused:?}");
    }
    let without = TestGateway::start(&config(&store, "", KEY_CONFIG)).await;
    assert_eq!(Page::with_key(&without).ask("GET", "sts", None).await.status, 501);
}
