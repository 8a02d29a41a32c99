//! How far walks through whole buckets have come.

use crate::store::command::{SyncStep, Syncing};

use super::work::Work;

impl Work<'_> {
    /// Writes down a step.
    pub(super) async fn sync(&mut self, syncing: &Syncing) -> Result<(), sqlx::Error> {
        let mut sql;
        match &syncing.step {
            SyncStep::Start => {
                sql =
                    self.sql("INSERT INTO syncs (bucket, mirror, cursor, started_at, completed_at) VALUES (");
                sql.text(&syncing.bucket).push(", ").text(&syncing.mirror).push(", '', ").time(self.now());
                sql.push(", 0) ON CONFLICT (bucket, mirror) DO UPDATE SET cursor = '', ");
                sql.push("started_at = excluded.started_at");
                self.execute(&sql).await?;
                return Ok(());
            }
            SyncStep::Reached(cursor) => {
                sql = self.sql("UPDATE syncs SET cursor = ");
                sql.key(cursor);
            }
            SyncStep::Complete => {
                sql = self.sql("UPDATE syncs SET completed_at = ");
                sql.time(self.now());
            }
        }
        sql.push(" WHERE bucket = ").text(&syncing.bucket).push(" AND mirror = ").text(&syncing.mirror);
        self.execute(&sql).await?;
        Ok(())
    }
}
