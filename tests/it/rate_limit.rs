//! Rate limits as clients meet them.

use std::sync::atomic::{AtomicU64, Ordering};

use wharf::clock::Clock;

use crate::support::{
    gateway::{KEY, KEY_CONFIG, TestGateway},
    raw::{Raw, Reply, good_request, post},
};

/// A gateway whose clock the test moves.
async fn gateway(toml: &str) -> (TestGateway, &'static AtomicU64) {
    let millis = Box::leak(Box::new(AtomicU64::new(1_795_307_826_434)));
    (TestGateway::start_with(toml, Clock::Moved(millis)).await, millis)
}

async fn ask_from(client: [u8; 4], gateway: &TestGateway) -> Reply {
    Raw::connect_from(client, gateway.api()).await.ask(good_request()).await
}

fn limits_of(reply: &Reply) -> (&str, &str) {
    (reply.header("ratelimit").unwrap_or_default(), reply.header("ratelimit-policy").unwrap_or_default())
}

#[tokio::test]
async fn a_client_that_comes_too_often_is_told_when_to_come_again() {
    let toml =
        format!("[upload]\nrate_limit_per_ip = {{ requests_per_second = 1, burst = 2 }}\n{KEY_CONFIG}");
    let (gateway, millis) = gateway(&toml).await;
    let mut connection = Raw::connect(gateway.api()).await;
    let first = connection.ask(good_request()).await;
    assert_eq!((first.status, limits_of(&first)), (200, ("\"client\";r=1;t=1", "\"client\";q=2;w=2")));
    assert_eq!(connection.ask(good_request()).await.status, 200);
    let refused = connection.ask(good_request()).await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "RATE_LIMITED"));
    assert_eq!(limits_of(&refused), ("\"client\";r=0;t=1", "\"client\";q=2;w=2"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(ask_from([127, 0, 0, 9], &gateway).await.status, 200, "a neighbour is served");
    millis.fetch_add(1000, Ordering::Relaxed);
    assert_eq!(connection.ask(good_request()).await.status, 200, "as Retry-After said");
    assert_eq!(connection.ask(good_request()).await.status, 429);
}

#[tokio::test]
async fn the_limit_that_refused_is_the_one_that_is_told() {
    let toml = format!(
        "[upload]\nrate_limit_per_ip = {{ requests_per_second = 100, burst = 100 }}\n{}\n\
         rate_limit = {{ requests_per_second = 1, burst = 1 }}\n[[keys]]\nid = \"another-key-0123456789\"\nallow = []\n",
        KEY_CONFIG.trim_end()
    );
    let (gateway, _) = gateway(&toml).await;
    let mut connection = Raw::connect(gateway.api()).await;
    let first = connection.ask(good_request()).await;
    assert_eq!((first.status, limits_of(&first).0), (200, "\"key\";r=0;t=1"), "the tightest is told");
    let refused = connection.ask(good_request()).await;
    assert_eq!((refused.status, limits_of(&refused)), (429, ("\"key\";r=0;t=1", "\"key\";q=1;w=1")));
    let other = connection.ask(good_request().replace(KEY, "another-key-0123456789")).await;
    assert_eq!(
        (other.status, limits_of(&other).0),
        (200, "\"client\";r=97;t=1"),
        "another key has its own count"
    );
}

#[tokio::test]
async fn a_reload_keeps_the_counts() {
    let toml =
        format!("[upload]\nrate_limit_per_ip = {{ requests_per_second = 1, burst = 1 }}\n{KEY_CONFIG}");
    let (gateway, _) = gateway(&toml).await;
    let mut connection = Raw::connect(gateway.api()).await;
    assert_eq!(connection.ask(good_request()).await.status, 200);
    gateway.reload_toml(&format!("[log]\naccess = false\n{toml}")).await;
    assert_eq!(connection.ask(good_request()).await.status, 429);
    gateway.reload_toml(&toml.replace("burst = 1", "burst = 3")).await;
    assert_eq!(connection.ask(good_request()).await.status, 200, "a limit that changed begins anew");
}

#[tokio::test]
async fn one_providers_limit_slows_no_other() {
    let provider = |name: &str, limit: &str| {
        format!(
            "[providers.{name}]\nplugin = \"s3\"\nregion = \"eu-west-1\"\naccess_key_id = \"AKIAIOSFODNN7EXAMPLE\"\n\
             secret_access_key = \"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\"\n{limit}\n\
             [buckets.{name}-files]\nprovider = \"{name}\"\nbucket = \"{name}-bucket\"\n"
        )
    };
    let limit = "rate_limit = { requests_per_second = 1, burst = 1 }";
    let toml = format!("{}{}{KEY_CONFIG}", provider("busy", limit), provider("idle", limit));
    let (gateway, _) = gateway(&toml).await;
    let mut connection = Raw::connect(gateway.api()).await;
    let body = r#"{"filename":"a.txt","contentType":"text/plain"}"#;
    let mut ask =
        async |bucket: &str| connection.ask(post(&format!("/api/v1/upload/{bucket}/signed-url"), body)).await;
    assert_eq!(ask("busy-files").await.status, 200);
    let refused = ask("busy-files").await;
    assert_eq!((refused.status, limits_of(&refused).0), (429, "\"provider\";r=0;t=1"));
    let other = ask("idle-files").await;
    assert_eq!((other.status, limits_of(&other).0), (200, "\"provider\";r=0;t=1"), "{other:?}");
}
