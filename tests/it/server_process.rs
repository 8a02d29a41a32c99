//! The binary itself: signals, reloads from the file, exit codes.

use std::process::Command;

use tokio::time::sleep;

use crate::support::{
    gateway::KEY_CONFIG,
    process::{PAUSE, Process},
    raw::{Raw, good_request},
};

#[tokio::test]
async fn hangup_reloads_and_a_broken_file_changes_nothing() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("wharf.toml");
    std::fs::write(&file, KEY_CONFIG).expect("a file");
    let mut process = Process::start(directory.path()).await;
    let mut kept = Raw::connect(process.api).await;
    assert_eq!(kept.ask(good_request()).await.status, 200);

    std::fs::write(&file, "[server]\nunknown = 1").expect("a file");
    process.signal("-HUP");
    process.until_metrics_say("wharf_config_reloads_total{outcome=\"failed\"} ").await;
    assert_eq!(kept.ask(good_request()).await.status, 200);

    std::fs::write(&file, KEY_CONFIG.replace("test-key-", "other-key-")).expect("a file");
    process.signal("-HUP");
    process.until_metrics_say("wharf_config_reloads_total{outcome=\"ok\"} ").await;
    assert_eq!(kept.ask(good_request()).await.code(), "INVALID_API_KEY");
    assert_eq!(kept.ask(good_request().replace("test-key-", "other-key-")).await.status, 200);

    process.signal("-TERM");
    assert_eq!(kept.closed().await, "");
    assert!(process.ended().await.success());
}

#[tokio::test]
async fn a_second_signal_ends_a_drain_at_once() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("wharf.toml"), KEY_CONFIG).expect("a file");
    let mut process = Process::start(directory.path()).await;
    let mut in_flight = Raw::connect(process.api).await;
    let head = good_request().replace("content-length: 0", "expect: 100-continue\r\ncontent-length: 9");
    assert_eq!(in_flight.ask(head).await.status, 100);
    process.signal("-INT");
    // The API's door is closed before the second signal, so it is not taken for the first.
    while tokio::net::TcpStream::connect(process.api).await.is_ok() {
        sleep(PAUSE).await;
    }
    process.signal("-INT");
    assert!(process.ended().await.success());
    assert_eq!(in_flight.closed().await, "");
}

#[tokio::test]
async fn a_configuration_that_cannot_be_is_told_and_fails() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("wharf.toml"), "[server]\nunknown = 1").expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_wharf"))
        .args(["serve", "--config", "wharf.toml"])
        .current_dir(directory.path())
        .env_clear()
        .output()
        .expect("the binary starts");
    assert!(!output.status.success());
    let told = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(told.contains("server.unknown"), "{told}");
}
