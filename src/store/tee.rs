//! Multipart uploads that are teed: what each mirror calls the upload, and which parts it has.
//!
//! They belong to clients that come and go, and may be parted among nodes, so they are kept here and not in memory. A crash
//! costs no more than a part: what a mirror lacks, or is not known to have, its worker copies.

use std::sync::Arc;

use sqlx::any::AnyRow;
use wharf_wire::date::Timestamp;

use super::{
    command::Command,
    error::JournalError,
    journal::Journal,
    reader::Reader,
    sql::{Columns, Sql},
};

/// A client's upload at a mirror.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TeeName {
    /// The configured bucket.
    pub bucket: Arc<str>,
    /// The caller's key.
    pub key: Arc<str>,
    /// The primary's id of the upload.
    pub upload: Arc<str>,
    /// The mirror.
    pub mirror: Arc<str>,
}

/// A part that both have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeePart {
    /// Its number.
    pub number: u16,
    /// The primary's `ETag` of it.
    pub primary_etag: String,
    /// The mirror's.
    pub mirror_etag: String,
    /// Its length.
    pub bytes: u64,
}

/// An upload that was begun long ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleTee {
    /// Whose it is.
    pub name: TeeName,
    /// The mirror's id of it.
    pub mirror_upload: String,
    /// Whether the mirror may have completed it.
    pub is_ending: bool,
}

/// What is written about an upload.
#[derive(Debug)]
pub(super) struct TeeNote {
    pub(super) name: TeeName,
    pub(super) step: TeeStep,
}

/// A step of one.
#[derive(Debug)]
pub(super) enum TeeStep {
    Begun(String),
    Part(TeePart),
    Ending,
    Ended,
}

impl Journal {
    /// A mirror has begun an upload under an id of its own.
    pub async fn begin_tee(&self, name: &TeeName, mirror_upload: &str) -> Result<(), JournalError> {
        self.note_tee(name, TeeStep::Begun(mirror_upload.to_owned())).await
    }

    /// It has a part that the primary has. Of two with one number, the last one counts.
    pub async fn add_tee_part(&self, name: &TeeName, part: TeePart) -> Result<(), JournalError> {
        self.note_tee(name, TeeStep::Part(part)).await
    }

    /// It is about to be asked to complete the upload.
    pub async fn end_tee(&self, name: &TeeName) -> Result<(), JournalError> {
        self.note_tee(name, TeeStep::Ending).await
    }

    /// The upload is over there, one way or the other.
    pub async fn forget_tee(&self, name: &TeeName) -> Result<(), JournalError> {
        self.note_tee(name, TeeStep::Ended).await
    }

    /// The mirror's own id of an upload, if it was begun there.
    pub async fn tee_id(&self, name: &TeeName) -> Result<Option<String>, JournalError> {
        self.reader().tee_id(name).await
    }

    /// The parts that a mirror has of an upload.
    pub async fn tee_parts(&self, name: &TeeName) -> Result<Vec<TeePart>, JournalError> {
        self.reader().tee_parts(name).await
    }

    /// Up to `count_max` uploads that were begun before a time, the oldest first.
    pub async fn stale_tees(&self, before: Timestamp, count_max: u32) -> Result<Vec<StaleTee>, JournalError> {
        self.reader().stale_tees(before, count_max).await
    }

    async fn note_tee(&self, name: &TeeName, step: TeeStep) -> Result<(), JournalError> {
        self.ask(Command::Tee, TeeNote { name: name.clone(), step }).await
    }
}

impl Reader {
    async fn tee_id(&self, name: &TeeName) -> Result<Option<String>, JournalError> {
        let mut sql = self.sql("SELECT mirror_upload FROM tee_uploads WHERE ");
        sql.tee(name);
        let rows = self.fetch(sql).await?;
        Ok(rows.first().map(|row| row.text("mirror_upload")).transpose()?)
    }

    async fn tee_parts(&self, name: &TeeName) -> Result<Vec<TeePart>, JournalError> {
        let mut sql = self.sql("SELECT number, primary_etag, mirror_etag, bytes FROM tee_parts WHERE ");
        sql.tee(name);
        Ok(self.fetch(sql).await?.iter().map(part).collect::<Result<_, _>>()?)
    }

    async fn stale_tees(&self, before: Timestamp, count_max: u32) -> Result<Vec<StaleTee>, JournalError> {
        let mut sql =
            self.sql("SELECT bucket, key, upload, mirror, mirror_upload, is_ending FROM tee_uploads ");
        sql.push("WHERE begun_at < ").time(before).push(" ORDER BY begun_at LIMIT ").number(count_max.into());
        Ok(self.fetch(sql).await?.iter().map(stale).collect::<Result<_, _>>()?)
    }
}

impl Sql {
    /// The condition that a row is about an upload.
    pub(super) fn tee(&mut self, name: &TeeName) -> &mut Self {
        self.push("bucket = ").text(&name.bucket).push(" AND key = ").key(&name.key);
        self.push(" AND upload = ").text(&name.upload).push(" AND mirror = ").text(&name.mirror)
    }

    /// The values by which a row is about an upload, in the order of [`TEE_COLUMNS`].
    pub(super) fn tee_name(&mut self, name: &TeeName) -> &mut Self {
        self.text(&name.bucket)
            .push(", ")
            .key(&name.key)
            .push(", ")
            .text(&name.upload)
            .push(", ")
            .text(&name.mirror)
    }
}

/// What names an upload at a mirror.
pub(super) const TEE_COLUMNS: &str = "bucket, key, upload, mirror";

fn part(row: &AnyRow) -> Result<TeePart, sqlx::Error> {
    Ok(TeePart {
        number: u16::try_from(row.number("number")?).unwrap_or_default(),
        primary_etag: row.text("primary_etag")?,
        mirror_etag: row.text("mirror_etag")?,
        bytes: row.unsigned("bytes")?,
    })
}

fn stale(row: &AnyRow) -> Result<StaleTee, sqlx::Error> {
    let name = TeeName {
        bucket: row.text("bucket")?.into(),
        key: row.key("key")?.into(),
        upload: row.text("upload")?.into(),
        mirror: row.text("mirror")?.into(),
    };
    Ok(StaleTee { name, mirror_upload: row.text("mirror_upload")?, is_ending: row.flag("is_ending")? })
}
