//! `webhook` of a signed upload: told once, when the object is there, and not before.

use serde_json::{Value, json};

use crate::support::{
    gateway::{KEY_CONFIG, TestGateway},
    raw::{Raw, post},
    store,
    webhooks::{Hooked, SECRET, success, text, upload},
};

const CONFIRM: &str = "/api/v1/webhooks/confirm";

/// Signs an upload of five bytes with a webhook; `more` are other fields of it.
async fn signed(hooked: &Hooked, more: &str) -> Value {
    let body = format!(
        r#"{{"filename":"my photo.png","contentType":"image/png","fileSize":5,
            "webhook":{{"url":"{}","secret":"{SECRET}"{more}}}}}"#,
        hooked.url()
    );
    hooked.ask("/api/v1/upload/photos/signed-url", &body).await
}

fn confirmation(signed: &Value) -> String {
    json!({ "webhookId": signed["webhook"]["webhookId"] }).to_string()
}

#[tokio::test]
async fn an_upload_is_told_of_when_it_is_there() {
    let hooked = Hooked::start().await;
    let signed = signed(&hooked, r#","metadata":{"order":1,"deep":[{"a":"ü"}]}"#).await;
    let webhook = &signed["webhook"];
    assert_eq!((&webhook["webhookSecret"], &webhook["triggerMode"]), (&json!(SECRET), &json!("manual")));
    let id = text(&webhook["webhookId"]);
    assert_eq!(hooked.status(&id).await["status"], "pending");
    hooked.refused(CONFIRM, &confirmation(&signed), "FILE_NOT_FOUND").await;

    assert_eq!(upload(&signed["uploadUrl"], "hello").await.status, 200);
    hooked.ask(CONFIRM, &confirmation(&signed)).await;
    let told = &hooked.until_delivered(1).await[0];
    assert_eq!(
        (&told["event"], &told["webhookId"], &told["provider"], &told["bucket"], &told["metadata"]),
        (
            &json!("upload.completed"),
            &json!(id),
            &signed["provider"],
            &json!("photos"),
            &json!({ "order": 1, "deep": [{ "a": "ü" }] })
        )
    );
    let file = &told["file"];
    assert_eq!((&file["key"], &file["url"]), (&signed["key"], &signed["publicUrl"]));
    assert_eq!((&file["filename"], &file["size"]), (&json!("my photo.png"), &json!(5)));
    assert_eq!(file["etag"], "\"5d41402abc4b2a76b9719d911017c592\"");
    let done = hooked.until(&id, "completed").await;
    assert_eq!((&done["attemptCount"], &done["responseStatus"]), (&json!(1), &json!(204)));
    assert_eq!((&done["webhookUrl"], &done["filename"]), (&json!(hooked.url()), &json!("my photo.png")));
    assert!(done["deliveredAt"].is_string() && done["failedAt"].is_null(), "{done}");
}

#[tokio::test]
async fn it_is_told_of_once_however_often_it_is_confirmed() {
    let hooked = Hooked::start().await;
    let signed = signed(&hooked, "").await;
    assert_eq!(upload(&signed["uploadUrl"], "hello").await.status, 200);
    for _ in 0..3 {
        hooked.ask(CONFIRM, &confirmation(&signed)).await;
    }
    hooked.until(&text(&signed["webhook"]["webhookId"]), "completed").await;
    assert_eq!(hooked.delivered().len(), 1);
}

#[tokio::test]
async fn what_the_api_completes_and_deletes_is_told_to_all_who_wait() {
    let hooked = Hooked::start().await;
    let bucket_s = hooked.subscribe("", r#""upload.completed","object.deleted""#).await;
    let signed = signed(&hooked, "").await;
    assert_eq!(upload(&signed["uploadUrl"], "hello").await.status, 200);
    let token = json!({ "completeToken": signed["completeToken"] }).to_string();
    hooked.ask("/api/v1/upload/complete", &token).await;
    let told = hooked.until_delivered(2).await;
    let of = |id: &Value| told.iter().find(|told| told["webhookId"] == *id).unwrap();
    assert_eq!(of(&signed["webhook"]["webhookId"])["file"]["filename"], "my photo.png");
    assert_eq!(of(&json!(bucket_s))["file"]["size"], 5);

    let gone = json!({ "key": signed["key"] }).to_string();
    hooked.ask("/api/v1/upload/photos/delete", &gone).await;
    let told = hooked.until_delivered(3).await;
    let deleted: Vec<_> = told.iter().filter(|told| told["event"] == "object.deleted").collect();
    assert_eq!(deleted.len(), 1);
    assert_eq!((&deleted[0]["webhookId"], &deleted[0]["file"]["key"]), (&json!(bucket_s), &signed["key"]));
}

#[tokio::test]
async fn an_object_of_another_size_is_not_the_upload() {
    let hooked = Hooked::start().await;
    let signed = signed(&hooked, "").await;
    assert_eq!(upload(&signed["uploadUrl"], "hello, world").await.status, 200);
    hooked.refused(CONFIRM, &confirmation(&signed), "VALIDATION_FAILED").await;
    assert!(hooked.delivered().is_empty());
}

#[tokio::test]
async fn an_object_of_another_type_is_not_the_upload() {
    let hooked = Hooked::start().await;
    let body = format!(
        r#"{{"filename":"a.pdf","contentType":"application/pdf","fileSize":5,"webhook":{{"url":"{}","secret":"{SECRET}"}}}}"#,
        hooked.url()
    );
    let signed = hooked.ask("/api/v1/upload/photos/signed-url", &body).await;
    assert_eq!(upload(&signed["uploadUrl"], "hello").await.status, 200, "it says that it is a picture");
    let refused = Raw::connect(hooked.gateway.api()).await.ask(post(CONFIRM, &confirmation(&signed))).await;
    assert_eq!((refused.status, refused.code().as_str()), (400, "VALIDATION_FAILED"));
    assert!(refused.body.contains("`image/png`, and `application/pdf` was declared"), "{refused:?}");
    assert!(hooked.delivered().is_empty());
}

#[tokio::test]
async fn with_the_automatic_trigger_nobody_need_confirm() {
    let hooked = Hooked::start().await;
    let signed = signed(&hooked, r#","trigger":"auto""#).await;
    assert_eq!(signed["webhook"]["triggerMode"], "auto");
    assert_eq!(upload(&signed["uploadUrl"], "hello").await.status, 200);
    let told = hooked.until_delivered(1).await;
    assert_eq!(told[0]["file"]["key"], signed["key"]);
}

#[tokio::test]
async fn an_account_of_the_callers_own_is_asked_with_what_was_signed_for_it() {
    let hooked = Hooked::start().await;
    hooked.store.create_bucket("theirs").await.unwrap();
    let body = format!(
        r#"{{"filename":"a.png","contentType":"image/png","minioAccessKey":"{}","minioSecretKey":"{}",
            "minioBucket":"theirs","minioEndpoint":"{}","webhook":{{"url":"{}"}}}}"#,
        store::ACCESS_KEY,
        store::SECRET_KEY,
        hooked.store.endpoint(),
        hooked.url()
    );
    let signed = hooked.ask("/api/v1/upload/minio/signed-url", &body).await;
    let secret = text(&signed["webhook"]["webhookSecret"]);
    assert!(secret.starts_with("whsec_") && secret.len() == 70, "one is made");
    hooked.refused(CONFIRM, &confirmation(&signed), "FILE_NOT_FOUND").await;
    assert_eq!(upload(&signed["uploadUrl"], "hello").await.status, 200);
    hooked.ask(CONFIRM, &confirmation(&signed)).await;
    hooked.receiver.until(|record| record.iter().any(|request| request.is_complete)).await;
    let told = crate::support::webhooks::opened(&hooked.receiver.requests()[0], &secret);
    assert_eq!((&told["bucket"], &told["file"]["key"]), (&json!("theirs"), &signed["key"]));
    let database = std::fs::read(hooked.gateway.data().join("wharf.db")).unwrap();
    let log = std::fs::read(hooked.gateway.data().join("wharf.db-wal")).unwrap();
    for kept in [database, log] {
        for secret in [store::SECRET_KEY, &secret, "token=1"] {
            assert!(
                !kept.windows(secret.len()).any(|text| text == secret.as_bytes()),
                "{secret} is kept in clear"
            );
        }
    }
}

#[tokio::test]
async fn what_cannot_be_a_webhook_is_refused() {
    let hooked = Hooked::start().await;
    let long = format!(r#"{{"url":"https://a.example","metadata":{{"a":"{}"}}}}"#, "x".repeat(5000));
    for (webhook, code) in [
        ("{}", "MISSING_FIELDS"),
        (r#"{"url":"ftp://a.example"}"#, "INVALID_FIELD"),
        (r#"{"url":"http://127.0.0.1:1/"}"#, "ENDPOINT_NOT_ALLOWED"),
        (r#"{"url":"http://[::ffff:10.0.0.1]/"}"#, "ENDPOINT_NOT_ALLOWED"),
        (r#"{"url":"https://a.example","trigger":"never"}"#, "INVALID_FIELD"),
        (r#"{"url":"https://a.example","metadata":[1]}"#, "INVALID_FIELD"),
        (r#"{"url":"https://a.example","url":"https://b.example"}"#, "INVALID_JSON"),
        (r#""https://a.example""#, "INVALID_JSON"),
        (&long, "INVALID_FIELD"),
    ] {
        let body = format!(r#"{{"filename":"a","contentType":"","webhook":{webhook}}}"#);
        hooked.refused("/api/v1/upload/photos/signed-url", &body, code).await;
    }
    hooked.refused(CONFIRM, "{}", "MISSING_FIELDS").await;
    hooked
        .refused(CONFIRM, r#"{"webhookId":"11111111-1111-4111-8111-111111111111"}"#, "WEBHOOK_NOT_FOUND")
        .await;
}

#[tokio::test]
async fn without_webhooks_a_url_is_signed_and_the_reply_says_so() {
    let gateway = TestGateway::start(KEY_CONFIG).await;
    let reply = Raw::connect(gateway.api()).await.ask(post(CONFIRM, "{}")).await;
    assert_eq!(reply.code(), "WEBHOOKS_DISABLED");
    assert!(reply.body.contains("webhooks.enabled"), "{reply:?}");
    let list = crate::support::webhooks::send(gateway.api(), "GET", "/api/v1/webhooks/list").await;
    assert_eq!(list.code(), "WEBHOOKS_DISABLED");
    assert!(!gateway.data().join("wharf.db").exists(), "no database is opened for nothing");
}

#[tokio::test]
async fn a_webhook_is_seen_by_whoever_made_it() {
    let other =
        "[[keys]]\nid = \"other-key-0123456789abcdef\"\nallow = [{ bucket = \"*\", actions = [\"list\"] }]\n";
    let hooked = Hooked::start().await;
    let toml = crate::support::webhooks::config(&hooked.store.endpoint(), &hooked.receiver.endpoint(), "");
    hooked.gateway.reload_toml(&format!("{toml}{other}")).await;
    let signed = signed(&hooked, "").await;
    let id = text(&signed["webhook"]["webhookId"]);
    for (method, path) in [
        ("POST", "confirm".to_owned()),
        ("GET", format!("status/{id}")),
        ("POST", format!("{id}/retry")),
        ("DELETE", id.clone()),
    ] {
        let body = confirmation(&signed);
        let body = if path == "confirm" { body.as_str() } else { "" };
        let wire = format!(
            "{method} /api/v1/webhooks/{path} HTTP/1.1\r\nhost: a\r\nx-api-key: other-key-0123456789abcdef\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let reply = Raw::connect(hooked.gateway.api()).await.ask(wire).await;
        assert_eq!(reply.code(), "WEBHOOK_NOT_FOUND", "{method} {path}");
    }
    let own = success(&hooked.send("GET", "/api/v1/webhooks/list").await);
    assert_eq!((&own["count"], &own["webhooks"][0]["id"]), (&json!(1), &json!(id)));
}
