//! `params`, and what all of Uppy's routes have in common: who may ask, from which pages, and how they are refused.

use serde_json::{Value, json};

use crate::support::{
    gateway::{KEY_CONFIG, TestGateway},
    raw::{Raw, Reply},
    store,
    uppy::{Page, config, post_form, send, stored},
};

/// What browsers are told of Wharf's S3 endpoint; the tests connect to where it really listens.
const PUBLIC: &str = "https://files.example";

const PARAMS: &str =
    "params?filename=M%C3%B6we+am+Kai.png&type=image%2Fpng&metadata%5Bname%5D=M%C3%B6we&metadata[size]=7";

/// With Wharf's own endpoint.
fn with_endpoint(keys: &str) -> String {
    format!("server.s3_listen = \"127.0.0.1:0\"\ns3.public_endpoint = \"{PUBLIC}\"\n{keys}")
}

#[tokio::test]
async fn where_the_store_takes_forms_both_versions_get_one_for_it() {
    let store = store::start("stored-photos").await;
    let gateway = TestGateway::start(&config(&store, "", KEY_CONFIG).replace("site/", "")).await;
    for page in [Page::with_key(&gateway), Page::with_key(&gateway).version_5()] {
        let params = page.get(PARAMS).await;
        assert_eq!((&params["method"], &params["expires"]), (&json!("POST"), &json!(3600)));
        assert_eq!(params["headers"], Value::Null);
        assert_eq!(params["fields"]["content-type"], "image/png");
        assert_eq!(params["fields"]["x-amz-meta-name"], "=?UTF-8?B?TcO2d2U=?=");
        assert_eq!(params["fields"]["success_action_status"], "201");
        let key = params["fields"]["key"].as_str().unwrap();
        assert!(key.starts_with("upl") && key.ends_with("_Möwe_am_Kai.png"), "{key}");
        let posted = post_form(None, &params, b"hello").await;
        assert_eq!(posted.status, 201, "{posted:?}");
        let object = store.directory().join("stored-photos").join(key);
        assert_eq!(std::fs::read(object).unwrap(), b"hello");
    }
}

#[tokio::test]
async fn where_it_takes_none_version_5_puts_and_version_6_posts_to_wharf() {
    let store = store::start("stored-photos").await;
    let gateway = TestGateway::start(&config(&store, "forms = false", &with_endpoint(KEY_CONFIG))).await;
    let put = Page::with_key(&gateway).version_5().get(PARAMS).await;
    assert_eq!((&put["method"], &put["headers"]), (&json!("PUT"), &json!({ "content-type": "image/png" })));
    let url = put["url"].as_str().unwrap();
    assert!(url.starts_with(&store.endpoint()) && url.contains("x-amz-meta-size=7"), "{url}");
    assert_eq!(send(None, "PUT", url, b"hello").await.status, 200);
    assert_eq!(stored(&store, &put["fields"]["key"]).as_deref(), Some(&b"hello"[..]));

    let post = Page::with_key(&gateway).get(PARAMS).await;
    assert_eq!((&post["method"], &post["url"]), (&json!("POST"), &json!(format!("{PUBLIC}/photos"))));
    let posted = post_form(Some(gateway.s3()), &post, b"hello").await;
    assert_eq!(posted.status, 201, "{posted:?}");
    assert_eq!(stored(&store, &post["fields"]["key"]).as_deref(), Some(&b"hello"[..]));
}

#[tokio::test]
async fn the_plugin_is_told_the_key_as_callers_know_it_wherever_that_can_be() {
    let store = store::start("stored-photos").await;
    let gateway = TestGateway::start(&config(&store, "", &with_endpoint(KEY_CONFIG))).await;
    let post = Page::with_key(&gateway).get(PARAMS).await;
    assert_eq!(post["url"], format!("{PUBLIC}/photos"));
    assert_eq!(post_form(Some(gateway.s3()), &post, b"hello").await.status, 201);
    assert_eq!(stored(&store, &post["fields"]["key"]).as_deref(), Some(&b"hello"[..]));
    let put = Page::with_key(&gateway).version_5().get(PARAMS).await;
    assert_eq!(send(None, "PUT", put["url"].as_str().unwrap(), b"hello").await.status, 200);
    assert_eq!(stored(&store, &put["fields"]["key"]).as_deref(), Some(&b"hello"[..]));

    let without = TestGateway::start(&config(&store, "", KEY_CONFIG)).await;
    let post = Page::with_key(&without).get(PARAMS).await;
    assert!(post["fields"]["key"].as_str().unwrap().starts_with("site/upl"), "{post}");
    assert_eq!(post_form(None, &post, b"hello").await.status, 201);
}

#[tokio::test]
async fn a_bucket_that_bounds_the_size_says_so_in_a_policy() {
    let store = store::start("stored-photos").await;
    let config = config(&store, "forms = false", &with_endpoint(KEY_CONFIG));
    let config = config.replace("key_prefix", "accept = { file_bytes_max = 10 }\nkey_prefix");
    let gateway = TestGateway::start(&config).await;
    let params = Page::with_key(&gateway).version_5().get(PARAMS).await;
    assert_eq!(params["method"], "POST");
    let door = Some(gateway.s3());
    assert_eq!(post_form(door, &params, b"more than ten bytes").await.status, 400);
    assert_eq!(stored(&store, &params["fields"]["key"]), None);
    assert_eq!(post_form(door, &params, b"ten bytes!").await.status, 201);
}

