//! A new configuration under open connections.

use crate::support::{
    gateway::{KEY_CONFIG, TestGateway},
    raw::{Raw, good_request, post_head},
};

const OTHER_KEY_CONFIG: &str = r#"
[[keys]]
id = "other-key-0123456789abcdef"
allow = []
"#;

#[tokio::test]
async fn keys_and_limits_change_and_no_request_is_dropped() {
    let gateway = TestGateway::start(KEY_CONFIG).await;
    let mut kept = Raw::connect(gateway.api()).await;
    assert_eq!(kept.ask(good_request()).await.status, 200);
    let mut in_flight = Raw::connect(gateway.api()).await;
    let head = post_head("/api/v1/upload/validate-key", 2);
    in_flight.send(head.replace("content-length", "expect: 100-continue\r\ncontent-length")).await;
    assert_eq!(in_flight.reply().await.status, 100);

    gateway.reload_toml(&format!("[server.limits]\nconnections_per_ip_max = 2\n{OTHER_KEY_CONFIG}")).await;

    // It began under the old keys, so it ends under them.
    assert_eq!(in_flight.ask("{}").await.status, 200);
    assert_eq!(kept.ask(good_request()).await.code(), "INVALID_API_KEY");
    let with_other_key = good_request().replace("test-key-", "other-key-");
    assert_eq!(kept.ask(with_other_key).await.status, 200);
    assert_eq!(Raw::connect(gateway.api()).await.closed().await, "");
}

#[tokio::test]
async fn a_configuration_that_cannot_be_leaves_the_old_one_in_force() {
    let gateway = TestGateway::start(KEY_CONFIG).await;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("file");
    std::fs::write(&file, "").expect("a file");
    // No sealing key can be made in a directory that cannot be.
    let error = gateway.try_reload(OTHER_KEY_CONFIG, &file.join("data")).await.expect_err("it fails");
    assert!(error.to_string().contains("sealing key"), "{error}");

    assert_eq!(Raw::connect(gateway.api()).await.ask(good_request()).await.status, 200);
    let metrics = Raw::connect(gateway.admin()).await.ask("GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(metrics.body.contains("wharf_config_reloads_total{outcome=\"failed\"} 1\n"), "{}", metrics.body);
}
