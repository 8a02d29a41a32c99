//! A transaction under way: the rows that it locks, and what it makes of them.
//!
//! Every change of a dirty row goes the same way: lock the row, let the rules of mirroring say what becomes of it, write
//! it back. The counts of the backlog follow from the two rows, before and after.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::Arc,
};

use sqlx::{AnyConnection, any::AnyRow};
use wharf_wire::date::Timestamp;

use crate::{
    mirror::state::{Moment, Row, RowState},
    store::{
        rows::{DIRTY_COLUMNS, RowKey, Stored, row_key, stored},
        sql::{Columns, Dialect, ROWS_MAX, Sql},
    },
};

/// What every step of a transaction needs.
pub(super) struct Work<'c> {
    pub(super) connection: &'c mut AnyConnection,
    pub(super) dialect: Dialect,
    pub(super) moment: Moment,
    /// By how much the numbers of rows change.
    tally: BTreeMap<Counted, i64>,
    /// The buckets and mirrors of which rows became due.
    woken: BTreeSet<(Arc<str>, Arc<str>)>,
}

/// A bucket, a mirror, and what its rows are counted as.
type Counted = (Arc<str>, Arc<str>, Cow<'static, str>);

/// What becomes of a row.
pub(super) struct Edit {
    pub(super) key: RowKey,
    pub(super) before: Option<Stored>,
    pub(super) after: Option<Stored>,
}

impl<'c> Work<'c> {
    pub(super) fn new(connection: &'c mut AnyConnection, dialect: Dialect, moment: Moment) -> Self {
        Self { connection, dialect, moment, tally: BTreeMap::new(), woken: BTreeSet::new() }
    }

    /// The time of the transaction.
    pub(super) fn now(&self) -> Timestamp {
        self.moment.now
    }

    /// Begins a statement.
    pub(super) fn sql(&self, text: &str) -> Sql {
        Sql::new(self.dialect, text)
    }

    /// Runs a statement; how many rows it touched.
    pub(super) async fn execute(&mut self, sql: &Sql) -> Result<u64, sqlx::Error> {
        sql.execute(self.connection).await
    }

    /// Runs a statement; what it returns.
    pub(super) async fn fetch(&mut self, sql: &Sql) -> Result<Vec<AnyRow>, sqlx::Error> {
        sql.fetch(self.connection).await
    }

    /// Reads dirty rows and holds them until the transaction ends. Rows that do not exist are left out.
    pub(super) async fn lock(
        &mut self,
        keys: impl IntoIterator<Item = &RowKey>,
    ) -> Result<BTreeMap<RowKey, Stored>, sqlx::Error> {
        let mut sql = self.sql("SELECT ");
        sql.push(DIRTY_COLUMNS).push(" FROM dirty WHERE ").one_of(keys);
        sql.push(" ORDER BY bucket, mirror, key").push(self.dialect.for_update());
        self.fetch(&sql).await?.iter().map(|row| Ok((row_key(row)?, stored(row)?))).collect()
    }

    /// Writes what became of rows that are locked.
    pub(super) async fn write(&mut self, edits: &[Edit]) -> Result<(), sqlx::Error> {
        for edit in edits {
            self.count(edit);
        }
        let (mut gone, mut kept) = (Vec::new(), Vec::new());
        let mut leased: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for Edit { key, before, after } in edits {
            match (before, after) {
                (Some(before), Some(after)) if before.differs_in_lease_alone(after) => {
                    leased.entry(after.lease_columns()).or_default().push(key);
                }
                (_, Some(after)) => kept.push((key, after)),
                (Some(_), None) => gone.push(key),
                (None, None) => {}
            }
        }
        for chunk in gone.chunks(ROWS_MAX) {
            let mut sql = self.sql("DELETE FROM dirty WHERE ");
            sql.one_of(chunk.iter().copied());
            self.execute(&sql).await?;
        }
        for (lease, keys) in leased {
            self.lease_rows(lease, &keys).await?;
        }
        for chunk in kept.chunks(ROWS_MAX) {
            let mut sql = self.insert(chunk.iter().copied());
            sql.overwrite(DIRTY_COLUMNS);
            self.execute(&sql).await?;
        }
        Ok(())
    }

    /// Writes what most claims change. A whole row would cost an entry in each of its table's indexes.
    async fn lease_rows(
        &mut self,
        [token, until, ready]: [i64; 3],
        keys: &[&RowKey],
    ) -> Result<(), sqlx::Error> {
        for chunk in keys.chunks(ROWS_MAX) {
            let mut sql = self.sql("UPDATE dirty SET lease = ");
            sql.number(token).push(", leased_until = ").number(until).push(", ready = ").number(ready);
            sql.push(" WHERE ").one_of(chunk.iter().copied());
            self.execute(&sql).await?;
        }
        Ok(())
    }

    /// Makes room for rows that do not exist yet, so that they can be locked. SQLite's transaction has locked everything.
    pub(super) async fn seed(&mut self, keys: &[&RowKey]) -> Result<(), sqlx::Error> {
        if self.dialect == Dialect::Sqlite || keys.is_empty() {
            return Ok(());
        }
        let nothing = Stored { row: Row::new(self.now()), error: String::new() };
        let mut sql = self.insert(keys.iter().map(|key| (*key, &nothing)));
        sql.push(" ON CONFLICT (bucket, mirror, key) DO NOTHING");
        self.execute(&sql).await?;
        Ok(())
    }

    /// Takes over the counts of nodes that have no run: a node that comes back under another name would leave them for ever.
    pub(super) async fn absorb_counts(&mut self, node: &str) -> Result<(), sqlx::Error> {
        let mut sql = self.sql("DELETE FROM backlogs WHERE node <> ");
        sql.text(node).push(" AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.node = backlogs.node)");
        sql.push(" RETURNING bucket, mirror, kind, total");
        for row in &self.fetch(&sql).await? {
            let (bucket, mirror) = (row.text("bucket")?.into(), row.text("mirror")?.into());
            let counted = (bucket, mirror, Cow::Owned(row.text("kind")?));
            *self.tally.entry(counted).or_default() += row.number("total")?;
        }
        Ok(())
    }

    /// Wakes the workers of a mirror when the transaction is committed.
    pub(super) fn wake(&mut self, bucket: &Arc<str>, mirror: &Arc<str>) {
        self.woken.insert((Arc::clone(bucket), Arc::clone(mirror)));
    }

    /// Writes the counts down, on rows of `node` alone. What is to be woken then.
    pub(super) async fn end(mut self, node: &str) -> Result<BTreeSet<(Arc<str>, Arc<str>)>, sqlx::Error> {
        let mut tally: Vec<_> = mem::take(&mut self.tally).into_iter().collect();
        tally.retain(|(_, difference)| *difference != 0);
        for chunk in tally.chunks(ROWS_MAX) {
            let mut sql = self.sql("INSERT INTO backlogs (node, bucket, mirror, kind, total) VALUES ");
            sql.rows(chunk, |sql, ((bucket, mirror, kind), difference)| {
                sql.text(node).push(", ").text(bucket).push(", ").text(mirror).push(", ").text(kind);
                sql.push(", ").number(*difference);
            });
            sql.push(" ON CONFLICT (node, bucket, mirror, kind) DO UPDATE SET ");
            sql.push("total = backlogs.total + excluded.total");
            self.execute(&sql).await?;
        }
        Ok(self.woken)
    }

    fn insert<'r>(&self, rows: impl IntoIterator<Item = (&'r RowKey, &'r Stored)>) -> Sql {
        let mut sql = self.sql("INSERT INTO dirty (");
        sql.push(DIRTY_COLUMNS).push(") VALUES ").rows(rows, |sql, (key, stored)| {
            sql.dirty_row(key, stored);
        });
        sql
    }

    fn count(&mut self, edit: &Edit) {
        let Edit { key: RowKey { bucket, mirror, .. }, before, after } = edit;
        for (stored, difference) in [(before, -1), (after, 1)] {
            if let Some(stored) = stored {
                let counted = (Arc::clone(bucket), Arc::clone(mirror), Cow::Borrowed(stored.kind()));
                *self.tally.entry(counted).or_default() += difference;
            }
        }
        let is_ready =
            |stored: &Stored| stored.row.state != RowState::Dead && stored.ready() <= self.moment.now;
        if after.as_ref().is_some_and(is_ready) {
            self.wake(bucket, mirror);
        }
    }
}
