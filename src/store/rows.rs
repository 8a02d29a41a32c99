//! The rows of `dirty` and `copies`, between the database and the rules of mirroring.

use std::sync::Arc;

use sqlx::any::AnyRow;
use wharf_wire::date::Timestamp;

use crate::mirror::state::{Class, Lease, Record, Row, RowState, Side};

use super::sql::{Columns, Sql, millis, timestamp};

/// All that is stored of a dirty row, in the order in which [`Sql::dirty_row`] binds it.
pub(super) const DIRTY_COLUMNS: &str = "bucket, mirror, key, generation, delete_generation, delete_until, \
    since, unsure_until, truth, attempts, due, state, class, error, lease, leased_until, ready";
/// The same of a copy's record.
pub(super) const COPY_COLUMNS: &str = "bucket, mirror, key, primary_etag, mirror_etag, bytes, checksum, \
    last_modified, metadata_digest";

/// Characters of an error that are kept.
const ERROR_CHARACTERS_MAX: usize = 1000;

/// Where a dirty row stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowKey {
    pub(super) bucket: Arc<str>,
    pub(super) mirror: Arc<str>,
    pub(super) key: Arc<str>,
}

/// A dirty row as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) row: Row,
    /// The last failure's text.
    pub(super) error: String,
}

impl Stored {
    /// What the row is counted as.
    pub(super) fn kind(&self) -> &'static str {
        match (self.row.state, self.row.class) {
            (RowState::Dead, Some(class)) => class.as_str(),
            (state, _) => state.as_str(),
        }
    }

    /// When it can be claimed.
    pub(super) fn ready(&self) -> Timestamp {
        self.row.lease.map_or(self.row.due, |lease| lease.until.max(self.row.due))
    }

    /// Whether nothing but who works on it, and until when, makes it `other`.
    pub(super) fn differs_in_lease_alone(&self, other: &Self) -> bool {
        Row { lease: other.row.lease, ..self.row } == other.row && self.error == other.error
    }

    /// `lease`, `leased_until` and `ready`, as they are stored.
    pub(super) fn lease_columns(&self) -> [i64; 3] {
        let (token, until) = self.row.lease.map_or((0, 0), |lease| (lease.token, millis(lease.until)));
        [i64::try_from(token).unwrap_or(i64::MAX), until, millis(self.ready())]
    }
}

/// Reads a row's place.
pub(super) fn row_key(row: &AnyRow) -> Result<RowKey, sqlx::Error> {
    Ok(RowKey {
        bucket: row.text("bucket")?.into(),
        mirror: row.text("mirror")?.into(),
        key: row.key("key")?.into(),
    })
}

/// Reads a dirty row.
pub(super) fn stored(row: &AnyRow) -> Result<Stored, sqlx::Error> {
    let (token, until) = (row.unsigned("lease")?, row.time("leased_until")?);
    let class = row.text("class")?;
    let read = Row {
        generation: row.unsigned("generation")?,
        delete_generation: row.unsigned("delete_generation")?,
        delete_until: row.time("delete_until")?,
        since: row.time("since")?,
        unsure_until: row.time("unsure_until")?,
        truth: named("truth", &row.text("truth")?, Side::parse)?,
        attempts: u32::try_from(row.unsigned("attempts")?).unwrap_or(u32::MAX),
        due: row.time("due")?,
        state: named("state", &row.text("state")?, RowState::parse)?,
        class: if class.is_empty() { None } else { Some(named("class", &class, Class::parse)?) },
        lease: (token != 0).then_some(Lease { token, until }),
    };
    Ok(Stored { row: read, error: row.text("error")? })
}

/// Reads a copy's record.
pub(super) fn record(row: &AnyRow) -> Result<Record, sqlx::Error> {
    let last_modified = row.number("last_modified")?;
    Ok(Record {
        primary_etag: row.text("primary_etag")?,
        mirror_etag: row.text("mirror_etag")?,
        bytes: row.unsigned("bytes")?,
        checksum: row.optional_text("checksum")?,
        last_modified: (last_modified > 0).then(|| timestamp(last_modified)),
        metadata_digest: row.text("metadata_digest")?,
    })
}

