//! Deletes and copies of keys that may still be at an old place.

use wharf_wire::date::Timestamp;

use crate::store::{
    backfill::{Burying, FILL_LEASE_SECONDS, FillStep, Filling},
    sql::{Columns, ROWS_MAX},
};

use super::work::Work;

impl Work<'_> {
    /// Notes deletes. Returns whether a copy of one of the keys may be under way.
    pub(super) async fn bury(&mut self, burying: &Burying) -> Result<bool, sqlx::Error> {
        let keys: Vec<_> = burying.keys.iter().collect();
        let mut is_filling = false;
        for chunk in keys.chunks(ROWS_MAX) {
            let mut sql = self.sql("INSERT INTO backfills (bucket, key, is_deleted, token, until) VALUES ");
            sql.rows(chunk, |sql, (key, count)| {
                sql.text(&burying.bucket).push(", ").key(key).push(", ").unsigned(**count).push(", 0, 0");
            });
            sql.push(" ON CONFLICT (bucket, key) DO UPDATE SET is_deleted = backfills.is_deleted + excluded.is_deleted");
            sql.push(" RETURNING until");
            for row in &self.fetch(&sql).await? {
                is_filling |= row.time("until")? > self.now();
            }
        }
        Ok(is_filling)
    }

    /// Takes a step of a copy; its token, if it may be made. `new` is the token of one that begins.
    pub(super) async fn fill(&mut self, filling: &Filling, new: u64) -> Result<Option<u64>, sqlx::Error> {
        let (token, count) = match filling.step {
            FillStep::Begin => (new, self.begin_fill(filling, new).await?),
            FillStep::Renew(token) => (token, self.renew_fill(filling, token).await?),
            FillStep::End { token, is_unsure } => (token, self.end_fill(filling, token, is_unsure).await?),
            FillStep::Exhume(count) => (new, self.exhume(filling, count).await?),
        };
        Ok((count > 0).then_some(token))
    }

    async fn begin_fill(
        &mut self,
        Filling { bucket, key, .. }: &Filling,
        new: u64,
    ) -> Result<u64, sqlx::Error> {
        let mut sql = self.sql("INSERT INTO backfills (bucket, key, is_deleted, token, until) VALUES (");
        sql.text(bucket).push(", ").key(key).push(", 0, ").unsigned(new).push(", ").time(self.filled_at());
        sql.push(") ON CONFLICT (bucket, key) DO UPDATE SET token = excluded.token, until = excluded.until");
        sql.push(" WHERE backfills.is_deleted = 0 AND backfills.until <= ").time(self.now());
        self.execute(&sql).await
    }

    async fn renew_fill(
        &mut self,
        Filling { bucket, key, .. }: &Filling,
        token: u64,
    ) -> Result<u64, sqlx::Error> {
        let mut sql = self.sql("UPDATE backfills SET until = ");
        sql.time(self.filled_at()).push(" WHERE bucket = ").text(bucket).push(" AND key = ").key(key);
        sql.push(" AND is_deleted = 0 AND token = ").unsigned(token);
        self.execute(&sql).await
    }

    /// What was deleted is remembered; a copy that has ended for certain is not.
    async fn end_fill(
        &mut self,
        Filling { bucket, key, .. }: &Filling,
        token: u64,
        is_unsure: bool,
    ) -> Result<u64, sqlx::Error> {
        let until = if is_unsure { self.moment.unsure_until() } else { Timestamp::from_unix_millis(0) };
        let mut sql = self.sql("UPDATE backfills SET token = 0, until = ");
        sql.time(until).push(" WHERE bucket = ").text(bucket).push(" AND key = ").key(key);
        sql.push(" AND token = ").unsigned(token);
        let ended = self.execute(&sql).await?;
        let mut sql = self.sql("DELETE FROM backfills WHERE is_deleted = 0 AND until = 0 AND bucket = ");
        sql.text(bucket).push(" AND key = ").key(key);
        self.execute(&sql).await?;
        Ok(ended)
    }

    async fn exhume(
        &mut self,
        Filling { bucket, key, .. }: &Filling,
        count: u64,
    ) -> Result<u64, sqlx::Error> {
        let mut sql = self.sql("UPDATE backfills SET is_deleted = is_deleted - ");
        sql.unsigned(count).push(" WHERE is_deleted >= ").unsigned(count);
        sql.push(" AND bucket = ").text(bucket).push(" AND key = ").key(key);
        let taken_back = self.execute(&sql).await?;
        // A copy that may be under way ends its row by itself.
        let mut sql = self.sql("DELETE FROM backfills WHERE is_deleted = 0 AND until <= ");
        sql.time(self.now()).push(" AND bucket = ").text(bucket).push(" AND key = ").key(key);
        self.execute(&sql).await?;
        Ok(taken_back)
    }

    /// When a copy that nobody renews any more has surely no effect.
    fn filled_at(&self) -> Timestamp {
        self.moment.unsure_until().plus_seconds(FILL_LEASE_SECONDS)
    }
}
