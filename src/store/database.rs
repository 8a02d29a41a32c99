//! The database: where it is, how to connect to it, and its tables.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    Any, AnyConnection, ConnectOptions, Executor,
    any::{AnyConnectOptions, AnyPoolOptions},
    pool::Pool,
};
use tokio::time::timeout;
use wharf_wire::encode;

use crate::config::checked::StoreConfig;

use super::{error::StoreError, sql::Dialect};

/// The file in the data directory.
const FILE_NAME: &str = "wharf.db";

/// What a connection to SQLite is told first. Every commit waits for the disk; a page cache of 4 MiB bounds its memory,
/// and the log is cut back to 16 MiB after it had to grow.
const SQLITE_WRITER: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
    PRAGMA cache_size = -4096; PRAGMA journal_size_limit = 16777216;";
const SQLITE_READER: &str = "PRAGMA busy_timeout = 5000; PRAGMA query_only = 1; PRAGMA cache_size = -2048;";

/// Connections that read.
const READERS_MAX: u32 = 3;
/// How long a connection that nobody reads with stays open.
const READER_IDLE: Duration = Duration::from_mins(1);

/// Where the database is. Whoever has the address may hold a password in it, so it is not shown.
#[derive(Debug, Clone)]
pub(super) struct Database {
    pub(super) dialect: Dialect,
    address: Address,
    /// How long it may take to connect, or for a transaction.
    pub(super) patience: Duration,
}

#[derive(Debug, Clone)]
enum Address {
    File(PathBuf),
    Url(SecretString),
}

impl Database {
    /// The configured one; the data directory exists.
    pub(super) fn new(config: &StoreConfig, data_directory: &Path) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let (dialect, address) = match &config.url {
            Some(url) => (Dialect::Postgres, Address::Url(url.clone())),
            None => (Dialect::Sqlite, Address::File(resolved(data_directory)?.join(FILE_NAME))),
        };
        Ok(Self { dialect, address, patience: config.timeout })
    }

    /// Connects for writing.
    pub(super) async fn connect(&self) -> Result<AnyConnection, StoreError> {
        let options = self.options()?;
        let connect = async {
            let mut connection = options.connect().await?;
            if self.dialect == Dialect::Sqlite {
                connection.execute(SQLITE_WRITER).await?;
            }
            Ok(connection)
        };
        let connected =
            timeout(self.patience, connect).await.map_err(|_| StoreError::TimedOut(self.name()))?;
        connected.map_err(|source| self.failed(source))
    }

    /// Connections for reading, which are made when they are needed.
    pub(super) fn readers(&self) -> Result<Pool<Any>, StoreError> {
        let dialect = self.dialect;
        let pool = AnyPoolOptions::new()
            .max_connections(READERS_MAX)
            .acquire_timeout(self.patience)
            .idle_timeout(READER_IDLE)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if dialect == Dialect::Sqlite {
                        connection.execute(SQLITE_READER).await?;
                    }
                    Ok(())
                })
            });
        Ok(pool.connect_lazy_with(self.options()?))
    }

    /// The error of this database.
    pub(super) fn failed(&self, source: sqlx::Error) -> StoreError {
        StoreError::Database { database: self.name(), source }
    }

    /// Its name without what is secret.
    fn name(&self) -> String {
        match &self.address {
            Address::File(path) => path.display().to_string(),
            Address::Url(_) => "of store.url".to_owned(),
        }
    }

    fn options(&self) -> Result<AnyConnectOptions, StoreError> {
        let url = match &self.address {
            Address::File(path) => sqlite_url(path)?,
            Address::Url(url) => url.clone(),
        };
        let options: AnyConnectOptions = url.expose_secret().parse().map_err(|source| self.failed(source))?;
        // What it would log are statements; what goes wrong with them is logged where it matters.
        Ok(options.disable_statement_logging())
    }
}

fn resolved(directory: &Path) -> Result<PathBuf, StoreError> {
    let failed = |source| StoreError::File { path: directory.to_owned(), source };
    directory.canonicalize().map_err(failed)
}

/// The address of a file, whose path has no `.` or `..` that a URL would lose.
fn sqlite_url(path: &Path) -> Result<SecretString, StoreError> {
    let path = path.to_str().ok_or_else(|| StoreError::NotText(path.to_owned()))?;
    let mut url = String::from("sqlite://");
    encode::path(path, &mut url);
    url.push_str("?mode=rwc");
    Ok(url.into())
}
