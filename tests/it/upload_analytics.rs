//! Usage: counted beside the requests, kept in the database, shown to whom it is about.

use http::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use wharf::{
    clock::Clock,
    config::{Environment, from_toml_text},
    server::Drain,
    store::{Store, UsageRow},
};
use wharf_wire::date::Timestamp;

use crate::support::{
    gateway::{KEY_CONFIG, TestGateway},
    memory_store::MemoryStore,
    raw::{Raw, Reply, post},
    s3_client::{Ask, Mode, S3_KEY, S3_KEYS},
    store,
    uppy::{self, Page},
};

/// 2026-11-22, a little after midnight.
const NOW: Timestamp = Timestamp::from_unix_millis(1_795_307_826_700);

fn config(endpoint: &str, keys: &str, is_kept: bool) -> String {
    format!(
        "{keys}
[usage]
enabled = {is_kept}
[upload.callers]
allowed = true
{}
[buckets.photos]
provider = \"store\"
bucket = \"stored-photos\"
",
        store::provider("store", endpoint)
    )
}

/// Two keys with all rights.
fn keys() -> String {
    [KEY_CONFIG, &KEY_CONFIG.replace("test-key-0123456789abcdef", "other-key-0123456789")].concat()
}

async fn send(gateway: &TestGateway, wire: String) -> (Reply, Value) {
    let reply = Raw::connect(gateway.api()).await.ask(wire).await;
    let json = serde_json::from_str(&reply.body).unwrap();
    (reply, json)
}

async fn tell(gateway: &TestGateway, path: &str, body: &Value) -> (Reply, Value) {
    send(gateway, post(&format!("/api/v1/upload/{path}"), &body.to_string())).await
}

async fn show_as(key: &str, gateway: &TestGateway, path: &str) -> (Reply, Value) {
    let head = format!("GET /api/v1/upload/{path} HTTP/1.1\r\nhost: wharf.test\r\nx-api-key: {key}\r\n\r\n");
    send(gateway, head).await
}

async fn show(gateway: &TestGateway, path: &str) -> Value {
    let (reply, json) = show_as("test-key-0123456789abcdef", gateway, path).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    json
}

/// Signs three files of 30 bytes in all and a download, lists twice, and fails once.
async fn use_it(gateway: &TestGateway) {
    let file = |bytes: u64| json!({"filename": "a.txt", "contentType": "text/plain", "fileSize": bytes});
    for (path, body, status) in [
        ("photos/signed-url", file(5), 200),
        ("photos/batch-signed-url", json!({"files": [file(10), file(15)]}), 200),
        ("photos/download", json!({"key": "a.txt"}), 200),
        ("photos/list", json!({}), 200),
        ("store/list", json!({}), 200),
        ("photos/metadata", json!({"key": "missing"}), 404),
    ] {
        let (reply, _) = tell(gateway, path, &body).await;
        assert_eq!(reply.status, status, "{path} {reply:?}");
    }
}

#[tokio::test]
async fn what_a_key_has_done_is_summed_by_operation_day_and_provider() {
    let store = MemoryStore::start().await;
    let gateway = TestGateway::start_at(&config(&store.endpoint(), &keys(), true), NOW).await;
    for _ in 0..2 {
        use_it(&gateway).await;
    }
    let own = json!({"minioAccessKey": "a", "minioSecretKey": "b", "minioBucket": "theirs", "key": "a"});
    assert_eq!(tell(&gateway, "minio/download", &own).await.0.status, 400);

    let all = show(&gateway, "analytics").await;
    assert_eq!((&all["from"], &all["to"]), (&json!("2026-10-24"), &json!("2026-11-22")));
    let operations = json!({
        "signed_url": {"count": 2, "bytes": 10},
        "batch_signed_url": {"count": 4, "bytes": 50},
        "download_signed_url": {"count": 2, "bytes": 0},
        "list": {"count": 4, "bytes": 0},
    });
    assert_eq!(all["operations"], operations);
    assert_eq!((&all["count"], &all["bytes"], &all["events"]), (&json!(12), &json!(60), &json!({})));

    let daily = show(&gateway, "analytics/daily?days=3").await;
    let dates: Vec<_> =
        daily["days"].as_array().unwrap().iter().map(|day| day["date"].as_str().unwrap()).collect();
    assert_eq!(dates, ["2026-11-20", "2026-11-21", "2026-11-22"]);
    assert_eq!((&daily["days"][1]["count"], &daily["days"][2]["count"]), (&json!(0), &json!(12)));
    assert_eq!(daily["days"][2]["operations"], operations);

    let providers = show(&gateway, "analytics/providers?days=1").await;
    let [store] = providers["providers"].as_array().unwrap().as_slice() else { panic!("{providers}") };
    assert_eq!((&store["provider"], &store["bytes"]), (&json!("store"), &json!(60)));

    let (_, others) = show_as("other-key-0123456789", &gateway, "analytics").await;
    assert_eq!((&others["count"], &others["operations"]), (&json!(0), &json!({})));
}

