//! What is read beside the writer, on connections of its own.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use sqlx::{Any, AnyConnection, Row, any::AnyRow, pool::Pool};
use tokio::time::timeout;
use wharf_wire::date::Timestamp;

use crate::mirror::state::{Class, Currency, Known, Record, RowState, currency};

use super::{
    error::JournalError,
    place::PlacePair,
    report::{Backlog, DeadFilter, DeadLetter, SyncState, Trouble},
    rows::{COPY_COLUMNS, DIRTY_COLUMNS, RowKey, Stored, record, row_key, stored},
    sql::{Columns, Dialect, ROWS_MAX, Sql, timestamp},
};

/// A dirty row's columns but for its place, and a record's.
const CURRENCY_COLUMNS: &str = "generation, delete_generation, delete_until, since, unsure_until, truth, attempts, due, state, \
    class, error, lease, leased_until, primary_etag, mirror_etag, bytes, checksum, last_modified, \
    metadata_digest";

/// Reads from the database.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    pool: Pool<Any>,
    dialect: Dialect,
    patience: Duration,
}

impl Reader {
    pub(super) fn new(pool: Pool<Any>, dialect: Dialect, patience: Duration) -> Self {
        Self { pool, dialect, patience }
    }

    /// Ends what is read, and every connection.
    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    /// One statement, so that all of it was true at one moment.
    pub(super) async fn currency(
        &self,
        bucket: &str,
        mirror: &str,
        key: &str,
    ) -> Result<Currency, JournalError> {
        let mut sql = self.sql("SELECT (SELECT MIN(opened_at) FROM intents WHERE bucket = ");
        sql.text(bucket).push(" AND key = ").key(key).push(") AS oldest_intent, (SELECT COUNT(*) FROM dirty");
        sql.push(" WHERE bucket = ").text(bucket).push(" AND key = ").key(key);
        sql.push(" AND truth = 'mirror' AND mirror <> ").text(mirror).push(") AS elsewhere,");
        sql.push(" (SELECT completed_at FROM syncs WHERE bucket = ").text(bucket);
        sql.push(" AND mirror = ").text(mirror).push(") AS completed_at, copies.key AS copied, ");
        sql.push(CURRENCY_COLUMNS).push(" FROM (SELECT 1) AS one");
        for (table, condition) in [("dirty", " LEFT JOIN dirty ON "), ("copies", " LEFT JOIN copies ON ")] {
            sql.push(condition).push(table).push(".bucket = ").text(bucket).push(" AND ");
            sql.push(table).push(".mirror = ").text(mirror).push(" AND ");
            sql.push(table).push(".key = ").key(key);
        }
        let rows = self.fetch(sql).await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        Ok(known(row)?)
    }

    pub(super) async fn is_newest(
        &self,
        (bucket, mirror): (&str, &str),
        key: &str,
        generation: u64,
    ) -> Result<bool, JournalError> {
        let mut sql = self.sql("SELECT 1 AS one FROM dirty WHERE bucket = ");
        sql.text(bucket).push(" AND mirror = ").text(mirror).push(" AND key = ").key(key);
        sql.push(" AND generation = ").unsigned(generation);
        Ok(!self.fetch(sql).await?.is_empty())
    }

    pub(super) async fn changes_under_way(&self, bucket: &str) -> Result<u64, JournalError> {
        let mut sql = self.sql("SELECT COUNT(*) AS total FROM intents WHERE bucket = ");
        sql.text(bucket);
        let rows = self.fetch(sql).await?;
        Ok(rows.first().map(|row| row.unsigned("total")).transpose()?.unwrap_or_default())
    }

