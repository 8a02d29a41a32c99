//! The binary itself: signals, reloads from the file, exit codes.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use tokio::{net::TcpListener, time::sleep};

use crate::support::{
    gateway::KEY_CONFIG,
    raw::{Raw, good_request},
};

const PAUSE: Duration = Duration::from_millis(10);

/// `wharf serve` until it is dropped.
struct Process {
    child: Child,
    api: SocketAddr,
    admin: SocketAddr,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has mostly ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    async fn start(directory: &Path) -> Self {
        let (api, admin) = (free_address().await, free_address().await);
        let child = Command::new(env!("CARGO_BIN_EXE_wharf"))
            .current_dir(directory)
            .env_clear()
            .env("WHARF_CONFIG", "wharf.toml")
            .env("WHARF_SERVER__API_LISTEN", api.to_string())
            .env("WHARF_SERVER__ADMIN_LISTEN", admin.to_string())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let process = Self { child, api, admin };
        while tokio::net::TcpStream::connect(admin).await.is_err() {
            sleep(PAUSE).await;
        }
        process
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    async fn ended(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            sleep(PAUSE).await;
        }
    }

    async fn metrics(&self) -> String {
        Raw::connect(self.admin).await.ask("GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n").await.body
    }

    async fn until_metrics_say(&self, line: &str) {
        while !self.metrics().await.contains(line) {
            sleep(PAUSE).await;
        }
    }
}

async fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.and_then(|socket| socket.local_addr()).expect("a free port")
}

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
