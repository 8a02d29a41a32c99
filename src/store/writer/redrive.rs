//! Dead letters that an operator wants tried again.

use crate::{
    mirror::state::{Row, RowState},
    store::{
        command::{Redriven, Redriving},
        rows::{DIRTY_COLUMNS, Stored, row_key, stored},
        sql::ROWS_MAX,
    },
};

use super::work::{Edit, Work};

impl Work<'_> {
    /// Makes some dead letters due, as if they had never failed.
    pub(super) async fn redrive(&mut self, redriving: &Redriving) -> Result<Redriven, sqlx::Error> {
        let mut sql = self.sql("SELECT ");
        sql.push(DIRTY_COLUMNS).push(" FROM dirty");
        sql.dead_letters(&redriving.filter, redriving.after.as_ref(), ROWS_MAX as u64);
        sql.push(self.dialect.for_update());
        let due = self.now();
        let revived = |before: &Stored| Stored {
            row: Row { state: RowState::Waiting, attempts: 0, due, class: None, ..before.row },
            error: String::new(),
        };
        let mut edits = Vec::new();
        for row in &self.fetch(&sql).await? {
            let before = stored(row)?;
            edits.push(Edit { key: row_key(row)?, after: Some(revived(&before)), before: Some(before) });
        }
        self.write(&edits).await?;
        Ok(Redriven { count: edits.len() as u64, last: edits.pop().map(|edit| edit.key) })
    }
}