    pub(super) async fn backlog(&self) -> Result<Vec<Backlog>, JournalError> {
        let totals = self.sql(
            "SELECT bucket, mirror, kind, CAST(SUM(total) AS BIGINT) AS total FROM backlogs \
             GROUP BY bucket, mirror, kind HAVING SUM(total) > 0",
        );
        let mut backlogs = BTreeMap::new();
        for row in self.fetch(totals).await? {
            add_total(&mut backlogs, &row)?;
        }
        let mut backlogs: Vec<_> = backlogs.into_values().collect();
        for backlog in &mut backlogs {
            backlog.oldest =
                self.first("since", "state = 'waiting'", &backlog.bucket, &backlog.mirror).await?;
        }
        Ok(backlogs)
    }

    pub(super) async fn trouble(&self, bucket: &str, mirror: &str) -> Result<Option<Trouble>, JournalError> {
        let mut sql = self.sql("SELECT class, error, due FROM dirty WHERE bucket = ");
        sql.text(bucket).push(" AND mirror = ").text(mirror).push(" AND state = 'waiting' AND class <> ''");
        sql.push(" AND class IN (");
        let of_the_store = Class::ALL.into_iter().filter(|class| class.is_of_the_store());
        for (index, class) in of_the_store.enumerate() {
            sql.push(if index == 0 { "" } else { ", " }).text(class.as_str());
        }
        sql.push(") ORDER BY due DESC LIMIT 1");
        let rows = self.fetch(sql).await?;
        Ok(rows.first().map(trouble).transpose()?.flatten())
    }

    pub(super) async fn next_due(
        &self,
        bucket: &str,
        mirror: &str,
    ) -> Result<Option<Timestamp>, JournalError> {
        self.first("ready", "state <> 'dead'", bucket, mirror).await
    }

    pub(super) async fn dead(
        &self,
        filter: &DeadFilter,
        after: Option<&DeadLetter>,
        count_max: u32,
    ) -> Result<Vec<DeadLetter>, JournalError> {
        let mut sql = self.sql("SELECT ");
        sql.push(DIRTY_COLUMNS).push(" FROM dirty");
        let after = after.map(|after| RowKey {
            bucket: Arc::clone(&after.bucket),
            mirror: Arc::clone(&after.mirror),
            key: Arc::clone(&after.key),
        });
        sql.dead_letters(filter, after.as_ref(), count_max.into());
        let rows = self.fetch(sql).await?;
        Ok(rows.iter().map(dead_letter).collect::<Result<_, _>>()?)
    }

    pub(super) async fn records(
        &self,
        bucket: &str,
        mirror: &str,
        keys: &[&str],
    ) -> Result<Vec<(String, Record)>, JournalError> {
        let mut records = Vec::with_capacity(keys.len());
        for chunk in keys.chunks(ROWS_MAX) {
            let mut sql = self.sql("SELECT ");
            sql.push(COPY_COLUMNS).push(" FROM copies WHERE bucket = ").text(bucket);
            sql.push(" AND mirror = ").text(mirror).push(" AND key IN (VALUES ").rows(chunk, |sql, key| {
                sql.key(key);
            });
            sql.push(")");
            for row in &self.fetch(sql).await? {
                records.push((row.key("key")?, record(row)?));
            }
        }
        Ok(records)
    }

    pub(super) async fn places(&self) -> Result<Vec<PlacePair>, JournalError> {
        let sql = self.sql("SELECT bucket, mirror, primary_place, mirror_place FROM places");
        let place = |row: &AnyRow| {
            Ok(PlacePair {
                bucket: row.text("bucket")?.into(),
                mirror: row.text("mirror")?.into(),
                primary: row.text("primary_place")?,
                place: row.text("mirror_place")?,
            })
        };
        Ok(self.fetch(sql).await?.iter().map(place).collect::<Result<_, sqlx::Error>>()?)
    }

    pub(super) async fn sync_state(
        &self,
        bucket: &str,
        mirror: &str,
    ) -> Result<Option<SyncState>, JournalError> {
        let mut sql = self.sql("SELECT cursor, started_at, completed_at FROM syncs WHERE bucket = ");
        sql.text(bucket).push(" AND mirror = ").text(mirror);
        let rows = self.fetch(sql).await?;
        Ok(rows.first().map(sync_state).transpose()?)
    }

