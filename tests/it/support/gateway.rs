//! A real gateway inside the test process, on free ports.

use std::{net::SocketAddr, ops::Deref, path::Path};

use tempfile::TempDir;
use wharf::{
    clock::Clock,
    config::{Config, Environment, from_toml_text},
    gateway::{Gateway, StartError},
    mirror::Mirrors,
    server::Drain,
    store::{Journal, SharedStore},
};
use wharf_wire::date::Timestamp;

use super::raw::Raw;

/// A key without a secret, for tests that are not about keys.
pub(crate) const KEY: &str = "test-key-0123456789abcdef";

/// `[[keys]]` with [`KEY`].
pub(crate) const KEY_CONFIG: &str = r#"
[[keys]]
id = "test-key-0123456789abcdef"
allow = [{ bucket = "*", actions = ["read", "write", "delete", "list"] }]
"#;

/// A gateway that serves one configuration.
pub(crate) struct TestGateway {
    gateway: Gateway,
    data: TempDir,
}

impl Deref for TestGateway {
    type Target = Gateway;

    fn deref(&self) -> &Gateway {
        &self.gateway
    }
}

impl TestGateway {
    /// Serves the configuration `toml`, with the machine's clock. Addresses and the data directory need not be given.
    pub(crate) async fn start(toml: &str) -> Self {
        Self::start_with(toml, Clock::System).await
    }

    /// Serves `toml` at a time that stands still.
    pub(crate) async fn start_at(toml: &str, now: Timestamp) -> Self {
        Self::start_with(toml, Clock::Fixed(now)).await
    }

    pub(crate) async fn start_with(toml: &str, clock: Clock) -> Self {
        let data = TempDir::new().expect("a temporary directory");
        let config = config(toml, data.path());
        let gateway = Gateway::start(config, clock).await.expect("the gateway starts");
        Self { gateway, data }
    }

    /// Serves `toml` when `prepare` has written in its journal what happened before.
    pub(crate) async fn start_after(toml: &str, prepare: impl AsyncFnOnce(&Journal)) -> Self {
        let data = TempDir::new().expect("a temporary directory");
        let config = config(toml, data.path());
        let store = SharedStore::new(Clock::System);
        store.prepare(&config).await.expect("the database opens");
        let mirrors = Mirrors::new(store.clone());
        mirrors.prepare(&config, &Drain::default());
        mirrors.settle(&config).await.expect("the journal is new");
        prepare(mirrors.journal().expect("the bucket has mirrors")).await;
        store.close().await;
        let gateway = Gateway::start(config, Clock::System).await.expect("the gateway starts");
        Self { gateway, data }
    }

    /// Ends it, and starts another one that serves `toml` and finds what this one has left.
    pub(crate) async fn succeeded(self, toml: &str) -> Self {
        let Self { gateway, data } = self;
        assert!(gateway.shutdown().await);
        let config = config(toml, data.path());
        let gateway = Gateway::start(config, Clock::System).await.expect("the next gateway starts");
        Self { gateway, data }
    }

    /// Puts `toml` in force.
    pub(crate) async fn reload_toml(&self, toml: &str) {
        self.try_reload(toml, self.data.path()).await.expect("the new configuration is taken");
    }

    /// Puts `toml` in force, with another data directory, if it can be.
    pub(crate) async fn try_reload(&self, toml: &str, data: &Path) -> Result<(), StartError> {
        self.gateway.reload(Ok(config(toml, data))).await
    }

    /// Where its database is.
    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    /// Where the upload API listens.
    pub(crate) fn api(&self) -> SocketAddr {
        self.gateway.api_address()
    }

    /// Where the S3 endpoint listens.
    pub(crate) fn s3(&self) -> SocketAddr {
        self.gateway.s3_address().expect("the configuration has somebody who can sign")
    }

    /// Whether `/metrics` has this line.
    pub(crate) async fn shows(&self, line: &str) -> bool {
        let get = "GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n";
        let metrics = Raw::connect(self.admin()).await.ask(get).await.body;
        metrics.lines().any(|found| found == line)
    }

    /// Where health and metrics are.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.gateway.admin_address()
    }
}

fn config(toml: &str, data: &Path) -> Config {
    let directory = data.to_str().expect("a path of UTF-8");
    let always = [
        ("WHARF_SERVER__API_LISTEN", "127.0.0.1:0"),
        ("WHARF_SERVER__ADMIN_LISTEN", "127.0.0.1:0"),
        ("WHARF_SERVER__DATA_DIRECTORY", directory),
    ];
    // A door for those who sign, where somebody can.
    let can_sign = ["secret = ", "direct_uploads = \"wharf\""];
    let has_secret = toml.lines().any(|line| can_sign.iter().any(|start| line.starts_with(start)));
    let s3 = has_secret.then_some(("WHARF_SERVER__S3_LISTEN", "127.0.0.1:0"));
    let environment: Environment = always.into_iter().chain(s3).collect();
    from_toml_text(toml, &environment).unwrap_or_else(|error| panic!("{error}"))
}
