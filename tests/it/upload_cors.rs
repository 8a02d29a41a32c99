//! `cors/setup` and `cors/verify` against a store that verifies signatures, keeps rules and answers preflights by them.

use serde_json::{Value, json};
use wharf_wire::cors::CorsRule;

use crate::support::{
    gateway::TestGateway,
    raw::{Raw, post},
    store,
    troubled_store::{Trouble, TroubledStore},
};

/// A gateway in front of `store`, with a bucket of its own and one that shares a bucket. Its key may do everything, and
/// another everything but settings.
async fn gateway(store: &TroubledStore) -> TestGateway {
    let endpoint = store.endpoint();
    TestGateway::start(&format!(
        "
[upload.cors]
origins = [\"https://app.example.com\"]
{}
{}
[buckets.photos]
provider = \"store\"
bucket = \"photos\"
[buckets.shared]
provider = \"store\"
bucket = \"shared\"
key_prefix = \"site/\"
[[keys]]
id = \"test-key-0123456789abcdef\"
allow = [{{ bucket = \"*\", actions = [\"configure\"] }}]
[[keys]]
id = \"another-key-0123456789abc\"
allow = [{{ bucket = \"*\", actions = [\"read\", \"write\", \"delete\", \"list\"] }}]
[[keys]]
id = \"a-users-key-0123456789abc\"
allow = [{{ bucket = \"*\", prefix = \"users/\", actions = [\"configure\"] }}]
",
        store::callers(&endpoint),
        store::provider("store", &endpoint)
    ))
    .await
}

async fn ask(gateway: &TestGateway, path: &str, body: &str) -> (u16, Value) {
    let reply = Raw::connect(gateway.api()).await.ask(post(&format!("/api/v1/upload/{path}"), body)).await;
    (reply.status, serde_json::from_str(&reply.body).unwrap())
}

fn theirs() -> CorsRule {
    CorsRule {
        id: Some("theirs".to_owned()),
        allowed_origins: vec!["https://app.example.com".to_owned()],
        allowed_methods: vec!["GET".to_owned(), "PUT".to_owned()],
        allowed_headers: vec!["*".to_owned()],
        max_age_seconds: Some(5),
        ..CorsRule::default()
    }
}

#[tokio::test]
async fn a_bucket_without_rules_is_set_up_and_then_valid() {
    let store = TroubledStore::start("photos").await;
    let gateway = gateway(&store).await;
    let (status, none) = ask(&gateway, "photos/cors/verify", "{}").await;
    assert_eq!(
        (status, &none["configured"], &none["isValid"]),
        (200, &json!(false), &json!(false)),
        "{none}"
    );
    assert!(none["issues"][0].as_str().unwrap().contains("no CORS rules"), "{none}");

    let body = r#"{"origins":["https://app.example.com"],"maxAgeSeconds":60}"#;
    let (status, set) = ask(&gateway, "photos/cors/setup", body).await;
    assert_eq!((status, &set["success"]), (200, &json!(true)), "{set}");
    assert_eq!(
        set["configuration"]["CORSRules"],
        json!([{
            "ID": "wharf", "AllowedOrigins": ["https://app.example.com"],
            "AllowedMethods": ["GET", "HEAD", "PUT", "POST", "DELETE"], "AllowedHeaders": ["*"],
            "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 60,
        }])
    );
    let (_, valid) = ask(&gateway, "photos/cors/verify", "{}").await;
    assert_eq!(
        (&valid["configured"], &valid["isValid"], &valid["issues"]),
        (&json!(true), &json!(true), &json!([]))
    );
    assert_eq!(valid["rules"], set["configuration"]["CORSRules"]);
    assert_eq!(valid["corsRules"], valid["rules"]);
    let (_, other) = ask(&gateway, "photos/cors/verify", r#"{"origins":["https://other.example"]}"#).await;
    assert!(other["issues"][0].as_str().unwrap().contains("https://other.example may not upload"), "{other}");
}

#[tokio::test]
async fn the_rules_of_others_stay_and_wharfs_own_is_replaced_where_it_is() {
    let store = TroubledStore::start("photos").await;
    let gateway = gateway(&store).await;
    store.rules().insert("photos".to_owned(), vec![theirs()]);
    let (_, shadowed) = ask(&gateway, "photos/cors/verify", "{}").await;
    assert!(shadowed["issues"][0].as_str().unwrap().contains("rule 1 answers first"), "{shadowed}");

    let (_, first) = ask(&gateway, "photos/cors/configure", "{}").await;
    assert!(first["message"].as_str().unwrap().contains("the other rule of the bucket was kept"), "{first}");
    assert_eq!(store.rules()["photos"][1], theirs());
    store.rules().get_mut("photos").unwrap().swap(0, 1);
    let (_, second) = ask(&gateway, "photos/cors/setup", r#"{"maxAgeSeconds":7}"#).await;
    assert!(second["message"].as_str().unwrap().starts_with("Wharf's rule was replaced"), "{second}");
    let rules = store.rules()["photos"].clone();
    assert_eq!(rules[0], theirs());
    assert_eq!((rules.len(), rules[1].id.as_deref(), rules[1].max_age_seconds), (2, Some("wharf"), Some(7)));
}

#[tokio::test]
async fn settings_take_the_right_to_configure_the_whole_bucket_which_must_be_its_own() {
    let store = TroubledStore::start("photos").await;
    let gateway = gateway(&store).await;
    for key in ["another-key-0123456789abc", "a-users-key-0123456789abc"] {
        for route in ["setup", "verify"] {
            let wire = post(&format!("/api/v1/upload/photos/cors/{route}"), "{}");
            let wire = wire.replace("test-key-0123456789abcdef", key);
            let reply = Raw::connect(gateway.api()).await.ask(wire).await;
            assert_eq!((reply.status, reply.code().as_str()), (403, "ACCESS_DENIED"), "{reply:?}");
            assert!(reply.body.contains("configure"), "the hint names the right: {reply:?}");
        }
    }
    for route in ["setup", "verify"] {
        let (status, shared) = ask(&gateway, &format!("shared/cors/{route}"), "{}").await;
        assert_eq!((status, &shared["error"]), (403, &json!("ACCESS_DENIED")), "{shared}");
        assert!(shared["message"].as_str().unwrap().contains("shares a bucket"), "{shared}");
    }
    assert_eq!(store.seen(), Vec::<String>::new());
}

#[tokio::test]
async fn brought_credentials_set_up_a_bucket_of_the_callers_own() {
    let store = TroubledStore::start("theirs").await;
    let gateway = gateway(&store).await;
    let own = store::brought(&store.endpoint(), "theirs");
    let body = format!(r#"{{{own},"origins":["https://a.example"],"allowedOrigins":["https://a.example"]}}"#);
    let (status, set) = ask(&gateway, "minio/cors/setup", &body).await;
    assert_eq!(status, 200, "{set}");
    assert_eq!(store.rules()["theirs"][0].allowed_origins, ["https://a.example"]);
    let wrong = body.replace(store::SECRET_KEY, "another-secret-0123456789abcdefghijklmno");
    let (status, refused) = ask(&gateway, "minio/cors/setup", &wrong).await;
    assert_eq!((status, &refused["error"]), (403, &json!("ACCESS_DENIED")), "{refused}");
    assert!(!refused.to_string().contains("another-secret"), "{refused}");
}

#[tokio::test]
async fn what_the_provider_does_not_do_is_told_with_what_to_do_instead() {
    let store = TroubledStore::start("photos").await;
    let gateway = gateway(&store).await;
    store.fall_into(Trouble::KeepsNoRules);
    for route in ["setup", "verify"] {
        let (status, refused) = ask(&gateway, &format!("photos/cors/{route}"), "{}").await;
        assert_eq!((status, &refused["error"]), (502, &json!("CORS_CONFIGURATION_FAILED")), "{refused}");
        assert!(refused["hint"].as_str().unwrap().contains("MINIO_API_CORS_ALLOW_ORIGIN"), "{refused}");
    }
    store.fall_into(Trouble::None);
    let (status, refused) = ask(&gateway, "photos/cors/setup", r#"{"exposeHeaders":["x-amz-meta-*"]}"#).await;
    assert_eq!((status, &refused["error"]), (400, &json!("INVALID_FIELD")), "{refused}");
}