    /// The least time in `column` among some rows: the first entry of an index.
    async fn first(
        &self,
        column: &str,
        condition: &str,
        bucket: &str,
        mirror: &str,
    ) -> Result<Option<Timestamp>, JournalError> {
        let mut sql = self.sql("SELECT ");
        sql.push(column).push(" AS first FROM dirty WHERE bucket = ").text(bucket).push(" AND mirror = ");
        sql.text(mirror).push(" AND ").push(condition).push(" ORDER BY ").push(column).push(" LIMIT 1");
        let rows = self.fetch(sql).await?;
        Ok(rows.first().map(|row| row.time("first")).transpose()?)
    }

    pub(super) fn sql(&self, text: &str) -> Sql {
        Sql::new(self.dialect, text)
    }

    pub(super) async fn fetch(&self, sql: Sql) -> Result<Vec<AnyRow>, JournalError> {
        let fetch = async {
            let mut connection = self.pool.acquire().await?;
            let connection: &mut AnyConnection = &mut connection;
            sql.fetch(connection).await
        };
        Ok(timeout(self.patience, fetch).await.map_err(|_| JournalError::TimedOut)??)
    }
}

/// Without a dirty row or a record, their columns are NULL.
fn known(row: &AnyRow) -> Result<Currency, sqlx::Error> {
    let dirty = match row.try_get::<Option<i64>, _>("generation")? {
        Some(_) => Some(stored(row)?.row),
        None => None,
    };
    let record = match row.try_get::<Option<String>, _>("copied")? {
        Some(_) => Some(record(row)?),
        None => None,
    };
    Ok(currency(Known {
        row: dirty.as_ref(),
        oldest_intent: row.try_get::<Option<i64>, _>("oldest_intent")?.map(timestamp),
        truth_is_elsewhere: row.flag("elsewhere")?,
        record,
        is_synced: row.try_get::<Option<i64>, _>("completed_at")?.is_some_and(|time| time > 0),
    }))
}

fn add_total(backlogs: &mut BTreeMap<(String, String), Backlog>, row: &AnyRow) -> Result<(), sqlx::Error> {
    let (bucket, mirror) = (row.text("bucket")?, row.text("mirror")?);
    let backlog = backlogs.entry((bucket, mirror)).or_insert_with_key(|(bucket, mirror)| Backlog {
        bucket: bucket.clone(),
        mirror: mirror.clone(),
        ..Backlog::default()
    });
    let (kind, total) = (row.text("kind")?, row.unsigned("total")?);
    match RowState::parse(&kind) {
        Some(RowState::Waiting) => backlog.waiting = total,
        Some(RowState::Held) => backlog.held = total,
        Some(RowState::Dead) | None => {
            backlog.dead.insert(kind, total);
        }
    }
    Ok(())
}

fn dead_letter(row: &AnyRow) -> Result<DeadLetter, sqlx::Error> {
    let (RowKey { bucket, mirror, key }, Stored { row, error }) = (row_key(row)?, stored(row)?);
    Ok(DeadLetter { bucket, mirror, key, row, error })
}

fn trouble(row: &AnyRow) -> Result<Option<Trouble>, sqlx::Error> {
    let (error, next_try) = (row.text("error")?, row.time("due")?);
    Ok(Class::parse(&row.text("class")?).map(|class| Trouble { class, error, next_try }))
}

fn sync_state(row: &AnyRow) -> Result<SyncState, sqlx::Error> {
    let completed_at = row.number("completed_at")?;
    Ok(SyncState {
        cursor: Some(row.key("cursor")?).filter(|cursor| !cursor.is_empty()),
        started_at: row.time("started_at")?,
        completed_at: (completed_at > 0).then(|| timestamp(completed_at)),
    })
}
