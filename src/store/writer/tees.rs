//! What tees have to say: copies that they have made, and the state of multipart uploads.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    mirror::state::Record,
    store::{
        intent::{Settlement, Teed},
        rows::RowKey,
        sql::ROWS_MAX,
        tee::{TEE_COLUMNS, TeeNote, TeePart, TeeStep},
    },
};

use super::work::Work;

impl Work<'_> {
    /// Records the copies that settled intents tell of; of several of one key, the last one.
    pub(super) async fn record_teed(&mut self, settlements: &[Settlement]) -> Result<(), sqlx::Error> {
        let copied: BTreeMap<RowKey, &Record> = settlements.iter().flat_map(copies).collect();
        let copied: Vec<_> = copied.iter().map(|(row, record)| (row, *record)).collect();
        for chunk in copied.chunks(ROWS_MAX) {
            self.insert_copies(chunk).await?;
        }
        Ok(())
    }

    /// Writes a step down.
    pub(super) async fn tee(&mut self, TeeNote { name, step }: &TeeNote) -> Result<(), sqlx::Error> {
        let mut sql;
        match step {
            TeeStep::Begun(mirror_upload) => {
                sql = self.sql("INSERT INTO tee_uploads (");
                sql.push(TEE_COLUMNS).push(", mirror_upload, begun_at, is_ending) VALUES (").tee_name(name);
                sql.push(", ").text(mirror_upload).push(", ").time(self.now()).push(", 0) ON CONFLICT (");
                sql.push(TEE_COLUMNS).push(") DO UPDATE SET mirror_upload = excluded.mirror_upload");
            }
            TeeStep::Part(TeePart { number, primary_etag, mirror_etag, bytes }) => {
                sql = self.sql("INSERT INTO tee_parts (");
                sql.push(TEE_COLUMNS)
                    .push(", number, primary_etag, mirror_etag, bytes) SELECT ")
                    .push(TEE_COLUMNS);
                sql.push(", ").number((*number).into()).push(", ").text(primary_etag).push(", ");
                // An upload that is over has no parts any more.
                sql.text(mirror_etag).push(", ").unsigned(*bytes).push(" FROM tee_uploads WHERE ").tee(name);
                sql.push(" ON CONFLICT (").push(TEE_COLUMNS).push(", number) DO UPDATE SET ");
                sql.push("primary_etag = excluded.primary_etag, mirror_etag = excluded.mirror_etag, ");
                sql.push("bytes = excluded.bytes");
            }
            TeeStep::Ending => {
                sql = self.sql("UPDATE tee_uploads SET is_ending = 1 WHERE ");
                sql.tee(name);
            }
            TeeStep::Ended => {
                sql = self.sql("DELETE FROM tee_parts WHERE ");
                sql.tee(name);
                self.execute(&sql).await?;
                sql = self.sql("DELETE FROM tee_uploads WHERE ");
                sql.tee(name);
            }
        }
        self.execute(&sql).await?;
        Ok(())
    }
}

fn copies(settlement: &Settlement) -> impl Iterator<Item = (RowKey, &Record)> {
    let Settlement { intent, teed, .. } = settlement;
    let record = match teed {
        Some(Teed::Copied(record)) => Some(record),
        Some(Teed::Unsure) | None => None,
    };
    let row = |mirror: &Arc<str>| RowKey {
        bucket: Arc::clone(&intent.bucket),
        mirror: Arc::clone(mirror),
        key: Arc::clone(&intent.key),
    };
    record.into_iter().flat_map(move |record| intent.mirrors.iter().map(move |mirror| (row(mirror), record)))
}
