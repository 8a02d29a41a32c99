//! Claims: rows that are due go to one worker, until its lease ends or it says what came of its work.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    mirror::state::{self, Around, Claimed, Finish, Finished, Lease, Record, Row},
    store::{
        command::{Claiming, Finishing, Leasing},
        journal::CLAIM_LEASE_SECONDS,
        report::Claim,
        rows::{COPY_COLUMNS, DIRTY_COLUMNS, RowKey, Stored, record, row_key, stored},
        sql::{Columns, ROWS_MAX, Sql},
    },
};

use super::work::{Edit, Work};

impl Work<'_> {
    /// Gives out rows that are ready, under the lease's `token`.
    pub(super) async fn claim(&mut self, claiming: &Claiming, token: u64) -> Result<Vec<Claim>, sqlx::Error> {
        let lease = Lease { token, until: self.now().plus_seconds(CLAIM_LEASE_SECONDS) };
        let count_max = u64::from(claiming.count_max).min(ROWS_MAX as u64);
        let mut sql = self.sql("SELECT ");
        sql.push(DIRTY_COLUMNS).push(" FROM dirty WHERE bucket = ").text(&claiming.bucket);
        sql.push(" AND mirror = ").text(&claiming.mirror).push(" AND state <> 'dead' AND ready <= ");
        sql.time(self.now()).push(" ORDER BY ready LIMIT ").unsigned(count_max);
        sql.push(self.dialect.for_update_skip_locked());
        let mut edits = Vec::new();
        for row in &self.fetch(&sql).await? {
            let (key, before) = (row_key(row)?, stored(row)?);
            if let Some(row) = state::claimed(before.row, lease, self.moment) {
                let after = Some(Stored { row, error: before.error.clone() });
                edits.push(Edit { key, before: Some(before), after });
            }
        }
        self.write(&edits).await?;
        let mut records = self.records(edits.iter().map(|edit| &edit.key)).await?;
        let at = self.now();
        let claim = |Edit { key, after, .. }: Edit| {
            let row = after?.row;
            let claimed = Claimed { token, generation: row.generation, at };
            let record = records.remove(&key);
            let RowKey { bucket, mirror, key } = key;
            Some(Claim { bucket, mirror, key, row, record, claimed })
        };
        Ok(edits.into_iter().filter_map(claim).collect())
    }

    /// What was recorded of the copies of some rows.
    async fn records(
        &mut self,
        keys: impl ExactSizeIterator<Item = &RowKey>,
    ) -> Result<BTreeMap<RowKey, Record>, sqlx::Error> {
        if keys.len() == 0 {
            return Ok(BTreeMap::new());
        }
        let mut sql = self.sql("SELECT ");
        sql.push(COPY_COLUMNS).push(" FROM copies WHERE ").one_of(keys);
        self.fetch(&sql).await?.iter().map(|row| Ok((row_key(row)?, record(row)?))).collect()
    }

    /// Makes leases longer, or ends them; whether each was held.
    pub(super) async fn lease(&mut self, leasing: &[&Leasing]) -> Result<Vec<bool>, sqlx::Error> {
        let mut rows = self.lock_some(leasing.iter().map(|leasing| &leasing.row)).await?;
        let (mut edits, mut held) = (Vec::new(), Vec::with_capacity(leasing.len()));
        for Leasing { row, token, until } in leasing.iter().copied() {
            let before = rows.remove(row).filter(|stored| holds(&stored.row, *token));
            held.push(before.is_some());
            if let Some(before) = before {
                let lease = until.map(|until| Lease { token: *token, until });
                let after = Stored { row: Row { lease, ..before.row }, error: before.error.clone() };
                edits.push(Edit { key: row.clone(), before: Some(before), after: Some(after) });
            }
        }
        self.write(&edits).await?;
        Ok(held)
    }

    /// Ends claims; what became of each row.
    pub(super) async fn finish(&mut self, finishing: &[&Finishing]) -> Result<Vec<Finished>, sqlx::Error> {
        let mut finished = Vec::with_capacity(finishing.len());
        for chunk in finishing.chunks(ROWS_MAX) {
            finished.extend(self.finish_some(chunk).await?);
        }
        Ok(finished)
    }

    async fn finish_some(&mut self, finishing: &[&Finishing]) -> Result<Vec<Finished>, sqlx::Error> {
        let mut rows = self.lock_some(finishing.iter().map(|finishing| &finishing.row)).await?;
        let around = self.around(finishing).await?;
        let (mut edits, mut ends) = (Vec::new(), Vec::with_capacity(finishing.len()));
        for Finishing { row: key, claimed, finish, error } in finishing.iter().copied() {
            let before = rows.remove(key);
            let around = around.of(key);
            let row = before.as_ref().map(|stored| stored.row);
            let end = state::finished(row, *claimed, finish, around, self.moment);
            let after = match end {
                Finished::Kept(row) => Some(Stored {
                    error: if row.class.is_some() { error.clone() } else { String::new() },
                    row,
                }),
                Finished::Cleared | Finished::LeaseLost => None,
            };
            if end != Finished::LeaseLost {
                edits.push(Edit { key: key.clone(), before, after });
            }
            ends.push(end);
        }
        self.write(&edits).await?;
        self.write_copies(finishing, &ends).await?;
        Ok(ends)
    }

    /// What else the journal says of the keys.
    async fn around(&mut self, finishing: &[&Finishing]) -> Result<Surroundings, sqlx::Error> {
        let keys: BTreeSet<_> =
            finishing.iter().map(|finishing| (&finishing.row.bucket, &finishing.row.key)).collect();
        let mut surroundings = Surroundings::default();
        if keys.is_empty() {
            return Ok(surroundings);
        }
        let bind = |sql: &mut Sql, (bucket, key): &(&Arc<str>, &Arc<str>)| {
            sql.text(bucket).push(", ").key(key);
        };
        let mut sql = self.sql("SELECT bucket, key, '' AS mirror FROM intents WHERE ");
        sql.among(&["bucket", "key"], &keys, bind).push(" UNION ALL SELECT bucket, key, mirror FROM dirty");
        sql.push(" WHERE truth = 'mirror' AND ").among(&["bucket", "key"], &keys, bind);
        for row in &self.fetch(&sql).await? {
            let place = (row.text("bucket")?, row.key("key")?);
            match row.text("mirror")? {
                mirror if mirror.is_empty() => {
                    surroundings.open.insert(place);
                }
                mirror => {
                    surroundings.ahead.insert((place, mirror));
                }
            }
        }
        Ok(surroundings)
    }

    /// Records what was found equal.
    async fn write_copies(&mut self, finishing: &[&Finishing], ends: &[Finished]) -> Result<(), sqlx::Error> {
        let (mut copied, mut absent) = (Vec::new(), Vec::new());
        for (Finishing { row, finish, .. }, end) in finishing.iter().zip(ends) {
            match finish {
                Finish::Clean(_) if *end == Finished::LeaseLost => {}
                Finish::Clean(Some(record)) => copied.push((row, record)),
                Finish::Clean(None) => absent.push(row),
                Finish::Again | Finish::Retry { .. } | Finish::Dead { .. } => {}
            }
        }
        self.insert_copies(&copied).await?;
        if !absent.is_empty() {
            let mut sql = self.sql("DELETE FROM copies WHERE ");
            sql.one_of(absent);
            self.execute(&sql).await?;
        }
        Ok(())
    }

    /// Records up to [`ROWS_MAX`] copies, each of another key or mirror.
    pub(super) async fn insert_copies(&mut self, copied: &[(&RowKey, &Record)]) -> Result<(), sqlx::Error> {
        if copied.is_empty() {
            return Ok(());
        }
        let mut sql = self.sql("INSERT INTO copies (");
        sql.push(COPY_COLUMNS).push(") VALUES ").rows(copied, |sql, (row, record)| {
            sql.copy(row, record);
        });
        sql.overwrite(COPY_COLUMNS);
        self.execute(&sql).await?;
        Ok(())
    }

    /// Locks rows that may be given twice, or none.
    async fn lock_some(
        &mut self,
        keys: impl Iterator<Item = &RowKey>,
    ) -> Result<BTreeMap<RowKey, Stored>, sqlx::Error> {
        let keys: BTreeSet<_> = keys.collect();
        if keys.is_empty() { Ok(BTreeMap::new()) } else { self.lock(keys).await }
    }
}

/// What else the journal says of some keys.
#[derive(Default)]
struct Surroundings {
    /// Buckets and keys with open intents.
    open: BTreeSet<(String, String)>,
    /// Those of which a mirror holds the truth.
    ahead: BTreeSet<((String, String), String)>,
}

impl Surroundings {
    fn of(&self, row: &RowKey) -> Around {
        let place = (row.bucket.to_string(), row.key.to_string());
        let is_other =
            |(ahead, mirror): &((String, String), String)| *ahead == place && **mirror != *row.mirror;
        Around {
            has_open_intents: self.open.contains(&place),
            truth_is_elsewhere: self.ahead.iter().any(is_other),
        }
    }
}

fn holds(row: &Row, token: u64) -> bool {
    row.lease.is_some_and(|lease| lease.token == token)
}
