//! A database for a test: SQLite in a folder of its own, or PostgreSQL in a schema of its own.
//!
//! With `WHARF_TEST_POSTGRES_URL` (an address without a query) every test of [`on_every_database`] runs there as well.

use std::{
    env,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use sqlx::{Connection, Executor};
use tempfile::TempDir;
use wharf::{
    clock::Clock,
    config::checked::StoreConfig,
    server::Drain,
    store::{Store, StoreError},
};
use wharf_wire::date::Timestamp;

/// How long the other nodes wait for one that gives no sign of life.
pub(crate) const LEASE: Duration = Duration::from_secs(30);
/// How long a request that was given up may still have an effect.
pub(crate) const LATE_EFFECT: Duration = Duration::from_mins(1);
const START: u64 = 1_800_000_000_000;

/// A database, and a clock that stands still unless it is told.
pub(crate) struct Database {
    directories: Vec<TempDir>,
    config: StoreConfig,
    clock: &'static AtomicU64,
    drains: Vec<Drain>,
}

/// Makes two tests of each: `sqlite` and `postgres`.
macro_rules! on_every_database {
    ($(async fn $name:ident($database:ident) $body:block)*) => {
        $(async fn $name($database: &mut $crate::support::database::Database) $body)*

        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&mut $crate::support::database::Database::sqlite()).await;
            })*
        }

        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                if let Some(mut database) = $crate::support::database::Database::postgres().await {
                    super::$name(&mut database).await;
                }
            })*
        }
    };
}
pub(crate) use on_every_database;

impl Database {
    pub(crate) fn sqlite() -> Self {
        Self::new(None, tempfile::tempdir().unwrap())
    }

    /// In a folder of `parent`.
    pub(crate) fn sqlite_in(parent: &Path) -> Self {
        Self::new(None, tempfile::tempdir_in(parent).unwrap())
    }

    /// `None` where no server was started for tests.
    #[expect(clippy::disallowed_methods, reason = "only whoever starts the tests knows where a server is")]
    pub(crate) async fn postgres() -> Option<Self> {
        static SCHEMAS: AtomicU64 = AtomicU64::new(0);
        let url = env::var("WHARF_TEST_POSTGRES_URL").ok()?;
        sqlx::any::install_default_drivers();
        let schema = format!("t{}_{}", std::process::id(), SCHEMAS.fetch_add(1, Ordering::Relaxed));
        let mut connection = sqlx::AnyConnection::connect(&url).await.unwrap();
        connection.execute(sqlx::AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).await.unwrap();
        connection.close().await.unwrap();
        let url = format!("{url}?options=-c%20search_path%3D{schema}");
        Some(Self::new(Some(url), tempfile::tempdir().unwrap()))
    }

    fn new(url: Option<String>, directory: TempDir) -> Self {
        Self {
            directories: vec![directory],
            config: StoreConfig {
                url: url.map(Into::into),
                timeout: Duration::from_secs(10),
                lease: LEASE,
                late_effect: LATE_EFFECT,
            },
            clock: Box::leak(Box::new(AtomicU64::new(START))),
            drains: Vec::new(),
        }
    }

    pub(crate) fn config(&mut self) -> &mut StoreConfig {
        &mut self.config
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directories[0].path()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock().now()
    }

    pub(crate) fn clock(&self) -> Clock {
        Clock::Moved(self.clock)
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.clock.fetch_add(u64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
    }

    pub(crate) async fn open(&mut self) -> Store {
        self.try_open().await.unwrap()
    }

    pub(crate) async fn try_open(&mut self) -> Result<Store, StoreError> {
        let drain = Drain::default();
        let store = Store::open(&self.config, self.directory(), self.clock(), &drain).await;
        self.drains.push(drain);
        store
    }

    pub(crate) async fn open_beside(&mut self) -> Store {
        let drain = Drain::default();
        let store = Store::open_beside(&self.config, self.directory(), self.clock(), &drain).await.unwrap();
        self.drains.push(drain);
        store
    }

    /// Another node of the same database, with a data directory of its own.
    pub(crate) async fn open_node(&mut self) -> Store {
        let directory = tempfile::tempdir().unwrap();
        let drain = Drain::default();
        let store = Store::open(&self.config, directory.path(), self.clock(), &drain).await.unwrap();
        self.directories.push(directory);
        self.drains.push(drain);
        store
    }

    /// Ends all that is open in order.
    pub(crate) async fn close(&mut self) {
        for drain in self.drains.drain(..) {
            assert!(drain.finish(Duration::from_secs(20)).await);
        }
    }

    /// Ends all that is open as a crash does: nothing more is written.
    pub(crate) async fn kill(&mut self) {
        for drain in self.drains.drain(..) {
            drain.abort();
            drain.finish(Duration::ZERO).await;
        }
    }
}
