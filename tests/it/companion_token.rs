//! Tokens for pages: what they may do, and how long.

use serde_json::{Value, json};
use wharf::clock::Clock;
use wharf_wire::date::Timestamp;

use crate::support::{
    gateway::{KEY_CONFIG, TestGateway},
    store,
    uppy::{Page, config, mint, named, post_form, stored},
};

const PARAMS: &str = "params?filename=a.png&type=image%2Fpng";

/// A key that may write below a prefix in one bucket, and read in another.
const NARROW_KEY: &str = r#"
[[keys]]
id = "test-key-0123456789abcdef"
allow = [
  { bucket = "photos", prefix = "in/", actions = ["write"] },
  { bucket = "films", actions = ["read"] },
]
"#;

fn two_buckets(store: &wharf_demo::Store, keys: &str) -> String {
    format!("{}\n[buckets.films]\nprovider = \"store\"\nbucket = \"films\"\n", config(store, "", keys))
}

#[tokio::test]
async fn a_page_uploads_with_a_token_and_nothing_else() {
    let store = store::start("stored-photos").await;
    let gateway = TestGateway::start(&config(&store, "", KEY_CONFIG)).await;
    for fields in [json!({ "bucket": "photos" }), json!({})] {
        let mut page = Page::with_token(&gateway, fields.clone()).await;
        if fields.get("bucket").is_none() {
            page.base = page.base.replace("/s3", "/photos/s3");
        }
        let params = page.get(PARAMS).await;
        assert_eq!(post_form(None, &params, b"hello").await.status, 201);
        let created = page.post("multipart", json!({ "filename": "a", "type": "" })).await;
        let (id, key) = named(&created);
        // A reload gets another token of the same caller, and goes on.
        let reloaded = Page::with_token(&gateway, json!({ "bucket": "photos" })).await;
        assert_eq!(reloaded.get(&format!("multipart/{id}?key={key}")).await, json!([]));
        assert_eq!(reloaded.ask("DELETE", &format!("multipart/{id}?key={key}"), None).await.status, 200);
    }
}

#[tokio::test]
async fn a_token_can_do_no_more_than_it_says() {
    let store = store::start("stored-photos").await;
    let gateway = TestGateway::start(&two_buckets(&store, KEY_CONFIG)).await;
    let ada = Page::with_token(&gateway, json!({ "bucket": "photos", "prefix": "ada/" })).await;
    let params = ada.get(PARAMS).await;
    assert!(params["fields"]["key"].as_str().unwrap().starts_with("site/ada/upl"), "{params}");
    let films = Page { base: ada.base.replace("photos", "films"), headers: String::new(), ..ada };
    assert_eq!(films.refusal("GET", PARAMS, None).await, (404, json!({ "message": "Not Found" })));

    let ada = Page::with_token(&gateway, json!({ "bucket": "photos", "prefix": "ada/" })).await;
    let bob = Page::with_token(&gateway, json!({ "bucket": "photos", "prefix": "bob/" })).await;
    let created = ada.post("multipart", json!({ "filename": "a", "type": "" })).await;
    assert!(created["key"].as_str().unwrap().starts_with("ada/upl"), "{created}");
    let (id, key) = named(&created);
    assert_eq!(bob.refusal("GET", &format!("multipart/{id}?key={key}"), None).await.0, 403);
    // It opens Uppy's routes alone.
    let token = ada.base.split('/').nth(3).unwrap();
    let header =
        format!("POST /api/v1/upload/validate-key HTTP/1.1\r\nhost: a\r\nx-api-key: {token}\r\n\r\n");
    let refused = crate::support::raw::Raw::connect(gateway.api()).await.ask(header).await;
    assert_eq!(refused.code(), "INVALID_API_KEY");
}

