//! Sums of usage: added to, and forgotten by the day.

use crate::store::{sql::ROWS_MAX, usage::UsageWrite};

use super::work::Work;

/// A sum that would be larger stays here: one that no longer fits would fail the transaction of everybody else.
const SUM_MAX: &str = "9000000000000000000";

impl Work<'_> {
    /// Adds rows to what is there, and forgets old days.
    pub(super) async fn add_usage(&mut self, write: &UsageWrite) -> Result<(), sqlx::Error> {
        for rows in write.rows.chunks(ROWS_MAX) {
            let mut sql =
                self.sql("INSERT INTO usage_counts (caller, day, provider, event, times, bytes) VALUES ");
            sql.rows(rows, |sql, row| {
                sql.key(&row.caller).push(", ").number(row.day.into()).push(", ");
                sql.key(&row.provider).push(", ").key(&row.event).push(", ");
                sql.number(bounded(row.times)).push(", ").number(bounded(row.bytes));
            });
            sql.push(" ON CONFLICT (caller, day, provider, event) DO UPDATE SET ");
            sql.push(&sum("times")).push(", ").push(&sum("bytes"));
            self.execute(&sql).await?;
        }
        let mut sql = self.sql("DELETE FROM usage_counts WHERE day < ");
        sql.number(write.first_day.into());
        self.execute(&sql).await?;
        Ok(())
    }
}

fn sum(column: &str) -> String {
    format!(
        "{column} = CASE WHEN usage_counts.{column} > {SUM_MAX} - excluded.{column} THEN {SUM_MAX} \
         ELSE usage_counts.{column} + excluded.{column} END"
    )
}

/// What one row can add: so many rows of it fit below [`SUM_MAX`] that the sum is made without overflow.
fn bounded(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX).min(1 << 60)
}
