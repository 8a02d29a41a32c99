//! Mirrors that are elsewhere now. What is on record of the old places goes, a bounded number of keys at a time.

use crate::store::place::{PlacePair, Placing};

use super::work::Work;

/// Records that one transaction forgets.
const FORGOTTEN_MAX: u64 = 5000;

impl Work<'_> {
    /// Forgets records of a mirror; how many they were. With 0, nothing is left.
    pub(super) async fn forget(&mut self, pair: &PlacePair) -> Result<u64, sqlx::Error> {
        let mut sql = self.sql("DELETE FROM copies WHERE bucket = ");
        sql.text(&pair.bucket).push(" AND mirror = ").text(&pair.mirror);
        sql.push(" AND key IN (SELECT key FROM copies WHERE bucket = ").text(&pair.bucket);
        sql.push(" AND mirror = ").text(&pair.mirror).push(" LIMIT ").unsigned(FORGOTTEN_MAX).push(")");
        self.execute(&sql).await
    }

    /// Writes down where a mirror is, which is not complete there; or that nothing is known of it any more.
    pub(super) async fn place(&mut self, placing: &Placing) -> Result<(), sqlx::Error> {
        let Placing { pair, is_kept } = placing;
        for table in ["syncs", "places"] {
            let mut sql = self.sql("DELETE FROM ");
            sql.push(table).push(" WHERE bucket = ").text(&pair.bucket);
            sql.push(" AND mirror = ").text(&pair.mirror);
            self.execute(&sql).await?;
        }
        if *is_kept {
            let mut sql =
                self.sql("INSERT INTO places (bucket, mirror, primary_place, mirror_place) VALUES (");
            sql.text(&pair.bucket).push(", ").text(&pair.mirror).push(", ").text(&pair.primary);
            sql.push(", ").text(&pair.place).push(") ON CONFLICT (bucket, mirror) DO NOTHING");
            self.execute(&sql).await?;
        }
        Ok(())
    }
}
