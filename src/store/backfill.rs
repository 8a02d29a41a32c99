//! Keys of a bucket that is read where it was before: which of them have been deleted since, and which are being copied.
//!
//! A delete and a copy of one key meet at one row, which both lock. Either the delete comes first, and the copy does not
//! begin; or it finds the copy, and waits for its end. So no copy lands behind a delete.
//!
//! The row counts the deletes of its key (`is_deleted`). One that comes to nothing is taken back, and those that came before or
//! since still count.

use std::{collections::BTreeMap, sync::Arc};

use wharf_wire::date::Timestamp;

use super::{
    command::Command,
    error::JournalError,
    journal::Journal,
    reader::Reader,
    sql::{Columns, Sql},
};

/// How long a copy lasts that is not renewed.
pub const FILL_LEASE_SECONDS: u64 = 60;

/// The right to write one key as it was at the old place, until its lease ends.
#[derive(Debug)]
pub struct Fill {
    bucket: Arc<str>,
    key: Arc<str>,
    token: u64,
    /// When the lease ends.
    pub held_until: Timestamp,
}

/// Keys that are about to be deleted.
#[derive(Debug)]
pub(super) struct Burying {
    pub(super) bucket: Arc<str>,
    /// With how many deletes of each.
    pub(super) keys: BTreeMap<Arc<str>, u64>,
}

/// A step of a copy, or the end of a delete that came to nothing.
#[derive(Debug)]
pub(super) struct Filling {
    pub(super) bucket: Arc<str>,
    pub(super) key: Arc<str>,
    pub(super) step: FillStep,
}

/// What it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum FillStep {
    Begin,
    Renew(u64),
    End {
        token: u64,
        is_unsure: bool,
    },
    /// Takes back so many deletes.
    Exhume(u64),
}

impl Journal {
    /// Notes that `keys` are about to be deleted, and so never come from the old place again. Says whether one of them may
    /// still be written as it was there.
    pub async fn bury(&self, bucket: &str, keys: &[&str]) -> Result<bool, JournalError> {
        let mut counts = BTreeMap::new();
        for key in keys {
            *counts.entry(Arc::from(*key)).or_default() += 1;
        }
        self.ask(Command::Bury, Burying { bucket: bucket.into(), keys: counts }).await
    }

    /// Notes that `count` deletes of `key` came to nothing. Nobody may say so of one twice.
    pub async fn exhume(&self, bucket: &str, key: &str, count: u64) -> Result<(), JournalError> {
        let question = Filling { bucket: bucket.into(), key: key.into(), step: FillStep::Exhume(count) };
        self.ask(Command::Fill, question).await.map(drop)
    }

    /// Whether `key` was deleted, and so is nowhere, whatever the old place has.
    pub async fn is_buried(&self, bucket: &str, key: &str) -> Result<bool, JournalError> {
        let was_deleted = |sql: &mut Sql| {
            sql.push(" AND is_deleted > 0");
        };
        self.reader().has_backfill(bucket, &[key], was_deleted).await
    }

    /// Whether one of `keys` may still be written as it was at the old place.
    pub async fn is_filling(&self, bucket: &str, keys: &[&str]) -> Result<bool, JournalError> {
        let now = self.clock().now();
        let is_under_way = |sql: &mut Sql| {
            sql.push(" AND until > ").time(now);
        };
        self.reader().has_backfill(bucket, keys, is_under_way).await
    }

    /// Begins to copy `key` from the old place, unless it was deleted, or somebody else does it.
    pub async fn begin_fill(&self, bucket: &str, key: &str) -> Result<Option<Fill>, JournalError> {
        let held_until = self.fill_lease();
        let (bucket, key): (Arc<str>, Arc<str>) = (bucket.into(), key.into());
        let question = Filling { bucket: Arc::clone(&bucket), key: Arc::clone(&key), step: FillStep::Begin };
        let token = self.ask(Command::Fill, question).await?;
        Ok(token.map(|token| Fill { bucket, key, token, held_until }))
    }

    /// Holds it for another [`FILL_LEASE_SECONDS`]; `false` if the key was deleted meanwhile, or the lease is lost.
    pub async fn renew_fill(&self, fill: &mut Fill) -> Result<bool, JournalError> {
        let held_until = self.fill_lease();
        let is_held = self.ask(Command::Fill, fill.step(FillStep::Renew(fill.token))).await?.is_some();
        if is_held {
            fill.held_until = held_until;
        }
        Ok(is_held)
    }

    /// Says that the copy has ended. `is_unsure`: it may still be written for a while, although nobody waits for it.
    pub async fn end_fill(&self, fill: Fill, is_unsure: bool) -> Result<(), JournalError> {
        let step = fill.step(FillStep::End { token: fill.token, is_unsure });
        self.ask(Command::Fill, step).await.map(drop)
    }

    /// From before it is asked for, so that it ends here before it ends there.
    fn fill_lease(&self) -> Timestamp {
        self.clock().now().plus_seconds(FILL_LEASE_SECONDS)
    }
}

impl Fill {
    fn step(&self, step: FillStep) -> Filling {
        Filling { bucket: Arc::clone(&self.bucket), key: Arc::clone(&self.key), step }
    }
}

impl Reader {
    async fn has_backfill(
        &self,
        bucket: &str,
        keys: &[&str],
        is_it: impl FnOnce(&mut Sql),
    ) -> Result<bool, JournalError> {
        let mut sql = self.sql("SELECT COUNT(*) AS found FROM backfills WHERE bucket = ");
        sql.text(bucket).push(" AND key IN (VALUES ").rows(keys, |sql, key| {
            sql.key(key);
        });
        sql.push(")");
        is_it(&mut sql);
        let rows = self.fetch(sql).await?;
        Ok(rows.first().map(|row| row.flag("found")).transpose()?.unwrap_or_default())
    }
}
