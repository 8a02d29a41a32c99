//! Runs: whose intents are whose, and what becomes of those whose process is gone.
//!
//! A run is one life of a process. Its intents count as changes once the run is no more: at the next start of the same
//! node, or on any node when its lease ran out. A process that was only away for too long finds its run gone, and begins
//! another with the intents that it still has open.

use wharf_wire::date::Timestamp;

use crate::store::{
    command::Sayings,
    sql::{Columns, Dialect, ROWS_MAX},
};

use super::{intents::add_orphan, work::Work};

impl Work<'_> {
    /// Begins a run.
    pub(super) async fn register(
        &mut self,
        run: &str,
        node: &str,
        lease_until: Timestamp,
    ) -> Result<(), sqlx::Error> {
        let mut sql = self.sql("INSERT INTO runs (run, node, lease_until) VALUES (");
        sql.text(run).push(", ").text(node).push(", ").time(lease_until).push(")");
        self.execute(&sql).await?;
        Ok(())
    }

    /// Makes a run last until `lease_until`; `false` if it is no more.
    pub(super) async fn renew_run(&mut self, run: &str, lease_until: Timestamp) -> Result<bool, sqlx::Error> {
        let mut sql = self.sql("UPDATE runs SET lease_until = ");
        sql.time(lease_until).push(" WHERE run = ").text(run);
        Ok(self.execute(&sql).await? > 0)
    }

    /// Ends a run, whose intents are settled.
    pub(super) async fn end_run(&mut self, run: &str) -> Result<(), sqlx::Error> {
        let mut sql = self.sql("DELETE FROM runs WHERE run = ");
        sql.text(run);
        self.execute(&sql).await?;
        Ok(())
    }

    /// Ends the runs that are over: those whose lease ran out, and those of `node` that are not `run`. In a database that
    /// one process has for itself, every other run is over.
    pub(super) async fn end_lost_runs(&mut self, run: &str, node: Option<&str>) -> Result<(), sqlx::Error> {
        let mut sql = self.sql("DELETE FROM runs WHERE run <> ");
        sql.text(run);
        if self.dialect == Dialect::Postgres {
            sql.push(" AND (lease_until < ").time(self.now());
            if let Some(node) = node {
                sql.push(" OR node = ").text(node);
            }
            sql.push(")");
        }
        self.execute(&sql).await?;
        Ok(())
    }

    /// Ends the leases of workers that are gone, when this process starts: in a database that one process has for itself
    /// nobody else can hold one. In one that is shared they run out.
    pub(super) async fn end_lost_leases(&mut self) -> Result<(), sqlx::Error> {
        if self.dialect == Dialect::Postgres {
            return Ok(());
        }
        let now = self.now();
        let mut sql = self.sql("UPDATE dirty SET leased_until = ");
        sql.time(now).push(", ready = MAX(due, ").time(now).push(") WHERE leased_until > ").time(now);
        self.execute(&sql).await?;
        self.end_lost_deliveries().await
    }

    /// Takes some intents whose run is no more for changes. Whether there were any.
    pub(super) async fn promote_orphans(&mut self) -> Result<bool, sqlx::Error> {
        let mut sql = self.sql(
            "DELETE FROM intents WHERE (run, id) IN (SELECT run, id FROM intents \
             WHERE NOT EXISTS (SELECT 1 FROM runs WHERE runs.run = intents.run) LIMIT ",
        );
        sql.unsigned(ROWS_MAX as u64);
        sql.push(self.dialect.for_update_skip_locked());
        sql.push(") RETURNING id, bucket, key, may_delete, taken_by, mirrors, opened_at");
        let rows = self.fetch(&sql).await?;
        let mut orphans = Vec::with_capacity(rows.len());
        for row in &rows {
            orphans.push(((row.time("opened_at")?, row.number("id")?), row));
        }
        orphans.sort_by_key(|(opened, _)| *opened);
        let mut sayings = Sayings::new();
        for (_, row) in orphans {
            add_orphan(&mut sayings, row)?;
        }
        self.say(&sayings).await?;
        Ok(!rows.is_empty())
    }
}
