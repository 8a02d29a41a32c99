//! Forms that the API signs, posted to a store that takes them, and to Wharf in front of one that does not.

use serde_json::{Value, json};
use wharf_demo::Store;

use crate::support::{
    gateway::{KEY_CONFIG, TestGateway},
    raw::{Raw, post},
    store,
    uppy::{config, post_form, stored, with_field},
};

/// What browsers are told of Wharf's S3 endpoint; the tests connect to where it really listens.
const PUBLIC: &str = "https://files.example";

/// With Wharf's own endpoint.
fn rest(keys: &str) -> String {
    format!("server.s3_listen = \"127.0.0.1:0\"\ns3.public_endpoint = \"{PUBLIC}\"\n{keys}")
}

async fn ask(gateway: &TestGateway, path: &str, body: &Value) -> (u16, Value) {
    let request = post(&format!("/api/v1/upload/{path}"), &body.to_string());
    let reply = Raw::connect(gateway.api()).await.ask(request).await;
    (reply.status, serde_json::from_str(&reply.body).unwrap())
}

async fn form(gateway: &TestGateway, body: &Value) -> Value {
    let (status, form) = ask(gateway, "photos/form", body).await;
    assert_eq!(status, 200, "{form}");
    form
}

fn file() -> Value {
    json!({ "filename": "../my füle (1).txt", "contentType": "text/plain", "metadata": { "author": "Zoë" } })
}

async fn start(store: &Store, more: &str, rest: &str) -> TestGateway {
    TestGateway::start(&config(store, more, rest)).await
}

#[tokio::test]
async fn a_form_is_posted_to_a_store_that_takes_them() {
    let store = store::start("stored-photos").await;
    let gateway = start(&store, "", KEY_CONFIG).await;
    let mut body = file();
    body["fileSize"] = json!(5);
    let form = form(&gateway, &body).await;
    assert!(form["url"].as_str().unwrap().starts_with(&store.endpoint()), "{form}");
    assert_eq!(
        (&form["method"], &form["minFileSize"], &form["maxFileSize"]),
        (&json!("POST"), &json!(5), &json!(5))
    );
    assert_eq!(form["fields"]["x-amz-meta-author"], "=?UTF-8?B?Wm/Dqw==?=");
    assert!(form["completeToken"].is_string() && form["publicUrl"].is_string());
    // The fields come in the order in which a browser should send them, and the key is the provider's.
    let key = form["fields"]["key"].as_str().unwrap();
    assert!(key.starts_with("site/upl") && key.ends_with("_my_füle_(1).txt"), "{key}");

    // What S3 refuses with 403, this store refuses with 400.
    for file in ["hell", "hello!"] {
        let refused = post_form(None, &form, file.as_bytes()).await;
        assert_eq!(refused.status, 400, "{refused:?}");
    }
    for (name, value) in [("key", "site/elsewhere"), ("content-type", "text/html")] {
        let refused = post_form(None, &with_field(&form, name, value), b"hello").await;
        assert_eq!(refused.status, 400, "{name} {refused:?}");
    }
    let posted = post_form(None, &form, b"hello").await;
    assert_eq!(posted.status, 201, "{posted:?}");
    assert_eq!(stored(&store, &form["key"]).as_deref(), Some(&b"hello"[..]));
}

#[tokio::test]
async fn where_the_store_takes_none_wharf_does() {
    let store = store::start("stored-photos").await;
    // A key with nothing but an id, and nobody but this machine: neither could sign for the S3 endpoint by itself.
    for keys in [KEY_CONFIG, ""] {
        let gateway = start(&store, "forms = false", &rest(keys)).await;
        let form = form(&gateway, &file()).await;
        assert_eq!(form["url"], format!("{PUBLIC}/photos"));
        assert_eq!(form["fields"]["key"], form["key"], "the caller's key, in the caller's bucket");
        let door = Some(gateway.s3());
        for (name, value) in [("key", "elsewhere"), ("content-type", "text/html"), ("acl", "public-read")] {
            let refused = post_form(door, &with_field(&form, name, value), b"hello").await;
            assert_eq!(refused.status, 403, "{name} {refused:?}");
        }
        let posted = post_form(door, &form, b"hello").await;
        assert_eq!(posted.status, 201, "{posted:?}");
        assert_eq!(stored(&store, &form["key"]).as_deref(), Some(&b"hello"[..]));
    }
}

#[tokio::test]
async fn a_bucket_whose_uploads_pass_through_wharf_has_its_forms_there() {
    let store = store::start("stored-photos").await;
    let config =
        config(&store, "", &rest(KEY_CONFIG)).replace("key_prefix", "direct_uploads = \"wharf\"\nkey_prefix");
    let gateway = TestGateway::start(&config).await;
    let form = form(&gateway, &file()).await;
    assert_eq!(form["url"], format!("{PUBLIC}/photos"));
    assert_eq!(post_form(Some(gateway.s3()), &form, b"hello").await.status, 201);
}