#[tokio::test]
async fn what_is_wrong_is_told_in_uppys_shapes_and_in_the_reason() {
    let store = store::start("stored-photos").await;
    let gateway = TestGateway::start(&config(&store, "forms = false", KEY_CONFIG)).await;
    let page = Page::with_key(&gateway);
    for path in
        ["params", "params?filename=", "params?filename=a&filename=b", "params?filename=a&metadata[a+b]=c"]
    {
        let (status, body) = page.refusal("GET", path, None).await;
        let error = body["error"].as_str().unwrap_or_else(|| panic!("{path}: {body}"));
        assert_eq!((status, body.as_object().unwrap().len()), (400, 1), "{path}");
        assert!(error.starts_with("s3: "), "{error}");
    }
    for path in ["nothing", "multipart/a/b/c"] {
        assert_eq!(page.refusal("GET", path, None).await, (404, json!({ "message": "Not Found" })));
    }
    let other = Page { base: "/companion/films/s3".to_owned(), ..Page::with_key(&gateway) };
    assert_eq!(other.refusal("GET", PARAMS, None).await, (404, json!({ "message": "Not Found" })));

    // There is no endpoint of Wharf's for a form.
    let reply = page.ask("GET", PARAMS, None).await;
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!((reply.status, reply.reason()), (501, body["message"].as_str().unwrap()), "{reply:?}");
    assert_eq!(body["requestId"].as_str(), reply.header("x-request-id"));
    let wrong_method = page.ask("POST", "params", Some(json!({}))).await;
    assert_eq!((wrong_method.status, wrong_method.header("allow")), (405, Some("GET")));
}

#[tokio::test]
async fn who_comes_with_nothing_comes_in_from_this_machine_alone() {
    let store = store::start("stored-photos").await;
    let gateway = TestGateway::start(&config(&store, "", KEY_CONFIG)).await;
    let nobody = || Page { headers: String::new(), ..Page::with_key(&gateway) };
    let refused = nobody().ask("GET", PARAMS, None).await;
    assert_eq!((refused.status, refused.reason()), (401, "No API key came with the request."));
    assert!(refused.header("www-authenticate").is_some());

    let open = TestGateway::start(&config(&store, "", "")).await;
    let here = |headers: &str| Page { headers: headers.to_owned(), ..Page::with_key(&open) };
    assert_eq!(here("").ask("GET", PARAMS, None).await.status, 200);
    assert_eq!(here("origin: https://evil.example\r\n").ask("GET", PARAMS, None).await.status, 403);
    // A page whose name was pointed at this machine says nothing of its origin with a GET.
    let rebound = format!("GET /companion/photos/s3/{PARAMS} HTTP/1.1\r\nhost: evil.example\r\n\r\n");
    assert_eq!(Raw::connect(open.api()).await.ask(rebound).await.status, 403);
}

async fn preflight(gateway: &TestGateway, path: &str, origin: &str) -> Reply {
    let wire = format!(
        "OPTIONS {path} HTTP/1.1\r\nhost: a\r\norigin: {origin}\r\naccess-control-request-method: DELETE\r\n\
         access-control-request-headers: content-type,uppy-auth-token\r\n\r\n"
    );
    Raw::connect(gateway.api()).await.ask(wire).await
}

#[tokio::test]
async fn a_listed_page_may_send_what_uppy_sends() {
    let store = store::start("stored-photos").await;
    let keys = format!("upload.cors.origins = [\"https://app.example\"]\n{KEY_CONFIG}");
    let gateway = TestGateway::start(&config(&store, "", &keys)).await;
    let allowed = preflight(&gateway, "/companion/photos/s3/multipart/a", "https://app.example").await;
    assert_eq!(allowed.status, 204, "{allowed:?}");
    for (name, value) in [
        ("access-control-allow-origin", "https://app.example"),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "GET, POST, OPTIONS, DELETE"),
    ] {
        assert_eq!(allowed.header(name), Some(value));
    }
    let headers = allowed.header("access-control-allow-headers").unwrap();
    for name in
        ["uppy-auth-token", "uppy-credentials-params", "authorization", "origin", "content-type", "accept"]
    {
        assert!(headers.split(", ").any(|header| header == name), "{name} is not in {headers}");
    }
    let stranger = preflight(&gateway, "/companion/photos/s3/params", "https://evil.example").await;
    assert_eq!(stranger.header("access-control-allow-origin"), None);
    assert_eq!(stranger.header("access-control-allow-credentials"), None);

    // Errors can be read, too.
    let mut page = Page::with_key(&gateway);
    page.headers.push_str("origin: https://app.example\r\n");
    for (path, status) in [(PARAMS, 200), ("params", 400), ("nothing", 404)] {
        let reply = page.ask("GET", path, None).await;
        assert_eq!(
            (reply.status, reply.header("access-control-allow-origin")),
            (status, Some("https://app.example"))
        );
        assert!(reply.header("access-control-expose-headers").unwrap().contains("i-am"), "{reply:?}");
        assert_eq!(reply.header("cache-control"), Some("no-store"));
    }
}

#[tokio::test]
async fn the_base_can_be_another_or_none() {
    let store = store::start("stored-photos").await;
    let gateway =
        TestGateway::start(&config(&store, "", &format!("companion.base = \"/up/uppy\"\n{KEY_CONFIG}")))
            .await;
    let elsewhere = Page { base: "/up/uppy/photos/s3".to_owned(), ..Page::with_key(&gateway) };
    assert_eq!(elsewhere.get(PARAMS).await["method"], "POST");
    assert_eq!(Page::with_key(&gateway).ask("GET", PARAMS, None).await.code(), "NOT_FOUND");
    gateway.reload_toml(&config(&store, "", &format!("companion.base = \"\"\n{KEY_CONFIG}"))).await;
    assert_eq!(elsewhere.ask("GET", PARAMS, None).await.code(), "NOT_FOUND");
    let token = crate::support::uppy::mint(&gateway, json!({})).await;
    assert_eq!((token.status, token.code()), (404, "NOT_FOUND".to_owned()));
}