#[tokio::test]
async fn clients_tell_of_events_under_names_of_their_own() {
    let store = MemoryStore::start().await;
    let gateway = TestGateway::start_at(&config(&store.endpoint(), KEY_CONFIG, true), NOW).await;
    for (path, body) in [
        ("analytics", json!({"event": "file viewed", "fileUrl": "y", "metadata": {"a": [1, {}]}})),
        ("track", json!({"event": "completed", "fileUrl": "y", "fileSize": 7, "provider": "MINIO"})),
        ("track", json!({"event": "completed", "fileUrl": "y", "fileSize": 5, "provider": "nobody's"})),
    ] {
        let (reply, json) = tell(&gateway, path, &body).await;
        assert_eq!(
            (reply.status, &json["success"], &json["counted"]),
            (200, &json!(true), &json!(true)),
            "{json}"
        );
        assert!(json["message"].is_string());
    }
    let all = show(&gateway, "analytics").await;
    let events = json!({"completed": {"count": 2, "bytes": 12}, "file viewed": {"count": 1, "bytes": 0}});
    assert_eq!((&all["events"], &all["count"]), (&events, &json!(0)));
    let providers = show(&gateway, "analytics/providers").await;
    assert_eq!(providers["providers"][0]["provider"], "minio");
    assert_eq!(providers["providers"][0]["events"]["completed"], json!({"count": 1, "bytes": 7}));
    for (path, body, code) in [
        ("track", json!({"event": "viewed"}), "INVALID_FIELD"),
        ("track", json!({"fileUrl": "y"}), "MISSING_FIELDS"),
        ("analytics", json!({"event": "x".repeat(65)}), "INVALID_FIELD"),
        ("analytics", json!({"event": "a\u{0}"}), "INVALID_FIELD"),
        ("analytics", json!({"event": 7}), "INVALID_JSON"),
        ("analytics", json!([]), "INVALID_JSON"),
    ] {
        let (reply, _) = tell(&gateway, path, &body).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, code), "{path} {body}");
    }
    for query in ["days=0", "days=367", "days=x", "days="] {
        let (reply, _) = show_as("test-key-0123456789abcdef", &gateway, &format!("analytics?{query}")).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "INVALID_FIELD"), "{query}");
    }
    let (reply, _) = tell(&gateway, "analytics/daily", &json!({})).await;
    assert_eq!((reply.status, reply.header("allow")), (405, Some("GET")));
}

#[tokio::test]
async fn what_goes_through_the_s3_endpoint_counts_for_its_key() {
    let store = store::start("stored-photos").await;
    let toml = config(&store.endpoint(), S3_KEYS, true);
    let gateway = TestGateway::start(&toml).await;
    assert_eq!(Ask::put("/photos/a", Mode::SignedTrailer, b"hello").sign().status(&gateway).await, 200);
    assert_eq!(Ask::put("/photos/b", Mode::Hash, b"hell").sign().status(&gateway).await, 200);
    for (method, status) in [(Method::GET, 200), (Method::HEAD, 200), (Method::DELETE, 204)] {
        assert_eq!(Ask::new(method, "/photos/a").sign().status(&gateway).await, status);
    }
    assert_eq!(Ask::get("/photos/a").sign().status(&gateway).await, 404);
    assert!(gateway.shutdown().await);
    let expected = [("DeleteObject", 1, 0), ("GetObject", 1, 5), ("HeadObject", 1, 0), ("PutObject", 2, 9)];
    let rows = rows(&gateway, &format!("key:{}", hex::encode(Sha256::digest(S3_KEY)))).await;
    let found: Vec<_> = rows.iter().map(|row| (row.event.as_str(), row.times, row.bytes)).collect();
    assert_eq!(found, expected);
    assert!(rows.iter().all(|row| row.provider == "store"));
}

