//! Records of pairs that a walk found equal. A walk takes its time between looking at a pair and saying so, so it says
//! nothing of a key that is dirty, that has an open intent, or whose record was written since.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    mirror::state::Record,
    store::{
        equal::{Equal, Recording},
        rows::{COPY_COLUMNS, RowKey, record, row_key},
        sql::{Columns, ROWS_MAX},
    },
};

use super::work::Work;

type Pairs<'a> = BTreeMap<RowKey, &'a Equal>;

impl Work<'_> {
    /// Writes them down.
    pub(super) async fn record_equal(&mut self, recording: &Recording) -> Result<(), sqlx::Error> {
        let Recording { bucket, mirror, equal } = recording;
        for chunk in equal.chunks(ROWS_MAX) {
            let row = |equal: &Equal| RowKey {
                bucket: Arc::clone(bucket),
                mirror: Arc::clone(mirror),
                key: equal.key.as_str().into(),
            };
            self.record_some(chunk.iter().map(|equal| (row(equal), equal)).collect()).await?;
        }
        Ok(())
    }

    async fn record_some(&mut self, pairs: Pairs<'_>) -> Result<(), sqlx::Error> {
        let touched = self.touched(&pairs).await?;
        let known = self.known(&pairs).await?;
        let (mut new, mut replaced) = (Vec::new(), Vec::new());
        for (row, Equal { was, record, .. }) in pairs.iter().filter(|(row, _)| !touched.contains(*row)) {
            match (known.get(row), was) {
                (None, None) => new.push((row, record)),
                (Some(known), Some(was)) if has_same_etags(known, was) => replaced.push((row, record)),
                (None, Some(_)) | (Some(_), _) => {}
            }
        }
        self.write_records(&new, false).await?;
        self.write_records(&replaced, true).await
    }

    /// The keys of which something else is to be said.
    async fn touched(&mut self, pairs: &Pairs<'_>) -> Result<BTreeSet<RowKey>, sqlx::Error> {
        let mut sql = self.sql("SELECT bucket, mirror, key FROM dirty WHERE ");
        sql.one_of(pairs.keys());
        let dirty = self.fetch(&sql).await?;
        let mut touched: BTreeSet<_> = dirty.iter().map(row_key).collect::<Result<_, _>>()?;
        let mut sql = self.sql("SELECT bucket, key FROM intents WHERE ");
        sql.among(&["bucket", "key"], pairs.keys(), |sql, row| {
            sql.text(&row.bucket).push(", ").key(&row.key);
        });
        for row in &self.fetch(&sql).await? {
            let (bucket, key) = (row.text("bucket")?, row.key("key")?);
            let is_it = |row: &&RowKey| *row.bucket == *bucket && *row.key == *key;
            touched.extend(pairs.keys().find(is_it).cloned());
        }
        Ok(touched)
    }

    /// What is on record of them, held until the transaction ends.
    async fn known(&mut self, pairs: &Pairs<'_>) -> Result<BTreeMap<RowKey, Record>, sqlx::Error> {
        let mut sql = self.sql("SELECT ");
        sql.push(COPY_COLUMNS).push(" FROM copies WHERE ").one_of(pairs.keys());
        sql.push(" ORDER BY bucket, mirror, key").push(self.dialect.for_update());
        self.fetch(&sql).await?.iter().map(|row| Ok((row_key(row)?, record(row)?))).collect()
    }

    async fn write_records(
        &mut self,
        records: &[(&RowKey, &Record)],
        overwrites: bool,
    ) -> Result<(), sqlx::Error> {
        if records.is_empty() {
            return Ok(());
        }
        let mut sql = self.sql("INSERT INTO copies (");
        sql.push(COPY_COLUMNS).push(") VALUES ").rows(records, |sql, (row, record)| {
            sql.copy(row, record);
        });
        if overwrites {
            sql.overwrite(COPY_COLUMNS);
        } else {
            // Another node may have been faster.
            sql.push(" ON CONFLICT (bucket, mirror, key) DO NOTHING");
        }
        self.execute(&sql).await?;
        Ok(())
    }
}

fn has_same_etags(one: &Record, other: &Record) -> bool {
    one.primary_etag == other.primary_etag && one.mirror_etag == other.mirror_etag
}
