//! Rows of intents: written before anything is forwarded, removed with their outcome.

use std::sync::Arc;

use sqlx::any::AnyRow;
use wharf_wire::date::Timestamp;

use crate::{
    mirror::state::{Change, Outcome, Side},
    store::{
        change::Mirrors,
        command::{Saying, Sayings},
        intent::{OpenIntent, Settlement, Teed},
        rows::RowKey,
        sql::{Columns, ROWS_MAX},
    },
};

use super::work::Work;

/// Between mirrors' names, which are of `a-z0-9-_`.
const SEPARATOR: &str = ",";

impl Work<'_> {
    /// Writes intents of `run`.
    pub(super) async fn insert_intents(
        &mut self,
        run: &str,
        intents: &[Arc<OpenIntent>],
    ) -> Result<(), sqlx::Error> {
        for chunk in intents.chunks(ROWS_MAX) {
            let mut sql = self.sql(
                "INSERT INTO intents (run, id, bucket, key, may_delete, taken_by, mirrors, opened_at) VALUES ",
            );
            sql.rows(chunk, |sql, intent| {
                sql.text(run).push(", ").number(intent.id).push(", ").text(&intent.bucket).push(", ");
                sql.key(&intent.key).push(", ").number((intent.change == Change::Delete).into()).push(", ");
                sql.text(intent.taken_by.as_deref().unwrap_or_default()).push(", ");
                sql.text(&intent.mirrors.join(SEPARATOR)).push(", ").time(intent.opened_at);
            });
            self.execute(&sql).await?;
        }
        Ok(())
    }

    /// Removes intents of `run`.
    pub(super) async fn delete_intents(&mut self, run: &str, ids: &[i64]) -> Result<(), sqlx::Error> {
        for chunk in ids.chunks(ROWS_MAX) {
            let mut sql = self.sql("DELETE FROM intents WHERE run = ");
            sql.text(run).push(" AND id IN (");
            for (index, id) in chunk.iter().enumerate() {
                sql.push(if index == 0 { "" } else { ", " }).number(*id);
            }
            sql.push(")");
            self.execute(&sql).await?;
        }
        Ok(())
    }

    /// Removes the intents of `run` from `first` on, of which nobody knows whether they are there.
    pub(super) async fn delete_intents_from(&mut self, run: &str, first: i64) -> Result<(), sqlx::Error> {
        let mut sql = self.sql("DELETE FROM intents WHERE run = ");
        sql.text(run).push(" AND id >= ").number(first);
        self.execute(&sql).await?;
        Ok(())
    }
}

/// Adds what settled intents mean for the mirrors.
pub(super) fn add_settlements(sayings: &mut Sayings, settlements: &[Settlement]) {
    for Settlement { intent, outcome, teed } in settlements {
        let about = About { bucket: &intent.bucket, key: &intent.key, taken_by: intent.taken_by.as_deref() };
        about.add(sayings, &intent.mirrors, (intent.change, *outcome, intent.opened_at));
        if matches!(teed, Some(Teed::Unsure)) {
            about.add(sayings, &intent.mirrors, (intent.change, Outcome::Unknown, intent.opened_at));
        }
    }
}

/// Adds an intent whose outcome nobody will tell.
pub(super) fn add_orphan(sayings: &mut Sayings, row: &AnyRow) -> Result<(), sqlx::Error> {
    let (bucket, key) = (row.text("bucket")?.into(), row.key("key")?.into());
    let taken_by = row.optional_text("taken_by")?;
    let change = if row.flag("may_delete")? { Change::Delete } else { Change::Write };
    let mirrors: Mirrors = row.text("mirrors")?.split(SEPARATOR).map(Arc::from).collect();
    let about = About { bucket: &bucket, key: &key, taken_by: taken_by.as_deref() };
    about.add(sayings, &mirrors, (change, Outcome::Unknown, row.time("opened_at")?));
    Ok(())
}

/// What an intent was about.
struct About<'a> {
    bucket: &'a Arc<str>,
    key: &'a Arc<str>,
    taken_by: Option<&'a str>,
}

impl About<'_> {
    /// Says the same to each mirror; only the one that took the change itself holds the truth.
    fn add(
        &self,
        sayings: &mut Sayings,
        mirrors: &Mirrors,
        (change, outcome, opened_at): (Change, Outcome, Timestamp),
    ) {
        for mirror in mirrors.iter() {
            let took_it = self.taken_by == Some(&**mirror);
            let side = Some(if took_it { Side::Mirror } else { Side::Primary });
            let row = RowKey {
                bucket: Arc::clone(self.bucket),
                mirror: Arc::clone(mirror),
                key: Arc::clone(self.key),
            };
            sayings.entry(row).or_default().push(Saying { change, outcome, side, opened_at });
        }
    }
}
