//! The tables, and how they came to be: numbered texts, of which each runs once.
//!
//! All that is missing runs in order, in one transaction, and one process at a time: SQLite's write lock sees to that, and in
//! PostgreSQL a lock that is held until the transaction ends.

use sqlx::{AnyConnection, Connection, Executor, raw_sql};
use wharf_wire::date::Timestamp;

use super::{
    database::Database,
    error::StoreError,
    sql::{Columns, Dialect, Sql},
};

/// In order; what has been released is never changed again. Each stands by itself, so that one may come in late.
const MIGRATIONS: [(i64, &str); 8] = [
    (1, include_str!("migrations/0001_journal.sql")),
    (2, include_str!("migrations/0002_places.sql")),
    (3, include_str!("migrations/0003_tee.sql")),
    (4, include_str!("migrations/0004_failed.sql")),
    (5, include_str!("migrations/0005_webhooks.sql")),
    (6, include_str!("migrations/0006_backfills.sql")),
    (7, include_str!("migrations/0007_usage.sql")),
    (8, include_str!("migrations/0008_revoked_tokens.sql")),
];

/// Any number that nobody else takes.
const POSTGRES_LOCK: &str = "SELECT 1 FROM pg_advisory_xact_lock(8246011397)";
const VERSIONS_TABLE: &str =
    "CREATE TABLE IF NOT EXISTS migrations (version BIGINT NOT NULL PRIMARY KEY, applied_at BIGINT NOT NULL)";

/// Brings the tables up to date.
pub(super) async fn migrate(database: &Database, now: Timestamp) -> Result<(), StoreError> {
    let mut connection = database.connect().await?;
    let failed = |source| database.failed(source);
    let found = apply_missing(&mut connection, database.dialect, now).await.map_err(failed)?;
    connection.close().await.map_err(failed)?;
    let known = MIGRATIONS.map(|(version, _)| version).into_iter().max().unwrap_or_default();
    if found > known { Err(StoreError::Newer { found, known }) } else { Ok(()) }
}

/// Applies what is missing; the last version that was found.
async fn apply_missing(
    connection: &mut AnyConnection,
    dialect: Dialect,
    now: Timestamp,
) -> Result<i64, sqlx::Error> {
    let mut transaction = connection.begin_with(dialect.begin()).await?;
    if dialect == Dialect::Postgres {
        transaction.execute(POSTGRES_LOCK).await?;
    }
    transaction.execute(VERSIONS_TABLE).await?;
    let versions = Sql::new(dialect, "SELECT version FROM migrations");
    let rows = versions.fetch(&mut transaction).await?;
    let found = rows.iter().map(|row| row.number("version")).collect::<Result<Vec<_>, _>>()?;
    for (version, text) in MIGRATIONS.into_iter().filter(|(version, _)| !found.contains(version)) {
        raw_sql(text).execute(&mut *transaction).await?;
        let mut applied = Sql::new(dialect, "INSERT INTO migrations (version, applied_at) VALUES (");
        applied.number(version).push(", ").time(now).push(")");
        applied.execute(&mut transaction).await?;
    }
    transaction.commit().await?;
    Ok(found.into_iter().max().unwrap_or_default())
}
