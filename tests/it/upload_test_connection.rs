//! `test-connection`: a store that is broken in one way fails that row alone, and following its advice turns it green.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::TlsAcceptor;
use wharf::clock::Clock;
use wharf_wire::cors::CorsRule;

use crate::support::{
    gateway::TestGateway,
    raw::{Raw, post},
    store,
    troubled_store::{Trouble, TroubledStore},
};

const CHECKS: [&str; 11] = [
    "resolve",
    "tls",
    "clock-skew",
    "credentials",
    "list-buckets",
    "bucket",
    "write",
    "read-back",
    "multipart",
    "delete",
    "cors",
];

/// What a test may change of the configuration.
struct Setting<'a> {
    endpoint: &'a str,
    secret: &'a str,
    bucket: &'a str,
}

impl<'a> Setting<'a> {
    fn right(endpoint: &'a str) -> Self {
        Self { endpoint, secret: store::SECRET_KEY, bucket: "photos" }
    }

    fn toml(&self) -> String {
        let Self { endpoint, secret, bucket } = self;
        format!(
            "
[upload.cors]
origins = [\"https://app.example.com\"]
[upload.callers]
allowed = true
endpoints = [\"{endpoint}\"]
[providers.store]
plugin = \"minio\"
endpoint = \"{endpoint}\"
access_key_id = \"{}\"
secret_access_key = \"{secret}\"
[buckets.photos]
provider = \"store\"
bucket = \"{bucket}\"
key_prefix = \"site/\"
[[keys]]
id = \"test-key-0123456789abcdef\"
allow = [{{ bucket = \"*\", actions = [\"read\", \"write\", \"delete\"] }}]
[[keys]]
id = \"a-readers-key-0123456789a\"
allow = [{{ bucket = \"*\", actions = [\"read\", \"write\"] }}]
",
            store::ACCESS_KEY
        )
    }
}

/// A store whose bucket lets the configured page upload.
async fn store() -> TroubledStore {
    let store = TroubledStore::start("photos").await;
    let rule = CorsRule {
        allowed_origins: vec!["https://app.example.com".to_owned()],
        allowed_methods: vec!["PUT".to_owned()],
        allowed_headers: vec!["*".to_owned()],
        expose_headers: vec!["ETag".to_owned()],
        ..CorsRule::default()
    };
    store.rules().insert("photos".to_owned(), vec![rule]);
    store
}

async fn ask(gateway: &TestGateway, path: &str, body: &str) -> (u16, Value) {
    let reply = Raw::connect(gateway.api()).await.ask(post(&format!("/api/v1/upload/{path}"), body)).await;
    (reply.status, serde_json::from_str(&reply.body).unwrap())
}

/// The checks of the configured bucket.
async fn test(gateway: &TestGateway) -> Value {
    let (status, reply) = ask(gateway, "photos/test-connection", "{}").await;
    assert_eq!((status, &reply["success"]), (200, &json!(true)), "{reply}");
    reply
}

fn row<'v>(reply: &'v Value, check: &str) -> &'v Value {
    let rows = reply["checks"].as_array().unwrap();
    rows.iter().find(|row| row["check"] == check).unwrap_or_else(|| panic!("{check} in {reply}"))
}

/// That of all rows `check` alone failed, with `advice` on what to change.
fn fails_alone(reply: &Value, check: &str, advice: &str) {
    for other in CHECKS {
        let failed = row(reply, other)["outcome"] == "failed";
        assert_eq!(failed, other == check, "{other} in {reply}");
    }
    let fix = row(reply, check)["fix"].as_str().unwrap();
    assert!(fix.contains(advice), "{fix}");
    assert_eq!((&reply["connected"], &reply["summary"]["failed"]), (&json!(false), &json!(1)));
}

/// That every row passed, but for the one that has nothing to look at where there is no TLS.
fn is_green(reply: &Value) {
    for check in CHECKS {
        let expected = if check == "tls" { "skipped" } else { "passed" };
        assert_eq!(row(reply, check)["outcome"], expected, "{check} in {reply}");
    }
    assert_eq!(
        (&reply["connected"], &reply["summary"]),
        (&json!(true), &json!({"passed": 10, "failed": 0, "skipped": 1}))
    );
}

/// Every object in the store's bucket.
fn left_behind(store: &TroubledStore) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![store.store.directory().join("photos")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path => found.push(path),
            }
        }
    }
    found
}

#[tokio::test]
async fn a_good_store_is_green_and_nothing_is_left_behind() {
    let store = store().await;
    let gateway = TestGateway::start(&Setting::right(&store.endpoint()).toml()).await;
    is_green(&test(&gateway).await);
    assert_eq!(left_behind(&store), Vec::<PathBuf>::new());
    let below = store.seen().iter().any(|seen| seen.starts_with("PUT /photos/site/.wharf-test/"));
    assert!(below, "the bucket's prefix is kept: {:?}", store.seen());
}

#[tokio::test]
async fn each_trouble_of_a_store_fails_its_own_row() {
    let store = store().await;
    let gateway = TestGateway::start(&Setting::right(&store.endpoint()).toml()).await;
    for (trouble, check, advice) in [
        (Trouble::MayOnlyRead, "write", "grant the credentials s3:PutObject on the bucket"),
        (Trouble::AltersReads, "read-back", "see what changes bodies on the way"),
        (Trouble::KnowsNoParts, "multipart", "the provider does not do this"),
        (Trouble::MayNotDelete, "delete", "grant the credentials s3:DeleteObject on the bucket"),
    ] {
        store.fall_into(trouble);
        fails_alone(&test(&gateway).await, check, advice);
        store.fall_into(Trouble::None);
        is_green(&test(&gateway).await);
    }
}

#[tokio::test]
async fn what_cannot_be_deleted_is_named() {
    let store = store().await;
    let gateway = TestGateway::start(&Setting::right(&store.endpoint()).toml()).await;
    store.fall_into(Trouble::MayNotDelete);
    let reply = test(&gateway).await;
    let fix = row(&reply, "delete")["fix"].as_str().unwrap();
    let left = left_behind(&store);
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(fix.contains("site/.wharf-test/") && fix.contains("which is left behind"), "{fix}");
}

#[tokio::test]
async fn a_wrong_setting_fails_its_own_row_until_it_is_corrected() {
    let store = store().await;
    let endpoint = store.endpoint();
    let right = Setting::right(&endpoint);
    let gateway = TestGateway::start(&right.toml()).await;
    for (wrong, check, advice) in [
        (Setting { endpoint: "http://no-such-host.invalid:9000", ..right }, "resolve", "correct `endpoint`"),
        (
            Setting { secret: "another-secret-0123456789abcdefghijklmno", ..right },
            "credentials",
            "correct `secret_access_key`",
        ),
        (Setting { bucket: "no-such-bucket", ..right }, "bucket", "correct `bucket`, or create it"),
    ] {
        gateway.reload_toml(&wrong.toml()).await;
        let reply = test(&gateway).await;
        fails_alone(&reply, check, advice);
        assert!(!reply.to_string().contains("another-secret"), "{reply}");
        gateway.reload_toml(&Setting::right(&endpoint).toml()).await;
        is_green(&test(&gateway).await);
    }
}

/// A peer that speaks TLS with a certificate that it has signed itself.
async fn self_signed() -> (SocketAddr, JoinHandle<()>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let (acceptor, listener) =
        (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = acceptor.accept(stream).await;
        }
    });
    (address, task)
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts_fails_tls_and_plain_http_is_the_cure_where_there_is_no_other() {
    let store = store().await;
    let (address, peer) = self_signed().await;
    let endpoint = format!("https://localhost:{}", address.port());
    let gateway = TestGateway::start(&Setting::right(&endpoint).toml()).await;
    fails_alone(
        &test(&gateway).await,
        "tls",
        "a certificate of a public authority for this name, or write `http://`",
    );
    gateway.reload_toml(&Setting::right(&store.endpoint()).toml()).await;
    is_green(&test(&gateway).await);
    peer.abort();
}

#[tokio::test]
async fn a_clock_that_is_wrong_fails_its_row_alone_and_says_by_how_much() {
    const WRONG_MILLIS: u64 = 3_600_000;
    let store = store().await;
    let clock: &'static AtomicU64 =
        Box::leak(Box::new(AtomicU64::new(Clock::System.now().unix_millis() - WRONG_MILLIS)));
    let gateway =
        TestGateway::start_with(&Setting::right(&store.endpoint()).toml(), Clock::Moved(clock)).await;
    let reply = test(&gateway).await;
    fails_alone(&reply, "clock-skew", "set this machine's clock");
    let mut words = row(&reply, "clock-skew")["fix"].as_str().unwrap().split(' ');
    let seconds: u64 = words.find_map(|word| word.parse().ok()).expect("how many seconds");
    assert!(
        row(&reply, "clock-skew")["fix"].as_str().unwrap().contains(&format!("{seconds} seconds forward"))
    );
    clock.fetch_add(seconds * 1000, Ordering::Relaxed);
    is_green(&test(&gateway).await);
}

#[tokio::test]
async fn the_rule_that_a_bucket_lacks_comes_along_to_be_pasted() {
    let store = store().await;
    let gateway = TestGateway::start(&Setting::right(&store.endpoint()).toml()).await;
    store.rules().clear();
    let reply = test(&gateway).await;
    let pasted = &row(&reply, "cors")["corsRules"][0];
    let texts = |name: &str| -> Vec<String> {
        let values = pasted[name].as_array().unwrap_or_else(|| panic!("{name} in {reply}")).iter();
        values.map(|value| value.as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(row(&reply, "cors")["outcome"], "failed");
    let rule = CorsRule {
        allowed_origins: texts("AllowedOrigins"),
        allowed_methods: texts("AllowedMethods"),
        allowed_headers: texts("AllowedHeaders"),
        expose_headers: texts("ExposeHeaders"),
        ..CorsRule::default()
    };
    assert_eq!(rule.allowed_origins, ["https://app.example.com"]);
    store.rules().insert("photos".to_owned(), vec![rule]);
    is_green(&test(&gateway).await);
    let (_, other) =
        ask(&gateway, "photos/test-connection", r#"{"origins":["https://other.example"]}"#).await;
    fails_alone(&other, "cors", "rule");
}

#[tokio::test]
async fn brought_credentials_are_tested_where_the_caller_may_go() {
    let store = store().await;
    let gateway = TestGateway::start(&Setting::right(&store.endpoint()).toml()).await;
    let own = |endpoint: &str| {
        format!(
            r#"{{"minioAccessKey":"{}","minioSecretKey":"{}","minioBucket":"photos","minioEndpoint":"{endpoint}"}}"#,
            store::ACCESS_KEY,
            store::SECRET_KEY,
        )
    };
    let (status, reply) = ask(&gateway, "minio/test-connection", &own(&store.endpoint())).await;
    assert_eq!(status, 200, "{reply}");
    is_green(&reply);
    let (status, refused) = ask(&gateway, "minio/test-connection", &own("http://127.0.0.1:1")).await;
    assert_eq!((status, &refused["error"]), (400, &json!("ENDPOINT_NOT_ALLOWED")), "{refused}");
}

#[tokio::test]
async fn it_takes_the_rights_to_do_what_it_does_and_counts_as_what_it_does() {
    let store = store().await;
    let toml = Setting::right(&store.endpoint()).toml();
    let gateway = TestGateway::start(&toml).await;
    let wire = post("/api/v1/upload/photos/test-connection", "{}");
    let wire = wire.replace("test-key-0123456789abcdef", "a-readers-key-0123456789a");
    let refused = Raw::connect(gateway.api()).await.ask(wire).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "ACCESS_DENIED"), "{refused:?}");
    assert_eq!(store.seen(), Vec::<String>::new());

    let limited = toml.replace(
        "plugin = \"minio\"\n",
        "plugin = \"minio\"\nrate_limit = { requests_per_second = 1, burst = 20 }\n",
    );
    gateway.reload_toml(&limited).await;
    is_green(&test(&gateway).await);
    let (status, second) = ask(&gateway, "photos/test-connection", "{}").await;
    assert_eq!((status, &second["error"]), (429, &json!("RATE_LIMITED")), "{second}");
}

#[tokio::test]
async fn a_caller_who_leaves_leaves_nothing_behind() {
    let store = store().await;
    let gateway = TestGateway::start(&Setting::right(&store.endpoint()).toml()).await;
    let mut caller = Raw::connect(gateway.api()).await;
    caller.send(post("/api/v1/upload/photos/test-connection", "{}")).await;
    let seen = |start: &str| store.seen().iter().any(|seen| seen.starts_with(start));
    while !seen("PUT /photos/") {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    caller.reset();
    while !seen("OPTIONS /photos/") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(left_behind(&store), Vec::<PathBuf>::new());
}
