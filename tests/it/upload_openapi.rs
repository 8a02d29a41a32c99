//! The API's document: that it holds every operation, and that what is answered is what it describes.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};
use wharf::upload_api::{Operation, route};
use wharf_wire::cors::CorsRule;

use crate::support::{
    app::App,
    gateway::{KEY_CONFIG, TestGateway},
    json_schema::problems,
    mirrored::{DEAD_MIRRORS, with_mirrors},
    raw::{Raw, Reply, post},
    store,
    troubled_store::TroubledStore,
    uppy::{self, Page},
    webhooks::{Hooked, SECRET, upload},
};

/// A gateway with what every operation needs.
async fn gateway(endpoint: &str) -> TestGateway {
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/provider/testdata/cdn/ecdsa.sec1.pem");
    TestGateway::start(&format!(
        r#"
[usage]
enabled = true
[upload]
access_tokens = true
{}
[buckets.photos]
provider = "store"
bucket = "photos"
cdn = {{ domain = "cdn.example.com", key_pair_id = "K2JCJMDEHXQW5F", private_key_file = "{key}" }}
[[keys]]
id = "test-key-0123456789abcdef"
allow = [{{ bucket = "*", actions = ["read", "write", "delete", "list", "configure"] }}]
"#,
        store::provider("store", endpoint)
    ))
    .await
}

async fn get(gateway: &TestGateway, method: &str, path: &str) -> Reply {
    let wire = format!("{method} {path} HTTP/1.1\r\nhost: wharf.test\r\ncontent-length: 0\r\n\r\n");
    let mut raw = Raw::connect(gateway.api()).await;
    raw.send(wire).await;
    if method == "HEAD" { raw.head().await } else { raw.reply().await }
}

async fn document(gateway: &TestGateway) -> Value {
    let reply = get(gateway, "GET", "/openapi.json").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    serde_json::from_str(&reply.body).unwrap()
}

/// Asks, and holds what comes against what the document says of the path, the method and the status.
async fn described(
    gateway: &TestGateway,
    document: &Value,
    (method, path): (&str, &str),
    body: &str,
) -> Value {
    let wire = post(&format!("/api/v1/upload/{path}"), body).replacen("POST", method, 1);
    let reply = Raw::connect(gateway.api()).await.ask(wire).await;
    let template = format!("/api/v1/upload/{}", path.replace("photos/", "{provider}/"));
    held(document, (method, &template), &reply)
}

/// Holds a reply against what the document says of a method and a path.
fn held(document: &Value, (method, template): (&str, &str), reply: &Reply) -> Value {
    let item = &document["paths"][template][method.to_ascii_lowercase()];
    let mut response = &item["responses"][reply.status.to_string()];
    if let Some(to) = response["$ref"].as_str() {
        response = document.pointer(to.trim_start_matches('#')).unwrap();
    }
    assert!(response.is_object(), "{template} has no {}: {reply:?}", reply.status);
    let json: Value = serde_json::from_str(&reply.body).unwrap();
    let schema = &response["content"]["application/json"]["schema"];
    assert_eq!(problems(document, schema, &json), Vec::<String>::new(), "{template} {json}");
    json
}

#[tokio::test]
async fn every_operation_and_every_path_of_it_is_described() {
    let gateway = gateway("http://127.0.0.1:9").await;
    let document = document(&gateway).await;
    assert_eq!(document["openapi"], "3.1.0");
    let mut found = BTreeSet::new();
    let own = |path: &str| path.starts_with("/api/v1/upload/") || path.starts_with("/api/v1/webhooks/");
    for (path, methods) in document["paths"].as_object().unwrap().iter().filter(|(path, _)| own(path)) {
        for (method, item) in methods.as_object().unwrap() {
            let method: Method = method.to_ascii_uppercase().parse().unwrap();
            let served =
                route(&method, &path.replace("{provider}", "photos").replace("{id}", "some-id")).unwrap();
            let id = item["operationId"].as_str().unwrap();
            assert!(id.contains(served.operation.name()), "{id} at {path}");
            assert!(found.insert((served.operation.name(), id)), "{id} is there twice");
            let has_success = item["responses"]["200"].is_object();
            assert_eq!(has_success, served.operation != Operation::Foreign, "{id}");
            assert!(item["responses"]["401"].is_object(), "{id}");
        }
    }
    let operations: BTreeSet<_> = found.iter().map(|(name, _)| *name).collect();
    let all: BTreeSet<_> = Operation::ALL.iter().map(|operation| operation.name()).collect();
    assert_eq!(operations, all);
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document.pointer(reference).is_some(), "{reference} leads nowhere");
    }
}