#[tokio::test]
async fn nobody_hands_out_more_than_they_have() {
    let store = store::start("stored-photos").await;
    let gateway = TestGateway::start(&two_buckets(&store, NARROW_KEY)).await;
    for (fields, status, code) in [
        (json!({ "bucket": "films" }), 403, "ACCESS_DENIED"),
        (json!({ "bucket": "photos", "prefix": "" }), 200, ""),
        (json!({ "bucket": "photos", "prefix": "out/" }), 403, "ACCESS_DENIED"),
        (json!({ "bucket": "photos", "prefix": "in/../out/" }), 403, "ACCESS_DENIED"),
        (json!({ "bucket": "photos", "prefix": "in/ada/" }), 200, ""),
        (json!({ "bucket": "nowhere" }), 404, "UNKNOWN_PROVIDER"),
        (json!({ "prefix": "in/" }), 400, "MISSING_FIELDS"),
        (json!({ "expiresIn": 59 }), 400, "EXPIRY_TOO_SHORT"),
        (json!({ "expiresIn": 604_801 }), 400, "EXPIRY_TOO_LONG"),
        (json!({ "expiresIn": "long" }), 400, "INVALID_JSON"),
    ] {
        let reply = mint(&gateway, fields.clone()).await;
        assert_eq!(reply.status, status, "{fields} {reply:?}");
        assert_eq!(reply.code(), code, "{fields}");
    }
    let page = Page::with_token(&gateway, json!({})).await;
    let page = Page { base: page.base.replace("/s3", "/photos/s3"), ..page };
    assert!(page.get(PARAMS).await["fields"]["key"].as_str().unwrap().starts_with("site/in/upl"));
    let reading = NARROW_KEY.replace("\"write\"", "\"read\"");
    gateway.reload_toml(&two_buckets(&store, &reading)).await;
    assert_eq!(mint(&gateway, json!({})).await.code(), "ACCESS_DENIED");
    // What is taken from the key is taken from its tokens, too.
    assert_eq!(page.ask("GET", PARAMS, None).await.status, 403);
}

#[tokio::test]
async fn a_token_ends_with_its_time_and_with_its_key() {
    let store = store::start("stored-photos").await;
    let config = config(&store, "", KEY_CONFIG);
    let now = Clock::System.now();
    let before = Timestamp::from_unix_millis(now.unix_millis() - 61_000);
    let sealing = format!("server.sealing_keys = [\"{}\"]\n", "00".repeat(32));
    let past = TestGateway::start_at(&format!("{sealing}{config}"), before).await;
    let gateway = TestGateway::start_at(&format!("{sealing}{config}"), now).await;
    let token = |seconds: u32| Page::with_token(&past, json!({ "bucket": "photos", "expiresIn": seconds }));
    let (ended, good) = (token(60).await, token(62).await);
    let reply =
        Page { gateway: &gateway, base: ended.base, headers: String::new() }.ask("GET", PARAMS, None).await;
    assert_eq!((reply.status, reply.reason()), (401, "The token in the path has expired."));
    let good = Page { gateway: &gateway, base: good.base, headers: String::new() };
    assert_eq!(good.ask("GET", PARAMS, None).await.status, 200);
    let changed =
        Page { base: good.base.replacen("/t/A", "/t/B", 1), headers: String::new(), gateway: &gateway };
    assert_eq!(changed.ask("GET", PARAMS, None).await.reason(), "The token in the path was not made here.");
    let other = config.replace("test-key-0123456789abcdef", "another-key-0123456789abcdef");
    gateway.reload_toml(&format!("{sealing}{other}")).await;
    let gone = good.ask("GET", PARAMS, None).await;
    assert_eq!(
        (gone.status, gone.reason()),
        (401, "Whoever made the token in the path is no longer let in.")
    );
}

#[tokio::test]
async fn from_this_machine_a_token_writes_everywhere() {
    let store = store::start("stored-photos").await;
    let gateway = TestGateway::start(&config(&store, "", "")).await;
    let page = Page::with_token(&gateway, json!({ "bucket": "photos" })).await;
    let params = page.get(PARAMS).await;
    assert_eq!(post_form(None, &params, b"hello").await.status, 201);
    let key = params["fields"]["key"].as_str().unwrap().strip_prefix("site/").unwrap();
    assert_eq!(stored(&store, &Value::from(key)).as_deref(), Some(&b"hello"[..]));
}
