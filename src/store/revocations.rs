//! Access tokens that were taken back: the one thing about them that is kept, and only until they would have ended.
//!
//! A revocation is rare and stands alone, so it does not go through the writer, whose commits others wait for.

use sqlx::{AnyConnection, Connection};
use tokio::time::timeout;
use wharf_wire::date::Timestamp;

use super::{database::Database, error::JournalError, reader::Reader, sql::Sql};

/// The tokens that were taken back. Clones are handles of the same.
#[derive(Debug, Clone)]
pub struct Revocations {
    database: Database,
    reader: Reader,
}

impl Revocations {
    pub(super) fn new(database: Database, reader: Reader) -> Self {
        Self { database, reader }
    }

    /// Takes a token back, for every node and for good. Durable when it returns; a second time changes nothing. What has
    /// ended by `now` is forgotten on the way.
    pub async fn revoke(&self, id: &str, ends_at: Timestamp, now: Timestamp) -> Result<(), JournalError> {
        let mut connection = self.database.connect().await?;
        let written = timeout(self.database.patience, self.write(&mut connection, (id, ends_at), now)).await;
        written.map_err(|_| JournalError::TimedOut)??;
        Ok(connection.close().await?)
    }

    /// Whether the token was taken back.
    pub async fn is_revoked(&self, id: &str) -> Result<bool, JournalError> {
        let mut sql = Sql::new(self.database.dialect, "SELECT 1 AS one FROM revoked_tokens WHERE id = ");
        sql.text(id);
        Ok(!self.reader.fetch(sql).await?.is_empty())
    }

    async fn write(
        &self,
        connection: &mut AnyConnection,
        (id, ends_at): (&str, Timestamp),
        now: Timestamp,
    ) -> Result<(), sqlx::Error> {
        let dialect = self.database.dialect;
        let mut transaction = connection.begin_with(dialect.begin()).await?;
        let mut ended = Sql::new(dialect, "DELETE FROM revoked_tokens WHERE ends_at < ");
        ended.time(now).execute(&mut transaction).await?;
        let mut insert = Sql::new(dialect, "INSERT INTO revoked_tokens (id, ends_at) VALUES (");
        insert.text(id).push(", ").time(ends_at).push(") ON CONFLICT (id) DO NOTHING");
        insert.execute(&mut transaction).await?;
        transaction.commit().await
    }
}