#[tokio::test]
async fn what_is_signed_and_then_comes_through_wharf_counts_its_bytes_once() {
    let store = store::start("stored-photos").await;
    let s3 = "server.s3_listen = \"127.0.0.1:0\"\ns3.public_endpoint = \"https://files.example\"\n";
    let config = config(&store.endpoint(), KEY_CONFIG, true);
    let gateway =
        TestGateway::start(&format!("{s3}{config}direct_uploads = \"wharf\"\n[webhooks]\nenabled = true\n"))
            .await;
    let file = json!({"filename": "a.txt", "contentType": "text/plain", "fileSize": 5});
    let (_, signed) = tell(&gateway, "photos/signed-url", &file).await;
    let put = uppy::send(Some(gateway.s3()), "PUT", signed["uploadUrl"].as_str().unwrap(), b"hello").await;
    assert_eq!(put.status, 200, "{put:?}");
    let (_, form) = tell(&gateway, "photos/form", &file).await;
    let posted = uppy::post_form(Some(gateway.s3()), &form, b"hello").await;
    assert!(posted.status < 300, "{posted:?}");
    Page::with_key(&gateway).get("params?filename=a.txt&type=text%2Fplain").await;
    let (listed, _) = send(&gateway, post("/api/v1/webhooks/list", "{}")).await;
    assert_eq!(listed.status, 200, "{listed:?}");
    let all = show(&gateway, "analytics").await;
    let operations = json!({
        "signed_url": {"count": 1, "bytes": 0}, "PutObject": {"count": 1, "bytes": 5},
        "form": {"count": 1, "bytes": 0}, "PostObject": {"count": 1, "bytes": 5},
        "uppy_params": {"count": 1, "bytes": 0}, "webhook_list": {"count": 1, "bytes": 0},
    });
    assert_eq!((&all["operations"], &all["bytes"]), (&operations, &json!(10)));
    let providers = show(&gateway, "analytics/providers").await;
    assert_eq!(providers["providers"][0]["count"], 5, "{providers}: a webhook is with no provider");
}

/// What the database has of a caller when its gateway has ended.
async fn rows(gateway: &TestGateway, caller: &str) -> Vec<UsageRow> {
    let (config, drain) = (from_toml_text("", &Environment::default()).unwrap(), Drain::default());
    let beside = Store::open_beside(&config.store, gateway.data(), Clock::System, &drain).await.unwrap();
    beside.journal().usage(caller, 0).await.unwrap()
}

#[tokio::test]
async fn what_is_not_kept_is_said_not_to_be() {
    let store = MemoryStore::start().await;
    let gateway = TestGateway::start(&config(&store.endpoint(), KEY_CONFIG, false)).await;
    use_it(&gateway).await;
    let (reply, json) = tell(&gateway, "analytics", &json!({"event": "x"})).await;
    assert_eq!((reply.status, &json["success"], &json["counted"]), (200, &json!(true), &json!(false)));
    let (reply, _) = show_as("test-key-0123456789abcdef", &gateway, "analytics").await;
    assert_eq!((reply.status, reply.code().as_str()), (404, "NOT_FOUND"));
    assert!(!gateway.data().join("wharf.db").exists());
    gateway.reload_toml(&config(&store.endpoint(), KEY_CONFIG, true)).await;
    assert_eq!(show(&gateway, "analytics").await["count"], 0, "nothing was counted before");
}

#[tokio::test]
async fn what_was_counted_is_written_before_the_process_ends() {
    let store = MemoryStore::start().await;
    let gateway = TestGateway::start(&config(&store.endpoint(), "", true)).await;
    use_it(&gateway).await;
    assert!(gateway.shutdown().await);
    let rows = rows(&gateway, "loopback").await;
    let times: u64 = rows.iter().map(|row| row.times).sum();
    assert_eq!((times, rows.iter().map(|row| row.bytes).sum()), (6, 30_u64));
}
