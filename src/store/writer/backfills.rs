//! Deletes and copies of keys that may still be at an old place.

use wharf_wire::date::Timestamp;

use crate::store::{
    backfill::{Buried, Burying, FILL_LEASE_SECONDS, FillStep, Filling},
    sql::{Columns, ROWS_MAX},
};

use super::work::Work;

impl Work<'_> {
    /// Notes deletes. Those of keys that were not deleted before have `token`, unless a copy may still be under way.
    pub(super) async fn bury(&mut self, burying: &Burying, token: u64) -> Result<Buried, sqlx::Error> {
        let keys: Vec<_> = burying.keys.iter().collect();
        let mut is_filling = false;
        for chunk in keys.chunks(ROWS_MAX) {
            let mut sql = self.sql("INSERT INTO backfills (bucket, key, is_deleted, token, until) VALUES ");
            sql.rows(chunk, |sql, key| {
                sql.text(&burying.bucket).push(", ").key(key).push(", 1, ").unsigned(token).push(", 0");
            });
            sql.push(" ON CONFLICT (bucket, key) DO UPDATE SET is_deleted = 1, token = CASE WHEN backfills.until > ");
            sql.time(self.now())
                .push(" THEN backfills.token WHEN backfills.is_deleted = 0 THEN excluded.token");
            sql.push(" ELSE 0 END RETURNING until");
            for row in &self.fetch(&sql).await? {
                is_filling |= row.time("until")? > self.now();
            }
        }
        Ok(Buried { is_filling, token })
    }

    /// Takes a step of a copy; its token, if it may be made. `new` is the token of one that begins.
    pub(super) async fn fill(&mut self, filling: &Filling, new: u64) -> Result<Option<u64>, sqlx::Error> {
        let (token, count) = match filling.step {
            FillStep::Begin => (new, self.begin_fill(filling, new).await?),
            FillStep::Renew(token) => (token, self.renew_fill(filling, token).await?),
            FillStep::End { token, is_unsure } => (token, self.end_fill(filling, token, is_unsure).await?),
            FillStep::Exhume(token) => (token, self.exhume(filling, token).await?),
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
        token: u64,
    ) -> Result<u64, sqlx::Error> {
        let mut sql = self.sql("DELETE FROM backfills WHERE is_deleted = 1 AND bucket = ");
        sql.text(bucket).push(" AND key = ").key(key).push(" AND token = ").unsigned(token);
        self.execute(&sql).await
    }

    /// When a copy that nobody renews any more has surely no effect.
    fn filled_at(&self) -> Timestamp {
        self.moment.unsure_until().plus_seconds(FILL_LEASE_SECONDS)
    }
}