#[tokio::test]
async fn what_is_answered_is_what_is_described() {
    let store = TroubledStore::start("photos").await;
    let theirs = CorsRule {
        id: Some("theirs".to_owned()),
        allowed_origins: vec!["https://app.example.com".to_owned()],
        allowed_methods: vec!["GET".to_owned()],
        ..CorsRule::default()
    };
    store.rules().insert("photos".to_owned(), vec![theirs]);
    let gateway = gateway(&store.endpoint()).await;
    let document = document(&gateway).await;
    let file = r#"{"filename":"a.txt","contentType":"text/plain","fileSize":6291456,"networkInfo":{"effectiveType":"4g"}}"#;
    std::fs::write(store.store.directory().join("photos/stored.txt"), "stored").unwrap();
    let mut answered = BTreeSet::new();
    for (path, body) in [
        ("photos/signed-url", file),
        ("photos/batch-signed-url", r#"{"files":[{"filename":"a","contentType":""},{"filename":""}]}"#),
        ("photos/download-url", r#"{"key":"a"}"#),
        ("photos/cdn/cookies", r#"{"prefix":""}"#),
        ("photos/cors/setup", "{}"),
        ("photos/cors/verify", "{}"),
        ("photos/test-connection", r#"{"origins":["https://app.example.com"]}"#),
        ("photos/form", file),
        ("photos/multipart/initiate", file),
        ("photos/list", "{}"),
        ("photos/metadata", r#"{"key":"stored.txt"}"#),
        ("complete", r#"{"bucket":"photos","key":"stored.txt"}"#),
        ("photos/delete", r#"{"key":"stored.txt"}"#),
        ("photos/batch-delete", r#"{"keys":["stored.txt","other.txt"]}"#),
        ("uppy-token", r#"{"bucket":"photos"}"#),
        ("track", r#"{"event":"completed"}"#),
        ("analytics", r#"{"event":"a page"}"#),
        ("validate-key", ""),
    ] {
        let reply = described(&gateway, &document, ("POST", path), body).await;
        assert_eq!(reply["success"], true, "{path} {reply}");
        answered.insert(route(&Method::POST, &format!("/api/v1/upload/{path}")).unwrap().operation.name());
        if path != "validate-key" {
            let refused = described(&gateway, &document, ("POST", path), "[]").await;
            assert_eq!(refused["error"], "INVALID_JSON", "{refused}");
        }
        if path.ends_with("initiate") {
            let upload = json!({"uploadId": reply["uploadId"], "key": reply["key"]}).to_string();
            for step in ["parts", "abort"] {
                let path = format!("photos/multipart/{step}");
                let reply = described(&gateway, &document, ("POST", &path), &upload).await;
                assert_eq!(reply["success"], true, "{path} {reply}");
                answered.insert(
                    route(&Method::POST, &format!("/api/v1/upload/{path}")).unwrap().operation.name(),
                );
            }
        }
    }
    for path in ["analytics", "analytics/daily", "analytics/providers"] {
        let reply = described(&gateway, &document, ("GET", path), "").await;
        assert_eq!(reply["success"], true, "{path} {reply}");
        answered.insert(route(&Method::GET, &format!("/api/v1/upload/{path}")).unwrap().operation.name());
    }
    store.rules().clear();
    let failed = described(&gateway, &document, ("POST", "photos/test-connection"), "{}").await;
    assert_eq!(failed["connected"], false, "{failed}");
    let all: BTreeSet<_> = Operation::ALL.iter().map(|operation| operation.name()).collect();
    // One needs an upload, one a store that keeps versions; their own tests have such, as do webhooks. The third never succeeds.
    let elsewhere = ["complete_multipart", "versions", "foreign", "access_token", "revoke_access_token"];
    let elsewhere = BTreeSet::from(elsewhere);
    let is_answered_there = |name: &&str| !name.starts_with("webhook_");
    let rest: BTreeSet<_> = all.difference(&answered).copied().filter(is_answered_there).collect();
    assert_eq!(rest, elsewhere);
}

#[tokio::test]
async fn tokens_are_answered_as_described() {
    let gateway = gateway("http://127.0.0.1:9").await;
    let document = document(&gateway).await;
    let asked = ("POST", "photos/access-token");
    let issued = described(&gateway, &document, asked, r#"{"permissions":["read"]}"#).await;
    let token = json!({"token": issued["token"]}).to_string();
    let revoked = described(&gateway, &document, ("DELETE", "photos/access-token/revoke"), &token).await;
    assert_eq!((&issued["success"], &revoked["success"]), (&json!(true), &json!(true)), "{revoked}");
}

/// A reply to `method` at the path that the document has as `template`.
async fn asked(gateway: &TestGateway, (method, path): (&str, &str), body: &str) -> Reply {
    Raw::connect(gateway.api()).await.ask(post(path, body).replacen("POST", method, 1)).await
}

#[tokio::test]
async fn webhooks_are_answered_as_described() {
    let hooked = Hooked::start().await;
    let document = document(&hooked.gateway).await;
    let webhooks = "/api/v1/webhooks/";
    let body = json!({"url": hooked.url(), "bucket": "photos", "secret": SECRET}).to_string();
    let create = [webhooks, "create"].concat();
    let created = held(&document, ("POST", &create), &asked(&hooked.gateway, ("POST", &create), &body).await);
    let signed = format!(
        r#"{{"filename":"a.png","contentType":"image/png","fileSize":5,"webhook":{{"url":"{}","secret":"{SECRET}"}}}}"#,
        hooked.url()
    );
    let signed = hooked.ask("/api/v1/upload/photos/signed-url", &signed).await;
    assert_eq!(upload(&signed["uploadUrl"], "hello").await.status, 200);
    let confirmation = json!({"webhookId": signed["webhook"]["webhookId"]}).to_string();
    let told = hooked.ask("/api/v1/webhooks/confirm", &confirmation).await;
    let delivery = told["deliveries"][0]["id"].as_str().unwrap();
    let webhook = created["webhookId"].as_str().unwrap();
    for (method, template, id, body) in [
        ("POST", "confirm", "", confirmation.as_str()),
        ("GET", "list", "", ""),
        ("GET", "status/{id}", webhook, ""),
        ("GET", "status/{id}", delivery, ""),
        ("GET", "status/{id}", "nobody", ""),
        ("POST", "{id}/retry", webhook, "{}"),
        ("DELETE", "{id}", webhook, ""),
    ] {
        let path = [webhooks, &template.replace("{id}", id)].concat();
        let reply = asked(&hooked.gateway, (method, &path), body).await;
        assert_eq!(reply.status, if id == "nobody" { 404 } else { 200 }, "{path} {reply:?}");
        held(&document, (method, &[webhooks, template].concat()), &reply);
    }
}

#[tokio::test]
async fn uppys_routes_are_described_where_they_are_and_answered_so() {
    let store = store::start("stored-photos").await;
    let s3 = "server.s3_listen = \"127.0.0.1:0\"\ns3.public_endpoint = \"https://files.example\"\n";
    let toml = uppy::config(&store, "", &[s3, KEY_CONFIG].concat());
    let gateway = TestGateway::start(&toml).await;
    let document = document(&gateway).await;
    for (page, base) in [
        (Page::with_key(&gateway), "/companion/{bucket}/s3/"),
        (Page::with_token(&gateway, json!({"bucket": "photos"})).await, "/companion/t/{token}/{bucket}/s3/"),
    ] {
        let begun = page.post("multipart", json!({"filename": "a.txt", "type": "text/plain"})).await;
        let (id, key) = uppy::named(&begun);
        let key = ["key=", &key].concat();
        let sign = json!({"method": "PUT", "key": "a.txt"});
        for (method, template, query, body) in [
            ("GET", "params", "filename=a.txt&type=text%2Fplain", None),
            ("POST", "multipart", "", Some(json!({"filename": "a.txt"}))),
            ("POST", "multipart", "", Some(json!([]))),
            ("GET", "multipart/{uploadId}", key.as_str(), None),
            ("GET", "multipart/{uploadId}/1", &key, None),
            ("GET", "multipart/{uploadId}/batch", &format!("{key}&partNumbers=1,2"), None),
            ("POST", "multipart/{uploadId}/complete", &key, Some(json!({"parts": []}))),
            ("DELETE", "multipart/{uploadId}", &key, None),
            ("GET", "multipart/{uploadId}/1", "", None),
            ("GET", "sts", "", None),
            ("POST", "sign", "", Some(sign)),
        ] {
            let path = format!("{}?{query}", template.replace("{uploadId}", &id));
            let reply = page.ask(method, &path, body).await;
            held(&document, (method, &[base, &template.replace("/1", "/{partNumber}")].concat()), &reply);
        }
    }
    for (base, path) in
        [("/uploads/uppy", "/uploads/uppy/{bucket}/s3/sts"), ("", "/companion/{bucket}/s3/sts")]
    {
        gateway.reload_toml(&format!("companion.base = \"{base}\"\n{toml}")).await;
        let paths = self::document(&gateway).await["paths"].clone();
        assert_eq!(paths.get(path).is_some(), !base.is_empty(), "{base}");
    }
}

#[tokio::test]
async fn events_are_answered_as_described() {
    let bucket = ["events = { token = \"a token that nobody guesses\" }\n", DEAD_MIRRORS].concat();
    let gateway = TestGateway::start(&with_mirrors("http://127.0.0.1:1", KEY_CONFIG, &bucket)).await;
    let document = document(&gateway).await;
    for (token, message, status) in [
        ("a token that nobody guesses", r#"{"Records":[]}"#, 200),
        ("a token that nobody guesses", "{}", 400),
        ("another", "{}", 401),
    ] {
        let wire = post("/api/v1/events/photos", message)
            .replace("x-api-key: test-key-0123456789abcdef", &format!("authorization: Bearer {token}"));
        let reply = Raw::connect(gateway.api()).await.ask(wire).await;
        assert_eq!(reply.status, status, "{reply:?}");
        held(&document, ("POST", "/api/v1/events/{bucket}"), &reply);
    }
}

#[tokio::test]
async fn the_page_shows_every_path_and_runs_nothing() {
    let gateway = gateway("http://127.0.0.1:9").await;
    let document = document(&gateway).await;
    for path in ["/docs", "/api/v1/upload/docs"] {
        let page = get(&gateway, "GET", path).await;
        assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
        assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
        for path in document["paths"].as_object().unwrap().keys() {
            assert!(page.body.contains(&format!("<code>{path}</code>")), "{path}");
        }
        assert!(!page.body.contains("<script") && !page.body.contains("http://"), "nothing is loaded");
        assert_eq!(get(&gateway, "HEAD", path).await.status, 200);
        let refused = get(&gateway, "POST", path).await;
        assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD")));
    }
}

#[tokio::test]
async fn an_app_behind_wharf_keeps_its_own_paths() {
    let app = App::friendly().await;
    let gateway = app.behind_wharf().await;
    for path in ["/openapi.json", "/docs"] {
        let reply = get(&gateway, "GET", path).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, "hello"), "{path} is the app's");
        let own = get(&gateway, "GET", &format!("/api/v1/upload{path}")).await;
        assert!(own.status == 200 && own.body.contains("Wharf: the upload API"), "{own:?}");
    }
}