/// A word that only a later version of Wharf can have written.
fn named<T>(column: &str, word: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, sqlx::Error> {
    let unknown = || sqlx::Error::Decode(format!("the journal's {column} says `{word}`").into());
    parse(word).ok_or_else(unknown)
}

impl Sql {
    /// Binds what a row is found by.
    pub(super) fn row_key(&mut self, row: &RowKey) -> &mut Self {
        self.text(&row.bucket).push(", ").text(&row.mirror).push(", ").key(&row.key)
    }

    /// A condition: one of `rows`, none of which is given twice.
    pub(super) fn one_of<'r>(&mut self, rows: impl IntoIterator<Item = &'r RowKey>) -> &mut Self {
        self.among(&["bucket", "mirror", "key"], rows, |sql, row| {
            sql.row_key(row);
        })
    }

    /// Binds [`DIRTY_COLUMNS`].
    pub(super) fn dirty_row(&mut self, key: &RowKey, stored: &Stored) -> &mut Self {
        let row = &stored.row;
        let [token, until, ready] = stored.lease_columns();
        self.row_key(key).push(", ").unsigned(row.generation).push(", ").unsigned(row.delete_generation);
        self.push(", ").time(row.delete_until).push(", ").time(row.since).push(", ").time(row.unsure_until);
        self.push(", ").text(row.truth.as_str());
        self.push(", ").unsigned(row.attempts.into()).push(", ").time(row.due).push(", ");
        self.text(row.state.as_str()).push(", ").text(row.class.map_or("", Class::as_str)).push(", ");
        self.text(&shown(&stored.error)).push(", ").number(token).push(", ").number(until);
        self.push(", ").number(ready)
    }

    /// Binds [`COPY_COLUMNS`].
    pub(super) fn copy(&mut self, key: &RowKey, record: &Record) -> &mut Self {
        self.row_key(key).push(", ").text(&record.primary_etag).push(", ").text(&record.mirror_etag);
        self.push(", ").unsigned(record.bytes).push(", ");
        self.text(record.checksum.as_deref().unwrap_or_default()).push(", ");
        self.number(record.last_modified.map_or(0, millis)).push(", ").text(&record.metadata_digest)
    }

    /// `column = excluded.column, …` for all of `columns` behind the key's three.
    pub(super) fn overwrite(&mut self, columns: &str) -> &mut Self {
        self.push(" ON CONFLICT (bucket, mirror, key) DO UPDATE SET ");
        for (index, column) in columns.split(", ").skip(3).enumerate() {
            self.push(if index == 0 { "" } else { ", " }).push(column).push(" = excluded.").push(column);
        }
        self
    }
}

/// An error as it can be stored: of bounded length, and without NUL.
pub(super) fn shown(error: &str) -> String {
    error.chars().filter(|character| *character != '\0').take(ERROR_CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use sqlx::{AnyConnection, Connection, Row as _};

    use crate::store::sql::Dialect;

    use super::*;

    /// How SQLite goes about `sql`, with the tables as they are made.
    async fn plan(sql: &Sql) -> String {
        sqlx::any::install_default_drivers();
        let mut connection = AnyConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::raw_sql(include_str!("migrations/0001_journal.sql")).execute(&mut connection).await.unwrap();
        let mut explained = Sql::new(Dialect::Sqlite, "EXPLAIN QUERY PLAN ");
        explained.append(sql);
        let rows = explained.fetch(&mut connection).await.unwrap();
        rows.iter().map(|row| row.get::<String, _>("detail") + "\n").collect()
    }

    #[tokio::test]
    async fn rows_are_found_by_their_index() {
        let key = |key: &str| RowKey { bucket: "b".into(), mirror: "m".into(), key: key.into() };
        let keys = [key("one"), key("two")];
        for table in ["dirty", "copies"] {
            for verb in ["SELECT * FROM ", "DELETE FROM "] {
                let mut sql = Sql::new(Dialect::Sqlite, verb);
                sql.push(table).push(" WHERE ").one_of(&keys);
                let plan = plan(&sql).await;
                assert!(plan.contains(&format!("SEARCH {table} USING")), "{plan}");
                assert!(!plan.contains(&format!("SCAN {table}")), "{plan}");
            }
        }
    }
}