#[tokio::test]
async fn without_an_endpoint_of_wharfs_the_caller_is_told() {
    let store = store::start("stored-photos").await;
    let gateway = start(&store, "forms = false", KEY_CONFIG).await;
    let (status, refused) = ask(&gateway, "photos/form", &file()).await;
    assert_eq!((status, &refused["error"]), (501, &json!("NO_S3_ENDPOINT")), "{refused}");
    assert!(refused["hint"].as_str().unwrap().contains("s3.public_endpoint"), "{refused}");
}

#[tokio::test]
async fn the_files_name_and_type_can_be_left_to_its_user() {
    let store = store::start("stored-photos").await;
    // The embedded store puts no name in the place of `${filename}`; Wharf in front of it does.
    let gateway = start(&store, "forms = false", &rest(KEY_CONFIG)).await;
    let door = Some(gateway.s3());
    let form = form(&gateway, &json!({ "contentType": "image/*" })).await;
    assert!(form["key"].as_str().unwrap().ends_with("_${filename}"), "{form}");
    assert_eq!([&form["publicUrl"], &form["completeToken"]], [&Value::Null, &Value::Null]);
    assert!(form["hint"].as_str().unwrap().contains("Content-Type"), "{form}");
    let typed = |kind| with_field(&form, "content-type", kind);
    assert_eq!(post_form(door, &typed("text/html"), b"hello").await.status, 403);
    assert_eq!(post_form(door, &form, b"hello").await.status, 403);
    let posted = post_form(door, &typed("image/png"), b"hello").await;
    assert_eq!(posted.status, 201, "{posted:?}");
    let key = form["key"].as_str().unwrap().replace("${filename}", "kai.png");
    assert_eq!(stored(&store, &json!(key)).as_deref(), Some(&b"hello"[..]));
}

#[tokio::test]
async fn what_the_bucket_and_the_caller_bound_is_bounded_by_the_policy() {
    let store = store::start("stored-photos").await;
    let accept =
        "accept = { file_bytes_max = 100, content_types = [\"text/*\"], extensions = [\"txt\"] }\nkey_prefix";
    let config = config(&store, "", KEY_CONFIG).replace("key_prefix", accept);
    let gateway = TestGateway::start(&config).await;
    // A PUT would have to be told the size.
    let bounded = form(&gateway, &file()).await;
    assert_eq!((&bounded["minFileSize"], &bounded["maxFileSize"]), (&json!(0), &json!(100)));
    let mut body = file();
    body["validation"] = json!({ "minSize": 2, "maxSize": 50 });
    let validated = form(&gateway, &body).await;
    assert_eq!((&validated["minFileSize"], &validated["maxFileSize"]), (&json!(2), &json!(50)));
    assert_eq!(post_form(None, &validated, b"a").await.status, 400);
    assert_eq!(post_form(None, &validated, b"ab").await.status, 201);
    for (field, value, code) in [
        ("fileSize", json!(101), "FILE_TOO_LARGE"),
        ("validation", json!({ "minSize": 200 }), "FILE_TOO_LARGE"),
        ("contentType", json!("image/png"), "VALIDATION_FAILED"),
        ("filename", json!("a.exe"), "VALIDATION_FAILED"),
        ("filename", Value::Null, "VALIDATION_FAILED"),
        ("expiresIn", json!(59), "EXPIRY_TOO_SHORT"),
        ("metadata", json!({ "a b": "c" }), "INVALID_FIELD"),
    ] {
        let mut body = file();
        body[field] = value;
        let (status, refused) = ask(&gateway, "photos/form", &body).await;
        assert_eq!((status, &refused["error"]), (400, &json!(code)), "{field} {refused}");
    }
}

#[tokio::test]
async fn who_brings_credentials_gets_a_form_where_their_provider_takes_one() {
    let store = store::start("theirs").await;
    let endpoint = store.endpoint();
    let callers =
        format!("upload.callers = {{ allowed = true, endpoints = [\"{endpoint}\"] }}\n{KEY_CONFIG}");
    let gateway = start(&store, "", &callers).await;
    let mut body = json!({ "filename": "a.txt", "contentType": "", "minioAccessKey": store::ACCESS_KEY,
        "minioSecretKey": store::SECRET_KEY, "minioBucket": "theirs", "minioEndpoint": endpoint });
    let (status, form) = ask(&gateway, "minio/form", &body).await;
    assert_eq!(status, 200, "{form}");
    assert_eq!(post_form(None, &form, b"hello").await.status, 201);
    for (name, value) in [
        ("wasabiAccessKey", "a"),
        ("wasabiSecretKey", "b"),
        ("wasabiBucket", "theirs"),
        ("wasabiRegion", "eu-west-1"),
    ] {
        body[name] = json!(value);
    }
    let (status, refused) = ask(&gateway, "wasabi/form", &body).await;
    assert_eq!((status, &refused["error"]), (400, &json!("INVALID_REQUEST")), "{refused}");
}
